//! Runs that are killed, and runs that meet.

use crate::workspace::{Workspace, is_alive, kill, wait_until};

/// A stage that tells its process and, the first time, goes on until it is killed.
fn endless_the_first_time() -> Workspace {
    let workspace = Workspace::new();
    workspace.script(
        "a",
        "ls $(dirname \"$out\") > found\n\
         mkdir -p \"$out\" \"$out.partial\"; echo half > \"$out/result\"; echo done >> \"$out.partial/steps\"\n\
         if [ ! -e begun ]; then echo $$ > begun; while :; do sleep 0.1; done; fi\n\
         rm -r \"$out.partial\"; echo whole > \"$out/result\"\n",
    );
    workspace.pipeline("[stage.a]\nrun = [\"sh\", \"a.sh\"]\n");
    workspace
}

#[test]
fn a_killed_stage_leaves_nothing_but_what_it_can_go_on_from() {
    let workspace = endless_the_first_time();
    let mut run = workspace.start(&["run", "p"]);
    let stage = workspace.await_file("begun");
    kill(stage.trim().parse().unwrap());
    assert_eq!(run.wait().unwrap().code(), Some(2));
    assert!(!workspace.exists("artifacts/p/a"));
    assert!(workspace.xtask(&["status", "p"]).stdout.contains("an interrupted run goes on"));

    workspace.run(&[]);
    // `output` may be anything; `output.partial` is the stage's own, and it knows what that holds.
    assert_eq!(workspace.read("found"), "output.partial\nstarted.json\n");
    assert_eq!(workspace.read("artifacts/p/a/result"), "whole\n");
}

#[test]
fn a_killed_run_takes_its_stage_with_it_and_can_be_repeated() {
    let workspace = endless_the_first_time();
    let mut run = workspace.start(&["run", "p"]);
    let stage = workspace.await_file("begun");
    kill(run.id());
    run.wait().unwrap();
    assert!(!workspace.exists("artifacts/p/a"));
    if cfg!(target_os = "linux") {
        wait_until("the stage ends with its xtask", || !is_alive(&stage));
    } else {
        // Elsewhere the stage lives on, and keeps others out.
        workspace.xtask(&["run", "p"]).fails(&["another run is at work here"]);
        kill(stage.trim().parse().unwrap());
    }
    // A process that the stage had started holds the store until it ends too.
    wait_until("the store is free", || workspace.xtask(&["run", "p"]).code == Some(0));
    assert_eq!(workspace.read("artifacts/p/a/result"), "whole\n");
    assert_eq!(workspace.entries().len(), 1);
}

#[test]
fn interrupted_work_is_kept_until_it_is_asked_away() {
    let workspace = endless_the_first_time();
    let mut run = workspace.start(&["run", "p"]);
    kill(workspace.await_file("begun").trim().parse().unwrap());
    run.wait().unwrap();
    let kept = workspace.xtask(&["clean"]);
    assert!(kept.succeeds().stdout.contains("kept 1 of interrupted stages"), "{}", kept.stdout);
    workspace.run(&["--force"]);
    assert_eq!(workspace.read("found"), "started.json\n", "a forced run begins at the beginning");
}

#[test]
fn two_runs_do_not_meet() {
    let workspace = endless_the_first_time();
    let mut run = workspace.start(&["run", "p"]);
    let stage = workspace.await_file("begun");
    let process = format!("process {}, cargo xtask run p", run.id());
    workspace.xtask(&["run", "p"]).fails(&["another run is at work here", &process, "--artifacts"]);
    workspace.xtask(&["clean", "--all"]).fails(&["another run is at work here"]);
    workspace.xtask(&["status", "p"]).succeeds();
    workspace.xtask(&["run", "p", "--artifacts", "other"]).succeeds();
    kill(stage.trim().parse().unwrap());
    run.wait().unwrap();
}
