//! The learning curves as geometry: what the page draws as SVG.

use artifact::report::{CurvePoint, ModelReport};
use serde::Serialize;

/// Width of the drawing, in its own units.
const WIDTH: f64 = 720.0;
/// Height of the drawing.
const HEIGHT: f64 = 360.0;
/// Room for the labels of the vertical axis.
const LEFT: f64 = 48.0;
/// Room right of the lines.
const RIGHT: f64 = 16.0;
/// Room above.
const TOP: f64 = 14.0;
/// Room for the labels of the horizontal axis.
const BOTTOM: f64 = 58.0;
/// Intervals that an axis has at most.
const INTERVALS: f64 = 6.0;

/// A drawing of the loss over the training tokens read.
#[derive(Debug, Serialize)]
pub(crate) struct Plot {
    width: f64,
    height: f64,
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    horizontal: Vec<Tick>,
    vertical: Vec<Tick>,
    lines: Vec<Line>,
}

/// A mark on an axis.
#[derive(Debug, Serialize)]
struct Tick {
    position: f64,
    label: String,
}

/// The losses of one model.
#[derive(Debug, Serialize)]
struct Line {
    /// The model's place in the report, which gives its colour.
    model: usize,
    /// Training loss as an SVG list of points.
    train: String,
    /// Validation loss as an SVG list of points.
    valid: String,
    /// Each validation.
    dots: Vec<(f64, f64)>,
    /// Height of a loss that was measured once, and so is a level and no curve.
    level: Option<f64>,
}

/// Lays the curves out; none where no model has one.
pub(crate) fn plot(models: &[ModelReport]) -> Option<Plot> {
    let points = || models.iter().flat_map(|model| &model.learning_curve);
    let losses =
        || points().flat_map(|p| [p.train_loss_nats_per_token, p.valid_loss_nats_per_token]).flatten();
    let losses = || losses().filter(|loss| loss.is_finite());
    // Models that were counted have no course, and a number of tokens that says nothing about the others'.
    let furthest =
        models.iter().filter(|m| !is_level(m)).flat_map(|m| &m.learning_curve).map(|p| p.tokens).max();
    let lowest = losses().min_by(f64::total_cmp)?;
    let highest = losses().max_by(f64::total_cmp)?;
    let furthest = furthest.unwrap_or_default().max(1) as f64;

    let step = round_step((highest - lowest).max(0.1) / INTERVALS);
    let low = (lowest / step).floor() * step;
    let high = ((highest / step).ceil() * step).max(low + step);
    let x = |tokens: f64| tenth(LEFT + (WIDTH - LEFT - RIGHT) * tokens / furthest);
    let y = |loss: f64| tenth(TOP + (HEIGHT - TOP - BOTTOM) * (high - loss) / (high - low));
    let decimals = usize::from(step < 1.0) + usize::from(step < 0.1);
    let vertical =
        ticks(low, high, step).map(|at| Tick { position: y(at), label: format!("{at:.decimals$}") });
    let along = round_step(furthest / INTERVALS);
    let horizontal = ticks(0.0, furthest, along).map(|at| Tick { position: x(at), label: tokens(at) });

    let lines = models.iter().enumerate().filter(|(_, model)| !model.learning_curve.is_empty()).map(
        |(place, model)| {
            let along = |loss: fn(&CurvePoint) -> Option<f64>| -> Vec<(f64, f64)> {
                let known =
                    model.learning_curve.iter().filter_map(|point| Some((point.tokens, loss(point)?)));
                known
                    .filter(|(_, loss)| loss.is_finite())
                    .map(|(tokens, loss)| (x(tokens as f64), y(loss)))
                    .collect()
            };
            let valid = along(|point| point.valid_loss_nats_per_token);
            let level = if is_level(model) { valid.first().map(|&(_, loss)| loss) } else { None };
            Line {
                model: place,
                train: polyline(&along(|point| point.train_loss_nats_per_token)),
                valid: polyline(if level.is_some() { &[] } else { &valid }),
                dots: if level.is_some() { Vec::new() } else { valid },
                level,
            }
        },
    );
    Some(Plot {
        width: WIDTH,
        height: HEIGHT,
        left: LEFT,
        right: WIDTH - RIGHT,
        top: TOP,
        bottom: HEIGHT - BOTTOM,
        horizontal: horizontal.collect(),
        vertical: vertical.collect(),
        lines: lines.collect(),
    })
}

/// Whether the model's loss was measured once, so that it has a level and no course.
fn is_level(model: &ModelReport) -> bool {
    model.learning_curve.len() == 1
}

fn polyline(points: &[(f64, f64)]) -> String {
    points.iter().map(|(x, y)| format!("{x},{y}")).collect::<Vec<_>>().join(" ")
}

/// The least of 1, 2 and 5 times a power of ten that is at least `step`.
fn round_step(step: f64) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .map(|factor| factor * power)
        .into_iter()
        .find(|&round| round >= step)
        .unwrap_or(step)
}

fn ticks(low: f64, high: f64, step: f64) -> impl Iterator<Item = f64> {
    let count = ((high - low) / step + 1e-9) as usize;
    (0..=count).map(move |i| low + i as f64 * step)
}

/// Tokens on the axis: "500k", "1.5M".
fn tokens(count: f64) -> String {
    let (scaled, unit) = match count {
        count if count >= 1e6 => (count / 1e6, "M"),
        count if count >= 1e3 => (count / 1e3, "k"),
        count => (count, ""),
    };
    format!("{}{unit}", (scaled * 100.0).round() / 100.0)
}

fn tenth(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
