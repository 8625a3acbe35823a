//! The cookbook is tried: each `siprec` line of its shell blocks is a command line, each YAML block a configuration, each link to a
//! file of ours leads somewhere.

use std::path::{Path, PathBuf};

use siprec::config::{Severity, Sources, notices};

use crate::{root, shell};

/// A fenced block of a page: its language and its text.
struct Block {
    page: PathBuf,
    language: String,
    text: String,
}

fn pages() -> Vec<PathBuf> {
    let folder = root().join("docs/cookbook");
    let mut pages: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("the cookbook").map(|entry| entry.expect("an entry").path()).collect();
    pages.push(root().join("docs/json.md"));
    pages.sort();
    pages
}

fn text(page: &Path) -> String {
    std::fs::read_to_string(page).expect("a page")
}

fn blocks() -> Vec<Block> {
    let of = |page: PathBuf| {
        let mut found = Vec::new();
        let mut open: Option<Block> = None;
        for line in text(&page).lines() {
            match (line.strip_prefix("```"), open.is_some()) {
                (Some(_), true) => found.extend(open.take()),
                (Some(language), false) => {
                    open = Some(Block { page: page.clone(), language: language.to_owned(), text: String::new() });
                }
                (None, _) => {
                    if let Some(block) = &mut open {
                        block.text.push_str(&format!("{line}\n"));
                    }
                }
            }
        }
        assert!(open.is_none(), "{}: a block without an end", page.display());
        found
    };
    pages().into_iter().flat_map(of).collect()
}

/// The `siprec` command of a line, if there is one, and those that it takes the output of.
fn commands(line: &str) -> Vec<&str> {
    let line = line.trim().trim_start_matches("$ ").trim_start_matches("sudo -u siprec ");
    let inner = line.split("$(").skip(1).filter(|inner| inner.starts_with("siprec "));
    let inner = inner.filter_map(|inner| inner.split(')').next());
    line.starts_with("siprec").then_some(line).into_iter().chain(inner).collect()
}

/// With a word in place of `$( )`, which is tried for itself.
fn outer(command: &str) -> String {
    let Some((before, rest)) = command.split_once("$(") else { return command.to_owned() };
    let after = rest.split_once(')').map_or("", |(_, after)| after);
    format!("{before}$X{after}")
}

#[test]
fn every_command_of_the_cookbook_is_one() {
    let mut tried = 0;
    for block in blocks() {
        let is_shell = ["sh", "console"].contains(&block.language.as_str());
        for line in
            block.text.lines().filter(|line| is_shell && (block.language == "sh" || line.starts_with("$ siprec")))
        {
            for command in commands(line) {
                shell::must_parse(&outer(command), &block.page);
                tried += 1;
            }
        }
    }
    assert!(tried > 30, "{tried}");
}

#[test]
fn every_configuration_of_the_cookbook_is_one() {
    let mut tried = 0;
    for block in blocks().iter().filter(|block| block.language == "yaml") {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("siprec.yaml");
        std::fs::write(&file, &block.text).expect("a file");
        let loaded = Sources { file: Some(file), ..Sources::default() }.load();
        let loaded = loaded.unwrap_or_else(|faults| panic!("{}: {faults}\n{}", block.page.display(), block.text));
        let errors: Vec<String> = notices(&loaded)
            .iter()
            .filter(|notice| notice.severity == Severity::Error)
            .map(ToString::to_string)
            .collect();
        assert!(errors.is_empty(), "{}: {errors:?}\n{}", block.page.display(), block.text);
        tried += 1;
    }
    assert!(tried > 8, "{tried}");
}

#[test]
fn every_link_to_a_file_of_ours_leads_there_and_every_page_is_in_the_list() {
    let list = text(&root().join("docs/cookbook/README.md"));
    for page in pages() {
        let name = page.file_name().expect("a name").to_string_lossy().into_owned();
        let is_listed = name == "README.md" || name == "json.md" || list.contains(&format!("({name})"));
        assert!(is_listed, "{name} is not in docs/cookbook/README.md");
        let text = text(&page);
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for target in targets.filter(|target| !target.contains("://")) {
            let file = target.split('#').next().unwrap_or_default();
            let at = page.parent().expect("a folder").join(file);
            assert!(at.exists(), "{}: {target} is not there", page.display());
        }
    }
}
