//! A folder with pipelines of small shell scripts, and xtask run inside it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use fs_err as fs;

/// Longest wait for something that another process does.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Workspace {
    dir: tempfile::TempDir,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Workspace {
    pub(crate) fn new() -> Self {
        let workspace = Self { dir: tempfile::tempdir().unwrap() };
        fs::create_dir(workspace.path("pipelines")).unwrap();
        workspace
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn exists(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    /// Writes `NAME.sh`. It finds its directory in `$out`, its other words in `$@`, and notes each run in `log`.
    pub(crate) fn script(&self, name: &str, body: &str) {
        let mut text = String::from("set -eu\n");
        // The words before `--out DIR`, which come last.
        text.push_str("while [ \"$1\" != --out ]; do set -- \"$@\" \"$1\"; shift; done\n");
        text.push_str("shift; out=$1; shift\n");
        writeln!(text, "echo {name} >> log").unwrap();
        text.push_str(body);
        self.write(&format!("{name}.sh"), &text);
    }

    /// Writes `pipelines/p.toml`.
    pub(crate) fn pipeline(&self, text: &str) {
        self.write("pipelines/p.toml", text);
    }

    /// The scripts that have run since the last call, in order.
    pub(crate) fn ran(&self) -> String {
        let log = fs::read_to_string(self.path("log")).unwrap_or_default();
        let _ = fs::remove_file(self.path("log"));
        log.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.args(words).current_dir(self.dir.path());
        command.env("LC_ALL", "C").env_remove("RAYON_NUM_THREADS").stdin(Stdio::null());
        command
    }

    pub(crate) fn xtask(&self, words: &[&str]) -> Ended {
        let output = self.command(words).output().unwrap();
        Ended {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs the pipeline `p`, which must succeed; gives the scripts that ran.
    pub(crate) fn run(&self, words: &[&str]) -> String {
        self.xtask(&[&["run", "p"], words].concat()).succeeds();
        self.ran()
    }

    pub(crate) fn start(&self, words: &[&str]) -> Child {
        self.command(words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// Waits for a file that a script writes.
    pub(crate) fn await_file(&self, name: &str) -> String {
        wait_until(name, || fs::read_to_string(self.path(name)).is_ok_and(|text| text.ends_with('\n')));
        self.read(name)
    }

    /// The receipt beside a stage's output.
    pub(crate) fn receipt(&self, stage: &str) -> serde_json::Value {
        let output = fs::canonicalize(self.path(&format!("artifacts/p/{stage}"))).unwrap();
        let text = fs::read(output.parent().unwrap().join("receipt.json")).unwrap();
        serde_json::from_slice(&text).unwrap()
    }

    /// Names in the store, apart from its own files.
    pub(crate) fn entries(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("artifacts/.store")).unwrap().map(Result::unwrap);
        let directories = entries.filter(|entry| entry.file_type().unwrap().is_dir());
        directories.map(|entry| entry.file_name().into_string().unwrap()).collect()
    }
}

impl Ended {
    #[track_caller]
    pub(crate) fn succeeds(&self) -> &Self {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        self
    }

    /// It fails as every program of naman does, and says all of this.
    #[track_caller]
    pub(crate) fn fails(&self, said: &[&str]) -> &Self {
        assert_eq!(self.code, Some(2), "{}{}", self.stdout, self.stderr);
        for text in said {
            assert!(self.stderr.contains(text), "no `{text}` in: {}", self.stderr);
        }
        self
    }
}

#[track_caller]
pub(crate) fn wait_until(what: &str, done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < PATIENCE, "waited too long: {what}");
        sleep(Duration::from_millis(20));
    }
}

/// Ends a process at once, as `kill -9` does.
pub(crate) fn kill(process: u32) {
    assert!(Command::new("kill").args(["-9", &process.to_string()]).status().unwrap().success());
}

/// Whether a process is at work.
pub(crate) fn is_alive(process: &str) -> bool {
    let state = fs::read_to_string(Path::new("/proc").join(process.trim()).join("stat")).unwrap_or_default();
    state.rsplit(')').next().is_some_and(|rest| !rest.trim_start().starts_with('Z') && !rest.is_empty())
}
