//! Learning curves.

use artifact::report::{CurvePoint, ModelReport};
use plotters::chart::ChartBuilder;
use plotters::element::Circle;
use plotters::series::{DashedLineSeries, LineSeries};
use plotters::style::{Color, TRANSPARENT};

use super::{INK, LINE, colour, picture, text};

const SIZE: (u32, u32) = (480, 300);

/// What the loss is drawn along.
#[derive(Clone, Copy)]
pub(crate) enum Along {
    /// Millions of training tokens read.
    Tokens,
    /// Minutes of training.
    Minutes,
}

impl Along {
    fn of(self, point: &CurvePoint) -> f64 {
        match self {
            Self::Tokens => point.tokens as f64 / 1e6,
            Self::Minutes => point.seconds / 60.0,
        }
    }
}

/// The losses of all models: validation bold with dots, training pale, of models that are counted in one go a dashed level.
/// None where no model has a curve.
pub(crate) fn curves(models: &[ModelReport], along: Along, id: &str) -> Option<String> {
    let points = || models.iter().flat_map(|model| &model.learning_curve);
    let losses: Vec<f64> = points()
        .flat_map(|point| [point.train_loss_nats_per_token, point.valid_loss_nats_per_token])
        .flatten()
        .filter(|loss| loss.is_finite())
        .collect();
    let lowest = losses.iter().copied().min_by(f64::total_cmp)?;
    let highest = losses.iter().copied().max_by(f64::total_cmp)?.max(lowest + 0.1);
    // Models that were counted have no course, and a number of tokens that says nothing about the others'.
    let courses = models.iter().filter(|model| !is_level(model)).flat_map(|model| &model.learning_curve);
    let furthest = courses.map(|point| along.of(point)).fold(0.0, f64::max);
    let furthest = if furthest > 0.0 { furthest } else { 1.0 };

    Some(picture(SIZE, id, |area| {
        let mut chart = ChartBuilder::on(area)
            .margin(8)
            .x_label_area_size(24)
            .y_label_area_size(36)
            .build_cartesian_2d(0.0..furthest, lowest..highest)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(LINE)
            .axis_style(INK)
            .label_style(text(13))
            .x_labels(6)
            .y_labels(6)
            .x_label_formatter(&rounded)
            .y_label_formatter(&rounded)
            .draw()?;
        for (place, model) in models.iter().enumerate() {
            let colour = colour(place);
            let line = |loss: fn(&CurvePoint) -> Option<f64>| -> Vec<(f64, f64)> {
                let known =
                    model.learning_curve.iter().filter_map(|point| Some((along.of(point), loss(point)?)));
                known.filter(|(_, loss)| loss.is_finite()).collect()
            };
            let valid = line(|point| point.valid_loss_nats_per_token);
            if is_level(model) {
                for (_, loss) in valid {
                    let level = [(0.0, loss), (furthest, loss)];
                    chart.draw_series(DashedLineSeries::new(level, 6, 5, colour.stroke_width(2)))?;
                }
                continue;
            }
            let train = line(|point| point.train_loss_nats_per_token);
            chart.draw_series(LineSeries::new(train, colour.mix(0.45).stroke_width(1)))?;
            chart.draw_series(LineSeries::new(valid.iter().copied(), colour.stroke_width(2)))?;
            chart.draw_series(valid.into_iter().map(|point| Circle::new(point, 3, colour.filled())))?;
        }
        Ok(())
    }))
}

/// Whether the model's loss was measured once, so that it has a level and no course.
fn is_level(model: &ModelReport) -> bool {
    model.learning_curve.len() == 1
}

/// With as few decimals as tell it from its neighbours.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "plotters formats labels by reference")]
fn rounded(value: &f64) -> String {
    format!("{}", (value * 1000.0).round() / 1000.0)
}
