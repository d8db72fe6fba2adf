//! What becomes of contents that are said to be versions of others: nothing that a reader could tell.

use super::*;
use crate::store::edits::Prompt;
use proptest::prelude::*;

fn version<'a>(content: &'a [u8], base: Option<&[u8]>) -> NewBlob<'a> {
    NewBlob { base: base.map(address), ..blob(content) }
}

/// So many versions that some stand on others than the one before them.
pub(super) fn long_histories(store: &mut dyn Store) {
    let versions: Vec<Vec<u8>> =
        Prompt::history(1, 3_000, 1_100).into_iter().map(String::into_bytes).collect();
    for (expect, some) in (1..).zip(versions.chunks(100)) {
        let mut next = batch(expect, &[b"s"]);
        let before = (expect as usize - 1) * 100;
        next.blobs = (before..)
            .zip(some)
            .map(|(n, content)| version(content, n.checked_sub(1).map(|n| versions[n].as_slice())))
            .collect();
        assert_eq!(store.commit(next).unwrap(), Outcome::Done);
    }
    let check = |store: &dyn Store, from: usize| {
        for content in &versions[from..] {
            let (state, bytes) = bytes_of(store, &address(content));
            assert!(state == BlobState::Present(content.len() as u64) && bytes == *content);
            assert_eq!(store.blob_state(&address(content)).unwrap(), state);
        }
    };
    check(store, 0);
    // As if it were nothing: the first ones go, on which all the others stood.
    for (expect, gone) in (12..).zip(0..40) {
        let mut next = batch(expect, &[b"e"]);
        next.erase = vec![address(&versions[gone])];
        assert_eq!(store.commit(next).unwrap(), Outcome::Done);
    }
    check(store, 40);
    store.scrub().unwrap();
    check(store, 40);
}

/// Bases that are none.
pub(super) fn bad_hints(store: &dyn Store) {
    let text = Prompt::new(2, 2_000).text().into_bytes();
    let with = |last: u8| [&text[..], &[last]].concat();
    let large = |last: u8| [vec![7; 1 << 20], vec![last]].concat();
    // As zstd's dictionaries begin.
    let magic = |last: u8| [&[0x37, 0xa4, 0x30, 0xec][..], &text, &[last]].concat();
    let noise: Vec<u8> = (0..2_000_u32).flat_map(|n| *blake3::hash(&n.to_be_bytes()).as_bytes()).collect();
    let mut next = more(store);
    next.erase = vec![address(b"erased")];
    assert_eq!(store.commit(next).unwrap(), Outcome::Done);
    let cases: Vec<(Vec<u8>, Vec<u8>)> = vec![
        (with(1), b"missing".to_vec()),
        (with(2), b"erased".to_vec()),
        (with(3), with(3)),
        (with(4), noise.clone()),
        (noise.clone(), with(1)),
        (large(1), with(1)),
        (large(2), large(1)),
        (with(5), large(1)),
        (magic(1), with(1)),
        (magic(2), magic(1)),
        (with(6), magic(1)),
        (vec![], with(1)),
        (b"short".to_vec(), with(1)),
        (with(7), b"short".to_vec()),
        (with(8), vec![]),
    ];
    for (content, base) in &cases {
        let mut next = more(store);
        next.blobs = vec![version(content, Some(base)), untouchable(address(content), content.len() as u64)];
        assert_eq!(store.commit(next).unwrap(), Outcome::Done);
    }
    assert!(cases.iter().all(|(content, _)| bytes_of(store, &address(content)).1 == *content));
    // What is wrong with a content is told as if there were no base.
    let spoiled = [
        (with(9), with(10), "changed while it was read"),
        (with(9), with(9)[1..].to_vec(), "changed while it was read"),
        (with(9), [&with(9)[..], b"more"].concat(), "changed while it was read"),
        (b"erased".to_vec(), b"erased".to_vec(), "never stored again"),
    ];
    let before = dump(store).unwrap();
    for (declared, source, message) in &spoiled {
        let mut next = more(store);
        next.blobs = vec![
            version(b"innocent", Some(b"short")),
            NewBlob { source: Box::new(&source[..]), ..version(declared, Some(&with(1))) },
        ];
        let error = store.commit(next).unwrap_err();
        assert!(error.to_string().contains(message), "{error}");
        assert_eq!(dump(store).unwrap(), before);
    }
}

/// Of so many of the newest versions one is named or erased.
const NEWEST: usize = 24;

#[derive(Debug, Clone)]
enum Step {
    /// The next version, said to be one of that which came so many before it.
    Edit(usize),
    Erase(usize),
    Scrub,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        9 => Just(Step::Edit(0)),
        3 => (0..NEWEST).prop_map(Step::Edit),
        3 => (0..NEWEST).prop_map(Step::Erase),
        1 => Just(Step::Scrub),
    ]
}

/// Random trees of versions, of which any are erased: every store answers as [`MemoryStore`] does.
pub(super) fn trees(make: &dyn Fn(Batch<'_>) -> Box<dyn Store>) {
    let config = ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(seed: u64, steps in prop::collection::vec(step(), 1..80))| {
        let mut store = make(batch(0, &[b"genesis"]));
        let model = MemoryStore::new();
        prop_assert_eq!(model.commit(batch(0, &[b"genesis"])).unwrap(), Outcome::Done);
        let mut prompt = Prompt::new(seed, 1_500);
        // The newest first.
        let mut versions = vec![prompt.text().into_bytes()];
        for (expect, step) in (1..).zip(&steps) {
            let named = |n: &usize| versions.get(*n).unwrap_or(&versions[0]).clone();
            let (content, base, gone) = match step {
                Step::Edit(base) => {
                    // An edit may undo another, and what was erased is refused.
                    let mut new = || prompt.edit().into_bytes();
                    let new = std::iter::repeat_with(&mut new).find(|text| !versions.contains(text));
                    (new, named(base), None)
                }
                Step::Erase(which) => (None, Vec::new(), Some(address(&named(which)))),
                Step::Scrub => (None, Vec::new(), None),
            };
            for store in [store.as_ref(), &model] {
                let mut next = batch(expect, &[b"s"]);
                next.blobs = content.iter().map(|content| version(content, Some(&base))).collect();
                next.erase.extend(gone);
                assert_eq!(store.commit(next).unwrap(), Outcome::Done);
            }
            if let Step::Scrub = step {
                store.scrub().unwrap();
            }
            versions.splice(0..0, content);
        }
        prop_assert_eq!(dump(store.as_ref()).unwrap(), model.content());
    });
}
