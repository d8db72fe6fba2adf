//! A published ledger is the ledger; and whatever of it was changed is noticed by whoever reads it.

use super::*;
use crate::error::Kind;
use crate::store::{Content as Stored, dump};
use std::fs;
use std::path::{Path, PathBuf};

/// A ledger with some of everything: 0 genesis, 1 an enrolment, 2-3 sessions, 4 a run, 5 a new log key, 6 an erasure.
fn book() -> Book {
    let mut book = Book::new();
    let ada = key(FOUNDER);
    book.append(&ada, &enrol(2, "eve", &["user"])).unwrap();
    let plans = [book.session(0, false), book.session(1, true)];
    let sessions = plans.map(|new| book.append(&key(2), &new).unwrap().statement.id);
    let run = book.run(&sessions);
    book.append(&ada, &run).unwrap();
    book.append(&ada, &new_log_key(201)).unwrap();
    book.log_key = key(201);
    book.append(&ada, &erase(Address::of(b"prompt 0"))).unwrap();
    book
}

/// A ledger of so many entries.
pub(super) fn long(size: u64) -> Book {
    let mut book = Book::new();
    grow(&mut book, size);
    book
}

pub(super) fn grow(book: &mut Book, size: u64) {
    while book.head().size < size {
        // What makes sessions counts up to 255 only; here the size makes their names differ.
        book.count = (book.head().size % 200) as u8;
        let new = book.session((book.head().size % 5) as u8, false);
        let new = New { name: format!("n-{}", book.head().size), ..new };
        book.append(&key(FOUNDER), &new).unwrap();
    }
}

pub(super) fn to(book: &Book, folder: &Path, blobs: Blobs) -> Result<Publication> {
    publish(&book.ledger, folder, blobs, Duration::ZERO, &mut |_| {})
}

fn open(folder: &Path) -> Result<Ledger> {
    Ledger::open_published(Box::new(Directory::new(folder.to_owned())))
}

/// What `verify-chain` comes to: a report, or why there is none.
fn verdict(folder: &Path) -> Result<Report> {
    open(folder).and_then(|ledger| super::audit(&ledger, &Options::default(), &mut |_| {}))
}

/// The kind of failure, if it is one.
fn failure(folder: &Path) -> Option<Kind> {
    match verdict(folder) {
        Ok(report) => report.failure(),
        Err(error) => Some(error.kind()),
    }
}

/// Every file below a folder, by relative path.
pub(super) fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for path in fs::read_dir(next).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                found.insert(name, fs::read(path).unwrap());
            }
        }
    }
    found
}

fn temporary() -> (tempfile::TempDir, PathBuf) {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path().join("published");
    (temp, folder)
}

/// MUST: PUB-1 PUB-2 PUB-3 PUB-4 PUB-5 PUB-6 PUB-7
#[test]
fn a_published_ledger_holds_what_the_ledger_holds() {
    for book in [book(), long(1), long(2), long(256), long(257), long(600)] {
        let (_temp, folder) = temporary();
        let done = to(&book, &folder, Blobs::All).unwrap();
        let ledger = open(&folder).unwrap();
        ledger.check_published().unwrap();
        assert_eq!(
            (done.head, ledger.head().unwrap(), ledger.id()),
            (book.head(), book.head(), book.ledger.id())
        );
        assert_eq!(ledger.signed_checkpoint().unwrap(), book.ledger.signed_checkpoint().unwrap());
        // All that can be read through the trait, but for what only the ledger itself knows: that content was erased.
        let mut own = book.shared.0.content();
        own.blobs.retain(|_, bytes| bytes.is_some());
        assert_eq!(dump_listed(&ledger), own);
        for (start, end) in [(0, 3), (250, 260), (255, 256), (256, 513), (599, u64::MAX), (7, 3)] {
            let scan = |store: &dyn Store| {
                let mut seen = Vec::new();
                let visited = store.scan(start..end, &mut |at, bytes| {
                    seen.push((at, bytes.to_vec()));
                    Ok(seen.len() < 300)
                });
                visited.map(|()| seen).unwrap()
            };
            assert_eq!(scan(&*ledger.store), scan(&book.shared), "{start}..{end}");
        }
        let (mut report, own) =
            (audited(&ledger, &Options::default()), audited(&book.ledger, &Options::default()));
        assert_eq!(std::mem::take(&mut report.absent), Vec::<String>::new());
        assert_eq!(report, own);
    }
}

