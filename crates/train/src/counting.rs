//! Fitting what is no neural network: n-grams are counted, turns are indexed.

use std::path::Path;
use std::time::Instant;

use artifact::config::{Bm25Config, NgramConfig};
use artifact::metrics::{Row, ValidationRow};
use artifact::{Error, OutDir};
use model::decoder::Loss;
use model::ngram::{Estimation, Memory};
use model::{Bm25, LanguageModel, Model, Ngram};
use terminal::Lang;

use crate::inputs::Inputs;
use crate::log::Log;
use crate::peak_memory::peak_memory_bytes;
use crate::validation::{Interview, ValidationSet, line, summary};
use crate::{Arguments, settings};

/// Counts the n-grams of the training split; `dir` takes what does not fit in the memory that the arguments grant.
pub(crate) fn count(
    config: &NgramConfig,
    inputs: &Inputs,
    arguments: &Arguments,
    dir: &Path,
) -> anyhow::Result<Model> {
    let (prune, bytes) = settings::counting(arguments, config.order)?;
    let path = inputs.model.join(artifact::config::FILE);
    if config.bos_token_id as usize >= config.vocab_size || config.vocab_size > 1 << 24 {
        let found = format!("{} of {}", config.bos_token_id, config.vocab_size);
        let expected = "a bos_token_id below the vocab_size, which is at most 2^24";
        return Err(Error::malformed(&path, expected, found).into());
    }
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
    let memory = Some(Memory { bytes, dir });
    Ok(Model::Ngram(Box::new(Ngram::fit(&inputs.train, config, Estimation { prune, memory })?)))
}

/// Indexes the turns of the training split.
pub(crate) fn index(config: &Bm25Config, inputs: &Inputs) -> Model {
    let model = Bm25::fit(inputs.train.clone(), config);
    let (turns, postings) = (model.turns(), model.parameters());
    eprintln!(
        "{}",
        Lang::pick(
            format!("질문과 답변 {turns}쌍을 색인했습니다 (포스팅 {postings}개)"),
            format!("indexed {turns} pairs of question and reply ({postings} postings)"),
        )
    );
    Model::Bm25(Box::new(model))
}

/// Fits a model in one go, measures it on the validation split, and publishes it. `fit` may use the directory.
pub(crate) fn fit(
    fit: impl FnOnce(&Path) -> anyhow::Result<Model>,
    inputs: &Inputs,
    arguments: &Arguments,
) -> anyhow::Result<()> {
    let out = OutDir::create(&arguments.out)?;
    let started = Instant::now();
    let fitted = fit(out.path())?;
    let seconds = started.elapsed().as_secs_f64();
    let model = fitted.as_language_model();
    let interview =
        Interview::new(&arguments.prompt, model.context_length(), &inputs.generation, &inputs.tokenizer)?;
    if let Some(set) = ValidationSet::new(&inputs.valid, model.context_length(), &inputs.tokenizer) {
        let loss = loss(model, &set);
        let row = ValidationRow {
            step: 0,
            epoch: 1.0,
            tokens: inputs.train.tokens.len() as u64,
            seconds,
            loss_nats_per_token: loss.mean(),
            bits_per_byte: set.bits_per_byte(loss),
            best: true,
            answers: interview.answers(model),
            peak_memory_bytes: peak_memory_bytes(),
        };
        eprintln!("{}", summary(&row));
        row.answers.iter().for_each(|answer| eprintln!("{}", line(answer)));
        Log::open(out.path(), 0)?.write(&Row::Validation(row))?;
    } else {
        Log::open(out.path(), 0)?;
    }
    fitted.write(out.path())?;
    inputs.copy_unchanged(out.path())?;
    out.publish()?;
    Ok(())
}

fn loss(model: &dyn LanguageModel, set: &ValidationSet<'_>) -> Loss {
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
