use std::path::Path;

use artifact::config::{self, GenerationConfig, MixerKind, NgramConfig};
use artifact::tokenizer::{self, ChatTokenizer};
use artifact::{Error, OutDir, json};
use fs_err as fs;
use terminal::Lang;

use crate::arguments::New;
use crate::decoder::Config;
use crate::preset::{Shape, SpecialTokens};
use crate::{Decoder, Ngram, Params};

/// Makes an untrained model directory for the tokenizer of `--data`.
pub(crate) fn new(arguments: &New) -> anyhow::Result<()> {
    let (vocab_size, tokens) = special_tokens(&arguments.data)?;
    let SpecialTokens { bos, eos, pad } = tokens;

    let out = OutDir::create(&arguments.out)?;
    let parameters = if let Some(mixer) = arguments.architecture.mixer() {
        let config = decoder_config(arguments, mixer, vocab_size, tokens);
        config.clone().into_model_config().check(&out.path().join(config::FILE))?;
        let model = Decoder::new(&config, arguments.seed);
        model.write(out.path())?;
        model.count()
    } else {
        let config = NgramConfig {
            architectures: vec!["NamanNgram".to_owned()],
            vocab_size,
            order: arguments.order,
            bos_token_id: bos,
            eos_token_id: eos,
            pad_token_id: pad,
        };
        let config = config::ModelConfig::Ngram(config);
        config.check(&out.path().join(config::FILE))?;
        config.write(out.path())?;
        let config::ModelConfig::Ngram(config) = &config else { unreachable!("made so above") };
        Ngram::new(config).write(out.path())?;
        0
    };
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
pub(crate) fn special_tokens(data: &Path) -> artifact::Result<(usize, SpecialTokens)> {
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
pub(crate) fn publish(out: OutDir, data: &Path, tokens: SpecialTokens) -> artifact::Result<()> {
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

/// The preset's shapes, each overridden by its option.
fn decoder_config(arguments: &New, mixer: MixerKind, vocab_size: usize, tokens: SpecialTokens) -> Config {
    let preset = arguments.preset.shape(mixer);
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
    match mixer {
        MixerKind::Attention => Config::Qwen3(shape.qwen3(vocab_size, tokens)),
        MixerKind::Gru | MixerKind::Lstm | MixerKind::Convolution => {
            Config::Naman(shape.decoder(mixer, vocab_size, tokens))
        }
    }
}
