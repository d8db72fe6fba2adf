//! Random histories: every store answers as [`MemoryStore`] does.

use super::*;
use proptest::prelude::*;

/// One step of a random history, over few keys and contents so that they meet.
#[derive(Debug, Clone)]
enum Step {
    Commit {
        stale: bool,
        statements: Vec<Vec<u8>>,
        tiles: Vec<(u8, u64, u8)>,
        index: Vec<(Vec<u8>, Option<Vec<u8>>)>,
        /// A content's number, and whether it is declared wrongly.
        blobs: Vec<(u8, bool)>,
        erase: Vec<u8>,
    },
    ReplaceIndex(Vec<(Vec<u8>, Vec<u8>)>),
}

fn content(number: u8) -> Vec<u8> {
    vec![number; usize::from(number) * 20_000]
}

fn step() -> impl Strategy<Value = Step> {
    let row = || {
        let key = prop::collection::vec(prop::sample::select(vec![0_u8, 1, 0x7f]), 0..3);
        let pointer = prop::sample::select(vec![0x80_u8, 0xff]).prop_map(|byte| vec![byte; POINTER]);
        let plain = (key, prop::collection::vec(any::<u8>(), 0..4));
        prop_oneof![3 => plain, 1 => pointer.prop_map(|pointer| (pointer, Vec::new()))]
    };
    let rarely = || prop::bool::weighted(0.1);
    let commit = (
        rarely(),
        prop::collection::vec(prop::collection::vec(any::<u8>(), 0..600), 0..4),
        prop::collection::vec((0..3_u8, 0..4_u64, 1..=16_u8), 0..3),
        prop::collection::vec(
            (row(), any::<bool>()).prop_map(|((key, value), put)| (key, put.then_some(value))),
            0..6,
        ),
        prop::collection::vec((0..8_u8, rarely()), 0..3),
        prop::collection::vec(0..8_u8, 0..2),
    )
        .prop_map(|(stale, statements, tiles, index, blobs, erase)| Step::Commit {
            stale,
            statements,
            tiles,
            index,
            blobs,
            erase,
        });
    let replace = prop::collection::vec(row(), 0..5).prop_map(Step::ReplaceIndex);
    prop_oneof![9 => commit, 1 => replace]
}

fn take(store: &dyn Store, step: &Step) -> Result<Outcome, (Kind, String)> {
    let told = |e: Error| (e.kind(), e.to_string());
    match step {
        Step::ReplaceIndex(rows) => {
            store.replace_index(&mut rows.iter().cloned().map(Ok)).map(|()| Outcome::Done).map_err(told)
        }
        Step::Commit { stale, statements: new, tiles, index, blobs, erase } => {
            let contents: Vec<Vec<u8>> = blobs.iter().map(|(number, _)| content(*number)).collect();
            let mut next = more(store);
            next.expect -= u64::from(*stale);
            if !new.is_empty() {
                next.root = batch(next.expect, &new.iter().map(Vec::as_slice).collect::<Vec<_>>()).root;
            }
            next.statements.clone_from(new);
            next.tiles = tiles
                .iter()
                .map(|&(level, index, n)| (TileId { level, index }, vec![n; 32 * usize::from(n)]))
                .collect();
            next.index.clone_from(index);
            next.erase = erase.iter().map(|number| address(&content(*number))).collect();
            next.blobs = contents.iter().map(|content| blob(content)).collect();
            for (blob, (_, wrong)) in next.blobs.iter_mut().zip(blobs) {
                blob.size += u64::from(*wrong);
            }
            store.commit(next).map_err(told)
        }
    }
}

/// Every store answers a random history as [`MemoryStore`] does, and holds the same in the end.
pub(super) fn batches(make: &dyn Fn(Batch<'_>) -> Box<dyn Store>) {
    let config = ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(history in prop::collection::vec(step(), 1..12))| {
        let store = make(batch(0, &[b"genesis"]));
        let model = MemoryStore::new();
        prop_assert_eq!(model.commit(batch(0, &[b"genesis"])).unwrap(), Outcome::Done);
        for step in &history {
            prop_assert_eq!(take(store.as_ref(), step), take(&model, step));
        }
        prop_assert_eq!(dump(store.as_ref()).unwrap(), model.content());
    });
}
