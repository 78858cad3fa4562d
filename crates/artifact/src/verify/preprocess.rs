//! What `preprocess` writes: a tokenizer, token shards, and the held-out conversations as text.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::{Findings, collect, model};
use crate::canaries::{self, Canaries};
use crate::conversation::{Conversation, Split};
use crate::json::Lines;
use crate::preprocess::{self, SplitFigures, Summary};
use crate::shard::{self, Document, Documents};
use crate::tokenizer::ChatTokenizer;
use crate::{Place, json};

pub(super) fn check(findings: &mut Findings<'_>) {
    let tokenizer = model::check_tokenizer(findings);
    let summary = check_summary(findings, tokenizer.as_ref());
    collect::check_responses(findings);
    check_canaries(findings, summary.as_ref());
    let mut ids = HashSet::new();
    for split in Split::ALL {
        let found = check_split(findings, split, tokenizer.as_ref(), &mut ids);
        let stated =
            summary.as_ref().and_then(|file| file.splits.iter().find(|figures| figures.split == split));
        if let Some(stated) = stated {
            compare(findings, stated, &found);
        }
        if split == Split::Train && found.whole && found.targets == 0 {
            let file = findings.dir().join("train-00000.safetensors");
            findings.add(file, Place::Whole, "at least one training target", "none");
        }
    }
}

fn check_summary(findings: &mut Findings<'_>, tokenizer: Option<&ChatTokenizer>) -> Option<Summary> {
    let summary: Summary = findings.require_json(preprocess::FILE)?;
    let path = findings.dir().join(preprocess::FILE);
    let checked = summary.check(&path);
    findings.take(&path, checked);
    if let Some(tokenizer) = tokenizer
        && summary.vocabulary.size != tokenizer.vocab_size()
    {
        let expected = format!("a vocabulary of size {}, the tokenizer's", tokenizer.vocab_size());
        findings.add(path, Place::Whole, expected, summary.vocabulary.size.to_string());
    }
    Some(summary)
}

fn check_canaries(findings: &mut Findings<'_>, summary: Option<&Summary>) {
    let path = findings.dir().join(canaries::FILE);
    let Some(canaries) = findings.take(&path, Canaries::read(findings.dir())) else { return };
    let planted = canaries.map(|file| file.canaries.len());
    let stated = summary.map(|summary| summary.options.canaries);
    if stated.is_some_and(|stated| stated != planted) {
        let expected = format!("{} canaries, as {} says", stated.flatten().unwrap_or(0), preprocess::FILE);
        findings.add(path, Place::Whole, expected, planted.unwrap_or(0).to_string());
    }
}

/// What the files of a split hold.
#[derive(Default)]
struct Found {
    documents: usize,
    tokens: usize,
    targets: usize,
    longest: usize,
    /// Of the held-out conversations, whose text is there: turns, characters, bytes.
    text: Option<[usize; 3]>,
    /// Whether every shard was read; counts of a part compare with nothing.
    whole: bool,
}

fn compare(findings: &mut Findings<'_>, stated: &SplitFigures, found: &Found) {
    if !found.whole {
        return;
    }
    let mut figures = vec![
        ("conversations", found.documents, stated.conversations),
        ("tokens", found.tokens, stated.tokens),
        ("targets", found.targets, stated.targets),
        ("longest", found.longest, stated.longest),
    ];
    if let Some([turns, characters, bytes]) = found.text {
        figures.push(("turns", turns, stated.turns));
        figures.push(("characters", characters, stated.characters));
        figures.push(("bytes", bytes, stated.bytes));
    }
    let path = findings.dir().join(preprocess::FILE);
    for (name, found, stated_value) in figures {
        if found != stated_value {
            let expected = format!("{name} {found} of {}, as the split's files hold", stated.split);
            findings.add(&path, Place::Whole, expected, stated_value.to_string());
        }
    }
}

/// The shards of a split; those of a held-out split beside its conversations, line by line.
fn check_split(
    findings: &mut Findings<'_>,
    split: Split,
    tokenizer: Option<&ChatTokenizer>,
    ids: &mut HashSet<String>,
) -> Found {
    let mut held_out = HeldOut::open(findings, split, tokenizer, ids);
    let before = findings.count();
    let files = findings.numbered(&format!("{split}-"), ".safetensors");
    let mut found = Found { whole: findings.count() == before, ..Found::default() };
    for path in files {
        let documents =
            findings.small(&path).then(|| findings.take(&path, shard::read_file(&path))).flatten();
        let Some(documents) = documents else {
            found.whole = false;
            continue;
        };
        check_tokens(findings, &path, &documents, tokenizer);
        found.documents += documents.len();
        found.tokens += documents.tokens.len();
        found.targets += documents.targets();
        for (index, document) in documents.iter().enumerate() {
            found.longest = found.longest.max(document.tokens.len());
            if let Some(held_out) = &mut held_out {
                held_out.check(findings, &path, index, document);
            }
        }
    }
    if let Some(held_out) = held_out {
        found.text = held_out.finish(findings, found.whole);
    }
    found
}

