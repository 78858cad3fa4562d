//! Fitting the tokenizer: byte-level BPE (Sennrich et al. 2016; bytes as in Radford et al. 2019, GPT-2).

use std::collections::BTreeMap;

use artifact::tokenizer::{ChatTokenizer, SPECIAL, TEMPLATE, TokenizerConfig};
use artifact::{Error, Result};
use terminal::Progress;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::normalizers::NFC;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{
    AddedToken, Normalizer, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer, Tokenizer,
    Trainer,
};

/// A pair of tokens that stands once in the training text is chance, not a pattern.
const LEAST_REPETITIONS: u64 = 2;

/// Fits a tokenizer of at most `vocab_size` tokens to `texts`, special tokens first, then the bytes, then merges.
///
/// # Errors
/// [`Error::Refused`] when the library refuses a text.
pub(crate) fn fit<'a>(texts: impl Iterator<Item = &'a str>, vocab_size: usize) -> Result<ChatTokenizer> {
    // Chats repeat themselves: a text is split into words once and counts as often as it stands.
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for text in texts {
        *counts.entry(text).or_default() += 1;
    }
    let tokenizer = train(&counts, vocab_size)
        .map_err(|error| Error::refused(format!("fitting the tokenizer: {error}")))?;
    ChatTokenizer::new(tokenizer, TokenizerConfig::default(), TEMPLATE.to_owned())
}

/// Merges the most frequent pair again and again; of equally frequent ones the pair of the lowest ids, so that the
/// result depends on the counts alone.
fn train(counts: &BTreeMap<&str, usize>, vocab_size: usize) -> tokenizers::Result<Tokenizer> {
    let special: Vec<AddedToken> = SPECIAL.iter().map(|&text| AddedToken::from(text, true)).collect();
    let bytes = ByteLevel::new(false, false, true);
    let mut trainer = BpeTrainer::builder()
        .vocab_size(vocab_size)
        .min_frequency(LEAST_REPETITIONS)
        .show_progress(false)
        .special_tokens(special.clone())
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .build();
    let progress = Progress::new("tokenizer", counts.len() as u64, "texts");
    trainer.feed(counts.keys().copied(), |text| {
        progress.inc(1);
        let mut words = PreTokenizedString::from(text);
        words.normalize(|text| NFC.normalize(text))?;
        bytes.pre_tokenize(&mut words)?;
        Ok(words
            .get_splits(OffsetReferential::Original, OffsetType::None)
            .into_iter()
            .flat_map(|(word, _, _)| std::iter::repeat_n(word.to_owned(), counts[text]))
            .collect())
    })?;
    progress.finish();
    let mut model = BPE::default();
    trainer.train(&mut model)?;

    let mut tokenizer = Tokenizer::new(model);
    tokenizer.with_normalizer(Some(NFC))?.with_pre_tokenizer(Some(bytes)).with_decoder(Some(bytes));
    tokenizer.add_special_tokens(special)?;
    Ok(tokenizer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn files(texts: &[String], vocab_size: usize) -> String {
        let tokenizer = fit(texts.iter().map(String::as_str), vocab_size).unwrap();
        let dir = tempfile::tempdir().unwrap();
        tokenizer.write(dir.path()).unwrap();
        fs_err::read_to_string(dir.path().join(artifact::tokenizer::FILE)).unwrap()
    }

    #[test]
    fn special_tokens_come_first_and_then_the_bytes() {
        let texts = ["안녕하세요 안녕하세요".to_owned()];
        let tokenizer = fit(texts.iter().map(String::as_str), 270).unwrap();
        for (id, text) in SPECIAL.iter().enumerate() {
            assert_eq!(tokenizer.token_id(text), Some(id as u32));
        }
        assert_eq!(tokenizer.token_id("!"), Some(SPECIAL.len() as u32));
        assert_eq!(tokenizer.vocab_size(), 270);
        let unseen = "Ünseen 漢字 🙂\n\0";
        assert_eq!(tokenizer.decode(&tokenizer.encode(unseen).unwrap()), unseen);
    }

    #[test]
    fn stops_where_nothing_repeats() {
        let texts = ["ab".to_owned(), "ab".to_owned(), "cd".to_owned()];
        let tokenizer = fit(texts.iter().map(String::as_str), 1000).unwrap();
        assert_eq!(tokenizer.vocab_size(), SPECIAL.len() + 256 + 1);
        assert!(tokenizer.token_id("ab").is_some());
    }

    proptest! {
        // Few letters and short words: most pairs are equally frequent, and many merges make the same token.
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn the_order_of_texts_changes_nothing(mut texts in prop::collection::vec("[ab ]{1,12}", 1..12)) {
            let forward = files(&texts, 400);
            texts.reverse();
            prop_assert_eq!(files(&texts, 400), forward);
        }
    }
}
