//! ROUGE-L (Lin 2004): the longest common subsequence of words.

/// F1 of two texts' words, 0 to 1: the longest common subsequence against the length of each.
///
/// ```
/// assert_eq!(evaluate::rouge::f1(&["오늘", "날씨", "좋아요"], &["오늘", "좋아요"]), 0.8);
/// ```
pub fn f1(reply: &[&str], reference: &[&str]) -> f64 {
    let common = common_subsequence(reply, reference) as f64;
    if common == 0.0 { 0.0 } else { 2.0 * common / (reply.len() + reference.len()) as f64 }
}

fn common_subsequence(a: &[&str], b: &[&str]) -> usize {
    // Of the words of `a` so far and the first n of `b`, at n.
    let mut lengths = vec![0; b.len() + 1];
    for word in a {
        let mut diagonal = 0;
        for (place, other) in b.iter().enumerate() {
            let above = lengths[place + 1];
            lengths[place + 1] = if word == other { diagonal + 1 } else { above.max(lengths[place]) };
            diagonal = above;
        }
    }
    lengths[b.len()]
}
