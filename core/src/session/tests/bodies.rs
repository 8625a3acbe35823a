//! The bodies of requests in all the shapes in which SRCs send them (RFC 7866 9, RFC 5621, RFC 2046).

use super::*;
use crate::deviation::Deviation;

const SDP: &str = "Content-Type: application/sdp\r\n";

/// The labels of the snapshot that the newest metadata left behind.
fn labels(bench: &Bench) -> Vec<String> {
    let snapshot = |e: &Event| if let Event::Metadata { snapshot, .. } = e { Some(snapshot.clone()) } else { None };
    let newest = bench.events().iter().rev().find_map(snapshot);
    newest.iter().flat_map(|s| &s.streams).filter_map(|stream| stream.label()).map(String::from).collect()
}

fn deviations(bench: &Bench) -> Vec<Deviation> {
    let found = |e: Event| if let Event::Metadata { deviations, .. } = e { Some(deviations) } else { None };
    bench.events().into_iter().filter_map(found).flatten().collect()
}

/// What comes back to an INVITE with this body, and the server that answered it.
fn invited(headers: &str, body: &str) -> (Bench, Vec<Message>) {
    let mut bench = Bench::new();
    let invite = Call::new("a").request("INVITE", &format!("Require: siprec\r\n{headers}"), body);
    let answers = bench.send(&invite);
    (bench, answers)
}

#[test]
fn metadata_is_known_under_each_of_its_types() {
    for content_type in [
        "application/rs-metadata",
        "application/rs-metadata+xml",
        "Application/RS-Metadata+XML; charset=UTF-8",
        "application/rs-metadata;charset=\"utf-8\"",
    ] {
        let (headers, body) = multipart(&sdp("sendonly"), &metadata("s1"));
        let body = body.replace("application/rs-metadata+xml", content_type);
        let (bench, answers) = invited(&headers.replace("Require: siprec\r\n", ""), &body);
        assert_eq!((statuses(&answers), labels(&bench).len()), ([200].to_vec(), 2), "{content_type}");
        assert_eq!(deviations(&bench).iter().filter(|d| d.code.as_str() == "no-document").count(), 0);
    }
}

#[test]
fn metadata_needs_no_disposition() {
    let (headers, body) = multipart(&sdp("sendonly"), &metadata("s1"));
    let body = body.replace("Content-Disposition: recording-session\r\n", "");
    let (bench, answers) = invited(&headers.replace("Require: siprec\r\n", ""), &body);
    assert_eq!((statuses(&answers), labels(&bench)), ([200].to_vec(), ["1", "2"].map(String::from).to_vec()));
}

#[test]
fn one_body_alone_and_a_multipart_of_one_part_are_read() {
    let mut bench = Bench::new();
    let mut call = Call::new("a");
    let invite = call.request("INVITE", &format!("Require: siprec\r\n{SDP}"), &sdp("sendonly"));
    call.to_tag = bench.send(&invite)[0].to_tag().unwrap().to_string();
    let ack = call.request("ACK", "", "");
    bench.send(&ack);
    assert!(labels(&bench).is_empty());
    let alone = call.request("UPDATE", "Content-Type: application/rs-metadata+xml\r\n", &metadata("s1"));
    assert_eq!(statuses(&bench.send(&alone)), [200]);
    assert_eq!(labels(&bench), ["1", "2"]);
    let (headers, body) = multipart(&sdp("inactive"), "");
    let end = body.find("--bb\r\nContent-Type: application/rs-metadata").unwrap();
    let one = format!("{}--bb--\r\n", &body[..end]);
    let held = call.request("INVITE", &headers, &one);
    let answers = bench.send(&held);
    assert_eq!(statuses(&answers), [200]);
    assert!(String::from_utf8_lossy(&answers[0].body).contains("a=inactive"));
}

