//! The n-gram model against a direct reading of its formulas.

use std::collections::{BTreeMap, BTreeSet};

use artifact::config::{GenerationConfig, NgramConfig};
use artifact::shard::{Document, Documents};
use model::generate::Tokens;
use model::ngram::{Estimation, Memory};
use model::{LanguageModel, Ngram};
use proptest::prelude::*;

fn config(vocab_size: usize, order: usize) -> NgramConfig {
    NgramConfig {
        architectures: Vec::new(),
        vocab_size,
        order,
        bos_token_id: 0,
        eos_token_id: 1,
        pad_token_id: 0,
    }
}

/// Documents that begin with token 0.
fn documents(texts: &[Vec<u32>]) -> Documents {
    let mut documents = Documents::new();
    for text in texts {
        let tokens: Vec<u32> = [0].iter().chain(text).copied().collect();
        documents.push(Document { tokens: &tokens, loss: &vec![1; tokens.len()] });
    }
    documents
}

fn fit(documents: &Documents, config: &NgramConfig) -> Ngram {
    pruned(documents, config, &[])
}

fn pruned(documents: &Documents, config: &NgramConfig, prune: &[u32]) -> Ngram {
    Ngram::fit(documents, config, Estimation { prune, memory: None }).expect("nothing is written")
}

/// Modified Kneser-Ney as it is written, slowly: every sum is a walk over all n-grams.
struct Direct {
    vocab_size: usize,
    order: usize,
    prune: Vec<u64>,
    /// How often each n-gram occurs.
    occurrences: BTreeMap<Vec<u32>, u64>,
    /// Its adjusted count.
    adjusted: BTreeMap<Vec<u32>, u64>,
    /// D1, D2, D3+ of each length.
    discounts: Vec<[f64; 3]>,
}

impl Direct {
    fn new(texts: &[Vec<u32>], vocab_size: usize, order: usize, prune: &[u64]) -> Self {
        let mut occurrences: BTreeMap<Vec<u32>, u64> = BTreeMap::new();
        for text in texts.iter().filter(|text| !text.is_empty()) {
            let tokens: Vec<u32> = [0].iter().chain(text).copied().collect();
            for k in 1..=order {
                for gram in tokens.windows(k) {
                    *occurrences.entry(gram.to_vec()).or_default() += 1;
                }
            }
        }
        let mut adjusted = BTreeMap::new();
        for (gram, &count) in &occurrences {
            let before: BTreeSet<u32> =
                occurrences.keys().filter(|longer| longer[1..] == gram[..]).map(|longer| longer[0]).collect();
            let count = match gram.as_slice() {
                [0] => 0,
                _ if gram.len() == order || gram[0] == 0 => count,
                _ => before.len() as u64,
            };
            adjusted.insert(gram.clone(), count);
        }
        let discounts = (1..=order)
            .map(|k| {
                let n = |j: u64| {
                    adjusted.iter().filter(|(gram, count)| gram.len() == k && **count == j).count() as f64
                };
                let y = n(1) / (n(1) + 2.0 * n(2));
                let d =
                    [1.0 - 2.0 * y * n(2) / n(1), 2.0 - 3.0 * y * n(3) / n(2), 3.0 - 4.0 * y * n(4) / n(3)];
                let sound = (0..3).all(|j| d[j].is_finite() && d[j] > 0.0 && d[j] <= (j + 1) as f64);
                if sound { d } else { [0.5, 1.0, 1.5] }
            })
            .collect();
        Self { vocab_size, order, prune: prune.to_vec(), occurrences, adjusted, discounts }
    }

    fn discount(&self, k: usize, count: u64) -> f64 {
        if count == 0 { 0.0 } else { self.discounts[k - 1][count.min(3) as usize - 1] }
    }

    fn kept(&self, gram: &[u32]) -> bool {
        self.occurrences[gram] > self.prune.get(gram.len() - 1).copied().unwrap_or(0)
    }

