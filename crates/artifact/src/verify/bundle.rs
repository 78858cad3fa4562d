//! What `deploy bundle` writes: a model, a program that serves it, and what says what it is.

use fs_err as fs;

use super::{Findings, model};
use crate::{Place, checksums};

pub(super) fn check(findings: &mut Findings<'_>) {
    for name in ["Containerfile", "MODEL_CARD.md"] {
        findings.require(name);
    }
    let binaries = ["naman", "naman.exe"];
    if !binaries.iter().any(|name| findings.dir().join(name).is_file()) {
        findings.add(
            findings.dir().join(binaries[0]),
            Place::Whole,
            "the program that serves the model",
            "none",
        );
    }
    check_model(findings);
    if let Some(path) = findings.require(checksums::FILE)
        && let Some(errors) = findings.take(&path, checksums::problems(findings.dir()))
    {
        for error in errors {
            findings.add_error(&path, error);
        }
    }
}

fn check_model(findings: &mut Findings<'_>) {
    let dir = findings.dir().join("model");
    // Not through a link, which may lead anywhere.
    if !fs::symlink_metadata(&dir).is_ok_and(|metadata| metadata.is_dir()) {
        findings.add(dir, Place::Whole, "the model's directory", "none");
        return;
    }
    let mut inner = Findings::new(&dir);
    model::check(&mut inner);
    findings.append(inner);
}
