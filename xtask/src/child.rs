//! Running programs: stages, which must not outlive xtask, and programs that take xtask's place.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus};
use std::time::Instant;

use anyhow::Context as _;
use wait4::Wait4 as _;

use crate::store::Lock;

/// What a program took.
#[derive(Debug)]
pub(crate) struct Usage {
    pub(crate) status: ExitStatus,
    pub(crate) seconds: f64,
    pub(crate) peak_memory_bytes: Option<u64>,
}

/// Runs a stage's program to its end. It shares the lock, and dies with this process.
pub(crate) fn run(
    program: &Path,
    words: &[String],
    env: &[(String, String)],
    lock: &Lock,
) -> anyhow::Result<Usage> {
    let start = Instant::now();
    let mut command = bound(program);
    command.args(words).envs(env.iter().map(|(name, value)| (name, value))).stdin(lock.share()?);
    // Results for people and programs lie in the output directory; what a stage prints belongs to its progress.
    command.stdout(std::io::stderr());
    let child = command.spawn().with_context(|| program.display().to_string())?;
    let usage = child.wait4().with_context(|| program.display().to_string())?;
    Ok(Usage {
        status: usage.status,
        seconds: start.elapsed().as_secs_f64(),
        peak_memory_bytes: Some(usage.rusage.maxrss).filter(|bytes| *bytes > 0),
    })
}

/// The word by which this program is asked to become another one.
const BECOME: &str = "__become";

/// Linux ends a process with its parent when the process asks for it, so the child first runs this program, which
/// asks and then becomes the stage's.
#[cfg(target_os = "linux")]
fn bound(program: &Path) -> Command {
    // By this name the program is found even after a build has replaced its file.
    let mut command = Command::new("/proc/self/exe");
    command.arg(BECOME).arg(std::process::id().to_string()).arg(program);
    command
}

#[cfg(not(target_os = "linux"))]
fn bound(program: &Path) -> Command {
    Command::new(program)
}

/// Does what [`run`] asks of its child; [`None`] in any other process.
#[cfg(target_os = "linux")]
pub(crate) fn become_stage() -> Option<ExitCode> {
    use rustix::process::{Signal, getppid, set_parent_process_death_signal};
    let mut words = std::env::args_os().skip(1);
    if words.next()? != BECOME {
        return None;
    }
    let parent: OsString = words.next()?;
    let program = words.next()?;
    if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
        eprintln!("xtask: {error}");
        return Some(ExitCode::from(2));
    }
    // The parent may have ended before the line above.
    let alive = getppid().is_some_and(|now| parent == now.as_raw_nonzero().to_string().as_str());
    if !alive {
        return Some(ExitCode::from(2));
    }
    let error = replace(Command::new(&program).args(words));
    eprintln!("xtask: {}: {error}", program.display());
    Some(ExitCode::from(2))
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn become_stage() -> Option<ExitCode> {
    None
}

/// Puts a program in this one's place, so that keys and signals reach it alone; gives the error when it cannot.
#[cfg(unix)]
pub(crate) fn replace(command: &mut Command) -> std::io::Error {
    use std::os::unix::process::CommandExt;
    command.exec()
}

#[cfg(not(unix))]
pub(crate) fn replace(command: &mut Command) -> std::io::Error {
    match command.status() {
        Ok(status) => std::process::exit(status.code().unwrap_or(2)),
        Err(error) => error,
    }
}
