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
        CHOSEN.get().copied().unwrap_or_else(|| {
            let variable = |name: &str| std::env::var(name).ok();
            Self::of_locale(variable)
        })
    }

    /// Korean when `LC_ALL`, `LC_MESSAGES` or `LANG` (the first that is set, as POSIX orders them) says so.
    fn of_locale(variable: impl Fn(&str) -> Option<String>) -> Self {
        let locale = ["LC_ALL", "LC_MESSAGES", "LANG"]
            .into_iter()
            .find_map(|name| variable(name).filter(|value| !value.is_empty()))
            .unwrap_or_default();
        // language[_territory][.codeset][@modifier]
        let language = locale.split(['_', '.', '@']).next().unwrap_or_default();
        if matches!(language, "ko" | "korean") { Self::Ko } else { Self::En }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn check(variables: &[(&str, &str)], expected: Lang) {
        let variable =
            |name: &str| variables.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned());
        assert_eq!(Lang::of_locale(variable), expected, "{variables:?}");
    }

    #[test]
    fn the_first_variable_that_is_set_decides() {
        check(&[], Lang::En);
        check(&[("LANG", "ko_KR.UTF-8")], Lang::Ko);
        check(&[("LANG", "ko")], Lang::Ko);
        check(&[("LANG", "ko_KR.UTF-8"), ("LC_ALL", "C.UTF-8")], Lang::En);
        check(&[("LANG", "en_US.UTF-8"), ("LC_MESSAGES", "ko_KR@modifier")], Lang::Ko);
        check(&[("LC_ALL", ""), ("LANG", "ko_KR")], Lang::Ko);
    }

    #[test]
    fn other_languages_that_begin_alike_are_not_korean() {
        check(&[("LANG", "kok_IN.UTF-8")], Lang::En);
    }
}
