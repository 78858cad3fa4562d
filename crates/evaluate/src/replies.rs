//! Replies to many histories, written side by side.
//!
//! Histories of one conversation begin alike, so that each is read on from where the one before it ended.

use std::collections::HashMap;

use artifact::config::GenerationConfig;
use artifact::conversation::Message;
use model::chat::Chat;
use model::generate::{Draft, FinishReason, Sampler, Tokens};
use model::{LanguageModel, Session, Turn};
use rayon::prelude::*;
use terminal::{Lang, Progress};

use crate::chrf::mix;

/// Conversations that a thread reads together. A step reads all weights once: the more talks share it, the better, until
/// their states no longer fit the processor's cache.
const TOGETHER: usize = 16;
/// Replies that are in the making when a thread stops beginning others.
const ENOUGH: usize = 32;

/// What a model says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Reply {
    /// The text.
    pub(crate) text: String,
    /// Its length in the model's tokens.
    pub(crate) tokens: usize,
    /// How it ended; none where there is no reply because the last message is longer than the context.
    pub(crate) finish: Option<FinishReason>,
}

/// How tokens are chosen.
#[derive(Debug, Clone)]
pub(crate) struct Decoding {
    /// The settings.
    pub(crate) settings: GenerationConfig,
    /// Where every reply's own draws come from.
    pub(crate) seed: u64,
}

impl Decoding {
    /// The likeliest token at each step.
    pub(crate) fn greedy(chat: &Chat, max_new_tokens: usize) -> Self {
        let generation = chat.generation.clone();
        let settings =
            GenerationConfig { do_sample: false, repetition_penalty: 1.0, max_new_tokens, ..generation };
        Self { settings, seed: 0 }
    }

    /// As the model's directory says that it samples.
    pub(crate) fn sampled(chat: &Chat, max_new_tokens: usize, seed: u64) -> Self {
        let settings = GenerationConfig { do_sample: true, max_new_tokens, ..chat.generation.clone() };
        Self { settings, seed }
    }
}

/// The reply to one history.
pub(crate) fn reply(chat: &Chat, history: &[Message], decoding: &Decoding) -> Reply {
    let Ok((prompt, _)) = chat.prompt(history) else { return Reply::default() };
    let mut tokens = Tokens::new(chat.model.as_ref(), &prompt, &decoding.settings, decoding.seed);
    let reply: Vec<u32> = tokens.by_ref().collect();
    Reply { text: chat.tokenizer.decode(&reply), tokens: reply.len(), finish: tokens.finish_reason() }
}

/// The replies to each history, by decoding; equal histories are answered once.
pub(crate) fn replies(chat: &Chat, histories: &[&[Message]], decodings: &[Decoding]) -> Vec<Vec<Reply>> {
    let mut places = HashMap::new();
    let mut distinct = Vec::new();
    let place_of: Vec<usize> = histories
        .iter()
        .map(|history| {
            let said: Vec<_> =
                history.iter().map(|message| (message.role, message.content.as_str())).collect();
            *places.entry(said).or_insert_with(|| {
                distinct.push(*history);
                distinct.len() - 1
            })
        })
        .collect();
    let progress =
        Progress::new(Lang::pick("답변", "replies"), distinct.len() as u64, Lang::pick("답변", "replies"));
    let prompts: Vec<Prompt> = distinct
        .par_iter()
        .enumerate()
        .map(|(place, history)| {
            let tokens = chat.prompt(history).map(|(prompt, _)| prompt).unwrap_or_default();
            Prompt { place, tokens }
        })
        .collect();
    // Those of one conversation stand side by side.
    let begin_alike = |a: &Prompt, b: &Prompt| {
        let said = |prompt: &Prompt| distinct[prompt.place].first().map(|message| &message.content);
        said(a) == said(b)
    };
    let talks: Vec<&[Prompt]> = prompts.chunk_by(begin_alike).collect();
    let share = talks.len().div_ceil(rayon::current_num_threads()).max(1);
    let answered: Vec<Vec<Written>> = talks
        .par_chunks(share)
        .map(|talks| Writer { chat, decodings, progress: &progress }.write(talks))
        .collect();
    progress.finish();
    let mut replies = vec![vec![Reply::default(); distinct.len()]; decodings.len()];
    for written in answered.into_iter().flatten() {
        replies[written.decoding][written.place] = written.reply;
    }
    let in_order =
        |replies: Vec<Reply>| place_of.iter().map(|&place| replies[place].clone()).collect::<Vec<_>>();
    replies.into_iter().map(in_order).collect()
}

/// What asks for a reply.
struct Prompt {
    /// Its place among the histories that differ.
    place: usize,
    /// Nothing where the context does not hold the last message.
    tokens: Vec<u32>,
}

/// A reply in the making.
struct Writing<'m> {
    place: usize,
    decoding: usize,
    draft: Draft,
    session: Box<dyn Session + 'm>,
}

/// A reply that is whole.
struct Written {
    place: usize,
    decoding: usize,
    reply: Reply,
}

