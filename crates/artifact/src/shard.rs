//! Token shards: `{train,valid,test}-00000.safetensors`, ...
//!
//! `tokens` U16 or U32 `[N]`; `loss` U8 `[N]`, 1 where the token is a training target; `starts` U64 `[D + 1]`,
//! where document d is `tokens[starts[d]..starts[d + 1]]`.

use std::path::{Path, PathBuf};

use fs_err as fs;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::conversation::{Split, numbered};
use crate::{Error, Result, write_atomic};

mod writer;

pub use writer::ShardWriter;

/// How many tensors of a foreign file an error names.
const NAMES_TOLD: usize = 3;

/// The documents of one split.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Documents {
    /// All tokens, document after document. `[N]`
    pub tokens: Vec<u32>,
    /// 1 where the token is a training target. `[N]`
    pub loss: Vec<u8>,
    /// Document offsets. `[D + 1]`
    pub starts: Vec<usize>,
}

/// One document: a rendered conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Document<'a> {
    /// Its tokens. `[T]`
    pub tokens: &'a [u32],
    /// 1 where the token is a training target. `[T]`
    pub loss: &'a [u8],
}

impl Documents {
    /// No document yet.
    pub fn new() -> Self {
        Self { tokens: Vec::new(), loss: Vec::new(), starts: vec![0] }
    }

    /// Appends a document.
    ///
    /// # Panics
    /// When the two lengths differ.
    pub fn push(&mut self, document: Document<'_>) {
        assert_eq!(document.tokens.len(), document.loss.len(), "one loss flag a token");
        self.tokens.extend_from_slice(document.tokens);
        self.loss.extend_from_slice(document.loss);
        self.starts.push(self.tokens.len());
    }

    /// The number of documents.
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// Whether there is no document.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Document `index`.
    pub fn get(&self, index: usize) -> Document<'_> {
        let range = self.starts[index]..self.starts[index + 1];
        Document { tokens: &self.tokens[range.clone()], loss: &self.loss[range] }
    }

    /// All documents, in order.
    pub fn iter(&self) -> impl Iterator<Item = Document<'_>> {
        (0..self.len()).map(|index| self.get(index))
    }

    /// The number of training targets.
    pub fn targets(&self) -> usize {
        self.loss.iter().map(|&flag| usize::from(flag)).sum()
    }
}

/// The shard files of a split, in order; none is no error.
pub fn files(dir: &Path, split: Split) -> Result<Vec<PathBuf>> {
    numbered(dir, &format!("{split}-"), ".safetensors")
}

/// Reads all shards of a split.
///
/// # Errors
/// [`Error::Malformed`] when the split has no shard, or a shard is not of this format.
pub fn read_split(dir: &Path, split: Split) -> Result<Documents> {
    let files = files(dir, split)?;
    if files.is_empty() {
        return Err(Error::malformed(dir, format!("token shards {split}-00000.safetensors ..."), "none")
            .with_hint("give a directory that preprocess has written"));
    }
    let mut all = Documents::new();
    for path in files {
        let shard = read_file(&path)?;
        if all.is_empty() {
            all = shard;
            continue;
        }
        let before = all.tokens.len();
        all.tokens.extend(shard.tokens);
        all.loss.extend(shard.loss);
        all.starts.extend(shard.starts[1..].iter().map(|start| before + start));
    }
    Ok(all)
}

/// Reads one shard and checks it.
///
/// # Errors
/// [`Error::Malformed`] when it is no safetensors file, or not of this format.
pub fn read_file(path: &Path) -> Result<Documents> {
    let bytes = fs::read(path)?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(|error| {
        Error::malformed(path, "a safetensors file", format!("{} bytes that are none ({error})", bytes.len()))
            .with_hint("it may be cut off or damaged; run preprocess again")
    })?;
    let tokens = list(path, &tensors, "tokens", &[Dtype::U16, Dtype::U32])?;
    let tokens: Vec<u32> = if tokens.dtype() == Dtype::U16 {
        tokens.data().chunks_exact(2).map(|b| u32::from(u16::from_le_bytes([b[0], b[1]]))).collect()
    } else {
        tokens.data().chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
    };
    let loss = list(path, &tensors, "loss", &[Dtype::U8])?.data().to_vec();
    let starts: Vec<usize> = list(path, &tensors, "starts", &[Dtype::U64])?
        .data()
        .chunks_exact(8)
        .map(|b| u64::from_le_bytes(b.try_into().expect("chunks of eight bytes")) as usize)
        .collect();

    if loss.len() != tokens.len() {
        let found = format!("{} for {} tokens", loss.len(), tokens.len());
        return Err(Error::malformed(path, "one `loss` flag a token", found));
    }
    if let Some(at) = loss.iter().position(|&flag| flag > 1) {
        return Err(Error::malformed(path, "`loss` of 0 or 1", format!("{} at index {at}", loss[at])));
    }
    let expected = || format!("`starts` rising from 0 to {}", tokens.len());
    if let Some(at) = starts.windows(2).position(|pair| pair[0] > pair[1]) {
        let found = format!("{} after {} at index {}", starts[at + 1], starts[at], at + 1);
        return Err(Error::malformed(path, expected(), found));
    }
    match (starts.first(), starts.last()) {
        (Some(0), Some(&last)) if last == tokens.len() => Ok(Documents { tokens, loss, starts }),
        (Some(first), Some(last)) => Err(Error::malformed(path, expected(), format!("{first} to {last}"))),
        _ => Err(Error::malformed(path, expected(), "an empty list")),
    }
}

