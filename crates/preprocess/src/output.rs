//! The last pass: conversations to tokens, and tokens to shards as they are made.

use std::collections::BTreeMap;
use std::path::Path;

use artifact::Result;
use artifact::conversation::{Conversation, Split};
use artifact::json::{Block, LinesWriter};
use artifact::preprocess::{Lengths, SplitFigures};
use artifact::shard::{Document, Documents, ShardWriter};
use artifact::tokenizer::{ChatTokenizer, Encoder};
use terminal::{Lang, Progress};

use crate::cut::Cuts;
use crate::figures::{self, LengthCounts};
use crate::gather;
use crate::guard::Guard;
use crate::rounds::in_rounds;
use crate::spool::{Spool, talks};
use crate::standing::Standing;
use crate::topics::Topics;

/// What is written, and how.
#[derive(Debug)]
pub(crate) struct Writing<'a> {
    pub(crate) spool: &'a Spool,
    pub(crate) standings: &'a [Standing],
    pub(crate) cuts: &'a Cuts,
    pub(crate) tokenizer: &'a ChatTokenizer,
    pub(crate) encoder: &'a Encoder<'a>,
    /// Where the words of each topic are counted, what masks them.
    pub(crate) topics: Option<&'a Guard>,
}

/// What is counted of what was written.
#[derive(Debug)]
pub(crate) struct Written {
    /// Of train, valid and test.
    pub(crate) splits: Vec<SplitFigures>,
    pub(crate) lengths: Lengths,
    /// Conversations by source.
    pub(crate) kept: BTreeMap<String, usize>,
    pub(crate) topics: Topics,
}

/// What comes of a block.
struct Encoded {
    documents: [Documents; Split::ALL.len()],
    figures: [SplitFigures; Split::ALL.len()],
    held_out: Vec<Conversation>,
    lengths: LengthCounts,
    kept: BTreeMap<String, usize>,
    topics: Topics,
}

impl Writing<'_> {
    /// Writes shards, and held-out conversations as text, into a directory.
    pub(crate) fn write(&self, dir: &Path) -> Result<Written> {
        let vocab_size = self.tokenizer.vocab_size();
        let mut shards = Split::ALL.map(|split| ShardWriter::new(dir, split, vocab_size));
        let text = |split: Split| LinesWriter::create(&dir.join(format!("{split}.jsonl")));
        let mut texts = [text(Split::Valid)?, text(Split::Test)?];
        let mut splits = Split::ALL.map(figures::none);
        let mut lengths = LengthCounts::default();
        let (mut kept, mut topics) = (BTreeMap::new(), Topics::default());
        let progress = Progress::new(Lang::pick("토큰", "tokens"), self.spool.size(), "bytes");
        in_rounds(
            self.spool.blocks()?,
            |block| {
                progress.inc(block.size());
                self.encode(block)
            },
            |encoded| {
                for (writer, documents) in shards.iter_mut().zip(&encoded.documents) {
                    documents.iter().try_for_each(|document| writer.push(document))?;
                }
                for talk in encoded.held_out {
                    let text = if talk.split == Some(Split::Valid) { &mut texts[0] } else { &mut texts[1] };
                    text.write(&talk)?;
                }
                splits.iter_mut().zip(encoded.figures).for_each(|(to, from)| figures::merge(to, &from));
                lengths.merge(encoded.lengths);
                for (source, count) in encoded.kept {
                    *kept.entry(source).or_default() += count;
                }
                topics.merge(encoded.topics);
                Ok(())
            },
        )?;
        progress.finish();
        shards.into_iter().try_for_each(ShardWriter::finish)?;
        texts.iter_mut().try_for_each(LinesWriter::flush)?;
        Ok(Written { splits: splits.into(), lengths: lengths.into_lengths(), kept, topics })
    }

    fn encode(&self, block: &Block) -> Result<Encoded> {
        let mut encoded = Encoded {
            documents: Split::ALL.map(|_| Documents::new()),
            figures: Split::ALL.map(figures::none),
            held_out: Vec::new(),
            lengths: LengthCounts::default(),
            kept: BTreeMap::new(),
            topics: Topics::default(),
        };
        for talk in talks(block) {
            let (index, mut talk) = talk?;
            let standing = self.standings[index as usize];
            if !standing.is_kept() {
                continue;
            }
            let split = standing.split();
            let messages = self.cuts.of(index, &talk.messages);
            let rendered = self.encoder.conversation(messages)?;
            encoded.documents[split as usize]
                .push(Document { tokens: &rendered.tokens, loss: &rendered.loss });
            figures::add(&mut encoded.figures[split as usize], messages, &rendered);
            encoded.lengths.add(messages, &rendered);
            if let Some(guard) = self.topics {
                encoded.topics.add(talk.topic.as_deref(), &guard.masked(&talk.source, messages));
            }
            gather::count(&mut encoded.kept, &talk.source);
            if split != Split::Train {
                let turns = messages.len();
                talk.messages.truncate(turns);
                talk.split = Some(split);
                encoded.held_out.push(talk);
            }
        }
        Ok(encoded)
    }
}
