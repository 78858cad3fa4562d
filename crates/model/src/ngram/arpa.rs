//! The ARPA text format of n-gram models, as SRILM, `KenLM` and others read and write it.
//!
//! A word is a token id in decimal. `<s>` is the token that begins a document, `</s>` the one that ends it, where the
//! model has one for that alone. `<unk>` holds the probability of all tokens never seen together; `<s>`, which is
//! never predicted, is one of those.

use std::f64::consts::LN_10;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use artifact::config::NgramConfig;
use artifact::{Error, Place, Result};
use fs_err as fs;

use super::trie::{Level, Tokens, Trie};
use super::{MAX_ORDER, Ngram};

/// log10 p of what is never predicted.
const NEVER: &str = "-99";
/// No logarithm in a file is as large as this.
const LARGEST: f64 = 1e6;
/// log10 p of `<unk>` where a file has none; `KenLM`'s.
const NO_UNKNOWN: f64 = -100.0;

impl Ngram {
    /// Writes the model in the ARPA format. `end` is the token to write as `</s>`: one that stands nowhere but at the
    /// end of a document. Without one, `</s>` is there, since readers ask for it, but never predicted.
    pub fn write_arpa(&self, path: &Path, end: Option<u32>) -> Result<()> {
        let mut file = BufWriter::new(fs::File::create(path)?);
        write(&mut file, self, end)?;
        file.flush()?;
        Ok(())
    }

    /// Reads a model in the ARPA format. `end` is the token that `</s>` stands for.
    ///
    /// # Errors
    /// [`Error::Malformed`] with the line, when the file is not of that format, of another order than the
    /// configuration's, or when a word is no token of the vocabulary.
    pub fn read_arpa(path: &Path, config: &NgramConfig, end: Option<u32>) -> Result<Self> {
        let bos = config.bos_token_id;
        let lines =
            Lines { path, reader: BufReader::new(fs::File::open(path)?), number: 0, text: String::new() };
        let words = Words { vocab_size: config.vocab_size, bos, end };
        Ok(Self { trie: Reader { lines, words }.read(config.order)?, bos })
    }
}

fn write(out: &mut impl Write, model: &Ngram, end: Option<u32>) -> std::io::Result<()> {
    let levels = &model.trie.levels;
    let unigrams = &levels[0];
    // A token that was seen has more than its share of the uniform distribution.
    let unseen = unigrams.logprob[model.bos as usize];
    let is_unseen = |token: u32| unigrams.logprob[token as usize] <= unseen;
    let all = 0..model.trie.vocab_size() as u32;
    let seen: Vec<u32> = all.filter(|&token| !is_unseen(token)).collect();
    let rest = model.trie.vocab_size() - seen.len();
    let placeholder = end.is_none();

    writeln!(out, "\\data\\")?;
    writeln!(out, "ngram 1={}", seen.len() + 2 + usize::from(placeholder))?;
    for (k, level) in (2..).zip(&levels[1..]) {
        writeln!(out, "ngram {k}={}", level.logprob.len())?;
    }
    writeln!(out, "\n\\1-grams:")?;
    let backoff = |level: &Level, index: usize| match level.backoff.get(index) {
        Some(&weight) => format!("\t{}", decimal(f64::from(weight) / LN_10)),
        None => String::new(),
    };
    writeln!(out, "{}\t<unk>", decimal((f64::from(unseen) + (rest as f64).ln()) / LN_10))?;
    writeln!(out, "{NEVER}\t<s>{}", backoff(unigrams, model.bos as usize))?;
    if placeholder {
        writeln!(out, "{NEVER}\t</s>")?;
    }
    let word = |token: u32| match token {
        _ if token == model.bos => "<s>".to_owned(),
        _ if Some(token) == end => "</s>".to_owned(),
        _ => token.to_string(),
    };
    for token in seen {
        let index = token as usize;
        let logprob = decimal(f64::from(unigrams.logprob[index]) / LN_10);
        writeln!(out, "{logprob}\t{}{}", word(token), backoff(unigrams, index))?;
    }
    for k in 2..=levels.len() {
        writeln!(out, "\n\\{k}-grams:")?;
        // The n-gram of each shorter length with which the current one begins.
        let mut prefix = [0; MAX_ORDER];
        let level = &levels[k - 1];
        for index in 0..level.logprob.len() {
            let mut child = index;
            for j in (0..k - 1).rev() {
                while levels[j].first[prefix[j] + 1] as usize <= child {
                    prefix[j] += 1;
                }
                child = prefix[j];
            }
            write!(out, "{}\t{}", decimal(f64::from(level.logprob[index]) / LN_10), word(prefix[0] as u32))?;
            for j in 1..k - 1 {
                write!(out, " {}", word(levels[j].tokens.get(prefix[j])))?;
            }
            writeln!(out, " {}{}", word(level.tokens.get(index)), backoff(level, index))?;
        }
    }
    writeln!(out, "\n\\end\\")
}

/// Ten significant digits, from which a 32-bit float is read back as it was.
fn decimal(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let leading = value.abs().log10().floor().min(0.0);
    format!("{value:.*}", (9.0 - leading) as usize)
}

