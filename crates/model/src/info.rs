use std::io::{self, Write};

use artifact::config::{ModelConfig, Qwen3Config};
use terminal::Lang;

use crate::arguments::Info;
use crate::{Model, Params};

/// Prints what a model directory holds.
pub(crate) fn info(arguments: &Info) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match (Model::read(&arguments.model)?, ModelConfig::read(&arguments.model)?) {
        (Model::Decoder(model), ModelConfig::Qwen3(config)) => {
            writeln!(out, "{}", describe(&config, model.count()))?;
            if arguments.tensors {
                let mut lines = Vec::new();
                model.visit(&mut |name, shape, _| lines.push(format!("{name} {shape:?}")));
                for line in lines {
                    writeln!(out, "{line}")?;
                }
            }
        }
        (model, config) => {
            let (entries, vocabulary) = (model.into_language_model().parameters(), config.vocab_size());
            let line = Lang::pick(
                format!("n-gram 모델: n-gram {entries}개, 어휘 {vocabulary}개"),
                format!("n-gram model: {entries} n-grams, a vocabulary of {vocabulary}"),
            );
            writeln!(out, "{line}")?;
        }
    }
    Ok(())
}

fn describe(config: &Qwen3Config, parameters: usize) -> String {
    let embedding = config.vocab_size * config.hidden_size;
    let matrices = parameters - if config.tie_word_embeddings { 0 } else { embedding };
    // Each weight of a product is multiplied and added once a token; scores and sums of a full context come on top.
    let context = config.num_hidden_layers
        * config.num_attention_heads
        * config.head_dim
        * config.max_position_embeddings;
    let flops = 2 * matrices + 4 * context;
    // f32 weights, gradient and two moments.
    let (serve, train) = (4 * parameters, 16 * parameters);
    let shapes = format!(
        "C {} L {} H {} K {} D {} F {} V {} T {}",
        config.hidden_size,
        config.num_hidden_layers,
        config.num_attention_heads,
        config.num_key_value_heads,
        config.head_dim,
        config.intermediate_size,
        config.vocab_size,
        config.max_position_embeddings
    );
    let mib = |bytes: usize| bytes as f64 / f64::from(1 << 20);
    Lang::pick(
        format!(
            "Qwen3ForCausalLM: {shapes}\n매개변수 {parameters}개 (임베딩 {embedding}개)\n\
             토큰당 {flops} FLOP (가득 찬 문맥)\n가중치 {:.1} MiB, 학습 상태 {:.1} MiB와 활성값",
            mib(serve),
            mib(train)
        ),
        format!(
            "Qwen3ForCausalLM: {shapes}\n{parameters} parameters ({embedding} of the embedding)\n\
             {flops} FLOP a token at full context\n{:.1} MiB of weights, {:.1} MiB of training state and activations",
            mib(serve),
            mib(train)
        ),
    )
}
