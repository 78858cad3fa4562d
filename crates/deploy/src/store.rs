//! Talks that people let the server keep, and what they think of its replies: one file of `SQLite`.

use std::path::Path;

use anyhow::{Context, bail};
use artifact::conversation::{Conversation, Message, Role};
use rusqlite::{Connection, OptionalExtension, params};

/// What each version of the file adds to the one before it; `user_version` counts them.
const MIGRATIONS: [&str; 1] = [include_str!("store/1.sql")];

/// How long to wait for another program that writes.
const BUSY_MILLISECONDS: u32 = 2000;

/// An open file.
pub(crate) struct Store(Connection);

/// A talk as it stands after a reply.
#[derive(Debug, Clone)]
pub(crate) struct Talk {
    pub(crate) id: String,
    /// Whose it is: the hash of a key; none where there are no keys, and whoever knows the id may have it deleted.
    pub(crate) owner: Option<String>,
    pub(crate) model: String,
    /// The last one is the reply.
    pub(crate) messages: Vec<Message>,
    /// The id of the answer that the reply came in.
    pub(crate) reply: String,
}

/// What somebody thinks of a reply.
#[derive(Debug, Clone)]
pub(crate) struct Feedback {
    /// The id of the answer that it came in.
    pub(crate) reply: String,
    pub(crate) owner: Option<String>,
    pub(crate) is_good: bool,
    pub(crate) comment: Option<String>,
}

/// Which replies of kept talks are learnt from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taught {
    /// Those that nobody called bad.
    NotBad,
    /// Those that somebody called good.
    Good,
}

