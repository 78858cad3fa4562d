//! `cargo xtask run` with programs of somebody's own as stages: what runs, what does not, and what is published.

use crate::workspace::Workspace;
use fs_err as fs;

/// `a` copies a text's words, one a line, and `b` counts them.
fn words_and_count() -> Workspace {
    let workspace = Workspace::new();
    workspace.write("text.txt", "one two\nthree\n");
    workspace.script("a", "mkdir \"$out\"; tr ' ' '\\n' < text.txt > \"$out/words\"\n");
    workspace.script("b", "mkdir \"$out\"; echo $1 $(wc -l < $2/words) > \"$out/count\"\n");
    workspace.pipeline(
        r#"
        [stage.a]
        run = ["sh", "a.sh"]
        inputs = ["text.txt"]

        [stage.b]
        run = ["sh", "b.sh", "words:", "{a}"]
        "#,
    );
    workspace
}

#[test]
fn a_stage_runs_when_something_it_is_made_from_has_changed() {
    let workspace = words_and_count();
    assert_eq!(workspace.run(&[]), "a b");
    assert_eq!(workspace.read("artifacts/p/b/count"), "words: 3\n");
    assert_eq!(workspace.run(&[]), "");

    // The same bytes, written again.
    workspace.write("text.txt", "one two\nthree\n");
    assert_eq!(workspace.run(&[]), "");
    // Other bytes that make the same output: what follows does not run.
    workspace.write("text.txt", "one\ntwo three\n");
    assert_eq!(workspace.run(&[]), "a");
    workspace.write("text.txt", "one\n");
    assert_eq!(workspace.run(&[]), "a b");
    assert_eq!(workspace.read("artifacts/p/b/count"), "words: 1\n");
    // What was made once is there still.
    workspace.write("text.txt", "one two\nthree\n");
    assert_eq!(workspace.run(&[]), "");
    assert_eq!(workspace.read("artifacts/p/b/count"), "words: 3\n");

    workspace.script("b", "mkdir \"$out\"; echo changed > \"$out/count\"\n");
    assert_eq!(workspace.run(&[]), "b");
    let pipeline = workspace.read("pipelines/p.toml");
    workspace.pipeline(&pipeline.replace("words:", "lines:"));
    assert_eq!(workspace.run(&[]), "b");
    workspace.pipeline(&format!("{pipeline}\n[stage.b.env]\nLEVEL = 3\n"));
    assert_eq!(workspace.run(&[]), "b");
}

#[test]
fn a_folder_is_an_input_with_all_that_is_in_it() {
    let workspace = Workspace::new();
    workspace.write("data/one/a.txt", "1");
    workspace.script("a", "mkdir \"$out\"; cat \"${2#*=}\"/*/*.txt > \"$out/all\"\n");
    workspace.pipeline("[stage.a]\nrun = [\"sh\", \"a.sh\"]\nargs = { named = \"x=data\" }\n");
    assert_eq!(workspace.run(&[]), "a");
    workspace.write("data/two/b.txt", "2");
    assert_eq!(workspace.run(&[]), "a");
    assert_eq!(workspace.read("artifacts/p/a/all"), "12");
    fs::rename(workspace.path("data/two/b.txt"), workspace.path("data/two/c.txt")).unwrap();
    assert_eq!(workspace.run(&[]), "a");
    assert_eq!(workspace.run(&[]), "");
}

#[test]
fn options_become_words_and_the_environment_is_set() {
    let workspace = Workspace::new();
    workspace.script("a", "mkdir \"$out\"; for word; do echo \"$word\"; done > \"$out/words\"; echo \"$LEVEL\" > \"$out/env\"\n");
    workspace.pipeline(
        r#"
        [stage.a]
        run  = ["sh", "a.sh", "first"]
        args = { zeta = "한 글", list = ["x", "y"], yes = true, no = false, rate = 1e-3, n = 1_000, text = "{{a}} {}" }
        env  = { LEVEL = 3 }
        "#,
    );
    workspace.run(&[]);
    let words = "first --zeta 한_글 --list x --list y --yes --rate 1e-3 --n 1000 --text {a}_{}";
    let expected: String = words.split(' ').map(|word| word.replace('_', " ") + "\n").collect();
    assert_eq!(workspace.read("artifacts/p/a/words"), expected);
    assert_eq!(workspace.read("artifacts/p/a/env"), "3\n");

    workspace.run(&[
        "--set",
        "a.list=[\"z\"]",
        "--set",
        "a.no=true",
        "--set",
        "a.rate=0.5",
        "--set",
        "a.new=w",
    ]);
    let words = workspace.read("artifacts/p/a/words").replace('\n', " ");
    assert_eq!(words, "first --zeta 한 글 --list z --yes --no --rate 0.5 --n 1000 --text {a} {} --new w ");
}

