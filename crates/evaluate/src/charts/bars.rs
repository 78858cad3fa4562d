//! Bars with intervals.

use artifact::report::Estimate;
use plotters::element::{PathElement, Rectangle, Text};
use plotters::style::Color;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{INK, LINE, colour, picture, text};

const WIDTH: u32 = 360;
/// Height of a model: its name and value in a line, the bar below.
const ROW: u32 = 40;
/// Height of a bar.
const BAR: i32 = 12;

/// A bar for each model that has the figure: its place in the report, its name, the estimate, and the value as written.
pub(crate) fn bars(rows: &[(usize, &str, Estimate, String)], id: &str) -> Option<String> {
    let ends = rows.iter().flat_map(|(_, _, estimate, _)| [estimate.value, estimate.high]);
    let highest = ends.filter(|end| end.is_finite()).fold(0.0, f64::max);
    if rows.is_empty() {
        return None;
    }
    let highest = if highest > 0.0 { highest } else { 1.0 };
    let x = |value: f64| (f64::from(WIDTH - 1) * (value / highest).clamp(0.0, 1.0)).round() as i32;
    Some(picture((WIDTH, ROW * rows.len() as u32), id, |area| {
        for (row, (place, name, estimate, value)) in rows.iter().enumerate() {
            let top = ROW as i32 * row as i32;
            let (bar, middle) = (top + 20, top + 20 + BAR / 2);
            let right = text(13).pos(Pos::new(HPos::Right, VPos::Top));
            area.draw(&Text::new((*name).to_owned(), (0, top + 4), text(13)))?;
            area.draw(&Text::new(value.clone(), (WIDTH as i32 - 1, top + 4), right))?;
            area.draw(&Rectangle::new([(0, bar), (WIDTH as i32 - 1, bar + BAR)], LINE.filled()))?;
            area.draw(&Rectangle::new([(0, bar), (x(estimate.value), bar + BAR)], colour(*place).filled()))?;
            let (low, high) = (x(estimate.low), x(estimate.high));
            let whisker = INK.stroke_width(2);
            area.draw(&PathElement::new([(low, middle), (high, middle)], whisker))?;
            for end in [low, high] {
                area.draw(&PathElement::new([(end, bar - 1), (end, bar + BAR + 1)], whisker))?;
            }
        }
        Ok(())
    }))
}
