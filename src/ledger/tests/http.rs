//! A published ledger behind a web server that cannot be relied on.

#[path = "../../../tests/support/server.rs"]
mod server;

use super::published::{grow, long, to};
use super::*;
use crate::error::Kind;
use server::{Manner, Server};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// A test is not to wait long.
fn limits() -> Limits {
    let (short, all) = (Duration::from_millis(300), Duration::from_millis(900));
    Limits { connect: short, stalled: short, file: all, content: all, size: 1 << 20 }
}

fn open(server: &Server, cache: &Path) -> Result<Ledger> {
    let source = Http::new(&server.url, Some(cache.to_owned()), limits())?;
    Ledger::open_published(Box::new(source))
}

fn whole(ledger: &Ledger) -> Result<Report> {
    super::audit(ledger, &Options::default(), &mut |_| {})
}

struct Place {
    _temp: tempfile::TempDir,
    folder: PathBuf,
    cache: PathBuf,
    server: Server,
}

fn served(book: &Book, blobs: Blobs) -> Place {
    let temp = tempfile::tempdir().unwrap();
    let (folder, cache) = (temp.path().join("published"), temp.path().join("cache"));
    to(book, &folder, blobs).unwrap();
    let server = Server::new(&folder);
    Place { _temp: temp, folder, cache, server }
}

/// The first time all is fetched once; after that what can change, and what is not whole yet.
#[test]
fn what_never_changes_is_fetched_once() {
    let mut book = long(600);
    let Place { folder, cache, server, .. } = &served(&book, Blobs::Prompts);
    let report = whole(&open(server, cache).unwrap()).unwrap();
    assert_eq!((report.judged, report.findings.len()), (600, 0));
    let mut asked = server.asked();
    asked.sort();
    let fetched: Vec<&str> =
        asked.iter().filter(|asked| !asked.contains("blob/")).map(String::as_str).collect();
    assert_eq!(
        fetched,
        [
            "GET checkpoint",
            "GET tile/0/000",
            "GET tile/0/001",
            "GET tile/0/002.p/88",
            "GET tile/1/000.p/2",
            "GET tile/entries/000",
            "GET tile/entries/001",
            "GET tile/entries/002.p/88",
        ]
    );
    // Once more, with what is kept: five prompts are still there, and what is absent is absent still.
    let again = whole(&open(server, cache).unwrap()).unwrap();
    assert_eq!(again, report);
    let asked = server.asked();
    let changing: Vec<_> = asked.iter().filter(|asked| !asked.contains("blob/")).collect();
    assert_eq!(
        changing,
        ["GET checkpoint", "GET tile/0/002.p/88", "GET tile/1/000.p/2", "GET tile/entries/002.p/88"]
    );
    assert_eq!(asked.iter().filter(|asked| asked.starts_with("HEAD blob/")).count(), 5);
    // One entry costs one bundle and the hashes beside it, whatever the size of the ledger.
    let ledger = open(server, &cache.join("other")).unwrap();
    server.asked();
    let entry = ledger.entry(300).unwrap().unwrap();
    assert_eq!(entry.statement.bytes(), book.shared.statement(300).unwrap().unwrap());
    assert_eq!(server.asked(), ["GET tile/entries/001"]);
    // When it has grown, what was incomplete is fetched anew.
    grow(&mut book, 770);
    to(&book, folder, Blobs::Prompts).unwrap();
    let report = whole(&open(server, cache).unwrap()).unwrap();
    assert_eq!((report.judged, report.findings.len()), (770, 0));
    let asked = server.asked();
    assert!(
        asked.contains(&"GET tile/entries/002".to_owned())
            && !asked.contains(&"GET tile/entries/001".to_owned())
    );
}

/// Whatever somebody did to the cache: the answer is the same.
#[test]
fn a_corrupt_cache_is_fetched_again() {
    let book = long(258);
    let Place { cache, server, .. } = &served(&book, Blobs::Prompts);
    let good = whole(&open(server, cache).unwrap()).unwrap();
    let kept = super::published::files(cache);
    assert_eq!(kept.keys().filter(|name| name.contains("/tile/")).count(), 2, "{:?}", kept.keys());
    assert_eq!(kept.keys().filter(|name| name.contains("/blob/")).count(), 5);
    for (name, bytes) in &kept {
        let mut flipped = bytes.clone();
        flipped[bytes.len() / 2] ^= 1;
        let other = kept.values().find(|other| *other != bytes).unwrap().clone();
        for damage in [flipped, Vec::new(), other] {
            fs::write(cache.join(name), damage).unwrap();
            server.asked();
            assert_eq!(whole(&open(server, cache).unwrap()).unwrap(), good, "{name}");
            let path = name.split_once('/').unwrap().1;
            assert!(server.asked().contains(&format!("GET {path}")), "{name}");
            assert_eq!(&fs::read(cache.join(name)).unwrap(), bytes, "{name}");
        }
    }
    // One that cannot be written to, and none.
    let file = cache.join("file");
    fs::write(&file, "").unwrap();
    assert_eq!(whole(&open(server, &file).unwrap()).unwrap(), good);
    let source = Http::new(&server.url, None, limits()).unwrap();
    assert_eq!(whole(&Ledger::open_published(Box::new(source)).unwrap()).unwrap(), good);
}

