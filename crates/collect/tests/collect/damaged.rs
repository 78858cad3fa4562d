//! Every reader on files that were cut, spliced and garbled: it may refuse them, but never panics.

use std::path::Path;

use artifact::sources::Format;
use clap::Parser as _;
use fs_err as fs;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::stage::folder;

/// Damaged files of each whole one.
const VARIANTS: usize = 150;

/// Small whole files, each with the name of its format: what the fuzzer begins with.
fn whole() -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for format in fs::read_dir(folder("fuzz/seeds")).unwrap().map(Result::unwrap) {
        for file in fs::read_dir(format.path()).unwrap().map(Result::unwrap) {
            files.push((format.file_name().into_string().unwrap(), fs::read(file.path()).unwrap()));
        }
    }
    files.sort();
    files
}

/// A piece is cut out, put in, or garbled, some times over.
fn damaged(whole: &[u8], rng: &mut ChaCha8Rng) -> Vec<u8> {
    const PIECES: [&[u8]; 12] = [
        b"",
        b"\n",
        b"\r\n\r\n",
        b"\"",
        b"\0",
        b"\xff\xfe",
        b"[[[[[[[[",
        b"{\"a\":",
        b" : ",
        b"99999999999999999999",
        b"-1",
        "가\u{202f}오전 ".as_bytes(),
    ];
    let mut bytes = whole.to_vec();
    for _ in 0..rng.random_range(1..6) {
        let start = rng.random_range(0..=bytes.len());
        let end = rng.random_range(start..=bytes.len()).min(start + 40);
        let piece = match rng.random_range(0..4) {
            0 => PIECES[rng.random_range(0..PIECES.len())].to_vec(),
            1 => bytes[start..end].repeat(3),
            2 => vec![rng.random(); end - start],
            _ => {
                bytes.truncate(end.max(1));
                continue;
            }
        };
        bytes.splice(start..end, piece);
    }
    bytes
}

fn read(source: &Path, options: &[&str]) {
    let few = ["--count", "20", "--valid-count", "5", "--test-count", "5"];
    let base = ["collect", "--source", source.to_str().unwrap(), "--preview", "--alternate", "--me", "나래"];
    let arguments = collect::Arguments::try_parse_from([&base[..], &few, options].concat()).unwrap();
    // An error is as good as conversations; a panic is not.
    let _ = collect::run(arguments);
}

#[test]
fn no_reader_panics() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let whole = whole();
    for format in Format::ALL {
        assert!(whole.iter().any(|(name, _)| name == format.name()), "{format:?} has no seed");
    }
    for (format, whole) in whole {
        let dir = tempfile::tempdir().unwrap();
        // A Rasa project is a folder; others are files of any name.
        let file = dir.path().join("domain.yml");
        let source = if format == "rasa" { dir.path() } else { &file };
        for variant in 0..VARIANTS {
            let bytes = if variant == 0 { whole.clone() } else { damaged(&whole, &mut rng) };
            fs::write(&file, &bytes).unwrap();
            let result = std::panic::catch_unwind(|| {
                read(source, &["--format", &format]);
                read(source, &[]);
            });
            assert!(result.is_ok(), "{format}: {}", String::from_utf8_lossy(&bytes));
        }
    }
}
