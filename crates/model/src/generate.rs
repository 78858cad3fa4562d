//! Generation: from logits to the next token, and from a prompt to a reply.

use artifact::config::GenerationConfig;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::{LanguageModel, Session};

/// Chooses tokens from logits, repeatably for a seed.
#[derive(Debug)]
pub struct Sampler {
    settings: GenerationConfig,
    random: ChaCha8Rng,
    /// Scratch: candidates with their logits.
    candidates: Vec<(u32, f32)>,
}

impl Sampler {
    /// Greedy where `settings.do_sample` is false or the temperature is 0.
    pub fn new(settings: &GenerationConfig, seed: u64) -> Self {
        Self { settings: settings.clone(), random: ChaCha8Rng::seed_from_u64(seed), candidates: Vec::new() }
    }

    /// Chooses the next token from `logits` `[V]`; `seen` are the tokens that the repetition penalty applies to.
    ///
    /// In order: repetition penalty (Keskar et al. 2019, CTRL), temperature, top-k, top-p (Holtzman et al. 2020),
    /// min-p (Nguyen et al. 2024).
    pub fn choose(&mut self, logits: &[f32], seen: &[u32]) -> u32 {
        let settings = &self.settings;
        let candidates = &mut self.candidates;
        candidates.clear();
        candidates.extend(logits.iter().enumerate().map(|(token, &logit)| (token as u32, logit)));
        if (settings.repetition_penalty - 1.0).abs() > f32::EPSILON {
            let mut seen = seen.to_vec();
            seen.sort_unstable();
            seen.dedup();
            for token in seen {
                let logit = &mut candidates[token as usize].1;
                *logit = if *logit > 0.0 {
                    *logit / settings.repetition_penalty
                } else {
                    *logit * settings.repetition_penalty
                };
            }
        }
        if !settings.do_sample || settings.temperature <= 0.0 {
            return likeliest(candidates);
        }

        // Likeliest first; ties by token, so that the order is the same everywhere.
        let by_logit = |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        if settings.top_k > 0 && settings.top_k < candidates.len() {
            candidates.select_nth_unstable_by(settings.top_k - 1, by_logit);
            candidates.truncate(settings.top_k);
        }
        candidates.sort_unstable_by(by_logit);
        let largest = candidates[0].1;
        let mut sum = 0.0;
        for (_, value) in candidates.iter_mut() {
            *value = ((*value - largest) / settings.temperature).exp();
            sum += *value;
        }
        let mut kept = 0.0;
        let mut count = 0;
        for &(_, value) in candidates.iter() {
            let reached = kept >= settings.top_p * sum;
            // The likeliest has the value 1, so min-p compares with it alone.
            if count > 0 && (reached || value < settings.min_p) {
                break;
            }
            kept += value;
            count += 1;
        }
        let mut draw = self.random.random::<f32>() * kept;
        for &(token, value) in &candidates[..count] {
            draw -= value;
            if draw < 0.0 {
                return token;
            }
        }
        candidates[count - 1].0
    }
}

/// The candidate of the highest logit, the first of equals.
fn likeliest(candidates: &[(u32, f32)]) -> u32 {
    let mut best = candidates[0];
    for &candidate in &candidates[1..] {
        if candidate.1 > best.1 {
            best = candidate;
        }
    }
    best.0
}

/// Why a reply ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinishReason {
    /// The model ended its turn.
    Stop,
    /// It reached the most tokens it may write, or the end of its context.
    Length,
}

/// The tokens of one reply, as they are chosen; a token that ends the turn is not among them.
pub struct Tokens<'a> {
    session: Box<dyn Session + 'a>,
    sampler: Sampler,
    context_length: usize,
    /// The prompt and everything generated.
    tokens: Vec<u32>,
    prompt_length: usize,
    finished: Option<FinishReason>,
}

impl<'a> Tokens<'a> {
    /// Begins a reply to `prompt` (at least one token, and fewer than the context holds).
    pub fn new(model: &'a dyn LanguageModel, prompt: &[u32], settings: &GenerationConfig, seed: u64) -> Self {
        Self {
            session: model.session(),
            sampler: Sampler::new(settings, seed),
            context_length: model.context_length(),
            tokens: prompt.to_vec(),
            prompt_length: prompt.len(),
            finished: None,
        }
    }

    /// Why the reply ended, once it has.
    pub fn finish_reason(&self) -> Option<FinishReason> {
        self.finished
    }

    /// The tokens generated so far.
    pub fn generated(&self) -> &[u32] {
        &self.tokens[self.prompt_length..]
    }
}

impl Iterator for Tokens<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        if self.finished.is_some() {
            return None;
        }
        let settings = &self.sampler.settings;
        if self.generated().len() >= settings.max_new_tokens || self.tokens.len() >= self.context_length {
            self.finished = Some(FinishReason::Length);
            return None;
        }
        let unread = self.session.len();
        let logits = self.session.feed(&self.tokens[unread..]);
        let token = self.sampler.choose(logits, &self.tokens);
        if self.sampler.settings.eos_token_id.contains(&token) {
            self.finished = Some(FinishReason::Stop);
            return None;
        }
        self.tokens.push(token);
        Some(token)
    }
}
