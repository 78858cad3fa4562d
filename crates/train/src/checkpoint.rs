//! Checkpoints: `checkpoint/` in the unfinished output directory.
//!
//! `state.json`, `model.safetensors` (the weights), `first.safetensors` and `second.safetensors` (the optimizer's
//! moments), `average.safetensors` (the running mean of the weights, where there is one), and `best.safetensors` (the
//! weights, or their mean, of the lowest validation loss). A checkpoint is written beside the
//! old one and takes its place by rename, so that a kill at any moment leaves one that is whole.

use std::io;
use std::path::{Path, PathBuf};

use artifact::weights::{self, Tensor, Weights};
use artifact::{Error, Result, json};
use fs_err as fs;
use model::Params;
use serde::{Deserialize, Serialize};

use crate::identity::Identity;
use crate::optimizer::Moments;

const STATE: &str = "state.json";
const WEIGHTS: &str = "model.safetensors";
const FIRST: &str = "first.safetensors";
const SECOND: &str = "second.safetensors";
const AVERAGE: &str = "average.safetensors";
const BEST: &str = "best.safetensors";

/// `state.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    /// The run that it belongs to.
    pub(crate) identity: Identity,
    /// Steps taken; the position in the data follows from it.
    pub(crate) steps: u64,
    /// Training tokens read.
    pub(crate) tokens: u64,
    /// Seconds used, over all runs.
    pub(crate) seconds: f64,
    /// The lowest validation loss so far.
    pub(crate) best: Option<Best>,
}

/// The lowest validation loss so far.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Best {
    /// Steps taken when it was found.
    pub(crate) steps: u64,
    /// The loss.
    pub(crate) loss_nats_per_token: f64,
}

/// The place of a run's checkpoint.
#[derive(Debug)]
pub(crate) struct Store {
    current: PathBuf,
    new: PathBuf,
    old: PathBuf,
    /// Where the checkpoint waits while the finished directory gets its name.
    aside: PathBuf,
}

impl Store {
    /// The place in the unfinished directory `partial` of the output `out`; mends what a kill has left there.
    pub(crate) fn open(partial: &Path, out: &Path) -> Result<Self> {
        let mut aside = out.as_os_str().to_owned();
        aside.push(".checkpoint");
        let store = Self {
            current: partial.join("checkpoint"),
            new: partial.join("checkpoint.new"),
            old: partial.join("checkpoint.old"),
            aside: PathBuf::from(aside),
        };
        for earlier in [&store.old, &store.aside] {
            if !store.current.exists() && earlier.exists() {
                fs::rename(earlier, &store.current)?;
            }
        }
        remove(&store.old)?;
        remove(&store.new)?;
        Ok(store)
    }

    /// The checkpoint's state, if there is a checkpoint.
    pub(crate) fn state(&self) -> Result<Option<State>> {
        if !self.current.exists() {
            return Ok(None);
        }
        json::read(&self.current.join(STATE)).map(Some)
    }

    /// Reads weights and moments back.
    pub(crate) fn load<P: Params>(&self, weights: &mut P, moments: &mut Moments<P>) -> Result<()> {
        read(&self.current.join(WEIGHTS), weights)?;
        read(&self.current.join(FIRST), &mut moments.first)?;
        read(&self.current.join(SECOND), &mut moments.second)?;
        moments.average.as_mut().map_or(Ok(()), |average| read(&self.current.join(AVERAGE), average))
    }

    /// Reads the weights of the lowest validation loss.
    pub(crate) fn load_best<P: Params>(&self, weights: &mut P) -> Result<()> {
        read(&self.current.join(BEST), weights)
    }

    /// Replaces the checkpoint. The weights at hand become the best ones where `state.best` was found at this step.
    ///
    /// # Errors
    /// [`Error::Io`] when the disk is full, say; the earlier checkpoint stays.
    pub(crate) fn save<P: Params>(&self, state: &State, weights: &P, moments: &Moments<P>) -> Result<()> {
        let written = self.write_new(state, weights, moments);
        if written.is_err() {
            // What was written is useless, and its space may be what is missing.
            let _ = remove(&self.new);
            return written;
        }
        if self.current.exists() {
            fs::rename(&self.current, &self.old)?;
        }
        fs::rename(&self.new, &self.current)?;
        sync_dir(self.current.parent().expect("it lies in the unfinished directory"))?;
        remove(&self.old)
    }