impl Store {
    /// Opens a file, made where there is none, and brings it up to date.
    ///
    /// # Errors
    /// When it is no such file, or one of a newer program.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let opened = || -> anyhow::Result<Connection> {
            let mut connection = Connection::open(path)?;
            connection.pragma_update(None, "busy_timeout", BUSY_MILLISECONDS)?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "foreign_keys", true)?;
            // What is deleted is overwritten, not only forgotten.
            connection.pragma_update(None, "secure_delete", true)?;
            migrate(&mut connection)?;
            Ok(connection)
        };
        opened().map(Self).with_context(|| format!("{}: opening the store of talks", path.display()))
    }

    /// Keeps a talk: a new one, or more of one that is kept. Feedback on replies that still stand stays.
    ///
    /// # Errors
    /// When it is somebody else's, or the file cannot be written.
    pub(crate) fn keep(&mut self, talk: &Talk, now: u64) -> anyhow::Result<()> {
        let transaction = self.0.transaction()?;
        let kept = transaction.execute(
            "INSERT INTO talks (id, owner, model, created, changed) VALUES (?1, ?2, ?3, ?4, ?4)
             ON CONFLICT (id) DO UPDATE SET model = excluded.model, changed = excluded.changed
             WHERE owner IS excluded.owner",
            params![talk.id, talk.owner, talk.model, now as i64],
        )?;
        if kept == 0 {
            bail!("a talk of this id is somebody else's");
        }
        let same = {
            let mut rows = transaction
                .prepare("SELECT role, content FROM messages WHERE talk = ?1 ORDER BY position")?;
            let rows =
                rows.query_map([&talk.id], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
            let rows = rows.collect::<Result<Vec<_>, _>>()?;
            let both = rows.iter().zip(&talk.messages);
            both.take_while(|((role, content), message)| {
                role == message.role.name() && *content == message.content
            })
            .count()
        };
        transaction.execute(
            "DELETE FROM messages WHERE talk = ?1 AND position >= ?2",
            params![talk.id, same as i64],
        )?;
        for (position, message) in talk.messages.iter().enumerate().skip(same) {
            let reply = (position + 1 == talk.messages.len()).then_some(&talk.reply);
            transaction.execute(
                "INSERT INTO messages (talk, position, role, content, reply) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![talk.id, position as i64, message.role.name(), message.content, reply],
            )?;
        }
        Ok(transaction.commit()?)
    }

    /// Keeps what somebody thinks of a reply, instead of what they thought before; whether the reply is kept.
    pub(crate) fn rate(&mut self, feedback: &Feedback, now: u64) -> rusqlite::Result<bool> {
        let written = self.0.execute(
            "INSERT INTO feedback (reply, is_good, comment, given)
             SELECT messages.reply, ?2, ?3, ?4 FROM messages JOIN talks ON talks.id = messages.talk
             WHERE messages.reply = ?1 AND talks.owner IS ?5
             ON CONFLICT (reply) DO UPDATE
             SET is_good = excluded.is_good, comment = excluded.comment, given = excluded.given",
            params![feedback.reply, feedback.is_good, feedback.comment, now as i64, feedback.owner],
        )?;
        Ok(written > 0)
    }

    /// Deletes a talk with all that belongs to it; whether there was one.
    pub(crate) fn delete(&mut self, id: &str, owner: Option<&str>) -> rusqlite::Result<bool> {
        let deleted =
            self.0.execute("DELETE FROM talks WHERE id = ?1 AND owner IS ?2", params![id, owner])?;
        self.forget_log(deleted)?;
        Ok(deleted > 0)
    }

    /// Deletes the talks that have not changed since; how many.
    pub(crate) fn expire(&mut self, since: u64) -> rusqlite::Result<usize> {
        let deleted = self.0.execute("DELETE FROM talks WHERE changed < ?1", [since as i64])?;
        self.forget_log(deleted)?;
        Ok(deleted)
    }

    /// Lets the write-ahead log forget what was deleted.
    fn forget_log(&self, deleted: usize) -> rusqlite::Result<()> {
        if deleted > 0 {
            self.0.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        }
        Ok(())
    }

    /// Every talk from which there is something to learn, in the order of their ids; replies that are not to be learnt
    /// are context only.
    pub(crate) fn conversations(&self, taught: Taught) -> anyhow::Result<Vec<Conversation>> {
        let mut rows = self.0.prepare(
            "SELECT talk, role, content, is_good FROM messages LEFT JOIN feedback USING (reply)
             ORDER BY talk, position",
        )?;
        let mut rows = rows.query([])?;
        let mut conversations: Vec<Conversation> = Vec::new();
        while let Some(row) = rows.next()? {
            let (id, role): (String, String) = (row.get(0)?, row.get(1)?);
            let is_good: Option<bool> = row.get(3)?;
            let role = match role.as_str() {
                "system" => Role::System,
                "user" => Role::User,
                _ => Role::Assistant,
            };
            let mut message = Message::new(role, row.get::<_, String>(2)?);
            let is_taught = is_good == Some(true) || (taught == Taught::NotBad && is_good.is_none());
            if role == Role::Assistant && !is_taught {
                message.weight = Some(0);
            }
            if conversations.last().is_none_or(|last| last.id != id) {
                let source = "deploy".to_owned();
                let (topic, license, split) = (None, None, None);
                conversations.push(Conversation { id, source, topic, license, split, messages: Vec::new() });
            }
            conversations.last_mut().expect("one was added").messages.push(message);
        }
        conversations.retain(|talk| talk.messages.iter().any(Message::is_target));
        Ok(conversations)
    }
}

