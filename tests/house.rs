//! The rules of the house (ARCHITECTURE.md, CONTRIBUTING.md), read off the sources: who may import whom, and what no
//! file may hold. Each rule is proven on made-up sources below.

use std::fs;
use std::path::{Path, PathBuf};

/// Shells use the archive and the core, never one another; only `cmd` calls them.
const SHELLS: [&str; 8] = ["server", "profiling", "replay", "trace", "tui", "export", "upkeep", "doctor"];
/// A longer file says why, in a line that begins with [`LONG_REASON`].
const MAX_LINES: usize = 800;
const LONG_REASON: &str = "// Long because ";
/// Crates that stay in one place, and that place.
const CONFINED: [(&str, &str); 4] =
    [("clap", "src/cmd/"), ("clap_complete", "src/cmd/"), ("ratatui", "src/tui/"), ("crossterm", "src/tui/")];
/// Lines above a sleep that may hold the reason for it.
const REASON_REACH: usize = 4;

/// A source file: its path from the root of the workspace, and its text.
struct Source {
    path: String,
    text: String,
}

/// All that breaks a rule, as `path:line: what`.
fn violations(sources: &[Source]) -> Vec<String> {
    let order = core_order(sources);
    let mut found = Vec::new();
    if order.is_empty() {
        found.push("core/src/lib.rs: no `pub mod` list".into());
    }
    for source in sources {
        whole_file(source, &mut found);
        let lines: Vec<&str> = source.text.lines().collect();
        for (index, line) in lines.iter().enumerate() {
            let mut broken = Vec::new();
            let code = line.split("//").next().unwrap_or_default();
            upward_import(source, &imports(&lines, index), &order, &mut broken);
            shell_import(source, &imports(&lines, index), &mut broken);
            confined(source, code, &mut broken);
            banned(code, &lines[index.saturating_sub(REASON_REACH)..index], &mut broken);
            found.extend(broken.into_iter().map(|what| format!("{}:{}: {what}", source.path, index + 1)));
        }
    }
    found
}

/// The core's modules in the order of its `lib.rs`.
fn core_order(sources: &[Source]) -> Vec<String> {
    let lib = sources.iter().find(|source| source.path == "core/src/lib.rs");
    let modules = lib.iter().flat_map(|lib| lib.text.lines()).filter_map(|line| line.strip_prefix("pub mod "));
    modules.map(|rest| rest.trim_end_matches(';').trim().to_string()).collect()
}

/// The module of its crate that a file belongs to: `sip` for `core/src/sip/uri.rs`.
fn module(path: &str) -> Option<(&str, &str)> {
    let (krate, rest) = match path.strip_prefix("core/src/") {
        Some(rest) => ("core", rest),
        None => ("siprec", path.strip_prefix("src/")?),
    };
    let name = rest.split('/').next()?.trim_end_matches(".rs");
    Some((krate, name))
}

/// The modules of its own crate that a line names: `a` and `b` of `use crate::{a::x, b};`. A group may go over lines.
fn imports(lines: &[&str], index: usize) -> Vec<String> {
    let code = lines[index].split("//").next().unwrap_or_default();
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        if code[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        if rest.starts_with('{') {
            let text = lines[index..].join("\n");
            let start = text.find("crate::{").map_or(0, |at| at + "crate::{".len());
            found.extend(group(&text[start..]));
        } else {
            found.push(identifier(rest));
        }
    }
    found
}

/// The first identifiers of a group's members, up to its closing brace.
fn group(text: &str) -> Vec<String> {
    let mut depth = 0_i32;
    let mut members = vec![String::new()];
    for c in text.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => members.push(String::new()),
            c if depth == 0 => members.last_mut().expect("one at least").push(c),
            _ => {}
        }
    }
    members.iter().map(|member| identifier(member.trim())).filter(|name| !name.is_empty()).collect()
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

fn upward_import(source: &Source, names: &[String], order: &[String], found: &mut Vec<String>) {
    let Some(("core", own)) = module(&source.path) else { return };
    let place = |name: &str| order.iter().position(|known| known == name);
    let Some(here) = place(own) else { return };
    for name in names {
        if place(name).is_some_and(|there| there > here) {
            found.push(format!("`{own}` uses `{name}`, which comes after it in core/src/lib.rs"));
        }
    }
}

