//! What a person asks of the store: to keep a talk, `POST /feedback`, `DELETE /talks/{talk}`.

use std::sync::Arc;

use artifact::conversation::{Message, Role};
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::State;
use super::api_error::ApiError;
use super::fields::Fields;
use super::keeper::Keeper;
use crate::store::{Feedback, Talk};

/// The longest id of a talk, in bytes.
pub(super) const LONGEST_ID: usize = 64;
/// The longest comment, in bytes.
const LONGEST_COMMENT: usize = 4000;

/// A talk that will be kept when its reply is whole.
pub(super) struct Keeping {
    pub(super) state: Arc<State>,
    /// Without its reply.
    pub(super) talk: Talk,
}

impl Keeping {
    pub(super) fn finish(mut self, reply: &str) {
        if let Some(keeper) = &self.state.keeper {
            self.talk.messages.push(Message::new(Role::Assistant, reply));
            keeper.keep(self.talk);
        }
    }
}

impl State {
    /// Who keeps talks.
    pub(super) fn keeper(&self) -> Result<&Keeper, ApiError> {
        self.keeper.as_ref().ok_or_else(|| {
            ApiError::invalid("this server keeps no talks").status(StatusCode::NOT_FOUND).coded("no_store")
        })
    }
}

/// Takes what somebody thinks of a reply.
pub(super) async fn rate(state: &State, owner: Option<String>, body: &[u8]) -> Result<Value, ApiError> {
    let mut fields = Fields::of_body(body)?;
    let reply = fields.text("reply")?.ok_or_else(|| ApiError::value("reply", "the id of an answer"))?;
    let is_good = match fields.text("rating")?.as_deref() {
        Some("good") => true,
        Some("bad") => false,
        _ => return Err(ApiError::value("rating", "\"good\" or \"bad\"")),
    };
    let comment = fields.text("comment")?;
    if comment.as_ref().is_some_and(|comment| comment.len() > LONGEST_COMMENT) {
        return Err(ApiError::value("comment", &format!("at most {LONGEST_COMMENT} bytes")));
    }
    fields.refuse_the_rest()?;
    let rated = state.keeper()?.rate(Feedback { reply, owner, is_good, comment }).await;
    found(rated, json!({ "kept": true }))
}

/// Deletes a talk.
pub(super) async fn delete(state: &State, owner: Option<String>, talk: String) -> Result<Value, ApiError> {
    found(state.keeper()?.delete(talk, owner).await, json!({ "deleted": true }))
}

fn found(done: Option<bool>, answer: Value) -> Result<Value, ApiError> {
    match done {
        Some(true) => Ok(answer),
        Some(false) => Err(ApiError::invalid("nothing of this id is kept")
            .status(StatusCode::NOT_FOUND)
            .coded("not_kept")),
        None => Err(ApiError::store_failed()),
    }
}
