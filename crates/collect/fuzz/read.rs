//! Collects one file as the command line does, in the format that the variable `FORMAT` names or, without it, in the
//! one that the file looks like.

#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use clap::Parser as _;
use collect::Arguments;

/// Where the file is written, and how it is read.
struct Target {
    file: PathBuf,
    arguments: Arguments,
    /// Goes with its content when the fuzzer ends.
    _dir: tempfile::TempDir,
}

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    let format = std::env::var("FORMAT").ok();
    // A Rasa project is a folder, and may be one file in it.
    let (source, file) = match format.as_deref() {
        Some("rasa") => (dir.path().to_owned(), dir.path().join("domain.yml")),
        _ => (dir.path().join("talk"), dir.path().join("talk")),
    };
    let source = source.to_str().expect("temporary paths are text");
    let few = ["--count", "20", "--valid-count", "5", "--test-count", "5"];
    let options = ["--preview", "--alternate", "--me", "나래"];
    let format = format.iter().flat_map(|format| ["--format", format]);
    let words = ["collect", "--source", source].into_iter().chain(options).chain(few).chain(format);
    let arguments = Arguments::try_parse_from(words).expect("these options are the program's");
    Target { file, arguments, _dir: dir }
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    fs_err::write(&TARGET.file, bytes).expect("a temporary file can be written");
    // To refuse is as good as to read.
    let _ = collect::run(TARGET.arguments.clone());
});
