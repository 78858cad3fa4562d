//! `cargo xtask graph`: which stage reads which.

use clap::{Args, ValueEnum};

use crate::pipeline::{Pipeline, Stage};

/// The options of `graph`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Pipeline: pipelines/NAME.toml
    #[arg(value_name = "NAME", default_value = crate::DEFAULT)]
    pipeline: String,
    /// Language of the graph
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
enum Format {
    /// A line a stage: its name, its program, and the stages that it reads
    Text,
    /// Graphviz
    Dot,
    /// Mermaid, which Markdown pages draw
    Mermaid,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let pipeline = Pipeline::read(&arguments.pipeline, &[])?;
    let edges =
        || pipeline.stages.iter().flat_map(|stage| stage.reads().into_iter().map(|read| (read, &stage.name)));
    match arguments.format {
        Format::Text => {
            let width =
                |text: fn(&Stage) -> usize| pipeline.stages.iter().map(text).max().unwrap_or_default();
            let (name, program) =
                (width(|stage| stage.name.len()), width(|stage| stage.program.name().len()));
            for stage in &pipeline.stages {
                let reads = stage.reads().join(", ");
                let arrow = if reads.is_empty() { "" } else { "<- " };
                let line = format!("{:name$}  {:program$}  {arrow}{reads}", stage.name, stage.program.name());
                println!("{}", line.trim_end());
            }
        }
        Format::Dot => {
            println!("digraph {:?} {{", pipeline.name);
            for stage in &pipeline.stages {
                println!("  {:?};", stage.name);
            }
            for (from, to) in edges() {
                println!("  {from:?} -> {to:?};");
            }
            println!("}}");
        }
        Format::Mermaid => {
            println!("flowchart LR");
            for stage in &pipeline.stages {
                // A node may not be called `end`, nor may its name hold every sign that ours may.
                println!("  {}[{}]", node(&pipeline, &stage.name), stage.name);
            }
            for (from, to) in edges() {
                println!("  {} --> {}", node(&pipeline, from), node(&pipeline, to));
            }
        }
    }
    Ok(())
}

fn node(pipeline: &Pipeline, stage: &str) -> String {
    let position = pipeline.stages.iter().position(|known| known.name == stage).unwrap_or_default();
    format!("s{position}")
}
