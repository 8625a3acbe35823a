//! What each role may do over the API, of the real binary: every route of the document in a table that was written by hand, and what
//! a role sees that is for recordings with some tags.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;
use support::becomes_true;
use support::http::Client;
use support::recordings;
use support::server::{Server, Setup, new_key};

const SOON: Duration = Duration::from_secs(20);

/// The guide's three, one for some recordings only, and one that may do nothing.
const ROLES: &str = "auth.roles=[\
    {name: admin, permissions: [read, write, delete, manage]}, \
    {name: supervisor, permissions: [read, write, export]}, \
    {name: agent, permissions: [read]}, \
    {name: sales, permissions: [read, write, delete, export, manage], tags: [sales]}, \
    {name: clerk, permissions: [read, write], tags: [sales]}, \
    {name: keeper, permissions: [manage], tags: [claims]}, \
    {name: nothing, permissions: []}]";
/// The columns of the table; the last one sends no key.
const COLUMNS: [&str; 6] = ["admin", "supervisor", "agent", "sales", "nothing", ""];

/// What everybody gets, with ids of things that are not there, and without what some ask for: 404 and 400 are for who would get it.
#[rustfmt::skip]
const MATRIX: &[(&str, &str, [u16; 6])] = &[
    //                                                 admin superv agent sales nothing nobody
    ("GET",    "/healthz",                              [200, 200, 200, 200, 200, 200]),
    ("GET",    "/readyz",                               [200, 200, 200, 200, 200, 200]),
    ("GET",    "/metrics",                              [200, 200, 200, 403, 403, 401]),
    ("GET",    "/api/v1/recordings",                    [200, 200, 200, 200, 403, 401]),
    ("POST",   "/api/v1/recordings/start",              [400, 400, 403, 403, 403, 401]),
    ("POST",   "/api/v1/recordings/stop",               [400, 400, 403, 403, 403, 401]),
    ("GET",    "/api/v1/recordings/{id}",               [404, 404, 404, 404, 403, 401]),
    ("PATCH",  "/api/v1/recordings/{id}",               [404, 404, 403, 404, 403, 401]),
    ("DELETE", "/api/v1/recordings/{id}",               [404, 403, 403, 404, 403, 401]),
    ("GET",    "/api/v1/recordings/{id}/audio",         [404, 404, 404, 404, 403, 401]),
    ("GET",    "/api/v1/recordings/{id}/metadata",      [404, 404, 404, 404, 403, 401]),
    ("GET",    "/api/v1/recordings/{id}/proof",         [404, 404, 404, 404, 403, 401]),
    ("GET",    "/api/v1/recordings/{id}/peaks",         [404, 404, 404, 404, 403, 401]),
    ("GET",    "/api/v1/recordings/{id}/journal",       [403, 404, 403, 404, 403, 401]),
    ("GET",    "/api/v1/sessions",                      [200, 200, 200, 403, 403, 401]),
    ("GET",    "/api/v1/sessions/{id}",                 [404, 404, 404, 403, 403, 401]),
    ("PATCH",  "/api/v1/sessions/{id}",                 [404, 404, 403, 403, 403, 401]),
    ("GET",    "/api/v1/sessions/{id}/sip",             [404, 403, 403, 403, 403, 401]),
    ("POST",   "/api/v1/sessions/pause",                [400, 400, 403, 403, 403, 401]),
    ("POST",   "/api/v1/sessions/resume",               [400, 400, 403, 403, 403, 401]),
    ("POST",   "/api/v1/sessions/stop",                 [400, 400, 403, 403, 403, 401]),
    ("POST",   "/api/v1/sessions/{id}/pause",           [404, 404, 403, 403, 403, 401]),
    ("POST",   "/api/v1/sessions/{id}/resume",          [404, 404, 403, 403, 403, 401]),
    ("POST",   "/api/v1/sessions/{id}/stop",            [404, 404, 403, 403, 403, 401]),
    ("GET",    "/ws/events",                            [400, 400, 400, 403, 403, 401]),
    ("GET",    "/ws/stream",                            [400, 400, 400, 403, 403, 401]),
    ("GET",    "/api/v1/events?colour=red",             [400, 400, 400, 403, 403, 401]),
    ("GET",    "/api/v1/events?sip=true&types=colour",  [400, 403, 403, 403, 403, 401]),
    ("GET",    "/api/v1/alarms",                        [200, 200, 200, 403, 403, 401]),
    ("POST",   "/api/v1/alarms/{id}/acknowledge",       [404, 404, 403, 403, 403, 401]),
    ("GET",    "/api/v1/unfinished",                    [200, 403, 403, 403, 403, 401]),
    ("POST",   "/api/v1/unfinished/retry",              [202, 403, 403, 403, 403, 401]),
    ("GET",    "/api/v1/webhooks",                      [200, 403, 403, 403, 403, 401]),
    ("POST",   "/api/v1/webhooks/{name}/retry",         [404, 403, 403, 403, 403, 401]),
    ("GET",    "/api/v1/config",                        [200, 403, 403, 403, 403, 401]),
    ("GET",    "/api/v1/peers",                         [200, 403, 403, 403, 403, 401]),
    ("GET",    "/api/v1/audit",                         [200, 403, 403, 403, 403, 401]),
];

