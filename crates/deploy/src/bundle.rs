//! A bundle: one directory that holds everything to run a bot on another machine.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use artifact::config::ModelConfig;
use artifact::model_card::{self, Card};
use artifact::report::Report;
use artifact::sources::Sources;
use artifact::{OutDir, checksums};
use clap::Args;
use fs_err as fs;
use model::chat::Chat;
use terminal::Lang;

/// The server binary's name in a bundle.
pub(crate) const BINARY: &str = if cfg!(windows) { "naman.exe" } else { "naman" };
/// The model directory's name in a bundle.
pub(crate) const MODEL: &str = "model";

/// The options of `deploy bundle`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Model directory, as `train` writes it
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// What `evaluate` wrote about the model, for the model card
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// What `collect` wrote, for the sources and licences in the model card
    #[arg(long, value_name = "DIR")]
    conversations: Option<PathBuf>,
    /// Directory to write; it must not exist yet
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// What a bundle holds beside the model, the program and what is written about them: its name and what it says.
const FILES: [(&str, &str); 5] = [
    ("Containerfile", include_str!("../bundle/Containerfile")),
    ("README.txt", include_str!("../bundle/README.txt")),
    ("compose.yaml", include_str!("../bundle/compose.yaml")),
    ("kubernetes.yaml", include_str!("../bundle/kubernetes.yaml")),
    ("naman.service", include_str!("../bundle/naman.service")),
];

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

pub(crate) fn run(arguments: Arguments) -> anyhow::Result<()> {
    // A bundle that cannot answer is worse than none, so the model is read as the server would read it.
    let chat = Chat::read(&arguments.model)?;
    let config = ModelConfig::read(&arguments.model)?;
    let sources = arguments.conversations.as_deref().map(Sources::read).transpose()?;
    let report = arguments.report.as_deref().map(Report::read).transpose()?;
    let card = Card {
        config: &config,
        generation: &chat.generation,
        parameters: chat.model.parameters(),
        vocab_size: chat.model.vocab_size(),
        context_length: chat.model.context_length(),
        sources: sources.as_ref(),
        report: report.as_ref(),
        name: None,
    };
    let for_others =
        if model_card::is_for_transformers(&config) { FOR_OTHERS } else { "\nOnly naman reads `model/`.\n" };
    let card = format!("{}{HOW_TO_RUN}{for_others}", model_card::write(&card));
    let executable = std::env::current_exe().context("finding this program's own file")?;

    let out = OutDir::create(&arguments.out)?;
    let dir = out.path();
    copy_files(&arguments.model, &dir.join(MODEL))?;
    // Copied with its permissions, so it stays executable.
    fs::copy(&executable, dir.join(BINARY))?;
    fs::write(dir.join(model_card::FILE), card)?;
    for (name, text) in FILES {
        fs::write(dir.join(name), text)?;
    }
    checksums::write(dir)?;
    out.publish()?;

    eprintln!("{}: ./{BINARY} serve", Lang::pick("꾸러미 안에서 실행", "to run it, inside the bundle"));
    Ok(())
}

/// The files of a model directory. Folders in it (a checkpoint, a cache) are no part of the model.
fn copy_files(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        if !hidden && fs::metadata(entry.path())?.is_file() {
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

/// The model to use: the one given, otherwise the one of the bundle that this program runs in, its checksums verified.
///
/// # Errors
/// When none is given and this program runs in no bundle, or a file of the bundle is not as it was written.
pub(crate) fn model_dir(given: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    if let Some(dir) = given {
        return Ok(dir);
    }
    let executable = std::env::current_exe().context("finding this program's own file")?;
    let bundle = executable.parent().filter(|dir| dir.join(checksums::FILE).is_file());
    let Some(bundle) = bundle else {
        bail!("no model given, and this program runs in no bundle (hint: --model DIR)");
    };
    checksums::verify(bundle)?;
    Ok(bundle.join(MODEL))
}