/// The lines of a file, one at a time.
struct Lines<'a> {
    path: &'a Path,
    reader: BufReader<fs::File>,
    /// Of the line read last, from 1.
    number: usize,
    text: String,
}

impl Lines<'_> {
    fn malformed(&self, expected: impl Into<String>, found: impl Into<String>) -> Error {
        Error::at(self.path, Place::Line(self.number), expected, found)
    }

    /// Goes to the next line that is not blank; `expected` is what to ask for where the file ends.
    fn advance(&mut self, expected: &str) -> Result<()> {
        loop {
            self.number += 1;
            let mut bytes = std::mem::take(&mut self.text).into_bytes();
            bytes.clear();
            let mut limited = std::io::Read::take(&mut self.reader, LONGEST_LINE);
            let length = limited.read_until(b'\n', &mut bytes)?;
            if length == 0 {
                return Err(self.malformed(expected, "the end of the file"));
            }
            if length as u64 == LONGEST_LINE {
                return Err(self.malformed(format!("a line below {LONGEST_LINE} bytes"), "a longer one"));
            }
            self.text = String::from_utf8(bytes).map_err(|_| self.malformed("UTF-8", "other bytes"))?;
            if !self.line().is_empty() {
                return Ok(());
            }
        }
    }

    fn line(&self) -> &str {
        self.text.trim()
    }

    /// Goes to the next line, which must be this one.
    fn expect(&mut self, line: &str) -> Result<()> {
        self.advance(line)?;
        if self.line() == line {
            return Ok(());
        }
        Err(self
            .malformed(format!("{line} after as many n-grams as announced"), format!("`{}`", self.line())))
    }
}

/// Bytes: an n-gram of ids is far shorter.
const LONGEST_LINE: u64 = 1 << 16;

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
        let vocab_size = self.words.vocab_size;
        let (logprob, backoff) = self.unigrams(counts[0], order)?;
        let mut trie = Trie::unigrams(logprob, 1, vocab_size);
        for (k, &count) in (2..).zip(&counts[1..]) {
            // The level above becomes one of contexts.
            let above = trie.levels.last_mut().expect("it has unigrams");
            if k == 2 {
                above.backoff.clone_from(&backoff);
            }
            self.level(&mut trie, k, count, order)?;
        }
        self.lines.expect("\\end\\")?;
        Ok(trie)
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

    /// ln p and weight of every token. `[V]`
    fn unigrams(&mut self, count: usize, order: usize) -> Result<(Vec<f32>, Vec<f32>)> {
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
        Ok((logprob.into_iter().map(|logprob| logprob.unwrap_or(share)).collect(), backoff))
    }

    /// Reads the k-grams below the contexts that `trie` holds.
    fn level(&mut self, trie: &mut Trie, k: usize, count: usize, order: usize) -> Result<()> {
        self.lines.expect(&format!("\\{k}-grams:"))?;
        let form = Self::form(k);
        // Context, token, ln p and weight of each. What a file announces is not yet there.
        let mut entries: Vec<(u32, u32, f32, f32)> = Vec::with_capacity(count.min(1 << 20));
        for _ in 0..count {
            self.lines.advance(&form)?;
            let (p, words, weight) = self.entry(k)?;
            let mut tokens = [0_u32; MAX_ORDER];
            for (token, word) in tokens.iter_mut().zip(&words[..k]) {
                *token = self.words.token(word).ok_or_else(|| self.unknown_word(word))?;
            }
            let mut context = Some(tokens[0] as usize);
            for (j, &token) in tokens[..k - 1].iter().enumerate().skip(1) {
                context = context.and_then(|index| trie.child(j, index, token));
            }
            let Some(context) = context else {
                let context = words[..k - 1].join(" ");
                return Err(self
                    .lines
                    .malformed("an n-gram whose context is one", format!("no `{context}` above")));
            };
            entries.push((context as u32, tokens[k - 1], p as f32, weight as f32));
        }
        entries.sort_unstable_by_key(|&(context, token, ..)| (context, token));
        if let Some(twice) = entries.windows(2).find(|pair| (pair[0].0, pair[0].1) == (pair[1].0, pair[1].1))
        {
            let word = twice[0].1;
            return Err(self
                .lines
                .malformed(format!("different {k}-grams"), format!("one twice, ending with {word}")));
        }
        let above = trie.levels.last_mut().expect("it has unigrams");
        above.first = vec![0; above.logprob.len() + 1];
        for &(context, ..) in &entries {
            above.first[context as usize + 1] += 1;
        }
        for index in 0..above.logprob.len() {
            above.first[index + 1] += above.first[index];
        }
        trie.levels.push(Level {
            tokens: Tokens::new(entries.iter().map(|entry| entry.1).collect(), self.words.vocab_size),
            logprob: entries.iter().map(|entry| entry.2).collect(),
            backoff: if k < order { entries.iter().map(|entry| entry.3).collect() } else { Vec::new() },
            first: Vec::new(),
        });
        Ok(())
    }
}
