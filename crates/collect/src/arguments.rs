//! The command line, as it is given and as it is meant.

use std::path::PathBuf;

use artifact::sources::{Format, SourceOption};
use artifact::{Error, Result};
use clap::{Parser, ValueEnum};

use crate::rasa::join::Joining;

/// Turn sources of talk into conversations, one JSON object a line
#[derive(Debug, Clone, Parser)]
#[command(name = "collect", version)]
pub struct Arguments {
    /// A file, a folder, or a description of one (datasets/*.toml); may be repeated
    #[arg(long, required = true, value_name = "PATH")]
    pub source: Vec<String>,
    /// The directory to write; it must not exist
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// How the sources are written; told by their names and contents when absent
    #[arg(long, value_enum)]
    pub format: Option<FormatName>,
    /// Seed of every random choice
    #[arg(long, default_value_t = 42, value_name = "N")]
    pub seed: u64,
    /// The bot's name, wherever a Rasa source writes `{bot_name}`
    #[arg(long, default_value = "나만", value_name = "NAME")]
    pub bot_name: String,
    /// Only stories and dialogues of these topics (names of the files in data/), separated by commas; all when absent
    #[arg(long, value_delimiter = ',', value_name = "TOPIC,...")]
    pub topics: Vec<String>,
    /// Training conversations to expand from the stories of each Rasa source
    #[arg(long, default_value_t = 20_000, value_name = "N")]
    pub count: usize,
    /// Conversations to expand for validation [default: a tenth of --count, at least 200]
    #[arg(long, value_name = "N")]
    pub valid_count: Option<usize>,
    /// Conversations to expand for the test [default: a tenth of --count, at least 200 and one for each story]
    #[arg(long, value_name = "N")]
    pub test_count: Option<usize>,
    /// Percent of each intent's phrasings, and of the personal names, kept for validation
    #[arg(long, default_value_t = 6.25, value_name = "PERCENT")]
    pub valid_percent: f64,
    /// Percent of each intent's phrasings, and of the personal names, kept for the test
    #[arg(long, default_value_t = 12.5, value_name = "PERCENT")]
    pub test_percent: f64,
    /// Use at most the first N responses of an action; all when absent
    #[arg(long, value_name = "N")]
    pub replies_per_action: Option<usize>,
    /// Stories that one talk goes through at most, each number up to it as often; a story in which the person tells
    /// something of themselves ends its talk
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub stories_per_talk: usize,
    /// Intent whose one-turn stories open a quarter of the talks of several stories, as people greet before they ask
    #[arg(long, value_name = "INTENT", requires = "stories_per_talk")]
    pub opening: Option<String>,
    /// Draw half of the names of people and pets from names composed of Korean syllables instead of the listed ones
    #[arg(long)]
    pub compose_names: bool,
    /// Leave out the whole dialogues that lie beside the stories
    #[arg(long)]
    pub no_dialogues: bool,
    /// Header of the question's and the answer's column in CSV [default: Q,A or question,answer or user,assistant]
    #[arg(long, value_name = "QUESTION,ANSWER")]
    pub columns: Option<String>,
    /// What every binary takes.
    #[command(flatten)]
    pub common: terminal::Common,
}

/// A format on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FormatName {
    /// A folder with domain.yml or domain/, and data/
    Rasa,
    /// Lines of {"messages": [{"role", "content"}, ...]}
    Jsonl,
    /// A header, then a question and its answer in each row; .tsv is separated by tabs
    Csv,
}

impl From<FormatName> for Format {
    fn from(name: FormatName) -> Self {
        match name {
            FormatName::Rasa => Self::Rasa,
            FormatName::Jsonl => Self::Jsonl,
            FormatName::Csv => Self::Csv,
        }
    }
}

/// The headers of the two columns of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Columns {
    pub(crate) question: String,
    pub(crate) answer: String,
}

impl Columns {
    /// Reads `QUESTION,ANSWER`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (question, answer) = text.split_once(',')?;
        let (question, answer) = (question.trim(), answer.trim());
        let whole = !question.is_empty() && !answer.is_empty() && !answer.contains(',') && question != answer;
        whole.then(|| Self { question: question.to_owned(), answer: answer.to_owned() })
    }
}

/// Shares of phrasings and names that are kept from training, each in 0..1, together below 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Shares {
    pub(crate) valid: f64,
    pub(crate) test: f64,
}

