use std::path::Path;

use artifact::config::{
    self, Bm25Config, DecoderConfig, GenerationConfig, MixerKind, ModelConfig, NgramConfig, TransformerConfig,
};
use artifact::conversation::Message;
use artifact::shard::Documents;
use artifact::tokenizer::{self, ChatTokenizer};
use artifact::{Error, OutDir, Result, json};
use fs_err as fs;
use terminal::Lang;

use crate::arguments::{Architecture, New};
use crate::decoder::Config;
use crate::preset::{Shape, SpecialTokens};
use crate::{Bm25, Decoder, Model, Ngram};

/// Makes an untrained model directory for the tokenizer of `--data`.
pub(crate) fn new(arguments: &New) -> anyhow::Result<()> {
    let (vocab_size, tokens) = special_tokens(&arguments.data)?;

    let out = OutDir::create(&arguments.out)?;
    let mixers = arguments.mixers.clone().or_else(|| arguments.architecture.mixer().map(|mixer| vec![mixer]));
    let config = match mixers {
        Some(mixers) => decoder_config(arguments, &mixers, vocab_size, tokens)?.into_model_config(),
        None if arguments.architecture == Architecture::Bm25 => {
            ModelConfig::Bm25(bm25_config(&ChatTokenizer::read(&arguments.data)?, vocab_size, tokens)?)
        }
        None => ModelConfig::Ngram(ngram_config(arguments.order, vocab_size, tokens)),
    };
    config.check(&out.path().join(config::FILE))?;
    config.write(out.path())?;
    let model = untrained(config, arguments.seed);
    model.write(out.path())?;
    let parameters = model.as_language_model().parameters();
    publish(out, &arguments.data, tokens)?;
    eprintln!(
        "{}",
        Lang::pick(
            format!("model: 매개변수 {parameters}개, 어휘 {vocab_size}개"),
            format!("model: {parameters} parameters, a vocabulary of {vocab_size}"),
        )
    );
    Ok(())
}

/// The vocabulary and special tokens of the tokenizer in `data`.
pub(crate) fn special_tokens(data: &Path) -> Result<(usize, SpecialTokens)> {
    let tokenizer = ChatTokenizer::read(data)?;
    let path = data.join(tokenizer::CONFIG_FILE);
    let token = |id: Option<u32>, name: &str| {
        id.ok_or_else(|| Error::malformed(&path, format!("`{name}` that the tokenizer knows"), "none"))
    };
    let bos = token(tokenizer.bos(), "bos_token")?;
    let eos = token(tokenizer.eos(), "eos_token")?;
    let pad = tokenizer.pad().unwrap_or(bos);
    Ok((tokenizer.vocab_size(), SpecialTokens { bos, eos, pad }))
}

/// Publishes a model directory, to which the tokenizer of `data` and the settings of generation are added.
pub(crate) fn publish(out: OutDir, data: &Path, tokens: SpecialTokens) -> Result<()> {
    for file in tokenizer::FILES {
        fs::copy(data.join(file), out.path().join(file))?;
    }
    let generation = GenerationConfig {
        bos_token_id: tokens.bos,
        eos_token_id: vec![tokens.eos],
        pad_token_id: tokens.pad,
        ..GenerationConfig::default()
    };
    json::write(&out.path().join(config::GENERATION_FILE), &generation)?;
    out.publish()
}

/// A model that has seen nothing.
fn untrained(config: ModelConfig, seed: u64) -> Model {
    let decoder = |config| Model::Decoder(Box::new(Decoder::new(config, seed)));
    match config {
        ModelConfig::Qwen3(config) => decoder(Config::Qwen3(config)),
        ModelConfig::Qwen2(config) => decoder(Config::Qwen2(config)),
        ModelConfig::Llama(config) => decoder(Config::Llama(config)),
        ModelConfig::Decoder(config) => decoder(Config::Naman(config)),
        ModelConfig::Ngram(config) => Model::Ngram(Box::new(Ngram::new(&config))),
        ModelConfig::Bm25(config) => Model::Bm25(Box::new(Bm25::fit(Documents::new(), &config))),
    }
}

fn ngram_config(order: usize, vocab_size: usize, tokens: SpecialTokens) -> NgramConfig {
    NgramConfig {
        architectures: vec!["NamanNgram".to_owned()],
        vocab_size,
        order,
        bos_token_id: tokens.bos,
        eos_token_id: tokens.eos,
        pad_token_id: tokens.pad,
    }
}

