//! The server: a chat page and an API in OpenAI's form.

mod access;
mod api_error;
mod completion;
mod connections;
mod engine;
mod fields;
mod grammar;
mod messages;
mod metrics;
mod openapi;
mod page;
mod request;
mod routes;
mod stop;
mod tokens;
mod vocabulary;

use std::future::Future;
use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use axum::Router;
use axum::http::StatusCode;
use clap::Args;
use fs_err as fs;
use model::chat::Chat;
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

use self::access::Access;
use self::api_error::ApiError;
pub use self::engine::Capacity;
use self::engine::Engine;
use self::metrics::Metrics;
use crate::bundle;

/// How long replies may go on after the server was told to stop.
const GRACE: Duration = Duration::from_secs(20);

/// The options of `deploy serve`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Model directory, or NAME=DIR; repeat it for several models, the first of which answers where a request names none;
    /// the bundle's own where this program runs inside one
    #[arg(long, value_name = "DIR")]
    model: Vec<String>,
    /// Address to listen on; 0.0.0.0 lets other machines in
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// Port to listen on; 0 takes any free one
    #[arg(long, default_value_t = 8000)]
    port: u16,
    /// Name of a single model in the API and on the page; the model directory's by default
    #[arg(long)]
    name: Option<String>,
    /// Replies of a model that are written side by side
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    at_once: u32,
    /// Replies of a model that may wait for their turn; more are refused with status 429
    #[arg(long, value_name = "N", default_value_t = 64)]
    queue: u32,
    /// Memory for talks that have ended, so that their next turns are not read from the start again, in MiB for each model;
    /// 0 keeps none
    #[arg(long, value_name = "MIB", default_value_t = 256)]
    prefix_cache: u32,
    /// File with keys, one a line: requests must show one of them as `Authorization: Bearer KEY`
    #[arg(long, value_name = "FILE")]
    api_keys: Option<PathBuf>,
    /// Requests that one key, or one address where there are no keys, may make in a minute; any number by default
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    requests_per_minute: Option<u32>,
}

/// What a server is besides its models.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The address to listen on.
    pub host: String,
    /// The port to listen on; 0 takes any free one.
    pub port: u16,
    /// How much each model's engine takes on.
    pub capacity: Capacity,
    /// Keys, one of which every request must show; none where the server is open to all.
    pub api_keys: Vec<String>,
    /// Requests that one key or one address may make in a minute.
    pub requests_per_minute: Option<u32>,
}

/// What every request sees.
struct State {
    /// Empty until the models are loaded.
    models: OnceLock<Vec<Served>>,
    capacity: Capacity,
    metrics: Arc<Metrics>,
    access: Access,
}

/// A model that answers.
struct Served {
    name: String,
    /// Seconds since 1970 at which it was loaded.
    loaded: u64,
    engine: Engine,
}

impl State {
    /// All models, the first of which answers where a request names none.
    fn models(&self) -> Result<&[Served], ApiError> {
        self.models.get().map(Vec::as_slice).ok_or_else(ApiError::loading)
    }

    fn find(&self, asked: Option<&str>) -> Result<&Served, ApiError> {
        let models = self.models()?;
        let found = models.iter().find(|model| asked.is_none_or(|asked| asked == model.name));
        found.ok_or_else(|| {
            let names: Vec<String> = models.iter().map(|model| format!("`{}`", model.name)).collect();
            let asked = asked.unwrap_or_default();
            let message = format!("the model `{asked}` is not here; this server has {}", names.join(", "));
            ApiError::invalid(message).status(StatusCode::NOT_FOUND).of("model").coded("model_not_found")
        })
    }
}

/// A server that has its address but answers nobody yet.
pub struct Server {
    listener: TcpListener,
    router: Router,
    state: Arc<State>,
}

/// Gives a server its models, before or while it runs: until then it answers that they are being loaded.
pub struct Loader(Arc<State>);

impl Loader {
    /// Lets the models answer, at least one, each by its name.
    ///
    /// # Errors
    /// When there is none, two have one name, or the server has models already.
    pub fn load(self, models: Vec<(String, Chat)>) -> anyhow::Result<()> {
        let State { capacity, metrics, .. } = &*self.0;
        let mut served: Vec<Served> = Vec::with_capacity(models.len());
        for (name, chat) in models {
            if served.iter().any(|model| model.name == name) {
                bail!("two models are called `{name}` (hint: --model NAME=DIR)");
            }
            let engine = Engine::start(chat, *capacity, Arc::clone(metrics))?;
            served.push(Served { name, loaded: unix_seconds(), engine });
        }
        if served.is_empty() || self.0.models.set(served).is_err() {
            bail!("a server takes its models once, and at least one of them");
        }
        Ok(())
    }
}

