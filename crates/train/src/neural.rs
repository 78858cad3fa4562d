//! Training a neural network: the loop over steps.

use std::time::Instant;

use artifact::metrics::{Row, StepRow, ValidationRow};
use artifact::{Error, OutDir, Result};
use fs_err as fs;
use model::decoder::{Config, Loss, Tape};
use model::{Batch, Decoder, Params};
use terminal::{Lang, Progress};

use crate::Arguments;
use crate::batches::{Batches, Pieces};
use crate::budget::{Length, Position};
use crate::checkpoint::{Best, State, Store};
use crate::identity::Identity;
use crate::inputs::Inputs;
use crate::log::Log;
use crate::norm::global_norm;
use crate::optimizer::{self, Moments};
use crate::peak_memory::peak_memory_bytes;
use crate::settings::{Publish, Settings};
use crate::validation::{Interview, ValidationSet, line, summary};

/// The validation split as the training loop needs it.
struct Validation<'a> {
    set: ValidationSet<'a>,
    batches: Vec<Batch>,
}

/// A run at some step.
struct Run<'a> {
    settings: &'a Settings,
    length: Length,
    batches: Batches<'a>,
    validation: Option<Validation<'a>>,
    interview: Interview<'a>,
    weights: Decoder,
    /// Zero between steps.
    gradient: Decoder,
    moments: Moments<Decoder>,
    tape: Tape,
    state: State,
    /// When this process began to train, and the seconds that earlier ones had used.
    started: (Instant, f64),
    log: Log,
    progress: Progress,
}

/// Trains until the budget is used up and publishes the model; goes on from a checkpoint of the same run.
pub(crate) fn fit(
    config: &Config,
    inputs: &Inputs,
    settings: &Settings,
    arguments: &Arguments,
) -> anyhow::Result<()> {
    let context = config.shape().max_position_embeddings;
    let interview = Interview::new(&settings.prompts, context, &inputs.generation, &inputs.tokenizer)?;
    let identity = Identity::new(inputs, settings)?;
    let out = OutDir::resume(&arguments.out)?;
    let store = Store::open(out.path(), &arguments.out)?;
    let earlier = earlier_state(&store, &identity, &out)?;

    let pieces = Pieces::new(&inputs.train, context);
    let mut weights = Decoder::read(&inputs.model, config)?;
    weights.set_precision(settings.precision.precision());
    describe(inputs, &pieces, &weights, settings);
    let batches = Batches::new(pieces, settings.batch_tokens, settings.seed);
    let validation = ValidationSet::new(&inputs.valid, context, &inputs.tokenizer)
        .map(|set| Validation { batches: set.pieces.in_order(settings.batch_tokens), set });
    if validation.is_none() {
        eprintln!(
            "{}",
            Lang::pick(
                "검증 대화가 없어 마지막 단계의 가중치를 씁니다",
                "no validation documents: the weights of the last step are published",
            )
        );
    }
    let mut moments = Moments {
        first: weights.zeros_like(),
        second: weights.zeros_like(),
        average: settings.optimizer.average.map(|_| weights.clone()),
    };
    if let Some(state) = &earlier {
        store.load(&mut weights, &mut moments)?;
        let steps = state.steps;
        eprintln!(
            "{}",
            Lang::pick(format!("{steps}단계부터 이어 갑니다"), format!("going on after step {steps}"))
        );
    } else {
        // Nothing that a run without a checkpoint has left is of use.
        fs::remove_dir_all(out.path())?;
        fs::create_dir_all(out.path())?;
    }
    let state = earlier.unwrap_or(State { identity, steps: 0, tokens: 0, seconds: 0.0, best: None });
    let length = settings.budget.length(batches.per_epoch());
    let mut run = Run {
        settings,
        length,
        batches,
        validation,
        interview,
        gradient: weights.zeros_like(),
        weights,
        moments,
        tape: Tape::default(),
        started: (Instant::now(), state.seconds),
        log: Log::open(out.path(), state.steps)?,
        progress: progress(length, &state),
        state,
    };
    run.train(&store, arguments.checkpoint_every)?;
    run.progress.finish();
    publish(run, store, inputs, out)
}

