//! Dialects, broken documents and hostile ones.

use super::*;
use alloc::format;
use proptest::prelude::*;

fn parsed(body: &str) -> Parsed {
    parse("application/rs-metadata+xml", body.as_bytes())
}

fn codes(parsed: &Parsed) -> Vec<&str> {
    parsed.deviations.iter().map(|d| d.code.as_str()).collect()
}

const CLEAN: &str = "<?xml version='1.0' encoding='UTF-8'?>
<recording xmlns='urn:ietf:params:xml:ns:recording:1'><datamode>complete</datamode>
<group group_id='7+OTCyoxTmqmqyA/1weDAg=='><associate-time>2010-12-16T23:41:07Z</associate-time>
<my xmlns='http://example.com/my' v='2'><a>FOO!</a><b><c>bar</c></b></my></group>
<session session_id='hVpd7YQgRW2nD22h7q60JQ=='><sipSessionID>ab30317f1a784dc48ff824d0d3715d86;
   remote=47755a9de7794ba387653f2099600ef2</sipSessionID><sipSessionID>second</sipSessionID>
<reason cause='200'/><reason protocol='Q.850' cause='16'>Normal</reason><group-ref>7+OTCyoxTmqmqyA/1weDAg==</group-ref></session>
<participant participant_id='srfBElmCRp2QB23b7Mpk0w=='><nameID aor='sip:bob@biloxi.com'><name xml:lang='it'>Bob</name></nameID>
<nameID aor='tel:+1-555-0100'/></participant>
<stream stream_id='UAAMm5GRQKSCMVvLyl4rFw==' session_id='hVpd7YQgRW2nD22h7q60JQ=='><label>96</label></stream>
<sessionrecordingassoc session_id='hVpd7YQgRW2nD22h7q60JQ=='><associate-time>2010-12-16T23:41:07Z</associate-time></sessionrecordingassoc>
<participantsessionassoc participant_id='srfBElmCRp2QB23b7Mpk0w==' session_id='hVpd7YQgRW2nD22h7q60JQ=='>
<associate-time>2010-12-16T23:41:07Z</associate-time><param pname='isfocus' pval='yes'/></participantsessionassoc>
<participantstreamassoc participant_id='srfBElmCRp2QB23b7Mpk0w=='><send>UAAMm5GRQKSCMVvLyl4rFw==</send></participantstreamassoc>
</recording>";

#[test]
fn a_document_by_the_book_has_no_deviations() {
    let parsed = parsed(CLEAN);
    assert_eq!(codes(&parsed), [] as [&str; 0]);
    let document = parsed.document.unwrap();
    let session = &document.sessions[0];
    assert_eq!(session.sip_session_ids[0], "ab30317f1a784dc48ff824d0d3715d86;remote=47755a9de7794ba387653f2099600ef2");
    assert_eq!((session.sip_session_ids.len(), session.group.as_deref()), (2, Some("7+OTCyoxTmqmqyA/1weDAg==")));
    let reasons: Vec<_> =
        session.reasons.iter().map(|r| (r.protocol.as_str(), r.cause.as_str(), r.text.as_str())).collect();
    assert_eq!(reasons, [("SIP", "200", ""), ("Q.850", "16", "Normal")]);
    let names = &document.participants[0].names;
    assert_eq!((names[0].display.as_deref(), names[0].lang.as_deref()), (Some("Bob"), Some("it")));
    assert_eq!((names[1].aor.as_str(), names[1].normalised.as_str()), ("tel:+1-555-0100", "+15550100"));
    assert_eq!(document.participant_sessions[0].params, [("isfocus".to_string(), "yes".to_string())]);
    let extension = &document.groups[0].extensions[0];
    assert_eq!(extension.xml, "<my xmlns='http://example.com/my' v='2'><a>FOO!</a><b><c>bar</c></b></my>");
    let fields: Vec<_> = extension.fields.iter().map(|(path, value)| format!("{path}={value}")).collect();
    assert_eq!(fields, ["my/@v=2", "my/a=FOO!", "my/b/c=bar"]);
}

#[test]
fn the_order_of_elements_means_nothing() {
    let root = CLEAN.find("<datamode>").unwrap();
    let (head, rest) = CLEAN.split_at(root);
    let participant = rest.find("<participant ").unwrap();
    let moved =
        format!("{head}{}{}</recording>", rest[participant..].replace("</recording>", ""), &rest[..participant]);
    let (one, two) = (parsed(CLEAN).document.unwrap(), parsed(&moved).document.unwrap());
    assert_eq!(one, two);
}

