//! `artifacts/`: outputs by the hash of what they were made from, and links to the newest of each pipeline.
//!
//! ```text
//! artifacts/NAME/STAGE          a link to the newest output
//! artifacts/.store/KEY/         output/ and receipt.json, published by one rename, never modified
//! artifacts/.store/KEY.work/    a stage at work, or interrupted
//! ```

use std::ffi::{OsStr, OsString};
use std::fs::TryLockError;
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use artifact::json;
use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::digest::Digests;
use crate::receipt::{self, Receipt};

const STORE: &str = ".store";
const OUTPUT: &str = "output";
/// What a stage of this workspace has written of an output when it is interrupted; it may go on from there.
const PARTIAL: &str = "output.partial";
const STARTED: &str = "started.json";
const WORK: &str = "work";
const REPLACED: &str = "replaced";
/// How long another run may take to let go of the store.
const HOLDER_ENDS: Duration = Duration::from_secs(1);

/// The folder of outputs.
#[derive(Debug)]
pub(crate) struct Store {
    artifacts: PathBuf,
}

/// Which stage a working directory belongs to.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Started {
    pub(crate) pipeline: String,
    pub(crate) stage: String,
}

/// An entry of the store.
#[derive(Debug)]
pub(crate) enum Found {
    Published(Box<Receipt>),
    Absent,
    /// It is there, and its output is not the one that was published.
    Damaged,
}

/// Keeps other processes from changing the store. A stage holds it too (see [`Lock::share`]).
#[derive(Debug)]
pub(crate) struct Lock {
    file: fs::File,
}

impl Store {
    pub(crate) fn new(artifacts: PathBuf) -> Self {
        Self { artifacts }
    }

    fn root(&self) -> PathBuf {
        self.artifacts.join(STORE)
    }

    fn entry(&self, key: &str) -> PathBuf {
        self.root().join(key)
    }

    fn work(&self, key: &str) -> PathBuf {
        self.entry(key).with_extension(WORK)
    }

    /// The digests remembered beside the entries.
    pub(crate) fn digests(&self) -> Digests {
        Digests::open(&self.root().join("digests.json"), &self.artifacts)
    }

    /// The link to the newest output of a stage.
    pub(crate) fn link(&self, pipeline: &str, stage: &str) -> PathBuf {
        self.artifacts.join(pipeline).join(stage)
    }

    /// Takes the store for this process.
    pub(crate) fn lock(&self, purpose: &str) -> anyhow::Result<Lock> {
        fs::create_dir_all(self.root())?;
        let path = self.root().join("lock");
        let mut file =
            fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
        let start = Instant::now();
        while let Err(error) = file.try_lock() {
            match error {
                TryLockError::Error(error) => return Err(error).context(path.display().to_string()),
                // The processes of a run that was killed take a moment to end.
                TryLockError::WouldBlock if start.elapsed() < HOLDER_ENDS => thread::sleep(HOLDER_ENDS / 20),
                TryLockError::WouldBlock => {
                    let holder = fs::read_to_string(&path).unwrap_or_default();
                    let place = self.artifacts.display();
                    let message = format!("{place}: another run is at work here: {}", holder.trim());
                    return Err(artifact::Error::refused(message)
                        .with_hint("wait for it, stop it, or choose another folder with --artifacts")
                        .into());
                }
            }
        }
        file.set_len(0)?;
        file.rewind()?;
        // The position stays at the end, so that a stage that reads its standard input finds nothing there.
        writeln!(file, "process {}, cargo xtask {purpose}", std::process::id())?;
        Ok(Lock { file })
    }

    /// Looks an entry up, and whether its output is still as it was published.
    pub(crate) fn find(&self, key: &str, digests: &mut Digests) -> Found {
        let entry = self.entry(key);
        if !entry.exists() {
            return Found::Absent;
        }
        let Ok(receipt) = json::read::<Receipt>(&entry.join(receipt::FILE)) else { return Found::Damaged };
        match digests.digest(&entry.join(OUTPUT)) {
            Ok(digest) if digest == receipt.output => Found::Published(Box::new(receipt)),
            _ => Found::Damaged,
        }
    }

    /// The receipt of the output that a pipeline's link points at.
    pub(crate) fn newest(&self, pipeline: &str, stage: &str) -> Option<Receipt> {
        let output = fs::read_link(self.link(pipeline, stage)).ok()?;
        let key = output.parent()?.file_name()?.to_str()?.to_owned();
        json::read(&self.entry(&key).join(receipt::FILE)).ok()
    }

    /// What an interrupted run of this entry has left to go on from.
    pub(crate) fn unfinished(&self, key: &str) -> bool {
        self.work(key).join(PARTIAL).exists()
    }

    /// Makes the working directory of a stage and gives the path for `--out`.
    ///
    /// Of an interrupted run only `output.partial` stays, and with `afresh` not that either: a stage may go on from
    /// its own partial output, and nothing else that lies there can be trusted to be whole.
    pub(crate) fn begin(&self, key: &str, started: &Started, afresh: bool) -> anyhow::Result<PathBuf> {
        let work = self.work(key);
        fs::create_dir_all(&work)?;
        keep_only(&work, |name| name == PARTIAL && !afresh)?;
        json::write(&work.join(STARTED), started)?;
        Ok(work.join(OUTPUT))
    }

