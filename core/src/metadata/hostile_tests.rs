//! Documents made to hurt, and documents that only look so: what is dropped, what is repaired, and that it is told.

use super::*;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

const HEAD: &str = "<recording xmlns='urn:ietf:params:xml:ns:recording:1'><datamode>complete</datamode>";

fn document(elements: &str) -> String {
    format!("{HEAD}{elements}</recording>")
}

fn read(text: &str) -> (Option<Document>, Vec<String>) {
    let parsed = parse("application/rs-metadata+xml", text.as_bytes());
    (parsed.document, parsed.deviations.into_iter().map(|deviation| deviation.code).collect())
}

fn names(document: &Document) -> Vec<String> {
    let name = |p: &ParticipantElement| p.names.first().and_then(|n| n.display.clone()).unwrap_or_default();
    document.participants.iter().map(name).collect()
}

#[test]
fn a_billion_laughs_and_outside_entities_are_not_read() {
    let mut laughs = String::from("<!DOCTYPE lolz [<!ENTITY lol0 'lol'>");
    for n in 1..10 {
        let inner = format!("&lol{};", n - 1).repeat(10);
        laughs.push_str(&format!("<!ENTITY lol{n} '{inner}'>"));
    }
    laughs.push_str("]>");
    let participant =
        "<participant participant_id='p'><nameID aor='sip:a@b'><name>&lol9;</name></nameID></participant>";
    for doctype in [
        laughs.as_str(),
        "<!DOCTYPE r [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>",
        "<!DOCTYPE r SYSTEM 'http://192.0.2.1/x.dtd'>",
        "<!doctype r>",
        "<!-- first --> <!DOCTYPE r [",
    ] {
        let (found, codes) = read(&format!("<?xml version='1.0'?>{doctype}{}", document(participant)));
        assert_eq!((found, codes), (None, ["document-type".into()].to_vec()), "{doctype}");
    }
    // Within the root it is no document type, and is not read either.
    assert_eq!(read(&document("<!DOCTYPE r [<!ENTITY x 'y'>]>")).0, None);
    // An entity that nobody defined is text.
    let (found, codes) = read(&document(participant));
    assert_eq!(names(&found.unwrap()), ["&lol9;"]);
    assert!(codes.contains(&"unescaped-ampersand".into()));
}

#[test]
fn depth_and_counts_end() {
    let deep = document(&format!("{}{}", "<a>".repeat(100_000 / 7), "</a>".repeat(100_000 / 7)));
    let (found, codes) = read(&deep);
    assert_eq!(found.unwrap().mode, DataMode::Partial, "nothing that is missing from it is over");
    assert!(codes.contains(&"too-large".into()) && codes.contains(&"truncated".into()), "{codes:?}");
    let many: String = (0..100_000 / 9).map(|n| format!(" a{n:05}=''")).collect();
    let (found, codes) = read(&document(&format!("<participant participant_id='p'{}/>", &many[..50_000])));
    assert_eq!(found.unwrap().participants.len(), 1);
    assert!(codes.contains(&"surplus-attribute".into()), "{codes:?}");
    let wide = document(&"<stream stream_id='s'/>".repeat(2_500));
    assert!(read(&wide).1.contains(&"id-used-twice".into()));
    let long = document(&format!("<group group_id='{}'/>", "g".repeat(60_000)));
    assert_eq!(read(&long).0.unwrap().groups[0].id.len(), 1024);
}

#[test]
fn what_is_not_closed_ends_with_the_document() {
    let good = "<participant participant_id='p'><nameID aor='sip:a@b'><name>Ann</name></nameID></participant>";
    for cut in
        ["<!-- no end", "<![CDATA[ no end", "<?no end", "<participant participant_id='q", "<participant ", "</", "<"]
    {
        let text = format!("{HEAD}{good}{cut}");
        let (found, codes) = read(&text);
        let found = found.unwrap_or_else(|| panic!("{cut}"));
        assert_eq!((names(&found), found.mode), (["Ann".into()].to_vec(), DataMode::Partial), "{cut}");
        assert!(codes.contains(&"truncated".into()), "{cut}: {codes:?}");
    }
    // A section in a name is its text.
    let (found, codes) = read(&document(&good.replace("Ann", "<![CDATA[Ann & <Ben>]]>")));
    assert_eq!(
        (names(&found.unwrap()), codes.contains(&"unescaped-ampersand".into())),
        (["Ann & <Ben>".into()].to_vec(), false)
    );
}

