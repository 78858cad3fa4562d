//! A source of any format: its files, through its reader, to the output.

use std::path::Path;

use artifact::sources::{Count, Format, SourceOption};
use artifact::{Error, Result};
use terminal::{Lang, Progress};

use crate::arguments::{Options, named};
use crate::chat::Chat;
use crate::files::Files;
use crate::output::Output;
use crate::roles::Tallies;
use crate::source::Source;
use crate::tally::Tally;
use crate::turns::{self, Speakers};
use crate::{
    alpaca, chatgpt, chatterbot, csv, detect, discord, imessage, jsonl, kakaotalk, line, messenger, parquet,
    rasa, sharegpt, slack, subrip, telegram, whatsapp,
};

/// Reads a source; gives what became of all in it, and the options that mattered.
pub(crate) fn read(
    source: &Source,
    options: &Options,
    output: &mut Output,
) -> Result<(Vec<Count>, Vec<SourceOption>)> {
    match source.format {
        Format::Rasa => Ok((rasa::read(source, options, output)?, options.of_rasa())),
        Format::Jsonl => Ok((jsonl::read(source, output)?, Vec::new())),
        Format::Csv => {
            let (counts, columns) = csv::read(source, output)?;
            Ok((counts, vec![named("columns", format!("{},{}", columns.question, columns.answer))]))
        }
        Format::Kakaotalk
        | Format::Whatsapp
        | Format::Telegram
        | Format::Discord
        | Format::Slack
        | Format::Messenger
        | Format::Line
        | Format::Imessage
        | Format::Subrip => {
            if source.format == Format::Subrip && !options.alternate {
                let message = format!("{}: subtitles do not say who speaks", source.path.display());
                return Err(Error::refused(message)
                    .with_hint("--alternate takes each cue for an answer to the one before"));
            }
            let chats = chats(source)?;
            let mut tally = Tally::new("messages");
            turns::write(&chats, &options.rules, &mut tally, output)?;
            output.meet(turns::people(&chats));
            let gap = named("gap", format!("{}s", options.rules.gap));
            let speakers = named("speakers", options.rules.speakers == Speakers::Named);
            Ok((vec![tally.count()], vec![gap, speakers]))
        }
        Format::Chatgpt | Format::Sharegpt | Format::Alpaca | Format::Parquet | Format::Chatterbot => {
            let tallies = with_roles(source, output)?;
            Ok((vec![tallies.conversations.count(), tallies.turns.count()], Vec::new()))
        }
    }
}

/// The files of the source that are written in its format, each with its name without extension.
fn files_of(
    source: &Source,
    mut each: impl FnMut(&mut Files, &str, &Path, &str) -> Result<()>,
) -> Result<()> {
    let mut files = Files::open(&source.path)?;
    let names = files.names().to_vec();
    let progress = Progress::new(Lang::pick("읽기", "reading"), names.len() as u64, "files");
    let mut read = 0;
    for name in &names {
        if names.len() == 1 || detect::of_file(&mut files, name)? == Some(source.format) {
            let path = files.path(name);
            let stem = Path::new(name).file_stem().unwrap_or_default().to_string_lossy().into_owned();
            each(&mut files, name, &path, &stem)?;
            read += 1;
        }
        progress.inc(1);
    }
    progress.finish();
    if read == 0 {
        let expected = format!("files of the format {}", source.format.name());
        return Err(Error::malformed(&source.path, expected, "none"));
    }
    Ok(())
}

fn chats(source: &Source) -> Result<Vec<Chat>> {
    match source.format {
        Format::Slack => return slack::read(&mut Files::open(&source.path)?),
        Format::Messenger => {
            let mut chats = messenger::read(&mut Files::open(&source.path)?)?;
            for chat in &mut chats {
                name(chat, &source.name);
            }
            return Ok(chats);
        }
        _ => {}
    }
    let reader: fn(&Path, &str) -> Result<Vec<Chat>> = match source.format {
        Format::Kakaotalk => |path, text| Ok(vec![kakaotalk::read(path, text)?]),
        Format::Whatsapp => |path, text| Ok(vec![whatsapp::read(path, text)?]),
        Format::Telegram => telegram::read,
        Format::Discord => |path, text| Ok(vec![discord::read(path, text)?]),
        Format::Line => |path, text| Ok(vec![line::read(path, text)?]),
        Format::Imessage => |path, text| Ok(vec![imessage::read(path, text)?]),
        _ => |path, text| Ok(vec![subrip::read(path, text)?]),
    };
    let mut chats: Vec<Chat> = Vec::new();
    files_of(source, |files, file, path, stem| {
        let mut read = reader(path, &files.text(file)?)?;
        for chat in &mut read {
            name(chat, stem);
        }
        for chat in read {
            // A long chat is exported as NAME-1.txt, NAME-2.txt, ...
            let whole = first_part(&chat.id);
            match chats
                .last_mut()
                .filter(|last| source.format == Format::Kakaotalk && first_part(&last.id) == whole)
            {
                Some(last) if whole.is_some() => last.entries.extend(chat.entries),
                _ => chats.push(chat),
            }
        }
        Ok(())
    })?;
    Ok(chats)
}

/// A chat whose export does not name it has the name of its file.
fn name(chat: &mut Chat, stem: &str) {
    if chat.id.is_empty() {
        stem.clone_into(&mut chat.id);
    }
}

/// `NAME` of `NAME-3`.
fn first_part(id: &str) -> Option<&str> {
    let (name, number) = id.rsplit_once('-')?;
    (!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())).then_some(name)
}

fn with_roles(source: &Source, output: &mut Output) -> Result<Tallies> {
    let mut tallies = Tallies::new();
    files_of(source, |files, file, path, stem| {
        if source.format == Format::Parquet {
            return parquet::read(path, stem, source.columns.as_ref(), &mut tallies, output);
        }
        let text = files.text(file)?;
        match source.format {
            Format::Chatgpt => chatgpt::read(path, &text, stem, &mut tallies, output),
            Format::Sharegpt => sharegpt::read(path, &text, stem, &mut tallies, output),
            Format::Alpaca => alpaca::read(path, &text, stem, &mut tallies, output),
            _ => chatterbot::read(path, &text, stem, &mut tallies, output),
        }
    })?;
    Ok(tallies)
}