#[test]
fn stages_get_the_number_of_threads() {
    let workspace = Workspace::new();
    workspace.script("a", "mkdir \"$out\"; echo \"${RAYON_NUM_THREADS:-all}\" > \"$out/threads\"\n");
    workspace.pipeline("[stage.a]\nrun = [\"sh\", \"a.sh\"]\n");
    workspace.run(&["--threads", "3"]);
    assert_eq!(workspace.read("artifacts/p/a/threads"), "3\n");
    workspace.run(&["--force"]);
    assert_eq!(workspace.read("artifacts/p/a/threads"), "all\n");
}

#[test]
fn an_option_that_the_pipeline_needs_must_be_given() {
    let workspace = Workspace::new();
    workspace.script("a", "mkdir \"$out\"; echo \"$2\" > \"$out/source\"\n");
    workspace.pipeline("[stage.a]\nrun = [\"sh\", \"a.sh\"]\nneeds = [\"source\"]\n");
    workspace.xtask(&["run", "p"]).fails(&["pipelines/p.toml:1", "cargo xtask run p --set a.source=VALUE"]);
    workspace.run(&["--set", "a.source=chats.csv"]);
    assert_eq!(workspace.read("artifacts/p/a/source"), "chats.csv\n");
}

#[test]
fn a_receipt_tells_what_an_output_was_made_from_and_what_it_took() {
    let workspace = words_and_count();
    workspace.run(&[]);
    let (a, b) = (workspace.receipt("a"), workspace.receipt("b"));
    assert_eq!(b["stage"], "b");
    assert_eq!(b["exit_code"], 0);
    assert_eq!(b["inputs"]["argv"], serde_json::json!(["sh", "b.sh", "words:", "{a}"]));
    assert_eq!(b["inputs"]["stages"]["a"], a["output"]);
    assert_eq!(a["inputs"]["files"].as_object().unwrap().len(), 2, "a.sh and text.txt: {a}");
    assert!(b["seconds"].as_f64().unwrap() > 0.0);
    if cfg!(target_os = "linux") {
        assert!(b["peak_memory_bytes"].as_u64().unwrap() > 1 << 18);
    }
    assert!(b["machine"]["processors"].as_u64().unwrap() > 0);
}

#[test]
fn a_stage_that_fails_publishes_nothing_and_leaves_earlier_results() {
    let workspace = words_and_count();
    workspace.run(&[]);
    let script = workspace.read("b.sh");
    workspace.script("b", "mkdir \"$out\"; echo half > \"$out/count\"; exit 7\n");
    workspace.xtask(&["run", "p"]).fails(&[
        "the stage `b` failed",
        "exit status: 7",
        "nothing was published",
    ]);
    assert_eq!(workspace.read("artifacts/p/b/count"), "words: 3\n");
    assert_eq!(workspace.ran(), "b");
    // It runs again although nothing has changed since.
    workspace.xtask(&["run", "p"]).fails(&["the stage `b` failed"]);
    assert_eq!(workspace.ran(), "b");
    workspace.write("b.sh", &script);
    assert_eq!(workspace.run(&[]), "");
}

#[test]
fn a_stage_that_writes_no_directory_has_failed() {
    let workspace = Workspace::new();
    workspace.script("a", "true\n");
    workspace.pipeline("[stage.a]\nrun = [\"sh\", \"a.sh\"]\n");
    workspace.xtask(&["run", "p"]).fails(&["the stage `a`", "wrote no directory", "--out"]);
    assert!(!workspace.exists("artifacts/p/a"));
}