#[test]
fn names_with_unescaped_characters_are_repaired_and_told() {
    for (name, expected, code) in [
        ("Tom & Jerry <x>", "Tom & Jerry <x>", "unescaped-less-than"),
        ("Tom & Jerry", "Tom & Jerry", "unescaped-ampersand"),
        ("Q&A; R&D", "Q&A; R&D", "unescaped-ampersand"),
        ("a < b > c", "a < b > c", "unescaped-less-than"),
        ("<ann@example.com>", "<ann@example.com>", "unescaped-less-than"),
        ("Ann <Sales> Smith", "Ann <Sales> Smith", "unescaped-less-than"),
        ("<<Ann>>", "<<Ann>>", "unescaped-less-than"),
        ("Ann &amp; Ben & Co", "Ann & Ben & Co", "unescaped-ampersand"),
    ] {
        let element = format!(
            "<participant participant_id='p'><nameID aor='sip:a@b'><name>{name}</name></nameID></participant>\
             <participant participant_id='q'><nameID aor='sip:c@d'><name>Ben</name></nameID></participant>"
        );
        let (found, codes) = read(&document(&element));
        assert_eq!(names(&found.unwrap()), [expected, "Ben"], "{name}");
        assert!(codes.contains(&code.into()), "{name}: {codes:?}");
    }
}

#[test]
fn names_are_read_out_of_what_is_broken() {
    for (broken, expected, code) in [
        (
            "<participant participant_id='p'><nameID aor='sip:a@b'><name>Ann</name></nameID></Participant>",
            "Ann",
            "end-tag-case",
        ),
        (
            "<Participant participant_id='p'><nameID aor='sip:a@b'><name>Ann</NAME></nameid></participant>",
            "Ann",
            "end-tag-case",
        ),
        (
            "<participant participant_id=p><nameID aor=sip:a@b><name>Ann</name></nameID></participant>",
            "Ann",
            "unquoted-attribute",
        ),
        (
            "<participant participant_id='p'><nameID aor='sip:a@b'><name>Ren&eacute;</name></nameID></participant>",
            "Ren\u{e9}",
            "named-entity",
        ),
        ("<participant participant_id='p'><nameID aor='sip:a@b'>Ann</nameID></participant>", "Ann", "name-in-name-id"),
        ("<participant participant_id='p'><nameID aor='sip:a@b'>sip:a@b</nameID></participant>", "", "name-in-name-id"),
        ("<participant participant_id='p'><nameID>\n sip:a@b\n</nameID></participant>", "", "name-in-name-id"),
        (
            "<participant participant_id='p'><nameID aor='sip:a@b'><name>Ann\r\n\t Lee  X</name></nameID></participant>",
            "Ann Lee X",
            "name-blanks",
        ),
        (
            "<participant participant_id='p'><nameID aor='sip:a@b'><name>A\0nn</name></nameID></participant>\0",
            "Ann",
            "nul-bytes",
        ),
    ] {
        let next = "<participant participant_id='q'><nameID aor='sip:c@d'><name>Ben</name></nameID></participant>";
        let (found, codes) = read(&document(&format!("{broken}{next}")));
        let found = found.unwrap();
        assert_eq!(names(&found), [expected, "Ben"], "{broken}");
        assert_eq!(
            (found.participants[0].names[0].aor.as_str(), &*found.participants[0].id),
            ("sip:a@b", "p"),
            "{broken}"
        );
        let told: Vec<&String> =
            codes.iter().filter(|code| !["id-form", "element-spelling"].contains(&code.as_str())).collect();
        assert_eq!(told, [code], "{broken}");
    }
    // Blanks around a name are how documents are indented.
    let plain =
        "<participant participant_id='p'><nameID aor='sip:a@b'>\n <name>\n Ann\n </name>\n</nameID></participant>";
    let (found, codes) = read(&document(plain));
    assert_eq!((names(&found.unwrap()), codes), (["Ann".into()].to_vec(), ["id-form".into()].to_vec()));
}

