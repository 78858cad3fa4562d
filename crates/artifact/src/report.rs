//! What evaluation found: `report.json` and `samples.jsonl`.
//!
//! The same data and models give the same report, byte for byte, apart from [`Report::speed`], what is ranked by it, and
//! [`Report::machine`].

mod estimate;
mod judge;
mod memorisation;
mod origin;
mod outcome;
mod robustness;
mod task;

use std::collections::BTreeMap;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Error, Result, json};

pub use estimate::{Better, Comparison, Estimate, LossPart, PartedBy};
pub use judge::{Agreement, Judge, JudgedPair};
pub use memorisation::{COPY_CHARACTERS, Concern, Copied, Exposure, Memorisation, PrivateSaid, Sharing};
pub use origin::{Machine, Origin};
pub use outcome::{OUTCOMES_FILE, Outcome};
pub use robustness::{Perturbation, Perturbed};
pub use task::TaskReport;

/// The figures, for programs.
pub const FILE: &str = "report.json";
/// Talks with every model's replies, one a line.
pub const SAMPLES_FILE: &str = "samples.jsonl";
/// The same for people.
pub const PAGE_FILE: &str = "report.html";
/// The page in short, for a README or a pull request.
pub const SUMMARY_FILE: &str = "report.md";

/// `report.json`: several models measured on the same held-out conversations.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// What they were measured on.
    pub data: HeldOut,
    /// Each model, in the order in which they were named; never empty.
    pub models: Vec<ModelReport>,
    /// The models by each figure, the best first. Where speed or measured memory decides, the order may differ from run
    /// to run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ranking: Vec<Ranking>,
    /// Each pair of models by each figure of which it is known which value is the better.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub comparisons: Vec<Comparison>,
    /// What another model thinks of the replies, where one was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judge: Option<Judge>,
    /// What the report was made of, where the program that measured told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// How fast each model is on the machine that evaluated it, by the model's name.
    pub speed: BTreeMap<String, Speed>,
    /// That machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<Machine>,
}

/// The models by one figure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ranking {
    /// The figure's name in this file.
    pub figure: String,
    /// Names of the models that have the figure, the best first; equals in the report's order.
    pub models: Vec<String>,
}

/// The held-out conversations.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HeldOut {
    /// Conversations in the test split.
    pub test_conversations: usize,
    /// Conversations that were measured, spread evenly over the split.
    pub conversations: usize,
    /// Turns of the assistant in them.
    pub assistant_turns: usize,
    /// UTF-8 bytes of those turns.
    pub assistant_bytes: usize,
    /// Turns of the assistant whose action is known and was looked for.
    pub action_turns: usize,
    /// Turns of the assistant that must repeat something said earlier.
    pub recall_turns: usize,
    /// Where the choice of conversations begins.
    pub seed: u64,
}