/// The usual constants (Robertson & Zaragoza 2009, section 3.4), and what the chat template puts before a reply.
fn bm25_config(tokenizer: &ChatTokenizer, vocab_size: usize, tokens: SpecialTokens) -> Result<Bm25Config> {
    let question = [Message::user("?")];
    let (asked, prompt) = (tokenizer.conversation(&question)?.tokens, tokenizer.prompt(&question)?);
    let prefix = prompt.strip_prefix(asked.as_slice()).unwrap_or_default();
    if prefix.is_empty() {
        let message = "the chat template puts no token before a reply, so that none can be found for it";
        return Err(Error::refused(message)
            .with_hint("retrieval needs a template with a generation prompt, such as preprocess writes"));
    }
    Ok(Bm25Config {
        architectures: vec!["NamanBm25".to_owned()],
        vocab_size,
        k1: 1.2,
        b: 0.75,
        reply_prefix_token_ids: prefix.to_vec(),
        bos_token_id: tokens.bos,
        eos_token_id: tokens.eos,
        pad_token_id: tokens.pad,
    })
}

/// The preset's shapes for the first of `mixers`, each overridden by its option; `mixers` over and over.
fn decoder_config(
    arguments: &New,
    mixers: &[MixerKind],
    vocab_size: usize,
    tokens: SpecialTokens,
) -> Result<Config> {
    let Some(&first) = mixers.first() else {
        return Err(Error::refused("--mixers names no mixer"));
    };
    let preset = arguments.preset.shape(first);
    let shape = Shape {
        channels: arguments.channels.unwrap_or(preset.channels),
        blocks: arguments.blocks.unwrap_or(preset.blocks),
        heads: arguments.heads.unwrap_or(preset.heads),
        kv_heads: arguments.kv_heads.unwrap_or(preset.kv_heads),
        head_width: arguments.head_width.unwrap_or(preset.head_width),
        mixer_width: arguments.mixer_width.unwrap_or(preset.mixer_width),
        kernel_size: arguments.kernel_size.unwrap_or(preset.kernel_size),
        feed_forward: arguments.feed_forward.unwrap_or(preset.feed_forward),
        context: arguments.context.unwrap_or(preset.context),
    };
    if !shape.blocks.is_multiple_of(mixers.len()) {
        let (blocks, count) = (shape.blocks, mixers.len());
        return Err(Error::refused(format!("--mixers names {count} mixers for {blocks} blocks"))
            .with_hint(format!("name {blocks}, or as many as divide that, or give --blocks {count}")));
    }
    let tie_word_embeddings = !arguments.untied;
    if mixers.iter().all(|mixer| *mixer == MixerKind::Attention) {
        let config = shape.qwen3(vocab_size, tokens);
        return Ok(Config::Qwen3(TransformerConfig { tie_word_embeddings, ..config }));
    }
    let mixers = mixers.iter().copied().cycle().take(shape.blocks).collect();
    let config = shape.decoder(mixers, vocab_size, tokens);
    Ok(Config::Naman(DecoderConfig { tie_word_embeddings, ..config }))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::arguments::{Arguments, Command};

    fn config(options: &str) -> std::result::Result<Config, String> {
        let words = "model new --data d --out o ".to_owned() + options;
        let parsed =
            Arguments::try_parse_from(words.split_whitespace()).map_err(|error| error.to_string())?;
        let Command::New(new) = parsed.command else { unreachable!("made so above") };
        let mixers = new.mixers.clone().unwrap_or_default();
        let tokens = SpecialTokens { bos: 0, eos: 1, pad: 0 };
        decoder_config(&new, &mixers, 300, tokens).map_err(|error| error.to_string())
    }

    #[test]
    fn a_list_of_mixers_is_repeated_over_the_blocks() {
        use MixerKind::{Attention, Convolution, Gru};
        let check = |options: &str, expected: &[MixerKind]| {
            let config = config(options).unwrap();
            let shape = config.shape();
            assert_eq!(shape.mixers, expected, "{options}");
            shape.check(std::path::Path::new("config.json")).unwrap();
            assert_eq!(matches!(config, Config::Qwen3(_)), !expected.contains(&Gru), "{options}");
        };
        check("--mixers gru", &[Gru; 4]);
        check("--mixers attention,gru", &[Attention, Gru, Attention, Gru]);
        check("--mixers gru,attention,convolution --blocks 3", &[Gru, Attention, Convolution]);
        check("--mixers attention --preset nano", &[Attention; 2]);
    }

    #[test]
    fn the_head_may_have_weights_of_its_own() {
        for mixer in ["attention", "gru"] {
            let tied = config(&format!("--mixers {mixer}")).unwrap().shape();
            let untied = config(&format!("--mixers {mixer} --untied")).unwrap().shape();
            assert_eq!(untied.parameters() - tied.parameters(), 300 * tied.hidden_size);
        }
    }

    #[test]
    fn a_wrong_list_is_told() {
        let check = |options: &str, part: &str| {
            let error = config(options).expect_err(options);
            assert!(error.contains(part), "{error}");
        };
        check("--mixers gru,gru,attention", "3 mixers for 4 blocks (hint: name 4, or as many as divide that");
        check("--mixers gru,rnn", "a mixer is attention, gru, lstm or convolution");
        check("--mixers gru,", "a mixer is attention");
        check("--mixers gru --architecture lstm", "cannot be used with");
    }
}
