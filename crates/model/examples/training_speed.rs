//! Times whole training steps' gradient of two sizes.
use artifact::config::{DecoderConfig, MixerKind};
use kernels::Precision;
use model::decoder::Tape;
use model::{Batch, Decoder};
use std::time::Instant;
fn main() {
    let sizes: Vec<String> = std::env::args().skip(1).collect();
    for size in &sizes {
        let (v, c, layers, h, k, f, t, b) = if size == "S" {
            (8192, 256, 6, 4, 2, 768, 256, 16)
        } else {
            (16384, 512, 8, 8, 4, 1408, 512, 8)
        };
        let config = DecoderConfig {
            architectures: vec!["NamanDecoder".to_owned()],
            vocab_size: v,
            hidden_size: c,
            intermediate_size: f,
            mixers: vec![MixerKind::Attention; layers],
            mixer_size: c,
            kernel_size: 5,
            dilations: vec![1; layers],
            num_attention_heads: h,
            num_key_value_heads: k,
            head_dim: 64,
            max_position_embeddings: 2048,
            rms_norm_eps: 1e-6,
            rope_theta: 10_000.0,
            rope_scaling: None,
            qk_norm: true,
            attention_bias: artifact::config::AttentionBias::None,
            mlp_bias: false,
            tie_word_embeddings: true,
            bos_token_id: 0,
            eos_token_id: 1,
            pad_token_id: 0,
            torch_dtype: "float32".to_owned(),
        };
        let mut model = Decoder::new(&config, 1);
        let mut batch = Batch::new();
        for s in 0..b {
            let tokens: Vec<u32> = (0..=t).map(|i| ((i * 7919 + s * 104729) % v) as u32).collect();
            batch.push(&tokens, &vec![1; t + 1]);
        }
        for precision in if std::env::var("BF").is_ok() {
            vec![Precision::Bf16]
        } else {
            vec![Precision::F32, Precision::Bf16]
        } {
            model.set_precision(precision);
            let (mut gradient, mut tape) = (model.zeros_like(), Tape::default());
            let mut best = f64::INFINITY;
            let mut bc = f64::INFINITY;
            let mut loss = 0.0;
            for _ in 0..5 {
                let at = Instant::now();
                let c0 = cpu();
                loss = model.gradient(&batch, 1e-4, &mut tape, &mut gradient).mean();
                best = best.min(at.elapsed().as_secs_f64());
                bc = bc.min(cpu() - c0);
                if std::env::var("FAULTS").is_ok() {
                    let st = std::fs::read_to_string("/proc/self/stat").unwrap();
                    println!(
                        "faults {} rss {}",
                        st.split(' ').nth(9).unwrap(),
                        st.split(' ').nth(23).unwrap()
                    );
                }
            }
            println!(
                "{size} {precision:?}: {:.0} tokens/s, {:.1} ms, loss {loss:.4}, cpu {:.1} ms = {:.0} tokens/s a thread",
                (t * b) as f64 / best,
                best * 1e3,
                bc * 1e3,
                (t * b) as f64 / bc
            );
        }
    }
}

fn cpu() -> f64 {
    std::fs::read_dir("/proc/self/task")
        .unwrap()
        .map(|t| {
            std::fs::read_to_string(t.unwrap().path().join("schedstat"))
                .unwrap()
                .split(' ')
                .next()
                .unwrap()
                .parse::<f64>()
                .unwrap()
        })
        .sum::<f64>()
        * 1e-9
}
