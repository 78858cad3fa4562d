//! A chat between people, whichever program has exported it.

use crate::moment::Moment;

/// Something that stands in an export on its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) time: Option<Moment>,
    /// Who sent it, as the export calls them; of a system line, nobody.
    pub(crate) sender: String,
    pub(crate) kind: Kind,
    pub(crate) text: String,
}

/// What an entry is. Only words are learnt from; the others are counted under their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Words.
    Words,
    /// A picture, a film, a sticker, a file, a voice, a place, a call, in whose stead the export writes a name.
    Media,
    /// What the program says: who came, who went.
    System,
    /// A message that was taken back, or hidden by a moderator.
    Deleted,
    /// Words whose end the export has cut off.
    Cut,
    /// A message of a program.
    Bot,
    /// Nothing.
    Empty,
}

impl Kind {
    /// Why an entry of this kind is left out; none for words.
    pub(crate) fn reason(self) -> Option<&'static str> {
        match self {
            Self::Words => None,
            Self::Media => Some("pictures, stickers, files, calls"),
            Self::System => Some("system lines"),
            Self::Deleted => Some("deleted or hidden"),
            Self::Cut => Some("cut short by the export"),
            Self::Bot => Some("messages of bots"),
            Self::Empty => Some("without words"),
        }
    }
}

/// The entries of one chat, in the order in which they were sent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chat {
    /// Its name in its source.
    pub(crate) id: String,
    pub(crate) entries: Vec<Entry>,
    /// What the export calls the person who made it, where it has a word for them.
    pub(crate) owner: Option<&'static str>,
}

impl Entry {
    /// An entry of words, or an empty one.
    pub(crate) fn words(time: Option<Moment>, sender: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        let kind = if text.trim().is_empty() { Kind::Empty } else { Kind::Words };
        Self { time, sender: sender.into(), kind, text }
    }

    /// A line of the program.
    pub(crate) fn system(time: Option<Moment>, text: impl Into<String>) -> Self {
        Self { time, sender: String::new(), kind: Kind::System, text: text.into() }
    }

    /// The same entry as another kind.
    pub(crate) fn of_kind(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }
}