    fn probability(&self, context: &[u32], token: u32) -> f64 {
        let k = context.len() + 1;
        let children: Vec<(&Vec<u32>, u64)> = self
            .adjusted
            .iter()
            .filter(|(gram, _)| gram.len() == k && gram[..k - 1] == *context)
            .map(|(gram, &count)| (gram, count))
            .collect();
        let total: u64 = children.iter().map(|(_, count)| count).sum();
        let freed: f64 = children
            .iter()
            .map(|&(gram, count)| if self.kept(gram) { self.discount(k, count) } else { count as f64 })
            .sum();
        let g = if total == 0 { 1.0 } else { freed / total as f64 };
        let own = children
            .iter()
            .find(|(gram, _)| gram[k - 1] == token && self.kept(gram))
            .map_or(0.0, |&(_, count)| (count as f64 - self.discount(k, count)) / total.max(1) as f64);
        let lower = if k > 1 {
            self.probability(&context[1..], token)
        } else {
            let seen = children.iter().filter(|(_, count)| *count > 0).count();
            let unseen = self.vocab_size - seen;
            let known = children.iter().any(|(gram, count)| gram[0] == token && *count > 0);
            if known { 1.0 / (seen + 1) as f64 } else { 1.0 / ((seen + 1) * unseen) as f64 }
        };
        own + g * lower
    }

    /// ln p of each token of a document after the first.
    fn score(&self, tokens: &[u32]) -> Vec<f64> {
        (1..tokens.len())
            .map(|t| self.probability(&tokens[(t + 1).saturating_sub(self.order).min(t)..t], tokens[t]).ln())
            .collect()
    }
}

fn texts() -> impl Strategy<Value = Vec<Vec<u32>>> {
    // Squares favour small tokens, as real text favours some.
    let token = (0.0..1.0_f64).prop_map(|x| 1 + (x * x * 9.0) as u32);
    prop::collection::vec(prop::collection::vec(token, 0..12), 0..25)
}

fn assert_near(found: f32, expected: f64) {
    assert!((f64::from(found) - expected).abs() < 2e-5, "ln p is {found}, by the formula {expected}");
}

fn ngrams(direct: &Direct) -> usize {
    let longer = direct.occurrences.keys().filter(|gram| gram.len() > 1 && direct.kept(gram)).count();
    direct.vocab_size + longer
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn agrees_with_the_formula(
        train in texts(),
        talk in prop::collection::vec(1_u32..12, 0..10),
        order in 1_usize..=6,
        prune in prop::sample::select(vec![vec![], vec![0, 0, 1], vec![0, 1, 1, 2], vec![0, 2]]),
    ) {
        let config = config(12, order);
        let model = pruned(&documents(&train), &config, &prune);
        let last = prune.last().copied().unwrap_or(0);
        let prune: Vec<u64> = (0..order).map(|k| u64::from(prune.get(k).copied().unwrap_or(last))).collect();
        let direct = Direct::new(&train, 12, order, &prune);
        prop_assert_eq!(model.parameters(), ngrams(&direct));
        for text in train.iter().take(3).chain([&talk]) {
            let tokens: Vec<u32> = [0].iter().chain(text).copied().collect();
            for (found, expected) in model.score(&tokens).into_iter().zip(direct.score(&tokens)) {
                assert_near(found, expected);
            }
        }
    }

    #[test]
    fn a_session_gives_a_distribution_that_score_repeats(
        train in texts(),
        talk in prop::collection::vec(0_u32..12, 1..10),
        order in 1_usize..=6,
        prune in prop::sample::select(vec![vec![], vec![0, 0, 1], vec![0, 1]]),
    ) {
        let config = config(12, order);
        let model = pruned(&documents(&train), &config, &prune);
        let mut session = model.session();
        let scores = model.score(&talk);
        prop_assert_eq!(scores.len(), talk.len() - 1);
        for t in 0..talk.len() {
            let logits = session.feed(&talk[t..=t]).to_vec();
            let sum: f64 = logits.iter().map(|&logit| f64::from(logit).exp()).sum();
            prop_assert!((sum - 1.0).abs() < 1e-5, "probabilities sum to {}", sum);
            prop_assert!(logits.iter().all(|logit| logit.is_finite()));
            if let Some(&next) = talk.get(t + 1) {
                prop_assert_eq!(logits[next as usize].to_bits(), scores[t].to_bits());
            }
            prop_assert_eq!(session.len(), t + 1);
        }
        prop_assert_eq!(session.feed(&talk).to_vec(), session_at_once(&model, &[&talk[..], &talk[..]].concat()));
    }

    #[test]
    fn reads_what_it_wrote(train in texts(), order in 1_usize..=6, wide in any::<bool>()) {
        let config = config(if wide { 70_000 } else { 12 }, order);
        let dir = tempfile::tempdir().unwrap();
        let model = fit(&documents(&train), &config);
        model.write(dir.path()).unwrap();
        let file = fs_err::read(dir.path().join("model.safetensors")).unwrap();
        let read = Ngram::read(dir.path(), &config).unwrap();
        prop_assert!(read == model);
        read.write(dir.path()).unwrap();
        prop_assert!(fs_err::read(dir.path().join("model.safetensors")).unwrap() == file);
    }
}

