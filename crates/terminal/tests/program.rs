//! What a person sees of a program that `terminal::run` carries: output, errors, exit codes.
#![expect(clippy::unwrap_used, reason = "a helper of a test fails as a test does")]

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The example `program`, which cargo builds with the tests, beside them.
fn program(arguments: &[&str]) -> Command {
    let tests: PathBuf = std::env::current_exe().unwrap();
    let path = tests.parent().unwrap().with_file_name("examples").join("program");
    let mut command = Command::new(path.with_extension(std::env::consts::EXE_EXTENSION));
    for variable in ["LC_ALL", "LC_MESSAGES", "LANG", "RAYON_NUM_THREADS"] {
        command.env_remove(variable);
    }
    command.args(arguments);
    command
}

/// Runs it; gives the exit code, stdout and stderr.
fn output(command: &mut Command) -> (Option<i32>, String, String) {
    let output = command.output().expect("`cargo test` builds the example `program`");
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[track_caller]
fn check(command: &mut Command, code: i32, stdout: &str, stderr: &str) {
    let expected = (Some(code), stdout.to_owned(), stderr.to_owned());
    assert_eq!(output(command), expected, "{command:?}");
}

#[test]
fn speaks_the_language_of_the_option_or_else_the_locale() {
    check(&mut program(&["greet"]), 0, "hello\n", "");
    check(program(&["greet"]).env("LANG", "ko_KR.UTF-8"), 0, "안녕하세요\n", "");
    check(program(&["greet", "--lang", "en"]).env("LANG", "ko_KR.UTF-8"), 0, "hello\n", "");
    check(&mut program(&["--lang", "ko", "greet"]), 0, "안녕하세요\n", "");
}

#[test]
fn uses_as_many_threads_as_it_is_told() {
    check(&mut program(&["threads", "--threads", "3"]), 0, "3\n", "");
    check(program(&["threads"]).env("RAYON_NUM_THREADS", "2"), 0, "2\n", "");
    let (code, stdout, _) = output(program(&["threads"]).env("RAYON_NUM_THREADS", ""));
    assert_eq!(code, Some(0));
    assert_ne!(stdout, "0\n");
}

#[test]
fn tells_an_error_in_one_line_and_exits_with_2() {
    let message = "program: no-such-file: No such file or directory (os error 2)\n";
    check(&mut program(&["fail"]), 2, "", message);
}

#[test]
fn exits_with_2_when_it_is_called_wrongly() {
    for arguments in [&["greet", "--threads", "many"][..], &["greet", "--lang", "fr"], &["dance"], &[]] {
        let (code, stdout, stderr) = output(&mut program(arguments));
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(stderr.contains("Usage: program") || stderr.contains("--help"), "{stderr}");
    }
}

#[test]
fn succeeds_silently_when_its_reader_has_seen_enough() {
    let mut child = program(&["flood"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert_eq!(first, "line 0\n");
    // The reader is closed by now.
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!((child.wait().unwrap().code(), stderr.as_str()), (Some(0), ""));
}

#[test]
fn progress_into_a_pipe_is_plain_lines() {
    // A tenth of a second is too short for a line of progress, so there is what was said and nothing else.
    check(&mut program(&["count"]), 0, "", "counted\n");
}
