//! Lines as people type them into a shell, tried by the command line.

use std::path::Path;

/// Takes the words of the first command of a line; what follows a pipe, a redirection or a comment is the shell's. Words of
/// placeholders (`ID`, `HOST`) are put as they could be.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut signs = line.chars().peekable();
    while let Some(sign) = signs.next() {
        match (quote, sign) {
            (Some(open), close) if open == close => quote = None,
            (Some(_), inside) => word.get_or_insert_default().push(inside),
            (None, '\'' | '"') => {
                quote = Some(sign);
                word.get_or_insert_default();
            }
            (None, '|' | ';' | '>' | '&') => break,
            (None, '#') if word.is_none() => break,
            (None, '\\') => word.get_or_insert_default().extend(signs.next()),
            (None, blank) if blank.is_whitespace() => {
                words.extend(word.take());
                // Two blanks part a command from what is said of it.
                if signs.peek().is_some_and(|next| next.is_whitespace()) && !words.is_empty() {
                    break;
                }
            }
            (None, other) => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
}

/// Panics unless `siprec` understands the line.
#[track_caller]
pub(crate) fn must_parse(line: &str, place: &Path) {
    const ID: &str = "01a2261c-e420-7449-9e54-e09ba50d0382";
    let placed = |word: String| if word == "ID" || word.starts_with('$') { ID.to_owned() } else { word };
    let words: Vec<String> = words(line).into_iter().map(placed).collect();
    assert_eq!(words.first().map(String::as_str), Some("siprec"), "{}: {line}", place.display());
    if let Err(error) = siprec::cmd::command().try_get_matches_from(&words) {
        let is_help =
            matches!(error.kind(), clap::error::ErrorKind::DisplayHelp | clap::error::ErrorKind::DisplayVersion);
        assert!(is_help, "{}: `{line}` is no command line: {error}", place.display());
    }
}

#[test]
fn a_line_is_parted_as_a_shell_does() {
    assert_eq!(words("siprec export --id ID --to - | aplay"), ["siprec", "export", "--id", "ID", "--to", "-"]);
    assert_eq!(
        words("siprec replay --to 'sip:a;transport=tcp' # so"),
        ["siprec", "replay", "--to", "sip:a;transport=tcp"]
    );
    assert_eq!(words("siprec replay x.pcap     makes recordings"), ["siprec", "replay", "x.pcap"]);
    assert_eq!(words("siprec x --reason \"case 17\" > f"), ["siprec", "x", "--reason", "case 17"]);
}

#[test]
#[should_panic(expected = "is no command line")]
fn a_line_that_is_none_is_told() {
    must_parse("siprec export --tto x", Path::new("here"));
}
