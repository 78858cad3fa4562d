//! Reading a model from text.

use std::f64::consts::LN_10;
use std::path::Path;

use artifact::config::NgramConfig;
use artifact::{Error, Result};

use super::complete::{self, Entry, Unigrams};
use super::lines::Lines;
use crate::ngram::trie::Trie;
use crate::ngram::{MAX_ORDER, Ngram};

/// No logarithm in a file is as large as this.
const LARGEST: f64 = 1e6;
/// log10 p of `<unk>` where a file has none; `KenLM`'s.
const NO_UNKNOWN: f64 = -100.0;

impl Ngram {
    /// The length of the longest n-grams that an ARPA file announces.
    ///
    /// # Errors
    /// [`Error::Malformed`] when it announces none, or longer ones than 6.
    pub fn arpa_order(path: &Path) -> Result<usize> {
        let mut lines = Lines::open(path)?;
        lines.advance("\\data\\")?;
        while lines.line() != "\\data\\" {
            lines.advance("\\data\\")?;
        }
        let mut order = 0;
        loop {
            lines.advance("\\1-grams:")?;
            if !lines.line().starts_with("ngram ") {
                break;
            }
            order += 1;
        }
        if (1..=MAX_ORDER).contains(&order) {
            return Ok(order);
        }
        Err(lines.malformed(
            format!("ngram 1=COUNT to at most ngram {MAX_ORDER}=COUNT above"),
            format!("{order} lengths"),
        ))
    }

    /// Reads a model in the ARPA format. `end` is the token that `</s>` stands for.
    ///
    /// # Errors
    /// [`Error::Malformed`] with the line, when the file is not of that format, of another order than the
    /// configuration's, or when a word is no token of the vocabulary.
    pub fn read_arpa(path: &Path, config: &NgramConfig, end: Option<u32>) -> Result<Self> {
        let bos = config.bos_token_id;
        let words = Words { vocab_size: config.vocab_size, bos, end };
        Ok(Self { trie: Reader { lines: Lines::open(path)?, words }.read(config.order)?, bos })
    }
}

/// What the words of a file stand for.
struct Words {
    vocab_size: usize,
    bos: u32,
    end: Option<u32>,
}

impl Words {
    fn token(&self, word: &str) -> Option<u32> {
        match word {
            "<s>" => Some(self.bos),
            "</s>" => self.end,
            _ => word.parse().ok(),
        }
        .filter(|&token| (token as usize) < self.vocab_size)
    }
}

struct Reader<'a> {
    lines: Lines<'a>,
    words: Words,
}

