//! `MODEL_CARD.md`: what a bot is, what it learnt from, what it was measured to do, and how it is run.

use std::fmt::Write as _;
use std::path::Path;

use artifact::Result;
use artifact::config::{MixerKind, ModelConfig};
use artifact::report::{ModelReport, Report};
use artifact::sources::Sources;
use model::chat::Chat;

/// What is known about a model beside its own files.
pub(crate) struct Background {
    sources: Option<Sources>,
    report: Option<Report>,
}

impl Background {
    /// Reads `sources.json` of the directory that `collect` wrote and `report.json` of the one that `evaluate` wrote.
    pub(crate) fn read(conversations: Option<&Path>, report: Option<&Path>) -> Result<Self> {
        Ok(Self {
            sources: conversations.map(Sources::read).transpose()?,
            report: report.map(Report::read).transpose()?,
        })
    }
}

/// The card of a model.
pub(crate) fn write(config: &ModelConfig, chat: &Chat, background: &Background) -> String {
    let mut card = String::new();
    let mut line = |text: String| writeln!(card, "{text}").expect("a String takes everything");
    let (library, architecture) = match config {
        ModelConfig::Qwen3(shape) | ModelConfig::Qwen2(shape) | ModelConfig::Llama(shape) => (
            "transformers",
            format!(
                "a Transformer decoder (`{}`: {} blocks, {} channels, {} heads over {} key-value heads)",
                shape.architectures.join("`, `"),
                shape.num_hidden_layers,
                shape.hidden_size,
                shape.num_attention_heads,
                shape.num_key_value_heads
            ),
        ),
        ModelConfig::Decoder(shape) => (
            "naman",
            format!(
                "a decoder of naman's own ({} blocks, {} channels; across time: {})",
                shape.mixers.len(),
                shape.hidden_size,
                mixers(&shape.mixers)
            ),
        ),
        ModelConfig::Ngram(shape) => ("naman", format!("an n-gram model of order {}", shape.order)),
        ModelConfig::Bm25(_) => {
            ("naman", "a retrieval model, which repeats replies found by BM25".to_owned())
        }
    };
    let counted = match config {
        ModelConfig::Ngram(_) => "Stored n-grams",
        ModelConfig::Bm25(_) => "Stored postings",
        _ => "Parameters",
    };
    line(format!("---\nlibrary_name: {library}\npipeline_tag: text-generation\n---\n"));
    line("# A chatbot made with naman\n".to_owned());
    line(format!("This is {architecture}."));
    line(
        "It answers in the manner of the conversations it was trained on. It completes text: it knows nothing beyond\n\
         them, does not look anything up, and says wrong things as readily as right ones. Do not let it advise anybody\n\
         on health, money or law.\n"
            .to_owned(),
    );
    line("| | |\n|---|---|".to_owned());
    line(format!("| {counted} | {} |", thousands(chat.model.parameters())));
    line(format!("| Vocabulary | {} tokens |", thousands(chat.model.vocab_size())));
    if !matches!(config, ModelConfig::Ngram(_) | ModelConfig::Bm25(_)) {
        line(format!("| Context | {} tokens |", thousands(chat.model.context_length())));
    }
    line(format!("| Replies | {} |\n", sampling(chat)));
    line(data(background.sources.as_ref()));
    line(figures(background.report.as_ref(), config, chat));
    card.push_str(HOW_TO_RUN);
    match config {
        ModelConfig::Qwen3(_) | ModelConfig::Qwen2(_) | ModelConfig::Llama(_) => card.push_str(FOR_OTHERS),
        ModelConfig::Decoder(_) | ModelConfig::Ngram(_) | ModelConfig::Bm25(_) => {
            card.push_str("\nOnly naman reads `model/`.\n");
        }
    }
    card
}

/// The kinds of mixers, each once.
fn mixers(mixers: &[MixerKind]) -> String {
    let named = [
        (MixerKind::Attention, "attention"),
        (MixerKind::Gru, "GRU"),
        (MixerKind::Lstm, "LSTM"),
        (MixerKind::Convolution, "gated convolution"),
    ];
    let names = named.into_iter().filter(|(mixer, _)| mixers.contains(mixer)).map(|(_, name)| name);
    names.collect::<Vec<_>>().join(", ")
}

fn sampling(chat: &Chat) -> String {
    let settings = &chat.generation;
    if settings.do_sample {
        format!(
            "sampled: temperature {}, top-k {}, top-p {}; at most {} tokens",
            settings.temperature, settings.top_k, settings.top_p, settings.max_new_tokens
        )
    } else {
        format!("greedy; at most {} tokens", settings.max_new_tokens)
    }
}

