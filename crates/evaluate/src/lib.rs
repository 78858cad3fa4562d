//! Measures models on conversations that they have never seen, and writes the report.
//!
//! Held-out loss, action accuracy, context recall, what a model gives away of its training data, speed, memory and sample
//! talks of one or more models, side by side and ranked. Apart from speed and machine, the same data and models give the
//! same report.

mod answers;
pub mod bleu;
pub mod bootstrap;
mod charts;
pub mod choices;
pub mod chrf;
pub mod chrf_plus_plus;
mod confusion;
mod copies;
mod course;
pub mod diversity;
mod exposure;
mod figures;
pub mod gate;
mod hangul;
mod held_out;
pub mod honesty;
mod judge;
mod labels;
mod loss;
mod loss_figures;
pub mod manner;
pub mod markdown;
mod measure;
mod memorisation;
mod memory;
mod named_model;
pub mod nearest;
mod openai;
mod origin;
mod outcomes;
pub mod page;
pub mod perturb;
mod ranking;
pub mod refusal;
mod register;
mod replies;
mod reply_figures;
mod robustness;
pub mod rouge;
mod speed;
mod summary;
mod talks;
mod training_text;
mod verdict;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use artifact::config::{GenerationConfig, ModelConfig};
use artifact::model_card::{self, Card};
use artifact::report::{Outcome, PAGE_FILE, SUMMARY_FILE, Sample};
use artifact::{OutDir, write_atomic};
use clap::Parser;
use model::chat::Chat;

pub use course::Course;
pub use measure::{Measured, Task};

/// Exit code of a gate that does not open.
const FELL: u8 = 3;

/// Measures models on held-out conversations and writes a report
///
/// The report is report.html for people, report.md in short for a README or a pull request, report.json, outcomes.jsonl and
/// samples.jsonl for programs, and `MODEL_CARD.md` of the recommended model. Exit code 3: a figure fell against --baseline.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Arguments {
    /// Prepared data: a directory that preprocess has written
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// A model to measure and the name that the report gives it; repeat to compare several
    #[arg(long = "model", value_name = "NAME=DIR", required = true)]
    pub models: Vec<String>,
    /// Where to write the report; must not exist
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// The most held-out conversations to measure, spread evenly over the test split. By default all of it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: Option<u32>,
    /// Where the choice begins when the test split holds more conversations than --limit
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub seed: u64,
    /// The most tokens of one reply
    #[arg(long, value_name = "N", default_value_t = 96, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_new_tokens: u32,
    /// A question for the sample talks; repeat for several. By default a greeting, the weather, the bot's name, and
    /// the rules of football, in Korean
    #[arg(long = "prompt", value_name = "TEXT")]
    pub prompts: Vec<String>,
    /// Held-out conversations that are shown with the replies to them
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub samples: u32,
    /// Turns that are also asked with typing errors, without spaces, in the other register, in loose letters and with
    /// emoji, spread evenly; 0 for none
    #[arg(long, value_name = "N", default_value_t = 300)]
    pub perturb: u32,
    /// Multiple-choice questions to answer by likelihood, as JSON lines {"question": "...", "choices": ["...", ...],
    /// "answer": 0}; repeat for several sets
    #[arg(long = "task", value_name = "FILE")]
    pub tasks: Vec<PathBuf>,
    /// A server with an OpenAI-compatible API that is asked which of two models' greedy replies is the better one; the
    /// conversations and the replies are sent to it, as in <http://127.0.0.1:8080/v1>
    #[arg(long, value_name = "URL")]
    pub judge: Option<String>,
    /// The server's model that judges. By default the first that it names
    #[arg(long, value_name = "NAME", requires = "judge")]
    pub judge_model: Option<String>,
    /// The server's key
    #[arg(long, value_name = "KEY", env = "OPENAI_API_KEY", hide_env_values = true)]
    pub judge_key: Option<String>,
    /// Turns that are judged for each two models, in both orders, spread evenly
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub judge_turns: u32,
    /// Replies to sample from each model, to look for what it gives away of its training data; 0 for none
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub leak_samples: u32,
    /// What collect wrote, for the sources and licences in the report and the model card
    #[arg(long, value_name = "DIR")]
    pub conversations: Option<PathBuf>,
    /// An earlier report.json to compare with; where outcomes.jsonl stands beside it, conversation by conversation
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<PathBuf>,
    /// A figure that must not fall against --baseline by more than its 95 % interval, as report.json names it; repeat for
    /// several [default: `bits_per_byte`, `action_accuracy` and `context_recall`]
    #[arg(long = "gate", value_name = "FIGURE", requires = "baseline")]
    pub gates: Vec<String>,
    /// Options that every stage takes.
    #[command(flatten)]
    pub common: terminal::Common,
}

