//! The values that entities take in each split: the names of people and pets are held out, all others are shared.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use artifact::conversation::Split;

use super::holdout;
use super::project::Project;
use crate::arguments::Shares;

/// The lookups whose values are names that somebody gave: a model that repeats an unseen one has read it, not learnt it.
const PERSONAL: [&str; 2] = ["name", "pet_name"];

/// Whether the values of the entity are held out.
pub(super) fn is_personal(entity: &str) -> bool {
    PERSONAL.contains(&entity)
}

/// The values of an entity in one split.
#[derive(Debug, Clone, Default)]
pub(super) struct Pool {
    pub(super) listed: Vec<String>,
    /// Composed of syllables; drawn as often as the listed ones.
    pub(super) composed: Vec<String>,
}

impl Pool {
    pub(super) fn is_empty(&self) -> bool {
        self.listed.is_empty() && self.composed.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.listed.len() + self.composed.len()
    }
}

/// A pool for each split.
type Pools = [Pool; Split::ALL.len()];

/// The values of every entity that has a lookup.
#[derive(Debug)]
pub(super) struct Values {
    /// By topic: a lookup that the topic itself defines serves that topic.
    own: BTreeMap<(String, String), Pools>,
    /// All topics' values together, for the topics that define none.
    merged: BTreeMap<String, Pools>,
}

impl Values {
    /// Divides the personal names by hash. Names that `spoken` texts or other values
    /// contain, or may spell with what follows them, stay in training.
    pub(super) fn divide(project: &Project, spoken: &str, shares: Shares, compose: bool) -> Self {
        let splits = divide_names(project, spoken, shares);
        let mut own: BTreeMap<(String, String), Pools> = BTreeMap::new();
        let mut merged: BTreeMap<String, Pools> = BTreeMap::new();
        for lookup in &project.lookups {
            for value in &lookup.values {
                let in_splits = match splits.get(value).filter(|_| is_personal(&lookup.entity)) {
                    Some(split) => vec![*split],
                    None => Split::ALL.to_vec(),
                };
                let own = own.entry((lookup.topic.clone(), lookup.entity.clone())).or_default();
                let merged = merged.entry(lookup.entity.clone()).or_default();
                for split in in_splits {
                    for pools in [&mut *own, &mut *merged] {
                        let listed = &mut pools[split as usize].listed;
                        if !listed.contains(value) {
                            listed.push(value.clone());
                        }
                    }
                }
            }
        }
        if compose {
            let composed = Composed::new(&splits, spoken, shares);
            let of_topics = own.iter_mut().map(|((_, entity), pools)| (entity, pools));
            for (entity, pools) in of_topics.chain(merged.iter_mut()) {
                for split in Split::ALL {
                    pools[split as usize].composed = composed.of(entity, split);
                }
            }
        }
        Self { own, merged }
    }

    /// The values of an entity for a story of the topic; `None` where no lookup lists it.
    pub(super) fn pool(&self, topic: &str, entity: &str, split: Split) -> Option<&Pool> {
        let own = self.own.get(&(topic.to_owned(), entity.to_owned()));
        own.or_else(|| self.merged.get(entity)).map(|pools| &pools[split as usize])
    }
}

fn divide_names(project: &Project, spoken: &str, shares: Shares) -> BTreeMap<String, Split> {
    let lookups = || project.lookups.iter().filter(|lookup| is_personal(&lookup.entity));
    let values: BTreeSet<&str> =
        project.lookups.iter().flat_map(|lookup| &lookup.values).map(String::as_str).collect();
    let mut splits = BTreeMap::new();
    for name in lookups().flat_map(|lookup| &lookup.values) {
        let may_spell =
            |value: &&str| *value != name && (value.contains(name.as_str()) || inflects_to(value, name));
        if spoken.contains(name.as_str()) || values.iter().any(may_spell) {
            splits.insert(name.clone(), Split::Train);
        }
    }
    for entity in PERSONAL {
        let values = lookups().filter(|lookup| lookup.entity == entity).flat_map(|lookup| &lookup.values);
        holdout::divide(&values.map(String::as_str).collect(), shares, &mut splits);
    }
    splits
}

