//! Times a training step and a generated token of each family, at the presets' equal numbers of parameters. A token of
//! GRU, LSTM and convolution takes as long late in a talk as early; attention looks at all tokens before.
//!
//! ```sh
//! cargo run --release -p model --example step_speed
//! ```

use std::time::Instant;

use artifact::config::{AttentionBias, DecoderConfig, MixerKind};
use model::decoder::Tape;
use model::{Batch, Decoder, LanguageModel, Params, Session};

const STEPS: usize = 5;

/// The preset `micro` with a vocabulary of 4096.
fn config(mixer: MixerKind) -> DecoderConfig {
    let (mixer_size, intermediate_size) = match mixer {
        MixerKind::Attention => (256, 768),
        MixerKind::Gru => (256, 424),
        MixerKind::Lstm => (256, 256),
        MixerKind::Convolution => (192, 320),
    };
    DecoderConfig {
        architectures: vec!["NamanDecoder".to_owned()],
        vocab_size: 4096,
        hidden_size: 256,
        intermediate_size,
        mixers: vec![mixer; 4],
        mixer_size,
        kernel_size: 5,
        dilations: vec![1, 5, 25, 103],
        num_attention_heads: 4,
        num_key_value_heads: 2,
        head_dim: 64,
        max_position_embeddings: 4096,
        rms_norm_eps: 1e-6,
        rope_theta: 10_000.0,
        rope_scaling: None,
        qk_norm: true,
        attention_bias: AttentionBias::None,
        mlp_bias: false,
        tie_word_embeddings: true,
        bos_token_id: 0,
        eos_token_id: 1,
        pad_token_id: 0,
        torch_dtype: "float32".to_owned(),
    }
}

/// 4,096 rows in segments of about `length`, half of the rows targets.
fn batch(length: usize) -> Batch {
    let mut batch = Batch::new();
    while batch.len() < 4096 {
        let length = length / 2 + batch.len() * 7919 % length;
        let tokens: Vec<u32> = (0..=length as u32).map(|i| (i * 7 + batch.len() as u32) % 4096).collect();
        let loss: Vec<u8> = (0..tokens.len()).map(|i| (i / 8 % 2) as u8).collect();
        batch.push(&tokens, &loss);
    }
    batch
}

/// Milliseconds of the fastest of a few runs.
fn fastest(mut run: impl FnMut()) -> f64 {
    let time = |_| {
        let began = Instant::now();
        run();
        began.elapsed().as_secs_f64() * 1e3
    };
    (0..STEPS).map(time).fold(f64::INFINITY, f64::min)
}

/// Milliseconds a token after `position` tokens.
fn token(session: &mut dyn Session, position: usize) -> f64 {
    session.feed(&vec![7; position - session.len()]);
    fastest(|| {
        session.feed(&[9]);
    })
}

fn main() {
    println!(
        "| mixer | parameters | step of segments of 32, ms | of 128, ms | token 10, ms | token 500, ms | token 4000, ms | \
         carried there, KiB |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|");
    for mixer in [MixerKind::Attention, MixerKind::Gru, MixerKind::Lstm, MixerKind::Convolution] {
        let model = Decoder::new(&config(mixer), 1);
        let (mut gradient, mut tape) = (model.zeros_like(), Tape::default());
        let steps = [32, 128].map(|length| {
            let batch = batch(length);
            let took = fastest(|| {
                model.gradient(&batch, 1e-3, &mut tape, &mut gradient);
            });
            took * 4096.0 / batch.len() as f64
        });
        let mut session = model.session();
        let tokens = [10, 500, 4000].map(|position| token(&mut *session, position));
        println!(
            "| {mixer:?} | {} | {:.0} | {:.0} | {:.2} | {:.2} | {:.2} | {} |",
            model.count(),
            steps[0],
            steps[1],
            tokens[0],
            tokens[1],
            tokens[2],
            session.state_bytes() / 1024
        );
    }
}
