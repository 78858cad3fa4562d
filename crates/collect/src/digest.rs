//! SHA-256 of what was read.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use artifact::Result;
use fs_err as fs;
use sha2::{Digest, Sha256};

/// The digest of a file's bytes or, of a folder, of each file's path, length and bytes, in the order of paths.
pub(crate) fn of_path(path: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    if path.is_dir() {
        for file in files(path)? {
            let relative = file.strip_prefix(path).expect("files lists what lies in the folder");
            let name = relative
                .components()
                .map(|part| part.as_os_str().to_string_lossy())
                .collect::<Vec<_>>()
                .join("/");
            let length = fs::metadata(&file)?.len();
            hash.update((name.len() as u64).to_le_bytes());
            hash.update(name.as_bytes());
            hash.update(length.to_le_bytes());
            absorb(&mut hash, &file)?;
        }
    } else {
        absorb(&mut hash, path)?;
    }
    Ok(hex(&hash.finalize()))
}

/// The first 64 bits of the digest of a text: equal in every run, on every machine.
pub(crate) fn of_text(text: &str) -> u64 {
    let digest = Sha256::digest(text.as_bytes());
    u64::from_le_bytes(digest[..8].try_into().expect("a SHA-256 has 32 bytes"))
}

/// The files in a folder and its folders, in the order of paths; hidden ones and links to folders are left out.
pub(crate) fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let hidden = entry.file_name().to_string_lossy().starts_with('.');
            if hidden {
                continue;
            }
            if entry.file_type()?.is_dir() {
                open.push(entry.path());
            } else if entry.path().is_file() {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

fn absorb(hash: &mut Sha256, path: &Path) -> Result<()> {
    let mut file = fs::File::open(path)?;
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(()),
            read => hash.update(&buffer[..read]),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = Vec::with_capacity(bytes.len() * 2);
    for byte in bytes {
        write!(text, "{byte:02x}").expect("writing to memory does not fail");
    }
    String::from_utf8(text).expect("hexadecimal digits are ASCII")
}
