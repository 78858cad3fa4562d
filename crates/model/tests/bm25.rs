//! The retrieval model: BM25 scores worked out by hand, what it says, and files that are none.

use artifact::config::{Bm25Config, ModelConfig};
use artifact::shard::{Document, Documents};
use artifact::weights;
use fs_err as fs;
use model::generate::Tokens;
use model::{Bm25, LanguageModel, Model};

const BEGIN: u32 = 0;
const END: u32 = 1;
const USER: u32 = 2;
const ASSISTANT: u32 = 3;

fn config() -> Bm25Config {
    serde_json::from_value(serde_json::json!({
        "vocab_size": 40, "k1": 1.2, "b": 0.75, "reply_prefix_token_ids": [ASSISTANT],
        "bos_token_id": BEGIN, "eos_token_id": END, "pad_token_id": BEGIN,
    }))
    .expect("a configuration")
}

/// A conversation of questions and replies in turn, rendered as our template does.
fn talk(messages: &[&[u32]]) -> (Vec<u32>, Vec<u8>) {
    let (mut tokens, mut loss) = (vec![BEGIN], vec![0]);
    for (message, (role, flag)) in messages.iter().zip([(USER, 0), (ASSISTANT, 1)].into_iter().cycle()) {
        tokens.push(role);
        tokens.extend_from_slice(message);
        tokens.push(END);
        loss.push(0);
        loss.resize(tokens.len(), flag);
    }
    (tokens, loss)
}

fn fit(talks: &[&[&[u32]]]) -> Bm25 {
    let mut documents = Documents::new();
    for messages in talks {
        let (tokens, loss) = talk(messages);
        documents.push(Document { tokens: &tokens, loss: &loss });
    }
    Bm25::fit(documents, &config())
}

/// What a person says after the conversation `earlier`, up to where a reply begins.
fn prompt(earlier: &[&[u32]], question: &[u32]) -> Vec<u32> {
    let (mut tokens, _) = talk(earlier);
    tokens.push(USER);
    tokens.extend_from_slice(question);
    tokens.extend([END, ASSISTANT]);
    tokens
}

fn reply(model: &Bm25, prompt: &[u32]) -> Vec<u32> {
    let generation = artifact::config::GenerationConfig {
        do_sample: false,
        eos_token_id: vec![END],
        ..artifact::config::GenerationConfig::default()
    };
    Tokens::new(model, prompt, &generation, 0).collect()
}

#[test]
fn scores_are_those_of_the_formula() {
    // Questions of 10 10 11, of 11 12, and of 13; each is 4 tokens longer: begin, user, end, assistant.
    let model = fit(&[&[&[10, 10, 11], &[20]], &[&[11, 12], &[21]], &[&[13], &[22]]]);
    assert_eq!(model.turns(), 3);
    // Token 10 is in one question of three, 11 in two: idf ln(1 + 2.5/1.5) and ln(1 + 1.5/2.5). The lengths are 7, 6
    // and 5, so relative to their mean 7/6, 1 and 5/6. What all questions hold tells nothing.
    let (once, twice) = (0.980_829_24, 0.470_003_63);
    // tf 2 at length 7/6: 2 * 2.2 / (2 + 1.2 (0.25 + 0.75 * 7/6)); tf 1 there: 2.2 / (1 + 1.35); at length 1: 1.
    let first = once * 4.4 / 3.35 + twice * 2.2 / 2.35;
    let found = model.search(&[10, 11], &[]);
    // The second question holds 11 alone, and is too far behind to be found.
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].turn, found[0].reply), (0, &[20, END][..]));
    assert!((found[0].score - first).abs() < 1e-5, "{} for {first}", found[0].score);
    let found = model.search(&[11], &[]);
    assert_eq!(found.iter().map(|found| found.turn).collect::<Vec<_>>(), [1, 0]);
    assert!((found[0].score - twice).abs() < 1e-5, "{}", found[0].score);
    assert!((found[1].score - twice * 2.2 / 2.35).abs() < 1e-5, "{}", found[1].score);
    assert!(model.search(&[14, USER, END], &[]).is_empty());
}

