//! Writing a model as text.

use std::f64::consts::LN_10;
use std::io::{BufWriter, Write};
use std::path::Path;

use artifact::Result;
use fs_err as fs;

use super::NEVER;
use crate::ngram::{MAX_ORDER, Ngram};

impl Ngram {
    /// Writes the model in the ARPA format. `end` is the token to write as `</s>`: one that stands nowhere but at the
    /// end of a document. Without one, `</s>` is there, since readers ask for it, but never predicted.
    pub fn write_arpa(&self, path: &Path, end: Option<u32>) -> Result<()> {
        let mut file = BufWriter::new(fs::File::create(path)?);
        write(&mut file, self, end)?;
        file.flush()?;
        Ok(())
    }
}

fn write(out: &mut impl Write, model: &Ngram, end: Option<u32>) -> std::io::Result<()> {
    let trie = model.trie.view();
    // A token that was seen has more than its share of the uniform distribution.
    let unseen = trie.logprob(1, model.bos as usize);
    let vocab_size = trie.len(1);
    let seen: Vec<usize> = (0..vocab_size).filter(|&token| trie.logprob(1, token) > unseen).collect();
    let rest = vocab_size - seen.len();
    let placeholder = end.is_none();

    writeln!(out, "\\data\\")?;
    writeln!(out, "ngram 1={}", seen.len() + 2 + usize::from(placeholder))?;
    for k in 2..=trie.order {
        writeln!(out, "ngram {k}={}", trie.len(k))?;
    }
    writeln!(out, "\n\\1-grams:")?;
    let backoff = |k: usize, index: usize| {
        // The longest n-grams are no contexts.
        if k == trie.order {
            String::new()
        } else {
            format!("\t{}", decimal(f64::from(trie.backoff(k, index)) / LN_10))
        }
    };
    writeln!(out, "{}\t<unk>", decimal((f64::from(unseen) + (rest as f64).ln()) / LN_10))?;
    writeln!(out, "{NEVER}\t<s>{}", backoff(1, model.bos as usize))?;
    if placeholder {
        writeln!(out, "{NEVER}\t</s>")?;
    }
    let word = |token: u32| match token {
        _ if token == model.bos => "<s>".to_owned(),
        _ if Some(token) == end => "</s>".to_owned(),
        _ => token.to_string(),
    };
    for token in seen {
        let logprob = decimal(f64::from(trie.logprob(1, token)) / LN_10);
        writeln!(out, "{logprob}\t{}{}", word(token as u32), backoff(1, token))?;
    }
    for k in 2..=trie.order {
        writeln!(out, "\n\\{k}-grams:")?;
        // The n-gram of each shorter length with which the current one begins.
        let mut prefix = [0; MAX_ORDER];
        for index in 0..trie.len(k) {
            let mut child = index;
            for j in (0..k - 1).rev() {
                while trie.children(j + 1, prefix[j]).end <= child {
                    prefix[j] += 1;
                }
                child = prefix[j];
            }
            write!(
                out,
                "{}\t{}",
                decimal(f64::from(trie.logprob(k, index)) / LN_10),
                word(prefix[0] as u32)
            )?;
            for (j, &index) in prefix.iter().enumerate().take(k - 1).skip(1) {
                write!(out, " {}", word(trie.token(j + 1, index)))?;
            }
            writeln!(out, " {}{}", word(trie.token(k, index)), backoff(k, index))?;
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
