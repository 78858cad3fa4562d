//! Finding, and building, what a pipeline runs.

use std::env;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use artifact::Error;
use terminal::Lang;

use crate::pipeline::{Program, Stage};

/// A build that takes longer shows what cargo says.
const SILENT: Duration = Duration::from_secs(1);

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
    cargo.args(crates.iter().flat_map(|name| ["--package", name]));
    if io::stderr().is_terminal() {
        cargo.args(["--color", "always"]);
    }
    let mut child = cargo.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().context("cargo build")?;
    let mut messages = child.stderr.take().expect("piped above");
    let (start, mut held, mut block) = (Instant::now(), Some(Vec::new()), [0; 4096]);
    loop {
        let length = messages.read(&mut block)?;
        if let Some(text) = &mut held {
            text.extend_from_slice(&block[..length]);
            let working = text.windows(9).any(|word| word == b"Compiling");
            if start.elapsed() > SILENT && working {
                eprintln!("{}: {}", Lang::pick("빌드", "building"), crates.join(", "));
                io::stderr().write_all(text)?;
                held = None;
            }
        } else {
            io::stderr().write_all(&block[..length])?;
        }
        if length == 0 {
            break;
        }
    }
    if !child.wait()?.success() {
        io::stderr().write_all(&held.unwrap_or_default())?;
        bail!(
            "{}",
            Lang::pick(
                "빌드가 실패함 (cargo 메시지는 위에 있음)",
                "the build failed (cargo's messages are above)"
            )
        );
    }
    Ok(())
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
