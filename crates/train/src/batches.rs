//! From documents to batches: cutting to the model's context, shuffling, packing.

use std::ops::Range;

use artifact::shard::Documents;
use model::Batch;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// The stream of random numbers that chooses a sample; epochs take the streams from 0.
const SAMPLE_STREAM: u64 = u64::MAX;

/// Documents as a model can read them: whole, or cut where they are longer than its context.
///
/// What stands behind the last target of a piece is left out, since nothing there is learnt.
#[derive(Debug)]
pub(crate) struct Pieces<'a> {
    documents: &'a Documents,
    /// Ranges of `documents.tokens`; a piece of T tokens has T - 1 rows.
    ranges: Vec<Range<usize>>,
    /// Documents without any target.
    pub(crate) dropped: usize,
    /// Documents cut into several pieces.
    pub(crate) cut: usize,
}

impl<'a> Pieces<'a> {
    /// Cuts documents into pieces of at most `context` rows.
    ///
    /// A piece begins with the last token of the one before, so that every target is predicted once.
    pub(crate) fn new(documents: &'a Documents, context: usize) -> Self {
        let mut pieces = Self { documents, ranges: Vec::new(), dropped: 0, cut: 0 };
        for bounds in documents.starts.windows(2) {
            let mut start = bounds[0];
            let mut found = 0;
            while start + 1 < bounds[1] {
                let end = bounds[1].min(start.saturating_add(context).saturating_add(1));
                // The first token of a piece has nothing before it that could predict it.
                if let Some(last) = documents.loss[start + 1..end].iter().rposition(|&flag| flag == 1) {
                    pieces.ranges.push(start..start + last + 2);
                    found += 1;
                }
                start = end - 1;
            }
            pieces.dropped += usize::from(found == 0);
            pieces.cut += usize::from(bounds[1] - bounds[0] > context + 1);
        }
        pieces
    }

    /// Pieces, in the order of documents, that together have at most `rows` rows; the first is always kept.
    pub(crate) fn sample(mut self, rows: usize) -> Self {
        if self.rows() <= rows {
            return self;
        }
        let mut random = ChaCha8Rng::seed_from_u64(0);
        random.set_stream(SAMPLE_STREAM);
        let mut order: Vec<usize> = (0..self.ranges.len()).collect();
        order.shuffle(&mut random);
        let mut taken = 0;
        let kept = order.iter().take_while(|&&index| {
            taken += self.ranges[index].len() - 1;
            taken <= rows
        });
        let kept = kept.count().max(1);
        let mut order = order[..kept].to_vec();
        order.sort_unstable();
        self.ranges = order.into_iter().map(|index| self.ranges[index].clone()).collect();
        self
    }

    /// The number of pieces.
    pub(crate) fn len(&self) -> usize {
        self.ranges.len()
    }

    /// Input tokens of all pieces.
    pub(crate) fn rows(&self) -> usize {
        self.ranges.iter().map(|range| range.len() - 1).sum()
    }

    /// Tokens of a piece and which of them are targets. `[T]`
    pub(crate) fn get(&self, index: usize) -> (&'a [u32], &'a [u8]) {
        let range = self.ranges[index].clone();
        (&self.documents.tokens[range.clone()], &self.documents.loss[range])
    }

    /// All pieces.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'a [u32], &'a [u8])> {
        (0..self.len()).map(|index| self.get(index))
    }

    /// The pieces `order` as one batch.
    fn batch(&self, order: &[usize]) -> Batch {
        let mut batch = Batch::new();
        for &index in order {
            let (tokens, loss) = self.get(index);
            batch.push(tokens, loss);
        }
        batch
    }

    /// Divides pieces, taken in `order`, into `count` batches of about the same number of rows, none empty.
    fn divide(&self, order: &[usize], count: usize) -> Vec<Range<usize>> {
        let total: usize = self.rows();
        let mut batches = Vec::with_capacity(count);
        let (mut start, mut rows) = (0, 0);
        for batch in 0..count {
            let goal = total * (batch + 1) / count;
            let latest = order.len() - (count - 1 - batch);
            let mut end = start;
            while end < latest && (end == start || rows < goal) {
                rows += self.ranges[order[end]].len() - 1;
                end += 1;
            }
            batches.push(start..end);
            start = end;
        }
        batches
    }

    /// All pieces in their own order, in batches of about `batch_tokens` rows.
    pub(crate) fn in_order(&self, batch_tokens: usize) -> Vec<Batch> {
        let order: Vec<usize> = (0..self.len()).collect();
        let count = batches_per_epoch(self, batch_tokens);
        self.divide(&order, count).into_iter().map(|range| self.batch(&order[range])).collect()
    }
}

/// As few batches as `batch_tokens` rows each allow.
fn batches_per_epoch(pieces: &Pieces<'_>, batch_tokens: usize) -> usize {
    pieces.rows().div_ceil(batch_tokens).min(pieces.len())
}

/// The batches of a run: which one a step reads depends on the seed and the step alone.
///
/// Every epoch reads each piece once, shuffled anew, in the same number of batches.
#[derive(Debug)]
pub(crate) struct Batches<'a> {
    pieces: Pieces<'a>,
    seed: u64,
    per_epoch: usize,
    /// The epoch at hand, its order of pieces, and its division into batches.
    epoch: Option<(u64, Vec<usize>, Vec<Range<usize>>)>,
}

