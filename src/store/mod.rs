//! Where a ledger's bytes live: one narrow trait, and what every store promises.
//!
//! A store holds statements in order, Merkle tiles, one head with its checkpoint, blobs by address, and
//! a derived index. It is **not trusted for integrity**: whoever reads through it re-hashes what it gets.
//! What it must do is keep its contract:
//!
//! - [`Store::commit`] is a compare-and-swap on the head: everything in a [`Batch`] is stored together or
//!   not at all. A head that is not at [`Batch::expect`] is [`Outcome::Conflict`], a value and not an error.
//! - `Ok(Outcome::Done)` means durable. After an `Err`, [`Store::head`] tells what happened; where it fails too,
//!   that of the store opened anew does. The same batch submitted again is harmless, because its `expect` no
//!   longer fits once it is stored.
//! - A blob whose address was erased is never stored again, and after a [`Store::scrub`] its bytes are nowhere.
//! - The index is derived: [`Store::replace_index`] may throw it away and write it anew at any time.
//!
//! [`RedbStore`] is the one file of a clone; [`MemoryStore`] holds everything in memory and fails on demand;
//! [`PublishedStore`] reads what was published as plain files.
//! A store's own test is the contract suite in `contract.rs`.

mod batch;
mod contain;
#[cfg(test)]
mod contract;
#[cfg(test)]
pub(crate) mod disk;
#[cfg(test)]
#[path = "../../tests/support/edits.rs"]
pub(crate) mod edits;
pub(crate) mod layout;
mod memory;
pub(crate) mod nodes;
pub(crate) mod published;
mod redb;

pub(crate) use batch::is_pointer;
pub use contain::{contained, install_quiet_panic_hook};
#[cfg(test)]
pub(crate) use contract::dump;
pub use memory::{Content, FailMode, MemoryStore};
pub(crate) use memory::{visit_over, visit_rows};
pub use published::{Directory, Http, Limits, PublishedStore, Source};
pub use redb::{Access, Carved, Event, RedbStore};

use crate::error::Result;
pub use ledger_format::{Hash, Head};
use std::io::Read;

/// Names a tile of 256 hashes as C2SP tlog-tiles does: `level` counts steps of eight tree levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileId {
    /// 0 for leaf hashes, 1 for the roots of full level-0 tiles, and so on.
    pub level: u8,
    /// The tile's place in its level, from 0.
    pub index: u64,
}

/// A blob to be stored with a batch. The store hashes what it reads and refuses the whole batch when
/// length or BLAKE3 differ from what is declared here.
pub struct NewBlob<'a> {
    /// The BLAKE3-256 address.
    pub address: Hash,
    /// The length in bytes.
    pub size: u64,
    /// Another content, of which this one is likely a later version. A store may then keep only what they do not share:
    /// a hint, which changes nothing that can be read.
    pub base: Option<Hash>,
    /// The content, read once, from its beginning, in flat memory, and to its end before the next one. It may read from the store, but not write
    /// to it: a store may hold its write lock meanwhile.
    pub source: Box<dyn Read + Send + 'a>,
}

/// Everything that one append changes.
///
/// Erasures apply before blobs, so a blob whose address the same batch erases is refused. A batch without
/// statements (to bring back lost blobs, to sign the same tree again) must keep the root; it moves no head,
/// so storing it twice does the same as storing it once.
#[derive(Default)]
pub struct Batch<'a> {
    /// The size that the ledger must have for this batch to apply; 0 creates it.
    pub expect: u64,
    /// Statements for the indexes `expect..expect + statements.len()`.
    pub statements: Vec<Vec<u8>>,
    /// Tiles to write whole (1 to 256 hashes of 32 bytes each), replacing partial ones. Places are below `2^48`, which no
    /// ledger comes to.
    pub tiles: Vec<(TileId, Vec<u8>)>,
    /// Root of the tree after this batch; its size is `expect + statements.len()`.
    pub root: Hash,
    /// The signed checkpoint of that tree.
    pub checkpoint: Vec<u8>,
    /// Index rows to put (`Some`) or to delete (`None`). A key that begins with a byte of 128 or more is a pointer: it
    /// has [`POINTER`] bytes, and its value is empty.
    pub index: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// Blobs to store. One that is present already is checked for its size and otherwise left alone.
    pub blobs: Vec<NewBlob<'a>>,
    /// Addresses to erase: the bytes go, the address stays known as erased.
    pub erase: Vec<Hash>,
}

