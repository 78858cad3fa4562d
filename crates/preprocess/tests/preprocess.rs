//! The stage as a program: what it writes, what it counts, and what it says to bad input.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails by panicking, too")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use artifact::canaries::Canaries;
use artifact::conversation::{Conversation, ConversationWriter, Message, Role, Slot, Split};
use artifact::participants::{Participants, SourceParticipants};
use artifact::preprocess::{PrivateKind, Reason, Summary};
use artifact::sources::{Format, Source, Sources};
use artifact::tokenizer::ChatTokenizer;
use artifact::{conversation, json, shard};
use fs_err as fs;
use tempfile::TempDir;

/// A directory with conversations and room for what is made of them.
struct Case {
    dir: TempDir,
}

impl Case {
    fn new(talks: &[Conversation]) -> Self {
        let case = Self { dir: tempfile::tempdir().unwrap() };
        fs::create_dir(case.input()).unwrap();
        let mut writer = ConversationWriter::new(&case.input());
        for talk in talks {
            writer.write(talk).unwrap();
        }
        writer.finish().unwrap();
        case
    }

    fn of_bytes(bytes: &[u8]) -> Self {
        let case = Self::new(&[]);
        fs::write(case.input().join("conversations-00000.jsonl"), bytes).unwrap();
        case
    }

    fn input(&self) -> PathBuf {
        self.dir.path().join("in")
    }

    fn out(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, out: &str, options: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_preprocess"));
        command.arg("--conversations").arg(self.input()).arg("--out").arg(self.out(out));
        command.args(["--lang", "en"]).args(options);
        command
    }

    /// Runs the stage, which must succeed and keep the contract.
    #[track_caller]
    fn run(&self, out: &str, options: &[&str]) -> Summary {
        let output = self.command(out, options).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stdout.is_empty(), "data alone goes to stdout");
        let problems = artifact::verify::verify("preprocess", &self.out(out)).unwrap();
        assert!(problems.is_empty(), "{problems:#?}");
        json::read(&self.out(out).join("preprocess.json")).unwrap()
    }

    /// Runs the stage, which must fail with exit code 2, one line that holds all of `expected`, and no output.
    #[track_caller]
    fn check_failure(&self, options: &[&str], expected: &[&str]) {
        check_refused(&self.command("out", options).output().unwrap(), expected);
        assert!(!self.out("out").exists());
    }
}

#[track_caller]
fn check_refused(output: &Output, expected: &[&str]) {
    let message = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
    for part in expected {
        assert!(message.contains(part), "{message} lacks {part}");
    }
}

fn talk(id: impl ToString, turns: &[&str]) -> Conversation {
    let roles = [Role::User, Role::Assistant];
    let messages = turns.iter().zip(roles.iter().cycle()).map(|(&turn, &role)| Message::new(role, turn));
    Conversation {
        id: id.to_string(),
        source: "test".to_owned(),
        topic: None,
        license: None,
        split: None,
        messages: messages.collect(),
    }
}

/// Talks of one to three questions, some of them alike.
fn talks() -> Vec<Conversation> {
    let questions = ["오늘 날씨가 어때요?", "이름이 뭐야", "축구 규칙 좀 알려줘", "배고파 🍜", "안녕하세요"];
    let answers = ["맑아요.", "나만이라고 해요.", "공을 차면 돼요!", "라면은 어때요?"];
    (0..400)
        .map(|i| {
            let turns: Vec<String> = (0..=i % 3)
                .flat_map(|turn| {
                    let question = format!("{} {}", questions[(i + turn) % 5], i % 150);
                    [question, answers[(i * 7 + turn) % 4].to_owned()]
                })
                .collect();
            talk(i, &turns.iter().map(String::as_str).collect::<Vec<_>>())
        })
        .collect()
}

/// The bytes of every file of a directory.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    fs::read_dir(dir)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap())
        })
        .collect()
}

fn read_talks(path: &Path) -> Vec<Conversation> {
    conversation::read_file(path).unwrap().collect::<artifact::Result<_>>().unwrap()
}