/// Runs the stage; the exit code is 3 where a figure fell against the baseline.
///
/// # Errors
/// When the arguments, the data or a model cannot be used; no output directory is left then.
pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let models = named_model::parse_all(&arguments.models)?;
    let task = Task::read(&arguments)?;
    let baseline = arguments.baseline.as_deref().map(gate::Run::read).transpose()?;
    let mut origin = origin::of(&arguments, &models)?;
    // Early, so that a directory in the way is told before minutes of work.
    let out = OutDir::create(&arguments.out)?;
    let mut measured = Measured::new(&task);
    for named_model::NamedModel { name, dir } in &models {
        let context = || format!("model `{name}`");
        let chat = Chat::read(dir).with_context(context)?;
        let model_type = named_model::model_type(dir).with_context(context)?;
        let course = course::read(dir).with_context(context)?;
        measured.add(&task, name, &model_type, &chat, course).with_context(context)?;
        let (sha256, bytes) = origin::weights(dir).with_context(context)?;
        origin.models.insert(name.clone(), sha256);
        measured.report.models.last_mut().expect("added above").file_bytes = Some(bytes);
    }
    measured.judge(&task)?;
    measured.report.origin = Some(origin);
    measured.report.machine = Some(origin::machine());
    write(&out, &measured, &models)?;
    let now = gate::Run { report: measured.report, outcomes: Some(measured.outcomes) };
    let changes = baseline.map(|baseline| gate::compare(&baseline, &now, &arguments.gates)).transpose()?;
    out.publish()?;
    summary::print(&now.report, &measured.samples);
    let changes = changes.unwrap_or_default();
    summary::print_changes(&changes);
    let fell = changes.iter().any(gate::Change::fell);
    Ok(if fell { ExitCode::from(FELL) } else { ExitCode::SUCCESS })
}

fn write(out: &OutDir, measured: &Measured, models: &[named_model::NamedModel]) -> anyhow::Result<()> {
    let Measured { report, samples, outcomes, .. } = measured;
    let dir = out.path();
    report.write(dir)?;
    Sample::write(dir, samples)?;
    Outcome::write(dir, outcomes)?;
    let lang = terminal::Lang::current();
    write_atomic(&dir.join(PAGE_FILE), page::render(report, samples, lang).as_bytes())?;
    write_atomic(&dir.join(SUMMARY_FILE), markdown::render(report, lang).as_bytes())?;
    let best = &report.models[verdict::recommended(report)];
    let directory = models.iter().find(|model| model.name == best.name).expect("a model that was measured");
    let card = Card {
        config: &ModelConfig::read(&directory.dir)?,
        generation: &GenerationConfig::read(&directory.dir)?,
        parameters: best.parameters,
        vocab_size: best.vocab_size,
        context_length: best.context_length,
        sources: report.origin.as_ref().and_then(|origin| origin.sources.as_ref()),
        report: Some(report),
        name: Some(&best.name),
    };
    write_atomic(&dir.join(model_card::FILE), model_card::write(&card).as_bytes())?;
    Ok(())
}
