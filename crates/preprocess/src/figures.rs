//! What `preprocess.json` says, counted on the way and told to the person at the end.

use std::collections::BTreeMap;

use artifact::conversation::{Message, Split};
use artifact::preprocess::{Bin, Dropped, Lengths, Origin, Reason, SplitFigures, Summary};
use artifact::tokenizer::{Rendered, SPECIAL};
use terminal::Lang;

use crate::examples::Examples;

/// The figures of a split without conversations.
pub(crate) fn none(split: Split) -> SplitFigures {
    SplitFigures {
        split,
        conversations: 0,
        turns: 0,
        tokens: 0,
        targets: 0,
        longest: 0,
        characters: 0,
        bytes: 0,
        content_tokens: 0,
        characters_per_token: 0.0,
        bytes_per_token: 0.0,
    }
}

/// Counts one conversation and its tokens.
pub(crate) fn add(figures: &mut SplitFigures, messages: &[Message], rendered: &Rendered) {
    let tokens = &rendered.tokens;
    figures.conversations += 1;
    figures.turns += messages.len();
    figures.tokens += tokens.len();
    figures.targets += rendered.loss.iter().map(|&flag| usize::from(flag)).sum::<usize>();
    figures.longest = figures.longest.max(tokens.len());
    figures.content_tokens += tokens.iter().filter(|&&token| token as usize >= SPECIAL.len()).count();
    for message in messages {
        figures.characters += message.content.chars().count();
        figures.bytes += message.content.len();
    }
}

/// Adds the counts of other conversations of the split.
pub(crate) fn merge(figures: &mut SplitFigures, other: &SplitFigures) {
    figures.conversations += other.conversations;
    figures.turns += other.turns;
    figures.tokens += other.tokens;
    figures.targets += other.targets;
    figures.longest = figures.longest.max(other.longest);
    figures.characters += other.characters;
    figures.bytes += other.bytes;
    figures.content_tokens += other.content_tokens;
    let per_token = |count: usize| count as f64 / figures.content_tokens.max(1) as f64;
    (figures.characters_per_token, figures.bytes_per_token) =
        (per_token(figures.characters), per_token(figures.bytes));
}

/// Lengths, counted by the power of two that is next to them.
#[derive(Debug, Default)]
pub(crate) struct LengthCounts {
    turn_characters: BTreeMap<usize, usize>,
    conversation_tokens: BTreeMap<usize, usize>,
}

impl LengthCounts {
    /// Counts one conversation and its turns.
    pub(crate) fn add(&mut self, messages: &[Message], rendered: &Rendered) {
        for message in messages {
            let characters = message.content.chars().count().next_power_of_two();
            *self.turn_characters.entry(characters).or_default() += 1;
        }
        *self.conversation_tokens.entry(rendered.tokens.len().next_power_of_two()).or_default() += 1;
    }

    /// Adds what was counted elsewhere.
    pub(crate) fn merge(&mut self, other: Self) {
        for (bin, count) in other.turn_characters {
            *self.turn_characters.entry(bin).or_default() += count;
        }
        for (bin, count) in other.conversation_tokens {
            *self.conversation_tokens.entry(bin).or_default() += count;
        }
    }

    /// The histograms, without a gap between their first and last bin.
    pub(crate) fn into_lengths(self) -> Lengths {
        let bins = |counts: BTreeMap<usize, usize>| -> Vec<Bin> {
            let bounds = counts.keys().next().copied().zip(counts.keys().next_back().copied());
            let (first, last) = bounds.unwrap_or((1, 0));
            let limits = std::iter::successors(Some(first), |limit| Some(2 * limit))
                .take_while(|limit| *limit <= last);
            limits
                .map(|up_to| Bin { up_to, count: counts.get(&up_to).copied().unwrap_or_default() })
                .collect()
        };
        Lengths {
            turn_characters: bins(self.turn_characters),
            conversation_tokens: bins(self.conversation_tokens),
        }
    }
}

/// A row for each reason.
pub(crate) fn drops(counts: &BTreeMap<Reason, usize>, examples: &mut Examples) -> Vec<Dropped> {
    let row = |reason| Dropped {
        reason,
        conversations: counts.get(&reason).copied().unwrap_or_default(),
        examples: examples.take(reason),
    };
    Reason::ALL.into_iter().map(row).collect()
}

