//! Held-out loss: how likely a model finds what the assistant says.

use anyhow::{Context, Result, ensure};
use artifact::conversation::Conversation;
use model::chat::Chat;
use model::{LanguageModel, Prediction};
use rayon::prelude::*;
use terminal::{Lang, Progress};

/// What a model makes of one of the assistant's turns.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct TurnLoss {
    /// Negative log-likelihood of its targets, in nats.
    pub(crate) nats: f64,
    /// Targets: its tokens and the one that ends it.
    pub(crate) targets: f64,
    /// Targets that are the likeliest of all tokens.
    pub(crate) likeliest: f64,
}

/// The loss of every turn to learn, in their order, of every conversation, each rendered by the model's own tokenizer.
///
/// # Errors
/// When the template refuses a conversation, or the model gives a probability that is no number.
pub(crate) fn measure(chat: &Chat, conversations: &[Conversation]) -> Result<Vec<Vec<TurnLoss>>> {
    let progress = Progress::new(
        Lang::pick("손실", "loss"),
        conversations.len() as u64,
        Lang::pick("대화", "conversations"),
    );
    let losses = conversations
        .par_iter()
        .map(|talk| {
            let losses = of_talk(chat, talk).with_context(|| format!("conversation `{}`", talk.id))?;
            progress.inc(1);
            Ok(losses)
        })
        .collect::<Result<Vec<Vec<TurnLoss>>>>()?;
    progress.finish();
    let (mut nats, mut targets) = (0.0, 0.0);
    for turn in losses.iter().flatten() {
        nats += turn.nats;
        targets += turn.targets;
    }
    ensure!(targets > 0.0, "the chat template of this model leaves no turn of the assistant to predict");
    let nats_per_token: f64 = nats / targets;
    ensure!(
        nats_per_token.exp().is_finite(),
        "the held-out loss is {nats_per_token} nats a token: the weights hold no usable numbers (hint: train again, \
         with a smaller learning rate)"
    );
    Ok(losses)
}

fn of_talk(chat: &Chat, talk: &Conversation) -> Result<Vec<TurnLoss>> {
    let rendered = chat.tokenizer.conversation(&talk.messages)?;
    let predictions = predictions(chat.model.as_ref(), &rendered.tokens, &rendered.loss);
    // A role stands between two turns, so that each run of targets is one.
    let mut runs: Vec<usize> = Vec::new();
    for (t, &flag) in rendered.loss.iter().enumerate().skip(1).filter(|(_, flag)| **flag == 1) {
        match runs.last_mut() {
            Some(run) if rendered.loss[t - 1] == flag => *run += 1,
            _ => runs.push(1),
        }
    }
    let turns = talk.messages.iter().filter(|message| message.is_target()).count();
    ensure!(
        runs.len() <= turns,
        "the chat template parts {turns} turns of the assistant into {} runs of targets",
        runs.len()
    );
    let mut rest = predictions.as_slice();
    let mut losses: Vec<TurnLoss> = runs
        .into_iter()
        .map(|run| {
            let (own, others) = rest.split_at(run);
            rest = others;
            own.iter().fold(TurnLoss::default(), |sum, prediction| TurnLoss {
                nats: sum.nats - f64::from(prediction.log_probability),
                targets: sum.targets + 1.0,
                likeliest: sum.likeliest + f64::from(u8::from(prediction.likeliest)),
            })
        })
        .collect();
    losses.resize(turns, TurnLoss::default());
    Ok(losses)
}

/// What the model makes of the targets of one conversation: `tokens` and `loss` are `[T]`.
///
/// One longer than the context is read in windows, each of which begins half a context before the tokens that it
/// adds.
pub(crate) fn predictions(model: &dyn LanguageModel, tokens: &[u32], loss: &[u8]) -> Vec<Prediction> {
    let context = model.context_length().max(2);
    let mut predictions = Vec::new();
    // Tokens up to here are scored; nothing predicts the first.
    let mut done = 1;
    let mut start = 0;
    while done < tokens.len() {
        let end = tokens.len().min(start + context);
        let mut wanted = loss[start..end].to_vec();
        wanted[..done - start].fill(0);
        predictions.extend(model.predict(&tokens[start..end], &wanted));
        done = end;
        start = end.saturating_sub(context / 2);
    }
    predictions
}
