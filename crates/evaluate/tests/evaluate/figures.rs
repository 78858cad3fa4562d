//! The figures and samples follow from what the models say.

use artifact::conversation::Message;
use evaluate::{Measured, Task, perturb};

use crate::held_out::{arguments, conversations, data, measure, talk};
use crate::parrot::parrot;

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

#[test]
fn models_are_ranked_by_each_figure_that_they_have() {
    let talks = conversations();
    let replies = [("안녕!", "반가워요"), ("내 이름이 뭐라고?", "서현님이라고 하셨어요!")];
    let models = [parrot(&talks, &[], 512), parrot(&talks, &replies, 512), parrot(&talks, &[], 512)];
    let report = measure(&talks, &models).report;
    let order = |figure: &str| {
        let ranking = report.ranking.iter().find(|ranking| ranking.figure == figure);
        ranking.map(|ranking| ranking.models.clone())
    };
    assert_eq!(order("action_accuracy").unwrap(), ["model-1", "model-0", "model-2"]);
    assert_eq!(order("context_recall").unwrap(), ["model-1", "model-0", "model-2"]);
    // All alike, so in the order in which they were named.
    assert_eq!(order("bits_per_byte").unwrap(), ["model-0", "model-1", "model-2"]);
    assert_eq!(order("parameters").unwrap(), ["model-0", "model-1", "model-2"]);
    assert_eq!(order("speed.tokens_per_second").unwrap().len(), 3);
    // Nobody trained a parrot.
    assert_eq!(order("training.tokens_per_second"), None);

    let page = evaluate::page::render(&report, &[], terminal::Lang::En);
    let table = page.split_once("class=\"ranking\"").unwrap().1.split_once("</table>").unwrap().0;
    let places: Vec<usize> = ["model-1", "model-0", "model-2"].map(|name| table.find(name).unwrap()).to_vec();
    assert!(places[1] < places[0] && places[0] < places[2], "in the order of bits per byte");
    assert!(table.contains("66.7 % <span class=\"unit\">1</span>"), "{table}");
    assert!(table.contains("0.0 % <span class=\"unit\">2</span>"), "{table}");
}

#[test]
fn figures_have_intervals_and_models_are_compared_by_them() {
    let talks = conversations();
    let replies = [
        ("안녕!", "반가워요!"),
        ("나는 서현이야", "서현님, 반가워요!"),
        ("내 이름이 뭐라고?", "서현님이라고 했잖아."),
        ("배고파 <script>", "뭐 먹을까요?"),
    ];
    let measured = measure(&talks, &[parrot(&talks, &replies, 512), parrot(&talks, &[], 512)]);
    let [knows, silent] = &measured.report.models[..] else { panic!("two models") };

    let figures = &knows.figures;
    assert!((figures["bits_per_byte"].value - knows.bits_per_byte).abs() < 1e-12);
    let characters: usize = talks
        .iter()
        .flat_map(|t| &t.messages)
        .filter(|m| m.is_target())
        .map(|m| m.content.chars().count())
        .sum();
    let bytes = measured.report.data.assistant_bytes;
    let bits_per_character = knows.bits_per_byte * bytes as f64 / characters as f64;
    assert!((figures["bits_per_character"].value - bits_per_character).abs() < 1e-9);
    // A parrot knows its end after each token, and finds four of the turns' tokens the likeliest: their ends.
    let accuracy = 4.0 / knows.counts.targets as f64;
    assert!((silent.figures["next_token_accuracy"].value - accuracy).abs() < 1e-12);
    for figure in figures.values() {
        assert!(figure.low <= figure.value + 1e-12 && figure.value <= figure.high + 1e-12, "{figure:?}");
    }
    let value = |name: &str| figures[name].value;
    assert!((value("greedy.action_accuracy") - 1.0).abs() < 1e-12);
    assert!((value("greedy.context_recall") - 1.0).abs() < 1e-12);
    // All true turns are polite, and one reply of four is not.
    assert!((value("greedy.polite") - 0.75).abs() < 1e-12);
    assert!(value("greedy.chrf_plus_plus") > 50.0 && value("greedy.rouge_l") > 50.0);
    assert!((silent.figures["greedy.empty"].value - 1.0).abs() < 1e-12);
    assert!(!figures.contains_key("greedy.refused"), "nobody asked for anything dangerous");
    assert_eq!(knows.diversity["greedy"].replies, 4);

    let by_distance = &knows.context_recall_by_distance;
    assert_eq!(by_distance.len(), 1);
    assert_eq!((by_distance[0].name.as_str(), by_distance[0].correct), ("1", 1));
    let table = knows.confusion_table.as_ref().unwrap();
    assert_eq!(table.actions, ["utter_hello", "utter_name"]);
    assert_eq!(table.counts, [[2, 0, 0], [0, 1, 0]]);
    let parts: Vec<_> = knows.loss_parts.iter().map(|part| (part.name.as_str(), part.turns)).collect();
    let expected =
        [("food", 1), ("greetings", 1), ("memory", 2), ("1", 3), ("2", 1), ("0-10", 3), ("11-20", 1)];
    assert_eq!(parts, expected);

    let comparison = |figure: &str| {
        let of_figure = measured.report.comparisons.iter().find(|comparison| comparison.figure == figure);
        of_figure.unwrap().clone()
    };
    let recall = comparison("greedy.context_recall");
    assert_eq!((recall.first.as_str(), recall.second.as_str()), ("model-0", "model-1"));
    assert!((recall.difference.value - 1.0).abs() < 1e-12);
    assert!((recall.first_is_better - 1.0).abs() < 1e-12);
    // Equally likely, whatever the conversations.
    assert!((comparison("bits_per_byte").first_is_better - 0.5).abs() < 1e-12);
}

#[test]
fn careless_writing_costs_a_model_that_knows_only_the_careful() {
    let talks = conversations();
    let replies = [("안녕!", "반가워요!"), ("나는 서현이야", "서현님, 반가워요!")];
    let measured = measure(&talks, &[parrot(&talks, &replies, 512)]);
    let robustness = &measured.report.models[0].robustness;
    let named: Vec<_> = robustness.iter().map(|perturbed| perturbed.perturbation).collect();
    assert_eq!(named, perturb::ALL);
    for perturbed in robustness {
        assert!(perturbed.changes["chrf_plus_plus"].value <= 0.0);
        assert_ne!(perturbed.before, perturbed.after);
    }
    // The greeting has no space to leave out.
    assert_eq!(robustness[0].replies, 4);
    assert_eq!(robustness[1].replies, 3);
}
