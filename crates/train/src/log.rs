//! Writing `metrics.jsonl`.

use std::path::{Path, PathBuf};

use artifact::json::LinesWriter;
use artifact::metrics::{FILE, Row};
use artifact::{Result, write_atomic};
use fs_err as fs;

/// `metrics.jsonl` of the run at hand.
#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    writer: LinesWriter,
}

impl Log {
    /// Opens the file in `dir`, keeping the rows up to `steps`: those that an interrupted run wrote after its last
    /// checkpoint are written again.
    pub(crate) fn open(dir: &Path, steps: u64) -> Result<Self> {
        let path = dir.join(FILE);
        let old = if path.exists() { fs::read(&path)? } else { Vec::new() };
        let kept: usize = old
            .split_inclusive(|&byte| byte == b'\n')
            // The last line may be cut off anywhere.
            .take_while(|line| line.ends_with(b"\n"))
            .take_while(|line| {
                serde_json::from_slice::<Row>(line).is_ok_and(|row| steps > 0 && row.step() <= steps)
            })
            .map(<[u8]>::len)
            .sum();
        write_atomic(&path, &old[..kept])?;
        Ok(Self { writer: LinesWriter::append(&path)?, path })
    }

    /// Appends a row.
    pub(crate) fn write(&mut self, row: &Row) -> Result<()> {
        self.writer.write(row)?;
        self.writer.flush()
    }

    /// Makes the rows durable.
    pub(crate) fn sync(&self) -> Result<()> {
        fs::File::open(&self.path)?.sync_all()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use artifact::metrics::{ValidationRow, read};

    fn row(step: u64) -> Row {
        Row::Validation(ValidationRow {
            step,
            epoch: 0.5,
            tokens: 10,
            seconds: 0.25,
            loss_nats_per_token: 1.0,
            bits_per_byte: None,
            best: false,
            answers: Vec::new(),
            peak_memory_bytes: None,
        })
    }

    #[test]
    fn rows_after_the_checkpoint_are_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = Log::open(dir.path(), 0).unwrap();
        (1..=5).for_each(|step| log.write(&row(step)).unwrap());
        drop(log);
        let path = dir.path().join(FILE);
        let mut bytes = fs::read(&path).unwrap();
        bytes.extend_from_slice(br#"{"kind":"step","st"#);
        fs::write(&path, bytes).unwrap();

        let mut log = Log::open(dir.path(), 3).unwrap();
        log.write(&row(4)).unwrap();
        assert_eq!(read(dir.path()).unwrap(), [1, 2, 3, 4].map(row));

        Log::open(dir.path(), 0).unwrap();
        assert_eq!(read(dir.path()).unwrap(), []);
    }
}