impl<'a> Batches<'a> {
    /// Batches of about `batch_tokens` rows of at least one piece.
    pub(crate) fn new(pieces: Pieces<'a>, batch_tokens: usize, seed: u64) -> Self {
        let per_epoch = batches_per_epoch(&pieces, batch_tokens);
        Self { pieces, seed, per_epoch, epoch: None }
    }

    /// The number of batches of an epoch.
    pub(crate) fn per_epoch(&self) -> usize {
        self.per_epoch
    }

    /// The batch of the step after `steps` steps.
    pub(crate) fn after(&mut self, steps: u64) -> Batch {
        let epoch = steps / self.per_epoch as u64;
        if self.epoch.as_ref().is_none_or(|(at_hand, ..)| *at_hand != epoch) {
            let mut random = ChaCha8Rng::seed_from_u64(self.seed);
            random.set_stream(epoch);
            let mut order: Vec<usize> = (0..self.pieces.len()).collect();
            order.shuffle(&mut random);
            let division = self.pieces.divide(&order, self.per_epoch);
            self.epoch = Some((epoch, order, division));
        }
        let (_, order, division) = self.epoch.as_ref().expect("set above");
        let range = division[(steps % self.per_epoch as u64) as usize].clone();
        self.pieces.batch(&order[range])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use artifact::shard::Document;
    use model::batch::IGNORE;

    fn documents(lengths: &[usize]) -> Documents {
        let mut documents = Documents::new();
        let mut token = 0;
        for &length in lengths {
            let tokens: Vec<u32> = (token..token + length as u32).collect();
            token += length as u32;
            documents.push(Document { tokens: &tokens, loss: &vec![1; length] });
        }
        documents
    }

    fn targets(batches: &[Batch]) -> Vec<u32> {
        let mut targets: Vec<u32> =
            batches.iter().flat_map(|batch| &batch.targets).copied().filter(|&t| t != IGNORE).collect();
        targets.sort_unstable();
        targets
    }

    #[test]
    fn a_long_document_is_cut_and_every_target_is_predicted_once() {
        let documents = documents(&[10, 3]);
        let pieces = Pieces::new(&documents, 4);
        let found: Vec<_> = pieces.iter().map(|(tokens, _)| tokens.to_vec()).collect();
        let expected = [vec![0, 1, 2, 3, 4], vec![4, 5, 6, 7, 8], vec![8, 9], vec![10, 11, 12]];
        assert_eq!(found, expected);
        assert_eq!(pieces.cut, 1);
        let expected: Vec<u32> = (1..10).chain(11..13).collect();
        assert_eq!(targets(&pieces.in_order(100)), expected);
    }

    #[test]
    fn what_teaches_nothing_is_left_out() {
        let mut documents = Documents::new();
        documents.push(Document { tokens: &[1, 2, 3, 4, 5], loss: &[0, 0, 1, 0, 0] });
        documents.push(Document { tokens: &[6, 7, 8], loss: &[1, 0, 0] });
        documents.push(Document { tokens: &[], loss: &[] });
        documents.push(Document { tokens: &[9], loss: &[1] });
        let pieces = Pieces::new(&documents, 100);
        let found: Vec<_> = pieces.iter().collect();
        assert_eq!(found, [(&[1, 2, 3][..], &[0, 0, 1][..])]);
        assert_eq!(pieces.dropped, 3);
    }

    #[test]
    fn an_epoch_reads_each_piece_once_in_batches_of_like_size() {
        let lengths: Vec<usize> = (0..200).map(|i| 5 + (i * 7) % 30).collect();
        let documents = documents(&lengths);
        let rows = Pieces::new(&documents, 64).rows();
        let mut batches = Batches::new(Pieces::new(&documents, 64), 256, 7);
        assert_eq!(batches.per_epoch(), rows.div_ceil(256));
        for epoch in 0..3 {
            let first = epoch * batches.per_epoch() as u64;
            let read: Vec<Batch> =
                (0..batches.per_epoch() as u64).map(|i| batches.after(first + i)).collect();
            assert!(read.iter().all(|batch| (190..=256 + 34).contains(&batch.len())));
            assert_eq!(targets(&read), targets(&Pieces::new(&documents, 64).in_order(256)));
        }
    }

    #[test]
    fn the_order_depends_on_seed_and_step_alone() {
        let documents = documents(&[9; 50]);
        let batches = |seed| Batches::new(Pieces::new(&documents, 64), 40, seed);
        let mut straight = batches(1);
        let read: Vec<Batch> = (0..30).map(|step| straight.after(step)).collect();
        // A run that starts in the middle of the third epoch reads what the uninterrupted one reads there.
        assert_eq!(batches(1).after(25), read[25]);
        assert_ne!(batches(2).after(0), read[0]);
        assert_ne!(read[0], read[batches(1).per_epoch()], "epochs are shuffled anew");
    }

    #[test]
    fn no_batch_is_empty_even_where_one_piece_fills_several() {
        let documents = documents(&[1000, 3, 3]);
        let mut batches = Batches::new(Pieces::new(&documents, 4096), 10, 0);
        assert_eq!(batches.per_epoch(), 3);
        assert!((0..3).all(|step| !batches.after(step).is_empty()));
    }

    #[test]
    fn a_sample_is_bounded_and_in_order() {
        let documents = documents(&[11; 100]);
        let sample = Pieces::new(&documents, 64).sample(95);
        assert_eq!((sample.len(), sample.rows()), (9, 90));
        assert!(sample.ranges.is_sorted_by_key(|range| range.start));
        assert_eq!(Pieces::new(&documents, 64).sample(1).len(), 1);
        assert_eq!(Pieces::new(&documents, 64).sample(100_000).len(), 100);
    }
}
