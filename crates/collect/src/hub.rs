//! Data sets of the Hugging Face hub: `hf:OWNER/NAME`, or `hf:OWNER/NAME@REVISION`.
//!
//! `hf-hub` knows the hub's addresses. The files are fetched as any other is, to be resumed and tried again alike.

use std::fmt::Write as _;
use std::path::{Component, Path, PathBuf};

use artifact::{Error, Result, json};
use fs_err as fs;
use hf_hub::api::sync::ApiBuilder;
use hf_hub::{Cache, Repo, RepoType};
use serde::Deserialize;

use crate::decode;
use crate::download::{Downloads, Remote};

/// How a data set of the hub is named.
pub(crate) const PREFIX: &str = "hf:";

/// Where the hub is, unless `HF_ENDPOINT` names another.
const ENDPOINT: &str = "https://huggingface.co";

/// Bytes that the hub may use to tell of a data set; a hundred thousand files need some ten million.
const LARGEST_LISTING: u64 = 64 << 20;

/// Kinds of files, of which those of the first are fetched that the data set has: many lie there in several.
const KINDS: [&[&str]; 5] = [&["parquet"], &["jsonl", "ndjson"], &["csv", "tsv"], &["json"], &["zip"]];

/// A data set, downloaded.
#[derive(Debug)]
pub(crate) struct Dataset {
    pub(crate) name: String,
    /// The folder with its files.
    pub(crate) path: PathBuf,
    pub(crate) license: Option<String>,
    /// The commit that was fetched.
    pub(crate) revision: String,
}

/// What the hub tells of a data set.
#[derive(Debug, Deserialize)]
struct Listing {
    sha: String,
    siblings: Vec<Sibling>,
    #[serde(rename = "cardData", default)]
    card: Option<Card>,
}

#[derive(Debug, Deserialize)]
struct Sibling {
    rfilename: String,
    lfs: Option<Lfs>,
}

#[derive(Debug, Deserialize)]
struct Lfs {
    sha256: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Card {
    license: Option<License>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum License {
    One(String),
    Several(Vec<String>),
}

/// Downloads what `OWNER/NAME` or `OWNER/NAME@REVISION` names.
pub(crate) fn fetch(named: &str, downloads: &Downloads) -> Result<Dataset> {
    let (id, revision) = named.split_once('@').unwrap_or((named, "main"));
    if !is_name(id) || revision.is_empty() || revision.contains(['?', '#', ' ']) {
        let message = format!("{PREFIX}{named}: no name of a data set");
        return Err(Error::refused(message).with_hint("such as hf:OWNER/NAME or hf:OWNER/NAME@REVISION"));
    }
    let endpoint = std::env::var("HF_ENDPOINT").ok().filter(|endpoint| !endpoint.is_empty());
    let endpoint = endpoint.as_deref().unwrap_or(ENDPOINT).trim_end_matches('/');
    let token = token();
    let dir = downloads.cache.join("hf").join(id.replace('/', "--"));
    let repo = |revision: &str| Repo::with_revision(id.to_owned(), RepoType::Dataset, revision.to_owned());

    let listing = dir.join(format!("{}.json", revision.replace('/', "--")));
    // A commit stays as it is; a branch goes on.
    if !is_commit(revision) && listing.exists() {
        fs::remove_file(&listing)?;
    }
    let url = format!("{endpoint}/api/{}?blobs=true", repo(revision).api_url());
    downloads.fetch(Remote { url: &url, token: token.as_deref(), sha256: None }, &listing)?;
    decode::refuse_large(&listing, fs::metadata(&listing)?.len(), LARGEST_LISTING)?;
    let listing: Listing = json::read(&listing)?;
    if !is_commit(&listing.sha) {
        return Err(Error::refused(format!("{url}: expected a commit, found {:?}", listing.sha)));
    }

    let path = dir.join(&listing.sha);
    let api = ApiBuilder::from_cache(Cache::new(dir)).with_endpoint(endpoint.to_owned()).build();
    let api = api.map_err(|error| Error::refused(format!("{endpoint}: {error}")))?.repo(repo(&listing.sha));
    for file in chosen(&listing.siblings, named)? {
        let url = api.url(&escaped(&file.rfilename));
        let sha256 = file.lfs.as_ref().and_then(|lfs| lfs.sha256.as_deref());
        let to = path.join(inside(&file.rfilename)?);
        downloads.fetch(Remote { url: &url, token: token.as_deref(), sha256 }, &to)?;
    }
    let license = listing.card.and_then(|card| card.license).map(|license| match license {
        License::One(name) => name,
        License::Several(names) => names.join(" AND "),
    });
    let name = id.rsplit('/').next().unwrap_or(id).to_owned();
    Ok(Dataset { name, path, license, revision: listing.sha })
}

/// Letters, digits, `-`, `_`, `.`, and one `/` between.
fn is_name(id: &str) -> bool {
    let part = |part: &str| {
        !part.trim_matches('.').is_empty()
            && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    id.split('/').count() <= 2 && id.split('/').all(part)
}

fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && revision.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The token that the hub's own programs would use.
fn token() -> Option<String> {
    let set = std::env::var("HF_TOKEN").ok().filter(|token| !token.is_empty());
    set.or_else(|| dirs::home_dir().and_then(|_| Cache::from_env().token()))
}

fn chosen<'a>(files: &'a [Sibling], named: &str) -> Result<Vec<&'a Sibling>> {
    let of_kind = |kind: &[&str]| -> Vec<&Sibling> {
        let is_of = |file: &&Sibling| {
            file.rfilename
                .rsplit_once('.')
                .is_some_and(|(_, end)| kind.contains(&end.to_ascii_lowercase().as_str()))
        };
        files.iter().filter(is_of).collect()
    };
    KINDS.into_iter().map(of_kind).find(|files| !files.is_empty()).ok_or_else(|| {
        let message = format!("{PREFIX}{named}: no file in {}", KINDS.concat().join(", "));
        Error::refused(message).with_hint("give the address of a file of it to --source")
    })
}

/// The path of a file within the folder.
///
/// # Errors
/// When it would lead elsewhere.
fn inside(name: &str) -> Result<&Path> {
    let path = Path::new(name);
    let is_inside = path.components().all(|part| matches!(part, Component::Normal(_)));
    if is_inside && !name.contains('\\') {
        return Ok(path);
    }
    Err(Error::refused(format!("a data set with a file {name:?}, which would leave its folder")))
}

/// A path with what may not stand in a URL as `%XX`.
fn escaped(path: &str) -> String {
    let mut escaped = String::new();
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte) {
            escaped.push(byte as char);
        } else {
            write!(escaped, "%{byte:02X}").expect("a String takes everything");
        }
    }
    escaped
}
