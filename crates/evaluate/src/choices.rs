//! Multiple-choice questions by likelihood, scored as lm-evaluation-harness scores `multiple_choice` tasks.
//!
//! A choice is what a model finds likeliest to follow the question and a space; no chat template is used. Log-likelihoods
//! count as they are, and divided by the length of the choice.

use std::path::Path;

use artifact::report::{Better, TaskReport};
use artifact::{Error, Result, json};
use model::chat::Chat;
use rayon::prelude::*;
use serde::Deserialize;

use crate::bootstrap::Counts;
use crate::loss::predictions;

/// A line of a set of questions.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    question: String,
    choices: Vec<String>,
    /// The place of the right choice, from 0.
    answer: usize,
}

/// A set of questions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChoiceSet {
    name: String,
    questions: Vec<Question>,
}

impl ChoiceSet {
    /// Reads JSON lines of `question`, `choices` and `answer`.
    ///
    /// # Errors
    /// [`Error::Malformed`] naming the line when one is no question with a right choice among at least two.
    pub fn read(path: &Path) -> Result<Self> {
        let mut questions = Vec::new();
        let mut lines = json::lines::<Question>(path)?;
        while let Some(question) = lines.next() {
            let question = question?;
            let refused = |expected: &str, found: String| {
                let line = lines.line();
                Err(Error::malformed(path, format!("{expected} in line {line}"), found))
            };
            if question.choices.len() < 2 || question.choices.iter().any(String::is_empty) {
                return refused("at least two choices, none empty,", format!("{:?}", question.choices));
            }
            if question.answer >= question.choices.len() {
                return refused("an answer below the number of choices", question.answer.to_string());
            }
            questions.push(question);
        }
        if questions.is_empty() {
            return Err(Error::malformed(path, "questions", "an empty file"));
        }
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { name, questions })
    }

    /// The log-likelihood of every choice, in nats. `[questions]`, each `[choices]`
    ///
    /// # Errors
    /// When the tokenizer refuses a text.
    pub fn log_likelihoods(&self, chat: &Chat) -> Result<Vec<Vec<f64>>> {
        let of_question = |question: &Question| {
            question.choices.iter().map(|choice| log_likelihood(chat, &question.question, choice)).collect()
        };
        self.questions.par_iter().map(of_question).collect()
    }

    /// What a model reaches.
    ///
    /// # Errors
    /// As [`Self::log_likelihoods`].
    pub fn measure(&self, chat: &Chat, seed: u64) -> Result<TaskReport> {
        let mut counts = Counts::new(self.questions.len(), 3);
        let mut chance = 0.0;
        for (place, (question, likelihoods)) in
            self.questions.iter().zip(self.log_likelihoods(chat)?).enumerate()
        {
            let by_length: Vec<f64> = likelihoods
                .iter()
                .zip(&question.choices)
                .map(|(likelihood, choice)| likelihood / choice.chars().count() as f64)
                .collect();
            let right = |scores: &[f64]| f64::from(u8::from(highest(scores) == question.answer));
            counts.of(place).copy_from_slice(&[right(&likelihoods), right(&by_length), 1.0]);
            chance += 1.0 / question.choices.len() as f64;
        }
        let sums = counts.sums(seed);
        let accuracy = |of: usize| {
            sums.ratio(of, 2).expect("there is at least one question").estimate(Some(Better::Higher))
        };
        Ok(TaskReport {
            name: self.name.clone(),
            questions: self.questions.len(),
            accuracy: accuracy(0),
            accuracy_by_length: accuracy(1),
            chance: chance / self.questions.len() as f64,
        })
    }
}

/// The place of the highest score, the first of equals.
fn highest(scores: &[f64]) -> usize {
    let first = (0, f64::NEG_INFINITY);
    scores
        .iter()
        .enumerate()
        .fold(first, |best, (place, &score)| if score > best.1 { (place, score) } else { best })
        .0
}

/// ln of the probability that a space and the choice follow the question, which white space at its end belongs to.
fn log_likelihood(chat: &Chat, question: &str, choice: &str) -> Result<f64> {
    let context = question.trim_end();
    let mut tokens = chat.tokenizer.encode(&format!("{question} {choice}"))?;
    let mut known = chat.tokenizer.encode(context)?.len();
    if known == 0 {
        // Something must stand before the first token.
        tokens.insert(0, chat.tokenizer.bos().or(chat.tokenizer.eos()).unwrap_or_default());
        known = 1;
    }
    // What is too far back for the context goes first.
    let far = tokens.len().saturating_sub(chat.model.context_length()).min(known.saturating_sub(1));
    let tokens = &tokens[far..];
    let loss: Vec<u8> = (far..).take(tokens.len()).map(|t| u8::from(t >= known)).collect();
    let predictions = predictions(chat.model.as_ref(), tokens, &loss);
    Ok(predictions.iter().map(|prediction| f64::from(prediction.log_probability)).sum())
}
