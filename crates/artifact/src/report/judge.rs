//! What another model thinks of the replies.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Pairs of replies that a server has judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Judge {
    /// The name of the judging model, as the server calls it.
    pub model: String,
    /// What it was asked.
    pub rubric: String,
    /// Each pair of models.
    pub pairs: Vec<JudgedPair>,
}

/// Two models whose replies to the same histories were judged, each pair of replies in both orders.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JudgedPair {
    /// The first model's name.
    pub first: String,
    /// The second model's name.
    pub second: String,
    /// Pairs of replies in which the first one won in both orders.
    pub first_wins: usize,
    /// Pairs of replies in which the second one won in both orders.
    pub second_wins: usize,
    /// Pairs of replies that are equally good in at least one order, or the same text, which is not sent.
    pub ties: usize,
    /// Pairs of which each order names another winner: the judge goes by the place of a reply, not by what it says.
    pub inconsistent: usize,
    /// Pairs of which the answer could not be read.
    pub unread: usize,
    /// Pairs with a winner where the chrF++ of the two replies differs, and those where the higher one won.
    pub agreement_with_chrf: Agreement,
    /// Pairs with a winner where one reply carries out the expected action and the other does not, and those where the
    /// former won.
    pub agreement_with_action: Agreement,
}

/// How often the judge and an automatic score name the same winner.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Agreement {
    /// The same winner.
    pub agree: usize,
    /// Of how many.
    pub count: usize,
}