/// As the contract's own, but for content that is known to be erased and cannot be listed.
fn dump_listed(ledger: &Ledger) -> Stored {
    let mut content = dump(&*ledger.store).unwrap();
    content.blobs.retain(|_, bytes| bytes.is_some());
    content
}

#[test]
fn nothing_is_written_through_a_published_ledger() {
    let (_temp, folder) = temporary();
    let mut book = book();
    to(&book, &folder, Blobs::All).unwrap();
    let before = files(&folder);
    let ledger = open(&folder).unwrap();
    let author = Author { signer: &key(FOUNDER), log_key: &book.log_key.clone(), time: 1 };
    let error = ledger.append(&author, &book.session(0, false)).unwrap_err();
    assert_eq!(error.kind(), Kind::Failed, "{error}");
    assert_eq!(ledger.rebuild_index().unwrap_err().kind(), Kind::Failed);
    assert_eq!(files(&folder), before);
}

#[test]
fn what_was_erased_is_told_from_what_is_not_published() {
    let (_temp, folder) = temporary();
    let book = book();
    let erased = Address::of(b"prompt 0");
    for (blobs, here) in [(Blobs::All, 8), (Blobs::Prompts, 1), (Blobs::None, 0)] {
        let done = to(&book, &folder, blobs).unwrap();
        assert_eq!(done.contents, here);
        let listed = files(&folder).into_keys().filter(|name| name.starts_with("blob/"));
        assert_eq!(listed.count() as u64, here, "what is not asked for does not remain");
        let ledger = open(&folder).unwrap();
        assert_eq!(ledger.blob_state(&erased).unwrap(), BlobState::Erased);
        let report = audited(&ledger, &Options::default());
        assert_eq!(
            (report.findings.len(), report.erased, report.contents),
            (0, Some(1), Some(here + 1)),
            "{report:?}"
        );
        assert!(!report.absent.contains(&erased.to_string()));
        assert_eq!(report.absent.contains(&Address::of(b"prompt 1").to_string()), blobs == Blobs::None);
        let traced = ledger.trace_entry(&ledger.entry(3).unwrap().unwrap()).unwrap();
        assert!(traced.holds());
        assert_eq!(traced.unpublished(), usize::from(blobs == Blobs::None));
    }
    // A copy from before the erasure: whoever serves it does not do as the ledger says.
    let path = folder.join(crate::store::layout::blob(&erased.0));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, b"prompt 0").unwrap();
    let report = verdict(&folder).unwrap();
    assert_eq!(report.findings.iter().map(|f| f.code).collect::<Vec<_>>(), ["not-erased"]);
    to(&book, &folder, Blobs::All).unwrap();
    assert!(!path.exists());
    assert_eq!(failure(&folder), None);
}

/// Every file that the checkpoint commits to, changed in every way: exit 3. One that is absent: exit 5, and content
/// that is absent is named.
#[test]
fn whatever_is_changed_is_noticed() {
    for (book, blobs) in [(book(), Blobs::All), (long(258), Blobs::None)] {
        let (_temp, folder) = temporary();
        to(&book, &folder, blobs).unwrap();
        assert_eq!(failure(&folder), None);
        let published = files(&folder);
        let others: Vec<&Vec<u8>> = published.values().collect();
        let mut count = 0;
        for (at, (name, bytes)) in published.iter().enumerate() {
            let path = folder.join(name);
            let mut damages =
                vec![Vec::new(), bytes[..bytes.len() - 1].to_vec(), [&bytes[..], b"\0"].concat()];
            let middles = [0, 1, 2, bytes.len() / 3, bytes.len() / 2, bytes.len() - 1];
            for (at, bit) in middles.into_iter().zip([0, 7, 3, 1, 6, 2]) {
                let mut changed = bytes.clone();
                changed[at.min(bytes.len() - 1)] ^= 1 << bit;
                damages.push(changed);
            }
            damages.extend((1..4).map(|by| others[(at + by) % others.len()].clone()));
            damages.retain(|damage| damage != bytes);
            for damage in damages {
                fs::write(&path, &damage).unwrap();
                assert_eq!(failure(&folder), Some(Kind::Integrity), "{name}: {} bytes", damage.len());
                statements_are_true(&folder, &book, name);
                count += 1;
            }
            fs::remove_file(&path).unwrap();
            if name.starts_with("blob/") {
                let report = verdict(&folder).unwrap();
                assert_eq!((report.failure(), report.absent.len()), (None, 1), "{name}");
            } else {
                assert_eq!(failure(&folder), Some(Kind::Unavailable), "{name}");
                let error = verdict(&folder).unwrap_err();
                assert!(error.to_string().contains(name), "{error}");
                statements_are_true(&folder, &book, name);
            }
            // A folder is no file, and a link to nothing no more than nothing.
            fs::create_dir(&path).unwrap();
            assert_eq!(failure(&folder), Some(Kind::Integrity), "{name}");
            fs::remove_dir(&path).unwrap();
            fs::write(&path, bytes).unwrap();
        }
        assert_eq!(failure(&folder), None);
        assert!(count > 30, "{count}");
    }
}

