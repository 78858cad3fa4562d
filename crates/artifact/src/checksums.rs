//! `SHA256SUMS` of a bundle, in the form of coreutils' `sha256sum`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{self, Read};
use std::path::{Component, Path};

use fs_err as fs;
use sha2::{Digest, Sha256};

use crate::{Error, Place, Result, write_atomic};

/// The file's name.
pub const FILE: &str = "SHA256SUMS";

/// The longest list that is read, in bytes.
const LONGEST: u64 = 16 << 20;

/// Writes the sums of every file below `dir`.
pub fn write(dir: &Path) -> Result<()> {
    let mut lines = String::new();
    for name in names(dir)? {
        let sum = sha256(&dir.join(&name))?;
        writeln!(lines, "{sum}  {name}").expect("a String takes everything");
    }
    write_atomic(&dir.join(FILE), lines.as_bytes())
}

/// Checks that the files below `dir` are those that were listed, and all of them.
///
/// # Errors
/// [`Error::Malformed`] naming the first file that is missing, changed, or in no line.
pub fn verify(dir: &Path) -> Result<()> {
    problems(dir)?.into_iter().next().map_or(Ok(()), Err)
}

/// Everything that [`verify`] would object to.
pub(crate) fn problems(dir: &Path) -> Result<Vec<Error>> {
    let path = dir.join(FILE);
    let length = fs::metadata(&path)?.len();
    if length > LONGEST {
        return Err(Error::malformed(&path, format!("at most {LONGEST} bytes"), format!("{length}")));
    }
    let text = String::from_utf8(fs::read(&path)?)
        .map_err(|error| Error::malformed(&path, "text in UTF-8", error.utf8_error().to_string()))?;
    let present: BTreeSet<String> = names(dir)?.into_iter().collect();
    let mut listed = BTreeSet::new();
    let mut problems = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let place = Place::Line(number + 1);
        // Between the two stand a space and the mode: a space for text, an asterisk for binary.
        let entry = line.split_at_checked(64).and_then(|(sum, rest)| {
            let name = rest.strip_prefix("  ").or_else(|| rest.strip_prefix(" *"))?;
            (sum.bytes().all(|byte| byte.is_ascii_hexdigit()) && stays_inside(name)).then_some((sum, name))
        });
        let Some((sum, name)) = entry else {
            problems.push(Error::at(&path, place, "a SHA-256, two spaces, and a file of this bundle", line));
            continue;
        };
        if !listed.insert(name.to_owned()) {
            problems.push(Error::at(&path, place, "each file once", name));
        } else if !present.contains(name) {
            problems.push(Error::at(
                &path,
                place,
                "a file of this bundle",
                format!("{name}, which is not there"),
            ));
        } else {
            let file = dir.join(name);
            let found = sha256(&file)?;
            if !found.eq_ignore_ascii_case(sum) {
                problems.push(Error::malformed(&file, format!("SHA-256 {sum}"), found).with_hint(
                    "the file has changed since the bundle was made; make it again, or copy it again",
                ));
            }
        }
    }
    let unlisted = present.difference(&listed);
    problems
        .extend(unlisted.map(|name| {
            Error::malformed(&dir.join(name), format!("a line in {FILE}"), "none for this file")
        }));
    Ok(problems)
}

fn stays_inside(name: &str) -> bool {
    !name.is_empty() && Path::new(name).components().all(|part| matches!(part, Component::Normal(_)))
}

/// Every file below `dir` but the sums, relative and with `/`, in order.
///
/// # Errors
/// [`Error::Malformed`] for a link, a pipe or a device: what they give is not in the directory.
fn names(dir: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(dir.join(&folder))? {
            let entry = entry?;
            let name = entry.file_name().into_string().map_err(|name| {
                Error::malformed(&entry.path(), "a file name in UTF-8", name.to_string_lossy())
            })?;
            let name = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(name);
            } else if !kind.is_file() {
                return Err(Error::malformed(&entry.path(), "a regular file", "a link, pipe or device"));
            } else if name != FILE {
                names.push(name);
            }
        }
    }
    names.sort();
    Ok(names)
}

/// The SHA-256 of a file, in hexadecimal.
pub fn sha256(path: &Path) -> Result<String> {
    let mut file = fs::File::open(path)?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => digest.update(&buffer[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    let mut hex = String::with_capacity(64);
    for byte in digest.finalize() {
        write!(hex, "{byte:02x}").expect("a String takes everything");
    }
    Ok(hex)
}