fn migrate(connection: &mut Connection) -> anyhow::Result<()> {
    let version = connection.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0)).optional()?;
    let version = usize::try_from(version.unwrap_or(0)).unwrap_or(usize::MAX);
    if version > MIGRATIONS.len() {
        bail!("expected version {} at most, found {version}: a newer program's", MIGRATIONS.len());
    }
    for (index, migration) in MIGRATIONS.iter().enumerate().skip(version) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "user_version", index as i64 + 1)?;
        transaction.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn talk(id: &str, words: &[&str], reply: &str) -> Talk {
        let roles = [Role::User, Role::Assistant].into_iter().cycle();
        let messages = roles.zip(words).map(|(role, words)| Message::new(role, *words)).collect();
        Talk { id: id.to_owned(), owner: None, model: "m".to_owned(), messages, reply: reply.to_owned() }
    }

    fn feedback(reply: &str, is_good: bool) -> Feedback {
        Feedback { reply: reply.to_owned(), owner: None, is_good, comment: Some("왜냐하면".to_owned()) }
    }

    #[test]
    fn a_talk_grows_and_keeps_its_feedback() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("talks.sqlite");
        let mut store = Store::open(&path).unwrap();
        store.keep(&talk("a", &["하나", "둘"], "r1"), 10).unwrap();
        assert!(store.rate(&feedback("r1", false), 11).unwrap());
        assert!(store.rate(&feedback("r1", true), 12).unwrap());
        store.keep(&talk("a", &["하나", "둘", "셋", "넷"], "r2"), 20).unwrap();
        store.keep(&talk("b", &["가", "나"], "r3"), 30).unwrap();
        assert!(store.rate(&feedback("r3", false), 31).unwrap());
        assert!(!store.rate(&feedback("r4", true), 32).unwrap());
        drop(store);

        let mut store = Store::open(&path).unwrap();
        let weights = |store: &Store, taught| -> Vec<(String, Vec<Option<u8>>)> {
            let talks = store.conversations(taught).unwrap().into_iter();
            talks
                .map(|talk| (talk.id, talk.messages.iter().map(|message| message.weight).collect()))
                .collect()
        };
        let a = |weights: &[Option<u8>]| vec![("a".to_owned(), weights.to_vec())];
        assert_eq!(weights(&store, Taught::NotBad), a(&[None, None, None, None]));
        assert_eq!(weights(&store, Taught::Good), a(&[None, None, None, Some(0)]));
        // Another answer to the first question takes the place of what was said after it.
        store.keep(&talk("a", &["하나", "다른 둘"], "r5"), 40).unwrap();
        assert_eq!(weights(&store, Taught::Good), []);
        assert_eq!(store.expire(40).unwrap(), 1);
        assert!(!store.delete("b", None).unwrap());
        assert!(store.delete("a", None).unwrap());
        assert_eq!(store.conversations(Taught::NotBad).unwrap(), []);
    }

    #[test]
    fn nobody_reaches_the_talks_of_others() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(&dir.path().join("talks.sqlite")).unwrap();
        let of = |owner: &str, mut talk: Talk| {
            talk.owner = Some(owner.to_owned());
            talk
        };
        store.keep(&of("me", talk("a", &["비밀", "네"], "r1")), 1).unwrap();
        assert!(store.keep(&of("you", talk("a", &["x", "y"], "r2")), 2).is_err());
        assert!(store.keep(&talk("a", &["x", "y"], "r3"), 3).is_err());
        assert!(!store.rate(&feedback("r1", false), 4).unwrap());
        assert!(!store.delete("a", Some("you")).unwrap() && !store.delete("a", None).unwrap());
        assert_eq!(store.conversations(Taught::NotBad).unwrap()[0].messages[0].content, "비밀");
        assert!(store.delete("a", Some("me")).unwrap());
        for entry in fs_err::read_dir(dir.path()).unwrap() {
            let bytes = fs_err::read(entry.unwrap().path()).unwrap();
            assert!(!bytes.windows(6).any(|six| six == "비밀".as_bytes()), "what is deleted is gone");
        }
    }

    #[test]
    fn a_full_disk_is_told_and_outlived() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(&dir.path().join("talks.sqlite")).unwrap();
        store.0.pragma_update(None, "max_page_count", 1).unwrap();
        let long = "가".repeat(100_000);
        let error = store.keep(&talk("a", &["네", &long], "r1"), 1).unwrap_err();
        assert!(error.to_string().contains("full"), "{error}");
        store.keep(&talk("b", &["네", "네"], "r2"), 2).unwrap();
        assert_eq!(store.conversations(Taught::NotBad).unwrap().len(), 1);
    }

    #[test]
    fn what_is_no_store_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("talks.sqlite");
        fs_err::write(&path, "no such file at all, but long enough to be looked at").unwrap();
        assert!(format!("{:#}", Store::open(&path).err().unwrap()).contains("talks.sqlite"));
        fs_err::remove_file(&path).unwrap();
        drop(Store::open(&path).unwrap());
        Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
        assert!(format!("{:#}", Store::open(&path).err().unwrap()).contains("99"));
    }
}
