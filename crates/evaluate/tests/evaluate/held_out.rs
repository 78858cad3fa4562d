//! A small test split.

use std::path::Path;

use artifact::conversation::{Conversation, Message, Slot};
use artifact::response::{self, ResponseTemplate};
use clap::Parser;
use evaluate::{Arguments, Course, Measured, Task};
use model::chat::Chat;
use tempfile::TempDir;

pub(crate) fn slot(name: &str, value: &str) -> Slot {
    Slot { name: name.to_owned(), value: value.to_owned() }
}

pub(crate) fn talk(id: &str, topic: &str, messages: Vec<Message>) -> Conversation {
    let topic = Some(topic.to_owned());
    Conversation { id: id.to_owned(), source: "test".to_owned(), topic, license: None, split: None, messages }
}

/// Three answers with an action, one of which must repeat a name, and a free conversation.
pub(crate) fn conversations() -> Vec<Conversation> {
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

pub(crate) fn responses() -> Vec<ResponseTemplate> {
    [
        ("utter_hello", "반가워요!"),
        ("utter_name", "{name}님이라고 하셨어요."),
        ("utter_bye", "안녕히 가세요."),
    ]
    .map(|(action, text)| ResponseTemplate { action: action.to_owned(), text: text.to_owned() })
    .to_vec()
}

pub(crate) fn data(conversations: &[Conversation]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut file = artifact::json::LinesWriter::create(&dir.path().join("test.jsonl")).unwrap();
    for talk in conversations {
        file.write(talk).unwrap();
    }
    file.flush().unwrap();
    response::write(dir.path(), &responses()).unwrap();
    dir
}

pub(crate) fn arguments(data: &Path, more: &[&str]) -> Arguments {
    let out = data.join("report");
    let fixed = ["evaluate", "--data", data.to_str().unwrap(), "--out", out.to_str().unwrap()];
    Arguments::parse_from(fixed.iter().chain(more).chain(if more.contains(&"--model") {
        &[][..]
    } else {
        &["--model", "m=."]
    }))
}

pub(crate) fn measure(conversations: &[Conversation], models: &[Chat]) -> Measured {
    let data = data(conversations);
    let task =
        Task::read(&arguments(data.path(), &["--prompt", "안녕하세요", "--prompt", "한 번 더"])).unwrap();
    let mut measured = Measured::new(&task);
    for (place, chat) in models.iter().enumerate() {
        measured.add(&task, &format!("model-{place}"), "parrot", chat, Course::default()).unwrap();
    }
    measured
}
