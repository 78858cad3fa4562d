//! The stage on a small test split, with models that answer as they are told.

use std::collections::BTreeMap;
use std::path::Path;

use artifact::config::GenerationConfig;
use artifact::conversation::{Conversation, Message, Slot};
use artifact::report::CurvePoint;
use artifact::response::{self, ResponseTemplate};
use artifact::tokenizer::{
    CONFIG_FILE, ChatTokenizer, FILE, SPECIAL, TEMPLATE, TEMPLATE_FILE, TokenizerConfig,
};
use clap::Parser;
use evaluate::{Arguments, Measured, Task, page};
use model::chat::Chat;
use model::{LanguageModel, Session};
use serde_json::json;
use tempfile::TempDir;
use terminal::Lang;

/// Finds each token as likely as every other in `score`, and replies by heart.
struct Parrot {
    vocab_size: usize,
    context_length: usize,
    end: u32,
    /// Replies in tokens, by the prompt.
    replies: BTreeMap<Vec<u32>, Vec<u32>>,
}

struct ParrotSession<'a> {
    parrot: &'a Parrot,
    tokens: Vec<u32>,
    logits: Vec<f32>,
}

impl LanguageModel for Parrot {
    fn vocab_size(&self) -> usize {
        self.vocab_size
    }
    fn context_length(&self) -> usize {
        self.context_length
    }
    fn parameters(&self) -> usize {
        1234567
    }
    fn score(&self, tokens: &[u32]) -> Vec<f32> {
        assert!(tokens.len() <= self.context_length, "{} tokens", tokens.len());
        vec![-(self.vocab_size as f32).ln(); tokens.len() - 1]
    }
    fn session(&self) -> Box<dyn Session + '_> {
        Box::new(ParrotSession { parrot: self, tokens: Vec::new(), logits: Vec::new() })
    }
}

impl Session for ParrotSession<'_> {
    fn feed(&mut self, tokens: &[u32]) -> &[f32] {
        self.tokens.extend_from_slice(tokens);
        let known = self.parrot.replies.iter().filter(|(prompt, _)| self.tokens.starts_with(prompt));
        // The longest prompt is the one that was asked.
        let next = known.max_by_key(|(prompt, _)| prompt.len()).and_then(|(prompt, reply)| {
            let said = self.tokens.len() - prompt.len();
            reply.get(said).copied()
        });
        self.logits = vec![0.0; self.parrot.vocab_size];
        self.logits[next.unwrap_or(self.parrot.end) as usize] = 1.0;
        &self.logits
    }
    fn len(&self) -> usize {
        self.tokens.len()
    }
}

/// A tokenizer whose tokens are bytes.
fn bytes_tokenizer() -> ChatTokenizer {
    let dir = tempfile::tempdir().unwrap();
    let mut vocab = serde_json::Map::new();
    for (id, special) in SPECIAL.iter().enumerate() {
        vocab.insert((*special).to_owned(), json!(id));
    }
    // The byte-level alphabet: printable bytes stand for themselves, the others follow from U+0100.
    let mut moved = 0;
    for byte in 0..=255_u32 {
        let printable = matches!(byte, 0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF);
        let code = if printable { byte } else { 0x100 + moved };
        moved += u32::from(!printable);
        vocab.insert(char::from_u32(code).unwrap().to_string(), json!(SPECIAL.len() as u32 + byte));
    }
    let added: Vec<_> = SPECIAL
        .iter()
        .enumerate()
        .map(|(id, content)| {
            json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
                   "normalized": false, "special": true})
        })
        .collect();
    let byte_level =
        json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added, "normalizer": null,
        "pre_tokenizer": byte_level, "post_processor": null, "decoder": byte_level,
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
                  "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "vocab": vocab, "merges": []}
    });
    std::fs::write(dir.path().join(FILE), tokenizer.to_string()).unwrap();
    artifact::json::write(&dir.path().join(CONFIG_FILE), &TokenizerConfig::default()).unwrap();
    std::fs::write(dir.path().join(TEMPLATE_FILE), TEMPLATE).unwrap();
    ChatTokenizer::read(dir.path()).unwrap()
}

