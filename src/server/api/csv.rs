//! A page of recordings as a table (RFC 4180).

use crate::archive::catalog::{Person, Row};

/// Characters with which a spreadsheet begins a formula.
const FORMULAS: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// A head, and a line a recording.
pub(super) fn table(rows: &[Row]) -> String {
    let mut out = String::from(
        "id,started_at,ended_at,duration_ms,state,caller,caller_name,callee,callee_name,call_id,session_id,vendor,tags,held,\
         packets_lost,faults,path,bytes,sha256\r\n",
    );
    for row in rows {
        let aor = |person: &Option<Person>| person.as_ref().and_then(|p| p.aor.clone()).unwrap_or_default();
        let name = |person: &Option<Person>| person.as_ref().and_then(|p| p.name.clone()).unwrap_or_default();
        let tags: Vec<&str> = row.tags.iter().map(|tag| tag.as_str()).collect();
        let fields = [
            row.id.to_string(),
            row.started_at.rfc3339(),
            row.ended_at.rfc3339(),
            row.duration_ms.to_string(),
            row.state.clone(),
            aor(&row.caller),
            name(&row.caller),
            aor(&row.callee),
            name(&row.callee),
            row.call_id.clone(),
            row.session_id.map(|id| id.to_string()).unwrap_or_default(),
            row.vendor.clone().unwrap_or_default(),
            tags.join(" "),
            row.held.to_string(),
            row.quality.packets_lost.to_string(),
            row.quality.faults.to_string(),
            row.path.clone(),
            row.bytes.to_string(),
            row.sha256.clone(),
        ];
        let line: Vec<String> = fields.iter().map(|field| quoted(field)).collect();
        out.push_str(&line.join(","));
        out.push_str("\r\n");
    }
    out
}

/// A field; what a spreadsheet would take for a formula begins with an apostrophe, since an SBC's peers choose their names.
fn quoted(field: &str) -> String {
    let harmless = if field.starts_with(FORMULAS) && field.parse::<f64>().is_err() {
        format!("'{field}")
    } else {
        field.to_owned()
    };
    if harmless.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", harmless.replace('"', "\"\"")) } else { harmless }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_and_nothing_is_a_formula() {
        assert_eq!(quoted("a, \"b\""), "\"a, \"\"b\"\"\"");
        assert_eq!(quoted("=HYPERLINK(1)"), "'=HYPERLINK(1)");
        assert_eq!(quoted("+15551234"), "+15551234", "a number stays one");
        assert_eq!(quoted("@x"), "'@x");
    }
}
