//! `SHA256SUMS` of a bundle, in the form of coreutils' `sha256sum`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{self, Read};
use std::path::{Component, Path};

use artifact::{Error, Place, Result};
use fs_err as fs;
use sha2::{Digest, Sha256};

/// The file's name.
pub(super) const FILE: &str = "SHA256SUMS";

/// Writes the sums of every file of `bundle`.
pub(super) fn write(bundle: &Path) -> Result<()> {
    let mut lines = String::new();
    for name in names(bundle)? {
        let sum = sha256(&bundle.join(&name))?;
        writeln!(lines, "{sum}  {name}").expect("a String takes everything");
    }
    fs::write(bundle.join(FILE), lines)?;
    Ok(())
}

/// Checks that the files of `bundle` are those that were written, and all of them.
///
/// # Errors
/// [`Error::Malformed`] naming the first file that is missing, changed, or in no line.
pub(super) fn verify(bundle: &Path) -> Result<()> {
    let path = bundle.join(FILE);
    let text = fs::read_to_string(&path)?;
    let mut listed = BTreeSet::new();
    for (number, line) in text.lines().enumerate() {
        let (sum, name) =
            line.split_once("  ").filter(|(sum, name)| sum.len() == 64 && stays_inside(name)).ok_or_else(
                || Error::at(&path, Place::Line(number + 1), "a SHA-256 and a file of this bundle", line),
            )?;
        let file = bundle.join(name);
        let found = sha256(&file)?;
        if !found.eq_ignore_ascii_case(sum) {
            return Err(Error::malformed(&file, format!("SHA-256 {sum}"), found).with_hint(
                "the file has changed since the bundle was made; make it again, or copy it again",
            ));
        }
        listed.insert(name.to_owned());
    }
    // A file in the model directory that nobody listed would be read all the same.
    let foreign =
        names(bundle)?.into_iter().find(|name| name.starts_with("model/") && !listed.contains(name));
    if let Some(name) = foreign {
        return Err(Error::malformed(
            &bundle.join(name),
            format!("a file listed in {FILE}"),
            "one that is not",
        ));
    }
    if !listed.iter().any(|name| name.starts_with("model/")) {
        return Err(Error::malformed(&path, "the files of model/", "none"));
    }
    Ok(())
}

fn stays_inside(name: &str) -> bool {
    !name.is_empty() && Path::new(name).components().all(|part| matches!(part, Component::Normal(_)))
}

/// Every file of the bundle but the sums, relative and with `/`, in order.
fn names(bundle: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(bundle.join(&folder))? {
            let entry = entry?;
            let name = entry.file_name().into_string().map_err(|name| {
                Error::malformed(&entry.path(), "a file name in UTF-8", name.to_string_lossy())
            })?;
            let name = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            if entry.file_type()?.is_dir() {
                folders.push(name);
            } else if name != FILE {
                names.push(name);
            }
        }
    }
    names.sort();
    Ok(names)
}

fn sha256(path: &Path) -> Result<String> {
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
