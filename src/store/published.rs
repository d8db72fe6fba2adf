//! A published ledger, for reading: the files that [`super::layout`] names, wherever they are.
//!
//! Of a published ledger only the checkpoint is taken as it is, until its signature is checked. A statement is handed
//! out by its index only when its bundle leads to the checkpoint's root. Tiles, and the statements of a scan, are
//! what the files say: whoever scans them all computes the root.

mod cache;
mod directory;
mod http;

pub use directory::Directory;
pub(crate) use directory::{entries, listed};
pub use http::{Http, Limits};

use super::layout::{self, CHECKPOINT, MAX_BUNDLE, Row};
use super::nodes::{HASH, HEIGHT, TILE, Tiles, WIDTH, combine};
use super::{Batch, BlobState, Hash, Head, Outcome, Store, TileId, VisitRow, VisitStatement};
use crate::error::{Error, Kind, Result};
use ledger_format::Checkpoint;
use ledger_format::tree::{self, Nodes};
use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// The most bytes of a signed note.
const MAX_NOTE: usize = 65_536;
/// So many bundles are held in memory: a bundle has at most 16 MiB, and 200 KB as a rule.
const BUNDLES: usize = 4;

/// Where the files of a published ledger come from.
pub trait Source: Send + Sync {
    /// How a person names it.
    fn name(&self) -> String;

    /// Tells whose files they are, as the checkpoint says.
    fn of(&mut self, _origin: &str) {}

    /// A file, whole; `None` when it is not there. One of more than `limit` bytes is an integrity error.
    fn file(&self, path: &str, limit: usize) -> Result<Option<Vec<u8>>>;

    /// What is known of content; never erased, since whoever has only files cannot tell.
    fn blob_state(&self, address: &Hash) -> Result<BlobState>;

    /// Hands content to `sink`, in pieces of at most 1 MiB. Whoever receives it checks it.
    fn read_blob(&self, address: &Hash, sink: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<BlobState>;

    /// Visits the content that can be listed: all of it, or none.
    fn blobs(&self, visit: &mut dyn FnMut(Hash, BlobState) -> Result<bool>) -> Result<()>;

    /// Whether [`Self::remember`] keeps anything.
    fn remembers(&self) -> bool {
        false
    }

    /// A file that was given to [`Self::remember`], or what became of it since.
    fn remembered(&self, _path: &str, _limit: usize) -> Option<Vec<u8>> {
        None
    }

    /// Keeps a file that never changes and that was checked.
    fn remember(&self, _path: &str, _bytes: &[u8]) {}
}

/// A published ledger as a store that is read only, without an index.
pub struct PublishedStore {
    source: Box<dyn Source>,
    note: Vec<u8>,
    checkpoint: Checkpoint,
    tiles: Mutex<HashMap<TileId, Arc<Vec<u8>>>>,
    /// The newest last.
    bundles: Mutex<VecDeque<Arc<Bundle>>>,
}

/// The statements from `256 * index` on.
struct Bundle {
    index: u64,
    statements: Vec<Vec<u8>>,
    leaves: Vec<Hash>,
    proven: OnceLock<bool>,
}

impl PublishedStore {
    /// Reads the checkpoint. Whether it is signed by the ledger's key is left to who knows that key.
    ///
    /// # Errors
    /// Unavailable, when there is none; integrity, when it is none; what the source fails with.
    pub fn open(mut source: Box<dyn Source>) -> Result<Self> {
        let name = source.name();
        let note = source.file(CHECKPOINT, MAX_NOTE)?.ok_or_else(|| absent(&name, CHECKPOINT))?;
        let checkpoint = Checkpoint::parse(&note)
            .map_err(|f| Error::integrity(format!("{CHECKPOINT} of {name} is none: {f}")))?;
        if checkpoint.head.size == 0 {
            return Err(Error::integrity(format!("{CHECKPOINT} of {name} is of a ledger without entries")));
        }
        source.of(&checkpoint.origin);
        let (tiles, bundles) = (Mutex::default(), Mutex::default());
        Ok(Self { source, note, checkpoint, tiles, bundles })
    }

    /// What the checkpoint says: whose head it is, and the head.
    #[must_use]
    pub fn claimed(&self) -> &Checkpoint {
        &self.checkpoint
    }

    fn size(&self) -> u64 {
        self.checkpoint.head.size
    }

    /// How a person names it.
    #[must_use]
    pub fn name(&self) -> String {
        self.source.name()
    }

