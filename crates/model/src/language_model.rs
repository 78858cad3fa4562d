use crate::decoder::State;

/// What every trained model can do, whatever its architecture: all that evaluation and deployment see.
pub trait LanguageModel: Send + Sync {
    /// Vocabulary, V.
    fn vocab_size(&self) -> usize;

    /// The most tokens that one session may hold.
    fn context_length(&self) -> usize;

    /// The number of parameters, or of stored n-grams or postings.
    fn parameters(&self) -> usize;

    /// Bytes of memory that the model holds, whatever is generated: weights, counts, or an index.
    fn memory_bytes(&self) -> usize;

    /// Natural logarithm of the probability of each token given those before it: `tokens` is `[T]`, the result
    /// `[T - 1]`, its element t for token t + 1.
    fn score(&self, tokens: &[u32]) -> Vec<f32>;

    /// What the model makes of the targets among `tokens` `[T]`: those after the first for which `loss` `[T]` is 1, in
    /// their order.
    fn predict(&self, tokens: &[u32], loss: &[u8]) -> Vec<Prediction> {
        let mut session = self.session();
        let scores = self.score(tokens);
        let targets = (1..tokens.len()).filter(|&t| loss[t] == 1);
        let predictions = targets.map(|t| {
            let unread = session.len();
            let likeliest = likeliest(session.feed(&tokens[unread..t])) == tokens[t];
            Prediction { log_probability: scores[t - 1], likeliest }
        });
        predictions.collect()
    }

    /// Starts reading a talk.
    fn session(&self) -> Box<dyn Session + '_>;

    /// Goes on from where a session of this model was when it had read its first `length` tokens; none where the model
    /// cannot, or gains nothing by it.
    fn resume(&self, _session: &dyn Session, _length: usize) -> Option<Box<dyn Session + '_>> {
        None
    }

    /// Feeds several sessions of this model, each its tokens (at least one). The same bits as [`Session::feed`] one after
    /// the other gives, but where the model can, its weights are read once for all.
    ///
    /// # Panics
    /// As [`Session::feed`] does.
    fn feed_together(&self, turns: &mut [Turn<'_, '_>]) {
        for turn in turns {
            turn.session.feed(turn.tokens);
        }
    }
}

/// What one session reads within a step of several.
pub struct Turn<'t, 'm> {
    /// Who reads.
    pub session: &'t mut (dyn Session + 'm),
    /// What it reads next; at least one.
    pub tokens: &'t [u32],
}

/// What a model makes of a token that follows others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prediction {
    /// Natural logarithm of its probability.
    pub log_probability: f32,
    /// Whether no other token is likelier, and none of those before it in the vocabulary as likely.
    pub likeliest: bool,
}

/// The token of the highest logit, the first of equals.
pub(crate) fn likeliest(logits: &[f32]) -> u32 {
    let highest = logits.iter().enumerate().fold((0, f32::NEG_INFINITY), |best, (token, &logit)| {
        if logit > best.1 { (token, logit) } else { best }
    });
    highest.0 as u32
}

/// A talk as a model has read it so far (its KV cache, or recurrent state).
pub trait Session: Send + Sync {
    /// Reads `tokens` (at least one); gives the logits of the next token. `[V]`
    ///
    /// # Panics
    /// When the session would grow beyond the model's context.
    fn feed(&mut self, tokens: &[u32]) -> &[f32];

    /// What [`Self::feed`] gave last. `[V]`
    fn logits(&self) -> &[f32];

    /// Bytes of what the session carries from token to token: besides the model itself, all that a step reads.
    fn state_bytes(&self) -> usize;

    /// The number of tokens read.
    fn len(&self) -> usize;

    /// Whether nothing has been read.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What a decoder's session carries; none of other models.
    fn decoder_state(&self) -> Option<&State> {
        None
    }

    /// As [`Self::decoder_state`], to go on with.
    fn decoder_state_mut(&mut self) -> Option<&mut State> {
        None
    }
}
