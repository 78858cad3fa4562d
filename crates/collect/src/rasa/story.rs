//! Stories that can be told: the phrasings and responses that each step may use.

use std::collections::BTreeSet;

use artifact::response::ResponseTemplate;

use super::example::Example;
use super::project::{Intent, Project, Step, Story};
use crate::arguments::Options;
use crate::tally::Tally;

/// A story, ready to be told.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    pub(super) topic: &'a str,
    pub(super) turns: Vec<Turn<'a>>,
}

/// A turn of a story.
#[derive(Debug)]
pub(super) enum Turn<'a> {
    User(&'a Intent),
    /// The responses that use only slots filled earlier; never empty.
    Assistant(Vec<&'a ResponseTemplate>),
}

/// Plans the stories of the topics that are asked for; the others are counted.
pub(super) fn plans<'a>(project: &'a Project, options: &Options, tally: &mut Tally) -> Vec<Plan<'a>> {
    let mut plans = Vec::new();
    for story in &project.stories {
        if !options.has_topic(&story.topic) {
            tally.reject("of a topic that was not asked for");
            continue;
        }
        match plan(project, story, options.replies_per_action) {
            Ok(plan) => {
                tally.keep();
                plans.push(plan);
            }
            Err(reason) => tally.reject(reason),
        }
    }
    plans
}

fn plan<'a>(project: &'a Project, story: &'a Story, most_replies: usize) -> Result<Plan<'a>, String> {
    let mut filled: BTreeSet<&str> = BTreeSet::new();
    let mut turns = Vec::new();
    for step in &story.steps {
        turns.push(match step {
            Step::Intent(name) => {
                let intent = &project.intents[name];
                filled.extend(always_said(intent).filter(|entity| project.slots.contains(*entity)));
                Turn::User(intent)
            }
            Step::Action(name) => {
                let responses = project.responses.get(name).ok_or("an action without responses")?;
                let can_fill = |response: &&ResponseTemplate| {
                    response.slots().into_iter().all(|slot| filled.contains(slot))
                };
                let usable: Vec<&ResponseTemplate> =
                    responses.iter().filter(can_fill).take(most_replies).collect();
                if usable.is_empty() {
                    return Err(format!(
                        "every response of `{name}` needs a slot that the story has not filled"
                    ));
                }
                Turn::Assistant(usable)
            }
        });
    }
    // What the person says last has no answer.
    while matches!(turns.last(), Some(Turn::User(_))) {
        turns.pop();
    }
    if turns.is_empty() { Err("no answer".to_owned()) } else { Ok(Plan { topic: &story.topic, turns }) }
}

/// The entities that every phrasing of the intent holds: these slots are filled whichever is chosen.
fn always_said(intent: &Intent) -> impl Iterator<Item = &str> {
    let first = intent.examples.first();
    let in_all = |entity: &&str| {
        intent.examples.iter().all(|example| example.entities().any(|other| other == *entity))
    };
    first.into_iter().flat_map(Example::entities).filter(in_all)
}
