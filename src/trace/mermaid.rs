//! A sequence as a diagram for Mermaid, which wikis and tickets draw.

use std::fmt::Write as _;

use siprec_core::trace::{Sequence, Style, clock};

/// The diagram.
pub(super) fn diagram(sequence: &Sequence) -> String {
    let mut out = String::from("sequenceDiagram\n");
    for (place, host) in sequence.hosts.iter().enumerate() {
        let role = host.role.map(|role| format!(" {role}")).unwrap_or_default();
        // Memory takes all that is written to it.
        let _ = writeln!(out, "    participant h{place} as {}{role}", plain(&host.name));
    }
    let last = sequence.hosts.len().saturating_sub(1);
    for step in &sequence.steps {
        let label = plain(&step.label);
        let Some((from, to)) = step.ends else {
            let over = if last == 0 { "h0".to_owned() } else { format!("h0,h{last}") };
            let _ = writeln!(out, "    Note over {over}: {label}");
            continue;
        };
        let arrow = if step.style == Style::Media {
            "-)"
        } else if step.style == Style::Request {
            "->>"
        } else {
            "-->>"
        };
        let _ = writeln!(out, "    h{from}{arrow}h{to}: {} {label}", clock(step.at));
    }
    out
}

/// What Mermaid would take for its own becomes its entity codes.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '#' => out.push_str("#35;"),
            ';' => out.push_str("#59;"),
            '<' => out.push_str("#lt;"),
            '>' => out.push_str("#gt;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_name_is_taken_for_the_diagrams_own() {
        assert_eq!(plain("a;b #1 <sip:x>\nend"), "a#59;b #35;1 #lt;sip:x#gt; end");
    }
}
