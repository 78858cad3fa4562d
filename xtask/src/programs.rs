//! Finding, and building, what a pipeline runs.

use std::env;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use artifact::Error;
use terminal::Lang;

use crate::pipeline::{Program, Stage};

/// A build that takes longer shows what cargo says.
const SILENT: Duration = Duration::from_secs(2);

/// The stage crates of these stages, each once, and `also` with them.
pub(crate) fn crates<'a>(
    stages: impl IntoIterator<Item = &'a Stage>,
    also: Option<&'static str>,
) -> Vec<&'static str> {
    let mut names: Vec<_> = stages
        .into_iter()
        .filter_map(|stage| match stage.program {
            Program::Crate(name) => Some(name),
            Program::Foreign(_) => None,
        })
        .chain(also)
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Builds stage crates in the release profile; silent when there is next to nothing to do.
///
/// `--workspace --bin` and not `--package`: cargo chooses the features of dependencies for all packages that it is given
/// together, so that any other selection would compile the same program differently, and it would count as changed.
pub(crate) fn build(crates: &[&str]) -> anyhow::Result<()> {
    if crates.is_empty() {
        return Ok(());
    }
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args([
        "build",
        "--release",
        "--manifest-path",
        concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"),
    ]);
    cargo.arg("--workspace").args(crates.iter().flat_map(|name| ["--bin", name]));
    if io::stderr().is_terminal() {
        cargo.args(["--color", "always"]);
    }
    let mut child = cargo.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().context("cargo build")?;
    let messages = child.stderr.take().expect("piped above");
    let held = show_unless_brief(messages, &crates.join(", "))?;
    if child.wait()?.success() {
        return Ok(());
    }
    io::stderr().write_all(&held)?;
    bail!(
        "{}",
        Lang::pick(
            "빌드가 실패함 (cargo 메시지는 위에 있음)",
            "the build failed (cargo's messages are above)"
        )
    );
}

/// Passes on what cargo says once it takes longer than [`SILENT`]; gives what was held back until its end.
fn show_unless_brief(mut messages: ChildStderr, crates: &str) -> anyhow::Result<Vec<u8>> {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        let mut block = [0; 4096];
        while let Ok(length @ 1..) = messages.read(&mut block) {
            if send.send(block[..length].to_vec()).is_err() {
                break;
            }
        }
    });
    let (start, mut held) = (Instant::now(), Vec::new());
    loop {
        match receive.recv_timeout(SILENT.saturating_sub(start.elapsed())) {
            Ok(text) => held.extend(text),
            Err(RecvTimeoutError::Disconnected) => return Ok(held),
            Err(RecvTimeoutError::Timeout) => break,
        }
    }
    eprintln!("{}: {crates}", Lang::pick("빌드", "building"));
    io::stderr().write_all(&held)?;
    for text in receive {
        io::stderr().write_all(&text)?;
    }
    Ok(Vec::new())
}

/// Whether a stage crate has ever been built.
pub(crate) fn built(name: &str) -> anyhow::Result<bool> {
    Ok(of_crate(name)?.is_file())
}

/// The binary of a stage crate: it stands beside this program's, in the folder of the release profile.
pub(crate) fn of_crate(name: &str) -> anyhow::Result<PathBuf> {
    let this = env::current_exe()?;
    let profile = this.parent().context("a program's file lies in a folder")?;
    let release =
        if profile.ends_with("release") { profile.to_owned() } else { profile.with_file_name("release") };
    Ok(release.join(format!("{name}{}", env::consts::EXE_SUFFIX)))
}

/// The file of a stage's program.
pub(crate) fn resolve(stage: &Stage, pipeline: &Path) -> anyhow::Result<PathBuf> {
    let name = match &stage.program {
        Program::Crate(name) => return of_crate(name),
        Program::Foreign(name) => name,
    };
    let found = if Path::new(name).components().count() > 1 {
        Some(PathBuf::from(name)).filter(|path| path.is_file())
    } else {
        let folders = env::var_os("PATH").unwrap_or_default();
        let in_path = |folder: PathBuf| Some(folder.join(format!("{name}{}", env::consts::EXE_SUFFIX)));
        env::split_paths(&folders).filter_map(in_path).find(|path| is_program(path))
    };
    found.ok_or_else(|| {
        let place = artifact::Place::Line(stage.line);
        Error::at(pipeline, place, format!("a program `{name}` for the stage `{}`", stage.name), "none")
            .with_hint("install it, or give a path: run = [\"./folder/program\"]")
            .into()
    })
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &Path) -> bool {
    path.is_file()
}