fn session_at_once(model: &Ngram, tokens: &[u32]) -> Vec<f32> {
    model.session().feed(tokens).to_vec()
}

/// A corpus larger than one task of the parallel parts.
fn large() -> Documents {
    let mut state = 1_u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / f64::from(1 << 31)
    };
    let texts: Vec<Vec<u32>> = (0..8000)
        .map(|_| {
            (0..40).map(|_| if random() < 0.6 { 1 } else { 1 + (random().powi(3) * 3000.0) as u32 }).collect()
        })
        .collect();
    documents(&texts)
}

#[test]
fn threads_do_not_change_the_model() {
    let documents = large();
    let fit_by = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| fit(&documents, &config(4000, 5)))
    };
    let alone = fit_by(1);
    assert!(alone == fit_by(2));
    assert!(alone == fit_by(5));
}

#[test]
fn a_bound_on_memory_does_not_change_the_model() {
    let documents = large();
    let dir = tempfile::tempdir().unwrap();
    // Keys of 64 and of 128 bits, and of six numbers.
    for (vocab_size, order) in [(4000, 5), (70_000, 5), (4000, 1), (3 << 21, 6)] {
        let config = config(vocab_size, order);
        for prune in [&[][..], &[0, 0, 1]] {
            let memory = Some(Memory { bytes: Memory::LEAST, dir: dir.path() });
            let bounded = Ngram::fit(&documents, &config, Estimation { prune, memory }).unwrap();
            assert!(bounded == pruned(&documents, &config, prune), "{vocab_size} tokens, order {order}");
        }
    }
    assert_eq!(fs_err::read_dir(dir.path()).unwrap().count(), 0, "files have no names");
}

#[test]
fn counts_every_ngram_of_a_large_corpus() {
    let documents = large();
    // Keys of 4 and of 5 tokens at 12 bits fit 64 bits, 17 bits do not: both ways must agree.
    let narrow = fit(&documents, &config(4000, 5));
    let wide = fit(&documents, &config(70_000, 5));
    let mut distinct = 0;
    for k in 2..=5 {
        let grams: BTreeSet<&[u32]> =
            documents.iter().flat_map(|document| document.tokens.windows(k)).collect();
        distinct += grams.len();
    }
    assert_eq!(narrow.parameters(), 4000 + distinct);
    assert_eq!(wide.parameters(), 70_000 + distinct);
    for document in documents.iter().take(50) {
        for (a, b) in narrow.score(document.tokens).into_iter().zip(wide.score(document.tokens)) {
            assert!((a - b).abs() < 1e-6, "{a} and {b}");
        }
    }
}

#[test]
fn an_untrained_model_is_uniform() {
    for order in 1..=6 {
        let config = config(50, order);
        let dir = tempfile::tempdir().unwrap();
        Ngram::new(&config).write(dir.path()).unwrap();
        let model = Ngram::read(dir.path(), &config).unwrap();
        assert_eq!(model.parameters(), 50);
        for logit in session_at_once(&model, &[0, 3, 4]) {
            assert_near(logit, -(50_f64).ln());
        }
        let counted = fit(&Documents::new(), &config);
        assert_eq!(counted.score(&[0, 7, 7]), model.score(&[0, 7, 7]));
    }
}

#[test]
fn a_token_that_begins_a_document_ends_the_context() {
    let model = fit(&documents(&[vec![2, 3, 4, 1], vec![2, 3, 5, 1]]), &config(8, 4));
    let after = session_at_once(&model, &[0, 2, 3, 0, 2]);
    assert_eq!(after, session_at_once(&model, &[0, 2]));
    let mut joined = Documents::new();
    joined.push(Document { tokens: &[0, 2, 3, 4, 1, 0, 2, 3, 5, 1], loss: &[1; 10] });
    let mut without = Documents::new();
    without.push(Document { tokens: &[2, 3, 4, 1, 0, 2, 3, 5, 1], loss: &[1; 9] });
    assert!(fit(&joined, &config(8, 4)) == model);
    assert!(fit(&without, &config(8, 4)) == model);
}

