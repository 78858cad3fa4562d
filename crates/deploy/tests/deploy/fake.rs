//! A model whose replies are known, and a server that has it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use artifact::config::GenerationConfig;
use artifact::tokenizer::{
    CONFIG_FILE, ChatTokenizer, FILE, SPECIAL, TEMPLATE, TEMPLATE_FILE, TokenizerConfig,
};
use deploy::serve::{Capacity, Server, Settings};
use model::chat::Chat;
use model::{LanguageModel, Session};
use serde_json::{Map, Value, json};
use tokio::sync::oneshot;

use crate::client::get;

/// Tokens of a talk: few enough that tests fill it, enough that "forever" (40 s) outlasts any of them.
pub(crate) const CONTEXT: usize = 2000;

pub(crate) const END: u32 = 1;
const USER: u32 = 3;
const ASSISTANT: u32 = 4;
pub(crate) const FIRST_BYTE: u32 = SPECIAL.len() as u32;
pub(crate) const VOCABULARY: usize = SPECIAL.len() + 256;

/// Says back what was said, a byte a token. Some words make it do other things:
/// "random" (letters by chance), "slow" (10 ms a token), "forever" (20 ms a token, to the end of the context), "panic".
struct Parrot {
    fed: Arc<AtomicUsize>,
}

struct Talk<'a> {
    parrot: &'a Parrot,
    tokens: Vec<u32>,
    logits: Vec<f32>,
}

impl LanguageModel for Parrot {
    fn vocab_size(&self) -> usize {
        VOCABULARY
    }

    fn context_length(&self) -> usize {
        CONTEXT
    }

    fn parameters(&self) -> usize {
        0
    }

    fn memory_bytes(&self) -> usize {
        0
    }

    fn score(&self, tokens: &[u32]) -> Vec<f32> {
        vec![0.0; tokens.len() - 1]
    }

    fn session(&self) -> Box<dyn Session + '_> {
        Box::new(Talk { parrot: self, tokens: Vec::new(), logits: Vec::new() })
    }
}

impl Session for Talk<'_> {
    fn feed(&mut self, tokens: &[u32]) -> &[f32] {
        self.parrot.fed.fetch_add(1, Ordering::SeqCst);
        self.tokens.extend_from_slice(tokens);
        self.logits = vec![0.0; VOCABULARY];
        let last = |wanted| self.tokens.iter().rposition(|&token| token == wanted).unwrap_or(0);
        // A prompt may come in pieces.
        if last(ASSISTANT) <= last(USER) {
            return &self.logits;
        }
        let said = self.tokens.len() - last(ASSISTANT) - 1;
        let question: Vec<u8> = self.tokens[last(USER) + 1..last(ASSISTANT)]
            .iter()
            .filter(|&&token| token >= FIRST_BYTE)
            .map(|&token| (token - FIRST_BYTE) as u8)
            .collect();
        let question = String::from_utf8_lossy(&question).into_owned();
        let mut likely = |token: u32| self.logits[token as usize] = 100.0;
        match question.as_str() {
            "panic" => panic!("the model was asked to"),
            "random" if said < 24 => (b'a'..=b'z').for_each(|byte| likely(FIRST_BYTE + u32::from(byte))),
            "random" => likely(END),
            "forever" => {
                std::thread::sleep(Duration::from_millis(20));
                likely(FIRST_BYTE + u32::from(b'x'));
            }
            _ => {
                if question.starts_with("slow") {
                    std::thread::sleep(Duration::from_millis(10));
                }
                let reply = format!("네, {question}");
                likely(reply.as_bytes().get(said).map_or(END, |&byte| FIRST_BYTE + u32::from(byte)));
            }
        }
        &self.logits
    }

    fn logits(&self) -> &[f32] {
        &self.logits
    }

    fn state_bytes(&self) -> usize {
        0
    }

    fn len(&self) -> usize {
        self.tokens.len()
    }
}

