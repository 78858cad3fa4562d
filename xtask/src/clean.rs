//! `cargo xtask clean`: gives back disk space.

use clap::Args;
use terminal::Lang;

use crate::placeholder::is_name;
use crate::store::Store;

/// The options of `clean`.
///
/// Without options it removes the outputs that are no pipeline's newest, and keeps what interrupted stages can go
/// on from.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Remove this pipeline's outputs too
    #[arg(value_name = "NAME")]
    pipeline: Option<String>,
    /// Remove all outputs of all pipelines
    #[arg(long, conflicts_with = "pipeline")]
    all: bool,
}

pub(crate) fn run(arguments: &Arguments, store: &Store) -> anyhow::Result<()> {
    let lock = store.lock("clean")?;
    let named = arguments.pipeline.as_deref();
    if let Some(name) = named {
        if !is_name(name) {
            return Err(artifact::Error::refused(format!("`{name}` is no pipeline's name")).into());
        }
        store.forget(Some(name))?;
    }
    if arguments.all {
        store.forget(None)?;
    }
    let drop_work = |started: Option<&crate::store::Started>| {
        arguments.all || started.is_none_or(|started| named == Some(started.pipeline.as_str()))
    };
    let (removed, kept) = store.sweep(drop_work)?;
    drop(lock);
    println!("{}", Lang::pick(format!("{removed}개 폴더를 지움"), format!("removed {removed} directories")));
    if kept > 0 {
        println!(
            "{}",
            Lang::pick(
                format!("중단된 단계의 폴더 {kept}개는 남김 (--all로 지움)"),
                format!("kept {kept} of interrupted stages, which can go on (--all removes them)")
            )
        );
    }
    Ok(())
}
