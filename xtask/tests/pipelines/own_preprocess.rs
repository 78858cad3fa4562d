//! Stages of this workspace around a stage of somebody's own, in Python.

use std::process::Command;

use crate::workspace::Workspace;

#[test]
fn a_pipeline_goes_on_from_a_preprocess_in_python() {
    if Command::new("python3").arg("--version").output().is_err() {
        eprintln!("skipped: there is no python3 on this machine");
        return;
    }
    let workspace = Workspace::new();
    let splits = ["train", "train", "train", "train", "train", "train", "valid", "test"];
    let talk = |(number, split): (usize, &&str)| {
        let [user, assistant] = [("user", "안녕"), ("assistant", "반가워요")]
            .map(|(role, text)| serde_json::json!({ "role": role, "content": format!("{text} {number}") }));
        let id = number.to_string();
        format!(
            "{}\n",
            serde_json::json!({ "id": id, "source": "test", "split": split, "messages": [user, assistant] })
        )
    };
    workspace.write("talks.jsonl", &splits.iter().enumerate().map(talk).collect::<String>());
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/foreign/preprocess.py");
    let pipeline = format!(
        r#"
        [stage.collect]
        run = "collect"
        args = {{ source = "talks.jsonl" }}

        [stage.preprocess]
        run = ["python3", "{program}"]
        args = {{ conversations = "{{collect}}" }}

        [stage.model]
        run = ["model", "new"]
        args = {{ data = "{{preprocess}}", preset = "nano" }}

        [stage.train]
        run = "train"
        args = {{ data = "{{preprocess}}", model = "{{model}}", steps = 3 }}

        [stage.evaluate]
        run = "evaluate"
        args = {{ data = "{{preprocess}}", model = "mine={{train}}" }}
        "#
    );
    workspace.pipeline(&pipeline);
    let run = workspace.xtask(&["run", "p"]);
    let said = &run.succeeds().stdout;
    for text in [
        "mine",
        "bits/byte",
        "> 안녕하세요",
        "> 오늘 날씨가 어때요?",
        "cargo xtask chat p",
        "cargo xtask serve p",
    ] {
        assert!(said.contains(text), "no `{text}` in: {said}");
    }
    let data = workspace.path("artifacts/p/preprocess");
    workspace.xtask(&["verify", "preprocess", data.to_str().unwrap()]).succeeds();
    assert_eq!(workspace.receipt("preprocess")["inputs"]["contract"], "preprocess");
}
