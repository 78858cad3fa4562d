use std::io::{self, Write};

use artifact::config::{DecoderConfig, MixerKind};
use terminal::Lang;

use crate::arguments::Info;
use crate::{Bm25, LanguageModel, Model, Ngram, Params, cost};

/// Prints what a model directory holds.
pub(crate) fn info(arguments: &Info) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let lines = match Model::read(&arguments.model)? {
        Model::Decoder(model) if arguments.tensors => {
            let mut lines = Vec::new();
            model.visit(&mut |name, shape, _| lines.push(format!("{name} {shape:?}")));
            lines
        }
        Model::Decoder(model) => of_decoder(model.shape(), arguments.batch_tokens),
        Model::Ngram(model) => of_ngram(&model),
        Model::Bm25(model) => of_bm25(&model),
    };
    for line in lines {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

fn of_decoder(config: &DecoderConfig, batch: usize) -> Vec<String> {
    let pick = Lang::pick::<String>;
    let mut lines = vec![format!("{}: {}", config.architectures.join(", "), shapes(config))];
    lines.extend(blocks(config));
    let (parameters, embedding) = (config.parameters(), config.vocab_size * config.hidden_size);
    lines.push(pick(
        format!(
            "매개변수 {parameters}개: 임베딩 {embedding}개, 블록 밖 모두 {}개",
            cost::outside_blocks(config)
        ),
        format!(
            "{parameters} parameters: {embedding} of the embedding, {} outside the blocks in all",
            cost::outside_blocks(config)
        ),
    ));

    let context = config.max_position_embeddings;
    let (first, last) = (cost::generation_flops(config, 0), cost::generation_flops(config, context - 1));
    let grows = cost::flops_per_earlier_token(config);
    let train = cost::training_flops(config, context);
    lines.push(if grows == 0 {
        pick(
            format!("생성: 대화 길이에 상관없이 토큰당 {}", flops(first)),
            format!("generation: {} a token, however long the talk", flops(first)),
        )
    } else {
        pick(
            format!(
                "생성: 첫 토큰 {}, 앞선 토큰마다 {} 더해 문맥 {context}의 끝에서 {}",
                flops(first),
                flops(grows),
                flops(last)
            ),
            format!(
                "generation: {} for the first token, {} more for each token before it, {} at the end of a context of {context}",
                flops(first),
                flops(grows),
                flops(last)
            ),
        )
    });
    lines.push(pick(
        format!("학습: 문맥 {context}에서 목표 토큰마다 평균 {} (순전파와 역전파)", flops(train)),
        format!(
            "training: {} a target, forward and backward, on average over a context of {context}",
            flops(train)
        ),
    ));

    let state = bytes(cost::training_state_bytes(config));
    let activations = bytes(cost::activation_bytes(config, batch));
    lines.push(pick(
        format!("학습 메모리: 가중치·기울기·모멘트 {state}, 토큰 {batch}개 배치의 활성값 {activations}"),
        format!(
            "memory to train: {state} of weights, gradient and moments, {activations} of activations for a batch of {batch} tokens"
        ),
    ));
    let (weights, fixed) = (bytes(cost::weight_bytes(config)), cost::fixed_state_bytes(config));
    let each = cost::state_bytes_per_token(config);
    let whole = bytes(fixed + each * context);
    let (fixed, each) = (bytes(fixed), bytes(each));
    lines.push(pick(
        format!("서빙 메모리: 가중치 {weights}, 대화마다 {fixed}와 토큰당 {each} (문맥 {context}에서 {whole})"),
        format!(
            "memory to serve: {weights} of weights; each talk {fixed}, and {each} a token: {whole} at a context of {context}"
        ),
    ));
    lines
}

fn of_ngram(model: &Ngram) -> Vec<String> {
    let (entries, vocabulary, memory) = (model.parameters(), model.vocab_size(), bytes(model.memory_bytes()));
    let state = bytes(model.session().state_bytes());
    vec![
        Lang::pick(
            format!("n-gram 모델: n-gram {entries}개, 어휘 {vocabulary}개"),
            format!("n-gram model: {entries} n-grams, a vocabulary of {vocabulary}"),
        ),
        Lang::pick(
            "생성: 대화 길이에 상관없이 저장된 문맥마다 이진 탐색 한 번, 행렬 곱 없음".to_owned(),
            "generation: a binary search for each stored context, however long the talk; no products"
                .to_owned(),
        ),
        serving(&memory, &state),
    ]
}

fn of_bm25(model: &Bm25) -> Vec<String> {
    let (turns, postings) = (model.turns(), model.parameters());
    let (memory, state) = (bytes(model.memory_bytes()), bytes(model.session().state_bytes()));
    vec![
        Lang::pick(
            format!("검색(BM25) 모델: 질문과 답변 {turns}쌍, 포스팅 {postings}개"),
            format!("retrieval model (BM25): {turns} pairs of question and reply, {postings} postings"),
        ),
        Lang::pick(
            "생성: 답변마다 질문 토큰의 포스팅을 한 번 훑음, 행렬 곱 없음".to_owned(),
            "generation: once a reply, all postings of the question's tokens; no products".to_owned(),
        ),
        serving(&memory, &state),
    ]
}

fn serving(memory: &str, state: &str) -> String {
    Lang::pick(
        format!("서빙 메모리: 모델 {memory}, 대화마다 처음에 {state}"),
        format!("memory to serve: {memory} of the model; each talk {state} when it begins"),
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

/// Each run of equal blocks: what mixes, how many parameters a block has, and the shapes of its tensors.
fn blocks(config: &DecoderConfig) -> Vec<String> {
    let kinds: Vec<_> = config.blocks().collect();
    let mut lines = Vec::new();
    let mut first = 0;
    for run in kinds.chunk_by(|a, b| a == b) {
        let (mixer, dilation) = run[0];
        let name = match mixer {
            MixerKind::Attention => "attention".to_owned(),
            MixerKind::Gru => "GRU".to_owned(),
            MixerKind::Lstm => "LSTM".to_owned(),
            MixerKind::Convolution => format!("convolution of {} taps, {dilation} apart", config.kernel_size),
        };
        let (count, parameters) = (run.len(), cost::of_block(config, first));
        lines.push(Lang::pick(
            format!("블록 {count}개: {name}, 블록마다 매개변수 {parameters}개"),
            format!(
                "{count} {}: {name}, {parameters} parameters each",
                if count == 1 { "block" } else { "blocks" }
            ),
        ));
        let prefix = format!("model.layers.{first}.");
        let tensors = config.tensors().into_iter();
        let of_block =
            tensors.filter_map(|(name, shape)| Some((name.strip_prefix(&prefix)?.to_owned(), shape)));
        lines.extend(of_block.map(|(name, shape)| format!("  {name} {shape:?}")));
        first += count;
    }
    lines
}

/// "1.5 MFLOP"
fn flops(count: usize) -> String {
    scaled(count, 1000, "FLOP", ["kFLOP", "MFLOP", "GFLOP", "TFLOP"])
}

/// "1.5 MiB"
fn bytes(count: usize) -> String {
    scaled(count, 1024, "B", ["KiB", "MiB", "GiB", "TiB"])
}

fn scaled(count: usize, base: usize, unit: &str, larger: [&str; 4]) -> String {
    if count < base {
        return format!("{count} {unit}");
    }
    let mut value = count as f64 / base as f64;
    let mut place = 0;
    while value >= base as f64 && place + 1 < larger.len() {
        value /= base as f64;
        place += 1;
    }
    format!("{value:.1} {}", larger[place])
}
