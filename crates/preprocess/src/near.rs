//! Near-duplicates: conversations that say almost the same, found by `MinHash` (Broder 1997, "On the resemblance and
//! containment of documents") and locality-sensitive hashing in bands (Leskovec, Rajaraman, Ullman, "Mining of Massive
//! Datasets", chapter 3).

use std::collections::HashMap;

use artifact::conversation::{Message, Split};
use rayon::prelude::*;

/// Characters of a shingle.
const SHINGLE: usize = 5;
/// Hash functions of a signature.
const HASHES: usize = 128;
/// Earlier conversations of a bucket that are compared; where more fall into one, they are mostly alike, and the first
/// would have matched.
const MOST_COMPARED: usize = 64;

/// The share of near-duplicates at the threshold that the bands must not miss.
const LEAST_RECALL: f64 = 0.95;

/// Finds, for each conversation, whether it must go: one of at least this similarity is kept, earlier in its split or in
/// a split that is held out further. Similarity is Jaccard's, of the sets of shingles of all turns.
pub(crate) fn find<'a>(
    conversations: impl Iterator<Item = (Split, &'a [Message])>,
    similarity: f64,
) -> Vec<bool> {
    let conversations: Vec<(Split, &[Message])> = conversations.collect();
    let sets: Vec<Vec<u64>> = conversations.par_iter().map(|(_, messages)| shingles(messages)).collect();
    let rows = rows(similarity);
    let bands = HASHES / rows;
    let keys: Vec<Vec<u64>> = sets.par_iter().map(|set| keys(&signature(set), rows)).collect();

    // Test first, then valid, then train; within a split, in order.
    let mut order: Vec<usize> = (0..conversations.len()).collect();
    order.sort_by_key(|&index| std::cmp::Reverse(conversations[index].0));
    // The kept conversations of each bucket, the newest first: the head in the map, the others behind it. Only looked
    // up, never walked as a map.
    let mut heads: Vec<HashMap<u64, u32>> = vec![HashMap::new(); bands];
    let mut behind: Vec<Vec<u32>> = vec![vec![u32::MAX; conversations.len()]; bands];
    let mut goes = vec![false; conversations.len()];
    for index in order {
        goes[index] = (0..bands).any(|band| {
            let mut next = heads[band].get(&keys[index][band]).copied().unwrap_or(u32::MAX);
            let mut compared = 0;
            while next != u32::MAX && compared < MOST_COMPARED {
                if jaccard(&sets[index], &sets[next as usize]) >= similarity {
                    return true;
                }
                next = behind[band][next as usize];
                compared += 1;
            }
            false
        });
        if !goes[index] {
            for (band, key) in keys[index].iter().enumerate() {
                if let Some(before) = heads[band].insert(*key, index as u32) {
                    behind[band][index] = before;
                }
            }
        }
    }
    goes
}

/// Rows of a band: as many as leave the recall at the threshold, `1 - (1 - s^r)^(H/r)`, above [`LEAST_RECALL`]; the more
/// rows, the fewer are compared in vain.
fn rows(similarity: f64) -> usize {
    let recall = |rows: usize| 1.0 - (1.0 - similarity.powi(rows as i32)).powi((HASHES / rows) as i32);
    [32, 16, 8, 4, 2].into_iter().find(|&rows| recall(rows) >= LEAST_RECALL).unwrap_or(1)
}

/// The characters that carry meaning: letters and digits, in lower case.
pub(crate) fn folded(text: &str) -> impl Iterator<Item = char> + '_ {
    text.chars().filter(|character| character.is_alphanumeric()).flat_map(char::to_lowercase)
}

/// The hashes of all shingles, sorted, each once; a shingle crosses no turn, and a short turn is one.
fn shingles(messages: &[Message]) -> Vec<u64> {
    let mut hashes = Vec::new();
    let mut characters: Vec<char> = Vec::new();
    for message in messages {
        characters.clear();
        characters.extend(folded(&message.content));
        let seed = message.role as u64 + 1;
        if (1..SHINGLE).contains(&characters.len()) {
            hashes.push(hash(&characters, seed));
        }
        hashes.extend(characters.windows(SHINGLE).map(|window| hash(window, seed)));
    }
    hashes.sort_unstable();
    hashes.dedup();
    hashes
}

fn hash(characters: &[char], seed: u64) -> u64 {
    characters.iter().fold(seed, |hash, character| mixed(hash ^ u64::from(*character)))
}

