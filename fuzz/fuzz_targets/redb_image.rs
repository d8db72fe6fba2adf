//! A ledger file with any bytes changed is opened and audited, or refused; what extends the pin is what was
//! there. The input says what to change: offset (3 bytes), how many bytes, the bytes; over and over. Its first
//! byte chooses between reading and writing. An input that begins as a database does is the whole file instead.
#![no_main]

use ledger_format::EntryId;
use ledger_format::evidence::Evidence;
use libfuzzer_sys::{Corpus, fuzz_target};
use promptos::ledger::{self, Access, Ledger, Options, Rung};
use promptos_fuzz::{Sample, open};
use std::io::Write as _;
use std::path::Path;
use std::sync::LazyLock;

struct Base {
    file: Vec<u8>,
    head: ledger_format::Head,
    ids: Vec<EntryId>,
    evidence: Vec<Vec<u8>>,
}

static BASE: LazyLock<Base> = LazyLock::new(|| {
    let sample = Sample::make();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.redb");
    std::fs::write(&path, &sample.file).unwrap();
    let ledger = open(&path, Access::Read).unwrap();
    let entries: Vec<_> = (0..sample.head.size).map(|index| ledger.entry(index).unwrap().unwrap()).collect();
    let ids = entries.iter().map(|entry| entry.statement.id).collect();
    let evidence = entries.iter().map(|entry| ledger.take_evidence(entry).unwrap()).collect();
    Base { head: sample.head, ids, evidence, file: sample.file }
});

fn image(mut data: &[u8]) -> Vec<u8> {
    let mut image = BASE.file.clone();
    while let [a, b, c, count, rest @ ..] = data {
        let at = u32::from_le_bytes([*a, *b, *c, 0]) as usize % image.len();
        let (bytes, rest) = rest.split_at(rest.len().min(1 + usize::from(*count) % 32));
        for (place, byte) in image.iter_mut().skip(at).zip(bytes) {
            *place = *byte;
        }
        data = rest;
    }
    image
}

fn read_everything(ledger: &Ledger) {
    let options = Options { pinned: Some(BASE.head), ..Options::default() };
    let report = ledger::audit(ledger, &options, &mut |_| {});
    let extends = report.is_ok_and(|report| {
        assert_eq!(report.rung.is_none(), report.failure().is_some());
        report.rung == Some(Rung::Pinned)
    });
    if extends {
        // Nobody but the founder can add to it.
        assert_eq!(ledger.head().unwrap(), BASE.head);
        for (index, id) in (0..).zip(&BASE.ids) {
            assert_eq!(ledger.entry(index).unwrap().unwrap().statement.id, *id);
        }
    }
    let _ = (ledger.keys(), ledger.checkpoint_key(), ledger.signed_checkpoint());
    for index in 0..BASE.head.size + 1 {
        let Ok(Some(entry)) = ledger.entry(index) else { continue };
        let _ = ledger.by_id(&entry.statement.id);
        // Opening takes a third of all the time, and the same bytes open the same way.
        if let Ok(tar) = ledger.take_evidence(&entry)
            && !BASE.evidence.contains(&tar)
        {
            let _ = Evidence::open(&tar);
        }
        let _ = ledger.trace_entry(&entry);
        for content in entry.statement.body.contents() {
            let _ = ledger.blob(&content.blake3);
        }
    }
}

fn look(path: &Path, write: bool) {
    if let Ok(ledger) = open(path, Access::Read) {
        read_everything(&ledger);
    }
    if write && let Ok(ledger) = open(path, Access::Write) {
        let _ = ledger.rebuild_index();
        read_everything(&ledger);
    }
}

fuzz_target!(
    init: promptos::ledger::install_quiet_panic_hook(),
    |data: &[u8]| -> Corpus {
        let Some((how, changes)) = data.split_first() else { return Corpus::Reject };
        let whole = data.starts_with(b"redb");
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&if whole { data.to_vec() } else { image(changes) }).unwrap();
        look(file.path(), how % 2 == 1);
        Corpus::Keep
    }
);
