//! Fitting the tokenizer: byte-level BPE (Sennrich et al. 2016; bytes as in Radford et al. 2019, GPT-2).

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Mutex;

use artifact::tokenizer::{
    ChatTokenizer, SPECIAL, TEMPLATE, TokenizerConfig, byte_characters, composed, words,
};
use artifact::{Error, Result};
use rayon::prelude::*;
use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::normalizers::NFC;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, Tokenizer};

use crate::merges::{self, Merges};

/// Parts of the table, so that threads seldom wait for each other.
const PARTS: usize = 64;

/// Bytes that a word takes, in the table and while merges are learnt from it: rounded up from a million Korean words.
const WORD: usize = 320;

/// How often each word stands.
#[derive(Debug)]
pub(crate) struct WordCounts {
    parts: Vec<Mutex<HashMap<Box<str>, u64>>>,
    hashes: RandomState,
    most: usize,
}

impl WordCounts {
    /// A table that takes so many bytes at most, from one [`WordCounts::prune`] to the next.
    pub(crate) fn new(memory: usize) -> Self {
        let parts = (0..PARTS).map(|_| Mutex::default()).collect();
        Self { parts, hashes: RandomState::new(), most: (memory / WORD).max(PARTS) }
    }

    /// Counts the words of a text, from any thread.
    pub(crate) fn add(&self, text: &str) {
        words(&composed(text)).for_each(|word| self.count(word));
    }

    fn count(&self, word: &str) {
        let part = self.hashes.hash_one(word) as usize % PARTS;
        let mut part = self.parts[part].lock().expect("no holder of this lock panics");
        if let Some(count) = part.get_mut(word) {
            *count += 1;
        } else {
            part.insert(word.into(), 1);
        }
    }

    /// Where there are more words than memory has room for, forgets the rarest until half of them are left (after Manku
    /// and Motwani 2002, "Approximate frequency counts over data streams").
    pub(crate) fn prune(&self) {
        let parts = || self.parts.iter().map(|part| part.lock().expect("no holder of this lock panics"));
        let len = || parts().map(|part| part.len()).sum::<usize>();
        if len() <= self.most {
            return;
        }
        let mut least = 1;
        while len() > self.most / 2 {
            least *= 2;
            for mut part in parts() {
                part.retain(|_, count| *count >= least);
                part.shrink_to_fit();
            }
        }
    }

    /// The words and their counts, in the order of the words.
    fn sorted(self) -> Vec<(Box<str>, u64)> {
        let parts = self.parts.into_iter();
        let mut all: Vec<(Box<str>, u64)> =
            parts.flat_map(|part| part.into_inner().expect("no holder of this lock panics")).collect();
        all.par_sort_unstable();
        all
    }
}

/// Fits a tokenizer of at most `vocab_size` tokens, special tokens first, then the bytes, then merges.
///
/// # Errors
/// [`Error::Refused`] when the library refuses what was learnt.
pub(crate) fn fit(counts: WordCounts, vocab_size: usize) -> Result<ChatTokenizer> {
    let characters = byte_characters();
    let mut alphabet: Vec<char> = characters.to_vec();
    alphabet.sort_unstable();
    let byte_ids = characters.map(|character| {
        let place = alphabet.binary_search(&character).expect("the alphabet has every byte's character");
        (SPECIAL.len() + place) as u32
    });
    let special = SPECIAL.iter().map(|&text| text.to_owned());
    let first = special.chain(alphabet.into_iter().map(String::from)).collect();
    let learnt = merges::learn(&counts.sorted(), first, &byte_ids, vocab_size);
    let tokenizer =
        tokenizer_of(learnt).map_err(|error| Error::refused(format!("fitting the tokenizer: {error}")))?;
    ChatTokenizer::new(tokenizer, TokenizerConfig::default(), TEMPLATE.to_owned())
}

fn tokenizer_of(Merges { tokens, pairs }: Merges) -> tokenizers::Result<Tokenizer> {
    let texts = |&(a, b): &merges::Pair| (tokens[a as usize].clone(), tokens[b as usize].clone());
    let merges = pairs.iter().map(texts).collect();
    let vocabulary: Vocab = tokens.into_iter().zip(0..).collect();
    let model = BPE::builder().vocab_and_merges(vocabulary, merges).build()?;
    let bytes = ByteLevel::new(false, false, true);
    let mut tokenizer = Tokenizer::new(model);
    tokenizer.with_normalizer(Some(NFC))?.with_pre_tokenizer(Some(bytes)).with_decoder(Some(bytes));
    let special: Vec<AddedToken> = SPECIAL.iter().map(|&text| AddedToken::from(text, true)).collect();
    tokenizer.add_special_tokens(special)?;
    Ok(tokenizer)
}

#[cfg(test)]
mod tests {
    use artifact::conversation::Message;
    use artifact::tokenizer::Encoder;
    use proptest::prelude::*;
    use tokenizers::models::TrainerWrapper;
    use tokenizers::models::bpe::BpeTrainer;