/// Syllables that follow a name in its sentence: 연탄 + 이 spells 탄이.
const AFTER_NAMES: &str = "은는이가을를과와아야으로라랑나네군예도만인님";

/// Whether a value and what follows it may spell `name`.
fn inflects_to(value: &str, name: &str) -> bool {
    AFTER_NAMES
        .chars()
        .any(|after| name.strip_suffix(after).is_some_and(|stem| !stem.is_empty() && value.ends_with(stem)))
}

/// First and last syllables of given names.
const GIVEN: [&str; 2] = [
    "가강건경규기나다도동라로루리마명모문미민범보상새서석선설성세소솔송수슬승시아여연영예온용우원유윤율은의이인재정제종주준지진찬찬채초태하한해현형혜호효훈휘희",
    "강건겸경곤관교구규균기나남담도란람랑래련로록리린림명모미민범별빈산상서석선설섭성세솔수슬승식신아안양언연열영예오온완용우욱운웅원유윤율은음의이인일임재전정제조주준중진찬창채천철태필하학한해혁현형혜호화환후훈휘희",
];

/// First and last syllables of pets' names.
const PET: [&str; 2] = [
    "까깜꼬꾸나다단달담도동두또라레로루마망머먼모몽뭉미바밤방버별보복봉뽀뽕삐사살상설소솜순시쌀씨아알앙양에연오온와우웅유은자장점제조쫄초추치칸코쿠크키탄탱토통투티파포폴푸하해호홍흑히",
    "까꼬꾸나니동두둥디또라람랑로롱루룽리링마망몽미밍바보복봉비빵뽀삐삼새송숑순시실심쌍아양오옹요용우웅이자조쫑찌짱초추춘치카코콩쿠쿵키탱토통투티팡팔포푸푼피하호후",
];

/// Names composed of two syllables, none of which the project says anywhere.
struct Composed {
    by_entity: BTreeMap<&'static str, Pools>,
}

impl Composed {
    fn new(listed: &BTreeMap<String, Split>, spoken: &str, shares: Shares) -> Self {
        let letters: Vec<char> = spoken.chars().collect();
        let mut taken: HashSet<[char; 2]> = letters.windows(2).map(|pair| [pair[0], pair[1]]).collect();
        for name in listed.keys() {
            let letters: Vec<char> = name.chars().collect();
            taken.extend(letters.windows(2).map(|pair| [pair[0], pair[1]]));
        }
        let compose = |[first, last]: [&str; 2]| -> BTreeSet<String> {
            let pairs = first.chars().flat_map(|a| last.chars().map(move |b| [a, b]));
            pairs.filter(|pair| pair[0] != pair[1] && !taken.contains(pair)).map(String::from_iter).collect()
        };
        let mut splits = BTreeMap::new();
        let mut by_entity = BTreeMap::new();
        for (entity, syllables) in PERSONAL.into_iter().zip([GIVEN, PET]) {
            let names = compose(syllables);
            for name in names.iter().filter(|name| name.ends_with(|last| AFTER_NAMES.contains(last))) {
                splits.insert(name.clone(), Split::Train);
            }
            // A name that both kinds have is in one split for both.
            holdout::divide(&names.iter().map(String::as_str).collect(), shares, &mut splits);
            let mut pools = Pools::default();
            for name in names {
                pools[splits[&name] as usize].composed.push(name);
            }
            by_entity.insert(entity, pools);
        }
        Self { by_entity }
    }

    fn of(&self, entity: &str, split: Split) -> Vec<String> {
        self.by_entity.get(entity).map(|pools| pools[split as usize].composed.clone()).unwrap_or_default()
    }
}
