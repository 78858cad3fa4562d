//! `model arpa`: out to text and back.

use std::path::Path;
use std::process::{Command, Output};

use artifact::config::ModelConfig;
use artifact::shard::{Document, Documents};
use artifact::tokenizer::{ChatTokenizer, SPECIAL, TEMPLATE, TokenizerConfig};
use fs_err as fs;
use model::ngram::Estimation;
use model::{LanguageModel, Ngram};
use tokenizers::models::bpe::BPE;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, Tokenizer};

/// Special tokens, then one token a byte.
fn tokenizer() -> ChatTokenizer {
    let mut alphabet: Vec<char> = ByteLevel::alphabet().into_iter().collect();
    alphabet.sort_unstable();
    let tokens = SPECIAL.into_iter().map(str::to_owned).chain(alphabet.into_iter().map(String::from));
    let vocabulary: [(String, u32); 261] = tokens.zip(0..).collect::<Vec<_>>().try_into().expect("as many");
    let bpe = BPE::builder().vocab_and_merges(vocabulary, Vec::new()).build().expect("no merges");
    let mut tokenizer = Tokenizer::new(bpe);
    tokenizer.with_pre_tokenizer(Some(ByteLevel::new(false, true, true)));
    let specials: Vec<AddedToken> = SPECIAL.iter().map(|text| AddedToken::from(*text, true)).collect();
    tokenizer.add_special_tokens(specials).expect("they are in the vocabulary");
    ChatTokenizer::new(tokenizer, TokenizerConfig::default(), TEMPLATE.to_owned()).expect("it has them")
}

fn model(dir: &Path, words: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_model"));
    command.current_dir(dir).args(["--lang", "en"]).args(words.split(' ')).output().expect("it runs")
}

#[track_caller]
fn succeed(dir: &Path, words: &str) {
    let output = model(dir, words);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[track_caller]
fn fail(dir: &Path, words: &str, expected: &str) {
    let output = model(dir, words);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains(expected), "{stderr}");
}

#[test]
fn a_model_comes_back_from_text() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    fs::create_dir(dir.join("data")).unwrap();
    tokenizer().write(&dir.join("data")).unwrap();
    succeed(dir, "new --data data --out model --architecture ngram --order 4");
    let ModelConfig::Ngram(config) = ModelConfig::read(&dir.join("model")).unwrap() else { panic!("n-gram") };
    let mut documents = Documents::new();
    for tokens in [[0, 20, 30, 40, 1], [0, 20, 30, 50, 1], [0, 60, 30, 40, 1]] {
        documents.push(Document { tokens: &tokens, loss: &[1; 5] });
    }
    let fitted = Ngram::fit(&documents, &config, Estimation::default()).unwrap();
    fitted.write(&dir.join("model")).unwrap();

    for (index, end) in ["", " --end 1"].iter().enumerate() {
        succeed(dir, &format!("arpa export --model model --out {index}.arpa{end}"));
        succeed(dir, &format!("arpa import --arpa {index}.arpa --data data --out back-{index}{end}"));
        for file in ["model.safetensors", "config.json", "generation_config.json", "tokenizer.json"] {
            let [written, back] = ["model".to_owned(), format!("back-{index}")]
                .map(|name| fs::read(dir.join(name).join(file)).unwrap());
            assert!(written == back, "{file}");
        }
    }
    let read = Ngram::read(&dir.join("back-0"), &config).unwrap();
    assert_eq!(read.score(&[0, 20, 30, 40]), fitted.score(&[0, 20, 30, 40]));

    fail(dir, "arpa export --model model --out 0.arpa", "0.arpa: the file exists already");
    fail(dir, "arpa export --model model --out new.arpa --end 261", "--end 261: expected a token below 261");
    fail(dir, "arpa export --model data --out new.arpa", "config.json");
    fail(dir, "arpa import --arpa nothing.arpa --data data --out new", "nothing.arpa");
    fs::write(dir.join("cut.arpa"), &fs::read(dir.join("0.arpa")).unwrap()[..200]).unwrap();
    fail(dir, "arpa import --arpa cut.arpa --data data --out new", "cut.arpa:");
    assert!(!dir.join("new").exists());
}
