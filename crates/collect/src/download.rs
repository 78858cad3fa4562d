//! Fetching a file over HTTP: resumed where it broke off, tried again after growing pauses, named once it is whole.
//!
//! RFC 9110 has the terms: `Range` and `Content-Range` (section 14), `If-Range` (13.1.5), `Retry-After` (10.2.3).

mod answer;
mod part;
mod patience;

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use artifact::{Error, Result};
use fs_err as fs;
use terminal::{Lang, Progress};
use ureq::Agent;

use crate::digest;
use answer::Answer;
use part::Part;
use patience::Patience;

/// How long a server may say nothing before the connection counts as broken.
const SILENCE: Duration = Duration::from_mins(1);

/// How files are fetched, and where they are kept.
#[derive(Debug, Clone)]
pub(crate) struct Downloads {
    pub(crate) cache: PathBuf,
    /// Attempts in a row that may bring nothing, after the first.
    pub(crate) retries: u32,
}

/// A file that somebody else has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Remote<'a> {
    pub(crate) url: &'a str,
    /// What proves to the server who asks.
    pub(crate) token: Option<&'a str>,
    /// The digest that the file must have.
    pub(crate) sha256: Option<&'a str>,
}

/// Why an attempt brought no file.
enum Failure {
    /// Another attempt may.
    Passing {
        reason: String,
        wait: Option<Duration>,
    },
    Final(Error),
}

impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Final(error.into())
    }
}

impl Downloads {
    /// The place of a URL's file, which has the URL's last name: its end may tell the format.
    pub(crate) fn place(&self, url: &str) -> PathBuf {
        let path = url.split(['?', '#']).next().unwrap_or_default();
        let name: String = path.rsplit('/').next().unwrap_or_default().chars().take(100).collect();
        let name = name.replace(|c: char| !(c.is_alphanumeric() || "-_.".contains(c)), "_");
        let name = if name.trim_matches('.').is_empty() { "file".to_owned() } else { name };
        self.cache.join("http").join(format!("{:016x}", digest::of_text(url))).join(name)
    }

    /// Downloads a file to `to`, unless it is there.
    ///
    /// # Errors
    /// When the server has no such file, goes on failing, or gives a file of another digest.
    pub(crate) fn fetch(&self, remote: Remote<'_>, to: &Path) -> Result<()> {
        if is_there(remote, to)? {
            return Ok(());
        }
        let dir = to.parent().unwrap_or(Path::new(""));
        fs::create_dir_all(dir)?;
        let _lock = lock(dir)?;
        // The run that held the lock may have fetched it.
        if is_there(remote, to)? {
            return Ok(());
        }
        let mut part = Part::open(to)?;
        let name = to.file_name().unwrap_or_default().to_string_lossy();
        let progress = Progress::new(format!("{} {name}", Lang::pick("내려받기", "downloading")), 0, "bytes");
        let agent = agent(remote.url);
        let mut patience = Patience::new(self.retries);
        while let Err(failure) = attempt(&agent, remote, &mut part, &progress) {
            match failure {
                Failure::Final(error) => return Err(error),
                Failure::Passing { reason, wait } => {
                    let pause = patience.pause(part.length(), wait).ok_or_else(|| {
                        Error::refused(format!("{}: {reason}", remote.url))
                            .with_hint("give the same command later: what is here will not be fetched again")
                    })?;
                    progress.say(format!("{name}: {reason}"));
                    std::thread::sleep(pause);
                }
            }
        }
        progress.finish();
        part.publish(remote, to)
    }
}

/// Waits for other runs that fetch into this folder, and keeps them waiting; where the system cannot, there is no lock.
fn lock(dir: &Path) -> Result<Option<fs::File>> {
    if !cfg!(unix) {
        return Ok(None);
    }
    let dir = fs::File::open(dir)?;
    Ok(dir.file().lock().is_ok().then_some(dir))
}

fn is_there(remote: Remote<'_>, to: &Path) -> Result<bool> {
    if !to.exists() {
        return Ok(false);
    }
    match remote.sha256 {
        Some(expected) if !digest::of_path(to)?.eq_ignore_ascii_case(expected) => {
            fs::remove_file(to)?;
            Ok(false)
        }
        _ => Ok(true),
    }
}

fn agent(url: &str) -> Agent {
    Agent::config_builder()
        .http_status_as_error(false)
        // What begins encrypted goes on so.
        .https_only(url.starts_with("https:"))
        .timeout_connect(Some(SILENCE))
        .timeout_recv_response(Some(SILENCE))
        .timeout_per_read(Some(SILENCE))
        .user_agent(concat!("naman/", env!("CARGO_PKG_VERSION")))
        .build()
        .into()
}

/// Asks for what is missing and appends what comes.
fn attempt(
    agent: &Agent,
    remote: Remote<'_>,
    part: &mut Part,
    progress: &Progress,
) -> std::result::Result<(), Failure> {
    let start = part.length();
    let mut request = agent.get(remote.url).header("Accept-Encoding", "identity");
    if let Some(token) = remote.token {
        request = request.header("Authorization", format!("Bearer {token}"));
    }
    if start > 0 {
        request = request.header("Range", format!("bytes={start}-"));
    }
    if let Some(version) = part.version().filter(|_| start > 0) {
        request = request.header("If-Range", version);
    }
    let mut response = request.call().map_err(|error| unreachable(remote.url, error))?;
    let total = match answer::read(&response, remote.url, start)? {
        Answer::Whole { total, version } => {
            part.restart(version)?;
            total
        }
        Answer::Rest { total } => total,
        Answer::Complete => return Ok(()),
        Answer::Useless { reason } => {
            part.restart(None)?;
            return Err(Failure::Passing { reason, wait: None });
        }
    };
    progress.set_total(total.unwrap_or(0));
    progress.start_at(part.length());
    let mut body = response.body_mut().as_reader();
    let mut buffer = vec![0; 1 << 16];
    let broken = loop {
        match body.read(&mut buffer) {
            Ok(0) => break None,
            Ok(read) => part.append(&buffer[..read])?,
            Err(error) => break Some(error),
        }
        progress.set(part.length());
    };
    let length = part.length();
    match (total, broken) {
        (Some(total), _) if length == total => Ok(()),
        (None, None) => Ok(()),
        (Some(total), _) => {
            let reason = format!("the connection ended after {length} of {total} bytes");
            Err(Failure::Passing { reason, wait: None })
        }
        (None, Some(error)) => Err(Failure::Passing { reason: error.to_string(), wait: None }),
    }
}

fn unreachable(url: &str, error: ureq::Error) -> Failure {
    use ureq::Error as Cause;
    match error {
        Cause::Io(_)
        | Cause::Timeout(_)
        | Cause::HostNotFound
        | Cause::ConnectionFailed
        | Cause::Protocol(_) => Failure::Passing { reason: error.to_string(), wait: None },
        _ => Error::refused(format!("{url}: {error}")).with_hint("check the address").into(),
    }
}