/// The state of the checkpoint, if there is one.
///
/// # Errors
/// [`Error::Refused`] when it belongs to another run.
fn earlier_state(store: &Store, identity: &Identity, out: &OutDir) -> Result<Option<State>> {
    let path = out.path().display();
    let remedy = format!("give the data, model and options of that run, another --out, or remove {path}");
    let state = store.state().map_err(|error| error.with_hint(remedy.as_str()))?;
    if let Some(state) = &state {
        let differences = identity.differences(&state.identity);
        if !differences.is_empty() {
            let message = format!("{path} holds the checkpoint of another run: {}", differences.join("; "));
            return Err(Error::refused(message).with_hint(remedy));
        }
    }
    Ok(state)
}

fn describe(inputs: &Inputs, pieces: &Pieces<'_>, weights: &Decoder, settings: &Settings) {
    let (documents, targets, parameters) = (inputs.train.len(), inputs.train.targets(), weights.count());
    let (rows, dropped, cut) = (pieces.rows(), pieces.dropped, pieces.cut);
    let batches = rows.div_ceil(settings.batch_tokens);
    let rate = settings.schedule.peak;
    eprintln!(
        "{}",
        Lang::pick(
            format!(
                "매개변수 {parameters}개, 대화 {documents}개(목표가 없어 뺀 것 {dropped}개, 길어서 나눈 것 {cut}개), \
                 에폭마다 토큰 {rows}개(목표 {targets}개), 배치 {batches}개, 최고 학습률 {rate:.2e}\n\
                 멈추더라도 같은 명령을 다시 내리면 마지막 체크포인트부터 이어 갑니다"
            ),
            format!(
                "{parameters} parameters, {documents} documents ({dropped} without a target left out, {cut} too long \
                 and cut), {rows} tokens an epoch ({targets} targets) in {batches} batches, peak learning rate {rate:.2e}\n\
                 if this is interrupted, the same command goes on from the last checkpoint"
            ),
        )
    );
}

fn progress(length: Length, state: &State) -> Progress {
    let label = Lang::pick("학습", "train");
    let (total, done, unit) = match length {
        Length::Steps(steps) => (steps, state.steps, Lang::pick("단계", "steps")),
        Length::Seconds(seconds) => (seconds.ceil() as u64, state.seconds as u64, Lang::pick("초", "s")),
    };
    let progress = Progress::new(label, total, unit);
    progress.start_at(done);
    progress
}

