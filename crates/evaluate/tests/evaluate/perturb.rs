//! Turns written carelessly.

use artifact::report::Perturbation;
use evaluate::perturb::{ALL, perturb};

#[test]
fn each_way_changes_what_it_says() {
    let text = "오늘 날씨가 어때요?";
    assert_eq!(perturb(text, Perturbation::NoSpaces, 1), "오늘날씨가어때요?");
    assert_eq!(perturb(text, Perturbation::Register, 1), "오늘 날씨가 어때?");
    let jamo = perturb(text, Perturbation::Jamo, 1);
    assert!(jamo.chars().filter(|c| ('ㄱ'..='ㅣ').contains(c)).count() >= 2, "{jamo}");
    let typos = perturb(text, Perturbation::Typos, 1);
    let changed = text.chars().zip(typos.chars()).filter(|(a, b)| a != b).count();
    assert_eq!((typos.chars().count(), changed), (text.chars().count(), 1));
    let emoji = perturb(text, Perturbation::Emoji, 1);
    assert!(emoji.starts_with("오늘") && emoji.chars().count() > text.chars().count(), "{emoji}");
}

#[test]
fn the_register_turns_both_ways() {
    let changes = [
        ("이름이 뭐예요?", "이름이 뭐야?"),
        ("이름이 뭐야?", "이름이 뭐예요?"),
        ("배고파", "배고파요"),
        ("알려 주세요. 빨리요!", "알려 줘. 빨리!"),
        ("집에 갑니다", "집에 가"),
        ("잘 먹었습니다.", "잘 먹었어."),
        ("OK", "OK"),
        ("축구 규칙", "축구 규칙"),
    ];
    for (text, expected) in changes {
        assert_eq!(perturb(text, Perturbation::Register, 0), expected);
    }
}

#[test]
fn the_same_seed_writes_the_same() {
    for how in ALL {
        let text = "안녕하세요, 오늘은 서울에 사는 친구를 만나러 갔어요 ㅎㅎ 12시에!";
        assert_eq!(perturb(text, how, 5), perturb(text, how, 5));
        assert_eq!(perturb("", how, 5).trim().chars().filter(char::is_ascii).count(), 0);
    }
    let seeds = (0..9).map(|seed| perturb("오늘 날씨가 어때요?", Perturbation::Typos, seed));
    assert!(seeds.collect::<std::collections::BTreeSet<_>>().len() > 3);
}
