use artifact::config::{self, GenerationConfig, NgramConfig};
use artifact::tokenizer::{self, ChatTokenizer};
use artifact::{Error, OutDir, json};
use fs_err as fs;
use terminal::Lang;

use crate::arguments::{Architecture, New};
use crate::{Decoder, Ngram, Params};

/// Makes an untrained model directory for the tokenizer of `--data`.
pub(crate) fn new(arguments: &New) -> anyhow::Result<()> {
    let tokenizer = ChatTokenizer::read(&arguments.data)?;
    let path = arguments.data.join(tokenizer::CONFIG_FILE);
    let token = |id: Option<u32>, name: &str| {
        id.ok_or_else(|| Error::malformed(&path, format!("`{name}` that the tokenizer knows"), "none"))
    };
    let vocab_size = tokenizer.vocab_size();
    let bos = token(tokenizer.bos(), "bos_token")?;
    let eos = token(tokenizer.eos(), "eos_token")?;
    let pad = tokenizer.pad().unwrap_or(bos);

    let out = OutDir::create(&arguments.out)?;
    let parameters = match arguments.architecture {
        Architecture::Transformer => {
            let preset = arguments.preset.shape();
            let shape = crate::preset::Shape {
                channels: arguments.channels.unwrap_or(preset.channels),
                blocks: arguments.blocks.unwrap_or(preset.blocks),
                heads: arguments.heads.unwrap_or(preset.heads),
                kv_heads: arguments.kv_heads.unwrap_or(preset.kv_heads),
                head_width: arguments.head_width.unwrap_or(preset.head_width),
                feed_forward: arguments.feed_forward.unwrap_or(preset.feed_forward),
                context: arguments.context.unwrap_or(preset.context),
            };
            let config = shape.config(vocab_size, bos, eos, pad);
            config.check(&out.path().join(config::FILE))?;
            let model = Decoder::new(&config, arguments.seed);
            model.write(out.path())?;
            model.count()
        }
        Architecture::Ngram => {
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
        }
    };
    for file in tokenizer::FILES {
        fs::copy(arguments.data.join(file), out.path().join(file))?;
    }
    let generation = GenerationConfig {
        bos_token_id: bos,
        eos_token_id: vec![eos],
        pad_token_id: pad,
        ..GenerationConfig::default()
    };
    json::write(&out.path().join(config::GENERATION_FILE), &generation)?;
    out.publish()?;
    eprintln!(
        "{}",
        Lang::pick(
            format!("model: 매개변수 {parameters}개, 어휘 {vocab_size}개"),
            format!("model: {parameters} parameters, a vocabulary of {vocab_size}"),
        )
    );
    Ok(())
}
