//! Ragged batches: rows of several documents, without padding.

/// The target of a row that is no training target.
pub const IGNORE: u32 = u32::MAX;

/// Documents, or pieces of them, laid end to end without padding: each is a segment, and no information crosses
/// from one segment to another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// Input tokens. `[N]`
    pub tokens: Vec<u32>,
    /// The token that follows each input token, or [`IGNORE`]. `[N]`
    pub targets: Vec<u32>,
    /// Segment offsets, rising from 0 to N. `[S + 1]`
    pub starts: Vec<usize>,
}

impl Batch {
    /// No segment yet.
    pub fn new() -> Self {
        Self { tokens: Vec::new(), targets: Vec::new(), starts: vec![0] }
    }

    /// Appends a segment: position t of `tokens` `[T]` predicts `tokens[t + 1]` where `loss[t + 1]` `[T]` is 1.
    ///
    /// The last token is only a target, so T - 1 rows are added.
    pub fn push(&mut self, tokens: &[u32], loss: &[u8]) {
        let Some(rows) = tokens.len().checked_sub(1) else { return };
        self.tokens.extend_from_slice(&tokens[..rows]);
        self.targets.extend((0..rows).map(|t| if loss[t + 1] == 1 { tokens[t + 1] } else { IGNORE }));
        self.starts.push(self.tokens.len());
    }

    /// The number of rows, N.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// The number of training targets.
    pub fn targets(&self) -> usize {
        self.targets.iter().filter(|&&target| target != IGNORE).count()
    }

    /// The rows of each segment.
    pub fn segments(&self) -> impl ExactSizeIterator<Item = std::ops::Range<usize>> {
        self.starts.windows(2).map(|pair| pair[0]..pair[1])
    }
}
