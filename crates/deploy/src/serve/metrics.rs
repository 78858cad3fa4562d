//! What `/metrics` tells, in the text format of Prometheus (version 0.0.4).

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Upper ends of the buckets of every histogram, in seconds.
const BUCKETS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// Counters of one server.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    /// Answers by path and status.
    answers: Mutex<BTreeMap<(&'static str, u16), u64>>,
    answer_seconds: Histogram,
    first_token_seconds: Histogram,
    running: AtomicUsize,
    waiting: AtomicUsize,
    replies: AtomicUsize,
    prompt_tokens: AtomicUsize,
    cached_tokens: AtomicUsize,
    completion_tokens: AtomicUsize,
}

#[derive(Debug, Default)]
struct Histogram {
    /// Observations in each bucket, and beyond the last.
    counts: [AtomicU64; BUCKETS.len() + 1],
    microseconds: AtomicU64,
}

impl Histogram {
    fn observe(&self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let bucket = BUCKETS.iter().position(|&end| seconds <= end).unwrap_or(BUCKETS.len());
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.microseconds.fetch_add(duration.as_micros() as u64, Ordering::Relaxed);
    }

    fn write(&self, name: &str, help: &str, to: &mut String) {
        let _ = writeln!(to, "# HELP {name} {help}\n# TYPE {name} histogram");
        let mut total = 0;
        for (index, count) in self.counts.iter().enumerate() {
            total += count.load(Ordering::Relaxed);
            let end = BUCKETS.get(index).map_or_else(|| "+Inf".to_owned(), f64::to_string);
            let _ = writeln!(to, "{name}_bucket{{le=\"{end}\"}} {total}");
        }
        let seconds = self.microseconds.load(Ordering::Relaxed) as f64 / 1e6;
        let _ = writeln!(to, "{name}_sum {seconds}\n{name}_count {total}");
    }
}

impl Metrics {
    /// How many replies are written, and how many wait.
    pub(super) fn set_load(&self, running: usize, waiting: usize) {
        self.running.store(running, Ordering::Relaxed);
        self.waiting.store(waiting, Ordering::Relaxed);
    }

    pub(super) fn count_prompt(&self, tokens: usize, cached: usize) {
        self.prompt_tokens.fetch_add(tokens, Ordering::Relaxed);
        self.cached_tokens.fetch_add(cached, Ordering::Relaxed);
    }

    pub(super) fn count_reply(&self, tokens: usize) {
        self.replies.fetch_add(1, Ordering::Relaxed);
        self.completion_tokens.fetch_add(tokens, Ordering::Relaxed);
    }

    pub(super) fn observe_first_token(&self, since_asked: Duration) {
        self.first_token_seconds.observe(since_asked);
    }

    /// An answer whose head has gone out; `path` is one of the server's own.
    pub(super) fn observe_answer(&self, path: &'static str, status: u16, took: Duration) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        *answers.entry((path, status)).or_default() += 1;
        self.answer_seconds.observe(took);
    }

    pub(super) fn to_text(&self) -> String {
        let mut text = String::new();
        let name = "naman_http_answers_total";
        let _ = writeln!(text, "# HELP {name} Answers by path and status.\n# TYPE {name} counter");
        for ((path, status), count) in self.answers.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let _ = writeln!(text, "{name}{{path=\"{path}\",status=\"{status}\"}} {count}");
        }
        self.answer_seconds.write(
            "naman_http_answer_seconds",
            "Time from a request to the head of its answer.",
            &mut text,
        );
        self.first_token_seconds.write(
            "naman_first_token_seconds",
            "Time from a request to the first token of its reply.",
            &mut text,
        );
        let gauges = [
            ("naman_replies_running", "gauge", "Replies that are being written.", &self.running),
            ("naman_replies_waiting", "gauge", "Replies that wait for their turn.", &self.waiting),
            ("naman_replies_total", "counter", "Replies that ended, whole or not.", &self.replies),
            ("naman_prompt_tokens_total", "counter", "Tokens of prompts.", &self.prompt_tokens),
            (
                "naman_cached_prompt_tokens_total",
                "counter",
                "Tokens of prompts that had been read before.",
                &self.cached_tokens,
            ),
            ("naman_completion_tokens_total", "counter", "Tokens generated.", &self.completion_tokens),
        ];
        for (name, kind, help, value) in gauges {
            let value = value.load(Ordering::Relaxed);
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
        }
        text
    }
}
