//! Near-duplicates: conversations that say almost the same, found by `MinHash` (Broder 1997, "On the resemblance and
//! containment of documents") and locality-sensitive hashing in bands (Leskovec, Rajaraman, Ullman, "Mining of Massive
//! Datasets", chapter 3).

use std::path::Path;

use artifact::Result;
use artifact::conversation::Message;
use artifact::preprocess::Reason;
use rayon::prelude::*;

use crate::column::{Column, Entry, groups};
use crate::spool::{Reader, Spool};
use crate::standing::Standing;

/// Characters of a shingle.
const SHINGLE: usize = 5;
/// Hash functions of a signature.
const HASHES: usize = 128;
/// Earlier conversations of a bucket that are compared; where more fall into one, they are mostly alike, and the first
/// would have matched.
const MOST_COMPARED: usize = 64;
/// The most rows of a band.
const MOST_ROWS: usize = 32;

/// The share of near-duplicates at the threshold that the bands must not miss.
const LEAST_RECALL: f64 = 0.95;

/// How signatures are divided into bands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Banding {
    similarity: f64,
    rows: usize,
}

impl Banding {
    /// For near-duplicates from this similarity on.
    pub(crate) fn new(similarity: f64) -> Self {
        Self { similarity, rows: rows(similarity) }
    }

    /// The keys of a conversation, one for each band.
    pub(crate) fn keys(self, messages: &[Message]) -> Vec<u64> {
        keys(&signature(&shingles(messages)), self.rows)
    }
}

/// The bands of all signatures.
#[derive(Debug)]
pub(crate) struct Bands {
    similarity: f64,
    columns: Vec<Column>,
}

impl Bands {
    /// Starts a column for each band, in a directory.
    pub(crate) fn create(dir: &Path, banding: Banding) -> Result<Self> {
        let column = |band: usize| Column::create(&dir.join(format!("band-{band:03}")));
        let columns = (0..HASHES / banding.rows).map(column).collect::<Result<_>>()?;
        Ok(Self { similarity: banding.similarity, columns })
    }

    /// Adds a conversation by its keys.
    pub(crate) fn push(&mut self, keys: &[u64], index: u32) -> Result<()> {
        self.columns.iter_mut().zip(keys).try_for_each(|(column, key)| column.push(*key, index))
    }

    /// Drops each conversation that is at least so similar to an earlier one of its split, or to one of a split that is
    /// held out further. Similarity is Jaccard's, of the sets of shingles of all turns. Calls `told` with who goes and
    /// whom it is like.
    pub(crate) fn drop(
        self,
        standings: &mut [Standing],
        spool: &Spool,
        memory: usize,
        mut told: impl FnMut(u32, u32),
    ) -> Result<()> {
        for mut column in self.columns {
            column.sorted(memory, |entries| {
                let groups: Vec<&[Entry]> = groups(entries).filter(|group| group.len() > 1).collect();
                let found: Vec<Result<Vec<(u32, u32)>>> = groups
                    .into_par_iter()
                    .map_init(
                        || None,
                        |reader, group| matches(group, standings, self.similarity, open(reader, spool)?),
                    )
                    .collect();
                for found in found {
                    for (index, other) in found? {
                        standings[index as usize].dropped = Some(Reason::NearDuplicate);
                        told(index, other);
                    }
                }
                Ok(())
            })?;
            column.remove()?;
        }
        Ok(())
    }
}

/// The reader of a thread, opened when it is first needed.
fn open<'a>(reader: &'a mut Option<Reader>, spool: &Spool) -> Result<&'a mut Reader> {
    if reader.is_none() {
        *reader = Some(spool.reader()?);
    }
    Ok(reader.as_mut().expect("opened above"))
}

/// Those of a bucket that are like one before them, and like which; those that another band has found are left.
fn matches(
    group: &[Entry],
    standings: &[Standing],
    similarity: f64,
    reader: &mut Reader,
) -> Result<Vec<(u32, u32)>> {
    let dropped = |index: u32| standings[index as usize].dropped;
    // Near-duplicates of before still stand for what is like them, so that the order of bands decides nothing.
    let mut members: Vec<u32> = group.iter().map(|entry| entry.1).collect();
    members.retain(|index| dropped(*index).is_none_or(|reason| reason == Reason::NearDuplicate));
    members.sort_unstable_by_key(|index| standings[*index as usize].rank(*index));
    let Some(last) = members.iter().skip(1).rposition(|index| dropped(*index).is_none()) else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    let mut sets: Vec<Vec<u64>> = Vec::new();
    for index in &members[..last + 2] {
        if sets.len() == MOST_COMPARED && dropped(*index).is_some() {
            continue;
        }
        let set = shingles(&reader.get(*index)?.messages);
        if dropped(*index).is_none() {
            let like = sets.iter().position(|other| jaccard(&set, other) >= similarity);
            found.extend(like.map(|other| (*index, members[other])));
        }
        if sets.len() < MOST_COMPARED {
            sets.push(set);
        }
    }
    Ok(found)
}

/// Rows of a band: as many as leave the recall at the threshold, `1 - (1 - s^r)^(H/r)`, above [`LEAST_RECALL`]; the more
/// rows, the fewer are compared in vain.
fn rows(similarity: f64) -> usize {
    let recall = |rows: usize| 1.0 - (1.0 - similarity.powi(rows as i32)).powi((HASHES / rows) as i32);
    (1..=MOST_ROWS).rev().find(|&rows| recall(rows) >= LEAST_RECALL).unwrap_or(1)
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
    use artifact::conversation::{Conversation, Split};

    use super::*;

    fn talk(texts: &[&str]) -> Vec<Message> {
        texts.iter().map(|&text| Message::user(text)).collect()
    }

    /// Which of these conversations go.
    fn find(talks: &[(Split, Vec<Message>)]) -> Vec<bool> {
        let dir = tempfile::tempdir().unwrap();
        let mut spool = Spool::create(dir.path()).unwrap();
        let banding = Banding::new(0.7);
        let mut bands = Bands::create(dir.path(), banding).unwrap();
        for (_, messages) in talks {
            let talk = Conversation {
                id: String::new(),
                source: String::new(),
                topic: None,
                license: None,
                split: None,
                messages: messages.clone(),
            };
            let line = serde_json::to_string(&talk).unwrap() + "\n";
            let index = spool.push(line.as_bytes()).unwrap();
            bands.push(&banding.keys(messages), index).unwrap();
        }
        spool.finish().unwrap();
        let standing = |split| Standing { split: Some(split), dropped: None };
        let mut standings: Vec<Standing> = talks.iter().map(|(split, _)| standing(*split)).collect();
        bands.drop(&mut standings, &spool, 1000, |_, _| ()).unwrap();
        standings.iter().map(|standing| !standing.is_kept()).collect()
    }

    #[track_caller]
    fn check(talks: &[(Split, &[&str])], expected: &[bool]) {
        let talks: Vec<(Split, Vec<Message>)> =
            talks.iter().map(|(split, texts)| (*split, talk(texts))).collect();
        assert_eq!(find(&talks), expected);
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
        let is_like = |index: usize| sets[..index].iter().any(|other| jaccard(&sets[index], other) >= 0.7);
        let expected = (0..sets.len()).filter(|index| is_like(*index)).count();
        let talks: Vec<(Split, Vec<Message>)> = talks.into_iter().map(|talk| (Split::Train, talk)).collect();
        let found = find(&talks);
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