#[test]
fn the_same_input_gives_the_same_bytes_on_any_number_of_threads() {
    let case = Case::new(&talks());
    fs::write(case.input().join("responses.jsonl"), "{\"action\":\"a\",\"text\":\"네\"}\n").unwrap();
    let runs = [("a", "1"), ("b", "2"), ("c", "3"), ("d", "2")];
    for (out, threads) in runs {
        let options = ["--vocab-size", "400", "--near-duplicates", "0.7", "--max-turn-repeats", "300"];
        case.run(out, &[&options[..], &["--max-tokens", "60", "--threads", threads]].concat());
    }
    let first = files(&case.out("a"));
    let names: Vec<&str> = first.keys().map(String::as_str).collect();
    let expected = [
        "chat_template.jinja",
        "preprocess.json",
        "responses.jsonl",
        "test-00000.safetensors",
        "test.jsonl",
        "tokenizer.json",
        "tokenizer_config.json",
        "train-00000.safetensors",
        "valid-00000.safetensors",
        "valid.jsonl",
    ];
    assert_eq!(names, expected);
    assert_eq!(first["responses.jsonl"], fs::read(case.input().join("responses.jsonl")).unwrap());
    for (out, _) in &runs[1..] {
        assert!(files(&case.out(out)) == first, "run {out} differs");
    }
}

#[test]
fn every_conversation_is_accounted_for() {
    let long = "길어요 ".repeat(200);
    let mut held_out = talk("held out", &["둘 다 있는 말", "네"]);
    held_out.split = Some(Split::Valid);
    let mut same = talk("same as held out", &["둘  다\u{200B} 있는 말\n", "네"]);
    same.split = Some(Split::Train);
    let mut train = talk("train", &["안녕", "안녕하세요"]);
    train.split = Some(Split::Train);
    let mut cut = talk("cut", &["하나", "둘", "셋", "넷", &long, "다섯"]);
    cut.split = Some(Split::Train);
    // Equal to `cut` once that is cut.
    let mut alike = talk("alike", &["하나", "둘", "셋", "넷"]);
    alike.split = Some(Split::Train);
    let input = [
        train.clone(),
        talk("empty", &[" \u{3164}", "\u{200B}"]),
        talk("no answer", &["누구 없어요?", ""]),
        talk("too short", &["", "혼잣말"]),
        Conversation { id: "duplicate".to_owned(), ..train },
        held_out,
        same,
        cut,
        alike,
        Conversation { split: Some(Split::Test), ..talk("too long", &[&long, "네"]) },
    ];
    let case = Case::new(&input);
    let summary = case.run("out", &["--max-tokens", "100", "--vocab-size", "300"]);
    assert_eq!((summary.read, summary.kept, summary.dropped), (10, 3, 7));
    let drops: Vec<(Reason, usize)> =
        summary.drops.iter().map(|row| (row.reason, row.conversations)).collect();
    let expected = [
        (Reason::Empty, 1),
        (Reason::NoAssistantTurn, 1),
        (Reason::TooShort, 1),
        (Reason::LongTurn, 0),
        (Reason::Language, 0),
        (Reason::Repetition, 0),
        (Reason::DroppedWord, 0),
        (Reason::Contaminated, 0),
        (Reason::Private, 0),
        (Reason::Boilerplate, 0),
        (Reason::Duplicate, 2),
        (Reason::HeldOut, 1),
        (Reason::NearDuplicate, 0),
        (Reason::TooLong, 1),
    ];
    assert_eq!(drops, expected);
    assert_eq!((summary.changes.empty_turns, summary.changes.merged_turns), (4, 0));
    assert_eq!((summary.changes.cut_conversations, summary.changes.cut_turns), (1, 2));
    assert!(summary.splits.iter().all(|figures| figures.longest <= 100));
    let kept: Vec<usize> = summary.splits.iter().map(|figures| figures.conversations).collect();
    assert_eq!(kept, [2, 1, 0]);
}