#[test]
fn an_output_that_breaks_the_contract_is_not_published() {
    let workspace = Workspace::new();
    workspace.script("a", "mkdir \"$out\"; echo '{\"messages\": []}' > \"$out/conversations-00000.jsonl\"\n");
    let pipeline = "[stage.collect]\nrun = [\"sh\", \"a.sh\"]\n";
    workspace.pipeline(pipeline);
    let ended = workspace.xtask(&["run", "p"]);
    ended.fails(&["the output of the stage `collect` breaks the contract", "conversations-00000.jsonl"]);
    assert!(!workspace.exists("artifacts/p/collect"));
    assert!(workspace.entries().iter().all(|name| name.contains(".work")), "{:?}", workspace.entries());
    // A name of its own asks for nothing, and a key asks under any name.
    workspace.pipeline(&pipeline.replace("collect", "own"));
    workspace.run(&[]);
    workspace.pipeline(&pipeline.replace("collect", "own").replace("run", "contract = \"collect\"\nrun"));
    workspace.xtask(&["run", "p"]).fails(&["the output of the stage `own` breaks the contract"]);

    let dir = workspace.path("artifacts/p/own");
    workspace
        .xtask(&["verify", "collect", dir.to_str().unwrap()])
        .fails(&["breaks the contract of `collect`"]);
    workspace
        .xtask(&["verify", "collection", dir.to_str().unwrap()])
        .fails(&["there is no stage `collection`"]);
}

#[test]
fn an_output_that_somebody_has_changed_is_made_again() {
    let workspace = words_and_count();
    workspace.run(&[]);
    workspace.write("artifacts/p/b/count", "words: 4\n");
    assert_eq!(workspace.run(&[]), "b");
    assert_eq!(workspace.read("artifacts/p/b/count"), "words: 3\n");
    fs::remove_dir_all(workspace.path("artifacts/.store")).unwrap();
    assert_eq!(workspace.run(&[]), "a b");
}

#[test]
fn a_run_can_be_confined_to_some_stages_or_forced() {
    let workspace = words_and_count();
    workspace.xtask(&["run", "p", "--only", "b"]).fails(&["the stage `a` has no whole output yet"]);
    workspace.run(&[]);
    workspace.write("text.txt", "one\n");
    assert_eq!(workspace.run(&["--from", "b"]), "");
    assert_eq!(workspace.run(&["--only", "a"]), "a");
    assert_eq!(workspace.read("artifacts/p/b/count"), "words: 3\n");
    assert_eq!(workspace.run(&["--from", "b"]), "b");
    assert_eq!(workspace.read("artifacts/p/b/count"), "words: 1\n");
    assert_eq!(workspace.run(&["--force"]), "a b");
    assert_eq!(workspace.run(&["--only", "b", "--force"]), "b");
    assert_eq!(workspace.run(&[]), "");
    workspace.xtask(&["run", "p", "--from", "c"]).fails(&["there is no stage `c`", "a, b"]);
}

