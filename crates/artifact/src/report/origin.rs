//! Where a report comes from: what to give to whom to get the same again.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::preprocess::Summary;
use crate::sources::Sources;

/// What the report was made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Origin {
    /// Version of the program that measured.
    pub version: String,
    /// Its command, with the names of models in place of their directories.
    pub command: Vec<String>,
    /// SHA-256 of the data's files, by their names.
    pub data: BTreeMap<String, String>,
    /// SHA-256 of each model's weights, counts or index, by the model's name.
    pub models: BTreeMap<String, String>,
    /// Where the conversations come from, where that was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sources: Option<Sources>,
    /// What preprocessing made of them, where the data tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preparation: Option<Summary>,
}

/// The machine that measured; differs from run to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Machine {
    /// Operating system and architecture: `linux x86_64`.
    pub system: String,
    /// The processor's name, where the system tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processor: Option<String>,
    /// Threads in use.
    pub threads: usize,
    /// Memory, where the system tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
}
