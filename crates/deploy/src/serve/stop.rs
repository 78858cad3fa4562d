//! Stop strings: texts at which a reply ends, and which the client never sees, not even in part.

/// Watches a text that arrives in pieces.
#[derive(Debug, Default)]
pub(super) struct StopStrings {
    /// None empty.
    stops: Vec<String>,
    /// The end of the text that may yet turn out to begin a stop string.
    held: String,
}

/// What may be passed on.
#[derive(Debug, PartialEq)]
pub(super) enum Passed {
    /// This, and the text goes on.
    More(String),
    /// This, and a stop string follows: the text ends here.
    End(String),
}

impl StopStrings {
    /// Watches for any of `stops`; empty ones are never found.
    pub(super) fn new(stops: Vec<String>) -> Self {
        Self { stops: stops.into_iter().filter(|stop| !stop.is_empty()).collect(), held: String::new() }
    }

    /// Takes a piece. Of several stop strings the one that is complete first counts, the longer one of two that are
    /// complete at once, so that the result does not depend on how the text was cut into pieces.
    pub(super) fn push(&mut self, piece: &str) -> Passed {
        self.held.push_str(piece);
        let first = self
            .stops
            .iter()
            .filter_map(|stop| self.held.find(stop.as_str()).map(|start| (start + stop.len(), start)))
            .min();
        if let Some((_, start)) = first {
            self.held.truncate(start);
            return Passed::End(std::mem::take(&mut self.held));
        }
        let keep = self.stops.iter().map(|stop| overlap(&self.held, stop)).max().unwrap_or(0);
        let rest = self.held.split_off(self.held.len() - keep);
        Passed::More(std::mem::replace(&mut self.held, rest))
    }

    /// Ends the text; gives what was held back.
    pub(super) fn finish(self) -> String {
        self.held
    }
}

/// Bytes of the longest end of `text` that begins `stop`.
fn overlap(text: &str, stop: &str) -> usize {
    stop.char_indices().map(|(end, _)| end).rev().find(|&end| text.ends_with(&stop[..end])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{Passed, StopStrings};

    /// What a client sees of `text`, cut into pieces after the bytes that `cuts` has a bit for.
    fn seen(text: &str, stops: &[&str], cuts: u32) -> (String, bool) {
        let mut watch = StopStrings::new(stops.iter().map(|&stop| stop.to_owned()).collect());
        let mut seen = String::new();
        let mut piece = String::new();
        for (index, character) in text.chars().enumerate() {
            piece.push(character);
            if cuts >> index & 1 == 0 {
                continue;
            }
            match watch.push(&std::mem::take(&mut piece)) {
                Passed::More(text) => seen.push_str(&text),
                Passed::End(text) => return (seen + &text, true),
            }
        }
        match watch.push(&piece) {
            Passed::More(text) => (seen + &text + &watch.finish(), false),
            Passed::End(text) => (seen + &text, true),
        }
    }

    fn check(text: &str, stops: &[&str], expected: &str, stopped: bool) {
        for cuts in 0..1 << text.chars().count() {
            assert_eq!(seen(text, stops, cuts), (expected.to_owned(), stopped), "cuts {cuts:b}");
        }
    }

    #[test]
    fn the_text_ends_before_a_stop_string_however_it_is_cut() {
        check("안녕하세요 끝 더", &[" 끝"], "안녕하세요", true);
        check("가가나", &["가나"], "가", true);
        check("abcabd!", &["abd"], "abc", true);
        check("끝", &["끝"], "", true);
    }

    #[test]
    fn a_beginning_of_a_stop_string_is_no_stop_string() {
        check("abcab", &["abd"], "abcab", false);
        check("안녕", &["녕하"], "안녕", false);
        check("무엇", &[], "무엇", false);
        check("무엇", &[""], "무엇", false);
    }

    #[test]
    fn the_stop_string_that_is_complete_first_counts() {
        check("xbcdey", &["bcde", "cd"], "xb", true);
        check("xbcdey", &["cd", "bcd"], "x", true);
    }

    #[test]
    fn nothing_is_held_longer_than_it_must() {
        let mut watch = StopStrings::new(vec!["ab".to_owned()]);
        assert_eq!(watch.push("xa"), Passed::More("x".to_owned()));
        assert_eq!(watch.push("c"), Passed::More("ac".to_owned()));
    }
}
