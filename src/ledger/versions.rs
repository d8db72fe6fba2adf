//! Which content a new version of a prompt is likely to be like, so that a store can keep only what they do not share.

use super::index;
use crate::error::Result;
use crate::store::{BlobState, Hash, Store};
use ledger_format::rules::Change;
use ledger_format::{Address, Manifest, split_reference};
use std::collections::BTreeMap;

/// Of each content that is bound to a ref, or that a manifest lists under one, an earlier version of it.
pub(super) fn bases(
    store: &dyn Store,
    changes: &[Change],
    manifest: Option<&Manifest>,
) -> Result<BTreeMap<Address, Hash>> {
    let bound = changes.iter().filter_map(|change| match change {
        Change::Bind(reference, content) => Some((reference.as_str(), *content)),
        _ => None,
    });
    let listed = manifest.into_iter().flat_map(|manifest| &manifest.files).filter(|file| file.kept);
    let listed = listed.filter_map(|file| Some((file.reference.as_deref()?, file.content.blake3)));
    let mut bases = BTreeMap::new();
    for (reference, content) in bound.chain(listed) {
        // Most of what a manifest lists is here already.
        if !bases.contains_key(&content)
            && store.blob_state(&content.0)? == BlobState::Missing
            && let Some(base) = earlier(store, reference, &content)?
        {
            bases.insert(content, base);
        }
    }
    Ok(bases)
}

/// The content that the version before this one is bound to, or else the one that was bound last.
fn earlier(store: &dyn Store, reference: &str, content: &Address) -> Result<Option<Hash>> {
    let Some((id, version)) = split_reference(reference) else { return Ok(None) };
    let fits = |other: &Address| -> Result<bool> {
        Ok(other != content && store.blob_state(&other.0)? != BlobState::Erased)
    };
    if let Some(before) = before(version)
        && let Some((bound, _)) = index::bound(store, &format!("{id}.v{before}"))?
        && fits(&bound)?
    {
        return Ok(Some(bound.0));
    }
    let mut versions = Vec::new();
    let prefix = index::key(index::Table::Ref, &[id.as_bytes(), b".v"]);
    store.index_scan(&prefix, false, &mut |key, value| {
        let (other, bound, at) = index::read_ref_row(key, value)?;
        if split_reference(&other).is_some_and(|(other, _)| other == id) {
            versions.push((at, bound));
        }
        Ok(true)
    })?;
    versions.sort();
    for (_, bound) in versions.iter().rev() {
        if fits(bound)? {
            return Ok(Some(bound.0));
        }
    }
    Ok(None)
}

/// The version whose last number is one less: `1.4` of `1.5`.
fn before(version: &str) -> Option<String> {
    let digits = version.len() - version.bytes().rev().take_while(u8::is_ascii_digit).count();
    let (front, last) = version.split_at_checked(digits)?;
    let last: u64 = last.parse().ok()?;
    Some(format!("{front}{}", last.checked_sub(1)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Batch, MemoryStore, Outcome};
    use ledger_format::{Descriptor, ManifestFile};

    /// A store whose index has these refs, bound in this order to contents named by a number.
    fn store(refs: &[(&str, u8)], erased: &[u8]) -> MemoryStore {
        let store = MemoryStore::new();
        let rows = (1..).zip(refs).flat_map(|(at, (name, n))| index::ref_rows(name, &Address([*n; 32]), at));
        let batch = Batch {
            statements: vec![vec![]],
            index: rows.map(|(key, value)| (key, Some(value))).collect(),
            erase: erased.iter().map(|n| [*n; 32]).collect(),
            ..Batch::default()
        };
        assert_eq!(store.commit(batch).unwrap(), Outcome::Done);
        store
    }

    #[test]
    fn the_version_before_or_else_the_last_one_bound() {
        let refs = [
            ("a.v1", 1),
            ("a.v2", 2),
            ("a.v10", 10),
            ("a.v9", 9),
            ("ab.v1", 11),
            ("a.vb.v1", 12),
            ("a.v1.v3", 13),
        ];
        let cases: [(&str, &[u8], Option<u8>); 13] = [
            ("a.v3", &[], Some(2)),
            ("a.v3", &[2], Some(9)),
            ("a.v3", &[2, 9], Some(10)),
            ("a.v3", &[1, 2, 9, 10], None),
            ("a.v11", &[], Some(10)),
            ("a.v4", &[], Some(9)),
            ("a.v1.1", &[], Some(9)),
            ("a.v0", &[], Some(9)),
            ("a.v99999999999999999999", &[], Some(9)),
            ("ab.v2", &[], Some(11)),
            ("a.vb.v2", &[], Some(12)),
            ("b.v2", &[], None),
            ("no ref", &[], None),
        ];
        for (reference, erased, expected) in cases {
            let found = earlier(&store(&refs, erased), reference, &Address([0; 32])).unwrap();
            assert_eq!(found, expected.map(|n| [n; 32]), "{reference} without {erased:?}");
        }
        // Not itself.
        assert_eq!(earlier(&store(&refs, &[]), "a.v3", &Address([2; 32])).unwrap(), Some([9; 32]));
    }

    #[test]
    fn what_is_bound_and_what_a_manifest_keeps_has_a_base() {
        let store = store(&[("a.v1", 1), ("b.v1.0.4", 4)], &[]);
        let file = |path: &str, reference: Option<&str>, n: u8, kept| ManifestFile {
            path: path.into(),
            reference: reference.map(str::to_owned),
            content: Descriptor { blake3: Address([n; 32]), ..Descriptor::of(b"", "text/plain") },
            kept,
        };
        let files = vec![
            file("b.md", Some("b.v1.0.5"), 5, true),
            file("c.md", Some("b.v1.0.5"), 6, false),
            file("d.md", None, 7, true),
        ];
        let manifest = Manifest { salt: [0; 16], files };
        let changes =
            [Change::Bind("a.v2".into(), Address([2; 32])), Change::Bind("c.v1".into(), Address([3; 32]))];
        let bases = bases(&store, &changes, Some(&manifest)).unwrap();
        let expected = [(Address([2; 32]), [1; 32]), (Address([5; 32]), [4; 32])];
        assert_eq!(bases, expected.into());
    }
}