#[test]
fn a_long_conversation_keeps_its_beginning_up_to_an_answer() {
    let turns: Vec<String> = (0..3000).map(|i| format!("{i}번째 말")).collect();
    let mut long = talk("long", &turns.iter().map(String::as_str).collect::<Vec<_>>());
    long.split = Some(Split::Test);
    let case = Case::new(&[long, Conversation { split: Some(Split::Train), ..talk("t", &["가", "나"]) }]);
    for max_tokens in [40, 100, 2000] {
        let out = max_tokens.to_string();
        let summary = case.run(&out, &["--max-tokens", &out]);
        let kept = read_talks(&case.out(&out).join("test.jsonl")).remove(0).messages;
        assert_eq!(kept.last().unwrap().role, Role::Assistant);
        let contents: Vec<&str> = kept.iter().map(|message| message.content.as_str()).collect();
        assert_eq!(contents, turns[..kept.len()]);
        assert_eq!(summary.changes.cut_turns, 3000 - kept.len());
        // Two more turns would not have fitted.
        let tokenizer = ChatTokenizer::read(&case.out(&out)).unwrap();
        let more: Vec<Message> = turns[..kept.len() + 2]
            .iter()
            .zip(0..)
            .map(|(turn, i)| if i % 2 == 0 { Message::user(turn) } else { Message::assistant(turn) })
            .collect();
        assert!(tokenizer.conversation(&more).unwrap().tokens.len() > max_tokens);
    }
}

#[test]
fn a_first_question_is_in_one_split() {
    let case = Case::new(&talks());
    let summary = case.run("out", &["--valid-percent", "15", "--test-percent", "15"]);
    assert!(summary.splits.iter().all(|figures| figures.conversations > 10), "{summary:?}");
    let tokenizer = ChatTokenizer::read(&case.out("out")).unwrap();
    let end = tokenizer.eos().unwrap();
    let questions = Split::ALL.map(|split| {
        let documents = shard::read_split(&case.out("out"), split).unwrap();
        let question = |tokens: &[u32]| tokens.split(|&token| token == end).next().unwrap().to_vec();
        documents.iter().map(|document| question(document.tokens)).collect::<std::collections::BTreeSet<_>>()
    });
    assert!(questions[0].is_disjoint(&questions[1]));
    assert!(questions[0].is_disjoint(&questions[2]));
    assert!(questions[1].is_disjoint(&questions[2]));
}

#[test]
fn what_evaluation_needs_goes_with_held_out_text() {
    let mut held_out = talk("1", &["저는 도현이에요", "반가워요", "내 이름은?", "도현\u{200B}님이에요"]);
    held_out.split = Some(Split::Test);
    held_out.messages[3].action = Some("utter_name".to_owned());
    held_out.messages[3].slots = vec![Slot { name: "name".to_owned(), value: " 도현".to_owned() }];
    held_out.messages[3].recall = vec!["도현\u{200B}".to_owned()];
    let train = Conversation { split: Some(Split::Train), ..talk("2", &["가", "나"]) };
    let case = Case::new(&[held_out, train]);
    case.run("out", &[]);
    let read = read_talks(&case.out("out").join("test.jsonl")).remove(0);
    let message = &read.messages[3];
    assert_eq!(read.split, Some(Split::Test));
    assert_eq!(message.content, "도현님이에요");
    assert_eq!(message.action.as_deref(), Some("utter_name"));
    assert_eq!(message.slots[0].value, "도현");
    assert_eq!(message.recall, ["도현"]);
}