    /// The file that has the first `width` items of a tile, and how many it has.
    fn covered(&self, row: Row, index: u64, width: u64, limit: usize) -> Result<(String, Vec<u8>, u64)> {
        let (narrow, whole) = (layout::tile(row, index, width), layout::tile(row, index, WIDTH));
        if width < WIDTH
            && let Some(bytes) = self.source.file(&narrow, limit)?
        {
            return Ok((narrow, bytes, width));
        }
        match self.source.file(&whole, limit)? {
            Some(bytes) => Ok((whole, bytes, WIDTH)),
            None => Err(absent(&self.name(), &narrow)),
        }
    }

    fn damaged(&self, path: &str, why: &str) -> Error {
        Error::integrity(format!("{path} of {} was changed: {why}", self.name()))
    }

    fn read_tile(&self, id: TileId, width: u64) -> Result<Vec<u8>> {
        let row = Row::Hashes(id.level);
        let whole = layout::tile(row, id.index, WIDTH);
        let keep = width == WIDTH && self.source.remembers();
        let proven = |hashes: &[u8]| match combine(hashes.as_chunks().0) {
            Some(root) if hashes.len() == TILE => self.has_subtree(&root, id.level + 1, id.index),
            _ => Ok(false),
        };
        if keep
            && let Some(hashes) = self.source.remembered(&whole, TILE)
            && proven(&hashes)?
        {
            return Ok(hashes);
        }
        let (path, mut hashes, items) = self.covered(row, id.index, width, TILE)?;
        if hashes.len() as u64 != items * HASH as u64 {
            let why =
                format!("it has {} bytes, and {items} hashes have {}", hashes.len(), items * HASH as u64);
            return Err(self.damaged(&path, &why));
        }
        if keep && proven(&hashes)? {
            self.source.remember(&whole, &hashes);
        }
        hashes.truncate(width as usize * HASH);
        Ok(hashes)
    }

    /// Whether this is the root of the `index`th complete subtree at the bottom of a tile of this level.
    fn has_subtree(&self, root: &Hash, level: u8, index: u64) -> Result<bool> {
        let (height, head) = (level * HEIGHT, self.checkpoint.head);
        let Some(first) = index.checked_mul(1 << height) else { return Ok(false) };
        // The path from the first leaf below it begins with what lies within it.
        let path = tree::inclusion_proof(&Above { store: self, height }, first, head.size)?;
        let top = Head { size: ((head.size - 1) >> height) + 1, root: head.root };
        let path = path.get(usize::from(height)..).unwrap_or_default();
        Ok(tree::verify_inclusion(root, index, &top, path).is_ok())
    }

    fn bundle(&self, index: u64) -> Result<Arc<Bundle>> {
        let held = lock(&self.bundles).iter().find(|bundle| bundle.index == index).cloned();
        if let Some(bundle) = held {
            return Ok(bundle);
        }
        let bundle = Arc::new(self.read_bundle(index)?);
        let mut bundles = lock(&self.bundles);
        bundles.push_back(Arc::clone(&bundle));
        if bundles.len() > BUNDLES {
            bundles.pop_front();
        }
        Ok(bundle)
    }

    fn read_bundle(&self, index: u64) -> Result<Bundle> {
        let width = layout::width(Row::Entries, index, self.size());
        let whole = layout::tile(Row::Entries, index, WIDTH);
        let keep = width == WIDTH && self.source.remembers();
        if keep
            && let Some(bytes) = self.source.remembered(&whole, MAX_BUNDLE)
            && let Some(statements) = layout::read_bundle(&bytes, WIDTH)
        {
            let bundle = Bundle::new(index, statements);
            if self.proven(&bundle)? {
                return Ok(bundle);
            }
        }
        let (path, bytes, items) = self.covered(Row::Entries, index, width, MAX_BUNDLE)?;
        let mut statements = layout::read_bundle(&bytes, items)
            .ok_or_else(|| self.damaged(&path, &format!("it is not a bundle of {items} statements")))?;
        statements.truncate(width as usize);
        let bundle = Bundle::new(index, statements);
        if keep {
            match self.proven(&bundle) {
                Ok(true) => self.source.remember(&whole, &bytes),
                Ok(false) => {}
                // A scan does without the tiles that prove it.
                Err(error) if matches!(error.kind(), Kind::Unavailable | Kind::Integrity) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(bundle)
    }

    /// Whether all of a bundle leads to the checkpoint's root. What lies within it is computed from it, so that the
    /// path of one statement is made of all of them.
    fn proven(&self, bundle: &Bundle) -> Result<bool> {
        if let Some(proven) = bundle.proven.get() {
            return Ok(*proven);
        }
        let (head, first) = (self.checkpoint.head, bundle.index * WIDTH);
        let path = tree::inclusion_proof(&With { store: self, bundle }, first, head.size)?;
        let leaf = bundle.leaves.first().copied().unwrap_or_default();
        Ok(*bundle.proven.get_or_init(|| tree::verify_inclusion(&leaf, first, &head, &path).is_ok()))
    }
}

impl Bundle {
    fn new(index: u64, statements: Vec<Vec<u8>>) -> Self {
        let leaves = statements.iter().map(|statement| tree::leaf_hash(statement)).collect();
        Self { index, statements, leaves, proven: OnceLock::new() }
    }
}

/// The tree with the hashes of one bundle in place of what the tiles say of it.
struct With<'a> {
    store: &'a PublishedStore,
    bundle: &'a Bundle,
}

impl Nodes for With<'_> {
    type Error = Error;

