//! JSON Schemas of the formats, generated from their types.

use schemars::{Schema, schema_for};

use crate::canaries::Canaries;
use crate::config::{GenerationConfig, ModelConfig};
use crate::conversation::Conversation;
use crate::metrics::Row;
use crate::participants::Participants;
use crate::preprocess::Summary;
use crate::report::{Outcome, Report, Sample};
use crate::response::ResponseTemplate;
use crate::sources::Sources;
use crate::tokenizer::TokenizerConfig;

/// The schema of every JSON format, under the name of the file that holds it; of JSON lines, the schema of one line.
///
/// Tokens and weights are safetensors, described in [`crate::shard`] and [`crate::weights`].
pub fn all() -> Vec<(&'static str, Schema)> {
    vec![
        ("canaries.schema.json", schema_for!(Canaries)),
        ("config.schema.json", schema_for!(ModelConfig)),
        ("conversations.schema.json", schema_for!(Conversation)),
        ("generation_config.schema.json", schema_for!(GenerationConfig)),
        ("metrics.schema.json", schema_for!(Row)),
        ("outcomes.schema.json", schema_for!(Outcome)),
        ("participants.schema.json", schema_for!(Participants)),
        ("preprocess.schema.json", schema_for!(Summary)),
        ("report.schema.json", schema_for!(Report)),
        ("responses.schema.json", schema_for!(ResponseTemplate)),
        ("samples.schema.json", schema_for!(Sample)),
        ("sources.schema.json", schema_for!(Sources)),
        ("tokenizer_config.schema.json", schema_for!(TokenizerConfig)),
    ]
}