#[test]
fn every_row_of_the_songys_table_is_accounted_for() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/songys-ChatbotData.csv");
    if !Path::new(path).exists() {
        eprintln!("skipped: {path} is absent");
        return;
    }
    let rows = csv::Reader::from_path(path).unwrap().into_records();
    let talks: Vec<Conversation> = rows
        .enumerate()
        .map(|(i, row)| {
            let row = row.unwrap();
            talk(i, &[&row[0], &row[1]])
        })
        .collect();
    let summary = Case::new(&talks).run("out", &[]);
    assert_eq!(summary.read, talks.len());
    assert_eq!(summary.read, summary.kept + summary.dropped);
    let duplicates = summary.drops.iter().find(|row| row.reason == Reason::Duplicate).unwrap();
    assert_eq!(duplicates.conversations, summary.dropped);
    assert_eq!(summary.vocabulary.size, 4096);
    let train = &summary.splits[0];
    assert!((1.8..2.2).contains(&train.characters_per_token), "{train:?}");
}

#[test]
fn bad_options_are_refused() {
    let case = Case::new(&[talk(1, &["가", "나"])]);
    case.check_failure(&["--vocab-size", "260"], &["--vocab-size 260", "261", "hint"]);
    case.check_failure(&["--max-tokens", "2"], &["--max-tokens 2"]);
    case.check_failure(&["--valid-percent", "60", "--test-percent", "40"], &["100"]);
    case.check_failure(&["--valid-percent", "NaN"], &["--valid-percent NaN"]);
    case.check_failure(&["--memory", "1"], &["--memory 1", "320 MiB"]);
    case.check_failure(&["--shard", "1/2"], &["--shard", "--tokenizer"]);
}

#[test]
fn bad_input_is_told_with_file_and_line() {
    let whole = "{\"id\":\"1\",\"source\":\"s\",\"messages\":[{\"role\":\"user\",\"content\":\"가\"}]}\n";
    let line = |bad: &[u8]| Case::of_bytes(&[whole.as_bytes(), bad].concat());
    line(b"{\"id\":").check_failure(&[], &["conversations-00000.jsonl:2", "a conversation", "early end"]);
    line(b"\xBE\xC8\n").check_failure(&[], &["conversations-00000.jsonl:2", "UTF-8"]);
    line(b"{\"id\":\"2\",\"source\":\"s\",\"messages\":[]}")
        .check_failure(&[], &["conversations-00000.jsonl:2", "at least one message"]);
    line(b"[1, 2]").check_failure(&[], &["conversations-00000.jsonl:2", "a conversation"]);
    Case::of_bytes(b"").check_failure(&[], &["conversations to train on", "none at all"]);
    line(b"").check_failure(&[], &["conversations to train on", "no answer 1"]);
    Case::new(&[]).check_failure(&[], &["conversations-00000.jsonl", "none", "hint"]);

    let absent = Case::new(&[]);
    fs::remove_dir(absent.input()).unwrap();
    absent.check_failure(&[], &["in"]);
}

#[test]
fn nothing_published_is_modified() {
    let case = Case::new(&talks());
    case.run("out", &[]);
    let before = files(&case.out("out"));
    check_refused(&case.command("out", &[]).output().unwrap(), &["exists already"]);
    assert!(files(&case.out("out")) == before);
}

/// A limit on the size of files stands for a full disk: both refuse a write half-way.
#[cfg(unix)]
#[test]
fn a_full_disk_leaves_nothing_half_published() {
    let case = Case::new(&talks());
    let output = Command::new("sh")
        .arg("-c")
        .arg("trap '' XFSZ; ulimit -f 8; exec \"$0\" \"$@\"")
        .arg(env!("CARGO_BIN_EXE_preprocess"))
        .arg("--conversations")
        .arg(case.input())
        .arg("--out")
        .arg(case.out("out"))
        .args(["--lang", "en"])
        .output()
        .unwrap();
    check_refused(&output, &["out.partial"]);
    assert!(!case.out("out").exists());
}

/// The sources of a directory: one, in this format, with these people in it.
fn describe(case: &Case, format: Format, people: &[&str]) {
    let source = Source {
        name: "test".to_owned(),
        format,
        license: None,
        sha256: "0".repeat(64),
        conversations: 0,
        splits: Vec::new(),
        counts: Vec::new(),
        options: Vec::new(),
    };
    Sources { conversations: 0, seed: 1, sources: vec![source] }.write(&case.input()).unwrap();
    let names = people.iter().map(|&name| name.to_owned()).collect();
    let participants =
        Participants { sources: vec![SourceParticipants { source: "test".to_owned(), names }] };
    participants.write(&case.input()).unwrap();
}