#[test]
fn says_the_reply_to_the_nearest_question_word_for_word() {
    let model = fit(&[&[&[10, 11], &[20, 21, 22]], &[&[12, 13], &[23, 24, 25, 26]], &[&[14], &[20, 27]]]);
    assert_eq!(reply(&model, &prompt(&[], &[13, 30])), [23, 24, 25, 26]);
    assert_eq!(reply(&model, &prompt(&[], &[10, 31, 11])), [20, 21, 22]);
    assert_eq!(reply(&model, &prompt(&[&[12, 13], &[23]], &[14])), [20, 27]);
}

#[test]
fn earlier_turns_decide_between_equal_questions() {
    let model = fit(&[
        &[&[10], &[20], &[15, 16], &[30]],
        &[&[11], &[21], &[15, 16], &[31]],
        &[&[12], &[22], &[17], &[32]],
        &[&[13], &[23], &[18], &[33]],
    ]);
    assert_eq!(reply(&model, &prompt(&[&[10], &[20]], &[15, 16])), [30]);
    assert_eq!(reply(&model, &prompt(&[&[11], &[21]], &[15, 16])), [31]);
}

#[test]
fn goes_on_after_a_word_of_another() {
    let model = fit(&[&[&[10, 11], &[20, 21, 22, 23]], &[&[12], &[24]]]);
    let mut session = model.session();
    session.feed(&prompt(&[], &[10, 11]));
    // In place of 21.
    session.feed(&[20, 35]);
    let next = session.feed(&[22]).to_vec();
    assert!(next.iter().enumerate().all(|(token, logit)| token == 23 || *logit < next[23]));
}

#[test]
fn gives_probabilities_that_sum_to_one_and_are_those_that_it_scores() {
    let model = fit(&[&[&[10, 11], &[20, 21, 22], &[12], &[20, 23]], &[&[11, 13], &[23]]]);
    let (tokens, _) = talk(&[&[10, 13], &[20, 30, 22], &[38], &[39], &[12], &[20, 23]]);
    let scores = model.score(&tokens);
    let mut session = model.session();
    for (t, &score) in scores.iter().enumerate() {
        let logits = session.feed(&tokens[t..=t]);
        let sum: f64 = logits.iter().map(|logit| f64::from(*logit).exp()).sum();
        assert!((sum - 1.0).abs() < 1e-5, "{sum} at {t}");
        assert!((logits[tokens[t + 1] as usize] - score).abs() < 1e-5, "token {t}");
        assert!(score.is_finite());
    }
}

#[test]
fn a_directory_gives_the_same_model() {
    let model = fit(&[&[&[10, 11], &[20, 21, 22], &[12], &[20, 23]], &[&[11, 13], &[23]]]);
    let dir = tempfile::tempdir().unwrap();
    ModelConfig::Bm25(config()).write(dir.path()).unwrap();
    model.write(dir.path()).unwrap();
    let Model::Bm25(read) = Model::read(dir.path()).unwrap() else { panic!("another model") };
    let (tokens, _) = talk(&[&[10, 13], &[20, 30, 22], &[12], &[20, 23]]);
    assert_eq!(read.score(&tokens), model.score(&tokens));
    assert_eq!(read.parameters(), model.parameters());
}

#[test]
fn tells_what_is_no_model() {
    let fails = |documents: Document<'_>, expected: &str| {
        let dir = tempfile::tempdir().unwrap();
        ModelConfig::Bm25(config()).write(dir.path()).unwrap();
        let mut all = Documents::new();
        all.push(documents);
        artifact::shard::write_file(&dir.path().join(weights::FILE), &all, 1000).unwrap();
        let error = Model::read(dir.path()).err().unwrap().to_string();
        assert!(error.contains(expected), "{error}");
    };
    fails(Document { tokens: &[1, 40], loss: &[0, 1] }, "expected `tokens` below 40, found 40");

    let dir = tempfile::tempdir().unwrap();
    ModelConfig::Bm25(config()).write(dir.path()).unwrap();
    fs::write(dir.path().join(weights::FILE), [7; 100]).unwrap();
    assert!(Model::read(dir.path()).err().unwrap().to_string().contains("a safetensors file"));
}

#[test]
fn of_no_documents_every_token_is_as_likely() {
    let model = Bm25::fit(Documents::new(), &config());
    let scores = model.score(&prompt(&[], &[10]));
    assert!(scores.iter().all(|score| (score + 40_f32.ln()).abs() < 1e-6));
}
