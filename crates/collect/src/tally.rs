//! Counting what a reader keeps, and why it rejects.

use std::collections::BTreeMap;

use artifact::sources::{Count, Rejected};

/// What became of one kind of thing.
#[derive(Debug, Clone)]
pub(crate) struct Tally {
    unit: &'static str,
    kept: u64,
    rejected: BTreeMap<String, u64>,
}

impl Tally {
    /// Counts things called `unit`, in the plural.
    pub(crate) fn new(unit: &'static str) -> Self {
        Self { unit, kept: 0, rejected: BTreeMap::new() }
    }

    pub(crate) fn keep(&mut self) {
        self.keep_many(1);
    }

    pub(crate) fn keep_many(&mut self, count: usize) {
        self.kept += count as u64;
    }

    pub(crate) fn reject(&mut self, reason: impl Into<String>) {
        self.reject_many(reason, 1);
    }

    pub(crate) fn reject_many(&mut self, reason: impl Into<String>, count: usize) {
        if count > 0 {
            *self.rejected.entry(reason.into()).or_default() += count as u64;
        }
    }

    /// The rejections alone: what was kept so far is yet to be chosen from.
    pub(crate) fn without_kept(mut self) -> Self {
        self.kept = 0;
        self
    }

    pub(crate) fn read(&self) -> u64 {
        self.kept + self.rejected.values().sum::<u64>()
    }

    pub(crate) fn count(self) -> Count {
        Count {
            unit: self.unit.to_owned(),
            read: self.read(),
            kept: self.kept,
            rejected: self.rejected.into_iter().map(|(reason, count)| Rejected { reason, count }).collect(),
        }
    }
}