#[test]
fn scores_of_no_or_one_token_are_none() {
    let model = fit(&documents(&[vec![2, 3, 1]]), &config(8, 3));
    assert!(model.score(&[]).is_empty());
    assert!(model.score(&[0]).is_empty());
}

/// Writes a model, lets `damage` change the bytes, and gives the message of reading it.
fn message_after(damage: impl FnOnce(&mut Vec<u8>), config: &NgramConfig) -> String {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let small = self::config(12, 3);
    fit(&documents(&[vec![2, 3, 4, 1], vec![2, 3, 5, 1]]), &small)
        .write(dir.path())
        .expect("a temporary directory");
    let path = dir.path().join("model.safetensors");
    let mut bytes = fs_err::read(&path).expect("a temporary directory");
    damage(&mut bytes);
    fs_err::write(&path, bytes).expect("a temporary directory");
    let message = Ngram::read(dir.path(), config).expect_err("a damaged file").to_string();
    assert!(message.contains("model.safetensors"), "{message}");
    message
}

#[test]
fn names_what_is_wrong_with_a_file() {
    let good = config(12, 3);
    let check = |damage: fn(&mut Vec<u8>), expected: &str| {
        let message = message_after(damage, &good);
        assert!(message.contains(expected), "{message}");
    };
    check(|bytes| bytes.truncate(bytes.len() - 1), "a safetensors file");
    check(|bytes| bytes.truncate(4), "a safetensors file");
    check(Vec::clear, "a safetensors file");
    // The last bytes are probabilities, with tokens before them.
    check(|bytes| bytes.iter_mut().rev().take(4).for_each(|byte| *byte = 0xFF), "`3.logprob` of 0 or less");
    check(
        |bytes| bytes.iter_mut().rev().skip(4 * 6).take(4).for_each(|byte| *byte = 0x7F),
        "`3.tokens` below 12",
    );
    for (config, expected) in
        [(config(13, 3), "[14, 3]"), (config(12, 4), "`3."), (config(12, 2), "`2.logprob`")]
    {
        let message = message_after(|_| {}, &config);
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn no_damaged_byte_makes_it_panic() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(12, 3);
    fit(&documents(&[vec![2, 3, 4, 1], vec![2, 3, 5, 1]]), &config).write(dir.path()).unwrap();
    let path = dir.path().join("model.safetensors");
    let bytes = fs_err::read(&path).unwrap();
    for at in 0..bytes.len() {
        for change in [0x01, 0x80, 0xFF] {
            let mut damaged = bytes.clone();
            damaged[at] ^= change;
            fs_err::write(&path, damaged).unwrap();
            if let Ok(model) = Ngram::read(dir.path(), &config) {
                model.session().feed(&[0, 2, 3, 4, 1]);
                model.score(&[0, 2, 3, 5, 1]);
            }
        }
    }
}

#[test]
fn arpa_gives_the_same_model_back() {
    let training = documents(&[vec![2, 3, 4, 1], vec![2, 3, 5, 1], vec![2, 2, 6, 5, 1], vec![7, 3, 4, 1]]);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.arpa");
    for order in 1..=6 {
        for end in [None, Some(1)] {
            let config = config(12, order);
            for model in
                [fit(&training, &config), Ngram::new(&config), fit(&large(), &self::config(4000, order))]
            {
                let config = self::config(model.vocab_size(), order);
                model.write_arpa(&path, end).unwrap();
                let read = Ngram::read_arpa(&path, &config, end).unwrap();
                assert!(read == model, "order {order}, end {end:?}");
            }
        }
    }
}

#[test]
fn arpa_may_lack_the_suffix_of_an_ngram() {
    // `2 3 4` without `3 4`, which is given the probability that backing off gives it.
    let text = "\\data\\\nngram 1=6\nngram 2=2\nngram 3=1\n\n\\1-grams:\n-1\t<unk>\n-99\t<s>\t-0.5\n-0.4\t2\t-0.3\n\
        -0.5\t3\t-0.2\n-0.6\t4\t-0.1\n-0.7\t5\n\n\\2-grams:\n-0.2\t2 3\t-0.15\n-0.3\t4 5\t-0.25\n\n\\3-grams:\n\
        -0.05\t2 3 4\n\n\\end\\\n";
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.arpa");
    fs_err::write(&path, text).unwrap();
    let config = config(12, 3);
    let model = Ngram::read_arpa(&path, &config, None).unwrap();
    let check = |tokens: &[u32], expected: &[f64]| {
        for (score, log10) in model.score(tokens).into_iter().zip(expected) {
            assert_near(score, log10 * std::f64::consts::LN_10);
        }
    };
    check(&[2, 3, 4, 5], &[-0.2, -0.05, -0.3]);
    check(&[3, 4], &[-0.2 - 0.6]);
    check(&[2, 3, 5], &[-0.2, -0.15 - 0.2 - 0.7]);
    model.write(dir.path()).unwrap();
    assert!(Ngram::read(dir.path(), &config).unwrap() == model);
}

#[test]
fn names_the_line_of_a_malformed_arpa_file() {
    let good = "\\data\\\nngram 1=4\nngram 2=2\n\n\\1-grams:\n-1\t<unk>\n-99\t<s>\t-0.5\n-0.4\t2\t-0.3\n-0.5\t3\n\n\
        \\2-grams:\n-0.1\t<s> 2\n-0.2\t2 3\n\n\\end\\\n";
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.arpa");
    let read = |text: &str| {
        fs_err::write(&path, text).unwrap();
        Ngram::read_arpa(&path, &config(12, 2), None)
    };
    let model = read(good).unwrap();
    let scores = model.score(&[0, 2, 3, 2]);
    let ln_10 = std::f64::consts::LN_10;
    for (score, log10) in scores.into_iter().zip([-0.1, -0.2, -0.4]) {
        assert_near(score, log10 * ln_10);
    }
    assert_near(model.score(&[2, 9])[0], (-1.3 - 10_f64.log10()) * ln_10);

    let check = |from: &str, to: &str, line: usize, expected: &str| {
        let message = read(&good.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(message.contains(&format!("model.arpa:{line}: ")) && message.contains(expected), "{message}");
    };
    check("\\data\\", "", 16, "\\data\\");
    check("ngram 1=4", "ngram 1=many", 2, "ngram 1=COUNT");
    check("ngram 2=2\n", "", 4, "ngram 2=COUNT");
    check("ngram 2=2", "ngram 2=2\nngram 3=1", 4, "of order 2");
    check("ngram 1=4", "ngram 1=3", 9, "\\2-grams:");
    check("ngram 2=2", "ngram 2=3", 15, "2 words");
    check("-0.4\t2", "0.4\t2", 8, "log10 p");
    check("-0.4\t2", "-0.4\t12", 8, "`12`");
    check("-0.4\t2", "-0.4\tword", 8, "`word`");
    check("-0.2\t2 3", "-0.2\t2 </s>", 13, "`</s>`");
    check("-0.2\t2 3", "-0.2\t<s> 2", 13, "twice");
    check("\n\\end\\\n", "", 14, "the end of the file");
    let longer = good
        .replace("ngram 2=2", "ngram 2=2\nngram 3=1")
        .replace("\n\\end", "\n\\3-grams:\n-0.1\t2 2 3\n\n\\end");
    fs_err::write(&path, longer).unwrap();
    let message = Ngram::read_arpa(&path, &config(12, 3), None).unwrap_err().to_string();
    assert!(message.contains(":17: ") && message.contains("no `2 2` above"), "{message}");
    assert!(read("").is_err());
    fs_err::write(&path, b"\\data\\\n\xFF\n").unwrap();
    assert!(
        Ngram::read_arpa(&path, &config(12, 2), None).unwrap_err().to_string().contains(":2: expected UTF-8")
    );
}

#[test]
fn generates_with_the_sampler_of_all_models() {
    let model = fit(&documents(&[vec![2, 3, 4, 1], vec![2, 3, 4, 1], vec![2, 3, 5, 1]]), &config(12, 4));
    let settings =
        GenerationConfig { eos_token_id: vec![1], max_new_tokens: 6, ..GenerationConfig::default() };
    let generate = |do_sample, seed| {
        let settings = GenerationConfig { do_sample, ..settings.clone() };
        Tokens::new(&model, &[0, 2], &settings, seed).collect::<Vec<u32>>()
    };
    assert_eq!(generate(false, 0), [3, 4]);
    assert_eq!(generate(true, 7), generate(true, 7));
    let replies: BTreeSet<Vec<u32>> = (0..40).map(|seed| generate(true, seed)).collect();
    assert!(replies.len() > 1 && replies.iter().flatten().all(|&token| token < 12), "{replies:?}");
}
