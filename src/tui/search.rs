//! What an operator types to find recordings, as the API's filters: `alice since:2h min:30s faulty`.

/// Filters with a value: how they are typed, and their names in the API.
const NAMED: [(&str, &str); 16] = [
    ("since", "since"),
    ("until", "until"),
    ("caller", "caller"),
    ("callee", "callee"),
    ("who", "participant"),
    ("participant", "participant"),
    ("number", "number_ends"),
    ("call", "call"),
    ("label", "label"),
    ("vendor", "vendor"),
    ("state", "state"),
    ("min", "min_duration"),
    ("max", "max_duration"),
    ("loss", "min_loss"),
    ("tag", "tag"),
    ("text", "text"),
];
/// Fewer digits are a word.
const FEWEST_DIGITS: usize = 3;

/// The query of a search; why it is none.
pub(super) fn query(typed: &str) -> Result<Vec<(&'static str, String)>, String> {
    let mut query: Vec<(&'static str, String)> = Vec::new();
    let mut words: Vec<&str> = Vec::new();
    for word in typed.split_whitespace() {
        if word == "faulty" || word == "held" {
            query.push((if word == "held" { "held" } else { "faulty" }, "true".to_owned()));
            continue;
        }
        if let Some((typed, value)) = word.split_once(':')
            && let Some((_, name)) = NAMED.iter().find(|(known, _)| *known == typed)
        {
            if value.is_empty() {
                return Err(format!("{typed}: what? For example {typed}:{}", example(name)));
            }
            query.push((name, value.to_owned()));
            continue;
        }
        if is_number(word) {
            query.push(("number_ends", word.to_owned()));
        } else {
            words.push(word);
        }
    }
    if !words.is_empty() {
        query.push(("text", words.join(" ")));
    }
    query.sort_by_key(|(name, _)| *name);
    if let Some(pair) = query.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(format!("{} is given twice", pair[0].0));
    }
    Ok(query)
}

/// Digits of a number, however they are written.
fn is_number(word: &str) -> bool {
    let digits = word.chars().filter(char::is_ascii_digit).count();
    digits >= FEWEST_DIGITS && word.chars().all(|char| char.is_ascii_digit() || "+-.()/".contains(char))
}

fn example(name: &str) -> &'static str {
    match name {
        "since" | "until" => "2h or since:2026-11-23",
        "min_duration" | "max_duration" => "30s",
        "min_loss" => "1",
        "state" => "interrupted",
        "number_ends" => "4711",
        _ => "alice",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(typed: &str) -> Vec<(&'static str, String)> {
        query(typed).unwrap()
    }

    #[test]
    fn words_numbers_and_named_filters_are_told_apart() {
        let wanted = [
            ("faulty", "true"),
            ("min_duration", "30s"),
            ("number_ends", "+49-4711"),
            ("since", "2h"),
            ("text", "alice müller"),
        ];
        let found = pairs("alice since:2h  min:30s faulty +49-4711 müller");
        assert_eq!(found.iter().map(|(name, value)| (*name, value.as_str())).collect::<Vec<_>>(), wanted);
        assert!(pairs("  ").is_empty());
        assert_eq!(pairs("sip:alice@example.com"), [("text", "sip:alice@example.com".to_owned())]);
        assert_eq!(pairs("42"), [("text", "42".to_owned())]);
    }

    #[test]
    fn what_is_no_search_is_told() {
        assert!(query("since:").unwrap_err().contains("since:2h"));
        assert_eq!(query("caller:a caller:b").unwrap_err(), "caller is given twice");
    }
}
