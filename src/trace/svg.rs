//! A sequence as a picture that stands for itself: no script, no font and nothing from elsewhere.

use std::fmt::Write as _;

use siprec_core::metadata::escaped;
use siprec_core::trace::{Sequence, Style, clock};

use super::paint::shown;

/// Left of the first lifeline: room for a time.
const LEFT: usize = 150;
/// Between lifelines.
const GAP: usize = 340;
const RIGHT: usize = 150;
const TOP: usize = 60;
/// A step's height.
const STEP: usize = 26;

/// The picture.
pub(super) fn picture(sequence: &Sequence) -> String {
    let x = |host: usize| LEFT + host * GAP;
    let width = x(sequence.hosts.len().saturating_sub(1)) + RIGHT;
    let height = TOP + (sequence.steps.len() + 1) * STEP;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"monospace\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <defs><marker id=\"head\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" markerUnits=\"userSpaceOnUse\" orient=\"auto\">\
         <path d=\"M0 0L8 4L0 8z\" fill=\"context-stroke\"/></marker></defs>\n"
    );
    for (place, host) in sequence.hosts.iter().enumerate() {
        let (x, role) = (x(place), host.role.unwrap_or_default());
        // Memory takes all that is written to it.
        let _ = write!(
            out,
            "<text x=\"{x}\" y=\"20\" text-anchor=\"middle\" font-weight=\"bold\">{}</text>\n\
             <text x=\"{x}\" y=\"36\" text-anchor=\"middle\">{role}</text>\n\
             <line x1=\"{x}\" y1=\"44\" x2=\"{x}\" y2=\"{height}\" stroke=\"#b0b0b0\"/>\n",
            text(&host.name)
        );
    }
    for (nth, step) in sequence.steps.iter().enumerate() {
        let (y, color, label) = (TOP + nth * STEP + STEP / 2, color(step.style), text(&step.label));
        let Some((from, to)) = step.ends else {
            let _ = writeln!(out, "<text x=\"{}\" y=\"{y}\" fill=\"{color}\">{label}</text>", LEFT + 12);
            continue;
        };
        let (from, to) = (x(from), x(to));
        let stroke = if step.style == Style::Media { 3 } else { 1 };
        let _ = write!(
            out,
            "<text x=\"8\" y=\"{y}\" fill=\"#707070\">{}</text>\n\
             <text x=\"{}\" y=\"{}\" text-anchor=\"middle\" fill=\"{color}\">{label}</text>\n\
             <line x1=\"{from}\" y1=\"{y}\" x2=\"{to}\" y2=\"{y}\" stroke=\"{color}\" stroke-width=\"{stroke}\" marker-end=\"url(#head)\"/>\n",
            clock(step.at),
            from.midpoint(to),
            y - 5
        );
    }
    out.push_str("</svg>\n");
    out
}

fn text(text: &str) -> String {
    escaped(&shown(text))
}

fn color(style: Style) -> &'static str {
    match style {
        Style::Request => "#005f87",
        Style::Provisional | Style::Changed => "#8a6200",
        Style::Success | Style::Added => "#1a6e1a",
        Style::Redirection => "#7a3e9d",
        Style::Failure | Style::Removed | Style::Warning => "#b00020",
        Style::Media => "#1f4fb0",
        Style::Faint => "#909090",
        Style::Plain | Style::Heading | Style::Time | Style::Host | Style::Lifeline => "#202020",
    }
}
