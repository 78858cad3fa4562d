//! The pictures of the page: SVG, drawn by plotters, coloured by the page's style sheet.
//!
//! Words stand in the page, which has them in two languages and names each picture for those who cannot see it; the
//! pictures hold numbers and names.

mod bars;
mod curves;
mod heat_map;

use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::prelude::{RGBColor, SVGBackend};
use plotters::style::{IntoFont, TextStyle};

pub(crate) use bars::bars;
pub(crate) use curves::{Along, curves};
pub(crate) use heat_map::heat_map;

/// Colours of models, which repeat from the seventh on; the style sheet maps each to one of light or dark.
const MODELS: [RGBColor; 6] = [
    RGBColor(0x00, 0x72, 0xB2),
    RGBColor(0xC0, 0x4A, 0x00),
    RGBColor(0x00, 0x80, 0x5F),
    RGBColor(0xA8, 0x40, 0x7F),
    RGBColor(0x8A, 0x6D, 0x00),
    RGBColor(0x2B, 0x7F, 0xB0),
];
/// What the style sheet knows as ink.
const INK: RGBColor = RGBColor(0x1C, 0x20, 0x24);
/// What the style sheet knows as the colour of lines.
const LINE: RGBColor = RGBColor(0xD9, 0xDC, 0xE1);

/// What drawing comes to; into a String, it cannot fail.
type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

/// The colour of the model at a place in the report.
fn colour(model: usize) -> RGBColor {
    MODELS[model % MODELS.len()]
}

/// Text of a size in pixels.
fn text(size: u32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&INK)
}

/// Draws a picture of this size; `id` is that of the element in the page which names it.
fn picture(
    (width, height): (u32, u32),
    id: &str,
    draw: impl FnOnce(&DrawingArea<SVGBackend<'_>, Shift>) -> Drawn,
) -> String {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (width, height)).into_drawing_area();
        draw(&area).and_then(|()| area.present()).expect("a String takes every drawing");
    }
    let (_, drawing) = svg.split_once('>').expect("the drawing begins with its element");
    format!("<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-labelledby=\"{id}\">{drawing}")
}
