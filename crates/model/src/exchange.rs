//! `model arpa`: n-gram models as text, for other programs and from them.

use artifact::config::{self, ModelConfig, NgramConfig};
use artifact::{Error, OutDir, write_atomic_by};
use terminal::Lang;

use crate::arguments::{Arpa, ExportArpa, ImportArpa};
use crate::{LanguageModel, Ngram, new};

pub(crate) fn arpa(arguments: &Arpa) -> anyhow::Result<()> {
    match arguments {
        Arpa::Export(arguments) => export(arguments),
        Arpa::Import(arguments) => import(arguments),
    }
}

fn export(arguments: &ExportArpa) -> anyhow::Result<()> {
    let ModelConfig::Ngram(config) = ModelConfig::read(&arguments.model)? else {
        let message = format!("{}: only an n-gram model can be written as ARPA", arguments.model.display());
        return Err(Error::refused(message)
            .with_hint("train one from `model new --architecture ngram`")
            .into());
    };
    check_end(arguments.end, config.vocab_size, config.bos_token_id)?;
    if arguments.out.exists() {
        let message = format!("{}: the file exists already", arguments.out.display());
        return Err(Error::refused(message).with_hint("name a new one with --out, or remove it").into());
    }
    let model = Ngram::read(&arguments.model, &config)?;
    write_atomic_by(&arguments.out, |path| model.write_arpa(path, arguments.end))?;
    tell(&model, config.order);
    Ok(())
}

fn import(arguments: &ImportArpa) -> anyhow::Result<()> {
    let (vocab_size, tokens) = new::special_tokens(&arguments.data)?;
    check_end(arguments.end, vocab_size, tokens.bos)?;
    let config = NgramConfig {
        architectures: vec!["NamanNgram".to_owned()],
        vocab_size,
        order: Ngram::arpa_order(&arguments.arpa)?,
        bos_token_id: tokens.bos,
        eos_token_id: tokens.eos,
        pad_token_id: tokens.pad,
    };
    let out = OutDir::create(&arguments.out)?;
    ModelConfig::Ngram(config.clone()).check(&out.path().join(config::FILE))?;
    let model = Ngram::read_arpa(&arguments.arpa, &config, arguments.end)?;
    model.write(out.path())?;
    tell(&model, config.order);
    ModelConfig::Ngram(config).write(out.path())?;
    new::publish(out, &arguments.data, tokens)?;
    Ok(())
}

fn check_end(end: Option<u32>, vocab_size: usize, bos: u32) -> artifact::Result<()> {
    match end {
        Some(end) if end as usize >= vocab_size || end == bos => {
            let expected = format!("a token below {vocab_size} that does not begin a document");
            Err(Error::refused(format!("--end {end}: expected {expected}")))
        }
        _ => Ok(()),
    }
}

fn tell(model: &Ngram, order: usize) {
    let (entries, vocabulary) = (model.parameters(), model.vocab_size());
    eprintln!(
        "{}",
        Lang::pick(
            format!("model: {order}-그램까지 {entries}개, 어휘 {vocabulary}개"),
            format!("model: {entries} n-grams of up to {order} tokens, a vocabulary of {vocabulary}"),
        )
    );
}
