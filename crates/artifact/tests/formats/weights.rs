//! Weights written here and elsewhere.

use std::path::{Path, PathBuf};

use artifact::weights::{self, FILE, Tensor, Weights};
use fs_err as fs;
use safetensors::tensor::{Dtype, TensorView};

fn sample(dir: &Path) -> PathBuf {
    let path = dir.join(FILE);
    let tensors = [
        ("b".to_owned(), Tensor { shape: &[2, 3], data: &[0.0, -1.5, f32::MIN_POSITIVE, 3e38, 0.1, -0.0] }),
        ("a".to_owned(), Tensor { shape: &[1], data: &[7.0] }),
        ("none".to_owned(), Tensor { shape: &[0, 4], data: &[] }),
    ];
    weights::write(&path, tensors).unwrap();
    path
}

/// A file that another program wrote: one tensor `w`.
fn foreign(dir: &Path, dtype: Dtype, shape: &[usize], data: &[u8]) -> PathBuf {
    let path = dir.join(FILE);
    let view = TensorView::new(dtype, shape.to_vec(), data).unwrap();
    fs::write(&path, safetensors::serialize([("w", view)], None).unwrap()).unwrap();
    path
}

#[test]
fn reads_what_it_wrote_bit_for_bit() {
    let dir = tempfile::tempdir().unwrap();
    let path = sample(dir.path());
    let mut weights = Weights::read(&path).unwrap();
    assert_eq!(weights.remaining().collect::<Vec<_>>(), ["a", "b", "none"]);
    let values = weights.take(&path, "b", &[2, 3]).unwrap();
    let expected = [0.0, -1.5, f32::MIN_POSITIVE, 3e38, 0.1, -0.0_f32];
    assert_eq!(values.iter().map(|v| v.to_bits()).collect::<Vec<_>>(), expected.map(f32::to_bits));
    assert!(weights.take(&path, "none", &[0, 4]).unwrap().is_empty());
    assert_eq!(weights.remaining().collect::<Vec<_>>(), ["a"]);
}

#[test]
fn the_same_weights_are_the_same_bytes_marked_for_pytorch() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = fs::read(sample(dir.path())).unwrap();
    assert_eq!(bytes, fs::read(sample(dir.path())).unwrap());
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let metadata = header.metadata().as_ref().unwrap();
    assert_eq!(metadata.iter().collect::<Vec<_>>(), [(&"format".to_owned(), &"pt".to_owned())]);
}

#[test]
fn half_precision_becomes_f32() {
    let dir = tempfile::tempdir().unwrap();
    // IEEE 754 binary16: 1, -2, the largest 65504, the smallest subnormal 2^-24.
    let half = [0x3C00_u16, 0xC000, 0x7BFF, 0x0001].map(u16::to_le_bytes).concat();
    let path = foreign(dir.path(), Dtype::F16, &[4], &half);
    let values = Weights::read(&path).unwrap().take(&path, "w", &[4]).unwrap();
    assert_eq!(values, [1.0, -2.0, 65504.0, 2.0_f32.powi(-24)]);
    // bfloat16 is the upper half of an f32: 1, -2, 2^127, and 0x3E80 = 0.25.
    let brain = [0x3F80_u16, 0xC000, 0x7F00, 0x3E80].map(u16::to_le_bytes).concat();
    let path = foreign(dir.path(), Dtype::BF16, &[2, 2], &brain);
    let values = Weights::read(&path).unwrap().take(&path, "w", &[2, 2]).unwrap();
    assert_eq!(values, [1.0, -2.0, 2.0_f32.powi(127), 0.25]);
}

#[track_caller]
fn check_error(result: artifact::Result<impl Sized>, parts: &[&str]) {
    let error = result.err().expect("an error").to_string();
    for part in parts.iter().chain([&FILE]) {
        assert!(error.contains(part), "no {part} in {error}");
    }
}

#[test]
fn tells_what_is_missing_or_of_another_shape_or_type() {
    let dir = tempfile::tempdir().unwrap();
    let path = sample(dir.path());
    let mut weights = Weights::read(&path).unwrap();
    check_error(weights.take(&path, "c", &[2]), &["`c` of shape [2]", "none of that name"]);
    check_error(weights.take(&path, "b", &[3, 2]), &["`b` of shape [3, 2]", "found [2, 3]"]);
    let path = foreign(dir.path(), Dtype::I64, &[1], &[0; 8]);
    check_error(Weights::read(&path), &["`w` as F32, F16 or BF16", "I64"]);
    check_error(weights::shapes(&path), &["I64"]);
}

#[test]
fn shapes_are_read_without_the_values() {
    let dir = tempfile::tempdir().unwrap();
    let shapes = weights::shapes(&sample(dir.path())).unwrap();
    let expected = [("a", vec![1]), ("b", vec![2, 3]), ("none", vec![0, 4])];
    assert!(shapes.iter().map(|(name, shape)| (name.as_str(), shape.clone())).eq(expected));
}

#[test]
fn names_a_file_cut_anywhere() {
    let dir = tempfile::tempdir().unwrap();
    let path = sample(dir.path());
    let bytes = fs::read(&path).unwrap();
    for length in 0..bytes.len() {
        fs::write(&path, &bytes[..length]).unwrap();
        check_error(Weights::read(&path), &["expected"]);
    }
    fs::write(&path, [&bytes[..], b"x"].concat()).unwrap();
    check_error(Weights::read(&path), &["as its header says"]);
}

#[test]
fn believes_no_header() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE);
    let write = |header: &str, data: &[u8]| {
        let size = (header.len() as u64).to_le_bytes();
        fs::write(&path, [&size[..], header.as_bytes(), data].concat()).unwrap();
        Weights::read(&path)
    };
    // A terabyte of values in a file of a hundred bytes.
    let huge = r#"{"w":{"dtype":"F32","shape":[274877906944],"data_offsets":[0,1099511627776]}}"#;
    check_error(write(huge, b""), &["expected 1099511627"]);
    let overflow = r#"{"w":{"dtype":"F32","shape":[9223372036854775807,9],"data_offsets":[0,4]}}"#;
    check_error(write(overflow, &[0; 4]), &["header"]);
    let overlap = r#"{"v":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    check_error(write(overlap, &[0; 4]), &["header"]);
    let backwards = r#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#;
    check_error(write(backwards, &[0; 4]), &["header"]);
    check_error(write("[]", b""), &["header"]);
    fs::write(&path, u64::MAX.to_le_bytes()).unwrap();
    check_error(Weights::read(&path), &["a header of 18446744073709551615 bytes"]);
    fs::write(&path, b"version https://git-lfs.github.com/spec/v1").unwrap();
    check_error(Weights::read(&path), &["a safetensors file"]);
}
