//! The rules of the code's structure, checked on its text.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a test may

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Modules by level, lowest first. A module imports only modules of lower levels.
const LEVELS: &[&[&str]] = &[
    &["error", "files", "yaml"],
    &["git", "json"],
    &["store", "catalog", "keys"],
    &["ledger", "workflow"],
    &["render", "output", "envelope"],
    &["session", "validator"],
    &["cli"],
];

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Code files with their text, without tests and comments.
fn code(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for path in rust_files(&root().join(folder)) {
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        let part = |part: &str| name.split('/').any(|p| p == part);
        let tests = part("tests") || part("tests.rs") || name.ends_with("_tests.rs");
        if tests || part("contract") || part("contract.rs") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap().to_owned();
        let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        found.push((name, lines.collect::<Vec<_>>().join("\n")));
    }
    assert!(found.len() > 3, "{folder}: the walk found too little");
    found
}

fn level(module: &str) -> Option<usize> {
    LEVELS.iter().position(|level| level.contains(&module))
}

/// The top-level modules that a text names as `crate::x` or `promptos::x`.
fn imports(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for start in ["crate::", "promptos::"] {
        for (at, _) in text.match_indices(start) {
            // `mycrate::` and `super::crate::` are other things.
            if text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
                continue;
            }
            let rest = &text[at + start.len()..];
            found.push(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    found
}

#[test]
fn imports_go_down_only() {
    for (file, text) in code("src") {
        let module = file.trim_start_matches("src/").split(['/', '.']).next().unwrap().to_owned();
        if ["lib", "main"].contains(&module.as_str()) {
            continue;
        }
        let own = level(&module).unwrap_or_else(|| panic!("{file}: module '{module}' has no level"));
        for import in imports(&text) {
            let Some(other) = level(&import) else { continue };
            assert!(import == module || other < own, "{file} ({module}) imports {import}");
        }
    }
}

#[test]
fn only_ledger_uses_the_store() {
    for (file, text) in code("src") {
        let uses = imports(&text).iter().any(|import| import == "store");
        let may = file.starts_with("src/ledger/") || file.starts_with("src/store/");
        assert!(!uses || may, "{file} uses the store");
    }
}

#[test]
fn only_the_command_line_touches_the_world() {
    // What prints, reads the environment or the clock, or makes randomness.
    let words = [
        "println!",
        "eprintln!",
        "print!",
        "eprint!",
        "io::stdout",
        "io::stderr",
        "env::var",
        "current_dir",
        "home_dir",
        "SystemTime",
        "Utc::now",
        "Local::now",
        "getrandom",
    ];
    for (file, text) in code("src") {
        if file.starts_with("src/cli/") {
            continue;
        }
        for word in words {
            assert!(!text.contains(word), "{file} uses {word}");
        }
    }
}

#[test]
fn the_format_does_no_io() {
    for (file, text) in code("ledger-format/src") {
        for word in
            ["std::fs", "std::io", "std::net", "std::env", "std::time", "std::process", "println!", "async "]
        {
            assert!(!text.contains(word), "{file} uses {word}");
        }
    }
}

#[test]
fn every_file_can_be_read_in_one_sitting() {
    for folder in ["src", "ledger-format", "tests"] {
        for path in rust_files(&root().join(folder)) {
            let lines = fs::read_to_string(&path).unwrap().lines().count();
            assert!(lines <= 700, "{} has {lines} lines", path.display());
        }
    }
}

#[test]
fn every_dependency_has_its_reason_beside_it() {
    for manifest in ["Cargo.toml", "ledger-format/Cargo.toml"] {
        let text = fs::read_to_string(root().join(manifest)).unwrap();
        let mut section = "";
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for line in text.lines() {
            if line.starts_with('[') {
                section = line;
            }
            if !["[dependencies]", "[dev-dependencies]"].contains(&section)
                || line.starts_with('[')
                || line.is_empty()
            {
                continue;
            }
            assert!(line.contains(" # ") || line.starts_with('#'), "{manifest}: no reason beside: {line}");
            *counts.entry(section).or_default() += 1;
        }
        assert!(counts.contains_key("[dependencies]"), "{manifest}");
    }
}
