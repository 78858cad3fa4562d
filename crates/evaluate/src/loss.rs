//! Held-out loss: how likely a model finds what the assistant says.

use anyhow::{Context, Result, ensure};
use artifact::conversation::Conversation;
use model::LanguageModel;
use model::chat::Chat;
use rayon::prelude::*;
use terminal::{Lang, Progress};

/// Negative log-likelihood over conversations.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Loss {
    /// Sum over the targets, in nats.
    pub(crate) nats: f64,
    /// Targets: the tokens of the assistant's turns and the tokens that end them.
    pub(crate) targets: usize,
}

impl Loss {
    /// Mean over the targets, in nats.
    pub(crate) fn nats_per_token(&self) -> f64 {
        self.nats / self.targets as f64
    }

    /// e to the power of the mean loss.
    pub(crate) fn perplexity(&self) -> f64 {
        self.nats_per_token().exp()
    }

    /// Bits for each of `bytes`.
    pub(crate) fn bits_per_byte(&self, bytes: usize) -> f64 {
        self.nats / std::f64::consts::LN_2 / bytes as f64
    }
}

/// The loss of each conversation, rendered by the model's own tokenizer, and of all.
///
/// # Errors
/// When the template refuses a conversation, or the model gives a probability that is no number.
pub(crate) fn measure(chat: &Chat, conversations: &[Conversation]) -> Result<(Vec<Loss>, Loss)> {
    let progress = Progress::new(
        Lang::pick("손실", "loss"),
        conversations.len() as u64,
        Lang::pick("대화", "conversations"),
    );
    let losses = conversations
        .par_iter()
        .map(|talk| {
            let rendered = chat.tokenizer.conversation(&talk.messages);
            let rendered = rendered.with_context(|| format!("conversation `{}`", talk.id))?;
            let loss = of_tokens(chat.model.as_ref(), &rendered.tokens, &rendered.loss);
            progress.inc(1);
            Ok(loss)
        })
        .collect::<Result<Vec<Loss>>>()?;
    progress.finish();
    // In the order of the conversations, whichever thread was first.
    let mut sum = Loss::default();
    for loss in &losses {
        sum.nats += loss.nats;
        sum.targets += loss.targets;
    }
    ensure!(sum.targets > 0, "the chat template of this model leaves no turn of the assistant to predict");
    ensure!(
        sum.perplexity().is_finite(),
        "the held-out loss is {} nats a token: the weights hold no usable numbers (hint: train again, with a smaller \
         learning rate)",
        sum.nats_per_token()
    );
    Ok((losses, sum))
}

/// The loss of one conversation: `tokens` and `loss` are `[T]`.
///
/// One longer than the context is read in windows, each of which begins half a context before the tokens that it
/// adds.
fn of_tokens(model: &dyn LanguageModel, tokens: &[u32], loss: &[u8]) -> Loss {
    let context = model.context_length().max(2);
    let mut sum = Loss::default();
    // Tokens up to here are scored; nothing predicts the first.
    let mut done = 1;
    let mut start = 0;
    while done < tokens.len() {
        let end = tokens.len().min(start + context);
        let scores = model.score(&tokens[start..end]);
        for t in done..end {
            if loss[t] == 1 {
                sum.nats -= f64::from(scores[t - start - 1]);
                sum.targets += 1;
            }
        }
        done = end;
        start = end.saturating_sub(context / 2);
    }
    sum
}
