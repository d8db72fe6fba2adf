//! What `verify-chain` says when it does not look at everything.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::expect_used)] // a test may

mod support;

use redb::{Database, ReadableTable as _};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use support::World;
use support::refusal::{INDEX, STATEMENTS};

/// The one pin of a world.
fn pin(world: &World) -> PathBuf {
    let pins = fs::read_dir(world.config().join("pins")).unwrap().map(|entry| entry.unwrap().path());
    pins.into_iter().find(|path| path.extension().is_some_and(|end| end == "pin")).unwrap()
}

/// Four entries, three of them judged.
fn grown() -> World {
    let world = World::with_session();
    world.ok(&["dev", "--prompts", "P01"]);
    assert_eq!(world.verified(), 3);
    world.ok(&["dev", "--prompts", "P05"]);
    world
}

fn since(world: &World) -> Value {
    world.json(&["verify-chain", "--since-pin"])
}

#[test]
fn since_the_pin_only_what_is_new_is_read_and_that_is_said() {
    let world = grown();
    let report = since(&world);
    assert_eq!((&report["from"], &report["judged"], &report["hashed"]), (&json!(3), &json!(4), &json!(1)));
    assert_eq!(report["rung"], "pinned");
    for unknown in ["contents", "erased", "open_sessions", "session_findings"] {
        assert_eq!(report[unknown], Value::Null, "{unknown}");
    }
    world.ok(&["dev", "--prompts", "P05"]);
    let said = world.run(&["verify-chain", "--since-pin"]);
    said.expect(
        0,
        &["5: 1 new ones judged; the first 4 were judged by an earlier audit, and are not read again"],
    );
    world.run(&["verify-chain"]).expect(0, &["5: 5 judged from their bytes"]);
}

#[test]
fn a_statement_damaged_below_the_pin_is_found_by_a_whole_audit() {
    let world = grown();
    let file = Database::open(world.ledger()).unwrap();
    let write = file.begin_write().unwrap();
    {
        let mut statements = write.open_table(STATEMENTS).unwrap();
        let mut bytes = statements.get(1).unwrap().unwrap().value().to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        statements.insert(1, bytes.as_slice()).unwrap();
    }
    write.commit().unwrap();
    drop(file);
    assert_eq!(since(&world)["hashed"], 1);
    for (args, code) in
        [(&["verify-chain", "--no-signatures"][..], "forked"), (&["verify-chain"], "bad-signature")]
    {
        let report = world.run(&[args, &["--json"]].concat()).failed(3, &["does not hold"]).json();
        assert_eq!(report["findings"][0]["code"], code);
    }
}

#[test]
fn a_key_given_rights_in_the_index_is_found_since_the_pin() {
    let world = grown();
    let file = Database::open(world.sorted_in()).unwrap();
    let write = file.begin_write().unwrap();
    {
        let mut index = write.open_table(INDEX).unwrap();
        let rows: Vec<_> =
            index.range::<&[u8]>(b"k".as_slice()..b"l".as_slice()).unwrap().map(Result::unwrap).collect();
        let (key, mut value) = (rows[0].0.value().to_vec(), rows[0].1.value().to_vec());
        drop(rows);
        // Another name of the same length.
        let at = value.windows(8).position(|part| part == b"identity").unwrap() + 9;
        value[at] ^= 1;
        index.insert(key.as_slice(), value.as_slice()).unwrap();
    }
    write.commit().unwrap();
    drop(file);
    let report = world.run(&["verify-chain", "--since-pin", "--json"]).failed(3, &[]).json();
    assert_eq!((&report["findings"][0]["code"], &report["hashed"]), (&json!("index"), &json!(4)));
}

#[test]
fn a_pin_without_a_basis_or_with_another_one_means_reading_all_again() {
    let world = grown();
    let (file, text) = (pin(&world), fs::read_to_string(pin(&world)).unwrap());
    let basis = text.lines().find(|line| line.starts_with("basis ")).unwrap().to_owned();
    let digit = if basis.as_bytes()[6] == b'0' { "basis 1" } else { "basis 0" };
    let changed = text.replace(&basis, &format!("{digit}{}", &basis[7..]));
    for other in [text.replace(&format!("{basis}\n"), ""), changed] {
        fs::write(&file, other).unwrap();
        let report = since(&world);
        assert_eq!(
            (&report["from"], &report["hashed"], &report["rung"]),
            (&json!(3), &json!(4), &json!("pinned"))
        );
        fs::write(&file, &text).unwrap();
    }
    for cut in [basis.len() - 1, 71, 10, 6] {
        fs::write(&file, text.replace(&basis, &basis[..cut])).unwrap();
        world.refuses(1, &["verify-chain", "--since-pin"], &["is not a pin", "pin reset"]);
    }
    fs::write(&file, text.lines().filter(|line| !line.starts_with("judged ")).collect::<Vec<_>>().join("\n"))
        .unwrap();
    world.refuses(1, &["verify-chain", "--since-pin"], &["is not a pin"]);
}

#[test]
fn hashes_alone_reach_no_rung_and_move_no_pin() {
    let world = grown();
    let before = fs::read(pin(&world)).unwrap();
    let said = world.run(&["verify-chain", "--no-signatures"]);
    said.expect(
        0,
        &["4: 4 hashed; no signature, right or content was judged", "none (hashes alone reach no rung)"],
    );
    let report = world.json(&["verify-chain", "--no-signatures"]);
    assert_eq!((&report["rung"], &report["hashed"], &report["judged"]), (&Value::Null, &json!(4), &json!(0)));
    assert_eq!(report["rung_withheld"], "no signature, right or content was judged");
    assert_eq!(fs::read(pin(&world)).unwrap(), before);
    assert_eq!(world.json(&["verify-chain"])["rung_withheld"], Value::Null);
    for with in [&["--require", "consistent"][..], &["--since-pin"], &["--policy", "p"]] {
        let args = [&["verify-chain", "--no-signatures"], with].concat();
        world.refuses(2, &args, &["--no-signatures"]);
    }
}

#[test]
fn hashes_alone_see_a_ledger_that_went_back() {
    let world = World::with_session();
    let old = fs::read(world.ledger()).unwrap();
    world.ok(&["dev", "--prompts", "P01"]);
    fs::write(world.ledger(), old).unwrap();
    world.refuses(3, &["verify-chain", "--no-signatures"], &["does not hold", "2 of 2 entries were hashed"]);
}
