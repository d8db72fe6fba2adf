//! SPEC.md against the code and the vectors: every rule is named by a vector or a test, and what it
//! spells out is what the code has.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use ledger_format::*;
use std::collections::{BTreeMap, BTreeSet};
use std::{fs, path::Path};
use support::log::Log;
use support::raw::{Raw, kid, signing_input};

const SPEC: &str = include_str!("../SPEC.md");

/// The rules by id: a paragraph that begins `- **[ID]**`.
fn rules() -> BTreeMap<String, String> {
    let mut rules = BTreeMap::new();
    let mut last: Option<String> = None;
    for line in SPEC.lines() {
        if let Some((id, text)) = line.strip_prefix("- **[").and_then(|rest| rest.split_once("]** ")) {
            assert!(rules.insert(id.to_owned(), text.to_owned()).is_none(), "{id} is defined twice");
            last = Some(id.to_owned());
        } else if let Some(id) = last.as_ref().filter(|_| line.starts_with("  ")) {
            let text: &mut String = rules.get_mut(id).unwrap();
            *text = format!("{text} {}", line.trim());
        } else {
            last = None;
            let musts = line.matches("MUST").count();
            assert!(musts == 0 || line.contains("The word MUST"), "a MUST outside a rule: {line}");
        }
    }
    rules
}

/// `[STMT-3]` in running text.
fn cited(text: &str) -> BTreeSet<String> {
    let inside = text.split('[').skip(1).filter_map(|rest| rest.split_once(']')).map(|(id, _)| id);
    let is_id = |id: &&str| {
        id.split_once('-').is_some_and(|(area, n)| {
            area.bytes().all(|b| b.is_ascii_uppercase())
                && !n.is_empty()
                && n.bytes().all(|b| b.is_ascii_digit())
        })
    };
    inside.filter(is_id).map(str::to_owned).collect()
}

#[test]
fn every_rule_is_tested_and_every_id_exists() {
    let rules = rules();
    assert!(rules.len() > 80, "{}", rules.len());
    for (id, text) in &rules {
        assert!(text.contains("MUST"), "{id} has no MUST: {text}");
    }
    let known: BTreeSet<_> = rules.keys().cloned().collect();
    let strangers: Vec<_> = cited(SPEC).difference(&known).cloned().collect();
    assert!(strangers.is_empty(), "SPEC.md cites rules that it does not have: {strangers:?}");

    let mut named: BTreeSet<String> =
        support::all().iter().flat_map(|v| v.must.iter().map(|id| (*id).to_owned())).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // Who publishes a ledger, and reads a published one, is the program around the format.
    for folder in [root.join("tests"), root.join("src"), root.join("../src/ledger/tests")] {
        for file in
            fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).filter(|path| path.is_file())
        {
            let text = fs::read_to_string(&file).unwrap();
            let marks = text
                .lines()
                .filter_map(|line| line.trim().trim_start_matches('/').trim().strip_prefix("MUST: "));
            for mark in marks {
                let ids = mark
                    .split([' ', ','])
                    .take_while(|word| known.contains(*word) || word.contains('-') && !word.is_empty());
                named.extend(ids.map(str::to_owned));
            }
        }
    }
    let untested: Vec<_> = known.difference(&named).collect();
    assert!(untested.is_empty(), "rules that no vector and no test names: {untested:?}");
    let unknown: Vec<_> = named.difference(&known).collect();
    assert!(unknown.is_empty(), "vectors or tests name rules that SPEC.md does not have: {unknown:?}");
}

#[test]
fn the_table_of_classes_is_the_code_s() {
    let section = SPEC.split("## 17. Failure classes").nth(1).unwrap().split("## 18.").next().unwrap();
    let row = |line: &str| {
        let mut cells = line.split('|').map(str::trim);
        let (_, code, meaning) = (cells.next(), cells.next()?, cells.next()?);
        Some((code.strip_prefix('`')?.strip_suffix('`')?.to_owned(), meaning.to_owned()))
    };
    let table: Vec<_> = section.lines().filter_map(row).collect();
    let code: Vec<_> = Class::ALL.iter().map(|c| (c.code().to_owned(), c.meaning().to_owned())).collect();
    assert_eq!(table, code);
}

/// The hex of a marked block, without comments and spaces.
fn block(name: &str) -> String {
    let after = SPEC
        .split(&format!("<!-- hex: {name} -->\n```\n"))
        .nth(1)
        .unwrap_or_else(|| panic!("no block {name}"));
    let text = after.split("```").next().unwrap();
    let bytes = text.lines().map(|line| line.split(';').next().unwrap());
    bytes.flat_map(str::chars).filter(|c| !c.is_whitespace()).collect()
}

/// MUST: STMT-12 STMT-13 KEY-3
#[test]
fn the_worked_example_is_what_the_code_makes() {
    let mut log = Log::new();
    let (name, body) = support::log::erase(b"gone");
    log.ada(&name, body);
    let raw = Raw::erase().at(log.head_at(1));
    let key = support::raw::ada();
    assert_eq!(block("public-key"), hex::encode(key.verifying_key().to_bytes()));
    assert_eq!(block("kid"), hex::encode(kid(&key).0));
    assert_eq!(block("statement"), hex::encode(&log.statements[1]));
    assert_eq!(block("statement"), hex::encode(raw.bytes()), "written by hand");
    assert_eq!(block("signing-input"), hex::encode(signing_input(&raw.protected(), &raw.payload)));
    assert_eq!(format!("entry:{}", block("id")), log.id(1).to_string());
    let file = include_str!("../vectors/accept/log-worked-example.json");
    assert!(file.contains(&block("statement")));
}
