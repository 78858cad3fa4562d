//! The chat page: its files, its headers, and how it behaves in a browser.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::client::{get, receive, send};
use crate::fake::serve;

const GRACE: Duration = Duration::from_secs(5);

#[test]
fn the_page_loads_nothing_from_elsewhere() {
    let server = serve(1, 0, GRACE);
    let kinds = [
        ("/", "text/html; charset=utf-8"),
        ("/style.css", "text/css; charset=utf-8"),
        ("/app.js", "text/javascript; charset=utf-8"),
        ("/docs", "text/html; charset=utf-8"),
        ("/docs.css", "text/css; charset=utf-8"),
        ("/docs.js", "text/javascript; charset=utf-8"),
        ("/icon.svg", "image/svg+xml"),
    ];
    for (path, kind) in kinds {
        let answer = get(server.address, path);
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), Some(kind));
        let foreign = answer.body.replace("http://www.w3.org/2000/svg", "");
        assert!(!foreign.contains("http://") && !foreign.contains("https://"), "{path}");
        assert!(!answer.body.contains("innerHTML"), "{path}");
    }
}

#[test]
fn every_answer_carries_the_security_headers() {
    let server = serve(1, 0, GRACE);
    for path in ["/", "/app.js", "/v1/models", "/nothing", "/v1/chat/completions"] {
        let answer = get(server.address, path);
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'self'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
    let preflight =
        receive(send(server.address, "OPTIONS", "/v1/chat/completions", "origin: http://a.test\r\n", ""));
    assert_eq!(preflight.status, 405);
    assert_eq!(preflight.header("access-control-allow-origin"), None);
    let nothing = get(server.address, "/../Cargo.toml");
    assert_eq!(nothing.status, 404);
    assert_eq!(nothing.json()["error"]["type"], "invalid_request_error");
}

#[test]
fn the_page_talks_in_a_browser() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page/page.mjs");
    let chromium =
        std::env::var_os("CHROMIUM").map_or_else(|| PathBuf::from("/usr/bin/chromium"), PathBuf::from);
    if !chromium.exists() {
        println!("skipped: no {} (set CHROMIUM)", chromium.display());
        return;
    }
    // 77 is how the script says that something it needs is not installed.
    let server = serve(2, 8, GRACE);
    let url = format!("http://{}/", server.address);
    // Kept for whoever wants to look at them.
    let shots = Path::new(env!("CARGO_TARGET_TMPDIR")).join("page");
    let run = Command::new("node").arg(&script).arg(&url).arg(&shots).env("CHROMIUM", &chromium).output();
    match run {
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