/// Whatever is read by index is what the checkpoint commits to, or is not given out.
fn statements_are_true(folder: &Path, book: &Book, what: &str) {
    // A checkpoint that was changed commits to something else.
    let Ok(ledger) = open(folder) else { return };
    if what == "checkpoint" && ledger.check_published().is_err() {
        return;
    }
    for at in 0..ledger.head().unwrap().size {
        match ledger.store.statement(at) {
            Ok(bytes) => assert_eq!(bytes, book.shared.statement(at).unwrap(), "{what}: {at}"),
            Err(error) => {
                assert!(matches!(error.kind(), Kind::Integrity | Kind::Unavailable), "{what}: {error}")
            }
        }
    }
}

/// Two of a kind exchanged are altered both.
#[test]
fn statements_in_another_order_are_noticed() {
    let (_temp, folder) = temporary();
    to(&long(513), &folder, Blobs::None).unwrap();
    for (a, b) in [("tile/entries/000", "tile/entries/001"), ("tile/0/000", "tile/0/001")] {
        let (one, other) = (fs::read(folder.join(a)).unwrap(), fs::read(folder.join(b)).unwrap());
        fs::write(folder.join(a), &other).unwrap();
        fs::write(folder.join(b), &one).unwrap();
        assert_eq!(failure(&folder), Some(Kind::Integrity), "{a}");
        fs::write(folder.join(a), &one).unwrap();
        fs::write(folder.join(b), &other).unwrap();
        assert_eq!(failure(&folder), None);
    }
}

/// Published at every step while it grows: nothing is written twice, every older checkpoint still has its ledger, and
/// there are not more files than at once.
#[test]
fn a_growing_ledger_is_published_piece_by_piece() {
    let (_temp, folder) = temporary();
    let mut book = Book::new();
    let mut checkpoints: Vec<(Head, Vec<u8>)> = Vec::new();
    for size in [1, 2, 3, 200, 255, 256, 257, 258, 511, 512, 514] {
        grow(&mut book, size);
        let done = to(&book, &folder, Blobs::None).unwrap();
        let after = files(&folder);
        assert_eq!(after.len() as u64, done.written + done.unchanged + left(&after, size), "{size}");
        assert!(done.written <= 8, "{size}: {done:?}");
        let again = to(&book, &folder, Blobs::None).unwrap();
        assert_eq!((again.written, again.removed), (0, 0), "{size}");
        assert_eq!(failure(&folder), None, "{size}");
        // With an older checkpoint the folder is what it was.
        checkpoints.push((book.head(), fs::read(folder.join("checkpoint")).unwrap()));
        for (head, checkpoint) in &checkpoints {
            fs::write(folder.join("checkpoint"), checkpoint).unwrap();
            let report = verdict(&folder).unwrap();
            assert_eq!((report.size, report.rung), (head.size, Some(Rung::Consistent)));
            let seen = Options { pinned: Some(book.head()), ..Options::default() };
            let report = super::audit(&open(&folder).unwrap(), &seen, &mut |_| {}).unwrap();
            assert_eq!(report.failure().is_none(), *head == book.head(), "{report:?}");
        }
    }
    let once = tempfile::tempdir().unwrap();
    to(&book, once.path(), Blobs::None).unwrap();
    let (at_once, piecewise) = (files(once.path()), files(&folder));
    assert!(at_once.iter().all(|(name, bytes)| piecewise.get(name) == Some(bytes)));
}