/// A model that gives `replies` to histories whose last words they follow.
fn parrot(conversations: &[Conversation], replies: &[(&str, &str)], context_length: usize) -> Chat {
    let tokenizer = bytes_tokenizer();
    let mut by_prompt = BTreeMap::new();
    let fixed = ["안녕하세요", "한 번 더"].map(|question| vec![Message::user(question)]);
    let histories =
        conversations.iter().flat_map(|talk| (0..talk.messages.len()).map(|end| &talk.messages[..=end]));
    for history in histories.chain(fixed.iter().map(Vec::as_slice)) {
        let last = &history.last().unwrap().content;
        if let Some((_, reply)) = replies.iter().find(|(question, _)| question == last) {
            by_prompt.insert(tokenizer.prompt(history).unwrap(), tokenizer.encode(reply).unwrap());
        }
    }
    let end = tokenizer.eos().unwrap();
    let model = Parrot { vocab_size: tokenizer.vocab_size(), context_length, end, replies: by_prompt };
    let generation = GenerationConfig { eos_token_id: vec![end], ..GenerationConfig::default() };
    Chat { model: Box::new(model), tokenizer, generation }
}

fn slot(name: &str, value: &str) -> Slot {
    Slot { name: name.to_owned(), value: value.to_owned() }
}

fn talk(id: &str, topic: &str, messages: Vec<Message>) -> Conversation {
    let topic = Some(topic.to_owned());
    Conversation { id: id.to_owned(), source: "test".to_owned(), topic, license: None, split: None, messages }
}

/// Three answers with an action, one of which must repeat a name, and a free conversation.
fn conversations() -> Vec<Conversation> {
    let acting =
        |text: &str, action: &str| Message { action: Some(action.to_owned()), ..Message::assistant(text) };
    let recalling = Message {
        slots: vec![slot("name", "서현")],
        recall: vec!["서현".to_owned()],
        ..acting("서현님이라고 하셨어요.", "utter_name")
    };
    vec![
        talk("a", "greetings", vec![Message::user("안녕!"), acting("반가워요!", "utter_hello")]),
        talk(
            "b",
            "memory",
            vec![
                Message::user("나는 서현이야"),
                acting("서현님, 반가워요!", "utter_hello"),
                Message::user("내 이름이 뭐라고?"),
                recalling,
            ],
        ),
        talk("c", "food", vec![Message::user("배고파 <script>"), Message::assistant("뭐 먹을까요?")]),
    ]
}

fn responses() -> Vec<ResponseTemplate> {
    [
        ("utter_hello", "반가워요!"),
        ("utter_name", "{name}님이라고 하셨어요."),
        ("utter_bye", "안녕히 가세요."),
    ]
    .map(|(action, text)| ResponseTemplate { action: action.to_owned(), text: text.to_owned() })
    .to_vec()
}

fn data(conversations: &[Conversation]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut file = artifact::json::LinesWriter::create(&dir.path().join("test.jsonl")).unwrap();
    conversations.iter().for_each(|talk| file.write(talk).unwrap());
    file.flush().unwrap();
    response::write(dir.path(), &responses()).unwrap();
    dir
}

fn arguments(data: &Path, more: &[&str]) -> Arguments {
    let out = data.join("report");
    let fixed = ["evaluate", "--data", data.to_str().unwrap(), "--out", out.to_str().unwrap()];
    Arguments::parse_from(fixed.iter().chain(more).chain(if more.contains(&"--model") {
        &[][..]
    } else {
        &["--model", "m=."]
    }))
}

fn measure(conversations: &[Conversation], models: &[Chat]) -> Measured {
    let data = data(conversations);
    let task =
        Task::read(&arguments(data.path(), &["--prompt", "안녕하세요", "--prompt", "한 번 더"])).unwrap();
    let mut measured = Measured::new(&task);
    for (place, chat) in models.iter().enumerate() {
        measured.add(&task, &format!("model-{place}"), "parrot", chat, Vec::new()).unwrap();
    }
    measured
}