fn data(sources: Option<&Sources>) -> String {
    let mut text = String::from("## Training data\n\n");
    let Some(sources) = sources else {
        return text
            + "This bundle was made without a record of the data (`deploy bundle --conversations DIR`).\n";
    };
    text.push_str("| Source | Licence | Conversations | SHA-256 |\n|---|---|---:|---|\n");
    for source in &sources.sources {
        let license = source.license.as_deref().unwrap_or("not stated");
        let count = thousands(source.conversations as usize);
        let row = format!(
            "| {} | {} | {count} | `{}` |\n",
            cell(&source.name),
            cell(license),
            cell(&source.sha256)
        );
        text.push_str(&row);
    }
    text
}

fn figures(report: Option<&Report>, config: &ModelConfig, chat: &Chat) -> String {
    let mut text = String::from("## Figures\n\n");
    let Some(report) = report else {
        return text + "This bundle was made without an evaluation (`deploy bundle --report DIR`).\n";
    };
    let kind = match config {
        ModelConfig::Qwen3(_) => "qwen3",
        ModelConfig::Qwen2(_) => "qwen2",
        ModelConfig::Llama(_) => "llama",
        ModelConfig::Decoder(_) => "naman_decoder",
        ModelConfig::Ngram(_) => "naman_ngram",
        ModelConfig::Bm25(_) => "naman_bm25",
    };
    let is_this = |model: &&ModelReport| {
        model.model_type == kind
            && model.parameters == chat.model.parameters()
            && model.vocab_size == chat.model.vocab_size()
    };
    // Two runs of one shape cannot be told apart by their figures, so then none is marked.
    let this = Some(report.models.iter().filter(is_this)).filter(|found| found.clone().count() == 1);
    let this = this.and_then(|mut found| found.next()).map(|model| model.name.as_str());

    let held_out = &report.data;
    let intro = format!(
        "Measured on {} held-out conversations ({} turns of the assistant), none of which the model was trained on.\n\n",
        thousands(held_out.conversations),
        thousands(held_out.assistant_turns)
    );
    text.push_str(&intro);
    text.push_str(
        "| Model | Loss, nats/token | Bits per byte | Action accuracy | Context recall | Tokens/s |\n",
    );
    text.push_str("|---|---:|---:|---:|---:|---:|\n");
    for model in &report.models {
        let share = |share: Option<f64>| share.map_or_else(|| "-".to_owned(), |share| format!("{share:.3}"));
        let speed = report.speed.get(&model.name);
        let row = format!(
            "| {}{} | {:.3} | {:.3} | {} | {} | {} |\n",
            cell(&model.name),
            if this == Some(&model.name) { " (this one)" } else { "" },
            model.loss_nats_per_token,
            model.bits_per_byte,
            share(model.action_accuracy),
            share(model.context_recall),
            speed.map_or_else(|| "-".to_owned(), |speed| format!("{:.0}", speed.tokens_per_second)),
        );
        text.push_str(&row);
    }
    text.push_str(
        "\nAction accuracy: the share of replies that do what the conversation's own reply does. Context recall: the \
         share of replies that\nrepeat what the person said in an earlier turn, where they must. Tokens/s: on the \
         machine that evaluated it.\n",
    );
    text
}

/// Text in a cell of a table: a name in a foreign file must not break out of it.
fn cell(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .flat_map(|c| if "|`<>[]\\".contains(c) { vec!['\\', c] } else { vec![c] })
        .collect()
}

/// 1234567 as 1,234,567.
fn thousands(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

const HOW_TO_RUN: &str = "\
## How to run it

```sh
./naman serve                  # a chat page and an API in OpenAI's form at http://127.0.0.1:8000/
./naman serve --host 0.0.0.0   # the same for other machines; put a proxy with TLS and a password before it
./naman chat                   # in the terminal
podman build -t naman . && podman run -p 8000:8000 naman
```

```sh
curl http://127.0.0.1:8000/v1/chat/completions -H 'content-type: application/json' \\
  -d '{\"messages\": [{\"role\": \"user\", \"content\": \"안녕하세요\"}]}'
```

The chat page is inside the program; it keeps a talk in the browser alone, and the server logs no contents.
`SHA256SUMS` lists every file and is checked whenever the program starts on this bundle.
";

const FOR_OTHERS: &str = "
`model/` is a Hugging Face model directory: `transformers` (`AutoModelForCausalLM`, `AutoTokenizer`) loads it as it is.
";
