//! A talk in the terminal.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::PathBuf;

use anyhow::{Context, bail};
use artifact::config::GenerationConfig;
use artifact::conversation::{Message, Role};
use clap::Args;
use model::chat::{Chat, seed_of_turn};
use terminal::Lang;

use crate::bundle;
use crate::sampling::{Sampling, random_seed};

/// The options of `deploy chat`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Model directory; the bundle's own where this program runs inside one
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// Seed of the sampling, which makes a talk repeatable; another each time by default
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Always take the likeliest token
    #[arg(long, conflicts_with = "temperature")]
    greedy: bool,
    /// Divides the logits before sampling: 0 (always the likeliest token) to 2; the model's own by default
    #[arg(long, value_name = "X")]
    temperature: Option<f64>,
    /// Sample among the likeliest tokens that together reach this probability, 0 to 1; the model's own by default
    #[arg(long, value_name = "P")]
    top_p: Option<f64>,
    /// Sample among the K likeliest tokens (0: all); the model's own by default
    #[arg(long, value_name = "K")]
    top_k: Option<usize>,
    /// Sample among tokens at least this share of the likeliest one's probability, 0 to 1; the model's own by default
    #[arg(long, value_name = "P")]
    min_p: Option<f64>,
    /// Divides the logits of tokens already present: 0.1 to 10, where 1 changes nothing; the model's own by default
    #[arg(long, value_name = "X")]
    repetition_penalty: Option<f64>,
    /// The most tokens of one reply; the model's own by default
    #[arg(long, value_name = "N")]
    max_tokens: Option<usize>,
    /// Instructions that stand before the talk, for models trained with such
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
    /// Say this, print the reply, and exit; repeat it for a talk of several turns
    #[arg(long, value_name = "TEXT")]
    say: Vec<String>,
}

pub(crate) fn run(arguments: Arguments) -> anyhow::Result<()> {
    let sampling = Sampling {
        temperature: if arguments.greedy { Some(0.0) } else { arguments.temperature },
        top_p: arguments.top_p,
        top_k: arguments.top_k,
        min_p: arguments.min_p,
        repetition_penalty: arguments.repetition_penalty,
        max_tokens: arguments.max_tokens,
    };
    sampling.over(&GenerationConfig::default())?;
    let chat = Chat::read(&bundle::model_dir(arguments.model)?)?;
    let settings = sampling.over(&chat.generation)?;
    let mut talk = Talk {
        chat: &chat,
        settings,
        seed: arguments.seed.unwrap_or_else(random_seed),
        system: arguments.system,
        messages: Vec::new(),
        told_of_dropping: false,
        escapes: io::stdout().is_terminal(),
    };
    talk.reset();
    if !arguments.say.is_empty() {
        return talk.say(&arguments.say);
    }
    talk.converse()
}

struct Talk<'a> {
    chat: &'a Chat,
    settings: GenerationConfig,
    seed: u64,
    system: Option<String>,
    messages: Vec<Message>,
    told_of_dropping: bool,
    /// Whether stdout would act on control characters.
    escapes: bool,
}

impl Talk<'_> {
    fn reset(&mut self) {
        self.messages.clear();
        self.messages.extend(self.system.as_ref().map(|text| Message::new(Role::System, text)));
        self.told_of_dropping = false;
    }

    fn say(&mut self, questions: &[String]) -> anyhow::Result<()> {
        for question in questions {
            writeln!(io::stdout(), "> {question}")?;
            self.turn(question)?;
        }
        Ok(())
    }

    /// One turn: the reply streams to stdout and joins the history. A refused turn leaves no trace.
    fn turn(&mut self, question: &str) -> anyhow::Result<()> {
        self.messages.push(Message::user(question));
        let seed = seed_of_turn(self.seed, self.messages.len());
        let reply = match self.chat.reply(&self.messages, &self.settings, seed) {
            Ok(reply) => reply,
            Err(error) => {
                self.messages.pop();
                return Err(error.into());
            }
        };
        if reply.dropped > 0 && !self.told_of_dropping {
            self.told_of_dropping = true;
            eprintln!(
                "{}",
                Lang::pick(
                    "(대화가 길어져 가장 오래된 말부터 모델이 읽지 못합니다)",
                    "(the talk has grown long: from now on the model no longer reads its oldest turns)"
                )
            );
        }
        let mut stdout = io::stdout().lock();
        let mut answer = String::new();
        for piece in reply {
            answer.push_str(&piece);
            stdout.write_all(self.printable(&piece).as_bytes())?;
            stdout.flush()?;
        }
        writeln!(stdout)?;
        self.messages.push(Message::assistant(answer));
        Ok(())
    }

    /// On a terminal, without the control characters by which a text could command it.
    fn printable(&self, text: &str) -> String {
        let commands = |c: char| self.escapes && c.is_control() && c != '\n' && c != '\t';
        text.chars().filter(|&c| !commands(c)).collect()
    }

    fn converse(&mut self) -> anyhow::Result<()> {
        let interactive = io::stdin().is_terminal();
        if interactive {
            eprintln!(
                "{}",
                Lang::pick(
                    "말을 걸어 보세요. /help 로 도움말을 봅니다.",
                    "Say something. /help lists commands."
                )
            );
        }
        let mut stdin = io::stdin().lock();
        for number in 1_u64.. {
            if interactive {
                eprint!("> ");
                io::stderr().flush()?;
            }
            let mut line = Vec::new();
            if stdin.read_until(b'\n', &mut line)? == 0 {
                if interactive {
                    eprintln!();
                }
                break;
            }
            let Ok(line) = String::from_utf8(line) else {
                let problem = format!("stdin:{number}: expected UTF-8, found other bytes");
                if interactive {
                    eprintln!("{problem}");
                    continue;
                }
                bail!(problem);
            };
            match line.trim() {
                "" => {}
                "/quit" | "/exit" => break,
                "/help" => eprintln!("{}", help()),
                "/reset" => {
                    self.reset();
                    eprintln!("{}", Lang::pick("새 대화를 시작합니다.", "A new talk begins."));
                }
                command if command.starts_with('/') && !command.contains(char::is_whitespace) => {
                    eprintln!("{}: {command}\n{}", Lang::pick("모르는 명령", "no such command"), help());
                }
                text => match self.turn(text) {
                    Err(error) if interactive && error.downcast_ref::<artifact::Error>().is_some() => {
                        eprintln!("{error:#}");
                    }
                    result => result.with_context(|| format!("stdin:{number}"))?,
                },
            }
        }
        Ok(())
    }
}

fn help() -> &'static str {
    Lang::pick(
        "/help   이 도움말\n/reset  새 대화를 시작합니다\n/quit   끝냅니다 (Ctrl-D도 같습니다)",
        "/help   this help\n/reset  begins a new talk\n/quit   ends (so does Ctrl-D)",
    )
}
