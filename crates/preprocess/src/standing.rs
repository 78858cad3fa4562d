//! What is known of each conversation of the spool while the passes decide: two bytes of memory for each.

use artifact::conversation::Split;
use artifact::preprocess::Reason;

/// Where a conversation goes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Standing {
    /// The split it must go to; by [`crate::split::assign`], every one has one.
    pub(crate) split: Option<Split>,
    /// Why it is left out, if it is.
    pub(crate) dropped: Option<Reason>,
}

impl Standing {
    /// Whether it is still in.
    pub(crate) fn is_kept(self) -> bool {
        self.dropped.is_none()
    }

    /// The split of a conversation once they are assigned.
    pub(crate) fn split(self) -> Split {
        self.split.expect("every conversation has a split once they are assigned")
    }

    /// What stays of several that say the same: the first of the split that is held out furthest.
    pub(crate) fn rank(self, index: u32) -> (std::cmp::Reverse<Split>, u32) {
        (std::cmp::Reverse(self.split()), index)
    }
}
