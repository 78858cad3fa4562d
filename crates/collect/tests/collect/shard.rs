//! The work divided among machines.

use std::collections::BTreeMap;

use artifact::conversation::Conversation;
use artifact::sources::Sources;

use crate::stage::{collect, collected, folder};

#[test]
fn shards_divide_the_conversations() {
    let dir = tempfile::tempdir().unwrap();
    let source = folder("tests/fixtures/cafe");
    let whole = collected(&source, &["--count", "50"], &dir.path().join("whole"));
    let mut parts: Vec<std::vec::IntoIter<Conversation>> = Vec::new();
    for shard in ["1/3", "2/3", "3/3"] {
        let out = dir.path().join(shard.replace('/', "-"));
        parts.push(collected(&source, &["--count", "50", "--shard", shard], &out).into_iter());
        let problems = artifact::verify::verify("collect", &out).unwrap();
        assert!(problems.is_empty(), "{problems:#?}");
        let options = Sources::read(&out).unwrap().sources.remove(0).options;
        let options: BTreeMap<&str, &str> =
            options.iter().map(|option| (option.name.as_str(), option.value.as_str())).collect();
        assert_eq!(options["shard"], shard);
    }
    let dealt: Vec<Conversation> = (0..whole.len()).map(|number| parts[number % 3].next().unwrap()).collect();
    assert_eq!(dealt, whole);
    assert!(parts.iter_mut().all(|part| part.next().is_none()));
}

#[test]
fn shards_that_are_none() {
    for shard in ["0/3", "4/3", "1", "a/b", "1/0", "-1/3"] {
        let shard = format!("--shard={shard}");
        assert_eq!(collect(&["--source", "x", "--out", "y", &shard]).code, Some(2), "{shard}");
    }
}
