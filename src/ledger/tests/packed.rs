//! Versions of a prompt in a file, where they are kept as what they do not share: what is lost with a byte of it is told
//! of each version that stood on it, and none is ever wrong.

use super::*;
use crate::error::Kind;
use crate::store::RedbStore;
use crate::store::edits::Prompt as Edited;
use ledger_format::Prompt;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// A closed ledger of so many versions of one prompt, `p.v1` and so on.
fn ledger(folder: &Path, versions: &[String]) -> PathBuf {
    let path = folder.join("ledger.redb");
    let (signer, log_key) = (key(FOUNDER), key(LOG_KEY));
    let author = Author { signer: &signer, log_key: &log_key, time: 1_700_000_000 };
    let create = Create { name: "book", identity: "ada", nonce: [7; 16], previous: None };
    assert!(Ledger::create_file(&path, &create, &author).unwrap());
    let ledger = open(&path, Access::Write).unwrap();
    for (n, text) in (1..).zip(versions) {
        let content = Descriptor::of(text.as_bytes(), "text/markdown");
        let contents = vec![Content::Bytes(content.clone(), text.as_bytes().to_vec())];
        let body = Body::Prompt(Prompt { content });
        let new = New { name: format!("p.v{n}"), body, contents, next_log_key: None };
        ledger.append(&author, &new).unwrap();
    }
    path
}

fn open(path: &Path, access: Access) -> Result<Ledger> {
    Ledger::open_file(path, access, Duration::ZERO, &mut |_| {})
}

#[test]
fn every_version_is_read_by_its_ref() {
    let folder = tempfile::tempdir().unwrap();
    let versions = Edited::history(1, 8_000, 60);
    let path = ledger(folder.path(), &versions);
    let ledger = open(&path, Access::Read).unwrap();
    for (n, text) in (1..).zip(&versions) {
        let reference = format!("p.v{n}");
        let (address, _) = ledger.bound(&reference).unwrap().unwrap();
        let found = ledger.prompt(&reference).unwrap();
        assert_eq!(found, Some((address, Blob::Present(text.as_bytes().to_vec()))));
    }
    assert_eq!(ledger.prompt("p.v99").unwrap(), None);
    assert_eq!(audited(&ledger, &Options::default()).findings, []);
}

#[test]
fn a_byte_that_changes_is_told_of_every_version_that_stood_on_it() {
    let folder = tempfile::tempdir().unwrap();
    let versions = Edited::history(2, 8_000, 60);
    let path = ledger(folder.path(), &versions);
    let whole = std::fs::read(&path).unwrap();
    let magic = [0x28, 0xb5, 0x2f, 0xfd];
    let frames: Vec<usize> =
        whole.windows(4).enumerate().filter(|(_, bytes)| *bytes == magic).map(|(at, _)| at).collect();
    // Some of them are in pages that are free by now.
    assert!(frames.len() >= 60);
    let (mut lost, mut several) = (0, 0);
    for round in 0..30 {
        let at = frames[round * frames.len() / 30] + 6 + round;
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (round % 8);
        std::fs::write(&path, bytes).unwrap();
        let store = RedbStore::examine(&path, Duration::ZERO, &mut |_| {}).unwrap();
        let ledger = Ledger::open(Box::new(store)).unwrap();
        let mut bad = BTreeSet::new();
        for text in &versions {
            let address = Address::of(text.as_bytes());
            match ledger.blob(&address) {
                Ok(found) => assert_eq!(found, Blob::Present(text.as_bytes().to_vec())),
                Err(error) => {
                    assert_eq!(error.kind(), Kind::Integrity);
                    bad.insert(address);
                }
            }
        }
        let report = audited(&ledger, &Options::default());
        let told: BTreeSet<Address> = versions
            .iter()
            .map(|text| Address::of(text.as_bytes()))
            .filter(|address| {
                report.findings.iter().any(|found| found.message.contains(&hex::encode(address.0)))
            })
            .collect();
        assert_eq!(told, bad, "{at}");
        assert!(report.findings.iter().all(|found| found.code == "altered-content"));
        lost += bad.len();
        several += usize::from(bad.len() > 1);
    }
    println!("30 bits: {lost} versions lost, {several} times more than one");
    assert!(several > 5);
}