impl Server {
    /// Takes the address.
    ///
    /// # Errors
    /// When the address is no address, or is in use.
    pub async fn bind(settings: &Settings) -> anyhow::Result<Self> {
        let Settings { host, port, capacity, api_keys, requests_per_minute } = settings;
        let listener = TcpListener::bind((host.as_str(), *port)).await.with_context(|| {
            format!("listening on {host}, port {port} (hint: another --port; 0 takes a free one)")
        })?;
        let state = Arc::new(State {
            models: OnceLock::new(),
            capacity: *capacity,
            metrics: Arc::default(),
            access: Access::new(api_keys, *requests_per_minute),
        });
        Ok(Self { listener, router: routes::router(Arc::clone(&state)), state })
    }

    /// The address, with the port that was chosen where 0 was asked for.
    pub fn address(&self) -> anyhow::Result<SocketAddr> {
        Ok(self.listener.local_addr()?)
    }

    /// Who gives it its models.
    pub fn loader(&self) -> Loader {
        Loader(Arc::clone(&self.state))
    }

    /// Answers until `stop` comes; then accepts nothing new and lets replies end, for `grace` at most.
    pub async fn run(self, stop: impl Future<Output = ()> + Send + 'static, grace: Duration) {
        connections::serve(self.listener, self.router, stop, grace).await;
    }
}

pub(crate) fn run(arguments: Arguments, threads: Option<usize>) -> anyhow::Result<()> {
    start_log();
    let models = model_dirs(&arguments)?;
    let api_keys = arguments.api_keys.as_deref().map(read_keys).transpose()?.unwrap_or_default();
    let settings = Settings {
        host: arguments.host,
        port: arguments.port,
        capacity: Capacity {
            at_once: arguments.at_once as usize,
            queue: arguments.queue as usize,
            prefix_cache_bytes: (arguments.prefix_cache as usize) << 20,
        },
        api_keys,
        requests_per_minute: arguments.requests_per_minute,
    };
    // 0 threads stand for all processors.
    let threads = threads
        .filter(|&threads| threads > 0)
        .or_else(|| std::thread::available_parallelism().ok().map(usize::from))
        .unwrap_or(1);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads.clamp(1, 4))
        .enable_all()
        .build()
        .context("starting the server's threads")?;
    let result = runtime.block_on(async {
        let server = Server::bind(&settings).await?;
        let address = server.address()?;
        let loader = server.loader();
        let loading = tokio::task::spawn_blocking(move || load(models, loader, address));
        let failed = async {
            match loading.await {
                Ok(Ok(())) => std::future::pending().await,
                Ok(Err(error)) => Err(error),
                Err(error) => Err(anyhow::Error::new(error).context("loading the models")),
            }
        };
        tokio::select! {
            () = server.run(signal(), GRACE) => Ok(()),
            result = failed => result,
            // A person who asks twice does not want to wait.
            () = async { signal().await; signal().await; } => Ok(()),
        }
    });
    // Connections end here; a reply that is still being written finds nobody listening, and stops.
    runtime.shutdown_background();
    result
}

/// Reads the models, lets them answer, and tells where.
fn load(models: Vec<(String, PathBuf)>, loader: Loader, address: SocketAddr) -> anyhow::Result<()> {
    let mut loaded = Vec::with_capacity(models.len());
    for (name, dir) in models {
        let chat = Chat::read(&dir)?;
        tracing::info!(model = name, parameters = chat.model.parameters(), "loaded");
        loaded.push((name, chat));
    }
    loader.load(loaded)?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "http://{address}/")?;
    Ok(stdout.flush()?)
}

/// The names and directories of the models.
fn model_dirs(arguments: &Arguments) -> anyhow::Result<Vec<(String, PathBuf)>> {
    let mut models: Vec<(String, PathBuf)> = Vec::new();
    for given in &arguments.model {
        models.push(match given.split_once('=') {
            Some((name, dir)) if !name.is_empty() && !Path::new(given).exists() => {
                (name.to_owned(), dir.into())
            }
            _ => (model_name(Path::new(given)), given.into()),
        });
    }
    if models.is_empty() {
        let dir = bundle::model_dir(None)?;
        models.push((model_name(&dir), dir));
    }
    if let Some(name) = &arguments.name {
        let [(only, _)] = models.as_mut_slice() else {
            bail!("--name names a single model (hint: --model NAME=DIR)");
        };
        only.clone_from(name);
    }
    Ok(models)
}

/// One key a line; empty lines and those that begin with `#` are none.
fn read_keys(file: &Path) -> anyhow::Result<Vec<String>> {
    let text = fs::read_to_string(file)?;
    let keys: Vec<String> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect();
    if keys.is_empty() {
        bail!("{}: expected at least one key, found none", file.display());
    }
    Ok(keys)
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
