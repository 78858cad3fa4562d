//! How fast an n-gram model is estimated and asked: `ngram_speed TEXT [ORDER]`.
//!
//! Each line of TEXT is a document, each of its characters a token, but for white space. The same text for `KenLM`:
//! `sed 's/[[:space:]]//g; s/./& /g' TEXT | lmplz -o 5`.

use std::collections::BTreeSet;
use std::time::Instant;

use artifact::config::NgramConfig;
use artifact::shard::{Document, Documents};
use model::{LanguageModel, Ngram};

/// The token that begins a document, and the one that ends it.
const BOS: u32 = 0;
const END: u32 = 1;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().expect("the path of a text file");
    let order = arguments.next().map_or(5, |order| order.parse().expect("an order of 1 to 6"));
    let text = fs_err::read_to_string(path).expect("readable UTF-8");

    let characters: BTreeSet<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
    let ids: Vec<char> = characters.into_iter().collect();
    let id = |c: char| 2 + ids.binary_search(&c).expect("collected above") as u32;
    let mut documents = Documents::new();
    for line in text.lines() {
        let mut tokens = vec![BOS];
        tokens.extend(line.chars().filter(|c| !c.is_whitespace()).map(id));
        tokens.push(END);
        documents.push(Document { tokens: &tokens, loss: &vec![1; tokens.len()] });
    }
    let config = NgramConfig {
        architectures: Vec::new(),
        vocab_size: ids.len() + 2,
        order,
        bos_token_id: BOS,
        eos_token_id: END,
        pad_token_id: BOS,
    };

    let start = Instant::now();
    let model = Ngram::fit(&documents, &config);
    let seconds = start.elapsed().as_secs_f64();
    let tokens = documents.tokens.len();
    println!(
        "{tokens} tokens, vocabulary {}, order {order}: {} n-grams",
        config.vocab_size,
        model.parameters()
    );
    println!("estimated in {seconds:.2} s, {:.2} million tokens a second", tokens as f64 / seconds / 1e6);

    let start = Instant::now();
    let mut sum = 0.0;
    let mut scored = 0;
    for document in documents.iter().step_by(7) {
        let scores = model.score(document.tokens);
        scored += scores.len();
        sum += scores.into_iter().map(f64::from).sum::<f64>();
    }
    let rate = scored as f64 / start.elapsed().as_secs_f64() / 1e6;
    println!(
        "scored {scored} tokens at {rate:.2} million a second; {:.4} nats a token on its own text",
        -sum / scored as f64
    );

    let mut session = model.session();
    let start = Instant::now();
    let fed = &documents.tokens[..10_000.min(tokens)];
    for token in fed {
        session.feed(&[*token]);
    }
    println!(
        "a session gives {:.0} distributions a second",
        fed.len() as f64 / start.elapsed().as_secs_f64()
    );
}