/// What one model reaches.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ModelReport {
    /// The name it was given.
    pub name: String,
    /// `model_type` of its configuration.
    pub model_type: String,
    /// Parameters, or stored n-grams or postings.
    pub parameters: usize,
    /// Vocabulary, V.
    pub vocab_size: usize,
    /// The longest context, in tokens.
    pub context_length: usize,
    /// Bytes of the file of weights, counts or index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_bytes: Option<u64>,
    /// What the model holds in memory to be served, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<ServingMemory>,
    /// What training took, where the model's directory tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training: Option<Training>,
    /// Mean negative log-likelihood of a target (assistant turns with their end tokens), in nats.
    pub loss_nats_per_token: f64,
    /// e to the power of the loss.
    pub perplexity: f64,
    /// Negative log-likelihood of all targets, in bits, for each UTF-8 byte of the assistant's turns; comparable
    /// between tokenizers.
    pub bits_per_byte: f64,
    /// The share of greedy replies that carry out the expected action; absent where no action is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action_accuracy: Option<f64>,
    /// The share of greedy replies that hold every value that they must repeat from earlier turns; absent where
    /// there is nothing to repeat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_recall: Option<f64>,
    /// What the figures above count.
    pub counts: Counts,
    /// Every figure with its interval, by its name, units in it. Of the loss: `loss_nats_per_token`, `perplexity`,
    /// `bits_per_byte`, `bits_per_character`, `next_token_accuracy`. Of the replies, after `greedy.` or `sampled.`:
    /// `chrf_plus_plus`, `bleu_characters`, `bleu_words` and `rouge_l` (0 to 100), `action_accuracy`, `context_recall`,
    /// `polite`, `honest`, `refused`, `empty`, `unfinished` and `repetition` (shares), `characters` (a reply).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub figures: BTreeMap<String, Estimate>,
    /// How varied the replies are, in two ways of decoding: `greedy`, `sampled`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub diversity: BTreeMap<String, Diversity>,
    /// The loss by topic, turn and length.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub loss_parts: Vec<LossPart>,
    /// Action accuracy for each topic, in the order of their names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub action_accuracy_by_topic: Vec<Share>,
    /// Recall for each slot, in the order of their names; a value counts by itself here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub context_recall_by_slot: Vec<Share>,
    /// Recall by how many of the user's turns ago the value was said, from 1; a value counts by itself here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub context_recall_by_distance: Vec<Share>,
    /// Actions taken for others, the most frequent first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub confusions: Vec<Confusion>,
    /// The actions that are most often taken for others, or others for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confusion_table: Option<ConfusionTable>,
    /// What careless writing costs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub robustness: Vec<Perturbed>,
    /// Multiple-choice tasks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<TaskReport>,
    /// What it gives away of its training data, where that is at hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memorisation: Option<Memorisation>,
    /// How the loss fell in training, where the model's directory tells.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub learning_curve: Vec<CurvePoint>,
}

/// Memory that serving a model takes, but for buffers that are gone after each token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServingMemory {
    /// Weights, counts or an index, once for all talks.
    pub model_bytes: usize,
    /// What each talk carries from token to token: a cache, or a recurrent state.
    pub talk_bytes: usize,
    /// After how many tokens.
    pub talk_tokens: usize,
}

/// What training took on the machine that trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Training {
    /// Training tokens read in a second: the median over the steps, or all over the time where there are no steps.
    pub tokens_per_second: f64,
    /// Training tokens read.
    pub tokens: u64,
    /// Seconds, with validation and without interruptions.
    pub seconds: f64,
    /// The most memory that training held resident, where its system told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_memory_bytes: Option<u64>,
}

/// Counts behind the figures of a model.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// Targets of the loss, in the model's own tokens.
    pub targets: usize,
    /// Replies whose action was looked for.
    pub action_turns: usize,
    /// Those that carry out the expected action.
    pub action_correct: usize,
    /// Replies that must repeat something.
    pub recall_turns: usize,
    /// Those that repeat all of it.
    pub recall_correct: usize,
    /// Tokens of all greedy replies.
    pub reply_tokens: usize,
    /// Replies that reached the most tokens allowed before they ended.
    pub unfinished_replies: usize,
    /// Turns that got no reply, because the message is longer than the context.
    pub unanswered: usize,
}

/// A part of something counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Share {
    /// The topic, slot or distance.
    pub name: String,
    /// How many succeeded.
    pub correct: usize,
    /// Of how many.
    pub count: usize,
}

/// An action that a model took for another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Confusion {
    /// The action of the conversation.
    pub expected: String,
    /// The action whose response is nearest to the reply.
    pub chosen: String,
    /// How often.
    pub count: usize,
}

/// Actions that are expected, against actions that are carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConfusionTable {
    /// The actions, in the order of their names. `[K]`
    pub actions: Vec<String>,
    /// Replies, by expected action and carried-out action; the last column holds those of any other action and of none.
    /// `[K, K + 1]`
    pub counts: Vec<Vec<usize>>,
}