#[test]
fn chats_are_masked_and_other_sources_left_unless_told_otherwise() {
    let mut all = talks();
    all.push(talk("private", &["나래야 번호 뭐야", "010-1234-5678이야", "010 1234 5678 맞아?", "응"]));
    let case = Case::new(&all);
    let found = |summary: &Summary, kind| summary.private.iter().find(|row| row.kind == kind).unwrap().found;
    let held = |name: &str| {
        // Where nothing is held out, the text is in the tokens alone.
        let tokenizer = ChatTokenizer::read(&case.out(name)).unwrap();
        let documents = shard::read_split(&case.out(name), Split::Train).unwrap();
        documents.iter().map(|document| tokenizer.decode(document.tokens)).collect::<Vec<_>>().join("\n")
    };
    let all_in_train = ["--valid-percent", "0", "--test-percent", "0"];
    describe(&case, Format::Kakaotalk, &["김나래", "회원님"]);
    let summary = case.run("masked", &all_in_train);
    assert_eq!((found(&summary, PrivateKind::Phone), found(&summary, PrivateKind::Name)), (2, 1));
    let text = held("masked");
    assert!(!text.contains("1234-5678") && !text.contains("나래야"));
    assert!(
        text.contains("[PHONE_1]이야") && text.contains("[PHONE_1] 맞아?") && text.contains("[NAME_1]야")
    );
    let whole = fs::read_to_string(case.out("masked").join("preprocess.json")).unwrap();
    assert!(!whole.contains("1234") && !whole.contains("나래"));

    let summary = case.run("off", &[&all_in_train[..], &["--privacy", "off"]].concat());
    assert_eq!(found(&summary, PrivateKind::Phone), 0);
    assert!(held("off").contains("010-1234-5678"));

    let summary = case.run("dropped", &[&all_in_train[..], &["--privacy", "drop"]].concat());
    assert_eq!(summary.drops.iter().find(|row| row.reason == Reason::Private).unwrap().conversations, 1);
    assert_eq!(found(&summary, PrivateKind::Phone), 2);

    describe(&case, Format::Csv, &[]);
    case.run("table", &all_in_train);
    assert!(held("table").contains("010-1234-5678"));
    case.run("asked", &[&all_in_train[..], &["--privacy", "mask"]].concat());
    assert!(held("asked").contains("나래야 번호") && !held("asked").contains("010-1234-5678"));
}

#[test]
fn near_duplicates_are_dropped_when_asked_for() {
    let long = "오늘은 날씨가 맑고 바람도 시원해서 강가를 따라 한참을 걸었어요";
    let mut all = talks();
    for end in ["", "!", " ㅎㅎ", "..."] {
        all.push(talk(format!("near{end}"), &["뭐 했어?", &format!("{long}{end}")]));
    }
    let case = Case::new(&all);
    let dropped = |summary: &Summary| {
        summary.drops.iter().find(|row| row.reason == Reason::NearDuplicate).unwrap().conversations
    };
    assert_eq!(dropped(&case.run("exact", &[])), 0);
    let summary = case.run("near", &["--near-duplicates", "0.8"]);
    assert!(dropped(&summary) >= 3);
    assert_eq!(summary.options.near_duplicates, Some(0.8));
    case.run("one-thread", &["--near-duplicates", "0.8", "--threads", "1"]);
    assert_eq!(files(&case.out("near")), files(&case.out("one-thread")));
    case.check_failure(&["--near-duplicates", "1.5"], &["--near-duplicates 1.5", "0.8"]);
}