#[test]
fn nothing_wrong_is_kept() {
    let book = long(300);
    let Place { folder, cache, server, .. } = &served(&book, Blobs::Prompts);
    let path = folder.join("tile/entries/000");
    let good = fs::read(&path).unwrap();
    let mut changed = good.clone();
    changed[5000] ^= 1;
    fs::write(&path, changed).unwrap();
    let report = open(server, cache).and_then(|ledger| whole(&ledger));
    assert_eq!(report.unwrap_err().kind(), Kind::Integrity);
    fs::write(&path, good).unwrap();
    assert_eq!(whole(&open(server, cache).unwrap()).unwrap().findings, []);
    // Content that the server does not have any more is not had from the cache.
    let blob = Address::of(b"prompt 1");
    assert!(matches!(open(server, cache).unwrap().blob(&blob).unwrap(), Blob::Present(_)));
    fs::remove_file(folder.join(crate::store::layout::blob(&blob.0))).unwrap();
    assert!(matches!(open(server, cache).unwrap().blob(&blob).unwrap(), Blob::Missing));
    assert!(!super::published::files(cache).keys().any(|name| name.contains(&hex::encode(blob.0)[2..])));
}

#[test]
fn a_server_without_head_will_do() {
    let book = long(3);
    let Place { folder, cache, server, .. } = &served(&book, Blobs::Prompts);
    server.becomes(Manner::NoHead);
    let blob = Address::of(b"prompt 1");
    for _ in 0..2 {
        let ledger = open(server, cache).unwrap();
        assert_eq!(ledger.blob_state(&blob).unwrap(), BlobState::Present(8));
        assert_eq!(ledger.blob(&blob).unwrap(), Blob::Present(b"prompt 1".to_vec()));
    }
    fs::remove_file(folder.join(crate::store::layout::blob(&blob.0))).unwrap();
    assert_eq!(open(server, cache).unwrap().blob(&blob).unwrap(), Blob::Missing);
}

#[test]
fn what_may_pass_is_tried_again_and_what_does_not_ends() {
    let book = long(3);
    let Place { cache, server, .. } = &served(&book, Blobs::Prompts);
    let failure = |ledger: Result<Ledger>| ledger.map(drop).unwrap_err();
    for manner in [Manner::FailsFirst(2, 503), Manner::FailsFirst(1, 429), Manner::HangsUpFirst(2)] {
        server.becomes(manner.clone());
        open(server, cache).unwrap_or_else(|error| panic!("{manner:?}: {error}"));
    }
    server.asked();
    for (manner, kind, tries) in [
        (Manner::FailsFirst(9, 500), Kind::Unavailable, 3),
        (Manner::HangsUpFirst(9), Kind::Unavailable, 3),
        (Manner::FailsFirst(9, 404), Kind::Unavailable, 1),
        (Manner::FailsFirst(9, 403), Kind::Unavailable, 1),
        (Manner::FailsFirst(9, 400), Kind::Unavailable, 1),
        (Manner::Silent, Kind::Unavailable, 1),
        (Manner::Trickles, Kind::Unavailable, 1),
        (Manner::Endless, Kind::Integrity, 1),
        (Manner::Garbage, Kind::Unavailable, 1),
        (Manner::Leads(server.url.clone()), Kind::Unavailable, 5),
    ] {
        server.becomes(manner.clone());
        let began = Instant::now();
        let error = failure(open(server, cache));
        assert_eq!(error.kind(), kind, "{manner:?}: {error}");
        assert!(began.elapsed() < Duration::from_secs(3), "{manner:?}: {:?}", began.elapsed());
        assert!(error.to_string().contains("checkpoint"), "{manner:?}: {error}");
        assert_eq!(server.asked().len(), tries, "{manner:?}: {error}");
    }
    server.becomes(Manner::Cut);
    assert_eq!(failure(open(server, cache)).kind(), Kind::Unavailable);
    server.becomes(Manner::Plain);
    open(server, cache).unwrap();
    // Nobody there.
    let nobody = Http::new("http://127.0.0.1:9/ledger", None, limits()).unwrap();
    assert_eq!(failure(Ledger::open_published(Box::new(nobody))).kind(), Kind::Unavailable);
    let nobody = Http::new("https://no-such-host.invalid", None, limits()).unwrap();
    assert_eq!(failure(Ledger::open_published(Box::new(nobody))).kind(), Kind::Unavailable);
}

/// Content has bounds of its own.
#[test]
fn content_that_never_ends_is_not_taken() {
    let book = long(3);
    let Place { cache, server, .. } = &served(&book, Blobs::Prompts);
    let ledger = open(server, cache).unwrap();
    let blob = Address::of(b"prompt 1");
    for (manner, kind) in [
        (Manner::Endless, Kind::Failed),
        (Manner::Trickles, Kind::Unavailable),
        (Manner::Cut, Kind::Unavailable),
        (Manner::Silent, Kind::Unavailable),
    ] {
        server.becomes(manner.clone());
        let began = Instant::now();
        assert_eq!(ledger.blob(&blob).unwrap_err().kind(), kind, "{manner:?}");
        assert!(began.elapsed() < Duration::from_secs(6), "{manner:?}");
    }
    server.becomes(Manner::Plain);
    assert_eq!(ledger.blob(&blob).unwrap(), super::Blob::Present(b"prompt 1".to_vec()));
}

#[test]
fn what_is_no_url_of_a_ledger_is_refused() {
    for url in [
        "ftp://example.org/x",
        "https://",
        "https://a b/",
        "https://example.org/x?y",
        "http://example.org/#a",
        "https://me:secret@example.org/",
    ] {
        let error = Http::new(url, None, limits()).map(drop).unwrap_err();
        assert_eq!(error.kind(), Kind::Usage, "{url}: {error}");
    }
    for url in ["https://example.org", "http://127.0.0.1:8000/a/b/", "https://[::1]:1/x"] {
        Http::new(url, None, limits()).map(drop).unwrap();
    }
}