    use super::*;

    fn fitted(texts: &[String], vocab_size: usize) -> ChatTokenizer {
        let counts = WordCounts::new(1 << 30);
        for text in texts {
            counts.add(text);
        }
        fit(counts, vocab_size).unwrap()
    }

    /// `tokenizer.json` of a tokenizer.
    fn file(tokenizer: &ChatTokenizer) -> String {
        let dir = tempfile::tempdir().unwrap();
        tokenizer.write(dir.path()).unwrap();
        fs_err::read_to_string(dir.path().join(artifact::tokenizer::FILE)).unwrap()
    }

    /// The same, fitted by the library.
    fn file_of_library(texts: &[String], vocab_size: usize) -> String {
        let special: Vec<AddedToken> = SPECIAL.iter().map(|&text| AddedToken::from(text, true)).collect();
        let trainer = BpeTrainer::builder()
            .vocab_size(vocab_size)
            .min_frequency(2)
            .show_progress(false)
            .special_tokens(special)
            .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
            .build();
        let bytes = ByteLevel::new(false, false, true);
        let mut tokenizer = Tokenizer::new(BPE::default());
        tokenizer
            .with_normalizer(Some(NFC))
            .unwrap()
            .with_pre_tokenizer(Some(bytes))
            .with_decoder(Some(bytes));
        let mut trainer: TrainerWrapper = trainer.into();
        tokenizer.train(&mut trainer, texts.iter()).unwrap();
        let tokenizer = ChatTokenizer::new(tokenizer, TokenizerConfig::default(), TEMPLATE.to_owned());
        file(&tokenizer.unwrap())
    }

    #[test]
    fn special_tokens_come_first_and_then_the_bytes() {
        let tokenizer = fitted(&["안녕하세요 안녕하세요".to_owned()], 270);
        for (id, text) in SPECIAL.iter().enumerate() {
            assert_eq!(tokenizer.token_id(text), Some(id as u32));
        }
        assert_eq!(tokenizer.token_id("!"), Some(SPECIAL.len() as u32));
        assert_eq!(tokenizer.vocab_size(), 270);
        let unseen = "Ünseen 漢字 🙂\n\0";
        assert_eq!(tokenizer.decode(&tokenizer.encode(unseen).unwrap()), unseen);
    }

    /// Written by `fixtures/tokenizer.py`.
    #[derive(serde::Deserialize)]
    struct Fixture {
        texts: Vec<String>,
        tokens: Vec<String>,
        merges: Vec<(String, String)>,
        encoded: Vec<Encoded>,
    }

    #[derive(serde::Deserialize)]
    struct Encoded {
        text: String,
        ids: Vec<u32>,
    }

    #[test]
    fn vocabulary_and_tokens_are_those_of_the_library_in_python() {
        let fixture: Fixture =
            serde_json::from_str(include_str!("../tests/fixtures/tokenizer.json")).unwrap();
        let tokenizer = fitted(&fixture.texts, fixture.tokens.len());
        let file: serde_json::Value = serde_json::from_str(&file(&tokenizer)).unwrap();
        let merges: Vec<(String, String)> = serde_json::from_value(file["model"]["merges"].clone()).unwrap();
        assert_eq!(merges, fixture.merges);
        for (id, token) in fixture.tokens.iter().enumerate() {
            assert_eq!(tokenizer.token_id(token), Some(id as u32));
        }
        let encoder = Encoder::new(&tokenizer);
        for Encoded { text, ids } in &fixture.encoded {
            assert_eq!(&tokenizer.encode(text).unwrap(), ids, "{text:?}");
            let rendered = encoder.conversation(&[Message::user(text)]).unwrap();
            assert_eq!(rendered.tokens[2..rendered.tokens.len() - 1], *ids, "{text:?}");
        }
    }

    #[test]
    fn stops_where_nothing_repeats() {
        let texts = ["ab".to_owned(), "ab".to_owned(), "cd".to_owned()];
        let tokenizer = fitted(&texts, 1000);
        assert_eq!(tokenizer.vocab_size(), SPECIAL.len() + 256 + 1);
        assert!(tokenizer.token_id("ab").is_some());
    }

    #[test]
    fn the_rarest_words_are_forgotten_where_memory_ends() {
        let counts = WordCounts::new(0);
        for word in 0..=PARTS {
            counts.add(&format!("w{}", "x".repeat(word)));
        }
        (0..9).for_each(|_| counts.add("often"));
        counts.prune();
        assert_eq!(counts.sorted(), [("often".into(), 9)]);
    }

    proptest! {
        // Few letters and short words: most pairs are equally frequent, and many merges make the same token.
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn merges_are_those_of_the_library(mut texts in prop::collection::vec("[abc 가]{1,12}", 1..16), size in 262_usize..400) {
            let ours = file(&fitted(&texts, size));
            prop_assert_eq!(&ours, &file_of_library(&texts, size));
            texts.reverse();
            prop_assert_eq!(file(&fitted(&texts, size)), ours);
        }
    }
}