#[test]
fn canaries_are_treated_like_what_people_say() {
    let case = Case::new(&talks());
    let said = |name: &str| {
        let tokenizer = ChatTokenizer::read(&case.out(name)).unwrap();
        let documents = shard::read_split(&case.out(name), Split::Train).unwrap();
        let secrets = Canaries::read(&case.out(name)).unwrap().unwrap().canaries;
        let texts: Vec<String> = documents.iter().map(|document| tokenizer.decode(document.tokens)).collect();
        texts.iter().filter(|text| secrets.iter().any(|canary| text.contains(&canary.secret))).count()
    };
    let summary = case.run("planted", &["--canaries", "3"]);
    assert_eq!((said("planted"), summary.options.canaries), (24, Some(3)));
    case.run("once", &["--canaries", "3", "--near-duplicates", "0.8"]);
    assert_eq!(said("once"), 3);
    case.run("masked", &["--canaries", "3", "--near-duplicates", "0.8", "--privacy", "mask"]);
    assert_eq!(said("masked"), 0);
    let summary = case.run("none", &[]);
    assert_eq!((Canaries::read(&case.out("none")).unwrap(), summary.options.canaries), (None, None));
}

#[test]
fn a_test_set_is_kept_apart() {
    let long =
        "강가를 따라 한참을 걸었더니 다리가 아팠지만 그래도 기분은 무척 좋아서 노래까지 불렀답니다 그렇죠";
    let mut all = talks();
    all.push(talk("turn", &["내일 몇 시에 볼까요?", "두 시"]));
    all.push(talk("part", &["뭐 했어", &format!("어제는 말이에요, {long}, 그리고 잤어요")]));
    all.push(talk("short", &["응", "그래"]));
    let case = Case::new(&all);
    let lines = case.dir.path().join("test.txt");
    fs::write(&lines, format!("내일 몇시에 볼까요\n아까 {long} 했지\n응\n")).unwrap();
    let summary = case.run("out", &["--decontaminate", lines.to_str().unwrap()]);
    let dropped = |summary: &Summary| {
        summary.drops.iter().find(|row| row.reason == Reason::Contaminated).unwrap().conversations
    };
    assert_eq!((dropped(&summary), summary.options.decontaminate_texts), (2, Some(3)));
}

#[test]
fn quality_is_asked_for_by_options() {
    let mut all = talks();
    all.push(talk("english", &["how are you", "fine"]));
    all.push(talk("laughter", &["ㅋㅋ", &"하하".repeat(40)]));
    all.push(talk("long", &["길어?", &(0xAC00..0xAE00).filter_map(char::from_u32).collect::<String>()]));
    all.push(talk("rude", &["야 이 바부야", "왜"]));
    let case = Case::new(&all);
    let words = case.dir.path().join("words.txt");
    fs::write(&words, "바부\n\nFOO\n").unwrap();
    let words = words.to_str().unwrap();
    let limits =
        ["--min-korean-percent", "50", "--max-repetition-percent", "60", "--max-turn-characters", "300"];
    let summary = case.run("kept", &[&limits[..], &["--drop-words", words]].concat());
    for reason in [Reason::Language, Reason::Repetition, Reason::LongTurn, Reason::DroppedWord] {
        assert_eq!(
            summary.drops.iter().find(|row| row.reason == reason).unwrap().conversations,
            1,
            "{reason:?}"
        );
    }
    assert_eq!(summary.options.quality.dropped_words, Some(2));
    case.check_failure(&["--min-korean-percent", "101"], &["--min-korean-percent 101"]);
}

#[test]
fn boilerplate_is_dropped_when_asked_for() {
    let mut all = talks();
    let notice = "이 방에서는 광고와 욕설을 삼가 주시고 공지를 꼭 먼저 읽어 주세요";
    all.extend((0..5).map(|i| {
        talk(format!("notice {i}"), &[&format!("{i}번 왔어요"), &format!("{notice}{}", "!".repeat(i))])
    }));
    let case = Case::new(&all);
    let row = |summary: &Summary| {
        summary.drops.iter().find(|row| row.reason == Reason::Boilerplate).unwrap().clone()
    };
    assert_eq!(row(&case.run("kept", &["--max-turn-repeats", "5"])).conversations, 0);
    let row = row(&case.run("dropped", &["--max-turn-repeats", "4"]));
    assert_eq!((row.conversations, row.examples.len()), (5, 3));
    assert!(row.examples[0].dropped.contains(notice) && row.examples[0].kept.is_some());
}

