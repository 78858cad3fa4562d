//! Sessions that are fed together, in any company and in any pieces, get the bits that they get alone.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails by panicking, too")]

use artifact::config::{DecoderConfig, MixerKind};
use model::{Decoder, LanguageModel, Session, Turn};
use proptest::prelude::*;
use serde_json::json;

const VOCABULARY: u32 = 61;

fn model(mixers: &[MixerKind]) -> Decoder {
    let config: DecoderConfig = serde_json::from_value(json!({
        "vocab_size": VOCABULARY, "hidden_size": 24, "intermediate_size": 40, "mixers": mixers, "mixer_size": 20,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "dilations": [1, 2],
        "max_position_embeddings": 64, "rms_norm_eps": 1e-6, "tie_word_embeddings": true, "mlp_bias": true,
        "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 0,
    }))
    .unwrap();
    Decoder::new(&config, 5)
}

/// One talk, cut into pieces.
fn any_talk() -> impl Strategy<Value = Vec<Vec<u32>>> {
    prop::collection::vec(prop::collection::vec(0..VOCABULARY, 1..7), 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn company_changes_no_bit(talks in prop::collection::vec(any_talk(), 1..9)) {
        use MixerKind::{Attention, Convolution, Gru, Lstm};
        let kinds: [&[MixerKind]; 5] =
            [&[Attention; 2], &[Gru; 2], &[Lstm; 2], &[Convolution; 2], &[Attention, Gru, Lstm, Convolution]];
        for mixers in kinds {
            let model = model(mixers);
            let mut sessions: Vec<Box<dyn Session + '_>> = talks.iter().map(|_| model.session()).collect();
            let longest = talks.iter().map(Vec::len).max().unwrap();
            for step in 0..longest {
                let mut turns: Vec<Turn<'_, '_>> = sessions
                    .iter_mut()
                    .zip(&talks)
                    .filter_map(|(session, talk)| {
                        Some(Turn { session: session.as_mut(), tokens: talk.get(step)? })
                    })
                    .collect();
                model.feed_together(&mut turns);
            }
            for (session, talk) in sessions.iter().zip(&talks) {
                let mut alone = model.session();
                for &token in talk.concat().iter() {
                    alone.feed(&[token]);
                }
                prop_assert_eq!(session.logits(), alone.logits(), "{:?}", mixers);
                prop_assert_eq!(session.len(), alone.len());
            }
        }
    }
}

#[test]
fn a_talk_is_resumed_where_it_was() {
    use MixerKind::{Attention, Gru};
    let read = [3, 9, 27, 11, 40, 8];
    for (mixers, goes_back) in [(&[Attention; 2][..], true), (&[Attention, Gru], false)] {
        let model = model(mixers);
        let mut session = model.session();
        session.feed(&read);
        for length in 0..=read.len() {
            let resumed = model.resume(session.as_ref(), length);
            assert_eq!(resumed.is_some(), goes_back || length == read.len(), "{length} of {mixers:?}");
            let Some(mut resumed) = resumed else { continue };
            assert_eq!(resumed.len(), length);
            let mut alone = model.session();
            alone.feed(&read[..length.max(1)]);
            if length > 0 {
                assert_eq!(resumed.feed(&[5, 6]), alone.feed(&[5, 6]));
            }
        }
        assert!(model.resume(session.as_ref(), read.len() + 1).is_none());
    }
}