impl Batch<'_> {
    /// About as many bytes as it brings.
    fn size(&self) -> u64 {
        let statements = self.statements.iter().map(Vec::len).sum::<usize>();
        let index = self.index.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, Vec::len));
        let own = statements + index.sum::<usize>();
        u64::try_from(own).unwrap_or(u64::MAX).saturating_add(self.blobs.iter().map(|blob| blob.size).sum())
    }
}

/// What a commit did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Outcome {
    /// Stored, durably.
    Done,
    /// Nothing was stored: the head is this one (`None`: the store is empty) and not at `expect`.
    Conflict(Option<Head>),
}

/// What a store knows of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlobState {
    /// The bytes are here; their length.
    Present(u64),
    /// They were here and were erased.
    Erased,
    /// The store has never had them, or lost them.
    Missing,
}

/// The bytes of a key of the index that stands for itself, and of which there are so many that a store keeps them
/// without lengths.
pub const POINTER: usize = 14;

/// Receives index and bytes of each statement of a scan; answers whether to go on.
pub type VisitStatement<'a> = &'a mut dyn FnMut(u64, &[u8]) -> Result<bool>;

/// Receives key and value of each index row of a scan; answers whether to go on.
pub type VisitRow<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> Result<bool>;

/// One ledger's storage. All methods may be called from several threads.
pub trait Store: Send + Sync {
    /// The head, or `None` while nothing was ever committed.
    fn head(&self) -> Result<Option<Head>>;

    /// The signed checkpoint stored with the head.
    fn checkpoint(&self) -> Result<Option<Vec<u8>>>;

    /// The statement at `index`, byte for byte; `None` at or above the head. One that is gone although it
    /// lies below the head is an integrity error, here and in [`Store::scan`].
    fn statement(&self, index: u64) -> Result<Option<Vec<u8>>>;

    /// Visits the statements of `range` in order, from one consistent snapshot, up to the head.
    fn scan(&self, range: std::ops::Range<u64>, visit: VisitStatement<'_>) -> Result<()>;

    /// A tile's hashes, 32 bytes each; partial tiles are shorter.
    fn tile(&self, id: TileId) -> Result<Option<Vec<u8>>>;

    /// One row of the derived index.
    fn index_get(&self, key: &[u8]) -> Result<Option<Vec<u8>>>;

    /// Visits the index rows whose key begins with `prefix`, ascending, or descending when `reverse`.
    fn index_scan(&self, prefix: &[u8], reverse: bool, visit: VisitRow<'_>) -> Result<()>;

    /// Replaces the whole derived index in one transaction.
    fn replace_index(&self, rows: &mut dyn Iterator<Item = Result<(Vec<u8>, Vec<u8>)>>) -> Result<()>;

    /// What the store knows of a blob.
    fn blob_state(&self, address: &Hash) -> Result<BlobState>;

    /// Hands a present blob's bytes to `sink`, in order, in pieces of at most 1 MiB, without checking
    /// them. Returns the state; `sink` is called only for `Present`.
    fn read_blob(&self, address: &Hash, sink: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<BlobState>;

    /// Visits the address of every blob known, present or erased, with its state.
    fn blobs(&self, visit: &mut dyn FnMut(Hash, BlobState) -> Result<bool>) -> Result<()>;

    /// Stores a batch: everything or nothing, durable when it returns `Done`.
    fn commit(&self, batch: Batch<'_>) -> Result<Outcome>;

    /// Whether bytes of what was erased may be left where the store keeps its own, out of every reader's reach
    /// but not of whoever looks at the disk: an erasure was committed and no scrub has ended since.
    fn unscrubbed(&self) -> Result<bool>;

    /// Makes those bytes go. Nothing that can be read through the store changes. Stopped anywhere, the store is
    /// whole and still `unscrubbed`, or done; to scrub again is harmless.
    fn scrub(&mut self) -> Result<()>;
}