/// The options, checked.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) format: Option<Format>,
    pub(crate) seed: u64,
    pub(crate) bot_name: String,
    /// Empty for all.
    pub(crate) topics: Vec<String>,
    pub(crate) train_count: usize,
    pub(crate) valid_count: usize,
    /// As asked for; without it, [`Options::default_test_count`].
    pub(crate) test_count: Option<usize>,
    pub(crate) shares: Shares,
    pub(crate) replies_per_action: usize,
    pub(crate) joining: Joining,
    pub(crate) compose_names: bool,
    pub(crate) dialogues: bool,
    pub(crate) columns: Option<Columns>,
}

/// The fewest held-out conversations that are expanded when their number is not given.
const FEWEST_HELD_OUT: usize = 200;

impl Options {
    pub(crate) fn check(arguments: &Arguments) -> Result<Self> {
        let bot_name = arguments.bot_name.trim();
        if bot_name.is_empty() || bot_name.contains(|c: char| c.is_control() || "{}()[]".contains(c)) {
            return Err(Error::refused(format!(
                "--bot-name: a name without brackets is needed, not {bot_name:?}"
            )));
        }
        let (valid, test) = (arguments.valid_percent, arguments.test_percent);
        if !(valid >= 0.0 && test >= 0.0 && valid + test < 100.0) {
            let message =
                format!("--valid-percent {valid} and --test-percent {test} leave nothing for training");
            return Err(
                Error::refused(message).with_hint("give two numbers from 0 that add up to less than 100")
            );
        }
        if arguments.replies_per_action == Some(0) {
            return Err(Error::refused("--replies-per-action 0 leaves no reply").with_hint("give at least 1"));
        }
        if arguments.stories_per_talk == 0 {
            return Err(Error::refused("--stories-per-talk 0 leaves no talk").with_hint("give at least 1"));
        }
        let columns = match &arguments.columns {
            None => None,
            Some(text) => Some(Columns::parse(text).ok_or_else(|| {
                Error::refused(format!("--columns {text}: two different headers are needed"))
                    .with_hint("separate them by a comma: --columns Q,A")
            })?),
        };
        let mut topics = arguments.topics.clone();
        topics.sort();
        topics.dedup();
        Ok(Self {
            format: arguments.format.map(Format::from),
            seed: arguments.seed,
            bot_name: bot_name.to_owned(),
            topics,
            train_count: arguments.count,
            valid_count: arguments.valid_count.unwrap_or((arguments.count / 10).max(FEWEST_HELD_OUT)),
            test_count: arguments.test_count,
            shares: Shares { valid: valid / 100.0, test: test / 100.0 },
            replies_per_action: arguments.replies_per_action.unwrap_or(usize::MAX),
            joining: Joining { most: arguments.stories_per_talk, opening: arguments.opening.clone() },
            compose_names: arguments.compose_names,
            dialogues: !arguments.no_dialogues,
            columns,
        })
    }

    /// Whether a topic is asked for.
    pub(crate) fn has_topic(&self, topic: &str) -> bool {
        self.topics.is_empty() || self.topics.iter().any(|asked| asked == topic)
    }

    /// Test conversations unless their number is given: every story that can be tested has at least one.
    pub(crate) fn default_test_count(&self, stories: usize) -> usize {
        (self.train_count / 10).max(FEWEST_HELD_OUT).max(stories)
    }

    /// What `sources.json` tells of a Rasa source's options.
    pub(crate) fn of_rasa(&self) -> Vec<SourceOption> {
        let mut options = vec![
            named("bot-name", &self.bot_name),
            named("count", self.train_count),
            named("valid-count", self.valid_count),
            named("valid-percent", self.shares.valid * 100.0),
            named("test-percent", self.shares.test * 100.0),
            named("stories-per-talk", self.joining.most),
            named("compose-names", self.compose_names),
            named("dialogues", self.dialogues),
        ];
        if let Some(opening) = &self.joining.opening {
            options.push(named("opening", opening));
        }
        if let Some(count) = self.test_count {
            options.push(named("test-count", count));
        }
        if self.replies_per_action != usize::MAX {
            options.push(named("replies-per-action", self.replies_per_action));
        }
        if !self.topics.is_empty() {
            options.push(named("topics", self.topics.join(",")));
        }
        options
    }
}

/// An option as `sources.json` tells it.
pub(crate) fn named(name: &str, value: impl ToString) -> SourceOption {
    SourceOption { name: name.to_owned(), value: value.to_string() }
}