#[test]
fn opensips_forgets_to_escape() {
    let body = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<recording xmlns='urn:ietf:params:xml:ns:recording:1'>
\t<datamode>complete</datamode>
\t<participant participant_id=\"8m+ClMOiSDyCn2AI3CHNzA==\">
\t\t<nameID aor=\"sip:alice@example.test;x=a&b\">
\t\t\t<name>Tom & Jerry <b></name>
\t\t</nameID>
\t</participant>
\t<participant participant_id=\"f53PDQ16SjCvNhqxasu9JA==\">
\t\t<nameID aor=\"sip:bob@example.test\"/>
\t</participant>
</recording>";
    let parsed = parsed(body);
    assert_eq!(codes(&parsed), ["unescaped-ampersand", "unescaped-less-than"]);
    let document = parsed.document.unwrap();
    assert_eq!((document.mode, document.participants.len()), (DataMode::Complete, 2));
    let name = &document.participants[0].names[0];
    assert_eq!((name.display.as_deref(), name.aor.as_str()), (Some("Tom & Jerry <b>"), "sip:alice@example.test;x=a&b"));
}

#[test]
fn oracle_and_audiocodes_put_everything_into_the_participant() {
    let body = "<r:recording xmlns:r='urn:ietf:params:xml:ns:recording' xmlns:ac='http://AudioCodes'><r:dataMode> Complete </r:dataMode>
        <r:participant id='+1' session='S'><r:nameID aor='+1@h'></r:nameID><r:send>a</r:send><r:recv>b</r:recv>
        <r:associate-time>2023-12-27T03:44:59</r:associate-time><ac:AvayaUCID>FA08</ac:AvayaUCID></r:participant></r:recording>";
    let parsed = parsed(body);
    let expected = [
        "namespace",
        "datamode-spelling",
        "aor-form",
        "id-attribute",
        "time-without-zone",
        "send-in-participant",
        "id-form",
    ];
    assert_eq!(codes(&parsed), expected);
    let document = parsed.document.unwrap();
    assert!(document.dialect.sends_in_participants && document.mode == DataMode::Complete);
    assert_eq!((&*document.participant_streams[0].send[0], &*document.participant_streams[0].recv[0]), ("a", "b"));
    assert_eq!(document.participant_sessions[0].session, "S");
    let extensions = &document.participants[0].extensions;
    assert_eq!((extensions.len(), extensions[0].field("AvayaUCID")), (1, Some("FA08")));
}

#[test]
fn what_is_foreign_is_never_taken_for_ours() {
    let body = "<recording xmlns='urn:ietf:params:xml:ns:recording:1'><x:session xmlns:x='v' session_id='1'/>
        <participant participant_id='p'><x:nameID xmlns:x='v' aor='no'/><nameID aor='sip:yes'/></participant><future/></recording>";
    let document = parsed(body).document.unwrap();
    assert_eq!((document.sessions.len(), document.participants[0].names[0].aor.as_str()), (0, "sip:yes"));
    let names: Vec<_> = document.extensions.iter().map(|e| e.name.as_str()).collect();
    assert_eq!((names, document.participants[0].extensions.len()), (["session", "future"].to_vec(), 1));
}

#[test]
fn what_is_broken_costs_only_itself() {
    let cut = CLEAN.find("<stream ").unwrap();
    let truncated = parsed(&CLEAN[..cut + 20]);
    assert!(codes(&truncated).contains(&"truncated"));
    let document = truncated.document.unwrap();
    assert_eq!((document.mode, document.participants.len(), document.streams.len()), (DataMode::Partial, 1, 0));
    let no_end = parsed(
        "<recording xmlns='urn:ietf:params:xml:ns:recording:1'><session session_id='S'><stream stream_id='x'/></recording>",
    );
    assert_eq!(no_end.document.map(|d| (d.sessions.len(), d.streams.len())), Some((1, 1)));
    for (body, code) in [
        ("", "no-document"),
        ("just words", "no-document"),
        ("<html><body>no</body></html>", "nothing-read"),
        (
            "<recording_metadata xmlns='urn:ietf:params:xml:ns:siprec'>completeSRCselective</recording_metadata>",
            "nothing-read",
        ),
        ("<requestsnapshot xmlns='urn:ietf:params:xml:ns:recording:1'/>", "snapshot-request"),
        ("<!DOCTYPE recording [<!ENTITY a 'b'>]><recording><session session_id='&a;'/></recording>", "document-type"),
    ] {
        let parsed = parsed(body);
        assert!(parsed.document.is_none() && codes(&parsed).contains(&code), "{body}: {parsed:?}");
    }
    let empty =
        parsed("<recording xmlns='urn:ietf:params:xml:ns:recording:1'><datamode>complete</datamode></recording>");
    assert_eq!(
        empty,
        Parsed { document: empty.document.clone(), deviations: Vec::new() },
        "nothing goes on: RFC 7865 6.1.2"
    );
    assert!(empty.document.is_some());
}