/// The finalizer of `SplitMix64` (Steele, Lea, Flood 2014).
pub(crate) fn mixed(value: u64) -> u64 {
    let value = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

/// The least value of each hash function over a set: `(a h + b) >> 32` for odd `a`, after Dietzfelbinger (1996).
fn signature(set: &[u64]) -> [u32; HASHES] {
    let mut least = [u32::MAX; HASHES];
    for &hash in set {
        for (number, least) in least.iter_mut().enumerate() {
            let (a, b) = FUNCTIONS[number];
            *least = (*least).min((hash.wrapping_mul(a).wrapping_add(b) >> 32) as u32);
        }
    }
    least
}

/// The functions of a signature, the same in every run.
const FUNCTIONS: [(u64, u64); HASHES] = {
    let mut functions = [(0, 0); HASHES];
    let mut state: u64 = 0x6E61_6D61_6E00;
    let mut number = 0;
    while number < HASHES {
        // Xorshift64 (Marsaglia 2003).
        let mut drawn = [0; 2];
        let mut part = 0;
        while part < 2 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            drawn[part] = state;
            part += 1;
        }
        functions[number] = (drawn[0] | 1, drawn[1]);
        number += 1;
    }
    functions
};

/// A key for each band of a signature.
fn keys(signature: &[u32; HASHES], rows: usize) -> Vec<u64> {
    let band = |rows: &[u32]| rows.iter().fold(1, |key, row| mixed(key ^ u64::from(*row)));
    signature.chunks_exact(rows).map(band).collect()
}

/// The share that two sorted sets have in common; 1 of two empty ones, which say the same.
fn jaccard(a: &[u64], b: &[u64]) -> f64 {
    let (mut i, mut j, mut both) = (0, 0, 0);
    while i < a.len() && j < b.len() {
        match a[i].cmp(&b[j]) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => (i, j, both) = (i + 1, j + 1, both + 1),
        }
    }
    let all = a.len() + b.len() - both;
    if all == 0 { 1.0 } else { both as f64 / all as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn talk(texts: &[&str]) -> Vec<Message> {
        texts.iter().map(|&text| Message::user(text)).collect()
    }

    #[track_caller]
    fn check(talks: &[(Split, &[&str])], expected: &[bool]) {
        let talks: Vec<(Split, Vec<Message>)> =
            talks.iter().map(|(split, texts)| (*split, talk(texts))).collect();
        assert_eq!(find(talks.iter().map(|(split, turns)| (*split, turns.as_slice())), 0.7), expected);
    }

    const LONG: &str = "오늘은 날씨가 맑고 바람도 시원해서 강가를 따라 한참을 걸었어요. 정말 좋았습니다";
    const LONGER: &str =
        "오늘은 날씨가 맑고, 바람도 시원해서 강가를 따라 한참을 걸었어요! 정말 좋았습니다 ㅎㅎ";

    #[test]
    fn the_first_stays_and_train_yields() {
        check(
            &[(Split::Train, &[LONG]), (Split::Train, &["다른 말"]), (Split::Train, &[LONGER])],
            &[false, false, true],
        );
        check(&[(Split::Train, &[LONG]), (Split::Test, &[LONGER])], &[true, false]);
        check(
            &[(Split::Train, &["응"]), (Split::Train, &["응!"]), (Split::Train, &["어"])],
            &[false, true, false],
        );
        // What is said by turns is not said at once.
        check(
            &[(Split::Train, &["안녕하세요 반가워요"]), (Split::Train, &["안녕하세요", "반가워요"])],
            &[false, false],
        );
    }

    /// Every pair is compared: what the bands find must be what there is, but for the share they may miss.
    #[test]
    fn bands_find_what_comparing_all_finds() {
        let words = ["산", "바다", "하늘", "구름", "나무", "사람", "이야기", "저녁", "아침", "노래"];
        let mut state = 7;
        let mut draw = |below: usize| {
            state = mixed(state);
            state as usize % below
        };
        let mut texts: Vec<String> = Vec::new();
        for _ in 0..150 {
            let text: Vec<&str> = (0..24).map(|_| words[draw(10)]).collect();
            texts.push(text.join(" "));
            let mut altered = text;
            for _ in 0..draw(4) {
                altered[draw(24)] = "다름";
            }
            texts.push(altered.join(" "));
        }
        let talks: Vec<Vec<Message>> = texts.iter().map(|text| talk(&[text])).collect();
        let sets: Vec<Vec<u64>> = talks.iter().map(|talk| shingles(talk)).collect();
        let mut kept: Vec<usize> = Vec::new();
        let mut expected = 0;
        for index in 0..sets.len() {
            if kept.iter().any(|&other| jaccard(&sets[index], &sets[other]) >= 0.7) {
                expected += 1;
            } else {
                kept.push(index);
            }
        }
        let found = find(talks.iter().map(|talk| (Split::Train, talk.as_slice())), 0.7);
        let found = found.into_iter().filter(|goes| *goes).count();
        assert!(expected >= 50 && found <= expected && found * 100 >= expected * 95, "{found} of {expected}");
    }

    #[test]
    fn a_signature_estimates_the_similarity() {
        let (a, b) = (shingles(&talk(&[LONG])), shingles(&talk(&[LONGER])));
        let equal = signature(&a).iter().zip(signature(&b)).filter(|(a, b)| **a == *b).count();
        // Three standard deviations of a share of 128.
        let truth = jaccard(&a, &b);
        let bound = 3.0 * (truth * (1.0 - truth) / HASHES as f64).sqrt();
        assert!((equal as f64 / HASHES as f64 - truth).abs() <= bound);
    }
}
