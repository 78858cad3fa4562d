//! The server: a chat page and an API in OpenAI's form.

mod api_error;
mod completion;
mod generation;
mod page;
mod request;
mod routes;
mod stop;

use std::future::Future;
use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use axum::Router;
use clap::Args;
use model::chat::Chat;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tracing_subscriber::EnvFilter;

use crate::bundle;
use generation::Generator;

/// How long replies may go on after the server was told to stop.
const GRACE: Duration = Duration::from_secs(20);

/// The options of `deploy serve`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Model directory; the bundle's own where this program runs inside one
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// Address to listen on; 0.0.0.0 lets other machines in
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// Port to listen on; 0 takes any free one
    #[arg(long, default_value_t = 8000)]
    port: u16,
    /// Name of the model in the API and on the page; the model directory's by default
    #[arg(long)]
    name: Option<String>,
    /// Replies generated at once; the number of threads by default
    #[arg(long, value_name = "N")]
    at_once: Option<usize>,
    /// Requests that may wait for their turn; more are refused with status 429
    #[arg(long, value_name = "N", default_value_t = 32)]
    queue: usize,
}

/// What a server is besides its model.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The address to listen on.
    pub host: String,
    /// The port to listen on; 0 takes any free one.
    pub port: u16,
    /// The model's name.
    pub name: String,
    /// Replies generated at once, at least 1.
    pub at_once: usize,
    /// Requests that may wait for their turn.
    pub queue: usize,
}

/// What every request sees.
struct State {
    name: String,
    /// Seconds since 1970 at which the model was loaded.
    loaded: u64,
    generator: Generator,
}

/// A server that has its address but answers nobody yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    router: Router,
}

impl Server {
    /// Takes the address.
    ///
    /// # Errors
    /// When the address is no address, or is in use.
    pub async fn bind(chat: Chat, settings: &Settings) -> anyhow::Result<Self> {
        let Settings { host, port, name, at_once, queue } = settings;
        let listener = TcpListener::bind((host.as_str(), *port)).await.with_context(|| {
            format!("listening on {host}, port {port} (hint: another --port; 0 takes a free one)")
        })?;
        let generator = Generator::new(chat, *at_once, *queue);
        let state = State { name: name.clone(), loaded: unix_seconds(), generator };
        Ok(Self { listener, router: routes::router(Arc::new(state)) })
    }

    /// The address, with the port that was chosen where 0 was asked for.
    pub fn address(&self) -> anyhow::Result<SocketAddr> {
        Ok(self.listener.local_addr()?)
    }

    /// Answers until `stop` comes; then accepts nothing new and lets replies end, for `grace` at most.
    pub async fn run(
        self,
        stop: impl Future<Output = ()> + Send + 'static,
        grace: Duration,
    ) -> anyhow::Result<()> {
        let (stopping, stopped) = oneshot::channel();
        let graceful = async move {
            stop.await;
            let _ = stopping.send(());
        };
        let serving = axum::serve(self.listener, self.router).with_graceful_shutdown(graceful).into_future();
        let out_of_time = async move {
            // The sender goes away without a word only when serving ends by itself.
            if stopped.await.is_err() {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(grace).await;
        };
        tokio::select! {
            result = serving => result.context("serving"),
            () = out_of_time => {
                tracing::warn!("replies were cut short after {} s", grace.as_secs());
                Ok(())
            }
        }
    }
}

pub(crate) fn run(arguments: Arguments, threads: Option<usize>) -> anyhow::Result<()> {
    start_log();
    let dir = bundle::model_dir(arguments.model)?;
    let chat = Chat::read(&dir)?;
    let parameters = chat.model.parameters();
    // 0 threads stand for all processors.
    let threads = threads
        .filter(|&threads| threads > 0)
        .or_else(|| std::thread::available_parallelism().ok().map(usize::from))
        .unwrap_or(1);
    let settings = Settings {
        host: arguments.host,
        port: arguments.port,
        name: arguments.name.unwrap_or_else(|| model_name(&dir)),
        at_once: arguments.at_once.unwrap_or(threads).max(1),
        queue: arguments.queue,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads.clamp(1, 4))
        .enable_all()
        .build()
        .context("starting the server's threads")?;
    let result = runtime.block_on(async {
        let server = Server::bind(chat, &settings).await?;
        let address = server.address()?;
        tracing::info!(model = settings.name, parameters, at_once = settings.at_once, "ready");
        let mut stdout = std::io::stdout();
        writeln!(stdout, "http://{address}/")?;
        stdout.flush()?;
        tokio::select! {
            result = server.run(signal(), GRACE) => result,
            // A person who asks twice does not want to wait.
            () = async { signal().await; signal().await; } => Ok(()),
        }
    });
    // Connections end here; a reply that is still being generated finds nobody listening, and stops.
    runtime.shutdown_background();
    result
}

fn start_log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    // A second start in one process keeps the first log.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .try_init();
}

/// `model` for `bundle/model`, where nobody gave the bot a better name.
fn model_name(dir: &Path) -> String {
    let name = dir.file_name().and_then(|name| name.to_str());
    match name {
        None | Some(bundle::MODEL) => "naman".to_owned(),
        Some(name) => name.to_owned(),
    }
}

/// Comes when the process is asked to end.
async fn signal() {
    let interrupt = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending::<()>().await,
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<()>();
    tokio::select! {
        () = interrupt => {}
        () = terminate => {}
    }
    tracing::info!("stopping");
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