    /// Publishes what a stage has written to `--out`, in one rename.
    pub(crate) fn publish(&self, key: &str, receipt: &Receipt) -> anyhow::Result<()> {
        let (work, entry) = (self.work(key), self.entry(key));
        keep_only(&work, |name| name == OUTPUT)?;
        json::write(&work.join(receipt::FILE), receipt)?;
        if entry.exists() {
            let replaced = entry.with_extension(REPLACED);
            remove(&replaced)?;
            fs::rename(&entry, &replaced)?;
            fs::rename(&work, &entry)?;
            return remove(&replaced);
        }
        Ok(fs::rename(&work, &entry)?)
    }

    /// Makes `artifacts/NAME/STAGE` point at an entry's output.
    pub(crate) fn point(&self, pipeline: &str, stage: &str, key: &str) -> anyhow::Result<()> {
        let link = self.link(pipeline, stage);
        let target = Path::new("..").join(STORE).join(key).join(OUTPUT);
        if fs::read_link(&link).is_ok_and(|now| now == target) {
            return Ok(());
        }
        if let Some(dir) = link.parent() {
            fs::create_dir_all(dir)?;
        }
        let new = link.with_file_name(format!(".{stage}.new"));
        remove(&new)?;
        symlink_dir(&target, &new)?;
        Ok(fs::rename(&new, &link)?)
    }

    /// Removes the links of a pipeline, or of all. Nothing else that lies in the folder is touched.
    pub(crate) fn forget(&self, pipeline: Option<&str>) -> anyhow::Result<()> {
        for (link, _) in self.links()? {
            if pipeline.is_none_or(|name| link.parent() == Some(&self.artifacts.join(name))) {
                fs::remove_file(&link)?;
                // The folder goes with its last link.
                let _ = link.parent().map(fs::remove_dir);
            }
        }
        Ok(())
    }

    /// Removes the entries that no link points at, and working directories where `drop_work` says so; gives the
    /// number of directories removed and of unfinished ones kept.
    pub(crate) fn sweep(
        &self,
        drop_work: impl Fn(Option<&Started>) -> bool,
    ) -> anyhow::Result<(usize, usize)> {
        let linked: Vec<OsString> = self.links()?.into_iter().map(|(_, key)| key).collect();
        let (mut removed, mut kept) = (0, 0);
        for entry in fs::read_dir(self.root())? {
            let entry = entry?;
            let (path, name) = (entry.path(), entry.file_name());
            if !entry.file_type()?.is_dir() || linked.contains(&name) {
                continue;
            }
            if path.extension() == Some(OsStr::new(WORK)) {
                let started: Option<Started> = json::read(&path.join(STARTED)).ok();
                if !drop_work(started.as_ref()) {
                    kept += 1;
                    continue;
                }
            }
            remove(&path)?;
            removed += 1;
        }
        Ok((removed, kept))
    }

    /// The links of all pipelines, and the keys that they name.
    fn links(&self) -> anyhow::Result<Vec<(PathBuf, OsString)>> {
        let mut links = Vec::new();
        for pipeline in fs::read_dir(&self.artifacts)? {
            let pipeline = pipeline?.path();
            if !pipeline.is_dir() || pipeline == self.root() {
                continue;
            }
            for link in fs::read_dir(pipeline)? {
                let link = link?.path();
                let Ok(target) = fs::read_link(&link) else { continue };
                let entry = target.parent().unwrap_or(Path::new(""));
                if target.ends_with(OUTPUT) && entry.parent().is_some_and(|store| store.ends_with(STORE)) {
                    links.extend(entry.file_name().map(|key| (link, key.to_owned())));
                }
            }
        }
        Ok(links)
    }
}

impl Lock {
    /// A handle that holds the lock as long as it is open. A stage takes it as its standard input, so that a stage
    /// that has outlived its xtask keeps the next one from writing to the same directory.
    pub(crate) fn share(&self) -> io::Result<std::fs::File> {
        self.file.file().try_clone()
    }
}

fn keep_only(dir: &Path, keep: impl Fn(&str) -> bool) -> anyhow::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if !entry.file_name().to_str().is_some_and(&keep) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

/// Removes a file, a link, or a directory with all that is in it; nothing where there is none.
fn remove(path: &Path) -> anyhow::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => Ok(fs::remove_dir_all(path)?),
        Ok(_) => Ok(fs::remove_file(path)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(unix)]
fn symlink_dir(target: &Path, link: &Path) -> io::Result<()> {
    fs::os::unix::fs::symlink(target, link)
}

#[cfg(windows)]
fn symlink_dir(target: &Path, link: &Path) -> io::Result<()> {
    fs::os::windows::fs::symlink_dir(target, link)
}
