//! A stage's output appears whole or not at all.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use artifact::{OutDir, write_atomic};
use fs_err as fs;

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn appears_under_its_name_when_it_is_published() {
    let dir = tempfile::tempdir().unwrap();
    let out = OutDir::create(&dir.path().join("out")).unwrap();
    fs::create_dir(out.path().join("inner")).unwrap();
    write_atomic(&out.path().join("inner/file"), b"content").unwrap();
    assert_eq!(names(dir.path()), ["out.partial"]);
    out.publish().unwrap();
    assert_eq!(names(dir.path()), ["out"]);
    assert_eq!(fs::read(dir.path().join("out/inner/file")).unwrap(), b"content");
    assert_eq!(names(&dir.path().join("out/inner")), ["file"]);
}

#[test]
fn makes_the_directories_above_it() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("a/b/out");
    OutDir::create(&out).unwrap().publish().unwrap();
    assert!(out.is_dir());
}

#[test]
fn a_slash_at_the_end_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let out = OutDir::create(&dir.path().join("out/")).unwrap();
    assert_eq!(out.path(), dir.path().join("out.partial"));
    out.publish().unwrap();
    assert_eq!(names(dir.path()), ["out"]);
}

#[test]
fn refuses_what_is_no_name() {
    for out in ["/", "..", ""] {
        let error = OutDir::create(Path::new(out)).unwrap_err().to_string();
        assert!(error.contains("not a name"), "{error}");
    }
}

#[test]
fn never_touches_what_exists() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "mine").unwrap();
    let published = dir.path().join("published");
    fs::create_dir(&published).unwrap();
    for out in [&file, &published] {
        for start in [OutDir::create, OutDir::resume] {
            let error = start(out).unwrap_err().to_string();
            assert!(error.contains("exists already") && error.contains("--out"), "{error}");
        }
    }
    assert_eq!(names(dir.path()), ["file", "published"]);
    assert_eq!(fs::read(&file).unwrap(), b"mine");
}

#[cfg(unix)]
#[test]
fn refuses_a_link_that_leads_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    fs::os::unix::fs::symlink(dir.path().join("nowhere"), &out).unwrap();
    assert!(OutDir::create(&out).is_err());
}

#[test]
fn a_failed_publication_leaves_the_earlier_result() {
    let dir = tempfile::tempdir().unwrap();
    let published = dir.path().join("out");
    let out = OutDir::create(&published).unwrap();
    // Somebody else is faster.
    fs::create_dir(&published).unwrap();
    fs::write(published.join("file"), "theirs").unwrap();
    assert!(out.publish().is_err());
    assert_eq!(fs::read(published.join("file")).unwrap(), b"theirs");
}

#[test]
fn create_discards_and_resume_keeps_what_was_interrupted() {
    let dir = tempfile::tempdir().unwrap();
    let published = dir.path().join("out");
    let out = OutDir::create(&published).unwrap();
    fs::create_dir(out.path().join("checkpoint")).unwrap();
    fs::write(out.path().join("checkpoint/step"), "7").unwrap();
    drop(out);
    assert!(!published.exists());

    let out = OutDir::resume(&published).unwrap();
    assert_eq!(fs::read(out.path().join("checkpoint/step")).unwrap(), b"7");
    drop(out);
    let out = OutDir::create(&published).unwrap();
    assert_eq!(names(out.path()), [""; 0]);
}

#[cfg(unix)]
#[test]
fn a_second_run_waits_its_turn_and_the_first_one_may_be_killed() {
    const OUT: &str = "NAMAN_TEST_OUT_DIR";
    // The test starts itself again as the run that is killed.
    if let Some(out) = std::env::var_os(OUT) {
        let out = OutDir::create(Path::new(&out)).unwrap();
        fs::write(out.path().join("half"), "half").unwrap();
        println!("started");
        std::thread::sleep(std::time::Duration::from_mins(1));
        out.publish().unwrap();
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let published = dir.path().join("out");
    let mut run = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "out_dir::a_second_run_waits_its_turn_and_the_first_one_may_be_killed",
            "--nocapture",
        ])
        .env(OUT, &published)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(run.stdout.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line.ends_with("started")));

    let error = OutDir::resume(&published).unwrap_err().to_string();
    assert!(error.contains("another run"), "{error}");
    run.kill().unwrap();
    run.wait().unwrap();
    assert_eq!(names(dir.path()), ["out.partial"]);
    let out = OutDir::resume(&published).unwrap();
    assert_eq!(names(out.path()), ["half"]);
    out.publish().unwrap();
    assert_eq!(names(dir.path()), ["out"]);
}

#[test]
fn write_atomic_replaces_the_whole_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    write_atomic(&path, b"a long first version").unwrap();
    write_atomic(&path, b"short").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"short");
    assert_eq!(names(dir.path()), ["file"]);
    let error = write_atomic(&dir.path().join("missing/file"), b"").unwrap_err().to_string();
    assert!(error.contains("missing/file"), "{error}");
}
