//! `MODEL_CARD.md`: what a bot is, what it learnt from and what it was measured to do, in the form of the Hugging Face Hub:
//! facts for programs in YAML, then text for people.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::config::{GenerationConfig, MixerKind, ModelConfig};
use crate::report::{Concern, Memorisation, ModelReport, Report, Sharing};
use crate::sources::Sources;
use crate::thousands;

/// The file's name.
pub const FILE: &str = "MODEL_CARD.md";

/// What is told of a model.
#[derive(Debug, Clone, Copy)]
pub struct Card<'a> {
    /// Its shapes.
    pub config: &'a ModelConfig,
    /// How it samples.
    pub generation: &'a GenerationConfig,
    /// Parameters, or stored n-grams or postings.
    pub parameters: usize,
    /// Vocabulary, V.
    pub vocab_size: usize,
    /// The longest context, in tokens.
    pub context_length: usize,
    /// What it learnt from, where that is known.
    pub sources: Option<&'a Sources>,
    /// What it was measured to do, where that is known.
    pub report: Option<&'a Report>,
    /// Its name in the report; found by its shapes where it is not told.
    pub name: Option<&'a str>,
}

/// The card of a model, but for how it is run.
pub fn write(model: &Card<'_>) -> String {
    let config = model.config;
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
    line(front_matter(model, library));
    line("# A chatbot made with naman\n".to_owned());
    line(format!("This is {architecture}."));
    line(
        "It answers in the manner of the conversations it was trained on. It completes text: it knows nothing beyond\n\
         them, does not look anything up, and says wrong things as readily as right ones. Do not let it advise anybody\n\
         on health, money or law.\n"
            .to_owned(),
    );
    line("| | |\n|---|---|".to_owned());
    line(format!("| {counted} | {} |", thousands(model.parameters as u64)));
    line(format!("| Vocabulary | {} tokens |", thousands(model.vocab_size as u64)));
    if !matches!(config, ModelConfig::Ngram(_) | ModelConfig::Bm25(_)) {
        line(format!("| Context | {} tokens |", thousands(model.context_length as u64)));
    }
    line(format!("| Replies | {} |\n", sampling(model.generation)));
    line(data(model.sources));
    line(figures(model));
    card
}

/// Whether `transformers` loads a model of this configuration.
pub fn is_for_transformers(config: &ModelConfig) -> bool {
    matches!(config, ModelConfig::Qwen3(_) | ModelConfig::Qwen2(_) | ModelConfig::Llama(_))
}

/// The facts for programs (huggingface.co/docs/hub/model-cards).
fn front_matter(model: &Card<'_>, library: &str) -> String {
    let mut yaml = format!("---\nlibrary_name: {library}\npipeline_tag: text-generation\n");
    let mut line = |text: String| writeln!(yaml, "{text}").expect("a String takes everything");
    line("tags:\n- chatbot\n- naman".to_owned());
    let licenses: BTreeSet<&str> = model
        .sources
        .iter()
        .flat_map(|file| &file.sources)
        .filter_map(|source| source.license.as_deref())
        .collect();
    match licenses.iter().collect::<Vec<_>>().as_slice() {
        [] => {}
        [license] => line(format!("license: {}", quoted(&license.to_lowercase()))),
        several => {
            let names: Vec<&str> = several.iter().map(|license| **license).collect();
            line(format!("license: other\nlicense_name: {}", quoted(&names.join(" AND "))));
        }
    }
    if let Some(figures) = measured(model) {
        line(format!(
            "model-index:\n- name: {}\n  results:\n  - task:\n      type: text-generation",
            quoted(&figures.name)
        ));
        line(
            "    dataset:\n      name: held-out conversations\n      type: conversations\n    metrics:"
                .to_owned(),
        );
        let mut metric =
            |name: &str, value: f64| line(format!("    - type: {name}\n      value: {value:.6}"));
        metric("bits_per_byte", figures.bits_per_byte);
        metric("perplexity", figures.perplexity);
        if let Some(share) = figures.action_accuracy {
            metric("action_accuracy", share);
        }
        if let Some(share) = figures.context_recall {
            metric("context_recall", share);
        }
    }
    yaml + "---\n"
}

/// A text as YAML's double-quoted scalar, which is a JSON string.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text has a JSON form")
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

fn sampling(settings: &GenerationConfig) -> String {
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
        return text + "This card was written without a record of the data (`--conversations DIR`).\n";
    };
    text.push_str("| Source | Licence | Conversations | SHA-256 |\n|---|---|---:|---|\n");
    for source in &sources.sources {
        let license = source.license.as_deref().unwrap_or("not stated");
        let count = thousands(source.conversations);
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

/// The model's place in the report: by name, otherwise by its shapes; two runs of one shape cannot be told apart by those.
fn measured<'a>(model: &Card<'a>) -> Option<&'a ModelReport> {
    let models = &model.report?.models;
    if let Some(name) = model.name {
        return models.iter().find(|measured| measured.name == name);
    }
    let kind = match model.config {
        ModelConfig::Qwen3(_) => "qwen3",
        ModelConfig::Qwen2(_) => "qwen2",
        ModelConfig::Llama(_) => "llama",
        ModelConfig::Decoder(_) => "naman_decoder",
        ModelConfig::Ngram(_) => "naman_ngram",
        ModelConfig::Bm25(_) => "naman_bm25",
    };
    let mut alike = models.iter().filter(|measured| {
        measured.model_type == kind
            && measured.parameters == model.parameters
            && measured.vocab_size == model.vocab_size
    });
    alike.next().filter(|_| alike.next().is_none())
}

fn figures(model: &Card<'_>) -> String {
    let mut text = String::from("## Figures\n\n");
    let Some(report) = model.report else {
        return text + "This card was written without an evaluation (`--report DIR`).\n";
    };
    let this = measured(model);
    let held_out = &report.data;
    let intro = format!(
        "Measured on {} held-out conversations ({} turns of the assistant), none of which the model was trained on.\n\n",
        thousands(held_out.conversations as u64),
        thousands(held_out.assistant_turns as u64)
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
            if this.is_some_and(|this| this.name == model.name) { " (this one)" } else { "" },
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
    if let Some(memorisation) = this.and_then(|this| this.memorisation.as_ref()) {
        text.push_str(&sharing(memorisation));
    }
    text
}

/// What the model gives away of its training data.
fn sharing(found: &Memorisation) -> String {
    let mut text = String::from("\n## Memorisation and privacy\n\n");
    text.push_str(match found.sharing {
        Sharing::Yes => "Nothing was found that speaks against sharing this model.\n",
        Sharing::WithCare => "Look at what follows before sharing this model:\n",
        Sharing::No => "**Do not share this model: it gives away what it was trained on.**\n",
    });
    for concern in &found.concerns {
        text.push_str(match concern {
            Concern::SecretsExposed => "- Secrets planted in the training data can be told from others.\n",
            Concern::PrivateLearnt => "- Replies say private things that stand in the training data.\n",
            Concern::CopiesSingleConversations => "- Replies repeat single training conversations.\n",
            Concern::PrivateInvented => {
                "- Replies say what looks private and stands nowhere in the training data.\n"
            }
            Concern::Placeholders => "- Replies say placeholders such as `[PHONE_1]`.\n",
        });
    }
    text
}

/// Text in a cell of a table: a name in a foreign file must not break out of it.
fn cell(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .flat_map(|c| if "|`<>[]\\".contains(c) { vec!['\\', c] } else { vec![c] })
        .collect()
}