#[test]
fn attributes_with_unescaped_characters_are_repaired_and_told() {
    for (aor, expected) in [
        ("sip:tom&jerry@h", "sip:tom&jerry@h"),
        ("Tom & Jerry <sip:a@b>", "Tom & Jerry <sip:a@b>"),
        ("\"Tom\" <sip:a@b>", "\"Tom\" <sip:a@b>"),
        ("sip:a@b;x=\"y\";z=1", "sip:a@b;x=\"y\";z=1"),
    ] {
        let element = format!(
            "<participant participant_id=\"p\"><nameID aor=\"{aor}\"><name>Ann</name></nameID></participant>\
             <participant participant_id=\"q\"><nameID aor=\"sip:c@d\"><name>Ben</name></nameID></participant>"
        );
        let (found, codes) = read(&document(&element));
        let found = found.unwrap();
        assert_eq!(found.participants[0].names[0].aor, expected);
        assert_eq!(names(&found), ["Ann", "Ben"], "{aor}");
        assert!(codes.iter().any(|code| code.starts_with("unescaped-")), "{aor}: {codes:?}");
    }
}

#[test]
fn every_encoding_that_lies_or_not() {
    let text = document(
        "<participant participant_id='p'><nameID aor='sip:a@b'><name>Zo\u{eb} \u{17b}</name></nameID></participant>",
    );
    let declared = |encoding: &str| format!("<?xml version='1.0' encoding='{encoding}'?>{text}");
    let utf16 = |text: &str, big: bool, mark: bool| -> Vec<u8> {
        let units = mark.then_some(0xfeff).into_iter().chain(text.encode_utf16());
        units.flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
    };
    let plain = "application/rs-metadata+xml";
    let cases: [(&str, Vec<u8>); 10] = [
        (plain, text.clone().into_bytes()),
        (plain, [b"\xef\xbb\xbf".as_slice(), declared("UTF-8").as_bytes()].concat()),
        (plain, declared("utf-16").into_bytes()),
        (plain, declared("klingon").into_bytes()),
        (plain, utf16(&declared("UTF-16"), true, true)),
        (plain, utf16(&declared("UTF-16"), false, true)),
        (plain, utf16(&declared("UTF-16"), true, false)),
        (plain, utf16(&text, false, false)),
        ("application/rs-metadata+xml; charset=utf-16be", utf16(&text, true, false)),
        ("application/rs-metadata+xml; charset=\"UTF-16LE\"", utf16(&text, false, false)),
    ];
    for (place, (content_type, bytes)) in cases.iter().enumerate() {
        let parsed = parse(content_type, bytes);
        let found = parsed.document.unwrap_or_else(|| panic!("{place}: {:?}", parsed.deviations));
        assert_eq!(names(&found), ["Zo\u{eb} \u{17b}"], "{place}");
    }
    // Latin-1 declared, and Latin-1 that says it is UTF-8.
    let latin: Vec<u8> = text.replace('\u{17b}', "").chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    for head in ["<?xml version='1.0' encoding='ISO-8859-1'?>", "<?xml version='1.0' encoding='UTF-8'?>", ""] {
        let parsed = parse(plain, &[head.as_bytes(), &latin].concat());
        assert_eq!(names(&parsed.document.unwrap()), ["Zo\u{eb}"], "{head}");
        assert_eq!(parsed.deviations.iter().any(|d| d.code == "bad-utf-8"), !head.contains("8859"), "{head}");
    }
    let whole = utf16(&text, true, true);
    assert!(parse(plain, &whole[..whole.len() - 3]).document.is_some(), "half a character at its end");
}