fn check_tokens(
    findings: &mut Findings<'_>,
    path: &Path,
    documents: &Documents,
    tokenizer: Option<&ChatTokenizer>,
) {
    let Some(tokenizer) = tokenizer else { return };
    let vocabulary = tokenizer.vocab_size();
    if let Some(index) = documents.tokens.iter().position(|&token| token as usize >= vocabulary) {
        let found = format!("{} at {index}", documents.tokens[index]);
        findings.add(
            path,
            Place::Whole,
            format!("tokens below {vocabulary}, the tokenizer's vocabulary"),
            found,
        );
    }
}

/// `valid.jsonl` or `test.jsonl`, read in step with the shards.
struct HeldOut<'a> {
    path: PathBuf,
    split: Split,
    lines: Lines<Conversation>,
    tokenizer: Option<&'a ChatTokenizer>,
    ids: &'a mut HashSet<String>,
    text: [usize; 3],
    /// Documents after the last line.
    missing: usize,
    /// Lines that hold no conversation.
    unread: usize,
}

impl<'a> HeldOut<'a> {
    fn open(
        findings: &mut Findings<'_>,
        split: Split,
        tokenizer: Option<&'a ChatTokenizer>,
        ids: &'a mut HashSet<String>,
    ) -> Option<Self> {
        if split == Split::Train {
            return None;
        }
        let path = findings.require(&format!("{split}.jsonl"))?;
        let lines = findings.take(&path, json::lines(&path))?;
        Some(Self { path, split, lines, tokenizer, ids, text: [0; 3], missing: 0, unread: 0 })
    }

    /// Checks the next conversation, of which `document` must be the tokens.
    fn check(&mut self, findings: &mut Findings<'_>, shard: &Path, index: usize, document: Document<'_>) {
        match self.lines.next() {
            None => self.missing += 1,
            Some(line) => {
                let Some(conversation) = findings.take(&self.path, line) else {
                    self.unread += 1;
                    return;
                };
                self.check_text(findings, &conversation);
                let Some(tokenizer) = self.tokenizer else { return };
                let rendered = tokenizer.conversation(&conversation.messages);
                let Some(rendered) = findings.take(&self.path, rendered) else { return };
                let line = self.lines.line();
                let name = self.path.file_name().unwrap_or_default().display().to_string();
                if let Some((what, expected, found)) = difference(document, &rendered.tokens, &rendered.loss)
                {
                    let expected = format!("document {index} as {name}:{line} renders: {what} {expected}");
                    findings.add(shard, Place::Whole, expected, found);
                }
            }
        }
    }

    fn check_text(&mut self, findings: &mut Findings<'_>, conversation: &Conversation) {
        let place = Place::Line(self.lines.line());
        if conversation.messages.is_empty() {
            findings.add(&self.path, place, "at least one message", "an empty list");
        }
        if let Some(split) = conversation.split.filter(|&split| split != self.split) {
            findings.add(&self.path, place, format!("split {}, or none", self.split), split.to_string());
        }
        if !self.ids.insert(conversation.id.clone()) {
            let found = format!("`{}`, which an earlier conversation has", conversation.id);
            findings.add(&self.path, place, "an id of its own", found);
        }
        for message in &conversation.messages {
            self.text[0] += 1;
            self.text[1] += message.content.chars().count();
            self.text[2] += message.content.len();
        }
    }

    /// Checks that there are as many conversations as documents, where those are `whole`; gives turns, characters and
    /// bytes, where all of the text was read.
    fn finish(mut self, findings: &mut Findings<'_>, whole: bool) -> Option<[usize; 3]> {
        let mut left = 0;
        while let Some(line) = self.lines.next() {
            left += 1;
            match findings.take(&self.path, line) {
                Some(conversation) => self.check_text(findings, &conversation),
                None => self.unread += 1,
            }
        }
        if whole && left + self.missing > 0 {
            let expected = format!("one conversation a document of the {} shards", self.split);
            let found =
                if left > 0 { format!("{left} too many") } else { format!("{} too few", self.missing) };
            findings.add(&self.path, Place::Whole, expected, found);
        }
        (self.unread == 0).then_some(self.text)
    }
}

/// Where a document first differs from a rendered conversation: what differs, the expected value, and the found one.
fn difference(document: Document<'_>, tokens: &[u32], loss: &[u8]) -> Option<(String, String, String)> {
    if document.tokens.len() != tokens.len() {
        let lengths = (tokens.len().to_string(), document.tokens.len().to_string());
        return Some(("tokens".to_owned(), lengths.0, lengths.1));
    }
    if let Some(at) = (0..tokens.len()).find(|&at| tokens[at] != document.tokens[at]) {
        return Some((format!("token {at}:"), tokens[at].to_string(), document.tokens[at].to_string()));
    }
    let at = (0..loss.len()).find(|&at| loss[at] != document.loss[at])?;
    Some((format!("loss flag {at}:"), loss[at].to_string(), document.loss[at].to_string()))
}
