//! Traces of recording sessions, read as a collector reads them: by OpenTelemetry's own types.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message as _;
use std::process::Command;
use std::time::Duration;
use support::becomes_true;
use support::receiver::Receiver;
use support::recordings;
use support::server::Setup;
use support::src::Src;
use support::src::call::Call;
use support::studio::Plan;

const SOON: Duration = Duration::from_secs(30);

fn setup(collector: &Receiver) -> Setup {
    Setup::default().set(&format!("tracing.otlp_endpoint=http://{}", collector.address))
}

fn requests(collector: &Receiver) -> Vec<ExportTraceServiceRequest> {
    let heard = collector.heard();
    heard.iter().map(|heard| ExportTraceServiceRequest::decode(heard.body.as_slice()).unwrap()).collect()
}

fn spans(collector: &Receiver) -> Vec<Span> {
    let resources = requests(collector).into_iter().flat_map(|request| request.resource_spans);
    resources.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans).collect()
}

/// The one span of that name, when it has come.
#[track_caller]
fn span(collector: &Receiver, name: &str) -> Span {
    let found = || spans(collector).into_iter().filter(|span| span.name == name).collect::<Vec<_>>();
    assert!(becomes_true(SOON, || !found().is_empty()), "no span `{name}` of {:?}", spans(collector));
    let mut found = found();
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

fn attribute(attributes: &[KeyValue], key: &str) -> String {
    let of = |pair: &KeyValue| {
        let value = pair.value.clone()?.value?;
        if let Value::IntValue(number) = value {
            return Some(number.to_string());
        }
        if let Value::StringValue(text) = value { Some(text) } else { None }
    };
    attributes.iter().find(|pair| pair.key == key).and_then(of).unwrap_or_default()
}

fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

#[test]
fn a_recording_session_is_a_trace_from_its_invite_to_its_recording() {
    let collector = Receiver::start();
    let server =
        setup(&collector).set(r#"tracing.otlp_headers=[{name: authorization, value: "Bearer of news"}]"#).start();
    let (_, recording) = recordings::of_a_second(&server, SOON);
    let (session, made, render) =
        (span(&collector, "recording session"), span(&collector, "recording"), span(&collector, "render"));

    let id = recording.text("/recording_session/id");
    assert_eq!(hexadecimal(&session.trace_id), id.replace('-', ""), "who has the session has the trace");
    assert!(session.parent_span_id.iter().all(|octet| *octet == 0), "it is the root");
    assert_eq!((&made.parent_span_id, &render.parent_span_id), (&session.span_id, &made.span_id));
    assert!(made.trace_id == session.trace_id && render.trace_id == session.trace_id);

    let lasts = |span: &Span| Duration::from_nanos(span.end_time_unix_nano - span.start_time_unix_nano);
    assert!((1_000..10_000).contains(&lasts(&session).as_millis()), "a second of talk: {:?}", lasts(&session));
    assert!(render.start_time_unix_nano == session.end_time_unix_nano, "it begins when the session is over");
    assert!(
        render.end_time_unix_nano == made.end_time_unix_nano && made.end_time_unix_nano > session.end_time_unix_nano
    );

    assert_eq!(attribute(&session.attributes, "siprec.end_cause"), "bye");
    assert_eq!(attribute(&session.attributes, "network.peer.address"), "127.0.0.1");
    assert_eq!(attribute(&session.attributes, "siprec.streams"), "2");
    assert_eq!(attribute(&made.attributes, "siprec.recording.id"), recording.id());
    assert_eq!(
        attribute(&made.attributes, "siprec.recording.duration_ms"),
        recording.number("/duration_ms").unwrap().to_string()
    );
    assert_ne!(session.status.unwrap_or_default().code, StatusCode::Error as i32);

    let heard = &collector.heard()[0];
    assert_eq!(heard.line, "POST /v1/traces HTTP/1.1");
    assert_eq!(heard.field("content-type"), "application/x-protobuf");
    assert_eq!(heard.field("authorization"), "Bearer of news");
    let resource = requests(&collector)[0].resource_spans[0].resource.clone().unwrap();
    assert_eq!(attribute(&resource.attributes, "service.name"), "siprec");
    let node = std::fs::read_to_string(server.data.join("node.id")).unwrap();
    assert_eq!(attribute(&resource.attributes, "service.instance.id"), node.trim());
    assert!(!server.log().contains("of news"), "a secret is in the log");
    server.assert_never_panicked();
}

/// A collector that is gone holds nothing up; a server that is killed goes on with the trace.
#[test]
fn traces_wait_for_the_collector_and_go_on_over_a_crash() {
    let collector = Receiver::start();
    collector.answers(503);
    let mut server = setup(&collector).start();
    let src = Src::udp(server.sip);
    let call = Call::new(&src, 5);
    call.must_invite();
    call.talk(&Plan::seconds(1.0));
    call.wait();
    let before = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    server.kill();
    server.restart();
    call.bye().unwrap();
    let recording = recordings::wait(&server.data, call.call_id(), SOON);
    server.must_say(&["traces: the collector takes none"]);
    collector.answers(200);
    let session = span(&collector, "recording session");
    assert_eq!(hexadecimal(&session.trace_id), recording.text("/recording_session/id").replace('-', ""));
    assert!(Duration::from_nanos(session.start_time_unix_nano) < before, "it began before the crash");
    assert_eq!(span(&collector, "recording").parent_span_id, session.span_id);
    server.assert_never_panicked();
}

#[test]
fn an_endpoint_that_cannot_be_is_refused_at_the_start() {
    for (setting, said) in [
        ("tracing.otlp_endpoint=localhost:4318", "tracing.otlp_endpoint: `localhost:4318` is no URL"),
        ("tracing.otlp_header=x", "tracing.otlp_header"),
    ] {
        let mut serve = Command::new(support::server::binary());
        let output = serve.args(["serve", "--data-dir", "/nonexistent", "--set", setting]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && text.contains(said), "{text}");
    }
}