/// How many incomplete tiles of older checkpoints there are.
fn left(files: &BTreeMap<String, Vec<u8>>, size: u64) -> u64 {
    let current = |level: u32, name: &str| {
        let items = size >> (8 * level);
        name.ends_with(&format!("/{:03}.p/{}", items / 256, items % 256))
    };
    let old = files.keys().filter(|name| name.contains(".p/")).filter(|name| {
        let level = u32::from(name.starts_with("tile/1/"));
        !current(level, name)
    });
    old.count() as u64
}

#[test]
fn a_folder_of_something_else_is_left_alone() {
    let (_temp, folder) = temporary();
    let mut book = long(3);
    to(&book, &folder, Blobs::All).unwrap();
    let published = files(&folder);
    // Another ledger.
    let error = to(&Book::founded(9), &folder, Blobs::All).unwrap_err();
    assert_eq!(error.kind(), Kind::Failed, "{error}");
    assert!(error.to_string().contains("another ledger"), "{error}");
    // A copy that fell behind, and one that went another way.
    let mut other = book.copy();
    grow(&mut book, 5);
    to(&book, &folder, Blobs::All).unwrap();
    let longer = files(&folder);
    let error = to(&other, &folder, Blobs::All).unwrap_err();
    assert_eq!(error.kind(), Kind::Integrity, "{error}");
    other.append(&key(FOUNDER), &enrol(2, "eve", &["user"])).unwrap();
    grow(&mut other, 7);
    let error = to(&other, &folder, Blobs::All).unwrap_err();
    assert_eq!(error.kind(), Kind::Integrity, "{error}");
    assert!(error.to_string().contains("forked"), "{error}");
    assert_eq!(files(&folder), longer);
    assert_ne!(longer, published);
    // A folder with other files, and a file.
    let (_temp, folder) = temporary();
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("thesis.tex"), "x").unwrap();
    for place in [folder.clone(), folder.join("thesis.tex")] {
        let error = to(&book, &place, Blobs::All).unwrap_err();
        assert_eq!(error.kind(), Kind::Failed, "{error}");
    }
    assert_eq!(files(&folder).len(), 1);
    // Some other program's checkpoint.
    fs::rename(folder.join("thesis.tex"), folder.join("checkpoint")).unwrap();
    assert_eq!(to(&book, &folder, Blobs::All).unwrap_err().kind(), Kind::Failed);
    assert_eq!(files(&folder).len(), 1);
}

#[test]
fn a_damaged_ledger_is_not_published() {
    let (_temp, folder) = temporary();
    let book = long(3);
    to(&book, &folder, Blobs::All).unwrap();
    let before = files(&folder);
    let damages: [fn(&mut Stored); 3] = [
        |content| content.statements.get_mut(&1).unwrap()[200] ^= 1,
        |content| content.head.as_mut().unwrap().root[0] ^= 1,
        |content| drop(content.statements.remove(&2)),
    ];
    for damage in damages {
        let book = book.copy();
        book.shared.0.tamper(damage);
        assert_eq!(to(&book, &folder, Blobs::All).unwrap_err().kind(), Kind::Integrity);
        assert_eq!(files(&folder), before);
    }
    // Content that was changed is not published either, and what is there stays.
    let mut worse = book.copy();
    grow(&mut worse, 4);
    worse
        .shared
        .0
        .tamper(|content| content.blobs.values_mut().for_each(|blob| blob.as_mut().unwrap()[0] ^= 1));
    assert_eq!(to(&worse, &folder, Blobs::All).unwrap_err().kind(), Kind::Integrity);
    assert_eq!(files(&folder), before);
}

#[test]
fn what_was_damaged_in_the_folder_is_written_again() {
    let (_temp, folder) = temporary();
    let book = long(300);
    to(&book, &folder, Blobs::All).unwrap();
    let right = files(&folder);
    for (name, bytes) in &right {
        let mut changed = bytes.clone();
        changed[0] ^= 1;
        // A checkpoint that is none, or of another ledger, is not ours to replace.
        if name != "checkpoint" {
            fs::write(folder.join(name), changed).unwrap();
        }
    }
    fs::write(folder.join("index.html"), "hello").unwrap();
    let done = to(&book, &folder, Blobs::All).unwrap();
    assert_eq!((done.written as usize, done.unchanged), (right.len() - 1, 1));
    fs::remove_file(folder.join("index.html")).unwrap();
    assert_eq!(files(&folder), right);
}