/// A server, and a client for each of `roles`: names of roles with blanks between are one client's.
fn with_clients(roles: &[&str]) -> (Server, Vec<Client>) {
    let made = roles.iter().enumerate().map(|(n, names)| {
        let flags: Vec<String> = names.split_whitespace().map(|name| format!("--role {name}")).collect();
        new_key(&format!("--name key-{n} {}", flags.join(" ")))
    });
    let (keys, rows): (Vec<String>, Vec<String>) = made.unzip();
    let setup = Setup::default().set(ROLES).set("api.rate_limit=0");
    let server = setup.set(&format!("auth.api_keys=[{}]", rows.join(", "))).start();
    let clients = keys.iter().map(|key| Client::new(server.api).bearer(key)).collect();
    (server, clients)
}

#[test]
fn every_route_is_for_whom_the_table_says() {
    let (server, mut clients) = with_clients(&COLUMNS[..5]);
    clients.push(Client::new(server.api));
    let document = clients[0].get("/api/v1/openapi.json").must(200);
    let mut documented = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            documented.insert((method.to_uppercase(), path.clone()));
            let is_open = operation["security"] == json!([{}]);
            for status in ["401", "403", "429"].into_iter().filter(|status| !is_open || *status != "401") {
                assert!(operation["responses"][status].is_object(), "{method} {path} does not tell of {status}");
            }
        }
    }
    assert_eq!(document["components"]["securitySchemes"].as_object().unwrap().len(), 3);
    let row = |(method, path, _): &(&str, &str, _)| ((*method).to_owned(), path.split('?').next().unwrap().to_owned());
    let written: BTreeSet<_> = MATRIX.iter().map(row).collect();
    assert_eq!(documented, written, "a route without a row, or a row without a route");
    let mut wrong = Vec::new();
    for (method, path, wanted) in MATRIX {
        let asked = path.replace("{id}", "01a2287a-4bab-7e19-982e-8c887adffaaf").replace("{name}", "nobody");
        for ((client, role), wanted) in clients.iter().zip(COLUMNS).zip(wanted) {
            let answer = client.ask(method, &asked, b"");
            if answer.status != *wanted {
                wrong.push(format!("{method} {path} as `{role}`: {} instead of {wanted}", answer.status));
            }
            if answer.status >= 400 {
                answer.problem(*wanted);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    server.assert_never_panicked();
}

#[test]
fn a_role_for_some_tags_sees_recordings_with_these_alone() {
    let (server, clients) = with_clients(&["admin", "sales", "clerk keeper", "agent sales"]);
    let [admin, sales, both, agent] = &clients[..] else { unreachable!("four") };
    let (_, recording) = recordings::of_a_second(&server, SOON);
    let path = format!("/api/v1/recordings/{}", recording.id());
    assert!(becomes_true(SOON, || admin.get(&path).status == 200), "{}", server.tail());
    let listed = |client: &Client| client.get("/api/v1/recordings").must(200)["recordings"].as_array().unwrap().len();
    let tag = |add: &str, remove: &str| {
        let body = json!({"add_tags": [add], "remove_tags": [remove]}).to_string();
        admin.ask("PATCH", &path, body.as_bytes()).must(200);
    };
    assert_eq!((listed(admin), listed(sales), listed(agent)), (1, 0, 1));
    let hidden = sales.get(&path);
    assert_eq!(hidden.problem(404), sales.get("/api/v1/recordings/01a2287a-4bab-7e19-982e-8c887adffaaf").problem(404));
    for below in ["", "/audio", "/proof", "/metadata", "/journal"] {
        sales.get(&format!("{path}{below}")).problem(404);
    }
    sales.ask("DELETE", &path, b"").problem(404);
    assert_eq!(sales.get("/api/v1/recordings?tag=sales").must(200)["recordings"], json!([]));

    tag("sales", "x");
    assert_eq!((listed(admin), listed(sales), listed(both)), (1, 1, 1));
    // Whoever leaves out the first octet has heard it all the same.
    assert_eq!(sales.with("Range", "bytes=1-").get(&format!("{path}/audio")).status, 206);
    let heard = || {
        let entries = admin.get("/api/v1/audit?action=heard").must(200)["entries"].as_array().unwrap().clone();
        entries.iter().any(|entry| entry["who"] == "key key-1" && entry["recording"] == recording.id())
    };
    assert!(becomes_true(SOON, heard), "that it was heard is not in the audit log");
    assert_eq!(sales.get(&format!("{path}/journal")).status, 200);
    assert_eq!(sales.get("/api/v1/recordings?tag=other").must(200)["recordings"], json!([]));
    // To hold needs `manage`, which this client has for other recordings.
    assert!(both.ask("PATCH", &path, br#"{"hold": "case 7"}"#).problem(403).contains("`manage`"));
    both.ask("PATCH", &path, br#"{"add_tags": ["seen"]}"#).must(200);
    sales.ask("PATCH", &path, br#"{"hold": "case 7"}"#).must(200);

    tag("claims", "sales");
    assert_eq!((listed(sales), listed(both)), (0, 0));
    sales.get(&path).problem(404);
    both.get(&path).problem(404);
    agent.get(&path).must(200);
    agent.ask("PATCH", &path, b"{}").problem(403);
    server.assert_never_panicked();
}