impl Reader<'_> {
    fn read(mut self, order: usize) -> Result<Trie> {
        let counts = self.header(order)?;
        let unigrams = self.unigrams(counts[0], order)?;
        let mut levels: Vec<Vec<Entry>> = Vec::with_capacity(order - 1);
        for (k, &count) in (2..).zip(&counts[1..]) {
            let level = self.level(k, count, levels.last().map(Vec::as_slice))?;
            levels.push(level);
        }
        self.lines.expect("\\end\\")?;
        complete::trie(unigrams, levels)
    }

    /// The number of n-grams of each length.
    fn header(&mut self, order: usize) -> Result<Vec<usize>> {
        self.lines.advance("\\data\\")?;
        while self.lines.line() != "\\data\\" {
            self.lines.advance("\\data\\")?;
        }
        let mut counts = Vec::with_capacity(order);
        loop {
            let k = counts.len() + 1;
            let expected = if k <= order { format!("ngram {k}=COUNT") } else { "\\1-grams:".to_owned() };
            self.lines.advance(&expected)?;
            let line = self.lines.line();
            if k > order && line == "\\1-grams:" {
                return Ok(counts);
            }
            let count = line
                .strip_prefix("ngram ")
                .and_then(|rest| rest.split_once('='))
                .filter(|(length, _)| k <= order && length.trim().parse() == Ok(k))
                .and_then(|(_, count)| count.trim().parse::<u32>().ok());
            let Some(count) = count else {
                let expected = format!("{expected}, for a model of order {order}");
                return Err(self.lines.malformed(expected, format!("`{line}`")));
            };
            counts.push(count as usize);
        }
    }

    /// What the current line says of a k-gram: ln p, its words, and ln of the weight it leaves as a context.
    fn entry(&self, k: usize) -> Result<(f64, [&str; MAX_ORDER], f64)> {
        let line = self.lines.line();
        let mut fields = line.split_ascii_whitespace();
        let number = |field: &str| field.parse::<f64>().ok().filter(|value| value.abs() < LARGEST);
        let logprob = fields.next().and_then(number).filter(|value| *value <= 0.0);
        let mut words = [""; MAX_ORDER];
        words.iter_mut().zip(fields.by_ref().take(k)).for_each(|(word, field)| *word = field);
        let backoff = fields.next().map_or(Some(0.0), number);
        match (logprob, backoff, fields.next()) {
            (Some(logprob), Some(backoff), None) if !words[k - 1].is_empty() => {
                Ok((logprob * LN_10, words, backoff * LN_10))
            }
            _ => Err(self.lines.malformed(Self::form(k), format!("`{line}`"))),
        }
    }

    /// What the line of a k-gram holds.
    fn form(k: usize) -> String {
        format!("log10 p, {k} words, and a weight or nothing")
    }

    fn unknown_word(&self, word: &str) -> Error {
        self.lines
            .malformed(
                format!("a token id below {} or a special word", self.words.vocab_size),
                format!("`{word}`"),
            )
            .with_hint("words are token ids in decimal")
    }

    /// Every token.
    fn unigrams(&mut self, count: usize, order: usize) -> Result<Unigrams> {
        let vocab_size = self.words.vocab_size;
        let mut logprob: Vec<Option<f32>> = vec![None; vocab_size];
        let mut backoff = vec![0.0; vocab_size];
        let mut unknown = NO_UNKNOWN * LN_10;
        for _ in 0..count {
            self.lines.advance(&Self::form(1))?;
            let (p, words, weight) = self.entry(1)?;
            let word = words[0];
            if matches!(word, "<unk>" | "<UNK>") {
                unknown = p;
            } else if let Some(token) = self.words.token(word) {
                backoff[token as usize] = weight as f32;
                if token != self.words.bos {
                    logprob[token as usize] = Some(p as f32);
                }
            } else if word != "</s>" {
                return Err(self.unknown_word(word));
            }
        }
        if order == 1 {
            backoff.clear();
        }
        let unseen = logprob.iter().filter(|logprob| logprob.is_none()).count();
        let share = (unknown - (unseen as f64).ln()) as f32;
        let logprob = logprob.into_iter().map(|logprob| logprob.unwrap_or(share)).collect();
        Ok(Unigrams { logprob, backoff })
    }

    /// The k-grams, sorted; `contexts` are those above, where not every token is one.
    fn level(&mut self, k: usize, count: usize, contexts: Option<&[Entry]>) -> Result<Vec<Entry>> {
        self.lines.expect(&format!("\\{k}-grams:"))?;
        let form = Self::form(k);
        // What a file announces is not yet there.
        let mut entries = Vec::with_capacity(count.min(1 << 20));
        for _ in 0..count {
            self.lines.advance(&form)?;
            let (p, words, weight) = self.entry(k)?;
            let mut tokens = [0; MAX_ORDER];
            for (token, word) in tokens.iter_mut().zip(&words[..k]) {
                *token = self.words.token(word).ok_or_else(|| self.unknown_word(word))?;
            }
            let context = |contexts: &[Entry]| {
                contexts.binary_search_by(|entry| entry.tokens[..k - 1].cmp(&tokens[..k - 1])).is_ok()
            };
            if !contexts.is_none_or(context) {
                let found = format!("no `{}` above", words[..k - 1].join(" "));
                return Err(self.lines.malformed("an n-gram whose context is one", found));
            }
            entries.push(Entry { tokens, logprob: p as f32, backoff: weight as f32 });
        }
        entries.sort_unstable_by_key(|entry| entry.tokens);
        if let Some(twice) = entries.windows(2).find(|pair| pair[0].tokens == pair[1].tokens) {
            let found = format!("one twice, ending with {}", twice[0].tokens[k - 1]);
            return Err(self.lines.malformed(format!("different {k}-grams"), found));
        }
        Ok(entries)
    }
}
