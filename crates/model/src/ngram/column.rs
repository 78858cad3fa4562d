//! Long lists of 32-bit numbers, in memory or in files that are mapped into it.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use artifact::Result;
use kernels::Mapping;

#[cfg(target_endian = "big")]
compile_error!("files hold little-endian numbers and are read as they are");

/// Where lists are kept.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place<'a> {
    /// In memory.
    Memory,
    /// In unnamed files of this directory.
    Disk(&'a Path),
}

/// A list that is being written.
#[derive(Debug)]
pub(super) enum Column {
    Memory(Vec<u32>),
    Disk { file: BufWriter<File>, len: usize },
}

impl Column {
    pub(super) fn new(place: Place<'_>) -> Result<Self> {
        Ok(match place {
            Place::Memory => Self::Memory(Vec::new()),
            Place::Disk(dir) => Self::Disk { file: BufWriter::new(tempfile::tempfile_in(dir)?), len: 0 },
        })
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Memory(values) => values.len(),
            Self::Disk { len, .. } => *len,
        }
    }

    pub(super) fn push(&mut self, value: u32) -> Result<()> {
        match self {
            Self::Memory(values) => values.push(value),
            Self::Disk { file, len } => {
                file.write_all(&value.to_le_bytes())?;
                *len += 1;
            }
        }
        Ok(())
    }

    pub(super) fn extend(&mut self, values: &[u32]) -> Result<()> {
        match self {
            Self::Memory(all) => all.extend_from_slice(values),
            Self::Disk { file, len } => {
                file.write_all(bytemuck::cast_slice(values))?;
                *len += values.len();
            }
        }
        Ok(())
    }

    /// The list as it stands.
    pub(super) fn finish(self) -> Result<Words> {
        Ok(match self {
            Self::Memory(values) => Words::Memory(values),
            Self::Disk { len: 0, .. } => Words::default(),
            Self::Disk { file, len } => {
                let file = file.into_inner().map_err(std::io::IntoInnerError::into_error)?;
                // Nobody else can open a file without a name.
                Words::Mapped { file: Arc::new(Mapping::new(&file)?), bytes: 0..4 * len }
            }
        })
    }
}

/// A list that is read.
#[derive(Debug)]
pub(super) enum Words {
    Memory(Vec<u32>),
    /// Part of a mapped file, aligned.
    Mapped {
        file: Arc<Mapping>,
        bytes: Range<usize>,
    },
}

impl Default for Words {
    fn default() -> Self {
        Self::Memory(Vec::new())
    }
}

impl Words {
    /// These bytes of a mapped file; [`None`] where they are no list of 32-bit numbers at an address for them.
    pub(super) fn mapped(file: &Arc<Mapping>, bytes: Range<usize>) -> Option<Self> {
        bytemuck::try_cast_slice::<u8, u32>(file.get(bytes.clone())?).ok()?;
        Some(Self::Mapped { file: Arc::clone(file), bytes })
    }

    pub(super) fn as_slice(&self) -> &[u32] {
        match self {
            Self::Memory(values) => values,
            Self::Mapped { file, bytes } => bytemuck::cast_slice(&file[bytes.clone()]),
        }
    }
}
