//! The thread that writes to the store: chat never waits for it, and goes on where it fails.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use anyhow::Context;
use tokio::sync::oneshot;

use super::metrics::Metrics;
use super::unix_seconds;
use crate::store::{Feedback, Store, Talk};

/// Talks that may wait to be written; more are lost, which is reported.
const MOST_WAITING: usize = 1000;
/// How often old talks are looked for.
const ROUND: Duration = Duration::from_hours(1);
const SECONDS_A_DAY: u64 = 24 * 60 * 60;

/// The store, as requests see it.
pub(super) struct Keeper {
    orders: SyncSender<Order>,
    metrics: Arc<Metrics>,
}

enum Order {
    Keep(Talk),
    Rate(Feedback, oneshot::Sender<rusqlite::Result<bool>>),
    Delete { talk: String, owner: Option<String>, done: oneshot::Sender<rusqlite::Result<bool>> },
}

impl Keeper {
    /// Starts the thread; talks that have not changed for `days` are deleted.
    ///
    /// # Errors
    /// When the system has no thread for it.
    pub(super) fn start(store: Store, days: u32, metrics: Arc<Metrics>) -> anyhow::Result<Self> {
        let (orders, arriving) = sync_channel(MOST_WAITING);
        let of_thread = Arc::clone(&metrics);
        std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || run(store, days, &of_thread, &arriving))
            .context("starting the store's thread")?;
        Ok(Self { orders, metrics })
    }

    /// Keeps a talk, soon; that it could not be kept is told by log and metrics.
    pub(super) fn keep(&self, talk: Talk) {
        if self.orders.try_send(Order::Keep(talk)).is_err() {
            lost(&self.metrics, "too many wait to be written");
        }
    }

    /// As [`Store::rate`]; none where the store fails.
    pub(super) async fn rate(&self, feedback: Feedback) -> Option<bool> {
        let (done, is_done) = oneshot::channel();
        self.orders.try_send(Order::Rate(feedback, done)).ok()?;
        is_done.await.ok()?.ok()
    }

    /// As [`Store::delete`]; none where the store fails.
    pub(super) async fn delete(&self, talk: String, owner: Option<String>) -> Option<bool> {
        let (done, is_done) = oneshot::channel();
        self.orders.try_send(Order::Delete { talk, owner, done }).ok()?;
        is_done.await.ok()?.ok()
    }
}

/// Never tells what was said.
fn lost(metrics: &Metrics, why: &str) {
    metrics.count_lost_talk();
    tracing::warn!(why, "a talk was not kept");
}

fn run(mut store: Store, days: u32, metrics: &Metrics, arriving: &Receiver<Order>) {
    expire(&mut store, days);
    loop {
        match arriving.recv_timeout(ROUND) {
            Ok(Order::Keep(talk)) => {
                if let Err(error) = store.keep(&talk, unix_seconds()) {
                    lost(metrics, &error.to_string());
                }
            }
            Ok(Order::Rate(feedback, done)) => {
                let _ = done.send(store.rate(&feedback, unix_seconds()));
            }
            Ok(Order::Delete { talk, owner, done }) => {
                let _ = done.send(store.delete(&talk, owner.as_deref()));
            }
            Err(RecvTimeoutError::Timeout) => expire(&mut store, days),
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn expire(store: &mut Store, days: u32) {
    let since = unix_seconds().saturating_sub(u64::from(days) * SECONDS_A_DAY);
    match store.expire(since) {
        Ok(0) => {}
        Ok(talks) => tracing::info!(talks, "deleted, since they have not changed for {days} days"),
        Err(error) => tracing::warn!(%error, "looking for old talks"),
    }
}