/// How varied replies are: figures of them all together.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Diversity {
    /// Replies.
    pub replies: usize,
    /// Different words among all words (Li et al. 2016).
    pub distinct_1: f64,
    /// Different pairs of words among all pairs.
    pub distinct_2: f64,
    /// Mean BLEU of a reply against the other replies (Zhu et al. 2018), characters as words, 0 to 100; high where a model
    /// says the same to everything. Over a fixed choice of the replies where they are many.
    pub self_bleu: f64,
}

/// A point of a learning curve; each loss is present where it was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CurvePoint {
    /// Optimizer steps done; 0 for a model that is counted.
    pub step: u64,
    /// Training tokens read.
    pub tokens: u64,
    /// Seconds of training.
    pub seconds: f64,
    /// Mean loss of training over the steps since the last such point, in nats per token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_loss_nats_per_token: Option<f64>,
    /// Loss on the validation split, in nats per token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_loss_nats_per_token: Option<f64>,
}

/// Speed of one model on one machine; differs from run to run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Speed {
    /// Tokens generated in a second by one talk that has the machine for itself, after its first token.
    pub tokens_per_second: f64,
    /// Seconds from the end of a question to the first token, median.
    pub seconds_to_first_token: f64,
    /// The same at given lengths of the context, the shortest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_context: Vec<ContextSpeed>,
    /// Threads in use.
    pub threads: usize,
    /// Seconds that the whole evaluation of this model took.
    pub evaluation_seconds: f64,
}

/// Speed of one model behind a prompt of a given length.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ContextSpeed {
    /// Tokens of the prompt.
    pub tokens: usize,
    /// Seconds to read it and to give the logits of the first token, median.
    pub seconds_to_first_token: f64,
    /// Tokens generated in a second after it, median.
    pub tokens_per_second: f64,
}

/// A line of `samples.jsonl`: a talk with the replies of every model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sample {
    /// The conversation's id, or `talk-1`, ... for the fixed questions.
    pub id: String,
    /// Where the talk comes from.
    pub kind: SampleKind,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Questions with their replies, in order; never empty.
    pub turns: Vec<SampleTurn>,
}

/// Where a sample talk comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SampleKind {
    /// Fixed questions; a model's own replies are its history.
    Prompt,
    /// A held-out conversation; its true turns are the history.
    HeldOut,
}

/// A question and what each model says to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SampleTurn {
    /// What the person says.
    pub user: String,
    /// What the assistant says in the conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The action of the reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// What each model says, in the report's order.
    pub replies: Vec<SampleReply>,
}

/// What one model says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SampleReply {
    /// The model's name.
    pub model: String,
    /// The reply.
    pub text: String,
    /// The action whose response is nearest to it, where the turn's action is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Whether that is the turn's action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correct: Option<bool>,
}

impl Report {
    /// Reads `report.json` of a directory and checks that it tells of a model.
    pub fn read(dir: &Path) -> Result<Self> {
        Self::read_file(&dir.join(FILE))
    }

    /// The same for a report of any name.
    pub fn read_file(path: &Path) -> Result<Self> {
        let report: Self = json::read(path)?;
        if report.models.is_empty() {
            return Err(Error::malformed(path, "figures of at least one model", "none"));
        }
        Ok(report)
    }

    /// Writes `report.json` into a directory.
    pub fn write(&self, dir: &Path) -> Result<()> {
        json::write(&dir.join(FILE), self)
    }
}

impl Sample {
    /// Reads `samples.jsonl` of a directory.
    pub fn read(dir: &Path) -> Result<Vec<Self>> {
        json::lines(&dir.join(SAMPLES_FILE))?.collect()
    }

    /// Writes `samples.jsonl` into a directory.
    pub fn write(dir: &Path, samples: &[Self]) -> Result<()> {
        let mut file = json::LinesWriter::create(&dir.join(SAMPLES_FILE))?;
        for sample in samples {
            file.write(sample)?;
        }
        file.flush()
    }
}
