//! Where a published ledger keeps what: the paths of C2SP tlog-tiles (v0.1.0), and `blob/` beside them.

use super::nodes::WIDTH;
use super::{Hash, TileId};
use ledger_format::MAX_STATEMENT;

/// The signed checkpoint, which says how much of all else counts.
pub(crate) const CHECKPOINT: &str = "checkpoint";
/// The folder of hash tiles and entry bundles.
pub(crate) const TILES: &str = "tile";
/// The folder of contents.
pub(crate) const BLOBS: &str = "blob";

/// The most bytes that an entry bundle can have.
pub(super) const MAX_BUNDLE: usize = WIDTH as usize * (2 + MAX_STATEMENT);

/// What `tile/<level>/` can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Row {
    /// The hashes of this level.
    Hashes(u8),
    /// The statements.
    Entries,
}

/// The path of a tile of 256 items, or of a narrower one.
pub(crate) fn tile(row: Row, index: u64, width: u64) -> String {
    let row = match row {
        Row::Hashes(level) => level.to_string(),
        Row::Entries => "entries".to_owned(),
    };
    let partial = if width < WIDTH { format!(".p/{width}") } else { String::new() };
    format!("{TILES}/{row}/{}{partial}", number(index))
}

/// `x001/x234/067`: groups of three digits, each but the last with an `x`.
fn number(index: u64) -> String {
    let mut path = format!("{:03}", index % 1000);
    let mut rest = index / 1000;
    while rest > 0 {
        path = format!("x{:03}/{path}", rest % 1000);
        rest /= 1000;
    }
    path
}

/// The path of content.
pub(crate) fn blob(address: &Hash) -> String {
    let digits = hex::encode(address);
    let (folder, name) = digits.split_at(2);
    format!("{BLOBS}/{folder}/{name}")
}

/// The address of content at `blob/<folder>/<name>`, if that is how content is called.
pub(crate) fn address(folder: &str, name: &str) -> Option<Hash> {
    let digits = format!("{folder}{name}");
    let plain = folder.len() == 2 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    plain.then(|| hex::decode(&digits).ok()?.try_into().ok())?
}

/// How many items of a tile a tree of this size has; none when it does not reach that far.
pub(crate) fn width(row: Row, index: u64, size: u64) -> u64 {
    let level = if let Row::Hashes(level) = row { u32::from(level) } else { 0 };
    let items = level.checked_mul(8).and_then(|by| size.checked_shr(by)).unwrap_or(0);
    index.checked_mul(WIDTH).map_or(0, |first| items.saturating_sub(first).min(WIDTH))
}

/// Every tile that a tree of this size has, with its width.
pub(crate) fn all(size: u64) -> impl Iterator<Item = (TileId, u64)> {
    (0..8).flat_map(move |level| {
        let of = move |index| (TileId { level, index }, width(Row::Hashes(level), index, size));
        (0..).map(of).take_while(|(_, width)| *width > 0)
    })
}

/// A bundle: each statement behind its length, two bytes, big-endian.
pub(crate) fn bundle(statements: &[Vec<u8>]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for statement in statements {
        bytes.extend_from_slice(&u16::try_from(statement.len()).ok()?.to_be_bytes());
        bytes.extend_from_slice(statement);
    }
    Some(bytes)
}

/// The statements of a bundle, if it has exactly so many and nothing else.
pub(super) fn read_bundle(mut bytes: &[u8], width: u64) -> Option<Vec<Vec<u8>>> {
    let mut statements = Vec::new();
    for _ in 0..width {
        let (length, rest) = bytes.split_first_chunk::<2>()?;
        let (statement, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        statements.push(statement.to_vec());
        bytes = rest;
    }
    bytes.is_empty().then_some(statements)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of C2SP tlog-tiles, and both sides of each step.
    #[test]
    fn numbers_are_written_as_the_specification_has_it() {
        let path = |index, width| tile(Row::Hashes(0), index, width);
        assert_eq!(path(1_234_067, 256), "tile/0/x001/x234/067");
        assert_eq!(path(0, 256), "tile/0/000");
        assert_eq!(path(999, 1), "tile/0/999.p/1");
        assert_eq!(path(1000, 255), "tile/0/x001/000.p/255");
        assert_eq!(path(999_999, 256), "tile/0/x999/999");
        assert_eq!(path(1_000_000, 256), "tile/0/x001/x000/000");
        assert_eq!(path(u64::MAX, 256), "tile/0/x018/x446/x744/x073/x709/x551/615");
        assert_eq!(tile(Row::Entries, 67, 7), "tile/entries/067.p/7");
        assert_eq!(tile(Row::Hashes(7), 0, 1), "tile/7/000.p/1");
    }

    /// That of the specification: at size 70,000 the tree has 256, 112 and 17 items at its right edge.
    #[test]
    fn widths_follow_from_the_size() {
        let at = |level, index| width(Row::Hashes(level), index, 70_000);
        assert_eq!((at(0, 272), at(0, 273), at(0, 274)), (256, 112, 0));
        assert_eq!((at(1, 0), at(1, 1), at(1, 2)), (256, 17, 0));
        assert_eq!((at(2, 0), at(3, 0), at(7, 0), at(9, 0)), (1, 0, 0, 0));
        assert_eq!(width(Row::Entries, 273, 70_000), 112);
        assert_eq!(width(Row::Hashes(0), u64::MAX, u64::MAX), 0);
        assert_eq!(width(Row::Hashes(0), (1 << 56) - 1, u64::MAX), 255);
        assert_eq!(all(70_000).count(), 274 + 2 + 1);
        assert_eq!(all(0).count(), 0);
    }

    #[test]
    fn a_bundle_has_what_its_place_says_and_nothing_else() {
        let statements = vec![vec![1, 2, 3], vec![], vec![7; MAX_STATEMENT]];
        let bytes = bundle(&statements).unwrap();
        assert_eq!(bytes[..5], [0, 3, 1, 2, 3]);
        assert_eq!(read_bundle(&bytes, 3), Some(statements.clone()));
        for width in [0, 1, 2, 4] {
            assert_eq!(read_bundle(&bytes, width), None, "{width}");
        }
        for cut in [0, 1, 2, 4, bytes.len() - 1] {
            assert_eq!(read_bundle(&bytes[..cut], 3), None, "{cut}");
        }
        assert_eq!(bundle(&[vec![0; MAX_STATEMENT + 1]]), None);
    }

    #[test]
    fn addresses_are_read_as_they_are_written() {
        let hash = *blake3::hash(b"x").as_bytes();
        let path = blob(&hash);
        let mut parts = path.split('/').skip(1);
        let (folder, name) = (parts.next().unwrap(), parts.next().unwrap());
        assert_eq!((folder.len(), name.len()), (2, 62));
        assert_eq!(address(folder, name), Some(hash));
        assert_eq!(address(folder, &name[1..]), None);
        assert_eq!(address(folder, &name.to_uppercase()), None);
        assert_eq!(address(&format!("{folder}{}", &name[..1]), &name[1..]), None);
        assert_eq!(address("", ""), None);
    }
}