#[test]
fn every_kind_of_multipart_is_looked_through() {
    let (_, flat) = multipart(&sdp("sendonly"), &metadata("s1"));
    let nested = |kind: &str, inner: &str| {
        let headers = "Content-Type: multipart/mixed;boundary=outer\r\n".to_string();
        let body = format!(
            "--outer\r\nContent-Type: text/plain\r\nContent-Disposition: x;handling=optional\r\n\r\nhello\r\n--outer\r\n\
             Content-Type: multipart/{kind};boundary={inner}\r\n\r\n{flat}\r\n--outer--\r\n"
        );
        (headers, body)
    };
    for (headers, body) in [
        ("Content-Type: multipart/alternative;boundary=bb\r\n".to_string(), flat.clone()),
        ("Content-Type: Multipart/Never-Heard-Of; boundary=\"bb\"\r\n".to_string(), flat.clone()),
        nested("mixed", "bb"),
        nested("alternative", "bb"),
    ] {
        let (bench, answers) = invited(&headers, &body);
        assert_eq!((statuses(&answers), labels(&bench).len()), ([200].to_vec(), 2), "{headers}");
    }
}

#[test]
fn what_vendors_do_to_parts_does_no_harm() {
    let (headers, body) = multipart(&sdp("sendonly"), &metadata("s1"));
    let headers = headers.replace("Require: siprec\r\n", "");
    for (from, to) in [
        ("\r\n", "\n"),
        ("Content-Type: application/rs", "Content-Type:application/rs"),
        ("Content-Type: application/sdp\r\n", "Content-Type: application/sdp\r\nContent-Length: 12\r\n"),
        ("Content-Type: application/sdp\r\n", "Content-ID: <a@b>\r\nContent-Type: application/SDP\r\n"),
        ("\r\n--bb--\r\n", "\r\n"),
        ("--bb\r\nContent-Type: application/sdp", "made by nobody\r\n--bb  \r\nContent-Type: application/sdp"),
    ] {
        let (bench, answers) = invited(&headers, &body.replace(from, to));
        assert_eq!((statuses(&answers), labels(&bench).len()), ([200].to_vec(), 2), "{to:?}");
    }
}

#[test]
fn what_must_be_understood_and_is_not_is_415_with_what_would_be() {
    let (headers, body) = multipart(&sdp("sendonly"), &metadata("s1"));
    let headers = headers.replace("Require: siprec\r\n", "");
    let part = |disposition: &str| {
        let part = format!("\r\n--bb\r\nContent-Type: application/isup\r\n{disposition}\r\nx\r\n--bb--\r\n");
        body.replace("\r\n--bb--\r\n", &part)
    };
    let (_, answers) = invited(&headers, &part("Content-Disposition: signal;handling=optional\r\n"));
    assert_eq!(statuses(&answers), [200]);
    for (headers, body) in [
        (headers.as_str(), part("Content-Disposition: signal;handling=required\r\n")),
        ("Content-Type: application/foo\r\n", "x".to_string()),
    ] {
        let (bench, answers) = invited(headers, &body);
        assert_eq!((statuses(&answers), bench.srs.sessions()), ([415].to_vec(), 0));
        let accept = answers[0].header("Accept").unwrap();
        assert!(accept.contains("application/sdp") && accept.contains("application/rs-metadata+xml"), "{accept}");
    }
    let (_, answers) = invited("Content-Encoding: gzip\r\nContent-Type: application/sdp\r\n", &sdp("sendonly"));
    assert_eq!((statuses(&answers), answers[0].header("Accept-Encoding")), ([415].to_vec(), Some("identity")));
}