fn shell_import(source: &Source, names: &[String], found: &mut Vec<String>) {
    let Some(("siprec", own)) = module(&source.path) else { return };
    if ["cmd", "lib", "main"].contains(&own) {
        return;
    }
    for name in names.iter().filter(|name| *name != own) {
        if SHELLS.contains(&name.as_str()) || name == "cmd" {
            found.push(format!("`{own}` uses `{name}`: only `cmd` calls shells"));
        }
    }
}

fn confined(source: &Source, code: &str, found: &mut Vec<String>) {
    let Some((krate, _)) = module(&source.path) else { return };
    let named =
        |name: &str| code.contains(&format!("{name}::")) || code.trim_start().starts_with(&format!("use {name};"));
    for (name, place) in CONFINED {
        if !source.path.starts_with(place) && word_starts(code, name) && named(name) {
            found.push(format!("`{name}` belongs to {place}"));
        }
    }
    if krate == "core" && word_starts(code, "tokio") && named("tokio") {
        found.push("no async runtime in the core".into());
    }
}

/// Whether `name` stands in `code` as a word of its own, not as the end of another.
fn word_starts(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '.')
    })
}

fn banned(code: &str, above: &[&str], found: &mut Vec<String>) {
    if code.contains("thread::sleep") && !above.iter().any(|line| line.contains("disallowed_methods")) {
        found.push("`thread::sleep`: wait on what you wait for, or say why not with #[expect(.., reason)]".into());
    }
    for unfinished in ["todo!(", "unimplemented!("] {
        if code.contains(unfinished) {
            found.push(format!("`{unfinished})` is left over"));
        }
    }
}

fn whole_file(source: &Source, found: &mut Vec<String>) {
    let lines = source.text.lines().count();
    if lines > MAX_LINES && !source.text.lines().any(|line| line.starts_with(LONG_REASON)) {
        found.push(format!("{}: {lines} lines, more than {MAX_LINES}: split it by noun", source.path));
    }
    if !source.text.starts_with("//!") && !source.path.ends_with("/tests.rs") {
        found.push(format!("{}: begins without `//!`: what is it?", source.path));
    }
    for (index, line) in source.text.lines().enumerate() {
        if line.split_once("//").is_some_and(|(_, comment)| comment.contains("TODO") || comment.contains("FIXME")) {
            found.push(format!("{}:{}: a task belongs in the issues", source.path, index + 1));
        }
    }
    if source.path == "core/src/lib.rs" {
        for attribute in ["#![no_std]", "#![forbid(unsafe_code)]"] {
            if !source.text.lines().any(|line| line == attribute) {
                found.push(format!("{}: `{attribute}` is gone", source.path));
            }
        }
    }
}

