//! Sample talks: fixed questions, and held-out conversations beside what was truly said.

use artifact::conversation::{Message, Role};
use artifact::report::{Sample, SampleKind, SampleReply, SampleTurn};
use model::chat::Chat;

use crate::answers::Verdict;
use crate::held_out::Answer;
use crate::replies::{self, Decoding, Reply};

/// Questions that any Korean chatbot should be able to answer.
pub(crate) const QUESTIONS: [&str; 4] =
    ["안녕하세요", "오늘 날씨가 어때요?", "너 이름이 뭐야?", "축구 규칙 좀 알려줘"];

/// Each question as a talk by itself, then all of them as one talk; nobody has answered yet.
pub(crate) fn of_questions(questions: &[String]) -> Vec<Sample> {
    let mut talks: Vec<Vec<SampleTurn>> = questions.iter().map(|question| vec![turn(question)]).collect();
    if questions.len() > 1 {
        talks.push(questions.iter().map(|question| turn(question)).collect());
    }
    talks
        .into_iter()
        .enumerate()
        .map(|(place, turns)| Sample {
            id: format!("talk-{}", place + 1),
            kind: SampleKind::Prompt,
            topic: None,
            turns,
        })
        .collect()
}

fn turn(user: &str) -> SampleTurn {
    SampleTurn { user: user.to_owned(), reference: None, action: None, replies: Vec::new() }
}

/// Held-out conversations, one for each run of answers of the same conversation; nobody has answered yet.
pub(crate) fn of_conversations(answers: &[Answer<'_>]) -> Vec<Sample> {
    answers
        .chunk_by(|a, b| std::ptr::eq(a.talk, b.talk))
        .map(|answers| Sample {
            id: answers[0].talk.id.clone(),
            kind: SampleKind::HeldOut,
            topic: answers[0].talk.topic.clone(),
            turns: answers
                .iter()
                .map(|answer| SampleTurn {
                    user: said_last(answer.history()),
                    reference: Some(answer.message.content.clone()),
                    action: answer.message.action.clone(),
                    replies: Vec::new(),
                })
                .collect(),
        })
        .collect()
}

/// What was said since the assistant spoke last.
fn said_last(history: &[Message]) -> String {
    let since =
        history.iter().rposition(|message| message.role == Role::Assistant).map_or(0, |place| place + 1);
    let said: Vec<&str> = history[since..].iter().map(|message| message.content.as_str()).collect();
    said.join("\n")
}

/// Lets a model answer the questions; its own replies become the history.
pub(crate) fn answer_questions(samples: &mut [Sample], name: &str, chat: &Chat, decoding: &Decoding) {
    for sample in samples.iter_mut().filter(|sample| sample.kind == SampleKind::Prompt) {
        let mut history = Vec::new();
        for turn in &mut sample.turns {
            history.push(Message::user(&turn.user));
            let text = replies::reply(chat, &history, decoding).text;
            history.push(Message::assistant(&text));
            turn.replies.push(SampleReply { model: name.to_owned(), text, action: None, correct: None });
        }
    }
}

/// Sets a model's replies beside the held-out turns: as many, in the same order.
pub(crate) fn answer_conversations(
    samples: &mut [Sample],
    name: &str,
    judged: &[(&Reply, &Option<Verdict>)],
) {
    let turns =
        samples.iter_mut().filter(|sample| sample.kind == SampleKind::HeldOut).flat_map(|s| &mut s.turns);
    for (turn, (reply, verdict)) in turns.zip(judged) {
        turn.replies.push(SampleReply {
            model: name.to_owned(),
            text: reply.text.clone(),
            action: verdict.as_ref().and_then(|verdict| verdict.action.clone()),
            correct: verdict.as_ref().map(|verdict| verdict.correct),
        });
    }
}
