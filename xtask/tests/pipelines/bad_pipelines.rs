//! Pipelines that cannot be run: each is refused with its file, line and remedy before anything runs.

use crate::workspace::Workspace;

/// Each line of `pipeline` is a line of the file, from 1.
#[track_caller]
fn check(pipeline: &str, said: &[&str]) {
    let workspace = Workspace::new();
    workspace.pipeline(pipeline);
    workspace.xtask(&["run", "p"]).fails(said);
    assert!(!workspace.exists("artifacts/p"));
}

#[test]
fn keys_and_tables() {
    check("[stage.a]\nrun = \"collect\"\nsource = 1\n", &["pipelines/p.toml:3", "`source`", "args = {"]);
    check("[stage.a]\nargs = {}\n", &["pipelines/p.toml:1", "a key `run`"]);
    check("[stages.a]\nrun = \"collect\"\n", &["pipelines/p.toml:1", "`stages`", "[stage.NAME]"]);
    check("stage = 3\n", &["pipelines/p.toml:1"]);
    check("[stage]\na = 3\n", &["pipelines/p.toml:2", "a table `[stage.a]`", "the number 3"]);
    check("", &["pipelines/p.toml:1", "none"]);
    check("[stage.'a/b']\nrun = \"collect\"\n", &["pipelines/p.toml:1", "`a/b`"]);
    check(
        "[stage.a]\nrun = \"collect\"\n\n[stage.a]\nrun = \"collect\"\n",
        &["pipelines/p.toml:4", "duplicate"],
    );
    check("[stage.a]\nrun = \"collect\nargs = {}\n", &["pipelines/p.toml:2"]);
}

#[test]
fn programs() {
    check(
        "[stage.a]\nrun = \"colect\"\n",
        &["pipelines/p.toml:2", "`colect`", "collect, preprocess", "run = [\"colect\"]"],
    );
    check("[stage.a]\nrun = []\n", &["pipelines/p.toml:2", "an empty list"]);
    check("[stage.a]\nrun = 3\n", &["pipelines/p.toml:2", "the number 3"]);
    check("[stage.a]\nrun = [\"sh\", 3]\n", &["pipelines/p.toml:2", "a string", "the number 3"]);
    check(
        "[stage.a]\nrun = [\"no-such-program-here\"]\n",
        &["pipelines/p.toml:1", "no-such-program-here", "stage `a`"],
    );
    check("[stage.a]\nrun = [\"./no/program\"]\n", &["pipelines/p.toml:1", "./no/program"]);
    check("[stage.a]\nrun = [\"sh\"]\ncontract = \"x\"\n", &["pipelines/p.toml:3", "one of collect", "`x`"]);
    check("[stage.a]\nrun = [\"sh\"]\ninputs = [\"no.txt\"]\n", &["pipelines/p.toml:1", "`no.txt`"]);
}

#[test]
fn options() {
    check("[stage.a]\nrun = [\"sh\"]\nargs = { x = { y = 1 } }\n", &["pipelines/p.toml:3", "a table"]);
    check("[stage.a]\nrun = [\"sh\"]\nargs = { x = [[1]] }\n", &["pipelines/p.toml:3", "a list"]);
    check(
        "[stage.a]\nrun = [\"sh\"]\nargs = { x = 2026-01-01 }\n",
        &["pipelines/p.toml:3", "the date 2026-01-01"],
    );
    check("[stage.a]\nrun = [\"sh\"]\nargs = 3\n", &["pipelines/p.toml:3", "the number 3"]);
    check(
        "[stage.a]\nrun = [\"sh\"]\nargs = { out = \"x\" }\n",
        &["pipelines/p.toml:3", "`out`", "--out itself"],
    );
    check("[stage.a]\nrun = [\"sh\"]\nenv = [\"x\"]\n", &["pipelines/p.toml:3", "`env`", "a list"]);
}

#[test]
fn a_stage_reads_earlier_ones_only() {
    let circle =
        "[stage.a]\nrun = [\"sh\"]\n[stage.a.args]\nx = 1\ny = \"{b}\"\n[stage.b]\nrun = [\"sh\", \"{a}\"]\n";
    check(circle, &["pipelines/p.toml:5", "`{b}`, which stands later", "in a circle"]);
    check("[stage.a]\nrun = [\"sh\", \"{a}\"]\n", &["pipelines/p.toml:2", "`{a}`, the stage itself"]);
    check(
        "[stage.a]\nrun = [\"sh\", \"n={c}\"]\n",
        &["pipelines/p.toml:2", "`{c}`", "no stage of that name", "{{c}}"],
    );
}

#[test]
fn names_and_settings_of_the_command_line() {
    let workspace = Workspace::new();
    workspace.pipeline("[stage.a]\nrun = [\"sh\"]\n");
    workspace.xtask(&["run", "q"]).fails(&["there is no pipeline `q`", "the pipelines are: p"]);
    workspace.xtask(&["run", "../p"]).fails(&["there is no pipeline `../p`"]);
    workspace.xtask(&["run", "p", "--set", "b.x=1"]).fails(&[
        "--set b.x=1",
        "no stage `b`",
        "its stages are: a",
    ]);
    workspace.xtask(&["run", "p", "--set", "x=1"]).fails(&["STAGE.OPTION=VALUE"]);
    workspace.xtask(&["run", "p", "--set", "a.out=1"]).fails(&["xtask"]);
    workspace.xtask(&["chat", "p"]).fails(&["has not made a model yet", "cargo xtask run p"]);
    workspace.write("pipelines/p.toml", "\u{feff}[stage.a]\nrun = [\"sh\"]\n");
    fs_err::write(workspace.path("pipelines/p.toml"), b"[stage.a]\n\xff\xfe").unwrap();
    workspace.xtask(&["run", "p"]).fails(&["pipelines/p.toml", "UTF-8"]);
}
