//! Private things in talk: found by their form, their check digits and the words around them, and replaced by
//! placeholders that say what stood there.
//!
//! What is found is only ever counted: no value leaves this crate but inside the text that holds it.

mod address;
mod digits;
mod names;
mod numbers;
mod online;
mod vehicle;

use std::collections::HashMap;
use std::ops::Range;

use artifact::preprocess::PrivateKind;

pub use names::Names;

/// A private thing in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What it is.
    pub kind: PrivateKind,
    /// Its bytes in the text.
    pub range: Range<usize>,
}

/// Finds what is private in a text, in its order, without overlaps. Where two readings overlap, the one whose form says
/// more wins: the order of [`PrivateKind`].
pub fn find(text: &str, names: &Names) -> Vec<Found> {
    let mut found = Vec::new();
    let has_digit = digits::any(text);
    online::find(text, &mut found);
    if has_digit {
        numbers::find(text, &mut found);
        vehicle::find(text, &mut found);
        address::find(text, &mut found);
    }
    names.find(text, &mut found);
    found.sort_by_key(|found| (found.kind, found.range.start, std::cmp::Reverse(found.range.end)));
    let mut chosen: Vec<Found> = Vec::new();
    for one in found {
        let overlaps = |other: &Found| one.range.start < other.range.end && other.range.start < one.range.end;
        if !chosen.iter().any(overlaps) {
            chosen.push(one);
        }
    }
    chosen.sort_by_key(|found| found.range.start);
    chosen
}

/// The placeholders of one conversation: what was said twice has the same one both times.
#[derive(Debug, Default)]
pub struct Placeholders {
    numbers: HashMap<(PrivateKind, String), usize>,
    counts: HashMap<PrivateKind, usize>,
}

impl Placeholders {
    /// The text with each private thing replaced, and what they were; none where there is none.
    pub fn mask(&mut self, text: &str, names: &Names) -> Option<(String, Vec<PrivateKind>)> {
        let found = find(text, names);
        if found.is_empty() {
            return None;
        }
        let mut masked = String::with_capacity(text.len());
        let mut end = 0;
        for Found { kind, range } in &found {
            masked.push_str(&text[end..range.start]);
            masked.push_str(&self.placeholder(*kind, &text[range.clone()], names));
            end = range.end;
        }
        masked.push_str(&text[end..]);
        Some((masked, found.into_iter().map(|found| found.kind).collect()))
    }

    /// `[PHONE_1]`
    fn placeholder(&mut self, kind: PrivateKind, value: &str, names: &Names) -> String {
        let key = match kind {
            PrivateKind::Name => names.person(value).to_string(),
            _ => digits::bare(value),
        };
        let next = self.counts.entry(kind).or_default();
        let number = *self.numbers.entry((kind, key)).or_insert_with(|| {
            *next += 1;
            *next
        });
        format!("[{}_{number}]", kind.placeholder())
    }
}
