//! Whether the index has the rows that the statements imply, each once, and no others.

use super::below::undamaged;
use super::index::Row;
use crate::error::Result;
use crate::store::Store;
use std::hash::{BuildHasher as _, RandomState};

/// What an audit does with the rows that follow from the statements.
pub(super) enum Rows {
    /// Nothing: there is no index.
    Unused,
    /// They are added up and compared with the index as a whole at the end: one scan, and no look-ups.
    Sum(Sum, Secret),
    /// Each is looked up: slow, and tells which entry's row is wrong.
    LookUp {
        /// How many there were.
        count: u64,
    },
    /// They are kept, to be written.
    Collect(Vec<Row>),
}

/// The key under which rows are hashed. It is drawn for each audit and kept to itself, so that nobody can prepare
/// rows whose hashes add up to those of others.
#[derive(Clone, Copy)]
pub(super) struct Secret([u8; 32]);

impl Secret {
    /// Drawn from the random keys, 128 bits from the system, that the standard library gives its hash maps.
    pub(super) fn draw() -> Self {
        let state = RandomState::new();
        let mut secret = [0; 32];
        for (n, part) in (0u8..).zip(secret.as_chunks_mut::<8>().0) {
            *part = state.hash_one(n).to_le_bytes();
        }
        Self(secret)
    }
}

/// What a multiset of rows adds up to: how many there are, and the sum modulo 2^128 of their hashes, BLAKE3 keyed with
/// a [`Secret`]. Two different multisets that were there before the secret was drawn have the same sum with a
/// probability of at most m / 2^128, where m is the most often that any row occurs: once in an index, whose keys
/// are unique, and as often as the statements imply it otherwise.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sum {
    rows: u64,
    hashes: u128,
}

impl Sum {
    pub(super) fn add(&mut self, secret: &Secret, key: &[u8], value: &[u8]) {
        // The length keeps key and value apart. Most rows fit in one block of the hash, which needs no state then.
        let mut block = [0; 256];
        let (parts, mut end) = ([&(key.len() as u64).to_le_bytes(), key, value], 0);
        let mut fits = true;
        for part in parts {
            match block.get_mut(end..end + part.len()) {
                Some(room) => room.copy_from_slice(part),
                None => fits = false,
            }
            end += part.len();
        }
        let hash = match block.get(..end).filter(|_| fits) {
            Some(row) => blake3::keyed_hash(&secret.0, row),
            None => blake3::keyed_hash(&secret.0, &parts.concat()),
        };
        let (start, _) = hash.as_bytes().as_chunks::<16>();
        self.rows += 1;
        self.hashes = self.hashes.wrapping_add(start.first().map_or(0, |start| u128::from_le_bytes(*start)));
    }
}

/// What the rows of a store's index add up to; `None` where it cannot be read through.
///
/// # Errors
/// When the store cannot be read for another reason than damage.
pub(super) fn stored(store: &dyn Store, secret: &Secret) -> Result<Option<Sum>> {
    let mut sum = Sum::default();
    let read = store.index_scan(&[], false, &mut |key, value| {
        sum.add(secret, key, value);
        Ok(true)
    });
    Ok(undamaged(read)?.map(|()| sum))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sum<'a>(secret: &Secret, rows: impl IntoIterator<Item = &'a Row>) -> Sum {
        let mut sum = Sum::default();
        rows.into_iter().for_each(|(key, value)| sum.add(secret, key, value));
        sum
    }

    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        (0usize..400, any::<u8>()).prop_map(|(length, byte)| vec![byte; length])
    }

    proptest! {
        #[test]
        fn the_order_of_rows_is_nothing_and_every_row_counts(
            rows in prop::collection::vec((bytes(), bytes()), 1..20), at in any::<prop::sample::Index>()
        ) {
            let (secret, other) = (Secret::draw(), Secret::draw());
            let whole = sum(&secret, &rows);
            prop_assert!(whole == sum(&secret, rows.iter().rev()));
            prop_assert!(whole != sum(&other, &rows));
            let at = at.index(rows.len());
            prop_assert!(whole != sum(&secret, rows.iter().enumerate().filter(|(n, _)| *n != at).map(|(_, row)| row)));
            prop_assert!(whole != sum(&secret, rows.iter().chain([&rows[at]])));
            // A row whose key and value meet elsewhere, or that has another byte, is another row.
            let (key, value) = &rows[at];
            let joined = [key.as_slice(), value].concat();
            for cut in [0, key.len() / 2, joined.len()].into_iter().filter(|cut| *cut != key.len()) {
                let mut changed = rows.clone();
                changed[at] = (joined[..cut].to_vec(), joined[cut..].to_vec());
                prop_assert!(whole != sum(&secret, &changed));
            }
        }
    }
}
