//! How often and how long to wait for a server.

use std::time::Duration;

/// The first pause; each further one is twice as long.
const FIRST: Duration = Duration::from_millis(500);
/// The longest pause that is chosen here.
const LONGEST: Duration = Duration::from_secs(30);
/// The longest pause that a server may ask for.
const LONGEST_ASKED: Duration = Duration::from_mins(5);

/// Attempts so far, as far as they count.
#[derive(Debug)]
pub(super) struct Patience {
    retries: u32,
    in_vain: u32,
    furthest: u64,
}

impl Patience {
    pub(super) fn new(retries: u32) -> Self {
        Self { retries, in_vain: 0, furthest: 0 }
    }

    /// How long to wait after an attempt with which the file has come to this length; none when it is enough. What brought
    /// the file further than ever was not in vain.
    pub(super) fn pause(&mut self, length: u64, asked: Option<Duration>) -> Option<Duration> {
        if asked.is_some_and(|asked| asked > LONGEST_ASKED) {
            return None;
        }
        if length > self.furthest {
            (self.furthest, self.in_vain) = (length, 0);
            return Some(asked.unwrap_or(FIRST));
        }
        if self.in_vain == self.retries {
            return None;
        }
        let pause = FIRST.saturating_mul(1 << self.in_vain.min(16)).min(LONGEST);
        self.in_vain += 1;
        Some(asked.unwrap_or(pause))
    }
}
