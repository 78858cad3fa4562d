//! Which crate may depend on which, read from every `Cargo.toml`.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails as a test does")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use fs_err as fs;

const STAGES: [&str; 6] = ["collect", "preprocess", "model", "train", "evaluate", "deploy"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The folders of all crates: `crates/*` and `xtask`.
fn folders() -> Vec<PathBuf> {
    let crates = fs::read_dir(root().join("crates")).unwrap().map(|entry| entry.unwrap().path());
    crates.filter(|path| path.join("Cargo.toml").exists()).chain([root().join("xtask")]).collect()
}

fn manifest(folder: &Path) -> toml::Table {
    fs::read_to_string(folder.join("Cargo.toml")).unwrap().parse().unwrap()
}

/// Every crate of the workspace and the others of it that it depends on, optional and platform ones included; not
/// those of tests.
fn graph() -> BTreeMap<String, BTreeSet<String>> {
    let manifests: BTreeMap<String, toml::Table> = folders()
        .iter()
        .map(|folder| {
            let manifest = manifest(folder);
            let name = manifest["package"]["name"].as_str().unwrap().to_owned();
            assert_eq!(name, folder.file_name().unwrap().to_str().unwrap(), "a folder is named as its crate");
            (name, manifest)
        })
        .collect();
    let of = |manifest: &toml::Table| {
        let mut tables = vec![manifest];
        let targets = manifest.get("target").and_then(toml::Value::as_table);
        tables.extend(
            targets.into_iter().flat_map(|targets| targets.values().filter_map(toml::Value::as_table)),
        );
        let kinds = ["dependencies", "build-dependencies"];
        let tables =
            tables.into_iter().flat_map(|table| kinds.iter().filter_map(|kind| table.get(*kind)?.as_table()));
        tables.flat_map(|table| table.keys()).filter(|name| manifests.contains_key(*name)).cloned().collect()
    };
    manifests.iter().map(|(name, manifest)| (name.clone(), of(manifest))).collect()
}

#[test]
fn no_stage_depends_on_a_stage() {
    // What each crate may use; `model` is a stage whose library is also the seam of those that run models.
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("artifact", &[][..]),
        ("kernels", &[]),
        ("terminal", &[]),
        ("privacy", &["artifact"]),
        ("collect", &["artifact", "terminal"]),
        ("preprocess", &["artifact", "privacy", "terminal"]),
        ("model", &["artifact", "kernels", "terminal"]),
        ("train", &["artifact", "kernels", "model", "terminal"]),
        ("evaluate", &["artifact", "model", "privacy", "terminal"]),
        ("deploy", &["artifact", "model", "terminal"]),
        ("xtask", &["artifact", "terminal"]),
    ]);
    for (name, dependencies) in graph() {
        let allowed =
            allowed.get(name.as_str()).unwrap_or_else(|| panic!("{name} has no place in the design"));
        for dependency in &dependencies {
            assert!(allowed.contains(&dependency.as_str()), "{name} must not depend on {dependency}");
        }
        for stage in STAGES.iter().filter(|stage| **stage != "model") {
            assert!(!dependencies.contains(*stage), "{name} must not depend on the stage {stage}");
        }
    }
}

#[test]
fn the_contract_knows_no_arrays_no_command_line_and_no_log() {
    let manifest = manifest(&root().join("crates/artifact"));
    for name in manifest["dependencies"].as_table().unwrap().keys() {
        assert!(
            !["ndarray", "clap", "tracing", "log", "indicatif", "anyhow"].contains(&name.as_str()),
            "{name}"
        );
    }
}

#[test]
fn only_kernels_may_hold_unsafe_code() {
    let workspace: toml::Table = fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    assert_eq!(workspace["workspace"]["lints"]["rust"]["unsafe_code"].as_str(), Some("deny"));
    for folder in folders().iter().filter(|folder| !folder.ends_with("kernels")) {
        let lints = manifest(folder);
        assert_eq!(lints["lints"]["workspace"].as_bool(), Some(true), "{} takes the lints", folder.display());
        for file in sources(folder) {
            let text = fs::read_to_string(&file).unwrap();
            let lifted =
                text.lines().any(|line| line.contains("(unsafe_code") && line.trim_start().starts_with('#'));
            assert!(!lifted, "{} allows unsafe code", file.display());
        }
    }
}

#[test]
fn a_stage_is_a_library_with_a_short_main() {
    for stage in STAGES {
        let folder = root().join("crates").join(stage);
        assert!(folder.join("src/lib.rs").exists(), "{stage} is a library");
        let main = fs::read_to_string(folder.join("src/main.rs")).unwrap();
        let code = main.lines().filter(|line| !line.trim().is_empty() && !line.starts_with("//")).count();
        assert!(code <= 12, "{stage}: main.rs has {code} lines");
    }
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| match path.is_dir() {
            true => sources(&path),
            false if path.extension().is_some_and(|extension| extension == "rs") => vec![path],
            false => Vec::new(),
        })
        .collect()
}
