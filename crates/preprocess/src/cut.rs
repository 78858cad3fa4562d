//! Conversations that are longer than a model's context, cut after the last answer that fits.

use artifact::Result;
use artifact::conversation::{Message, Role};
use artifact::preprocess::{Changes, Reason};
use artifact::tokenizer::{Encoder, Rendered};
use terminal::{Lang, Progress};

use crate::clean::spoken_turns;
use crate::column::Column;
use crate::duplicates::{self, fingerprint};
use crate::rounds::in_rounds;
use crate::spool::{Spool, talks};
use crate::standing::Standing;

/// Turns that are rendered before it is known how many fit: most talks are shorter, and a chat export may be one
/// conversation of a hundred thousand, whose end must not be looked at.
const FIRST_TURNS: usize = 32;

/// How many turns are left of each conversation that was cut, by its place: in memory, eight bytes for each.
#[derive(Debug, Default)]
pub(crate) struct Cuts(Vec<(u32, u32)>);

impl Cuts {
    /// The turns of a conversation that are left.
    pub(crate) fn of<'a>(&self, index: u32, messages: &'a [Message]) -> &'a [Message] {
        match self.0.binary_search_by_key(&index, |cut| cut.0) {
            Ok(place) => &messages[..self.0[place].1 as usize],
            Err(_) => messages,
        }
    }
}

/// What is asked of lengths.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) max_tokens: usize,
    pub(crate) min_turns: usize,
    /// Bytes for what is compared.
    pub(crate) memory: usize,
}

/// Cuts what is too long; drops what does not fit at all, and what cutting has made equal to another. Calls `told` as
/// [`duplicates::drop`] does.
pub(crate) fn cut(
    limits: Limits,
    spool: &Spool,
    standings: &mut [Standing],
    encoder: &Encoder<'_>,
    mut fingerprints: Column,
    changes: &mut Changes,
    mut told: impl FnMut(Reason, u32, Option<u32>),
) -> Result<Cuts> {
    let mut cuts = Cuts::default();
    let mut too_long = Vec::new();
    let kept = |index: u32| standings[index as usize].is_kept();
    let progress = Progress::new(Lang::pick("길이", "lengths"), spool.size(), "bytes");
    in_rounds(
        spool.blocks()?,
        |block| {
            progress.inc(block.size());
            let mut found = Vec::new();
            for talk in talks(block) {
                let (index, talk) = talk?;
                if kept(index) {
                    let turns = fitting(encoder, &talk.messages, limits)?;
                    let fingerprint = turns.map(|turns| fingerprint(&talk.messages[..turns]));
                    found.push((index, talk.messages.len(), turns, fingerprint));
                }
            }
            Ok(found)
        },
        |found| {
            for (index, all, turns, fingerprint) in found {
                let (Some(turns), Some(fingerprint)) = (turns, fingerprint) else {
                    too_long.push(index);
                    continue;
                };
                fingerprints.push(fingerprint, index)?;
                if turns < all {
                    cuts.0.push((index, turns as u32));
                    changes.cut_conversations += 1;
                    changes.cut_turns += all - turns;
                }
            }
            Ok(())
        },
    )?;
    progress.finish();
    for index in too_long {
        standings[index as usize].dropped = Some(Reason::TooLong);
        told(Reason::TooLong, index, None);
    }
    if !cuts.0.is_empty() {
        duplicates::drop(standings, &mut fingerprints, limits.memory, |reason, goes, stays| {
            told(reason, goes, Some(stays));
        })?;
    }
    fingerprints.remove()?;
    Ok(cuts)
}

/// How many turns from the beginning fit, up to an answer; none where too few do.
fn fitting(encoder: &Encoder<'_>, messages: &[Message], limits: Limits) -> Result<Option<usize>> {
    let Limits { max_tokens, min_turns, .. } = limits;
    let fits = |rendered: &Rendered| rendered.tokens.len() <= max_tokens;
    if encoder.most_tokens(messages) <= max_tokens {
        return Ok(Some(messages.len()));
    }
    let render = |turns: usize| encoder.conversation(&messages[..turns]);
    let mut turns = messages.len().min(FIRST_TURNS);
    let mut fit = 0;
    while fits(&render(turns)?) {
        if turns == messages.len() {
            return Ok(Some(turns));
        }
        fit = turns;
        turns = (2 * turns).min(messages.len());
    }
    // `fit` turns are short enough, `turns` are too many.
    while turns - fit > 1 {
        let middle = fit.midpoint(turns);
        if fits(&render(middle)?) {
            fit = middle;
        } else {
            turns = middle;
        }
    }
    let answer = messages[..fit].iter().rposition(|message| message.role == Role::Assistant);
    let turns = answer.map(|answer| answer + 1);
    Ok(turns.filter(|turns| spoken_turns(&messages[..*turns]) >= min_turns))
}
