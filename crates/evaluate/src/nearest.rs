//! The response of the corpus nearest to a reply.

use std::collections::BTreeMap;

use artifact::conversation::Slot;
use artifact::response::ResponseTemplate;

use crate::chrf::{self, Hypothesis, NgramMap, ORDER, Totals};

/// Every response of every action, ready to be compared with replies.
///
/// Responses without slots are in an inverted index from n-grams to the texts that hold them, so that a reply is
/// compared with thousands of them in the time of a few. Those with slots are filled for each talk.
pub struct Responses {
    actions: Vec<String>,
    /// Distinct texts without slots, each with the actions that say it.
    texts: Vec<(String, Vec<usize>)>,
    totals: Vec<Totals>,
    /// Where each n-gram occurs, and how often.
    postings: NgramMap<Vec<Posting>>,
    /// Templates that need slots, each with its action.
    templates: Vec<(ResponseTemplate, usize)>,
}

#[derive(Clone, Copy)]
struct Posting {
    text: u32,
    count: u32,
}

/// The nearest response.
#[derive(Debug, Clone, PartialEq)]
pub struct Nearest<'a> {
    /// Its text, with its slots filled.
    pub text: String,
    /// chrF of the reply against it, above 0 and up to 100.
    pub chrf: f64,
    /// The actions that may say this text; never empty.
    pub actions: Vec<&'a str>,
}

impl Responses {
    /// Indexes the responses of a corpus.
    pub fn new(responses: Vec<ResponseTemplate>) -> Self {
        let mut actions: Vec<String> = responses.iter().map(|response| response.action.clone()).collect();
        actions.sort_unstable();
        actions.dedup();
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        let mut index = Self {
            actions,
            texts: Vec::new(),
            totals: Vec::new(),
            postings: NgramMap::default(),
            templates: Vec::new(),
        };
        for response in responses {
            let action = index.actions.binary_search(&response.action).expect("collected above");
            let Some(text) = response.fill(&[]) else {
                index.templates.push((response, action));
                continue;
            };
            let place = *places.entry(text).or_insert_with_key(|text| index.add(text));
            let said_by = &mut index.texts[place].1;
            if !said_by.contains(&action) {
                said_by.push(action);
            }
        }
        index
    }

    fn add(&mut self, text: &str) -> usize {
        let place = self.texts.len();
        let text_ngrams = Hypothesis::new(text);
        for (ngram, count) in text_ngrams.counts {
            self.postings.entry(ngram.hash).or_default().push(Posting { text: place as u32, count });
        }
        self.totals.push(text_ngrams.totals);
        self.texts.push((text.to_owned(), Vec::new()));
        place
    }

    /// The number of responses that differ, those with slots counted by template.
    pub fn len(&self) -> usize {
        self.texts.len() + self.templates.len()
    }

    /// Whether there is no response.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The response of the highest chrF against `reply`, the first of equals, among all that `slots` can fill;
    /// none where no response shares a character with it.
    pub fn nearest(&self, reply: &str, slots: &[Slot]) -> Option<Nearest<'_>> {
        let reply = Hypothesis::new(reply);
        let mut best =
            self.nearest_without_slots(&reply).map(|(score, place)| (score, self.texts[place].0.clone()));
        let filled: Vec<(String, usize)> = self
            .templates
            .iter()
            .filter_map(|(template, action)| Some((template.fill(slots)?, *action)))
            .collect();
        for (text, _) in &filled {
            let score = reply.score(text);
            if score > best.as_ref().map_or(0.0, |(best, _)| *best) {
                best = Some((score, text.clone()));
            }
        }
        let (chrf, text) = best?;
        let mut actions: Vec<usize> = self
            .texts
            .iter()
            .filter(|(other, _)| *other == text)
            .flat_map(|(_, actions)| actions.iter().copied())
            .chain(filled.iter().filter(|(other, _)| *other == text).map(|(_, action)| *action))
            .collect();
        actions.sort_unstable();
        actions.dedup();
        Some(Nearest {
            text,
            chrf,
            actions: actions.into_iter().map(|action| self.actions[action].as_str()).collect(),
        })
    }

    fn nearest_without_slots(&self, reply: &Hypothesis) -> Option<(f64, usize)> {
        // Shared n-grams of the reply and each text, by order. `[texts, ORDER]`
        let mut matches = vec![Totals::default(); self.texts.len()];
        for (ngram, count) in &reply.counts {
            for posting in self.postings.get(&ngram.hash).into_iter().flatten() {
                matches[posting.text as usize][ngram.order] += posting.count.min(*count);
            }
        }
        let mut best = None;
        let mut highest = 0.0;
        for (place, (matches, totals)) in matches.iter().zip(&self.totals).enumerate() {
            debug_assert!(matches.len() == ORDER);
            if matches[0] == 0 {
                continue;
            }
            let score = chrf::f_score(&reply.totals, totals, matches);
            if score > highest {
                highest = score;
                best = Some((score, place));
            }
        }
        best
    }
}
