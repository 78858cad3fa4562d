//! What training reads, checked to fit together.

use std::path::{Path, PathBuf};

use artifact::config::{FILE as CONFIG_FILE, GENERATION_FILE, GenerationConfig};
use artifact::conversation::Split;
use artifact::shard::{Documents, read_split};
use artifact::tokenizer::{self, ChatTokenizer};
use artifact::{Error, Result, json, weights};
use fs_err as fs;

/// The data, and the parts of the model directory that training keeps.
pub(crate) struct Inputs {
    /// The model directory.
    pub(crate) model: PathBuf,
    /// Documents to fit.
    pub(crate) train: Documents,
    /// Documents to choose by.
    pub(crate) valid: Documents,
    /// The model's tokenizer.
    pub(crate) tokenizer: ChatTokenizer,
    /// The model's generation settings.
    pub(crate) generation: GenerationConfig,
}

impl Inputs {
    /// Reads both directories.
    ///
    /// # Errors
    /// [`Error`] when the data was made with another vocabulary than the model's.
    pub(crate) fn read(data: &Path, model: &Path, vocab_size: usize) -> Result<Self> {
        let tokenizer = ChatTokenizer::read(model)?;
        if tokenizer.vocab_size() > vocab_size {
            let expected = format!("at most the {vocab_size} tokens of {CONFIG_FILE}");
            let found = format!("{} tokens", tokenizer.vocab_size());
            return Err(Error::malformed(&model.join(tokenizer::FILE), expected, found));
        }
        let data_tokenizer = data.join(tokenizer::FILE);
        if data_tokenizer.exists() && !ChatTokenizer::read(data)?.same_vocabulary(&tokenizer) {
            let expected = format!("the vocabulary of {}", model.join(tokenizer::FILE).display());
            return Err(Error::malformed(&data_tokenizer, expected, "another one").with_hint(
                "make the model with `model new --data` from this data, or preprocess with its tokenizer",
            ));
        }
        let inputs = Self {
            model: model.to_owned(),
            train: read_split(data, Split::Train)?,
            valid: read_split(data, Split::Valid)?,
            tokenizer,
            generation: json::read(&model.join(GENERATION_FILE))?,
        };
        for (split, documents) in [(Split::Train, &inputs.train), (Split::Valid, &inputs.valid)] {
            if let Some(token) = documents.tokens.iter().find(|&&token| token as usize >= vocab_size) {
                let expected =
                    format!("{split} shards with tokens below the model's vocabulary of {vocab_size}");
                return Err(Error::malformed(data, expected, format!("token {token}"))
                    .with_hint("make the model with `model new --data` from this data"));
            }
        }
        if inputs.train.targets() == 0 {
            return Err(Error::malformed(data, "train shards with targets", "none")
                .with_hint("only what the assistant says is learnt: the data needs assistant turns"));
        }
        Ok(inputs)
    }

    /// Copies what training does not change into the directory of the result.
    pub(crate) fn copy_unchanged(&self, out: &Path) -> Result<()> {
        for name in tokenizer::FILES.into_iter().chain([CONFIG_FILE, GENERATION_FILE]) {
            fs::copy(self.model.join(name), out.join(name))?;
        }
        Ok(())
    }

    /// A hash of all tokens and targets.
    pub(crate) fn data_digest(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for documents in [&self.train, &self.valid] {
            for number in [documents.tokens.len(), documents.starts.len()] {
                hasher.update(&(number as u64).to_le_bytes());
            }
            let tokens: Vec<u8> = documents.tokens.iter().flat_map(|token| token.to_le_bytes()).collect();
            let starts: Vec<u8> =
                documents.starts.iter().flat_map(|&start| (start as u64).to_le_bytes()).collect();
            hasher.update(&tokens).update(&documents.loss).update(&starts);
        }
        hasher.finalize().to_hex().to_string()
    }

    /// A hash of the model directory that training begins from.
    pub(crate) fn model_digest(&self) -> Result<String> {
        let mut hasher = blake3::Hasher::new();
        for name in tokenizer::FILES.into_iter().chain([CONFIG_FILE, GENERATION_FILE, weights::FILE]) {
            let bytes = fs::read(self.model.join(name))?;
            hasher.update(&(bytes.len() as u64).to_le_bytes()).update_rayon(&bytes);
        }
        Ok(hasher.finalize().to_hex().to_string())
    }
}