#[test]
fn loss_accuracy_and_recall_follow_from_the_replies() {
    let talks = conversations();
    let replies = [
        ("안녕!", "반가워요"),
        ("나는 서현이야", "안녕히 가세요"),
        ("내 이름이 뭐라고?", "서현님이라고 하셨어요!"),
    ];
    let measured = measure(&talks, &[parrot(&talks, &replies, 512), parrot(&talks, &[], 512)]);

    let data = &measured.report.data;
    let bytes: usize = ["반가워요!", "서현님, 반가워요!", "서현님이라고 하셨어요.", "뭐 먹을까요?"]
        .map(str::len)
        .iter()
        .sum();
    assert_eq!((data.conversations, data.assistant_turns, data.assistant_bytes), (3, 4, bytes));
    assert_eq!((data.action_turns, data.recall_turns), (3, 1));

    let [knows, silent] = &measured.report.models[..] else { panic!("two models") };
    // Uniform over V tokens: a byte is a token, and each turn has one more, its end.
    let nats = f64::from((knows.vocab_size as f32).ln());
    assert!((knows.loss_nats_per_token - nats).abs() < 1e-6);
    assert!((knows.perplexity - 261.0).abs() < 1e-3);
    assert_eq!(knows.counts.targets, bytes + 4);
    let bits = nats / 2_f64.ln() * (bytes + 4) as f64 / bytes as f64;
    assert!((knows.bits_per_byte - bits).abs() < 1e-6);

    assert_eq!(knows.action_accuracy, Some(2.0 / 3.0));
    assert_eq!(knows.context_recall, Some(1.0));
    assert_eq!((knows.counts.unfinished_replies, knows.counts.unanswered), (0, 0));
    assert_eq!(knows.confusions.len(), 1);
    assert_eq!(
        (knows.confusions[0].expected.as_str(), knows.confusions[0].chosen.as_str()),
        ("utter_hello", "utter_bye")
    );
    let topics: Vec<_> =
        knows.action_accuracy_by_topic.iter().map(|t| (t.name.as_str(), t.correct, t.count)).collect();
    assert_eq!(topics, [("greetings", 1, 1), ("memory", 1, 2)]);
    assert_eq!(knows.context_recall_by_slot[0].name, "name");

    assert_eq!((silent.action_accuracy, silent.context_recall), (Some(0.0), Some(0.0)));
    assert!(silent.confusions.is_empty());
    assert!(measured.report.speed.contains_key("model-1"));
}

#[test]
fn samples_set_the_models_side_by_side() {
    let talks = conversations();
    let replies = [("안녕하세요", "네!"), ("배고파 <script>", "김밥 어때요?")];
    let samples = measure(&talks, &[parrot(&talks, &replies, 512), parrot(&talks, &[], 512)]).samples;
    // Two questions, both as one talk, and three held-out conversations.
    assert_eq!(samples.len(), 6);
    assert_eq!(samples[0].turns[0].replies[0].text, "네!");
    assert_eq!(samples[2].turns.len(), 2);
    assert_eq!(samples[2].turns[0].replies[0].text, "네!");
    let free = &samples[5];
    assert_eq!((free.id.as_str(), free.turns[0].user.as_str()), ("c", "배고파 <script>"));
    assert_eq!(free.turns[0].reference.as_deref(), Some("뭐 먹을까요?"));
    let texts: Vec<&str> = free.turns[0].replies.iter().map(|reply| reply.text.as_str()).collect();
    assert_eq!(texts, ["김밥 어때요?", ""]);
    assert_eq!(samples[4].turns[1].replies[0].correct, Some(false));
}

#[test]
fn conversations_longer_than_the_context_are_scored_in_whole() {
    let mut talks = conversations();
    talks.push(talk(
        "long",
        "food",
        vec![Message::user("가".repeat(100)), Message::assistant("나".repeat(100))],
    ));
    let whole = measure(&talks, &[parrot(&talks, &[], 4096)]);
    let windows = measure(&talks, &[parrot(&talks, &[], 64)]);
    assert_eq!(whole.report.models[0].counts.targets, windows.report.models[0].counts.targets);
    let (whole, windows) = (whole.report.models[0].bits_per_byte, windows.report.models[0].bits_per_byte);
    assert!((whole - windows).abs() < 1e-9);
}

#[test]
fn a_limit_chooses_evenly_and_by_seed() {
    let talks: Vec<_> = (0..100)
        .map(|i| {
            talk(&format!("{i}"), "food", vec![Message::user("안녕"), Message::assistant(format!("{i}번"))])
        })
        .collect();
    let data = data(&talks);
    let chosen = |seed: &str| -> Vec<usize> {
        let task = Task::read(&arguments(data.path(), &["--limit", "10", "--samples", "10", "--seed", seed]))
            .unwrap();
        let samples = Measured::new(&task).samples;
        samples.iter().filter_map(|sample| sample.id.parse().ok()).collect()
    };
    let first = chosen("1");
    assert_eq!(first.len(), 10);
    assert!(first.iter().enumerate().all(|(i, &place)| place / 10 == i), "{first:?}");
    assert_eq!(first, chosen("1"));
    assert!((2..6).any(|seed| chosen(&seed.to_string()) != first));
}