/// A tensor of rank 1.
fn list<'a>(path: &Path, tensors: &SafeTensors<'a>, name: &str, types: &[Dtype]) -> Result<TensorView<'a>> {
    let Ok(view) = tensors.tensor(name) else {
        let mut names = tensors.names();
        names.sort_unstable();
        let more = names.len().saturating_sub(NAMES_TOLD);
        names.truncate(NAMES_TOLD);
        let found = match (names.is_empty(), more) {
            (true, _) => "no tensor".to_owned(),
            (false, 0) => names.join(", "),
            (false, more) => format!("{} and {more} more", names.join(", ")),
        };
        return Err(Error::malformed(path, format!("a tensor `{name}`"), found)
            .with_hint("it is no token shard; give a directory that preprocess has written"));
    };
    if !types.contains(&view.dtype()) || view.shape().len() != 1 {
        let types: Vec<String> = types.iter().map(|dtype| format!("{dtype:?}")).collect();
        let found = format!("{:?} of shape {:?}", view.dtype(), view.shape());
        return Err(Error::malformed(path, format!("`{name}` as a list of {}", types.join(" or ")), found));
    }
    Ok(view)
}

/// Writes the shards of a split, 16 bits a token where the vocabulary allows it. The same input gives the same bytes.
///
/// # Errors
/// [`Error::Refused`] when a token is not below `vocab_size`.
pub fn write_split(dir: &Path, split: Split, documents: &Documents, vocab_size: usize) -> Result<()> {
    let mut writer = ShardWriter::new(dir, split, vocab_size);
    for document in documents.iter() {
        writer.push(document)?;
    }
    writer.finish()
}

/// Writes one shard, 16 bits a token where the vocabulary allows it. The same input gives the same bytes.
///
/// # Panics
/// When a token is not below `vocab_size`.
pub fn write_file(path: &Path, documents: &Documents, vocab_size: usize) -> Result<()> {
    assert!(documents.tokens.iter().all(|&token| (token as usize) < vocab_size), "tokens of the vocabulary");
    write_whole(path, documents, vocab_size)
}

