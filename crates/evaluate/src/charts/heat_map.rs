//! The table of confusions as a heat map.

use artifact::report::ConfusionTable;
use plotters::element::{Rectangle, Text};
use plotters::style::Color;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{LINE, colour, picture, text};

/// Side of a cell.
const CELL: i32 = 26;
/// Room for the names of rows.
const LEFT: i32 = 230;
/// Room for the numbers of columns.
const TOP: i32 = 24;
/// The longest name that fits, in characters.
const LONGEST: usize = 30;

/// Rows are expected actions, with a number each; columns the carried-out ones under the same numbers, the last one any
/// other. The darker, the larger the share of the row. None of an empty table.
pub(crate) fn heat_map(table: &ConfusionTable, model: usize, id: &str) -> Option<String> {
    let count = table.actions.len() as i32;
    if count == 0 {
        return None;
    }
    let size = (LEFT + CELL * (count + 1) + 1, TOP + CELL * count + 1);
    Some(picture((size.0 as u32, size.1 as u32), id, |area| {
        let centred = text(11).pos(Pos::new(HPos::Center, VPos::Center));
        let before = text(12).pos(Pos::new(HPos::Left, VPos::Center));
        for column in 0..=count {
            let number = if column < count { (column + 1).to_string() } else { "…".to_owned() };
            let at = (LEFT + CELL * column + CELL / 2, TOP / 2);
            area.draw(&Text::new(number, at, centred.clone()))?;
        }
        for (row, (action, counts)) in table.actions.iter().zip(&table.counts).enumerate() {
            let top = TOP + CELL * row as i32;
            let name = action.strip_prefix("utter_").unwrap_or(action);
            let name: String = format!("{}  {name}", row + 1).chars().take(LONGEST).collect();
            area.draw(&Text::new(name, (2, top + CELL / 2), before.clone()))?;
            let whole = counts.iter().sum::<usize>().max(1) as f64;
            for (column, &replies) in counts.iter().enumerate() {
                let left = LEFT + CELL * column as i32;
                let cell = [(left, top), (left + CELL, top + CELL)];
                if replies > 0 {
                    // Pale enough for the number on it at its darkest.
                    let share = 0.08 + 0.52 * replies as f64 / whole;
                    area.draw(&Rectangle::new(cell, colour(model).mix(share).filled()))?;
                    let at = (left + CELL / 2, top + CELL / 2);
                    area.draw(&Text::new(replies.to_string(), at, centred.clone()))?;
                }
                area.draw(&Rectangle::new(cell, LINE.stroke_width(1)))?;
            }
        }
        Ok(())
    }))
}
