//! Histograms as SVG that takes the colours of the page around it and can be read aloud.

use artifact::preprocess::Bin;
use plotters::prelude::*;

/// Width and height, in the picture's own units.
const SIZE: (u32, u32) = (720, 260);
/// Stands for the colour of the page's text.
const INK: RGBColor = RGBColor(1, 2, 3);
const INK_IN_SVG: &str = "#010203";
const BARS: RGBColor = RGBColor(0, 114, 178);
/// Share of a bin's width that its bar takes, half on either side.
const HALF_BAR: f64 = 0.42;

/// Draws a histogram; `title` names it, `across` its horizontal axis. None where there is nothing to draw.
pub(crate) fn histogram(bins: &[Bin], title: &str, across: &str) -> Option<String> {
    let most = bins.iter().map(|bin| bin.count).max().filter(|most| *most > 0)?;
    let mut svg = String::new();
    draw(&mut svg, bins, most, across).expect("a string takes every picture");
    Some(readable(&svg.replace(INK_IN_SVG, "currentColor"), title, &told(bins)))
}

fn draw(svg: &mut String, bins: &[Bin], most: usize, across: &str) -> Result<(), Box<dyn std::error::Error>> {
    let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    let last = bins.len() as f64 - 1.0;
    let mut chart = ChartBuilder::on(&area)
        .margin(8)
        .x_label_area_size(44)
        .y_label_area_size(72)
        .build_cartesian_2d(-0.5..last + 0.5, 0.0..most as f64 * 1.05)?;
    let label = |place: &f64| {
        let is_bin = place.fract() == 0.0 && (0.0..=last).contains(place);
        if is_bin { bins[*place as usize].up_to.to_string() } else { String::new() }
    };
    let text = ("sans-serif", 14).into_font().color(&INK);
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(INK.mix(0.15))
        .axis_style(INK.mix(0.4))
        .x_labels(2 * bins.len())
        .x_label_formatter(&label)
        .x_desc(across)
        .y_labels(5)
        .y_label_formatter(&|count| format!("{count}"))
        .label_style(text.clone())
        .axis_desc_style(text)
        .draw()?;
    chart.draw_series(bins.iter().enumerate().map(|(place, bin)| {
        let place = place as f64;
        Rectangle::new([(place - HALF_BAR, 0.0), (place + HALF_BAR, bin.count as f64)], BARS.filled())
    }))?;
    area.present()?;
    Ok(())
}

/// The bins in words.
fn told(bins: &[Bin]) -> String {
    let bins: Vec<String> = bins.iter().map(|bin| format!("≤ {}: {}", bin.up_to, bin.count)).collect();
    bins.join(", ")
}

/// The picture with a name and a description, for those who hear it.
fn readable(svg: &str, title: &str, description: &str) -> String {
    let begin = svg.find("<svg ").expect("it is a picture") + "<svg ".len();
    let end = begin + svg[begin..].find('>').expect("the first element ends") + 1;
    let (attributes, rest) = (&svg[begin..end], &svg[end..]);
    format!("<svg role=\"img\" {attributes}<title>{title}</title><desc>{description}</desc>{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_says_what_it_shows() {
        let bins = [Bin { up_to: 8, count: 3 }, Bin { up_to: 16, count: 0 }, Bin { up_to: 32, count: 5 }];
        let svg = histogram(&bins, "Lengths", "tokens").unwrap();
        assert!(svg.starts_with("<svg role=\"img\" "), "{svg}");
        assert!(svg.contains("<title>Lengths</title><desc>≤ 8: 3, ≤ 16: 0, ≤ 32: 5</desc>"));
        assert!(svg.contains("tokens") && svg.contains(">32\n<") || svg.contains("32"));
        assert!(svg.contains("currentColor") && !svg.contains(INK_IN_SVG));
        assert_eq!(histogram(&[], "Lengths", "tokens"), None);
    }
}