fn write_whole(path: &Path, documents: &Documents, vocab_size: usize) -> Result<()> {
    let Documents { tokens, loss, starts } = documents;
    let (dtype, token_bytes): (_, Vec<u8>) = if vocab_size <= 1 << 16 {
        (Dtype::U16, tokens.iter().flat_map(|&token| (token as u16).to_le_bytes()).collect())
    } else {
        (Dtype::U32, tokens.iter().flat_map(|&token| token.to_le_bytes()).collect())
    };
    let start_bytes: Vec<u8> = starts.iter().flat_map(|&start| (start as u64).to_le_bytes()).collect();
    let view = |dtype, length, data| TensorView::new(dtype, vec![length], data).expect("lengths match");
    let tensors = [
        ("tokens", view(dtype, tokens.len(), token_bytes.as_slice())),
        ("loss", view(Dtype::U8, tokens.len(), loss)),
        ("starts", view(Dtype::U64, starts.len(), &start_bytes)),
    ];
    let bytes = safetensors::serialize(tensors, None)
        .map_err(|error| Error::refused(format!("{}: {error}", path.display())))?;
    write_atomic(path, &bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Documents {
        let mut documents = Documents::new();
        documents.push(Document { tokens: &[1, 2, 3], loss: &[0, 0, 1] });
        documents.push(Document { tokens: &[70_000, 5], loss: &[0, 1] });
        documents
    }

    #[test]
    fn reads_what_it_wrote() {
        let dir = tempfile::tempdir().unwrap();
        write_split(dir.path(), Split::Train, &sample(), 100_000).unwrap();
        assert_eq!(read_split(dir.path(), Split::Train).unwrap(), sample());
    }

    #[test]
    fn writes_an_empty_split() {
        let dir = tempfile::tempdir().unwrap();
        write_split(dir.path(), Split::Valid, &Documents::new(), 10).unwrap();
        assert!(read_split(dir.path(), Split::Valid).unwrap().is_empty());
    }

    #[test]
    fn refuses_a_token_outside_the_vocabulary() {
        let dir = tempfile::tempdir().unwrap();
        let error = write_split(dir.path(), Split::Train, &sample(), 10).unwrap_err();
        assert!(error.to_string().contains("70000"), "{error}");
    }

    #[test]
    fn names_a_truncated_file() {
        let dir = tempfile::tempdir().unwrap();
        write_split(dir.path(), Split::Train, &sample(), 100_000).unwrap();
        let path = dir.path().join("train-00000.safetensors");
        let bytes = fs::read(&path).unwrap();
        for length in [0, 5, bytes.len() / 2, bytes.len() - 1] {
            fs::write(&path, &bytes[..length]).unwrap();
            let error = read_split(dir.path(), Split::Train).unwrap_err().to_string();
            assert!(error.contains("train-00000.safetensors"), "{error}");
        }
    }

    #[test]
    fn begins_a_new_file_where_one_is_full() {
        let dir = tempfile::tempdir().unwrap();
        let mut documents = Documents::new();
        let mut writer = ShardWriter::new(dir.path(), Split::Train, 10).with_tokens(5);
        for length in [3, 2, 0, 9, 1, 1] {
            let document = Document { tokens: &vec![7; length], loss: &vec![1; length] };
            documents.push(document);
            writer.push(document).unwrap();
        }
        writer.finish().unwrap();
        let files = files(dir.path(), Split::Train).unwrap();
        let counts: Vec<usize> = files.iter().map(|path| read_file(path).unwrap().len()).collect();
        assert_eq!(counts, [3, 1, 2]);
        assert_eq!(read_split(dir.path(), Split::Train).unwrap(), documents);
    }

    #[test]
    fn names_a_foreign_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("train-00000.safetensors");
        let tensor = crate::weights::Tensor { shape: &[1], data: &[0.0] };
        let tensors = ["a", "b", "c", "d", "e"].map(|name| (name.to_owned(), tensor));
        crate::weights::write(&path, tensors).unwrap();
        let error = read_split(dir.path(), Split::Train).unwrap_err().to_string();
        assert!(
            error.contains("00000.safetensors: expected a tensor `tokens`, found a, b, c and 2 more"),
            "{error}"
        );
    }

    /// Checks the error for a shard of these tensors.
    #[track_caller]
    fn check_error(tokens: &[u16], loss: &[u8], starts: &[u64], expected: &str) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("shard");
        let tokens: Vec<u8> = tokens.iter().flat_map(|token| token.to_le_bytes()).collect();
        let starts: Vec<u8> = starts.iter().flat_map(|start| start.to_le_bytes()).collect();
        let view = |dtype, length, data| TensorView::new(dtype, vec![length], data).unwrap();
        let tensors = [
            ("tokens", view(Dtype::U16, tokens.len() / 2, tokens.as_slice())),
            ("loss", view(Dtype::U8, loss.len(), loss)),
            ("starts", view(Dtype::U64, starts.len() / 8, &starts)),
        ];
        fs::write(&path, safetensors::serialize(tensors, None).unwrap()).unwrap();
        let error = read_file(&path).unwrap_err().to_string();
        assert_eq!(error.split_once("shard: ").unwrap().1, expected);
    }

    #[test]
    fn tells_what_contradicts_itself() {
        check_error(&[1, 2], &[0], &[0, 2], "expected one `loss` flag a token, found 1 for 2 tokens");
        check_error(&[1, 2], &[0, 3], &[0, 2], "expected `loss` of 0 or 1, found 3 at index 1");
        check_error(&[1, 2], &[0, 1], &[0, 3], "expected `starts` rising from 0 to 2, found 0 to 3");
        check_error(&[1, 2], &[0, 1], &[1, 2], "expected `starts` rising from 0 to 2, found 1 to 2");
        check_error(
            &[1, 2],
            &[0, 1],
            &[0, u64::MAX, 2],
            &format!("expected `starts` rising from 0 to 2, found 2 after {} at index 2", u64::MAX),
        );
        check_error(&[], &[], &[], "expected `starts` rising from 0 to 0, found an empty list");
    }
}
