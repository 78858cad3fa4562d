use std::sync::OnceLock;

use clap::ValueEnum;

/// The language of output for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Lang {
    /// Korean.
    Ko,
    /// English.
    En,
}

static CHOSEN: OnceLock<Lang> = OnceLock::new();

impl Lang {
    /// The language given by `--lang`, otherwise that of the locale.
    pub fn current() -> Self {
        CHOSEN.get().copied().unwrap_or_else(Self::of_locale)
    }

    /// Korean when `LC_ALL`, `LC_MESSAGES` or `LANG` (the first that is set, as POSIX orders them) says so.
    fn of_locale() -> Self {
        let locale = ["LC_ALL", "LC_MESSAGES", "LANG"]
            .iter()
            .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
        if locale.is_some_and(|locale| locale.starts_with("ko")) { Self::Ko } else { Self::En }
    }

    /// Fixes the language for the rest of the process; the first call wins.
    pub(crate) fn choose(self) {
        let _ = CHOSEN.set(self);
    }

    /// The text of the current language: `Lang::pick("읽음", "read")`.
    pub fn pick<T>(ko: T, en: T) -> T {
        match Self::current() {
            Self::Ko => ko,
            Self::En => en,
        }
    }
}