/// The reason in words.
pub(crate) fn name(reason: Reason) -> &'static str {
    match reason {
        Reason::Empty => Lang::pick("내용 없음", "empty"),
        Reason::NoAssistantTurn => Lang::pick("답 없음", "no answer"),
        Reason::TooShort => Lang::pick("너무 짧음", "too short"),
        Reason::LongTurn => Lang::pick("너무 긴 말", "a turn too long"),
        Reason::Language => Lang::pick("다른 언어", "another language"),
        Reason::Repetition => Lang::pick("되풀이", "repetition"),
        Reason::DroppedWord => Lang::pick("걸러 낼 낱말", "a word to drop"),
        Reason::Contaminated => Lang::pick("평가 자료와 겹침", "overlaps the test set"),
        Reason::Private => Lang::pick("개인 정보 있음", "private"),
        Reason::Boilerplate => Lang::pick("되풀이되는 상투문", "boilerplate"),
        Reason::Duplicate => Lang::pick("중복", "duplicate"),
        Reason::HeldOut => Lang::pick("평가용 대화와 같음", "equal to a held-out one"),
        Reason::NearDuplicate => Lang::pick("거의 같음", "near-duplicate"),
        Reason::TooLong => Lang::pick("너무 긺", "too long"),
    }
}

/// The reasons that took conversations, "duplicate 3, too long 1".
pub(crate) fn reasons(counts: &BTreeMap<Reason, usize>) -> String {
    let reasons: Vec<String> =
        counts.iter().map(|(reason, count)| format!("{} {count}", name(*reason))).collect();
    reasons.join(", ")
}

/// The summary for a person, a line each.
pub(crate) fn tell(summary: &Summary) -> Vec<String> {
    let Summary { options, read, kept, dropped, drops, changes, private, vocabulary, splits, .. } = summary;
    let counts = drops.iter().filter(|row| row.conversations > 0).map(|row| (row.reason, row.conversations));
    let why = if *dropped > 0 { format!(": {}", reasons(&counts.collect())) } else { String::new() };
    let mut lines = vec![Lang::pick(
        format!("대화 {read}개를 읽어 {kept}개를 남기고 {dropped}개를 뺐습니다{why}"),
        format!("{read} conversations read, {kept} kept, {dropped} dropped{why}"),
    )];
    let found: Vec<String> = private
        .iter()
        .filter(|row| row.found > 0)
        .map(|row| format!("{} {}", row.kind.placeholder(), row.found))
        .collect();
    if !found.is_empty() {
        let found = found.join(", ");
        lines
            .push(Lang::pick(format!("개인 정보를 찾음: {found}"), format!("private things found: {found}")));
    }
    let (cut, turns, limit) = (changes.cut_conversations, changes.cut_turns, options.max_tokens);
    if cut > 0 {
        lines.push(Lang::pick(
            format!("{cut}개는 {limit} 토큰에 맞추어 뒷부분 {turns}차례를 잘랐습니다 (--max-tokens)"),
            format!("{cut} were cut to {limit} tokens and lost {turns} turns at their end (--max-tokens)"),
        ));
    }
    let (size, asked) = (vocabulary.size, options.vocab_size);
    if size < asked && vocabulary.origin == Origin::Fitted {
        lines.push(Lang::pick(
            format!("어휘가 {asked}개에 못 미치는 {size}개입니다: 되풀이되는 글자 짝이 더 없습니다"),
            format!("the vocabulary has {size} tokens, not {asked}: nothing else in the text repeats"),
        ));
    }
    for figures in splits {
        let SplitFigures { split, conversations, tokens, targets, longest, characters_per_token, .. } =
            figures;
        lines.push(Lang::pick(
            format!(
                "{split}: 대화 {conversations}개, 토큰 {tokens}개 (학습 대상 {targets}개), \
                 토큰당 {characters_per_token:.2}자, 가장 긴 대화 {longest} 토큰"
            ),
            format!(
                "{split}: {conversations} conversations, {tokens} tokens ({targets} targets), \
                 {characters_per_token:.2} characters per token, longest {longest} tokens"
            ),
        ));
    }
    lines
}
