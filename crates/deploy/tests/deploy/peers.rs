//! Programs of others that speak with the server: the official `openai` client, and requests that `schemathesis` makes up
//! from the description of the API.
//!
//! `NAMAN_PYTHON` names a Python that has them, `python3` by default; where it has not the tests say so and pass.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use deploy::serve::{Capacity, Settings};

use crate::fake::{Running, serve_with, settings};

/// The scripts' way to say that what they need is not installed.
const NOT_INSTALLED: i32 = 77;

fn server() -> Running {
    let capacity = Capacity { at_once: 32, queue: 64, prefix_cache_bytes: 1 << 20 };
    serve_with(Settings { capacity, ..settings() }, Duration::from_secs(5))
}

fn python() -> Command {
    let mut python = Command::new(std::env::var_os("NAMAN_PYTHON").unwrap_or_else(|| "python3".into()));
    python.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers"));
    python
}

fn succeeds(output: &Output) {
    let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(output.status.success(), "{out}{err}");
}

#[test]
fn the_official_client_is_at_home() {
    let server = server();
    let url = format!("http://{}", server.address);
    match python().arg("openai_client.py").arg(&url).output() {
        Err(error) => println!("skipped: Python does not start: {error}"),
        Ok(output) if output.status.code() == Some(NOT_INSTALLED) => {
            println!("{}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(output) => succeeds(&output),
    }
}

#[test]
fn the_api_is_what_its_description_says() {
    let found = python().args(["-c", "import schemathesis"]).output();
    if !found.is_ok_and(|output| output.status.success()) {
        println!("skipped: this Python has no schemathesis");
        return;
    }
    let server = server();
    let url = format!("http://{}/openapi.json", server.address);
    let program = "import sys; from schemathesis.cli import schemathesis; sys.exit(schemathesis())";
    let options = ["--max-examples", "25", "--seed", "1", "--no-color", "--exclude-path", "/metrics"];
    succeeds(&python().args(["-c", program, "run", &url]).args(options).output().unwrap());
}
