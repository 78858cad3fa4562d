//! Slack: a workspace's export, with a folder for each channel and a file for each day.

use std::collections::{BTreeMap, HashMap};

use artifact::{Error, Result};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::chat::{Chat, Entry, Kind};
use crate::files::Files;
use crate::moment::Moment;
use crate::value;

#[derive(Debug, Deserialize)]
struct User {
    id: String,
    #[serde(default)]
    name: String,
    real_name: Option<String>,
    #[serde(default)]
    profile: Profile,
    #[serde(default)]
    is_bot: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Profile {
    display_name: Option<String>,
    real_name: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Message {
    user: Option<String>,
    #[serde(default)]
    ts: String,
    thread_ts: Option<String>,
    #[serde(default)]
    reply_count: u64,
    subtype: Option<String>,
    #[serde(default)]
    text: String,
    bot_id: Option<IgnoredAny>,
    #[serde(default)]
    files: Vec<IgnoredAny>,
}

/// The lists of people, of which an export has one.
const USERS: [&str; 2] = ["users.json", "org_users.json"];

/// Whether a list of files is such an export's.
pub(crate) fn is(names: &[String]) -> bool {
    let users = |name: &String| USERS.iter().any(|users| leaf(name) == *users);
    names.iter().any(users) && names.iter().any(|name| is_day(name))
}

/// Reads every channel: what was said there, and each thread by itself.
pub(crate) fn read(files: &mut Files) -> Result<Vec<Chat>> {
    let names: Vec<String> = files.names().to_vec();
    let Some(list) = names.iter().find(|name| USERS.contains(&leaf(name))) else {
        return Err(Error::malformed(&files.path("users.json"), "Slack's list of users", "none")
            .with_hint("give the whole export"));
    };
    let text = files.text(list)?;
    let users: Vec<User> = value::parse(&files.path(list), &text, "Slack's list of users")?;
    let users: HashMap<String, User> = users.into_iter().map(|user| (user.id.clone(), user)).collect();

    // By channel, then by thread; the messages outside of threads are under the empty name.
    let mut channels: BTreeMap<&str, BTreeMap<String, Vec<Message>>> = BTreeMap::new();
    for name in names.iter().filter(|name| is_day(name)) {
        let text = files.text(name)?;
        let messages: Vec<Message> = value::parse(&files.path(name), &text, "a day of a Slack channel")?;
        let channel = channels.entry(channel(name)).or_default();
        for message in messages {
            let in_thread =
                message.reply_count > 0 || message.thread_ts.as_ref().is_some_and(|ts| *ts != message.ts);
            let thread = message.thread_ts.clone().filter(|_| in_thread).unwrap_or_default();
            channel.entry(thread).or_default().push(message);
        }
    }
    let mut chats = Vec::new();
    for (channel, threads) in channels {
        for (thread, mut messages) in threads {
            messages.sort_by_key(|message| micros(&message.ts));
            let id = if thread.is_empty() { channel.to_owned() } else { format!("{channel}-{thread}") };
            let entries = messages.into_iter().map(|message| entry(message, &users)).collect();
            chats.push(Chat { id, entries, owner: None });
        }
    }
    Ok(chats)
}

fn leaf(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// `CHANNEL/YYYY-MM-DD.json`
fn is_day(name: &str) -> bool {
    let day = leaf(name).strip_suffix(".json").unwrap_or_default();
    let shape = day
        .bytes()
        .enumerate()
        .all(|(at, byte)| if at == 4 || at == 7 { byte == b'-' } else { byte.is_ascii_digit() });
    name.contains('/') && day.len() == 10 && shape
}

fn channel(name: &str) -> &str {
    name.rsplit('/').nth(1).unwrap_or_default()
}

/// `1546624359.000200`: seconds since 1970 in UTC and, after the point, a number that keeps messages apart.
fn micros(ts: &str) -> (i64, u64) {
    let (seconds, rest) = ts.split_once('.').unwrap_or((ts, ""));
    (seconds.parse().unwrap_or(0), rest.parse().unwrap_or(0))
}

fn entry(message: Message, users: &HashMap<String, User>) -> Entry {
    let time = Moment::utc(micros(&message.ts).0);
    let author = message.user.as_ref().and_then(|id| users.get(id));
    let sender = match (author, message.user.as_deref()) {
        (Some(user), _) => name(user).to_owned(),
        (None, id) => id.unwrap_or_default().to_owned(),
    };
    let text = plain(&message.text, users);
    let entry = Entry::words(time, sender, text);
    match message.subtype.as_deref() {
        Some("tombstone") => return entry.of_kind(Kind::Deleted),
        Some("bot_message") => return entry.of_kind(Kind::Bot),
        None | Some("thread_broadcast" | "me_message" | "file_share" | "reply_broadcast") => {}
        Some(_) => return entry.of_kind(Kind::System),
    }
    match entry.kind {
        _ if message.bot_id.is_some() || author.is_some_and(|user| user.is_bot) => entry.of_kind(Kind::Bot),
        Kind::Empty if !message.files.is_empty() => entry.of_kind(Kind::Media),
        _ => entry,
    }
}

fn name(user: &User) -> &str {
    let Profile { display_name, real_name } = &user.profile;
    let names = [display_name, real_name, &user.real_name].into_iter().flatten();
    names.map(String::as_str).find(|name| !name.is_empty()).unwrap_or(&user.name)
}

/// The text with its references spelled out: `<@U1>` as a name, `<https://x|label>` as its label, `&lt;` as `<`.
fn plain(text: &str, users: &HashMap<String, User>) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        plain.push_str(&rest[..start]);
        let Some(length) = rest[start..].find('>') else {
            rest = &rest[start..];
            break;
        };
        plain.push_str(&reference(&rest[start + 1..start + length], users));
        rest = &rest[start + length + 1..];
    }
    plain.push_str(rest);
    // The ampersand last: `&amp;lt;` is somebody's `&lt;`.
    plain.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

fn reference(inner: &str, users: &HashMap<String, User>) -> String {
    let (target, label) =
        inner.split_once('|').map_or((inner, None), |(target, label)| (target, Some(label)));
    match (target.split_at_checked(1), label) {
        (Some(("@", id)), _) => {
            let known = users.get(id).map(name).or(label).unwrap_or(id);
            format!("@{}", known.trim_start_matches('@'))
        }
        (Some(("#", id)), label) => format!("#{}", label.filter(|label| !label.is_empty()).unwrap_or(id)),
        (Some(("!", command)), label) => {
            format!("@{}", label.unwrap_or(command).trim_start_matches('@'))
        }
        (_, Some(label)) => label.to_owned(),
        (_, None) => target.strip_prefix("mailto:").unwrap_or(target).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_spelled_out() {
        let user = |id: &str, name: &str| {
            let profile = Profile { display_name: Some(name.to_owned()), real_name: None };
            (
                id.to_owned(),
                User { id: id.to_owned(), name: String::new(), real_name: None, profile, is_bot: false },
            )
        };
        let users = HashMap::from([user("U1", "가람")]);
        let check = |text: &str, expected: &str| assert_eq!(plain(text, &users), expected);
        check("<@U1> 안녕 <@U9|narae>", "@가람 안녕 @narae");
        check("<https://example.com/a|여기> <https://example.com>", "여기 https://example.com");
        check("<!here> <!subteam^S1|@team> <#C1|general>", "@here @team #general");
        check("a &lt; b &amp;&amp; c &gt; d &amp;lt;", "a < b && c > d &lt;");
        check("<3 열린", "<3 열린");
    }
}
