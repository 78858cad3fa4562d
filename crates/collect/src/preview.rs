//! `--preview`: what would be read of each source, and how its first conversations look.

use artifact::conversation;
use terminal::Lang;

use crate::arguments::Options;
use crate::source::Source;

/// Conversations that are shown.
const CONVERSATIONS: usize = 3;
/// Turns that are shown of each.
const TURNS: usize = 8;
/// Characters that are shown of each turn.
const CHARACTERS: usize = 120;

/// Reads the sources into a directory that nobody keeps, and prints to stdout.
pub(crate) fn show(sources: &[Source], options: &Options) -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let read = crate::write(sources, options, dir.path())?;
    for line in crate::lines(&read) {
        println!("{line}");
    }
    for talk in conversation::read_dir(dir.path())?.take(CONVERSATIONS) {
        let talk = talk?;
        println!("\n{}", talk.id);
        for message in talk.messages.iter().take(TURNS) {
            println!("  {:>9}  {}", message.role.name(), shortened(&message.content));
        }
        let more = talk.messages.len().saturating_sub(TURNS);
        if more > 0 {
            println!(
                "  {:>9}  {}",
                "...",
                Lang::pick(format!("{more}차례 더"), format!("{more} turns more"))
            );
        }
    }
    Ok(())
}

/// One line of limited length.
fn shortened(text: &str) -> String {
    let line = text.replace('\n', " / ");
    match line.char_indices().nth(CHARACTERS) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line,
    }
}
