//! What `model` and `train` write: a Hugging Face model directory.

use std::path::Path;

use super::Findings;
use crate::config::{self, GenerationConfig, ModelConfig};
use crate::tokenizer::{self, ChatTokenizer};
use crate::{Place, json, metrics, shard, weights};

/// The directory of a trained model.
pub(super) fn check_trained(findings: &mut Findings<'_>) {
    check(findings);
    let Some(path) = findings.require(metrics::FILE) else { return };
    let Some(mut lines) = findings.take(&path, json::lines::<metrics::Row>(&path)) else { return };
    let mut last = 0;
    while let Some(row) = lines.next() {
        let Some(row) = findings.take(&path, row) else { continue };
        if row.step() < last {
            findings.add(
                &path,
                Place::Line(lines.line()),
                format!("step {last} or a later one"),
                row.step().to_string(),
            );
        }
        last = row.step();
    }
}

/// The directory of any model.
pub(super) fn check(findings: &mut Findings<'_>) {
    let tokenizer = check_tokenizer(findings);
    let config = read_config(findings);
    check_generation(findings, config.as_ref(), tokenizer.as_ref());
    let Some(config) = config else { return };
    let path = findings.dir().join(config::FILE);
    if let Some(tokenizer) = tokenizer {
        let tokens = tokenizer.vocab_size();
        // Larger is no harm: vocabularies are padded to round sizes.
        if config.vocab_size() < tokens {
            let expected = format!("a vocab_size of at least {tokens}, the tokenizer's");
            findings.add(&path, Place::Whole, expected, config.vocab_size().to_string());
        }
        for ((name, found), expected) in
            config.special_tokens().into_iter().zip([tokenizer.bos(), tokenizer.eos()])
        {
            if expected != Some(found) {
                let expected = format!(
                    "{name} {}, the tokenizer's",
                    expected.map_or("none".to_owned(), |id| id.to_string())
                );
                findings.add(&path, Place::Whole, expected, found.to_string());
            }
        }
    }
    check_weights(findings, &config);
}

/// The tokenizer's three files, which must load and render a talk.
pub(super) fn check_tokenizer(findings: &mut Findings<'_>) -> Option<ChatTokenizer> {
    let mut whole = true;
    for name in tokenizer::FILES {
        whole &= findings.require(name).is_some_and(|path| findings.small(&path));
    }
    if !whole {
        return None;
    }
    let dir = findings.dir();
    let tokenizer = findings.take(&dir.join(tokenizer::FILE), ChatTokenizer::read(dir))?;
    let config = dir.join(tokenizer::CONFIG_FILE);
    for (name, id) in
        [("bos_token", tokenizer.bos()), ("eos_token", tokenizer.eos()), ("pad_token", tokenizer.pad())]
    {
        if id.is_none() {
            findings.add(&config, Place::Whole, format!("{name}, as a token of {}", tokenizer::FILE), "none");
        }
    }
    check_template(findings, &dir.join(tokenizer::TEMPLATE_FILE), &tokenizer);
    Some(tokenizer)
}

fn check_template(findings: &mut Findings<'_>, path: &Path, tokenizer: &ChatTokenizer) {
    use crate::conversation::Message;
    let talk =
        [Message::user("안녕?"), Message::assistant("네, hi!"), Message::user("1"), Message::assistant("2")];
    let Some(rendered) = findings.take(path, tokenizer.conversation(&talk)) else { return };
    if !rendered.loss.contains(&1) {
        findings.add(path, Place::Whole, "training targets in a talk with answers", "none");
    }
    if tokenizer.eos().is_some_and(|eos| !rendered.tokens.contains(&eos)) {
        findings.add(path, Place::Whole, "the eos_token after an answer", "a talk without it");
    }
    let prompt = tokenizer.prompt(&talk[..1]);
    if let Some(prompt) = findings.take(path, prompt)
        && !rendered.tokens.starts_with(&prompt)
    {
        findings.add(path, Place::Whole, "a prompt with which the whole talk begins", "another");
    }
}

fn read_config(findings: &mut Findings<'_>) -> Option<ModelConfig> {
    let path = findings.require(config::FILE).filter(|path| findings.small(path))?;
    findings.take(&path, ModelConfig::read(findings.dir()))
}

fn check_generation(
    findings: &mut Findings<'_>,
    model: Option<&ModelConfig>,
    tokenizer: Option<&ChatTokenizer>,
) {
    let Some(path) = findings.require(config::GENERATION_FILE).filter(|path| findings.small(path)) else {
        return;
    };
    let Some(config) = findings.take(&path, GenerationConfig::read(findings.dir())) else { return };
    if let Some(model) = model {
        let ids =
            [config.bos_token_id, config.pad_token_id].into_iter().chain(config.eos_token_id.iter().copied());
        if let Some(id) = ids.into_iter().find(|&id| id as usize >= model.vocab_size()) {
            findings.add(&path, Place::Whole, format!("tokens below {}", model.vocab_size()), id.to_string());
        }
    }
    if let Some(eos) = tokenizer.and_then(ChatTokenizer::eos)
        && !config.eos_token_id.contains(&eos)
    {
        findings.add(
            &path,
            Place::Whole,
            format!("eos_token_id {eos}, the tokenizer's"),
            format!("{:?}", config.eos_token_id),
        );
    }
}

fn check_weights(findings: &mut Findings<'_>, config: &ModelConfig) {
    let Some(path) = findings.require(weights::FILE) else { return };
    let Some(tensors) = config.decoder().map(|decoder| decoder.tensors()) else {
        if matches!(config, ModelConfig::Bm25(_)) {
            findings.take(&path, shard::read_file(&path));
        } else {
            // Counts have types and names of their own; the header is the same.
            findings.take(&path, weights::header(&path));
        }
        return;
    };
    let Some(mut found) = findings.take(&path, weights::shapes(&path)) else { return };
    for (name, shape) in tensors {
        match found.remove(&name) {
            Some(found) if found == shape => {}
            Some(found) => findings.add(
                &path,
                Place::Whole,
                format!("`{name}` of shape {shape:?}"),
                format!("{found:?}"),
            ),
            None => findings.add(
                &path,
                Place::Whole,
                format!("a tensor `{name}` of shape {shape:?}"),
                "none of that name",
            ),
        }
    }
    for (name, shape) in found {
        findings.add(&path, Place::Whole, "no other tensors", format!("`{name}` of shape {shape:?}"));
    }
}