/// One thread's share of the replies.
struct Writer<'a> {
    chat: &'a Chat,
    decodings: &'a [Decoding],
    progress: &'a Progress,
}

impl<'a> Writer<'a> {
    fn model(&self) -> &'a dyn LanguageModel {
        self.chat.model.as_ref()
    }

    /// The replies to the prompts of each talk, in the order in which they end.
    fn write(&self, talks: &[&'a [Prompt]]) -> Vec<Written> {
        // One prompt of each of some talks, then the next of each.
        let mut rounds = talks.chunks(TOGETHER).flat_map(|talks| {
            let most = talks.iter().map(|talk| talk.len()).max().unwrap_or(0);
            (0..most).map(move |depth| (talks, depth))
        });
        let mut kept: HashMap<*const Prompt, Box<dyn Session + 'a>> = HashMap::new();
        let mut writing: Vec<Writing<'a>> = Vec::new();
        let mut written = Vec::new();
        loop {
            while writing.len() < ENOUGH
                && let Some((talks, depth)) = rounds.next()
            {
                writing.extend(self.begin(talks, depth, &mut kept));
            }
            if writing.is_empty() {
                return written;
            }
            self.step(&mut writing, &mut written);
        }
    }

    /// Reads the prompts at `depth` of all talks together; `kept` has what each talk had read of the prompt before.
    fn begin(
        &self,
        talks: &[&'a [Prompt]],
        depth: usize,
        kept: &mut HashMap<*const Prompt, Box<dyn Session + 'a>>,
    ) -> Vec<Writing<'a>> {
        let model = self.model();
        let mut reading: Vec<(&'a [Prompt], &'a Prompt, Box<dyn Session + 'a>)> = talks
            .iter()
            .filter_map(|talk| {
                let prompt = talk.get(depth)?;
                let before = kept.remove(&talk.as_ptr());
                let resumed = before.filter(|_| depth > 0).and_then(|session| {
                    let shared = shared(&talk[depth - 1].tokens, &prompt.tokens).min(session.len());
                    model.resume(session.as_ref(), shared)
                });
                Some((*talk, prompt, resumed.unwrap_or_else(|| model.session())))
            })
            .filter(|(_, prompt, _)| !prompt.tokens.is_empty())
            .collect();
        let mut turns: Vec<Turn<'_, 'a>> = reading
            .iter_mut()
            .map(|(_, prompt, session)| {
                let read = session.len();
                Turn { session: session.as_mut(), tokens: &prompt.tokens[read..] }
            })
            .collect();
        if !turns.is_empty() {
            model.feed_together(&mut turns);
        }
        let mut writing = Vec::new();
        for (talk, prompt, session) in reading {
            if depth + 1 < talk.len()
                && let Some(session) = model.resume(session.as_ref(), session.len())
            {
                kept.insert(talk.as_ptr(), session);
            }
            let sessions = (1..self.decodings.len()).map(|_| self.copy(session.as_ref(), prompt)).collect();
            let sessions: Vec<Box<dyn Session + 'a>> = sessions;
            for (decoding, session) in sessions.into_iter().chain([session]).enumerate() {
                let Decoding { settings, seed } = &self.decodings[decoding];
                let sampler = Sampler::new(settings, mix(seed ^ prompt.place as u64));
                let draft = Draft::new(sampler, prompt.tokens.clone(), model.context_length());
                writing.push(Writing { place: prompt.place, decoding, draft, session });
            }
            self.progress.inc(1);
        }
        writing
    }

    /// A session that has read a prompt, as another has.
    fn copy(&self, session: &dyn Session, prompt: &Prompt) -> Box<dyn Session + 'a> {
        self.model().resume(session, session.len()).unwrap_or_else(|| {
            let mut session = self.model().session();
            session.feed(&prompt.tokens);
            session
        })
    }

    /// Chooses a token of every reply, and reads it where the reply goes on.
    fn step(&self, writing: &mut Vec<Writing<'a>>, written: &mut Vec<Written>) {
        writing.retain_mut(|Writing { place, decoding, draft, session }| {
            if draft.finish_reason().is_none() {
                draft.choose(session.logits(), None);
            }
            let finish = draft.finish_reason();
            if finish.is_some() {
                let tokens = draft.generated();
                let reply = Reply { text: self.chat.tokenizer.decode(tokens), tokens: tokens.len(), finish };
                written.push(Written { place: *place, decoding: *decoding, reply });
            }
            finish.is_none()
        });
        let mut turns: Vec<Turn<'_, 'a>> = writing
            .iter_mut()
            .map(|Writing { draft, session, .. }| {
                let read = session.len();
                Turn { session: session.as_mut(), tokens: &draft.tokens()[read..] }
            })
            .collect();
        if !turns.is_empty() {
            self.model().feed_together(&mut turns);
        }
    }
}

/// Tokens that two prompts begin with, all but the last of the second at most.
fn shared(a: &[u32], b: &[u32]) -> usize {
    let equal = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    equal.min(b.len().saturating_sub(1))
}
