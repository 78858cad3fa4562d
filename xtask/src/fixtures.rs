//! `cargo xtask fixtures`: runs the scripts that write what tests compare with.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;
use artifact::{Error, write_atomic};
use clap::Args;
use fs_err as fs;
use terminal::Lang;

/// Names the Python that has the packages.
const PYTHON: &str = "NAMAN_PYTHON";

/// The options of `fixtures`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only the script of this name, such as `mixers`
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

/// A script, as its docstring describes it.
#[derive(Debug, PartialEq)]
struct Script {
    path: PathBuf,
    /// The file beside it that takes what it prints.
    writes: String,
    /// Packages and the versions that the committed file was made with.
    requires: Vec<(String, String)>,
}

pub(crate) fn run(arguments: &Arguments, workspace: &Path) -> anyhow::Result<()> {
    let mut scripts = scripts(workspace)?;
    if let Some(name) = &arguments.name {
        let known: Vec<String> = scripts.iter().map(Script::name).collect();
        scripts.retain(|script| script.name() == *name);
        if scripts.is_empty() {
            return Err(Error::refused(format!("no script writes a fixture `{name}`"))
                .with_hint(format!("there are {}", known.join(", ")))
                .into());
        }
    }
    let python = env::var_os(PYTHON).unwrap_or_else(|| "python3".into());
    let mut failed = Vec::new();
    for script in &scripts {
        let installed = installed(&python, &script.requires)?;
        println!("{}: {}", relative(&script.path, workspace), versions(&script.requires, &installed));
        let missing: Vec<String> = script
            .requires
            .iter()
            .filter(|(package, _)| !installed.contains_key(package))
            .map(|(package, version)| format!("{package}=={version}"))
            .collect();
        if missing.is_empty() {
            match rewrite(&python, script) {
                Ok(outcome) => println!("  {}: {outcome}", script.writes),
                Err(error) => failed.push(format!("{}: {error:#}", script.name())),
            }
        } else {
            let remedy = format!("{} -m pip install {}", python.display(), missing.join(" "));
            failed.push(format!("{}: {remedy}", script.name()));
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    let message = Lang::pick(
        format!("쓰지 못한 파일 {}개:\n{}", failed.len(), failed.join("\n")),
        format!("{} files were not written:\n{}", failed.len(), failed.join("\n")),
    );
    Err(Error::refused(message).with_hint(format!("{PYTHON} names the Python to use")).into())
}

impl Script {
    /// The docstring's lines `requires:` and `writes:`; none of a script that writes no fixture.
    fn parse(path: PathBuf, text: &str) -> Option<Self> {
        let docstring = text.strip_prefix("\"\"\"")?.split("\"\"\"").next()?;
        let line = |key: &str| docstring.lines().find_map(|line| line.strip_prefix(key)).map(str::trim);
        let requires = line("requires:").unwrap_or_default().split(',');
        let requires = requires.filter_map(|package| package.trim().split_once(' '));
        Some(Self {
            path,
            writes: line("writes:")?.to_owned(),
            requires: requires.map(|(package, version)| (package.to_owned(), version.to_owned())).collect(),
        })
    }

    fn name(&self) -> String {
        self.path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
    }
}

/// All scripts of the workspace, in order.
fn scripts(workspace: &Path) -> anyhow::Result<Vec<Script>> {
    let mut scripts = Vec::new();
    for package in sorted(&workspace.join("crates"))? {
        let folder = package.join("tests/fixtures");
        if !folder.is_dir() {
            continue;
        }
        for path in sorted(&folder)?.into_iter().filter(|path| path.extension().is_some_and(|e| e == "py")) {
            let text = fs::read_to_string(&path)?;
            scripts.extend(Script::parse(path, &text));
        }
    }
    Ok(scripts)
}

fn sorted(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    paths.sort();
    Ok(paths)
}

fn relative(path: &Path, workspace: &Path) -> String {
    path.strip_prefix(workspace).unwrap_or(path).display().to_string()
}

/// The versions of those packages that this Python has.
fn installed(python: &OsString, packages: &[(String, String)]) -> anyhow::Result<BTreeMap<String, String>> {
    const ASK: &str = "
import importlib.metadata, sys
for name in sys.argv[1:]:
    try:
        print(name, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        pass
";
    let mut command = Command::new(python);
    command.args(["-c", ASK]).args(packages.iter().map(|(package, _)| package));
    let output = command.stderr(Stdio::inherit()).output().map_err(|error| {
        Error::refused(format!("{}: {error}", python.display())).with_hint(Lang::pick(
            format!("Python을 설치하거나 {PYTHON} 환경 변수로 알려 주세요"),
            format!("install Python, or name one in the environment variable {PYTHON}"),
        ))
    })?;
    if !output.status.success() {
        return Err(Error::refused(format!("{}: {}", python.display(), output.status)).into());
    }
    let lines = String::from_utf8_lossy(&output.stdout);
    let pairs = lines.lines().filter_map(|line| line.split_once(' '));
    Ok(pairs.map(|(package, version)| (package.to_owned(), version.trim().to_owned())).collect())
}

/// Each package with the version that is there, and the one that the file was made with where it is another.
fn versions(requires: &[(String, String)], installed: &BTreeMap<String, String>) -> String {
    let each = requires.iter().map(|(package, named)| match installed.get(package) {
        Some(found) if found == named => format!("{package} {found}"),
        Some(found) => Lang::pick(
            format!("{package} {found} (파일은 {named}(으)로 만듦)"),
            format!("{package} {found} (the file was made with {named})"),
        ),
        None => Lang::pick(
            format!("{package} 없음 (파일은 {named}(으)로 만듦)"),
            format!("{package} is not installed (the file was made with {named})"),
        ),
    });
    each.collect::<Vec<_>>().join(", ")
}

/// Runs a script and puts what it prints in the place of its file; says whether that changed it.
fn rewrite(python: &OsString, script: &Script) -> anyhow::Result<&'static str> {
    let folder = script.path.parent().expect("a script lies in a folder");
    let mut command = Command::new(python);
    // No `__pycache__` in the workspace.
    command.arg("-B").arg(&script.path).current_dir(folder).stderr(Stdio::inherit());
    let output = command.output().with_context(|| python.display().to_string())?;
    if !output.status.success() {
        return Err(Error::refused(output.status.to_string()).into());
    }
    let path = folder.join(&script.writes);
    if fs::read(&path).is_ok_and(|before| before == output.stdout) {
        return Ok(Lang::pick("그대로", "unchanged"));
    }
    write_atomic(&path, &output.stdout)?;
    Ok(Lang::pick("바뀜", "changed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(text: &str) -> Option<Script> {
        Script::parse(PathBuf::from("a/b.py"), text)
    }

    #[test]
    fn a_docstring_says_what_is_needed_and_written() {
        let found =
            script("\"\"\"Writes b.json.\n\nrequires: torch 2.15.0, kenlm 0.3.0\nwrites: b.json\n\"\"\"\n");
        let found = found.unwrap();
        assert_eq!((found.name().as_str(), found.writes.as_str()), ("b", "b.json"));
        let pair = |package: &str, version: &str| (package.to_owned(), version.to_owned());
        assert_eq!(found.requires, [pair("torch", "2.15.0"), pair("kenlm", "0.3.0")]);
        assert_eq!(script("\"\"\"Loads a model.\"\"\"\n# writes: b.json\n"), None);
        assert_eq!(script("print(1)\n"), None);
    }

    #[test]
    fn every_fixture_of_the_workspace_has_its_script() {
        let workspace = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        let scripts = scripts(workspace).unwrap();
        for script in &scripts {
            assert!(!script.requires.is_empty(), "{script:?}");
            assert!(script.path.with_file_name(&script.writes).is_file(), "{script:?}");
        }
        let names: Vec<String> = scripts.iter().map(Script::name).collect();
        for name in ["chat_templates", "families", "mixers", "adamw", "muon", "steps"] {
            assert!(names.iter().any(|found| found == name), "{name} in {names:?}");
        }
    }
}