#[test]
fn a_lock_file_holds_outputs_and_figures() {
    let workspace = Workspace::new();
    workspace.write("text.txt", "data\n");
    workspace.script("a", "mkdir \"$out\"; cp text.txt \"$out/\"\n");
    workspace.script("b", "mkdir \"$out\"; cp figures.json \"$out/report.json\"\n");
    workspace.write("figures.json", "{\"models\": [{\"accuracy\": 0.31}]}");
    workspace.pipeline(
        "[stage.a]\nrun = [\"sh\", \"a.sh\"]\ninputs = [\"text.txt\"]\n\
         [stage.b]\nrun = [\"sh\", \"b.sh\", \"{a}\"]\ninputs = [\"figures.json\"]\n",
    );
    workspace.xtask(&["run", "p", "--locked"]).fails(&["pipelines/p.lock", "--update-lock"]);
    workspace.write(
        "pipelines/p.lock",
        "[[figure]]\nstage = \"b\"\npointer = \"/models/0/accuracy\"\nexpected = 0.0\ntolerance = 0.05\n",
    );
    workspace.run(&["--update-lock"]);
    let lock = workspace.read("pipelines/p.lock");
    assert!(lock.contains("expected = 0.31"), "{lock}");
    workspace.run(&["--locked"]);
    workspace.write("figures.json", "{\"models\": [{\"accuracy\": 0.34}]}");
    workspace.run(&["--locked"]);
    workspace.write("figures.json", "{\"models\": [{\"accuracy\": 0.2}]}");
    workspace.xtask(&["run", "p", "--locked"]).fails(&[
        "figures differ",
        "/models/0/accuracy",
        "0.3100",
        "0.2000",
    ]);

    let output = workspace.receipt("a")["output"].as_str().unwrap().to_owned();
    workspace.write("pipelines/p.lock", &format!("[output]\na = \"{output}\"\n"));
    workspace.run(&["--locked"]);
    workspace.write("text.txt", "other data\n");
    workspace.ran();
    workspace.xtask(&["run", "p", "--locked"]).fails(&["an output differs", "a  ", &output]);
    assert_eq!(workspace.ran(), "a", "nothing is built on an output that differs");
    workspace.write("pipelines/p.lock", "[output]\na = \"0\"\nb\n");
    workspace.xtask(&["run", "p", "--locked"]).fails(&["pipelines/p.lock:3"]);
}

#[test]
fn status_tells_what_would_run_and_why() {
    let workspace = words_and_count();
    let check = |expected: [&str; 2]| {
        let status = workspace.xtask(&["status", "p"]);
        let lines: Vec<_> = status.succeeds().stdout.lines().collect();
        assert!(lines[0].contains(expected[0]) && lines[1].contains(expected[1]), "{lines:?}");
        assert_eq!(workspace.ran(), "");
    };
    check(["runs: first run", "runs: first run"]);
    workspace.run(&[]);
    check(["ready", "ready"]);
    workspace.write("text.txt", "one\n");
    check(["runs: text.txt changed", "runs if the output of a changes"]);
    workspace.run(&[]);
    workspace.script("b", "mkdir \"$out\"\n");
    check(["ready", "runs: b.sh changed"]);
}

#[test]
fn clean_keeps_the_newest_and_nothing_else() {
    let workspace = words_and_count();
    workspace.run(&[]);
    workspace.write("text.txt", "one\n");
    workspace.run(&[]);
    assert_eq!(workspace.entries().len(), 4);
    workspace.xtask(&["clean"]).succeeds();
    assert_eq!(workspace.entries().len(), 2);
    assert_eq!(workspace.run(&[]), "");
    workspace.write("artifacts/mine.txt", "not xtask's");
    workspace.write("artifacts/p/mine.txt", "not xtask's");
    workspace.xtask(&["clean", "p"]).succeeds();
    assert!(workspace.entries().is_empty() && !workspace.exists("artifacts/p/a"));
    assert_eq!(workspace.run(&[]), "a b");
    workspace.xtask(&["clean", "--all"]).succeeds();
    assert!(workspace.entries().is_empty());
    assert!(workspace.exists("artifacts/mine.txt") && workspace.exists("artifacts/p/mine.txt"));
}

#[test]
fn outputs_can_lie_elsewhere() {
    let workspace = words_and_count();
    workspace.xtask(&["run", "p", "--artifacts", "else/where"]).succeeds();
    assert_eq!(workspace.read("else/where/p/b/count"), "words: 3\n");
    assert!(!workspace.exists("artifacts"));
}

#[test]
fn a_graph_is_drawn_in_three_languages() {
    let workspace = words_and_count();
    let graph =
        |words: &[&str]| workspace.xtask(&[&["graph", "p"], words].concat()).succeeds().stdout.clone();
    assert_eq!(graph(&[]), "a  sh\nb  sh  <- a\n");
    assert_eq!(graph(&["--format", "dot"]), "digraph \"p\" {\n  \"a\";\n  \"b\";\n  \"a\" -> \"b\";\n}\n");
    assert_eq!(graph(&["--format", "mermaid"]), "flowchart LR\n  s0[a]\n  s1[b]\n  s0 --> s1\n");
}
