//! The command line, as it is given and as it is meant.

use std::path::PathBuf;

use artifact::sources::{Format, SourceOption};
use artifact::{Error, Result};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser};

use crate::download::Downloads;
use crate::moment;
use crate::rasa::join::Joining;
use crate::shard::Shard;
use crate::turns::{Rules, Speakers};

/// Turn sources of talk into conversations, one JSON object a line
#[derive(Debug, Clone, Parser)]
#[command(name = "collect", version)]
pub struct Arguments {
    /// A file, a folder, an archive, the address of a file (https://...), a data set of the Hugging Face hub
    /// (hf:OWNER/NAME[@REVISION]), or a description of one of these (datasets/*.toml); may be repeated
    #[arg(long, required = true, value_name = "PATH|URL")]
    pub source: Vec<String>,
    /// The directory to write; it must not exist
    #[arg(long, value_name = "DIR", required_unless_present = "preview")]
    pub out: Option<PathBuf>,
    /// Show what would be read, and the first conversations, and write nothing
    #[arg(long, conflicts_with = "out")]
    pub preview: bool,
    /// How the sources are written; told by their contents when absent
    #[arg(long, value_name = "FORMAT")]
    #[arg(value_parser = PossibleValuesParser::new(Format::ALL.map(Format::name)).try_map(format_named))]
    pub format: Option<Format>,
    /// Write only the I-th of every N conversations: N runs, as 1/N to N/N, write each conversation once
    #[arg(long, default_value_t = Shard::WHOLE, value_name = "I/N")]
    pub shard: Shard,
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
    /// How files are fetched
    #[command(flatten)]
    pub downloads: DownloadArguments,
    /// How chats are read
    #[command(flatten)]
    pub chats: ChatArguments,
    /// What every binary takes.
    #[command(flatten)]
    pub common: terminal::Common,
}

/// How files are fetched.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Downloads")]
pub struct DownloadArguments {
    /// Where downloads are kept and, once whole, not fetched again [default: naman in the system's folder for caches,
    /// on Linux ~/.cache]
    #[arg(long, value_name = "DIR", env = "NAMAN_CACHE", hide_env_values = true)]
    pub cache: Option<PathBuf>,
    /// How often in a row a download may bring nothing and is tried again
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub retries: u32,
}

/// How chats are read.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Chats")]
pub struct ChatArguments {
    /// The person who becomes the assistant, by the name that the chat shows; everyone else is the user [default: the
    /// one who exported the chat, where the export tells]
    #[arg(long, value_name = "NAME")]
    pub me: Option<String>,
    /// Silence after which another conversation begins, in seconds (s), minutes (m), hours (h) or days (d)
    #[arg(long, default_value = "3h", value_name = "TIME")]
    pub gap: String,
    /// Begin each turn of a user with their name
    #[arg(long)]
    pub speakers: bool,
    /// How far the clocks of a chat are ahead of UTC, where its export does not tell
    #[arg(long, default_value = "+09:00", value_name = "+HH:MM", allow_hyphen_values = true)]
    pub utc_offset: String,
    /// Subtitles name no speakers: take each cue for an answer to the one before (a small --gap, such as 10s, helps)
    #[arg(long)]
    pub alternate: bool,
}

/// The format of this name.
fn format_named(name: String) -> std::result::Result<Format, String> {
    Format::ALL.into_iter().find(|format| format.name() == name).ok_or_else(|| format!("no format `{name}`"))
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
    pub(crate) shard: Shard,
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
    pub(crate) downloads: Downloads,
    /// How chats are read.
    pub(crate) rules: Rules,
    /// Whether the cues of subtitles answer each other.
    pub(crate) alternate: bool,
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
            format: arguments.format,
            shard: arguments.shard,
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
            downloads: downloads(&arguments.downloads),
            rules: rules(&arguments.chats)?,
            alternate: arguments.chats.alternate,
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

/// How files are to be fetched.
fn downloads(arguments: &DownloadArguments) -> Downloads {
    let usual = || dirs::cache_dir().unwrap_or_else(std::env::temp_dir).join("naman");
    Downloads { cache: arguments.cache.clone().unwrap_or_else(usual), retries: arguments.retries }
}

/// How chats are to be read.
fn rules(arguments: &ChatArguments) -> Result<Rules> {
    let gap = seconds(&arguments.gap).ok_or_else(|| {
        Error::refused(format!("--gap {}: a time is needed", arguments.gap))
            .with_hint("such as 30m, 3h or 1d")
    })?;
    let offset = moment::offset(&arguments.utc_offset).ok_or_else(|| {
        let message = format!("--utc-offset {}: hours and minutes are needed", arguments.utc_offset);
        Error::refused(message).with_hint("such as +09:00 or -05:30")
    })?;
    let speakers = if arguments.speakers { Speakers::Named } else { Speakers::Unnamed };
    let me = arguments.me.as_deref().map(str::trim);
    if me == Some("") {
        return Err(Error::refused("--me: a name is needed").with_hint("give it as the chat shows it"));
    }
    Ok(Rules { me: me.map(str::to_owned), gap, speakers, offset })
}

/// Seconds of `90s`, `30m`, `3h`, `1d`.
fn seconds(text: &str) -> Option<i64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    number.parse::<i64>().ok().filter(|number| *number > 0)?.checked_mul(unit)
}

/// An option as `sources.json` tells it.
pub(crate) fn named(name: &str, value: impl ToString) -> SourceOption {
    SourceOption { name: name.to_owned(), value: value.to_string() }
}