/// A tokenizer of one token a byte.
pub(crate) fn write_tokenizer(dir: &Path) {
    let printable = |byte: u32| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    let mut moved = 256;
    let mut vocabulary = Map::new();
    for (id, token) in SPECIAL.iter().enumerate() {
        vocabulary.insert((*token).to_owned(), json!(id));
    }
    for byte in 0..256_u32 {
        let symbol = if printable(byte) {
            byte
        } else {
            moved += 1;
            moved - 1
        };
        vocabulary.insert(char::from_u32(symbol).unwrap().to_string(), json!(FIRST_BYTE + byte));
    }
    let added: Vec<Value> = SPECIAL
        .iter()
        .enumerate()
        .map(|(id, token)| {
            json!({
                "id": id, "content": token, "special": true,
                "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
            })
        })
        .collect();
    let bytes =
        json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": true });
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added, "normalizer": null,
        "pre_tokenizer": bytes, "post_processor": null, "decoder": bytes,
        "model": { "type": "BPE", "vocab": vocabulary, "merges": [] },
    });
    fs_err::write(dir.join(FILE), tokenizer.to_string()).unwrap();
    let config = serde_json::to_string(&TokenizerConfig::default()).unwrap();
    fs_err::write(dir.join(CONFIG_FILE), config).unwrap();
    fs_err::write(dir.join(TEMPLATE_FILE), TEMPLATE).unwrap();
}

/// A server with the parrot, on a port of its own.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    /// How often the model was asked for a token.
    fed: Arc<AtomicUsize>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Starts a server that generates `at_once` replies and lets `queue` requests wait.
pub(crate) fn serve(at_once: usize, queue: usize, grace: Duration) -> Running {
    serve_with(Settings { capacity: Capacity { at_once, queue, prefix_cache_bytes: 0 }, ..settings() }, grace)
}

/// Settings of a server that any test may have.
pub(crate) fn settings() -> Settings {
    Settings {
        host: "127.0.0.1".to_owned(),
        port: 0,
        capacity: Capacity { at_once: 8, queue: 8, prefix_cache_bytes: 1 << 20 },
        api_keys: Vec::new(),
        requests_per_minute: None,
    }
}

/// Starts a server with the parrot.
pub(crate) fn serve_with(settings: Settings, grace: Duration) -> Running {
    let fed = Arc::new(AtomicUsize::new(0));
    let dir = tempfile::tempdir().unwrap();
    write_tokenizer(dir.path());
    let chat = Chat {
        model: Box::new(Parrot { fed: Arc::clone(&fed) }),
        tokenizer: ChatTokenizer::read(dir.path()).unwrap(),
        generation: GenerationConfig {
            eos_token_id: vec![END],
            max_new_tokens: CONTEXT,
            ..GenerationConfig::default()
        },
    };
    start(settings, grace, fed, move || vec![("parrot".to_owned(), chat)]).ready()
}

/// Starts a server with any models.
pub(crate) fn serve_models(
    settings: Settings,
    models: impl FnOnce() -> Vec<(String, Chat)> + Send + 'static,
) -> Running {
    start(settings, Duration::from_secs(5), Arc::default(), models)
}

fn start(
    settings: Settings,
    grace: Duration,
    fed: Arc<AtomicUsize>,
    models: impl FnOnce() -> Vec<(String, Chat)> + Send + 'static,
) -> Running {
    let (stop, stopped) = oneshot::channel();
    let (send_address, address) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let server = Server::bind(&settings).await.unwrap();
            let loader = server.loader();
            send_address.send(server.address().unwrap()).unwrap();
            std::thread::spawn(move || loader.load(models()).unwrap());
            server.run(async { stopped.await.unwrap_or_default() }, grace).await;
        });
        runtime.shutdown_background();
    });
    Running { address: address.recv().unwrap(), fed, stop: Some(stop), thread: Some(thread) }
}

impl Running {
    /// Waits until the models answer.
    pub(crate) fn ready(self) -> Self {
        while get(self.address, "/health").status != 200 {
            std::thread::sleep(Duration::from_millis(5));
        }
        self
    }

    /// Whether the model goes on generating.
    pub(crate) fn generates(&self) -> bool {
        let before = self.fed.load(Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(100));
        self.fed.load(Ordering::SeqCst) > before
    }

    /// Asks the server to stop.
    pub(crate) fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }

    /// Waits until the server has stopped.
    pub(crate) fn wait(&mut self) {
        self.thread.take().unwrap().join().unwrap();
    }
}
