//! Measures models on conversations that they have never seen, and writes the report.
//!
//! Held-out loss, action accuracy, context recall, speed, memory and sample talks of one or more models, side by side and
//! ranked. Apart from the speed, the same data and models give the same report.

mod answers;
pub mod bleu;
pub mod bootstrap;
pub mod choices;
pub mod chrf;
pub mod chrf_plus_plus;
mod confusion;
mod course;
pub mod diversity;
mod figures;
mod hangul;
mod held_out;
pub mod honesty;
mod judge;
mod loss;
mod loss_figures;
pub mod manner;
mod measure;
mod memory;
mod named_model;
pub mod nearest;
mod openai;
pub mod page;
pub mod perturb;
mod plot;
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

use std::path::PathBuf;

use anyhow::Context;
use artifact::OutDir;
use artifact::report::{PAGE_FILE, Report, Sample};
use artifact::write_atomic;
use clap::Parser;
use model::chat::Chat;

pub use course::Course;
pub use measure::{Measured, Task};

/// Measures models on held-out conversations and writes a report: report.json, samples.jsonl, report.html
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
    /// Options that every stage takes.
    #[command(flatten)]
    pub common: terminal::Common,
}

/// Runs the stage.
///
/// # Errors
/// When the arguments, the data or a model cannot be used; no output directory is left then.
pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    let models = named_model::parse_all(&arguments.models)?;
    let task = Task::read(&arguments)?;
    // Early, so that a directory in the way is told before minutes of work.
    let out = OutDir::create(&arguments.out)?;
    let mut measured = Measured::new(&task);
    for named_model::NamedModel { name, dir } in &models {
        let context = || format!("model `{name}`");
        let chat = Chat::read(dir).with_context(context)?;
        let model_type = named_model::model_type(dir).with_context(context)?;
        let course = course::read(dir).with_context(context)?;
        measured.add(&task, name, &model_type, &chat, course).with_context(context)?;
    }
    measured.judge(&task)?;
    let Measured { report, samples, .. } = measured;
    write(&out, &report, &samples)?;
    out.publish()?;
    summary::print(&report, &samples);
    Ok(())
}

fn write(out: &OutDir, report: &Report, samples: &[Sample]) -> anyhow::Result<()> {
    report.write(out.path())?;
    Sample::write(out.path(), samples)?;
    let page = page::render(report, samples, terminal::Lang::current());
    write_atomic(&out.path().join(PAGE_FILE), page.as_bytes())?;
    Ok(())
}