/// Every conversation is in one part, with those that are equal to it, and in the split that it has without parts.
#[test]
fn parts_make_up_the_whole() {
    let all = talks();
    let case = Case::new(&all);
    let whole = case.run("whole", &[]);
    let tokenizer = case.out("whole");
    let given = ["--tokenizer", tokenizer.to_str().unwrap()];
    let same = case.run("given", &given);
    assert_eq!(whole.splits, same.splits);
    let parts: Vec<Summary> = (1..=3)
        .map(|number| {
            case.run(&format!("part{number}"), &[&given[..], &["--shard", &format!("{number}/3")]].concat())
        })
        .collect();
    for split in 0..3 {
        let conversations = |summary: &Summary| summary.splits[split].conversations;
        assert_eq!(parts.iter().map(conversations).sum::<usize>(), conversations(&whole));
    }
    assert_eq!(parts.iter().map(|part| part.dropped).sum::<usize>(), whole.dropped);
    assert!(parts.iter().all(|part| part.read > 50), "{parts:?}");
    // The files of all parts in one directory are the whole, in another order.
    let together = case.out("together");
    fs::create_dir(&together).unwrap();
    for number in 1..=3 {
        let file = case.out(&format!("part{number}")).join("train-00000.safetensors");
        fs::copy(file, together.join(format!("train-{:05}.safetensors", number - 1))).unwrap();
    }
    let documents = |dir: &Path| {
        let documents = shard::read_split(dir, Split::Train).unwrap();
        let mut all: Vec<Vec<u32>> = documents.iter().map(|document| document.tokens.to_vec()).collect();
        all.sort();
        all
    };
    assert_eq!(documents(&together), documents(&case.out("whole")));
}

#[test]
fn examples_and_the_report_show_nothing_private() {
    let answer = "010-1234-5678로 걸어서 한참을 이야기하다가 강가를 걸었어";
    let mut all =
        vec![talk("first", &["뭐 했어", answer]), talk("same", &["뭐 했어", &format!("{answer}!")])];
    all.push(talk("english", &["call me", "555-867-5309 is my number, or a.b@example.com"]));
    all.extend(talks());
    all[0].topic = Some("날씨".to_owned());
    let case = Case::new(&all);
    let report = case.out("report.html");
    let options = ["--min-korean-percent", "50", "--near-duplicates", "0.8", "--privacy", "off"];
    let summary = case.run("out", &[&options[..], &["--report", report.to_str().unwrap()]].concat());
    let row = |reason| summary.drops.iter().find(|row| row.reason == reason).unwrap();
    let near = &row(Reason::NearDuplicate).examples;
    assert!(near.iter().any(|example| example.dropped.contains("[PHONE_1]로 걸어서")), "{near:?}");
    assert!(near.iter().all(|example| example.kept.is_some()));
    assert!(row(Reason::Language).examples[0].dropped.contains("[EMAIL_1]"));
    assert_eq!(
        (summary.sources.len(), summary.sources[0].read, summary.sources[0].kept),
        (1, all.len(), summary.kept)
    );
    let json = fs::read_to_string(case.out("out").join("preprocess.json")).unwrap();
    let page = fs::read_to_string(report).unwrap();
    for text in [&json, &page] {
        assert!(!text.contains("1234-5678") && !text.contains("867-5309") && !text.contains("a.b@"));
    }
    let links = page.replace("http://www.w3.org/2000/svg", "");
    assert!(!links.contains("://") && !page.contains("<script"), "the page needs no network and no script");
    assert_eq!(page.matches("<svg role=\"img\"").count(), 2);
    assert!(page.contains("near-duplicate") && page.contains("날씨") && page.contains("[PHONE_1]"));
}
