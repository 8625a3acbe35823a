//! A flame graph as SVG: whoever calls stands below whom it calls, as wide as the time that is spent there. Names are in the
//! tips of the boxes; there is no script in it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Pixels.
const WIDTH: f64 = 1200.0;
const ROW: usize = 17;
const LETTER: f64 = 6.6;
/// Narrower boxes, and all above them, are left out.
const NARROWEST: f64 = 0.3;

/// Samples by their stacks.
#[derive(Debug, Default)]
pub(super) struct Flame {
    samples: u64,
    above: BTreeMap<String, Flame>,
}

impl Flame {
    /// A stack, the outermost first, that was seen so often.
    pub(super) fn add(&mut self, stack: impl Iterator<Item = String>, samples: u64) {
        let mut flame = self;
        flame.samples += samples;
        for name in stack {
            flame = flame.above.entry(name).or_default();
            flame.samples += samples;
        }
    }

    /// As a picture.
    pub(super) fn svg(&self) -> String {
        let mut boxes = Vec::new();
        let each = WIDTH / self.samples.max(1) as f64;
        self.lay_out("all", 0.0, each, 0, &mut boxes);
        let rows = boxes.iter().map(|laid| laid.row + 1).max().unwrap_or(1);
        let height = rows * ROW;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" \
             font-family=\"monospace\" font-size=\"11\">\n"
        );
        for laid in boxes {
            let (y, share) = ((rows - 1 - laid.row) * ROW, laid.width / WIDTH * 100.0);
            let (x, width, name) = (laid.x, laid.width, escaped(laid.name));
            let short = escaped(&laid.name.chars().take((width / LETTER) as usize).collect::<String>());
            let (colour, top, text) = (hue(laid.name), ROW - 1, y + 12);
            // Writing to a String does not fail.
            let _ = writeln!(
                svg,
                "<g><title>{name}: {} samples, {share:.1} %</title><rect x=\"{x:.1}\" y=\"{y}\" width=\"{width:.1}\" height=\"{top}\" \
                 fill=\"hsl({colour},75%,70%)\"/><text x=\"{:.1}\" y=\"{text}\">{short}</text></g>",
                laid.samples,
                x + 2.0
            );
        }
        svg.push_str("</svg>\n");
        svg
    }

    fn lay_out<'a>(&'a self, name: &'a str, x: f64, each: f64, row: usize, boxes: &mut Vec<Laid<'a>>) {
        let width = self.samples as f64 * each;
        if width < NARROWEST {
            return;
        }
        boxes.push(Laid { name, x, width, row, samples: self.samples });
        let mut left = x;
        for (name, above) in &self.above {
            above.lay_out(name, left, each, row + 1, boxes);
            left += above.samples as f64 * each;
        }
    }
}

/// A box and its place.
struct Laid<'a> {
    name: &'a str,
    x: f64,
    width: f64,
    row: usize,
    samples: u64,
}

/// From red to yellow; one name has one colour.
fn hue(name: &str) -> u32 {
    crc32fast::hash(name.as_bytes()) % 55
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_are_as_wide_as_their_samples_and_stand_on_their_callers() {
        let mut flame = Flame::default();
        let stack = |names: &str| names.split(' ').map(str::to_owned).collect::<Vec<_>>().into_iter();
        flame.add(stack("main run<T>"), 3);
        flame.add(stack("main sleep"), 1);
        flame.add(stack("rare"), 0);
        let mut boxes = Vec::new();
        flame.lay_out("all", 0.0, WIDTH / 4.0, 0, &mut boxes);
        let laid: Vec<_> = boxes.iter().map(|laid| (laid.name, laid.row, laid.x, laid.width)).collect();
        assert_eq!(
            laid,
            [("all", 0, 0.0, 1200.0), ("main", 1, 0.0, 1200.0), ("run<T>", 2, 0.0, 900.0), ("sleep", 2, 900.0, 300.0)]
        );
        let svg = flame.svg();
        assert!(svg.contains("<title>run&lt;T&gt;: 3 samples, 75.0 %</title>"), "{svg}");
        assert!(svg.contains("height=\"51\""), "{svg}");
    }
}
