//! A Rasa 3.1 project: intents with their phrasings, lookups, stories, responses; beside them, whole dialogues.
//!
//! A story is expanded into conversations: a phrasing for each intent, a response for each action, a value for each
//! entity, which fills the slot of its name. What is held out is decided before, so that a test conversation speaks only
//! with phrasings and personal names that no training conversation holds.

mod dialogues;
mod example;
mod expand;
mod holdout;
pub(crate) mod join;
mod names;
mod project;
mod story;
mod yaml;

use std::collections::{BTreeMap, BTreeSet};

use artifact::conversation::Split;
use artifact::response::ResponseTemplate;
use artifact::sources::Count;
use artifact::{Error, Result};

use crate::arguments::Options;
use crate::output::Output;
use crate::source::Source;
use crate::tally::Tally;

use holdout::Holdout;
use names::Values;
use project::Project;
use story::{Plan, Turn};

/// Stands for the bot's name in a source.
const BOT_NAME: &str = "{bot_name}";

/// Expands the stories of the source and takes its dialogues.
pub(crate) fn read(source: &Source, options: &Options, output: &mut Output) -> Result<Vec<Count>> {
    let project = Project::read(&source.path, &options.bot_name)?;
    let mut unusable = Tally::new("dialogues");
    let talks = dialogues::read(&source.path, &options.bot_name, &mut unusable)?;
    let topics: BTreeSet<&str> = talks.iter().filter_map(|talk| talk.topic.as_deref()).collect();
    project.check_topics(&options.topics, &topics)?;

    let said = talks.iter().flat_map(|talk| &talk.messages).map(|message| message.content.as_str());
    let spoken = project.spoken().chain(said).collect::<Vec<_>>().join("\n");
    let holdout = Holdout::divide(&project, options.shares);
    let values = Values::divide(&project, &spoken, options.shares, options.compose_names);

    let mut stories = Tally::new("stories");
    let plans = story::plans(&project, options, &mut stories);
    if let Some(opening) = &options.joining.opening {
        check_opening(&plans, opening)?;
    }
    let mut counts =
        vec![stories.count(), count_phrasings(&project, &plans), respond(&project, &plans, output)];
    for split in Split::ALL {
        counts.extend(expand(&plans, split, &holdout, &values, options, output)?);
    }
    let mut kept = unusable.without_kept();
    dialogues::write(talks, &holdout, options, &mut kept, output)?;
    counts.push(kept.count());
    Ok(counts)
}

/// # Errors
/// When no story is this intent and its answer, and nothing else.
fn check_opening(plans: &[Plan<'_>], opening: &str) -> Result<()> {
    let opens = |plan: &Plan<'_>| matches!(plan.turns.as_slice(), [Turn::User(intent), Turn::Assistant(_)] if intent.name == opening);
    if plans.iter().any(opens) {
        return Ok(());
    }
    let message = format!("--opening {opening}: no story of one turn has this intent");
    Err(Error::refused(message).with_hint("name an intent of the topics asked for, as `- intent:` writes it"))
}

/// Expands the plans in one split: counts of the stories that can be told there, and of the conversations asked for.
fn expand(
    plans: &[Plan<'_>],
    split: Split,
    holdout: &Holdout,
    values: &Values,
    options: &Options,
    output: &mut Output,
) -> Result<[Count; 2]> {
    let mut stories = Tally::new(match split {
        Split::Train => "stories told in train",
        Split::Valid => "stories told in valid",
        Split::Test => "stories told in test",
    });
    let mut tellers = Vec::new();
    for (number, plan) in plans.iter().enumerate() {
        match expand::teller(plan, number, options.seed, split, holdout, values) {
            Ok(teller) => {
                stories.keep();
                tellers.push(teller);
            }
            Err(reason) => stories.reject(reason),
        }
    }
    let asked = match split {
        Split::Train => options.train_count,
        Split::Valid => options.valid_count,
        Split::Test => options.test_count.unwrap_or_else(|| options.default_test_count(tellers.len())),
    };
    let joining = &options.joining;
    let told = expand::tell(tellers, joining.stories_for(asked), options.seed, split);
    let talks = join::join(told.talks, joining, asked, options.seed, split);
    let mut conversations = Tally::new(match split {
        Split::Train => "train conversations from stories",
        Split::Valid => "valid conversations from stories",
        Split::Test => "test conversations from stories",
    });
    conversations.keep_many(talks.len());
    let missing = asked - talks.len();
    conversations
        .reject_many(format!("all {} stories have no further distinct expansion", told.exhausted), missing);
    for talk in talks {
        output.write(talk)?;
    }
    Ok([stories.count(), conversations.count()])
}

/// Hands over the responses that the plans may give.
fn respond(project: &Project, plans: &[Plan<'_>], output: &mut Output) -> Count {
    let turns = || plans.iter().flat_map(|plan| &plan.turns);
    let mut used: BTreeMap<&str, Vec<&ResponseTemplate>> = BTreeMap::new();
    for turn in turns() {
        if let Turn::Assistant(responses) = turn {
            let of_action = used.entry(responses[0].action.as_str()).or_default();
            of_action.extend(
                responses.iter().filter(|response| !of_action.contains(response)).collect::<Vec<_>>(),
            );
        }
    }
    let mut tally = Tally::new("responses");
    for (action, responses) in &project.responses {
        let kept: Vec<&ResponseTemplate> = used.get(action.as_str()).map_or_else(Vec::new, |used| {
            responses.iter().filter(|response| used.contains(response)).collect()
        });
        let reason = if kept.is_empty() {
            "of an action that no story uses"
        } else {
            "beyond --replies-per-action, or never fillable"
        };
        tally.keep_many(kept.len());
        tally.reject_many(reason, responses.len() - kept.len());
        output.respond(kept.into_iter().cloned());
    }
    tally.count()
}

fn count_phrasings(project: &Project, plans: &[Plan<'_>]) -> Count {
    let turns = plans.iter().flat_map(|plan| &plan.turns);
    let used: BTreeSet<&str> = turns
        .filter_map(|turn| match turn {
            Turn::User(intent) => Some(intent.name.as_str()),
            Turn::Assistant(_) => None,
        })
        .collect();
    let mut tally = Tally::new("phrasings");
    for intent in project.intents.values() {
        if used.contains(intent.name.as_str()) {
            tally.keep_many(intent.examples.len());
        } else {
            tally.reject_many("of an intent that no story uses", intent.examples.len());
        }
    }
    tally.count()
}