const NS: &str = "xmlns='urn:ietf:params:xml:ns:recording:1'";

#[test]
fn a_mode_that_is_left_out_is_complete_and_one_misspelt_is_told() {
    let mode = |element: &str| {
        let parsed = parsed(&format!("<recording {NS}>{element}<session session_id='S'/></recording>"));
        let codes: Vec<String> = parsed.deviations.iter().map(|d| d.code.to_string()).collect();
        (parsed.document.unwrap().mode, codes.iter().any(|code| code.starts_with("datamode")))
    };
    assert_eq!(mode(""), (DataMode::Complete, false));
    assert_eq!(mode("<datamode>partial</datamode>"), (DataMode::Partial, false));
    assert_eq!(mode("<datamode>Partial</datamode>"), (DataMode::Partial, true));
    assert_eq!(mode("<datamode>whole</datamode>"), (DataMode::Partial, true), "what is unknown discards nothing");
}

#[test]
fn of_two_roots_the_first_is_read_and_the_other_never_mixed_in() {
    let one = format!("<recording {NS}><session session_id='hVpd7YQgRW2nD22h7q60JQ=='/></recording>");
    let two = format!("{one}<recording {NS}><session session_id='7+OTCyoxTmqmqyA/1weDAg=='/></recording>");
    let document = parsed(&two).document.unwrap();
    let ids: Vec<_> = document.sessions.iter().map(|s| s.id.as_str()).collect();
    assert_eq!(ids, ["hVpd7YQgRW2nD22h7q60JQ=="]);
}

#[test]
fn what_may_be_left_out_may_be_left_out() {
    let elements = "<session session_id='S'><sipSessionID>a</sipSessionID><sipSessionID>b</sipSessionID>
        <sipSessionID>c</sipSessionID><group-ref>nowhere</group-ref></session><session session_id='T'/>
        <participant participant_id='alone'><nameID aor='tel:+15550100'/></participant><stream stream_id='bare'/>
        <sessionrecordingassoc session_id='S'/>";
    let document = parsed(&format!("<recording {NS}>{elements}</recording>")).document.unwrap();
    let [first, second] = &document.sessions[..] else { panic!("two sessions") };
    assert_eq!((first.sip_session_ids.len(), first.group.as_deref()), (3, Some("nowhere")));
    assert_eq!((second.sip_session_ids.len(), second.group.as_deref(), second.reasons.len()), (0, None, 0));
    assert_eq!((document.participants[0].id.as_str(), document.participant_sessions.len()), ("alone", 0));
    assert_eq!(document.streams[0].id, "bare");
}

#[test]
fn encodings_are_honoured() {
    let body = |encoding: &str, name: &[u8]| {
        let head = format!(
            "<?xml version='1.0' encoding='{encoding}'?><recording xmlns='urn:ietf:params:xml:ns:recording:1'><participant participant_id='p'><name>"
        );
        [head.as_bytes(), name, b"</name></participant></recording>"].concat()
    };
    let name = |content_type: &str, body: &[u8]| {
        parse(content_type, body).document.unwrap().participants[0].names[0].display.clone().unwrap()
    };
    assert_eq!(name("application/rs-metadata", &body("ISO-8859-1", b"Jos\xe9")), "Jos\u{e9}");
    assert_eq!(
        name("application/rs-metadata; charset=UTF-8", &body("ISO-8859-1", "Jos\u{e9}".as_bytes())),
        "Jos\u{e9}"
    );
    assert_eq!(name("application/rs-metadata", &body("UTF-8", b"Jos\xe9")), "Jos\u{e9}");
    let bom = [b"\xef\xbb\xbf".as_slice(), &body("UTF-8", "\u{17b}".as_bytes())].concat();
    assert_eq!(name("application/rs-metadata", &bom), "\u{17b}");
}

#[test]
fn unknown_versions_and_reused_ids_are_told() {
    let body = "<recording xmlns='urn:ietf:params:xml:ns:recording:2'><datamode>some</datamode>
        <session session_id='hVpd7YQgRW2nD22h7q60JQ=='/><stream stream_id='hVpd7YQgRW2nD22h7q60JQ=='/></recording>";
    let parsed = parsed(body);
    assert_eq!(codes(&parsed), ["unknown-version", "datamode-value", "id-used-twice"]);
    assert_eq!(parsed.document.unwrap().mode, DataMode::Partial);
}

