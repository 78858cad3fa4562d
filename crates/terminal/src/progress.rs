use std::io::{self, IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{HumanCount, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Between two lines when stderr is no terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// Progress of a long task: a bar with rate and ETA on a terminal, a plain line every ten seconds elsewhere.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    label: String,
    unit: String,
    lines: Option<Mutex<Instant>>,
}

impl Progress {
    /// Starts a task of `total` units; `unit` is their plural ("rows", "tokens").
    pub fn new(label: impl Into<String>, total: u64, unit: &str) -> Self {
        let label = label.into();
        let terminal = io::stderr().is_terminal();
        let target = if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(total), target);
        let template = format!(
            "{{prefix}} [{{bar:24}}] {{human_pos}}/{{human_len}} {unit} {{per_sec}} ETA {{eta}} {{msg}}"
        );
        bar.set_style(
            ProgressStyle::with_template(&template)
                .expect("the template above is well formed")
                .progress_chars("=> "),
        );
        bar.set_prefix(label.clone());
        Self { bar, label, unit: unit.to_owned(), lines: (!terminal).then(|| Mutex::new(Instant::now())) }
    }

    /// Counts `done` more units.
    pub fn inc(&self, done: u64) {
        self.bar.inc(done);
        self.line();
    }

    /// Sets how many units are done.
    pub fn set(&self, position: u64) {
        self.bar.set_position(position);
        self.line();
    }

    /// Sets how many units an earlier, interrupted run has done; they do not count for the rate.
    pub fn start_at(&self, position: u64) {
        self.bar.set_position(position);
        self.bar.reset_eta();
    }

    /// Changes the number of units, where it follows a clock or a growing input.
    pub fn set_total(&self, total: u64) {
        self.bar.set_length(total);
    }

    /// Sets the text at the end of the line ("loss 2.31").
    pub fn note(&self, text: impl Into<String>) {
        self.bar.set_message(text.into());
    }

    /// Prints a line above the bar.
    pub fn say(&self, text: impl AsRef<str>) {
        self.bar.suspend(|| print(text.as_ref()));
    }

    /// Ends the task and clears its bar.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn line(&self) {
        let Some(lines) = &self.lines else { return };
        let mut last = lines.lock().expect("no holder of this lock panics");
        if last.elapsed() < LINE_INTERVAL {
            return;
        }
        *last = Instant::now();
        let total = self.bar.length().unwrap_or_default();
        print(&format!(
            "{} {}/{} {} ETA {} {}",
            self.label,
            HumanCount(self.bar.position()),
            HumanCount(total),
            self.unit,
            HumanDuration(self.bar.eta()),
            self.bar.message()
        ));
    }
}

/// A line on stderr. A closed stderr must not end hours of training, so what cannot be shown is not.
fn print(line: &str) {
    let _ = writeln!(io::stderr(), "{}", line.trim_end());
}
