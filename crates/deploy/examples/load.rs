//! How many tokens a server writes in a second, for one stream and for several at once.
//!
//! `cargo run --release -p deploy --example load -- --model DIR`: starts a server with the model, lets clients hold streams
//! open, and prints a line of JSON for each number of streams, measured in turns.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Parser;
use deploy::serve::{Capacity, Server, Settings};
use model::chat::Chat;
use serde_json::json;

#[derive(Debug, Parser)]
struct Arguments {
    /// Model directory
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Numbers of streams
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = [1, 4, 16, 64])]
    streams: Vec<usize>,
    /// Seconds of each measurement
    #[arg(long, value_name = "S", default_value_t = 5.0)]
    seconds: f64,
    /// How often each is measured
    #[arg(long, value_name = "N", default_value_t = 3)]
    rounds: usize,
    /// Tokens of each reply
    #[arg(long, value_name = "N", default_value_t = 64)]
    tokens: usize,
}

/// What one client saw.
#[derive(Debug, Clone, Default)]
struct Seen {
    tokens: usize,
    replies: usize,
    /// From a request to its first words, of every reply.
    first: Vec<Duration>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let chat = Chat::read(&arguments.model)?;
    let most = arguments.streams.iter().copied().max().unwrap_or(1);
    let settings = Settings {
        host: "127.0.0.1".to_owned(),
        port: 0,
        capacity: Capacity { at_once: most, queue: most, prefix_cache_bytes: 64 << 20 },
        api_keys: Vec::new(),
        requests_per_minute: None,
    };
    // Nothing else keeps a reply from ending early.
    let ends = chat.generation.eos_token_id.clone();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let server = runtime.block_on(Server::bind(&settings))?;
    let address = server.address()?;
    server.loader().load(vec![("model".to_owned(), chat)])?;
    runtime.spawn(server.run(std::future::pending(), Duration::ZERO));

    let bias: serde_json::Map<_, _> = ends.iter().map(|token| (token.to_string(), json!(-100))).collect();
    let body = json!({
        "messages": [{ "role": "user", "content": "오늘 날씨가 어때요?" }],
        "max_tokens": arguments.tokens, "stream": true, "logit_bias": bias,
    });
    let body = body.to_string();
    for round in 0..arguments.rounds {
        for &streams in &arguments.streams {
            let (seen, seconds) = measure(address, &body, streams, arguments.seconds)?;
            let tokens: usize = seen.iter().map(|seen| seen.tokens).sum();
            let mut first: Vec<Duration> = seen.iter().flat_map(|seen| seen.first.clone()).collect();
            first.sort_unstable();
            let milliseconds = |share: f64| {
                let place = (first.len().saturating_sub(1) as f64 * share) as usize;
                first.get(place).map(|first| first.as_secs_f64() * 1e3)
            };
            let line = json!({
                "round": round,
                "streams": streams,
                "tokens_per_second": tokens as f64 / seconds,
                "tokens_of_slowest_stream": seen.iter().map(|seen| seen.tokens).min(),
                "tokens_of_fastest_stream": seen.iter().map(|seen| seen.tokens).max(),
                "replies": seen.iter().map(|seen| seen.replies).sum::<usize>(),
                "first_token_milliseconds_median": milliseconds(0.5),
                "first_token_milliseconds_95th": milliseconds(0.95),
            });
            println!("{line}");
        }
    }
    runtime.shutdown_background();
    Ok(())
}

fn measure(
    address: SocketAddr,
    body: &str,
    streams: usize,
    seconds: f64,
) -> anyhow::Result<(Vec<Seen>, f64)> {
    let over = AtomicBool::new(false);
    let begun = Instant::now();
    let seen: anyhow::Result<Vec<Seen>> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..streams).map(|_| scope.spawn(|| client(address, body, &over))).collect();
        std::thread::sleep(Duration::from_secs_f64(seconds));
        over.store(true, Ordering::Relaxed);
        clients.into_iter().map(|client| client.join().expect("a client does not panic")).collect()
    });
    Ok((seen?, begun.elapsed().as_secs_f64()))
}

/// Asks again and again, until it is over.
fn client(address: SocketAddr, body: &str, over: &AtomicBool) -> anyhow::Result<Seen> {
    let mut seen = Seen::default();
    while !over.load(Ordering::Relaxed) {
        let mut stream = TcpStream::connect(address).context("connecting")?;
        stream.set_nodelay(true)?;
        let asked = Instant::now();
        write!(
            stream,
            "POST /v1/chat/completions HTTP/1.1\r\nhost: load\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut lines = BufReader::new(stream).lines();
        let status = lines.next().context("an answer")??;
        if !status.contains(" 200 ") {
            bail!("expected an answer of status 200, found {status}");
        }
        let mut begun = false;
        for line in lines {
            let line = line?;
            if line.contains("\"content\":\"") && !line.contains("\"role\"") {
                if !begun {
                    seen.first.push(asked.elapsed());
                    begun = true;
                }
                seen.tokens += 1;
            }
            if line == "data: [DONE]" {
                seen.replies += 1;
            }
            if over.load(Ordering::Relaxed) {
                break;
            }
        }
    }
    Ok(seen)
}