    fn write_new<P: Params>(&self, state: &State, weights: &P, moments: &Moments<P>) -> Result<()> {
        remove(&self.new)?;
        fs::create_dir(&self.new)?;
        write(&self.new.join(WEIGHTS), weights)?;
        write(&self.new.join(FIRST), &moments.first)?;
        write(&self.new.join(SECOND), &moments.second)?;
        let mut published = WEIGHTS;
        if let Some(average) = &moments.average {
            write(&self.new.join(AVERAGE), average)?;
            published = AVERAGE;
        }
        if let Some(best) = state.best {
            let from =
                if best.steps == state.steps { self.new.join(published) } else { self.current.join(BEST) };
            link(&from, &self.new.join(BEST))?;
        }
        json::write(&self.new.join(STATE), state)?;
        sync_dir(&self.new)
    }

    /// Moves the checkpoint out of the finished directory, to be found again if it does not get its name.
    pub(crate) fn put_aside(self) -> Result<PutAside> {
        remove(&self.aside)?;
        fs::rename(&self.current, &self.aside)?;
        Ok(PutAside(self.aside))
    }
}

/// The checkpoint of a run that is about to be published.
#[derive(Debug)]
pub(crate) struct PutAside(PathBuf);

impl PutAside {
    /// Removes it.
    pub(crate) fn remove(self) -> Result<()> {
        remove(&self.0)
    }
}

fn write<P: Params>(path: &Path, params: &P) -> Result<()> {
    let mut tensors: Vec<(String, Vec<usize>, &[f32])> = Vec::new();
    params.visit(&mut |name, shape, values| tensors.push((name, shape.to_vec(), values)));
    weights::write(path, tensors.iter().map(|(name, shape, data)| (name.clone(), Tensor { shape, data })))
}

fn read<P: Params>(path: &Path, params: &mut P) -> Result<()> {
    let mut stored = Weights::read(path)?;
    let mut failure = None;
    params.visit_mut(&mut |name, shape, values| match stored.take(path, &name, shape) {
        Ok(data) => values.copy_from_slice(&data),
        Err(error) => failure = failure.take().or(Some(error)),
    });
    failure.map_or(Ok(()), Err)
}

/// A second name for the same content, or a copy where the file system knows no such thing.
fn link(from: &Path, to: &Path) -> Result<()> {
    if fs::hard_link(from, to).is_err() {
        fs::copy(from, to)?;
        fs::File::open(to)?.sync_all()?;
    }
    Ok(())
}

fn remove(dir: &Path) -> Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::Io(error)),
        _ => Ok(()),
    }
}

