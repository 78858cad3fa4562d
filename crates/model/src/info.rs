use std::io::{self, Write};

use artifact::config::{DecoderConfig, MixerKind};
use terminal::Lang;

use crate::arguments::Info;
use crate::{LanguageModel, Model, Params};

/// Prints what a model directory holds.
pub(crate) fn info(arguments: &Info) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match Model::read(&arguments.model)? {
        Model::Decoder(model) => {
            writeln!(out, "{}", describe(model.shape()))?;
            if arguments.tensors {
                let mut lines = Vec::new();
                model.visit(&mut |name, shape, _| lines.push(format!("{name} {shape:?}")));
                for line in lines {
                    writeln!(out, "{line}")?;
                }
            }
        }
        Model::Ngram(model) => {
            let (entries, vocabulary) = (model.parameters(), model.vocab_size());
            let line = Lang::pick(
                format!("n-gram 모델: n-gram {entries}개, 어휘 {vocabulary}개"),
                format!("n-gram model: {entries} n-grams, a vocabulary of {vocabulary}"),
            );
            writeln!(out, "{line}")?;
        }
        Model::Bm25(model) => {
            let (turns, postings) = (model.turns(), model.parameters());
            let line = Lang::pick(
                format!("검색(BM25) 모델: 질문과 답변 {turns}쌍, 포스팅 {postings}개"),
                format!("retrieval model (BM25): {turns} pairs of question and reply, {postings} postings"),
            );
            writeln!(out, "{line}")?;
        }
    }
    Ok(())
}

fn describe(config: &DecoderConfig) -> String {
    let (parameters, embedding) = (config.parameters(), config.vocab_size * config.hidden_size);
    let matrices = parameters - if config.tie_word_embeddings { 0 } else { embedding };
    // Each weight of a product is multiplied and added once a token; attention's scores and sums of a full context come
    // on top.
    let attending = config.mixers.iter().filter(|mixer| **mixer == MixerKind::Attention).count();
    let context = attending * config.num_attention_heads * config.head_dim * config.max_position_embeddings;
    let flops = 2 * matrices + 4 * context;
    // f32 weights, gradient and two moments.
    let mib = |bytes: usize| bytes as f64 / f64::from(1 << 20);
    let (serve, train) = (mib(4 * parameters), mib(16 * parameters));
    let head = format!("{}: {}", config.architectures.join(", "), shapes(config));
    let mixers = mixers(config);
    Lang::pick(
        format!(
            "{head}\n블록: {mixers}\n매개변수 {parameters}개 (임베딩 {embedding}개)\n\
             토큰당 {flops} FLOP (가득 찬 문맥)\n가중치 {serve:.1} MiB, 학습 상태 {train:.1} MiB와 활성값"
        ),
        format!(
            "{head}\nblocks: {mixers}\n{parameters} parameters ({embedding} of the embedding)\n\
             {flops} FLOP a token at full context\n{serve:.1} MiB of weights, {train:.1} MiB of training state and \
             activations"
        ),
    )
}

/// The shapes that this decoder's mixers have.
fn shapes(config: &DecoderConfig) -> String {
    let mut sizes = vec![("C", config.hidden_size), ("L", config.mixers.len())];
    if config.mixers.contains(&MixerKind::Attention) {
        sizes.extend([
            ("H", config.num_attention_heads),
            ("K", config.num_key_value_heads),
            ("D", config.head_dim),
        ]);
    }
    if config.mixers.iter().any(|mixer| *mixer != MixerKind::Attention) {
        sizes.push(("P", config.mixer_size));
    }
    sizes.extend([
        ("F", config.intermediate_size),
        ("V", config.vocab_size),
        ("T", config.max_position_embeddings),
    ]);
    sizes.iter().map(|(letter, size)| format!("{letter} {size}")).collect::<Vec<_>>().join(" ")
}

/// The mixer of each block; equal neighbours once, with their number.
fn mixers(config: &DecoderConfig) -> String {
    let names: Vec<String> = config
        .blocks()
        .map(|(mixer, dilation)| match mixer {
            MixerKind::Attention => "attention".to_owned(),
            MixerKind::Gru => "GRU".to_owned(),
            MixerKind::Lstm => "LSTM".to_owned(),
            MixerKind::Convolution => format!("convolution of {} taps, {dilation} apart", config.kernel_size),
        })
        .collect();
    let runs = names.chunk_by(|a, b| a == b).map(|run| format!("{} x {}", run.len(), run[0]));
    runs.collect::<Vec<_>>().join("; ")
}
