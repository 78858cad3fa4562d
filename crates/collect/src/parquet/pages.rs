//! What the pages of a Parquet file say of their sizes, checked before the library takes memory for it.

use std::fs::File;
use std::io::{BufReader, Read as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ::parquet::column::page::Page;
use ::parquet::errors::{ParquetError, Result};
use ::parquet::file::reader::{ChunkReader, FileReader as _, Length, SerializedFileReader};
use bytes::Bytes;

/// The largest page, unpacked, in bytes; writers begin another after a megabyte.
const LARGEST_PAGE: u64 = 64 << 20;

/// A file that tells where it was read last: there the header of a page stands when one was looked at.
#[derive(Debug, Clone)]
pub(super) struct Watched {
    file: Arc<File>,
    last: Arc<AtomicU64>,
}

impl Watched {
    pub(super) fn new(file: File) -> Self {
        Self { file: Arc::new(file), last: Arc::default() }
    }
}

impl Length for Watched {
    fn len(&self) -> u64 {
        Length::len(&*self.file)
    }
}

impl ChunkReader for Watched {
    type T = BufReader<File>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        self.last.store(start, Ordering::Relaxed);
        self.file.get_read(start)
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        self.file.get_bytes(start, length)
    }
}

/// Checks the pages of the columns that are wanted.
///
/// # Errors
/// When a page unpacks to more than 64 MiB, or a dictionary has more values than bytes.
pub(super) fn check(
    file: Watched,
    reader: &SerializedFileReader<Watched>,
    wanted: impl Fn(&str) -> bool,
) -> Result<()> {
    for number in 0..reader.num_row_groups() {
        let group = reader.get_row_group(number)?;
        for (column, chunk) in group.metadata().columns().iter().enumerate() {
            if !chunk.column_path().parts().first().is_some_and(|name| wanted(name)) {
                continue;
            }
            let mut pages = group.get_column_page_reader(column)?;
            while let Some(page) = pages.peek_next_page()? {
                let unpacked = unpacked(&file)?;
                if unpacked > LARGEST_PAGE {
                    return Err(ParquetError::General(format!("a page of {unpacked} bytes")));
                }
                if !page.is_dict {
                    pages.skip_next_page()?;
                } else if let Some(Page::DictionaryPage { buf, num_values, .. }) = pages.get_next_page()?
                    && num_values as usize > buf.len()
                {
                    let found = format!("a dictionary of {num_values} values in {} bytes", buf.len());
                    return Err(ParquetError::General(found));
                }
            }
        }
    }
    Ok(())
}

/// `uncompressed_page_size` of the page whose header was read last: the second field of the struct, as is its type an
/// `i32` in Thrift's compact protocol, of which 0x15 is the beginning.
fn unpacked(file: &Watched) -> Result<u64> {
    let mut bytes = file.file.get_read(file.last.load(Ordering::Relaxed))?.bytes();
    let mut field = || {
        let begins = bytes.next()?.ok()? == 0x15;
        let mut number: u64 = 0;
        for shift in (0..35).step_by(7) {
            let byte = bytes.next()?.ok()?;
            number |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                break;
            }
        }
        // Zigzag: negative numbers are odd.
        (begins && number.is_multiple_of(2)).then_some(number / 2)
    };
    field()
        .and_then(|_type| field())
        .ok_or_else(|| ParquetError::General("a damaged header of a page".to_owned()))
}
