//! Bootstrap intervals: what they cover, and that they do not depend on threads.

use artifact::report::Better;
use evaluate::bootstrap::Counts;

/// A stream of uniform numbers in [0, 1).
struct Uniform(u64);

impl Uniform {
    /// The generator of Knuth's MMIX, its high bits.
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Conversations of 1 to 6 turns of 5 to 14 tokens, as loss and targets: each conversation is as hard as its own draw
/// says, and so are its turns. The expected loss of a token is 1.5.
fn conversations(count: usize, random: &mut Uniform) -> Counts {
    let mut counts = Counts::new(count, 2);
    for conversation in 0..count {
        let hard = random.next();
        for _ in 0..=(6.0 * random.next()) as usize {
            let tokens = 5.0 + (10.0 * random.next()).floor();
            let counts = counts.of(conversation);
            counts[0] += tokens * (hard + 2.0 * random.next());
            counts[1] += tokens;
        }
    }
    counts
}

#[test]
fn intervals_cover_the_truth_in_95_of_100_trials() {
    let mut random = Uniform(7);
    let (mut covered, mut differences_covered) = (0, 0);
    for trial in 0..1000 {
        let loss = conversations(150, &mut random).sums(trial).ratio(0, 1).unwrap();
        let other = conversations(150, &mut random).sums(trial).ratio(0, 1).unwrap();
        let estimate = loss.estimate(Some(Better::Lower));
        covered += u32::from((estimate.low..=estimate.high).contains(&1.5));
        let difference = loss.minus(&other).estimate(Some(Better::Lower));
        differences_covered += u32::from((difference.low..=difference.high).contains(&0.0));
    }
    assert!((930..=970).contains(&covered), "{covered} of 1000");
    assert!((930..=970).contains(&differences_covered), "{differences_covered} of 1000");
}

#[test]
fn a_pair_is_told_apart_where_each_alone_is_not() {
    let mut random = Uniform(1);
    let mut one = conversations(200, &mut random);
    let mut other = one.clone();
    // Slightly better on each conversation: far less than conversations differ.
    for conversation in 0..200 {
        one.of(conversation)[0] -= 0.02 * one.of(conversation)[1];
        other.of(conversation)[0] += 0.01 * random.next() * other.of(conversation)[1];
    }
    let (one, other) = (one.sums(3).ratio(0, 1).unwrap(), other.sums(3).ratio(0, 1).unwrap());
    let (first, second) = (one.estimate(None), other.estimate(None));
    assert!(first.high > second.low, "{first:?} {second:?}");
    let difference = one.minus(&other);
    assert!(difference.estimate(None).high < 0.0);
    assert!((difference.share_in_favour(Better::Lower) - 1.0).abs() < 1e-12);
    assert!(difference.share_in_favour(Better::Higher) < 1e-12);
    assert!((one.minus(&one).share_in_favour(Better::Lower) - 0.5).abs() < 1e-12);
}

#[test]
fn samples_are_the_same_at_any_number_of_threads() {
    let counts = conversations(40, &mut Uniform(2));
    let sums = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| counts.sums(9))
    };
    assert_eq!(sums(1), sums(3));
    assert_ne!(sums(1), counts.sums(10));
}

#[test]
fn nothing_counted_is_no_figure() {
    assert!(Counts::new(5, 2).sums(1).ratio(0, 1).is_none());
    // Most samples of one conversation among many have nothing of it.
    let mut counts = Counts::new(30, 2);
    counts.of(4).copy_from_slice(&[1.0, 2.0]);
    let estimate = counts.sums(1).ratio(0, 1).unwrap().estimate(None);
    assert!([estimate.value, estimate.low, estimate.high].iter().all(|value| (value - 0.5).abs() < 1e-12));
}
