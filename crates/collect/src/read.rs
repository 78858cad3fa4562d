//! A source of any format: its files, through its reader, to the output.

use std::collections::HashSet;
use std::path::Path;

use artifact::sources::{Count, Format, SourceOption};
use artifact::{Error, Result, response};

use crate::arguments::{Columns, Options, named};
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
        Format::Jsonl => Ok((vec![lines(source, output)?], Vec::new())),
        Format::Csv => {
            let (count, columns) = rows(source, output)?;
            let columns = columns.map(|columns| format!("{},{}", columns.question, columns.answer));
            Ok((vec![count], columns.map(|columns| named("columns", columns)).into_iter().collect()))
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
    let mut names = Vec::new();
    for name in files.names().to_vec() {
        let alone = files.names().len() == 1;
        if alone
            || detect::by_name(&name) == Some(source.format)
            || detect::of_file(&mut files, &name)? == Some(source.format)
        {
            names.push(name);
        }
    }
    if source.format == Format::Jsonl && names.iter().any(|name| jsonl::is_ours(name)) {
        names.retain(|name| jsonl::is_ours(name));
    }
    if names.is_empty() {
        let expected = format!("files of the format {}", source.format.name());
        return Err(Error::malformed(&source.path, expected, "none"));
    }
    for name in &names {
        let path = files.path(name);
        let stem = Path::new(name).file_stem().unwrap_or_default().to_string_lossy().into_owned();
        each(&mut files, name, &path, &stem)?;
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

/// Conversations as JSON lines, and the responses that `collect` wrote beside them.
fn lines(source: &Source, output: &mut Output) -> Result<Count> {
    let responses = if source.path.is_dir() { response::read(&source.path)? } else { Vec::new() };
    let actions: HashSet<&str> = responses.iter().map(|response| response.action.as_str()).collect();
    let mut tally = Tally::new("conversations");
    files_of(source, |files, file, path, stem| {
        jsonl::read(path, files.reader(file)?, stem, &mut tally, |mut talk| {
            // An action without responses means nothing to those who read it.
            for message in &mut talk.messages {
                message.action.take_if(|action| !actions.contains(action.as_str()));
            }
            output.write(talk)
        })
    })?;
    if tally.read() == 0 {
        return Err(Error::malformed(&source.path, "at least one line with messages", "none"));
    }
    output.respond(responses);
    Ok(tally.count())
}

/// Rows of a question and its answer; gives the columns that were read, too.
fn rows(source: &Source, output: &mut Output) -> Result<(Count, Option<Columns>)> {
    let mut tally = Tally::new("rows");
    let mut columns = source.columns.clone();
    files_of(source, |files, file, path, stem| {
        columns = Some(csv::read(path, files.reader(file)?, stem, columns.as_ref(), &mut tally, output)?);
        Ok(())
    })?;
    Ok((tally.count(), columns))
}

fn with_roles(source: &Source, output: &mut Output) -> Result<Tallies> {
    let mut tallies = Tallies::new();
    files_of(source, |files, file, path, stem| match source.format {
        Format::Chatgpt => chatgpt::read(path, files.reader(file)?, stem, &mut tallies, output),
        Format::Sharegpt => sharegpt::read(path, files.reader(file)?, stem, &mut tallies, output),
        Format::Alpaca => alpaca::read(path, files.reader(file)?, stem, &mut tallies, output),
        Format::Parquet => {
            parquet::read(path, files.file(file)?, stem, source.columns.as_ref(), &mut tallies, output)
        }
        _ => chatterbot::read(path, &files.text(file)?, stem, &mut tallies, output),
    })?;
    Ok(tallies)
}
