//! Generation: from logits to the next token, and from a prompt to a reply.

use artifact::config::GenerationConfig;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::{LanguageModel, Session};

/// What a request asks to change of the logits, beside its settings.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Adjustments {
    /// Subtracted from the logit of a token of the reply for each time that it stands there.
    pub frequency_penalty: f32,
    /// Subtracted from the logit of every token of the reply.
    pub presence_penalty: f32,
    /// Tokens with what is added to their logits.
    pub bias: Vec<(u32, f32)>,
}

/// Chooses tokens from logits, repeatably for a seed.
#[derive(Debug)]
pub struct Sampler {
    settings: GenerationConfig,
    adjustments: Adjustments,
    random: ChaCha8Rng,
    /// Scratch: candidates with their logits.
    candidates: Vec<(u32, f32)>,
}

impl Sampler {
    /// Greedy where `settings.do_sample` is false or the temperature is 0.
    pub fn new(settings: &GenerationConfig, seed: u64) -> Self {
        Self {
            settings: settings.clone(),
            adjustments: Adjustments::default(),
            random: ChaCha8Rng::seed_from_u64(seed),
            candidates: Vec::new(),
        }
    }

    /// The same with `adjustments`.
    #[must_use]
    pub fn adjusted(self, adjustments: Adjustments) -> Self {
        Self { adjustments, ..self }
    }

    /// The same with draws of its own: another of several replies to one question. The first is number 0.
    #[must_use]
    pub fn of_choice(mut self, number: u64) -> Self {
        self.random.set_stream(number);
        self
    }

    /// Chooses the next token from `logits` `[V]`; `seen` are the tokens that the repetition penalty applies to, of which
    /// those from `reply` on are the reply's own; where `allowed` is given, only tokens for which it holds, of which
    /// there must be one.
    ///
    /// In order: what is asked for besides the settings, repetition penalty (Keskar et al. 2019, CTRL), temperature,
    /// top-k, top-p (Holtzman et al. 2020), min-p (Nguyen et al. 2024).
    pub fn choose(
        &mut self,
        logits: &[f32],
        seen: &[u32],
        reply: usize,
        allowed: Option<&dyn Fn(u32) -> bool>,
    ) -> u32 {
        let settings = &self.settings;
        let candidates = &mut self.candidates;
        candidates.clear();
        candidates.extend(logits.iter().enumerate().map(|(token, &logit)| (token as u32, logit)));
        let Adjustments { frequency_penalty, presence_penalty, bias } = &self.adjustments;
        for &(token, bias) in bias {
            candidates[token as usize].1 += bias;
        }
        if *frequency_penalty != 0.0 || *presence_penalty != 0.0 {
            let mut reply = seen[reply..].to_vec();
            reply.sort_unstable();
            for times in reply.chunk_by(|a, b| a == b) {
                let penalty = frequency_penalty * times.len() as f32 + presence_penalty;
                candidates[times[0] as usize].1 -= penalty;
            }
        }
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
        if let Some(allowed) = allowed {
            candidates.retain(|&(token, _)| allowed(token));
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

/// A reply as far as it is written: a prompt, the tokens chosen so far, and how the next one is chosen. Whoever has it feeds
/// the model.
#[derive(Debug)]
pub struct Draft {
    sampler: Sampler,
    /// The prompt and everything generated.
    tokens: Vec<u32>,
    prompt_length: usize,
    /// The most tokens of prompt and reply.
    longest: usize,
    finished: Option<FinishReason>,
}

impl Draft {
    /// Begins a reply to `prompt` (at least one token, and fewer than the context holds).
    pub fn new(sampler: Sampler, prompt: Vec<u32>, context_length: usize) -> Self {
        let prompt_length = prompt.len();
        let longest = prompt_length.saturating_add(sampler.settings.max_new_tokens).min(context_length);
        let finished = (prompt_length >= longest).then_some(FinishReason::Length);
        Self { sampler, tokens: prompt, prompt_length, longest, finished }
    }

    /// The prompt and everything generated: what the model has to read before it is asked for the next token.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// The tokens generated so far; one that ends the turn is not among them.
    pub fn generated(&self) -> &[u32] {
        &self.tokens[self.prompt_length..]
    }

    /// Why the reply ended, once it has.
    pub fn finish_reason(&self) -> Option<FinishReason> {
        self.finished
    }

    /// Chooses the next token from the model's `logits` `[V]`, among those for which `allowed` holds where it is given;
    /// none where the turn ends.
    pub fn choose(&mut self, logits: &[f32], allowed: Option<&dyn Fn(u32) -> bool>) -> Option<u32> {
        let token = self.sampler.choose(logits, &self.tokens, self.prompt_length, allowed);
        if self.sampler.settings.eos_token_id.contains(&token) {
            self.finished = Some(FinishReason::Stop);
            return None;
        }
        self.tokens.push(token);
        if self.tokens.len() >= self.longest {
            self.finished = Some(FinishReason::Length);
        }
        Some(token)
    }
}

/// The tokens of one reply, as they are chosen.
pub struct Tokens<'a> {
    session: Box<dyn Session + 'a>,
    draft: Draft,
}

impl<'a> Tokens<'a> {
    /// Begins a reply to `prompt` (at least one token, and fewer than the context holds).
    pub fn new(model: &'a dyn LanguageModel, prompt: &[u32], settings: &GenerationConfig, seed: u64) -> Self {
        let draft = Draft::new(Sampler::new(settings, seed), prompt.to_vec(), model.context_length());
        Self { session: model.session(), draft }
    }

    /// Why the reply ended, once it has.
    pub fn finish_reason(&self) -> Option<FinishReason> {
        self.draft.finish_reason()
    }

    /// The tokens generated so far.
    pub fn generated(&self) -> &[u32] {
        self.draft.generated()
    }
}

impl Iterator for Tokens<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        if self.draft.finish_reason().is_some() {
            return None;
        }
        let unread = self.session.len();
        let logits = self.session.feed(&self.draft.tokens()[unread..]);
        self.draft.choose(logits, None)
    }
}
