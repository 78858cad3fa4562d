//! The words of each topic.

use std::collections::{BTreeMap, HashMap};

use artifact::conversation::Message;

/// Words of a topic that are remembered; beyond them the rarest are forgotten.
const MOST_WORDS: usize = 10_000;
/// Topics; what comes after has no words.
const MOST_TOPICS: usize = 200;

/// How often each word stands in each topic; talk without one has the topic "".
#[derive(Debug, Default)]
pub(crate) struct Topics(BTreeMap<String, Topic>);

#[derive(Debug, Default)]
struct Topic {
    conversations: usize,
    /// Only looked up, or walked to be sorted.
    words: HashMap<String, usize>,
}

/// A topic as the report tells it.
#[derive(Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct TopWords {
    pub(crate) topic: String,
    pub(crate) conversations: usize,
    /// The words that tell it from the others, with their counts.
    pub(crate) words: Vec<(String, usize)>,
}

impl Topics {
    /// Counts the words of a conversation: what stands between blanks, but for signs.
    pub(crate) fn add(&mut self, topic: Option<&str>, messages: &[Message]) {
        let topic = self.0.entry(topic.unwrap_or_default().to_owned()).or_default();
        topic.conversations += 1;
        for word in messages.iter().flat_map(|message| message.content.split_whitespace()) {
            // Placeholders of what is private are no words.
            let word = word.trim_matches(|character: char| !character.is_alphanumeric() && character != '[');
            if word.chars().count() >= 2 && !word.starts_with('[') && word.chars().any(char::is_alphabetic) {
                if let Some(count) = topic.words.get_mut(word) {
                    *count += 1;
                } else {
                    topic.words.insert(word.to_owned(), 1);
                }
            }
        }
    }

    /// Adds what was counted elsewhere.
    pub(crate) fn merge(&mut self, other: Self) {
        for (name, topic) in other.0 {
            if self.0.len() >= MOST_TOPICS && !self.0.contains_key(&name) {
                continue;
            }
            let all = self.0.entry(name).or_default();
            all.conversations += topic.conversations;
            for (word, count) in topic.words {
                *all.words.entry(word).or_default() += count;
            }
            let mut least = 1;
            while all.words.len() > MOST_WORDS {
                least += 1;
                all.words.retain(|_, count| *count >= least);
            }
        }
    }

    /// For each topic the words that tell it best: of the highest count times the logarithm of how much more frequent they
    /// are in it than in all.
    pub(crate) fn top(&self, words: usize) -> Vec<TopWords> {
        let mut all: HashMap<&str, usize> = HashMap::new();
        for (word, count) in self.0.values().flat_map(|topic| &topic.words) {
            *all.entry(word).or_default() += count;
        }
        let total = all.values().sum::<usize>() as f64;
        let of_topic = |(name, topic): (&String, &Topic)| {
            let own = topic.words.values().sum::<usize>() as f64;
            let weight = |word: &str, count: usize| {
                if self.0.len() == 1 {
                    return count as f64;
                }
                count as f64 * ((count as f64 / own) / (all[word] as f64 / total)).ln()
            };
            let mut weighed: Vec<(f64, &str, usize)> = topic
                .words
                .iter()
                .map(|(word, count)| (weight(word, *count), word.as_str(), *count))
                .collect();
            weighed.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
            weighed.truncate(words);
            let words = weighed.into_iter().map(|(_, word, count)| (word.to_owned(), count)).collect();
            TopWords { topic: name.clone(), conversations: topic.conversations, words }
        };
        self.0.iter().map(of_topic).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_tell_a_topic_come_first() {
        let mut topics = Topics::default();
        topics.add(
            Some("날씨"),
            &[Message::user("오늘 비가 와요, 정말"), Message::assistant("비가 정말 많이 와요!")],
        );
        topics.add(
            Some("음식"),
            &[Message::user("오늘 라면 먹어요 [NAME_1]"), Message::assistant("라면 정말 좋아요 정말")],
        );
        let top = topics.top(1);
        assert_eq!(top[0].words, [("비가".to_owned(), 2)]);
        assert_eq!((top[1].topic.as_str(), top[1].words[0].0.as_str()), ("음식", "라면"));
    }
}
