//! The memory that serving a model takes.

use artifact::report::ServingMemory;
use model::LanguageModel;

/// Tokens of the talk whose state is measured: as long as a talk with a small model gets.
const TALK: usize = 512;

/// Measures a model and a talk of [`TALK`] tokens, or of its context.
pub(crate) fn of_serving(model: &dyn LanguageModel) -> ServingMemory {
    let talk_tokens = model.context_length().min(TALK);
    let mut session = model.session();
    // Which token it is makes no difference; what many tokens do at once is the fastest.
    session.feed(&vec![0; talk_tokens]);
    ServingMemory { model_bytes: model.memory_bytes(), talk_bytes: session.state_bytes(), talk_tokens }
}
