//! What a report was made of, and where: for whoever wants the same again.

use std::collections::BTreeMap;
use std::path::Path;

use artifact::checksums::sha256;
use artifact::conversation::Split;
use artifact::preprocess::{self, Summary};
use artifact::report::{Machine, Origin};
use artifact::sources::Sources;
use artifact::{Result, json, shard, weights};
use fs_err as fs;

use crate::Arguments;
use crate::held_out;
use crate::named_model::NamedModel;

/// What the report of these arguments is made of, but for the models.
pub(crate) fn of(arguments: &Arguments, models: &[NamedModel]) -> Result<Origin> {
    let mut data = BTreeMap::new();
    let mut files = vec![arguments.data.join(held_out::FILE)];
    files.extend(shard::files(&arguments.data, Split::Train)?);
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        data.insert(name, sha256(&file)?);
    }
    let preparation = arguments.data.join(preprocess::FILE);
    Ok(Origin {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        command: command(arguments, models),
        data,
        models: BTreeMap::new(),
        sources: arguments.conversations.as_deref().map(Sources::read).transpose()?,
        preparation: if preparation.is_file() { Some(json::read::<Summary>(&preparation)?) } else { None },
    })
}

/// The command, without what is a matter of the machine: directories and threads.
fn command(arguments: &Arguments, models: &[NamedModel]) -> Vec<String> {
    let mut command: Vec<String> = ["evaluate", "--data", "DATA"].map(str::to_owned).to_vec();
    for model in models {
        command.extend(["--model".to_owned(), format!("{}=MODEL", model.name)]);
    }
    let limit = arguments.limit.map(|limit| ("--limit", u64::from(limit)));
    let numbers = [
        ("--seed", arguments.seed),
        ("--perturb", u64::from(arguments.perturb)),
        ("--max-new-tokens", u64::from(arguments.max_new_tokens)),
        ("--leak-samples", u64::from(arguments.leak_samples)),
    ];
    command.extend(
        limit.into_iter().chain(numbers).flat_map(|(name, value)| [name.to_owned(), value.to_string()]),
    );
    command.extend(arguments.prompts.iter().flat_map(|prompt| ["--prompt".to_owned(), prompt.clone()]));
    command
}

/// The digest and the bytes of a model's file of weights, counts or index.
pub(crate) fn weights(model: &Path) -> Result<(String, u64)> {
    let path = model.join(weights::FILE);
    Ok((sha256(&path)?, fs::metadata(&path)?.len()))
}

/// This machine, as far as its system tells.
pub(crate) fn machine() -> Machine {
    let value = |file: &str, key: &str| {
        let text = fs::read_to_string(file).ok()?;
        let line = text.lines().find(|line| line.starts_with(key))?;
        line.split_once(':').map(|(_, value)| value.trim().to_owned())
    };
    let kibibytes = value("/proc/meminfo", "MemTotal");
    let kibibytes = kibibytes.and_then(|text| text.strip_suffix("kB")?.trim().parse::<u64>().ok());
    Machine {
        system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        processor: value("/proc/cpuinfo", "model name"),
        threads: rayon::current_num_threads(),
        memory_bytes: kibibytes.map(|kibibytes| kibibytes << 10),
    }
}