#[test]
fn each_request_may_bring_metadata_and_the_newest_counts() {
    let mut bench = Bench::new();
    let mut call = Call::set_up(&mut bench, "a");
    let relabelled = |to: &str| metadata("s1").replace("<label>2<", &format!("<label>{to}<"));
    for (method, label) in [("UPDATE", "22"), ("INVITE", "23"), ("UPDATE", "24")] {
        let (headers, body) =
            multipart(&sdp("sendonly").replace("a=label:2", &format!("a=label:{label}")), &relabelled(label));
        let request = call.request(method, &headers, &body);
        assert_eq!(statuses(&bench.send(&request)), [200], "{method}");
        let ack = call.repeat("ACK", "", "");
        bench.send(&ack);
        assert_eq!(labels(&bench), ["1", label], "{method}");
        assert_eq!(
            bench.settings.last().unwrap().stream.label.as_deref(),
            Some(label),
            "the m-line goes by its new name"
        );
    }
    let bye = call.request("BYE", "Content-Type: application/rs-metadata+xml\r\n", &relabelled("25"));
    assert_eq!(statuses(&bench.send(&bye)), [200]);
    assert_eq!(labels(&bench), ["1", "25"]);
}

#[test]
fn ids_of_another_src_are_no_fault() {
    let mut bench = Bench::new();
    Call::set_up(&mut bench, "a");
    Call::set_up(&mut bench, "b");
    let strangers = "<recording xmlns=\"urn:ietf:params:xml:ns:recording:1\"><datamode>partial</datamode>\
        <participantsessionassoc participant_id=\"p1\" session_id=\"defined-elsewhere\"/></recording>";
    let mut call = Call::set_up(&mut bench, "c");
    let update = call.request("UPDATE", "Content-Type: application/rs-metadata+xml\r\n", strangers);
    assert_eq!(statuses(&bench.send(&update)), [200]);
    assert_eq!(bench.srs.sessions(), 3);
}

#[test]
fn parts_are_known_by_what_they_hold() {
    let (headers, body) = multipart(&sdp("sendonly"), &metadata("s1"));
    let headers = headers.replace("Require: siprec\r\n", "");
    for (from, to) in [
        ("Content-Type: application/sdp\r\n", ""),
        ("Content-Type: application/sdp", "Content-Type: text/plain"),
        ("Content-Type: application/sdp", "Content-Type: application/rs-metadata+xml"),
        ("Content-Type: application/rs-metadata+xml\r\n", ""),
        ("Content-Type: application/rs-metadata+xml\r\nContent-Disposition: recording-session\r\n", ""),
        ("Content-Type: application/rs-metadata+xml", "Content-Type: application/sdp"),
        ("Content-Type: application/rs-metadata+xml", "Content-Type: text/html"),
        ("--bb--\r\n", "--bb--\r\nepilogue\r\n--bb\r\n"),
    ] {
        assert!(body.contains(from), "{from}");
        let (bench, answers) = invited(&headers, &body.replace(from, to));
        assert_eq!((statuses(&answers), labels(&bench).len()), ([200].to_vec(), 2), "{to:?}");
    }
    for content_type in ["", "c: multipart/mixed;boundary=x\r\n", "c: application/sdp\r\n"] {
        let (bench, answers) = invited(content_type, &body);
        assert_eq!((statuses(&answers), labels(&bench).len()), ([200].to_vec(), 2), "{content_type}");
        let (bench, answers) = invited(content_type, &body.replace("\r\n", "\n"));
        assert_eq!((statuses(&answers), labels(&bench).len()), ([200].to_vec(), 2), "{content_type}: LF");
    }
    let (_, answers) = invited("Content-Type: text/plain\r\n", &sdp("sendonly"));
    assert_eq!((statuses(&answers), answers[0].body.is_empty()), ([200].to_vec(), false));
}

#[test]
fn a_length_that_is_wrong_by_a_few_costs_no_call() {
    let (headers, body) = multipart(&sdp("sendonly"), &metadata("s1"));
    for (less, more) in [(0, "\r\n\0"), (1, ""), (4, ""), (8, "")] {
        let invite = Call::new("a").request("INVITE", &headers, &body);
        let cut = format!("{}{more}", &invite[..invite.len() - less]);
        let mut bench = Bench::new();
        assert_eq!(statuses(&bench.send(&cut)), [200], "{less} octets less");
        assert_eq!(labels(&bench).len(), 2, "{less} octets less");
    }
}
