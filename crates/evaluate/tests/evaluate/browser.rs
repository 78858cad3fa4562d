//! The page in a browser.

use std::path::{Path, PathBuf};
use std::process::Command;

use artifact::report::Copied;
use evaluate::page;
use terminal::Lang;

use crate::held_out::{conversations, measure};
use crate::page::{course, memorisation};
use crate::parrot::parrot;

#[test]
fn the_page_opens_in_a_browser() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page/report.mjs");
    let chromium =
        std::env::var_os("CHROMIUM").map_or_else(|| PathBuf::from("/usr/bin/chromium"), PathBuf::from);
    if !chromium.exists() {
        println!("skipped: no {} (set CHROMIUM)", chromium.display());
        return;
    }
    let talks = conversations();
    let replies =
        [("안녕하세요", "네, 안녕하세요"), ("안녕!", "반가워요"), ("나는 서현이야", "안녕히 가세요")];
    let models: Vec<_> = (0..6).map(|model| parrot(&talks, &replies[..=model % 3], 512)).collect();
    let mut measured = measure(&talks, &models);
    for (place, model) in measured.report.models.iter_mut().enumerate() {
        course(model, place == 0);
        let mut found = memorisation();
        found.longest = vec![Copied { text: "나".repeat(90), characters: 90, conversations: 1 }];
        model.memorisation = Some(found);
    }
    // Kept for whoever wants to look at them.
    let shots = Path::new(env!("CARGO_TARGET_TMPDIR")).join("report");
    fs_err::create_dir_all(&shots).unwrap();
    let file = shots.join("report.html");
    fs_err::write(&file, page::render(&measured.report, &measured.samples, Lang::Ko)).unwrap();
    // 77 is how the script says that something it needs is not installed.
    match Command::new("node").arg(&script).arg(&file).arg(&shots).env("CHROMIUM", &chromium).output() {
        Err(error) => println!("skipped: node does not start: {error}"),
        Ok(output) if output.status.code() == Some(77) => {
            println!("skipped: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(output) => assert!(
            output.status.success(),
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ),
    }
}