    fn node(&self, level: u8, index: u64) -> Result<Hash> {
        let first = index << level;
        if level < HEIGHT && first / WIDTH == self.bundle.index {
            let from = (first % WIDTH) as usize;
            if let Some(hashes) = self.bundle.leaves.get(from..from + (1 << level))
                && let Some(hash) = combine(hashes)
            {
                return Ok(hash);
            }
        }
        Tiles(self.store).node(level, index)
    }
}

/// The tree from a height on; what lies below is not read.
struct Above<'a> {
    store: &'a PublishedStore,
    height: u8,
}

impl Nodes for Above<'_> {
    type Error = Error;

    fn node(&self, level: u8, index: u64) -> Result<Hash> {
        if level < self.height && index >> (self.height - level) != self.store.size() >> self.height {
            return Ok(Hash::default());
        }
        Tiles(self.store).node(level, index)
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing below panics halfway through a change.
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

fn absent(name: &str, path: &str) -> Error {
    Error::unavailable(format!("{path} of {name} is not there, and the checkpoint covers it"))
        .hint("the ledger cannot be judged without it; whoever publishes it can publish it again")
}

fn read_only() -> Error {
    Error::failed("a published ledger is only read").hint("write to the ledger that it was published from")
}

impl Store for PublishedStore {
    fn head(&self) -> Result<Option<Head>> {
        Ok(Some(self.checkpoint.head))
    }

    fn checkpoint(&self) -> Result<Option<Vec<u8>>> {
        Ok(Some(self.note.clone()))
    }

    fn statement(&self, index: u64) -> Result<Option<Vec<u8>>> {
        if index >= self.size() {
            return Ok(None);
        }
        let bundle = self.bundle(index / WIDTH)?;
        if !self.proven(&bundle)? {
            let path = layout::tile(Row::Entries, bundle.index, bundle.statements.len() as u64);
            let why = "its statements do not lead to the checkpoint's root";
            return Err(self
                .damaged(&path, why)
                .hint("or a hash tile or the checkpoint was; promptos verify-chain tells which"));
        }
        Ok(bundle.statements.get((index % WIDTH) as usize).cloned())
    }

    /// As the files say.
    fn scan(&self, range: Range<u64>, visit: VisitStatement<'_>) -> Result<()> {
        let (mut at, end) = (range.start, range.end.min(self.size()));
        while at < end {
            let bundle = self.bundle(at / WIDTH)?;
            for statement in bundle.statements.iter().skip((at % WIDTH) as usize) {
                if at == end || !visit(at, statement)? {
                    return Ok(());
                }
                at += 1;
            }
        }
        Ok(())
    }

    /// As the files say.
    fn tile(&self, id: TileId) -> Result<Option<Vec<u8>>> {
        let width = layout::width(Row::Hashes(id.level), id.index, self.size());
        if width == 0 {
            return Ok(None);
        }
        let held = lock(&self.tiles).get(&id).cloned();
        if let Some(tile) = held {
            return Ok(Some(tile.to_vec()));
        }
        let tile = self.read_tile(id, width)?;
        lock(&self.tiles).insert(id, Arc::new(tile.clone()));
        Ok(Some(tile))
    }

    fn index_get(&self, _: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(None)
    }

    fn index_scan(&self, _: &[u8], _: bool, _: VisitRow<'_>) -> Result<()> {
        Ok(())
    }

    fn replace_index(&self, _: &mut dyn Iterator<Item = Result<(Vec<u8>, Vec<u8>)>>) -> Result<()> {
        Err(read_only())
    }

    fn blob_state(&self, address: &Hash) -> Result<BlobState> {
        self.source.blob_state(address)
    }

    fn read_blob(&self, address: &Hash, sink: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<BlobState> {
        self.source.read_blob(address, sink)
    }

    fn blobs(&self, visit: &mut dyn FnMut(Hash, BlobState) -> Result<bool>) -> Result<()> {
        self.source.blobs(visit)
    }

    fn commit(&self, _: Batch<'_>) -> Result<Outcome> {
        Err(read_only())
    }

    fn unscrubbed(&self) -> Result<bool> {
        Ok(false)
    }

    fn scrub(&mut self) -> Result<()> {
        Err(read_only())
    }
}
