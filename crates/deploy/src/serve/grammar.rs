//! Which tokens may come next in a reply that keeps to a grammar.

use llguidance::toktrie::SimpleVob;

/// How far a reply has come in its grammar.
pub(super) struct Matcher {
    matcher: llguidance::Matcher,
    /// The token that ends the reply.
    end: u32,
}

/// The tokens that may come next.
pub(super) enum Allowed {
    These(SimpleVob),
    /// None but the one that ends the reply.
    End(u32),
}

impl Allowed {
    pub(super) fn contains(&self, token: u32) -> bool {
        match self {
            Self::These(tokens) => (token as usize) < tokens.len() && tokens.is_allowed(token),
            Self::End(end) => token == *end,
        }
    }
}

impl Matcher {
    pub(super) fn new(matcher: llguidance::Matcher, end: u32) -> Self {
        Self { matcher, end }
    }

    /// A grammar that has grown beyond its limits ends the reply.
    pub(super) fn allowed(&mut self) -> Allowed {
        match self.matcher.compute_mask_or_eos() {
            Ok(tokens) if !tokens.is_zero() => Allowed::These(tokens),
            _ => Allowed::End(self.end),
        }
    }

    /// Takes a token that was allowed; what was not makes the next [`Self::allowed`] the end.
    pub(super) fn take(&mut self, token: u32) {
        let _ = self.matcher.consume_token(token);
    }

    /// Another reply to the same question begins where this one does.
    pub(super) fn again(&self) -> Self {
        Self { matcher: self.matcher.deep_clone(), end: self.end }
    }
}