#[test]
fn the_same_models_give_the_same_report_apart_from_speed() {
    let talks = conversations();
    let run = || {
        let mut measured = measure(&talks, &[parrot(&talks, &[("안녕!", "반가워요")], 512)]);
        measured.report.speed.clear();
        serde_json::to_string(&(measured.report, measured.samples)).unwrap()
    };
    assert_eq!(run(), run());
}

#[track_caller]
fn fails(data: &Path, more: &[&str], expected: &str) {
    let error = evaluate::run(arguments(data, more)).unwrap_err();
    let message = format!("{error:#}");
    assert!(message.contains(expected), "{message}");
    assert!(!data.join("report").exists());
}

#[test]
fn bad_input_is_told_and_leaves_no_report() {
    let good = data(&conversations());
    let model = good.path().to_str().unwrap();
    fails(good.path(), &["--model", "transformer"], "found no `=` (hint: write it as NAME=DIR");
    fails(good.path(), &["--model", "=x"], "expected a name");
    fails(good.path(), &["--model", "a=/nowhere/at/all"], "the directory of model `a`");
    fails(
        good.path(),
        &["--model", &format!("a={model}"), "--model", &format!("a={model}")],
        "`a` is given twice",
    );
    fails(good.path(), &["--model", &format!("a={model}")], "model `a`");

    let missing = tempfile::tempdir().unwrap();
    fails(missing.path(), &[], "expected a file test.jsonl, found none (hint: ");
    let empty = data(&[]);
    fails(empty.path(), &[], "expected held-out conversations, found an empty file (hint: ");
    let mute = data(&[talk("a", "food", vec![Message::user("안녕")])]);
    fails(mute.path(), &[], "expected a turn of the assistant");

    let cut = data(&conversations());
    let path = cut.path().join("test.jsonl");
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 20]).unwrap();
    fails(cut.path(), &[], "test.jsonl:3: expected ");
}

/// A curve that falls from 6 nats, with a validation every ten steps.
fn curve() -> Vec<CurvePoint> {
    (0..=40)
        .map(|i| {
            let loss = 1.5 + 4.5 * (-f64::from(i) / 10.0).exp();
            let valid = (i % 10 == 0).then_some(loss + 0.1);
            CurvePoint {
                step: 10 * i as u64,
                tokens: 40_000 * i as u64,
                seconds: f64::from(i),
                train_loss_nats_per_token: (i > 0).then_some(loss),
                valid_loss_nats_per_token: valid,
            }
        })
        .collect()
}

#[test]
fn the_page_is_whole_by_itself_and_trusts_no_reply() {
    let talks = conversations();
    let attack = "</div><script>alert(1)</script><img src=x onerror=alert(1)>";
    let replies = [
        ("안녕하세요", attack),
        ("배고파 <script>", attack),
        ("안녕!", "반가워요"),
        ("나는 서현이야", "안녕히 가세요"),
    ];
    let mut measured = measure(&talks, &[parrot(&talks, &replies, 512), parrot(&talks, &[], 512)]);
    measured.report.models[0].learning_curve = curve();
    let level = CurvePoint { step: 0, train_loss_nats_per_token: None, ..curve()[20].clone() };
    measured.report.models[1].learning_curve = vec![level];
    measured.report.models[1].name = "n-gram <b>".to_owned();
    let speed = measured.report.speed.remove("model-1").unwrap();
    measured.report.speed.insert("n-gram <b>".to_owned(), speed);

    let pages = [Lang::Ko, Lang::En].map(|lang| page::render(&measured.report, &measured.samples, lang));
    for page in &pages {
        assert!(!page.contains("<script") && !page.contains("<img") && !page.contains("n-gram <b>"));
        assert!(page.contains("&lt;script&gt;alert(1)"));
        for outside in ["http://", "https://", "url(", "@import", "<link", "src="] {
            assert!(!page.replace("src=x", "").contains(outside), "{outside}");
        }
        assert!(page.contains("<polyline") && page.contains("class=\"level\""));
        assert!(page.contains("66.7") || page.contains("33.3"), "action accuracy");
    }
    // The same facts in both languages.
    let facts = |page: &str| {
        let body = page.split_once("</style>").unwrap().1;
        let mut digits: Vec<char> = body.chars().filter(char::is_ascii_digit).collect();
        digits.sort_unstable();
        digits.into_iter().collect::<String>()
    };
    assert_eq!(facts(&pages[0]), facts(&pages[1]));
    if let Ok(dir) = std::env::var("LOOK") {
        std::fs::write(format!("{dir}/ko.html"), &pages[0]).unwrap();
        std::fs::write(format!("{dir}/en.html"), &pages[1]).unwrap();
    }
}