fn sync_dir(dir: &Path) -> Result<()> {
    if cfg!(unix) {
        fs::File::open(dir)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimizer::tests::Toy;

    struct Bench {
        dir: tempfile::TempDir,
    }

    impl Bench {
        fn new() -> Self {
            let bench = Self { dir: tempfile::tempdir().unwrap() };
            fs::create_dir(bench.partial()).unwrap();
            bench
        }

        fn partial(&self) -> PathBuf {
            self.dir.path().join("out.partial")
        }

        fn open(&self) -> Store {
            Store::open(&self.partial(), &self.dir.path().join("out")).unwrap()
        }

        fn save(&self, steps: u64, best: u64) {
            let best = Some(Best { steps: best, loss_nats_per_token: 0.1 + best as f64 });
            let state = State { identity: Identity::sample(), steps, tokens: 7 * steps, seconds: 0.3, best };
            let moments =
                Moments { first: toy(steps as f32 + 0.25), second: toy(steps as f32 + 0.5), average: None };
            self.open().save(&state, &toy(steps as f32), &moments).unwrap();
        }

        /// Opens the store anew and checks that it holds the checkpoint of a step, whole.
        fn check(&self, steps: u64, best: u64) {
            let store = self.open();
            let state = store.state().unwrap().unwrap();
            assert_eq!((state.steps, state.best.unwrap().steps), (steps, best));
            let (mut weights, mut moments) =
                (toy(0.0), Moments { first: toy(0.0), second: toy(0.0), average: None });
            store.load(&mut weights, &mut moments).unwrap();
            let expected = steps as f32;
            assert_eq!(
                (&weights, &moments.first, &moments.second),
                (&toy(expected), &toy(expected + 0.25), &toy(expected + 0.5))
            );
            store.load_best(&mut weights).unwrap();
            assert_eq!(weights, toy(best as f32));
            let mut left: Vec<_> =
                fs::read_dir(self.partial()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            left.sort();
            assert_eq!(left, ["checkpoint"]);
        }
    }

    fn toy(value: f32) -> Toy {
        // A value whose bits any rounding would change.
        Toy { matrix: vec![value + f32::EPSILON; 6], norm: vec![-value; 3] }
    }

    #[test]
    fn restores_exactly_and_keeps_the_best() {
        let bench = Bench::new();
        assert_eq!(bench.open().state().unwrap(), None);
        bench.save(1, 1);
        bench.check(1, 1);
        bench.save(2, 1);
        bench.check(2, 1);
        bench.save(3, 3);
        bench.check(3, 3);
    }

    #[test]
    fn the_best_is_the_average_where_there_is_one() {
        let bench = Bench::new();
        let best = Some(Best { steps: 3, loss_nats_per_token: 0.1 });
        let state = State { identity: Identity::sample(), steps: 3, tokens: 1, seconds: 0.3, best };
        let moments = Moments { first: toy(1.0), second: toy(2.0), average: Some(toy(3.0)) };
        bench.open().save(&state, &toy(4.0), &moments).unwrap();
        let mut read = Moments { first: toy(0.0), second: toy(0.0), average: Some(toy(0.0)) };
        let mut weights = toy(0.0);
        bench.open().load(&mut weights, &mut read).unwrap();
        assert_eq!((&weights, read.average), (&toy(4.0), Some(toy(3.0))));
        bench.open().load_best(&mut weights).unwrap();
        assert_eq!(weights, toy(3.0));
    }

    #[test]
    fn a_kill_while_writing_leaves_the_earlier_one() {
        let bench = Bench::new();
        bench.save(1, 1);
        let new = bench.partial().join("checkpoint.new");
        fs::create_dir(&new).unwrap();
        fs::write(new.join(WEIGHTS), b"half").unwrap();
        bench.check(1, 1);
    }

    #[test]
    fn a_kill_between_the_renames_leaves_one() {
        let bench = Bench::new();
        bench.save(1, 1);
        let at = |name: &str| bench.partial().join(name);
        fs::rename(at("checkpoint"), at("checkpoint.old")).unwrap();
        bench.check(1, 1);

        fs::create_dir(at("checkpoint.old")).unwrap();
        bench.check(1, 1);
    }

    #[test]
    fn a_kill_before_publication_leaves_the_one_put_aside() {
        let bench = Bench::new();
        bench.save(4, 4);
        bench.save(5, 5);
        bench.open().put_aside().unwrap();
        assert!(fs::read_dir(bench.partial()).unwrap().next().is_none());
        bench.check(5, 5);
        bench.open().put_aside().unwrap().remove().unwrap();
        assert_eq!(bench.open().state().unwrap(), None);
    }

    #[test]
    fn names_the_file_that_is_broken() {
        let bench = Bench::new();
        bench.save(1, 1);
        let path = bench.partial().join("checkpoint").join(SECOND);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 4]).unwrap();
        let mut moments = Moments { first: toy(0.0), second: toy(0.0), average: None };
        let error = bench.open().load(&mut toy(0.0), &mut moments).unwrap_err().to_string();
        assert!(error.contains(SECOND), "{error}");
    }

    #[test]
    fn a_failed_write_leaves_the_earlier_one() {
        let bench = Bench::new();
        bench.save(1, 1);
        // Without the best weights of step 1 the next checkpoint cannot be completed.
        let best = bench.partial().join("checkpoint").join(BEST);
        let bytes = fs::read(&best).unwrap();
        fs::remove_file(&best).unwrap();
        let state = State {
            identity: Identity::sample(),
            steps: 2,
            tokens: 0,
            seconds: 0.0,
            best: Some(Best { steps: 1, loss_nats_per_token: 0.0 }),
        };
        let moments = Moments { first: toy(0.0), second: toy(0.0), average: None };
        let error = bench.open().save(&state, &toy(2.0), &moments).unwrap_err().to_string();
        assert!(error.contains(BEST), "{error}");
        fs::write(&best, bytes).unwrap();
        bench.check(1, 1);
    }
}
