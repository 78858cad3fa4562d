//! What the arithmetic says a model costs, against what models hold.

use artifact::config::{DecoderConfig, MixerKind};
use model::decoder::Tape;
use model::{Batch, Decoder, LanguageModel, Params, Session, cost};

const MIXERS: [MixerKind; 4] =
    [MixerKind::Attention, MixerKind::Gru, MixerKind::Lstm, MixerKind::Convolution];

fn config(mixers: &[MixerKind], tied: bool) -> DecoderConfig {
    serde_json::from_value(serde_json::json!({
        "vocab_size": 300, "hidden_size": 96, "intermediate_size": 160, "mixers": mixers, "mixer_size": 112,
        "kernel_size": 4, "dilations": [1, 3, 9], "num_attention_heads": 6, "num_key_value_heads": 2, "head_dim": 16,
        "max_position_embeddings": 4096, "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "tie_word_embeddings": tied,
        "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 0,
    }))
    .expect("the shapes of a decoder")
}

/// Bytes that this process holds, where the system tells.
fn resident() -> Option<usize> {
    let status = fs_err::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(1024 * line.trim().strip_suffix("kB")?.trim().parse::<usize>().ok()?)
}

#[test]
fn parameters_are_those_of_the_model() {
    for tied in [true, false] {
        let config = config(&MIXERS, tied);
        let model = Decoder::new(&config, 0);
        let blocks: usize = (0..MIXERS.len()).map(|block| cost::of_block(&config, block)).sum();
        assert_eq!(blocks + cost::outside_blocks(&config), model.count());
        assert_eq!(cost::weight_bytes(&config), model.memory_bytes());
    }
}

/// A step multiplies each weight of a matrix once, whatever the mixer; the head is the embedding where they are tied.
#[test]
fn operations_are_two_for_each_weight_and_position() {
    let gru = config(&[MixerKind::Gru], false);
    let products = 3 * 112 * 96 + 3 * 112 * 112 + 96 * 112 + 3 * 96 * 160 + 300 * 96;
    assert_eq!(cost::generation_flops(&gru, 0), 2 * products);
    assert_eq!(cost::generation_flops(&gru, 4000), 2 * products);
    assert_eq!(cost::generation_flops(&config(&[MixerKind::Gru], true), 7), 2 * products);

    let attention = config(&[MixerKind::Attention], true);
    let products = (6 + 2 + 2) * 16 * 96 + 96 * 6 * 16 + 3 * 96 * 160 + 300 * 96;
    // Scores: a dot product of 16 for each of 6 heads; as much for the weighted sum of the values.
    assert_eq!(cost::generation_flops(&attention, 99), 2 * products + 100 * 2 * (2 * 6 * 16));
    // Seven products of that kind for forward and backward, over half of the context on average.
    assert_eq!(cost::training_flops(&attention, 99), 6 * products + 50 * 7 * (2 * 6 * 16));
}

/// Generation reads the weights and what the session carries, and nothing else: so its work is constant where that is,
/// and grows with the keys and values where there are any.
#[test]
fn what_a_session_carries_is_constant_but_for_attention() {
    let at = |session: &mut dyn Session, position: usize| {
        session.feed(&vec![7; position - session.len()]);
        session.state_bytes()
    };
    for mixer in MIXERS {
        let config = config(&[mixer; 3], true);
        let model = Decoder::new(&config, 0);
        let mut session = model.session();
        let expected = |t: usize| cost::fixed_state_bytes(&config) + t * cost::state_bytes_per_token(&config);
        for position in [1, 2, 40, 500, 3000] {
            assert_eq!(at(&mut *session, position), expected(position), "{mixer:?} at {position}");
        }
        let grows = cost::state_bytes_per_token(&config);
        let keys_and_values = 3 * 2 * 2 * 16 * 4;
        assert_eq!(grows, if mixer == MixerKind::Attention { keys_and_values } else { 0 }, "{mixer:?}");
        assert_eq!(grows > 0, cost::flops_per_earlier_token(&config) > 0, "{mixer:?}");
    }
}

#[test]
fn activations_are_what_a_training_step_holds() {
    if resident().is_none() {
        eprintln!("skipped: this system does not tell what a process holds");
        return;
    }
    let mut batch = Batch::new();
    while batch.len() < 8192 {
        batch.push(&[5; 129], &[1; 129]);
    }
    // Kept, so that no memory is used twice.
    let mut tapes = Vec::new();
    for mixers in [
        &[MixerKind::Attention; 4],
        &[MixerKind::Gru; 4],
        &[MixerKind::Lstm; 4],
        &[MixerKind::Convolution; 4],
        &MIXERS,
    ] {
        let config = config(mixers, true);
        let model = Decoder::new(&config, 0);
        let (mut gradient, mut tape) = (model.zeros_like(), Tape::default());
        gradient.visit_mut(&mut |_, _, values| values.fill(0.0));
        let before = resident().unwrap();
        model.gradient(&batch, 1.0, &mut tape, &mut gradient);
        let held = resident().unwrap() - before;
        tapes.push(tape);
        let computed = cost::activation_bytes(&config, batch.len());
        let ratio = held as f64 / computed as f64;
        assert!((0.9..1.2).contains(&ratio), "{mixers:?}: {held} bytes for {computed}");
    }
}
