//! Training an n-gram model: counting.

use std::time::Instant;

use artifact::config::NgramConfig;
use artifact::metrics::{Row, ValidationRow};
use artifact::{Error, OutDir};
use model::decoder::Loss;
use model::ngram::{Estimation, Memory};
use model::{LanguageModel, Ngram};
use terminal::Lang;

use crate::inputs::Inputs;
use crate::log::Log;
use crate::validation::{Interview, ValidationSet, line, summary};
use crate::{Arguments, settings};

/// Counts the n-grams of the training split and publishes the model.
pub(crate) fn fit(config: &NgramConfig, inputs: &Inputs, arguments: &Arguments) -> anyhow::Result<()> {
    let (prune, bytes) = settings::counting(arguments, config.order)?;
    let out = OutDir::create(&arguments.out)?;
    let path = inputs.model.join(artifact::config::FILE);
    if config.bos_token_id as usize >= config.vocab_size || config.vocab_size > 1 << 24 {
        let found = format!("{} of {}", config.bos_token_id, config.vocab_size);
        let expected = "a bos_token_id below the vocab_size, which is at most 2^24";
        return Err(Error::malformed(&path, expected, found).into());
    }
    let started = Instant::now();
    let (documents, tokens) = (inputs.train.len(), inputs.train.tokens.len());
    eprintln!(
        "{}",
        Lang::pick(
            format!("대화 {documents}개, 토큰 {tokens}개에서 {}-그램까지 셉니다", config.order),
            format!(
                "counting n-grams of up to {} tokens in {documents} documents, {tokens} tokens",
                config.order
            ),
        )
    );
    let memory = Some(Memory { bytes, dir: out.path() });
    let model = Ngram::fit(&inputs.train, config, Estimation { prune, memory })?;
    let interview =
        Interview::new(&arguments.prompt, model.context_length(), &inputs.generation, &inputs.tokenizer)?;
    if let Some(set) = ValidationSet::new(&inputs.valid, model.context_length(), &inputs.tokenizer) {
        let loss = loss(&model, &set);
        let row = ValidationRow {
            step: 0,
            epoch: 1.0,
            tokens: tokens as u64,
            seconds: started.elapsed().as_secs_f64(),
            loss_nats_per_token: loss.mean(),
            bits_per_byte: set.bits_per_byte(loss),
            best: true,
            answers: interview.answers(&model),
        };
        eprintln!("{}", summary(&row));
        row.answers.iter().for_each(|answer| eprintln!("{}", line(answer)));
        Log::open(out.path(), 0)?.write(&Row::Validation(row))?;
    } else {
        Log::open(out.path(), 0)?;
    }
    model.write(out.path())?;
    inputs.copy_unchanged(out.path())?;
    out.publish()?;
    Ok(())
}

fn loss(model: &Ngram, set: &ValidationSet<'_>) -> Loss {
    let mut loss = Loss::default();
    for (tokens, flags) in set.pieces.iter() {
        for (log_probability, _) in
            model.score(tokens).into_iter().zip(&flags[1..]).filter(|(_, flag)| **flag == 1)
        {
            loss.nats -= f64::from(log_probability);
            loss.targets += 1;
        }
    }
    loss
}
