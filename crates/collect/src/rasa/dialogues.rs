//! Whole dialogues beside the stories: `dialogues/TOPIC.jsonl`.

use std::collections::BTreeMap;
use std::path::Path;

use artifact::conversation::{Role, Split};
use artifact::{Result, particle};
use fs_err as fs;

use super::BOT_NAME;
use super::example::key_of_text;
use super::holdout::Holdout;
use crate::arguments::{Options, Shares};
use crate::output::{Output, Talk};
use crate::tally::Tally;
use crate::{decode, digest, jsonl};

/// Reads every dialogue, with the bot's name in its place; counts those that are none.
pub(super) fn read(root: &Path, bot_name: &str, tally: &mut Tally) -> Result<Vec<Talk>> {
    let folder = root.join("dialogues");
    let mut talks = Vec::new();
    if !folder.is_dir() {
        return Ok(talks);
    }
    for path in digest::files(&folder)? {
        if path.extension().is_none_or(|extension| extension != "jsonl") {
            continue;
        }
        let topic = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        // What is read is counted as kept here; the choice comes later.
        decode::refuse_large(&path, fs::metadata(&path)?.len(), decode::LARGEST)?;
        jsonl::read(&path, fs::File::open(&path)?, &topic, tally, |mut talk| {
            for message in &mut talk.messages {
                message.content = particle::resolve(&message.content.replace(BOT_NAME, bot_name));
                message.action = None;
            }
            talk.topic.get_or_insert_with(|| topic.clone());
            talks.push(talk);
            Ok(())
        })?;
    }
    Ok(talks)
}

/// Writes the dialogues that are asked for, each with its split.
pub(super) fn write(
    talks: Vec<Talk>,
    holdout: &Holdout,
    options: &Options,
    tally: &mut Tally,
    output: &mut Output,
) -> Result<()> {
    let mut owners = BTreeMap::new();
    for mut talk in talks {
        // Every dialogue is divided, so that the choice of topics changes no split.
        let split = split(&talk, holdout, options.shares, &mut owners);
        let is_asked = talk.topic.as_ref().is_none_or(|topic| options.has_topic(topic));
        if !options.dialogues {
            tally.reject("--no-dialogues");
        } else if !is_asked {
            tally.reject("of a topic that was not asked for");
        } else if let Some(split) = split {
            talk.split = Some(split);
            tally.keep();
            output.write(talk)?;
        } else {
            tally.reject("says phrasings of two splits");
        }
    }
    Ok(())
}

/// The split of the phrasings that it shares with intents or earlier dialogues, otherwise one by the hash of its id.
fn split(
    talk: &Talk,
    holdout: &Holdout,
    shares: Shares,
    owners: &mut BTreeMap<String, Split>,
) -> Option<Split> {
    let says = talk.messages.iter().filter(|message| message.role == Role::User);
    let keys: Vec<String> = says.map(|message| key_of_text(&message.content)).collect();
    let mut bound = keys.iter().filter_map(|key| holdout.of_key(key).or_else(|| owners.get(key).copied()));
    let split = match bound.next() {
        Some(split) => bound.all(|other| other == split).then_some(split)?,
        None => by_hash(&talk.id, shares),
    };
    for key in keys {
        owners.insert(key, split);
    }
    Some(split)
}

fn by_hash(id: &str, shares: Shares) -> Split {
    let place = digest::of_text(id) as f64 / u64::MAX as f64;
    if place < shares.test {
        Split::Test
    } else if place < shares.test + shares.valid {
        Split::Valid
    } else {
        Split::Train
    }
}