#[test]
fn size_is_bounded() {
    let fields = "<b>x</b>".repeat(5_000);
    let body = format!("<recording xmlns='urn:ietf:params:xml:ns:recording:1'><v xmlns='v'>{fields}</v></recording>");
    let parsed = parsed(&body);
    let document = parsed.document.unwrap();
    assert_eq!((document.mode, document.extensions[0].fields.len()), (DataMode::Partial, MAX_FIELDS));
    let long = "y".repeat(100_000);
    let body = format!(
        "<recording xmlns='urn:ietf:params:xml:ns:recording:1'><participant participant_id='{long}'/></recording>"
    );
    let cut = super::super::parse("x/y", body.as_bytes()).document.unwrap();
    assert!(cut.mode == DataMode::Partial && cut.participants.is_empty());
    let body = body.replace(&long, &long[..5_000]);
    assert_eq!(super::super::parse("x/y", body.as_bytes()).document.unwrap().participants[0].id.len(), MAX_TEXT);
}

#[test]
fn the_roots_prefix_and_its_declarations_are_kept_for_requests() {
    let dialect = |root: &str, declares: &str| {
        let name = root.split(':').next_back().unwrap();
        let body = format!("<{root} {declares}><session session_id='s'/></{root}>");
        let dialect = parsed(&body).document.unwrap().dialect;
        assert_eq!(dialect.root, name);
        (dialect.prefix, dialect.namespace, dialect.declared)
    };
    let (ours, other) = ("urn:ietf:params:xml:ns:recording:1", "urn:other");
    let declares = format!("xmlns:rec='{ours}' xmlns:o='{other}'");
    assert_eq!(dialect("rec:recording", &declares), ("rec".into(), ours.into(), [other.into()].into()));
    assert_eq!(dialect("recording", &format!("xmlns='{ours}'")), (String::new(), ours.into(), Vec::new()));
}

#[test]
fn namespaces_in_vendors_data_are_kept_each_once() {
    let data = |inner: &str| {
        let body = format!(
            "<recording xmlns='urn:ietf:params:xml:ns:recording:1'><session session_id='s'/><my xmlns='urn:my'>{inner}</my></recording>"
        );
        parsed(&body).document.unwrap().extensions.remove(0).namespaces
    };
    assert_eq!(data("<a/><b xmlns=''/><c xmlns='urn:ietf:params:xml:ns:recording:1'/>"), [] as [&str; 0]);
    assert_eq!(data("<a xmlns='urn:1'><b xmlns='urn:2'/></a><c xmlns='urn:1'/>"), ["urn:1", "urn:2"]);
    let many: String = (1..9).map(|n| format!("<a xmlns='urn:{n}'/>")).collect();
    assert_eq!(data(&many), ["urn:1", "urn:2", "urn:3", "urn:4"]);
    assert_eq!(data("<a xmlns:x='urn:1' xmlns:y='urn:2' xmlns:z='urn:3' xmlns:v='urn:4' xmlns:w='urn:5'/>").len(), 4);
}

#[test]
fn a_participant_that_tells_its_session_or_times_itself_is_associated() {
    let associations = |attribute: &str, inner: &str| {
        let body = format!(
            "<recording xmlns='urn:ietf:params:xml:ns:recording:1'><participant participant_id='p' {attribute}>{inner}</participant></recording>"
        );
        let found = parsed(&body).document.unwrap().participant_sessions;
        found.into_iter().map(|a| (a.session, a.associated.is_some(), a.disassociated.is_some())).collect::<Vec<_>>()
    };
    let (joined, left) = (
        "<associate-time>2026-01-01T00:00:00Z</associate-time>",
        "<disassociate-time>2026-01-01T00:00:00Z</disassociate-time>",
    );
    assert_eq!(associations("", "<aor>sip:a@b</aor>"), []);
    assert_eq!(associations("session='s'", ""), [("s".into(), false, false)]);
    assert_eq!(associations("", joined), [(String::new(), true, false)]);
    assert_eq!(associations("", left), [(String::new(), false, true)]);
}

proptest! {
    #[test]
    fn never_panics(body in proptest::collection::vec(any::<u8>(), 0..300), content_type in "[a-z/;= \"-]{0,30}") {
        let _ = parse(&content_type, &body);
    }

    /// Bytes of a good document changed, dropped and doubled.
    #[test]
    fn never_panics_on_damaged_documents(edits in proptest::collection::vec((0usize..2_000, 0usize..40, "[<>&'\"/a-z=;!-]{0,6}"), 1..6)) {
        let mut body = CLEAN.as_bytes().to_vec();
        for (at, length, text) in edits {
            let at = at.min(body.len());
            let end = (at + length).min(body.len());
            body.splice(at..end, text.bytes());
        }
        let parsed = parse("application/rs-metadata", &body);
        if let Some(document) = parsed.document {
            let mut snapshot = super::super::Snapshot::default();
            snapshot.apply(&document, crate::time::Wall(1));
            snapshot.caller_callee(None, &[Some("96".into())]);
            snapshot.apply(&document, crate::time::Wall(2));
        }
    }
}
