//! Stages of the workspace that are killed at any moment, and run again.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use fs_err as fs;

use crate::workspace::Workspace;

/// Names how often each stage is killed.
const KILLS: &str = "NAMAN_KILLS";

/// The files of a directory by name.
fn content(dir: &Path) -> BTreeMap<OsString, Vec<u8>> {
    let files = fs::read_dir(dir).unwrap().map(Result::unwrap);
    files.map(|file| (file.file_name(), fs::read(file.path()).unwrap())).collect()
}

/// Kills a program again and again while it fills `OUT`, each time at another moment, and lets the next run end: it must
/// write what an undisturbed run has written.
fn survives(workspace: &Workspace, stage: &str, options: &[&str]) {
    let undisturbed = content(&workspace.path(&format!("artifacts/p/{stage}")));
    let mut seconds = workspace.receipt(stage)["seconds"].as_f64().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_xtask")).with_file_name(stage);
    let out = workspace.path("out");
    let start = || {
        let mut command = Command::new(&program);
        command.args(options).arg("--out").arg(&out).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    };
    let kills = std::env::var(KILLS).map_or(3, |kills| kills.parse().unwrap());
    let (mut number, mut killed) = (0, 0);
    while killed < kills {
        // Multiples of the golden ratio are spread evenly, however many there are.
        let moment = (0.5 + f64::from(number) * 0.618_034).fract();
        number += 1;
        let mut run = start();
        std::thread::sleep(Duration::from_secs_f64(seconds * moment));
        run.kill().unwrap();
        if run.wait().unwrap().success() {
            // The run whose time was taken was slower.
            seconds *= 0.9;
        } else {
            killed += 1;
            assert!(!out.exists(), "{stage} was killed and has published");
            assert!(start().wait().unwrap().success(), "{stage} killed after {moment:.2} of its time");
        }
        assert!(
            content(&out) == undisturbed,
            "{stage} killed after {moment:.2} of its time writes other bytes"
        );
        fs::remove_dir_all(&out).unwrap();
    }
    eprintln!("{stage}: killed {killed} times before its end, of {number} runs");
}

#[test]
fn killed_stages_run_again_to_the_same_bytes() {
    let workspace = Workspace::new();
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../datasets/ko-daily");
    workspace.pipeline(&format!(
        r#"
        [stage.collect]
        run = "collect"
        args = {{ source = "{source}", count = 3000, topics = "food,weather" }}

        [stage.preprocess]
        run = "preprocess"
        args = {{ conversations = "{{collect}}", vocab-size = 1000 }}
        "#
    ));
    workspace.run(&[]);
    survives(&workspace, "collect", &["--source", source, "--count", "3000", "--topics", "food,weather"]);
    let conversations = workspace.path("artifacts/p/collect");
    let conversations = conversations.to_str().unwrap();
    survives(&workspace, "preprocess", &["--conversations", conversations, "--vocab-size", "1000"]);
}