impl Run<'_> {
    fn position(&self) -> Position {
        Position { steps: self.state.steps, seconds: self.state.seconds }
    }

    fn epoch(&self) -> f64 {
        self.state.steps as f64 / self.batches.per_epoch() as f64
    }

    fn train(&mut self, store: &Store, checkpoint_every: f64) -> Result<()> {
        let mut last_checkpoint = Instant::now();
        while !self.length.is_used_up(self.position()) {
            let before = self.position();
            let row = self.step()?;
            self.log.write(&Row::Step(row))?;
            let validates = self.length.is_due(self.settings.valid_every, before, self.position());
            if validates {
                self.validate()?;
            }
            if validates || last_checkpoint.elapsed().as_secs_f64() >= checkpoint_every {
                self.log.sync()?;
                store.save(&self.state, &self.weights, &self.moments)?;
                last_checkpoint = Instant::now();
            }
        }
        Ok(())
    }

    /// Takes one step: the gradient of the mean loss over the targets of one batch.
    fn step(&mut self) -> Result<StepRow> {
        let began = Instant::now();
        let batch = self.batches.after(self.state.steps);
        let scale = 1.0 / batch.targets() as f32;
        let t = self.state.steps + 1;
        let loss = self.weights.gradient_with(
            &batch,
            scale,
            &mut self.tape,
            &mut self.gradient,
            self.settings.dropout(t),
        );
        let (loss, norm) = (loss.mean(), global_norm(&self.gradient));
        if !loss.is_finite() || !norm.is_finite() {
            let message = format!("training diverged: loss {loss}, gradient norm {norm} at step {t}");
            return Err(Error::refused(message).with_hint(self.remedy()));
        }
        // The rate at the end of the step, so that the first step moves and the last one is at the floor. By the
        // clock, when the step ends is known only afterwards.
        let position = match self.length {
            Length::Steps(_) => Position { steps: t, ..self.position() },
            Length::Seconds(_) => Position { seconds: self.seconds(), ..self.position() },
        };
        let rate = self.settings.schedule.rate(self.length.used(position));
        let step = optimizer::Step {
            t,
            rate,
            scale: (self.settings.clip / norm).min(1.0),
            precision: self.settings.precision.precision(),
        };
        let constants = &self.settings.optimizer;
        optimizer::update(constants, &step, &mut self.weights, &mut self.gradient, &mut self.moments);

        self.state.steps = t;
        self.state.tokens += batch.len() as u64;
        self.state.seconds = self.seconds();
        let tokens_per_second = batch.len() as f64 / began.elapsed().as_secs_f64();
        self.progress.note(format!("loss {loss:.3} · {tokens_per_second:.0} tokens/s"));
        self.progress.set(match self.length {
            Length::Steps(_) => t,
            Length::Seconds(_) => self.state.seconds as u64,
        });
        Ok(StepRow {
            step: t,
            epoch: self.epoch(),
            tokens: self.state.tokens,
            seconds: self.state.seconds,
            loss_nats_per_token: loss,
            learning_rate: rate,
            gradient_norm: norm,
            tokens_per_second,
        })
    }

    fn seconds(&self) -> f64 {
        self.started.1 + self.started.0.elapsed().as_secs_f64()
    }

    /// What to try when training diverges.
    fn remedy(&self) -> String {
        let rate = self.settings.schedule.peak;
        format!("start again with another --out and a --learning-rate below {rate:e}, or a longer --warmup")
    }

    fn validate(&mut self) -> Result<()> {
        let Some(validation) = &self.validation else { return Ok(()) };
        let mut loss = Loss::default();
        for batch in &validation.batches {
            let part = published(&self.weights, &self.moments).loss(batch, &mut self.tape);
            loss.nats += part.nats;
            loss.targets += part.targets;
        }
        let mean = loss.mean();
        if !mean.is_finite() {
            return Err(Error::refused(format!(
                "training diverged: validation loss {mean} at step {}",
                self.state.steps
            ))
            .with_hint(self.remedy()));
        }
        let best = self.state.best.is_none_or(|best| mean < best.loss_nats_per_token);
        if best {
            self.state.best = Some(Best { steps: self.state.steps, loss_nats_per_token: mean });
        }
        let row = ValidationRow {
            step: self.state.steps,
            epoch: self.epoch(),
            tokens: self.state.tokens,
            seconds: self.seconds(),
            loss_nats_per_token: mean,
            bits_per_byte: validation.set.bits_per_byte(loss),
            best,
            answers: self.interview.answers(published(&self.weights, &self.moments)),
            peak_memory_bytes: peak_memory_bytes(),
        };
        self.state.seconds = self.seconds();
        self.progress.say(summary(&row));
        row.answers.iter().for_each(|answer| self.progress.say(line(answer)));
        self.log.write(&Row::Validation(row))
    }
}

/// The weights that validation looks at and that become the result: their running mean where there is one.
fn published<'a>(weights: &'a Decoder, moments: &'a Moments<Decoder>) -> &'a Decoder {
    moments.average.as_ref().unwrap_or(weights)
}

/// Writes the model and gives the output its name. A kill on the way loses nothing: the checkpoint is there until then.
fn publish(mut run: Run<'_>, store: Store, inputs: &Inputs, out: OutDir) -> anyhow::Result<()> {
    if let Some(average) = run.moments.average.take() {
        run.weights = average;
    }
    if let (Publish::Best, Some(best)) = (run.settings.publish, run.state.best) {
        if best.steps != run.state.steps {
            store.load_best(&mut run.weights)?;
        }
        let (steps, loss) = (best.steps, best.loss_nats_per_token);
        eprintln!(
            "{}",
            Lang::pick(
                format!("검증 손실이 가장 낮은 {steps}단계의 가중치를 씁니다 ({loss:.4} nats/token)"),
                format!(
                    "publishing the weights of step {steps}, of the lowest validation loss ({loss:.4} nats/token)"
                ),
            )
        );
    }
    run.weights.write(out.path())?;
    inputs.copy_unchanged(out.path())?;
    run.log.sync()?;
    let aside = store.put_aside()?;
    out.publish()?;
    aside.remove()?;
    Ok(())
}