/// Every Rust file of ours but this one, which names what it forbids.
fn workspace() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    for folder in ["core/src", "core/tests", "core/benches", "src", "tests", "benches", "examples", "fuzz/src"] {
        collect(&root.join(folder), &mut paths);
    }
    paths
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).expect("a source can be read");
            let path = path.strip_prefix(root).expect("below the root").to_string_lossy().into_owned();
            Source { path, text }
        })
        .filter(|source| source.path != "tests/house.rs")
        .collect()
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.filter_map(Result::ok) {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn the_house_is_in_order() {
    let sources = workspace();
    assert!(sources.len() > 20, "the sources are not where they are looked for");
    let found = violations(&sources);
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn the_core_depends_on_no_runtime() {
    let manifest =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("core/Cargo.toml")).expect("core/Cargo.toml");
    let dependencies = manifest.split("[dev-dependencies]").next().unwrap_or_default();
    for runtime in ["tokio", "async-std", "smol", "mio", "libc", "socket2"] {
        assert!(!dependencies.lines().any(|line| line.starts_with(runtime)), "{runtime} in core/Cargo.toml");
    }
}

const LIB: &str = "//! Core.\n#![no_std]\n#![forbid(unsafe_code)]\npub mod time;\npub mod sip;\npub mod journal;\n";

/// What is said of made-up files beside a sound core.
fn said(files: &[(&str, &str)]) -> Vec<String> {
    let source = |(path, text): &(&str, &str)| Source { path: (*path).into(), text: format!("//! A file.\n{text}") };
    let mut sources: Vec<Source> = files.iter().map(source).collect();
    sources.push(Source { path: "core/src/lib.rs".into(), text: LIB.into() });
    violations(&sources)
}

#[test]
fn an_upward_import_is_found_in_each_of_its_forms() {
    for text in [
        "use crate::journal::Reader;",
        "use crate::{time::Now, journal};",
        "use crate::{\n    time::{Now, Wall},\n    journal::Reader,\n};",
        "fn f(r: &crate::journal::Reader) {}",
    ] {
        let found = said(&[("core/src/sip/uri.rs", text)]);
        assert_eq!(
            found,
            ["core/src/sip/uri.rs:2: `sip` uses `journal`, which comes after it in core/src/lib.rs"],
            "{text}"
        );
    }
    let allowed = "use crate::time::Now;\nuse crate::sip::Uri;\n// use crate::journal;\nuse other_crate::journal;\nuse mycrate::journal;";
    assert_eq!(said(&[("core/src/sip/uri.rs", allowed), ("core/src/journal/mod.rs", "use crate::sip::Uri;")]), [""; 0]);
}

#[test]
fn a_shell_that_uses_another_is_found() {
    assert_eq!(
        said(&[("src/server/mod.rs", "use crate::replay::run;")]),
        ["src/server/mod.rs:2: `server` uses `replay`: only `cmd` calls shells"]
    );
    assert_eq!(said(&[("src/archive/mod.rs", "use crate::{config, server::Options};")]).len(), 1);
    assert_eq!(said(&[("src/config/mod.rs", "use crate::cmd::main;")]).len(), 1);
    let allowed =
        [("src/cmd/serve.rs", "use crate::{replay, server};"), ("src/server/sip.rs", "use crate::server::Options;")];
    assert_eq!(said(&allowed), [""; 0]);
}

#[test]
fn a_crate_out_of_its_place_is_found() {
    for (path, text) in [
        ("src/server/mod.rs", "use clap::Parser;"),
        ("src/replay/mod.rs", "fn f(_: ratatui::Frame) {}"),
        ("src/lib.rs", "use crossterm::event;"),
        ("core/src/sip/mod.rs", "use tokio::net::UdpSocket;"),
    ] {
        assert_eq!(said(&[(path, text)]).len(), 1, "{text}");
    }
    let allowed = [
        ("src/cmd/mod.rs", "use clap::Parser;"),
        ("src/tui/mod.rs", "use ratatui::Frame;"),
        ("src/server/a.rs", "use tokio::net;"),
    ];
    assert_eq!(said(&allowed), [""; 0]);
}

#[test]
fn what_no_file_may_hold_is_found() {
    let sleep = "    std::thread::sleep(d);";
    assert_eq!(said(&[("tests/a.rs", sleep)]).len(), 1);
    let reasoned =
        format!("#[expect(clippy::disallowed_methods, reason = \"a peer's pause\")]\nfn f() {{\n{sleep}\n}}");
    assert_eq!(said(&[("tests/a.rs", &reasoned)]), [""; 0]);
    assert_eq!(said(&[("src/a.rs", "fn f() { todo!() }")]).len(), 1);
    assert_eq!(said(&[("src/a.rs", "// TODO: more")]).len(), 1);
    let long = "\n".repeat(MAX_LINES);
    assert_eq!(said(&[("src/a.rs", &long)]).len(), 1);
    assert_eq!(said(&[("src/a.rs", &format!("{LONG_REASON}it is a table.\n{long}"))]), [""; 0]);
    let naked = Source { path: "src/a.rs".into(), text: "fn f() {}".into() };
    let lib = Source { path: "core/src/lib.rs".into(), text: LIB.replace("#![no_std]\n", "") };
    assert_eq!(
        violations(&[naked, lib]),
        ["src/a.rs: begins without `//!`: what is it?", "core/src/lib.rs: `#![no_std]` is gone"]
    );
}
