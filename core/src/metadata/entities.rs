//! Names of characters that HTML has and XML has not, and the octets of windows-1252: what is sent where UTF-8 should be.

/// U+00A0 to U+00FF by their names in HTML.
const LATIN_1: [&str; 96] = [
    "nbsp", "iexcl", "cent", "pound", "curren", "yen", "brvbar", "sect", "uml", "copy", "ordf", "laquo", "not", "shy",
    "reg", "macr", "deg", "plusmn", "sup2", "sup3", "acute", "micro", "para", "middot", "cedil", "sup1", "ordm",
    "raquo", "frac14", "frac12", "frac34", "iquest", "Agrave", "Aacute", "Acirc", "Atilde", "Auml", "Aring", "AElig",
    "Ccedil", "Egrave", "Eacute", "Ecirc", "Euml", "Igrave", "Iacute", "Icirc", "Iuml", "ETH", "Ntilde", "Ograve",
    "Oacute", "Ocirc", "Otilde", "Ouml", "times", "Oslash", "Ugrave", "Uacute", "Ucirc", "Uuml", "Yacute", "THORN",
    "szlig", "agrave", "aacute", "acirc", "atilde", "auml", "aring", "aelig", "ccedil", "egrave", "eacute", "ecirc",
    "euml", "igrave", "iacute", "icirc", "iuml", "eth", "ntilde", "ograve", "oacute", "ocirc", "otilde", "ouml",
    "divide", "oslash", "ugrave", "uacute", "ucirc", "uuml", "yacute", "thorn", "yuml",
];

/// Those of windows-1252 beyond it.
const MORE: [(&str, char); 18] = [
    ("euro", '\u{20ac}'),
    ("hellip", '\u{2026}'),
    ("Scaron", '\u{160}'),
    ("scaron", '\u{161}'),
    ("OElig", '\u{152}'),
    ("oelig", '\u{153}'),
    ("Yuml", '\u{178}'),
    ("lsquo", '\u{2018}'),
    ("rsquo", '\u{2019}'),
    ("sbquo", '\u{201a}'),
    ("ldquo", '\u{201c}'),
    ("rdquo", '\u{201d}'),
    ("bdquo", '\u{201e}'),
    ("bull", '\u{2022}'),
    ("ndash", '\u{2013}'),
    ("mdash", '\u{2014}'),
    ("trade", '\u{2122}'),
    ("permil", '\u{2030}'),
];

/// Octets 0x80 to 0x9F of windows-1252; what it leaves out is no character.
const BEYOND_LATIN_1: [char; 32] = [
    '\u{20ac}', '\u{fffd}', '\u{201a}', '\u{192}', '\u{201e}', '\u{2026}', '\u{2020}', '\u{2021}', '\u{2c6}',
    '\u{2030}', '\u{160}', '\u{2039}', '\u{152}', '\u{fffd}', '\u{17d}', '\u{fffd}', '\u{fffd}', '\u{2018}',
    '\u{2019}', '\u{201c}', '\u{201d}', '\u{2022}', '\u{2013}', '\u{2014}', '\u{2dc}', '\u{2122}', '\u{161}',
    '\u{203a}', '\u{153}', '\u{fffd}', '\u{17e}', '\u{178}',
];

/// The character that HTML calls `name`; XML's own five are not among them.
pub(super) fn named(name: &str) -> Option<char> {
    let latin = LATIN_1.iter().zip('\u{a0}'..='\u{ff}').find(|(known, _)| **known == name).map(|(_, c)| c);
    latin.or_else(|| MORE.iter().find(|(known, _)| *known == name).map(|(_, c)| *c))
}

/// What an octet is in windows-1252, which has all printable characters of ISO-8859-1.
pub(super) fn windows_1252(octet: u8) -> char {
    let beyond = octet.checked_sub(0x80).and_then(|place| BEYOND_LATIN_1.get(usize::from(place)));
    beyond.copied().unwrap_or(char::from(octet))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_octets_are_those_of_the_tables() {
        let names =
            ["nbsp", "laquo", "iquest", "Agrave", "AElig", "ETH", "times", "szlig", "eacute", "ouml", "yuml", "euro"];
        let found: alloc::string::String = names.iter().filter_map(|name| named(name)).collect();
        assert_eq!(found, "\u{a0}«¿ÀÆÐ×ßéöÿ€");
        assert_eq!((named("amp"), named("EACUTE"), named("")), (None, None, None));
        let octets: alloc::string::String =
            [b'A', 0x80, 0x8a, 0x92, 0x9f, 0xa0, 0xe9, 0xff].map(windows_1252).iter().collect();
        assert_eq!(octets, "A€Š’Ÿ\u{a0}éÿ");
        assert_eq!(windows_1252(0x81), char::REPLACEMENT_CHARACTER);
    }
}
