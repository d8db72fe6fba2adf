//! The part of a ledger that an audit has read.

use super::index;
use crate::error::{Error, Kind, Result};
use crate::store::nodes::{HASH, HEIGHT, TILE, Tiles, WIDTH, missing};
use crate::store::{Store, TileId};
use ledger_format::tree::{self, Frontier, Nodes};
use ledger_format::{EntryId, Hash, Head, History, Located};
use std::cell::OnceCell;
use std::collections::{HashMap, VecDeque};

/// What an audit asks of the ledger below the current entry, in memory that does not grow with the ledger.
///
/// Of the tree it keeps the right edge. What lies further back is taken from the store's tiles and index, as hints: a
/// proof made from them must lead to the root of what was read. Where one does not, the statements themselves decide,
/// so that a damaged tree or index never looks like a fork or a missing entry. They are then read once and their hashes
/// kept, about 150 bytes an entry: on a damaged store an audit may be large, but it must not take quadratic time.
pub(super) struct Below<'a> {
    store: &'a dyn Store,
    /// Whether tiles and index are looked at.
    hints: bool,
    frontier: Frontier,
    levels: Levels,
    /// By tile level, the tile that is not full yet.
    edge: Vec<Vec<u8>>,
    /// The first tile that the store has otherwise.
    wrong_tile: Option<TileId>,
    /// Why a tile could not be compared, of the first that is not there.
    absent_tile: Option<Error>,
    whole: OnceCell<Whole>,
}

/// All of the tree, and where each entry is.
struct Whole {
    frontier: Frontier,
    levels: Levels,
    indexes: HashMap<EntryId, u64>,
}

impl<'a> Below<'a> {
    /// Keeps `keep` hashes of each level: what lies no further back is answered without the store's tiles.
    pub(super) fn new(store: &'a dyn Store, keep: usize) -> Self {
        Self {
            store,
            hints: true,
            frontier: Frontier::default(),
            levels: Levels::new(keep),
            edge: Vec::new(),
            wrong_tile: None,
            absent_tile: None,
            whole: OnceCell::new(),
        }
    }

    /// Asks nothing but the statements, for when tiles and index are to be written anew: reading a torn page would
    /// have the store refuse to write.
    pub(super) fn without_hints(store: &'a dyn Store) -> Self {
        Self { hints: false, ..Self::new(store, 0) }
    }

    /// Goes on behind the first entries, whose tree has this right edge. Its tiles must be those that the edge was read
    /// from.
    pub(super) fn resume(store: &'a dyn Store, keep: usize, frontier: Frontier) -> Result<Self> {
        let mut edge = Vec::new();
        for level in 0..=(63 / HEIGHT) {
            let nodes = frontier.size().checked_shr(u32::from(level * HEIGHT)).unwrap_or(0);
            let id = TileId { level, index: nodes >> HEIGHT };
            let length = usize::try_from(nodes % WIDTH).unwrap_or(0) * HASH;
            let mut tile = if length > 0 { store.tile(id)?.unwrap_or_default() } else { Vec::new() };
            if tile.len() < length {
                return Err(missing(id));
            }
            tile.truncate(length);
            edge.push(tile);
        }
        Ok(Self { edge, frontier, ..Self::new(store, keep) })
    }

    /// How many entries were taken over.
    pub(super) fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// The right edge of their tree.
    pub(super) fn frontier(&self) -> &Frontier {
        &self.frontier
    }

    /// Their head.
    pub(super) fn head(&self) -> Head {
        self.frontier.head()
    }

    /// Takes over the next entry, and compares the tiles that it fills with the store's.
    pub(super) fn push(&mut self, id: EntryId) -> Result<()> {
        let (levels, edge) = (&mut self.levels, &mut self.edge);
        let mut full = Vec::new();
        self.frontier.push(id.0, |level, index, hash| {
            levels.push(level, index, *hash);
            if level % HEIGHT == 0 {
                let level = level / HEIGHT;
                let at = usize::from(level);
                if edge.len() <= at {
                    edge.push(Vec::new());
                }
                if let Some(tile) = edge.get_mut(at) {
                    tile.extend_from_slice(hash);
                    if tile.len() == TILE {
                        full.push((TileId { level, index: index >> HEIGHT }, std::mem::take(tile)));
                    }
                }
            }
        });
        if let Some(whole) = self.whole.get_mut() {
            whole.push(id);
        }
        full.into_iter().try_for_each(|(id, hashes)| self.compare(id, &hashes))
    }

    /// The first tile found that is not the hashes of the entries read, once all of them are. One that is not there
    /// is an error only when no other is wrong.
    pub(super) fn wrong_tile(&mut self) -> Result<Option<TileId>> {
        for (level, hashes) in (0u8..).zip(std::mem::take(&mut self.edge)) {
            let nodes = self.frontier.size().checked_shr(u32::from(level * HEIGHT)).unwrap_or(0);
            if !hashes.is_empty() {
                self.compare(TileId { level, index: nodes >> HEIGHT }, &hashes)?;
            }
        }
        match (self.wrong_tile, self.absent_tile.take()) {
            (None, Some(error)) => Err(error),
            (wrong, _) => Ok(wrong),
        }
    }

    fn compare(&mut self, id: TileId, hashes: &[u8]) -> Result<()> {
        if !self.hints || self.wrong_tile.is_some() {
            return Ok(());
        }
        match undamaged(self.store.tile(id)) {
            Ok(tile) if tile.as_ref().and_then(Option::as_deref) == Some(hashes) => {}
            Ok(_) => self.wrong_tile = Some(id),
            Err(error) if error.kind() == Kind::Unavailable => {
                self.absent_tile.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// The entries read so far, from the statements alone.
    fn whole(&self) -> Result<&Whole> {
        if let Some(whole) = self.whole.get() {
            return Ok(whole);
        }
        let mut whole =
            Whole { frontier: Frontier::default(), levels: Levels::new(usize::MAX), indexes: HashMap::new() };
        self.store.scan(0..self.frontier.size(), &mut |_, bytes| {
            whole.push(EntryId(tree::leaf_hash(bytes)));
            Ok(true)
        })?;
        Ok(self.whole.get_or_init(|| whole))
    }

    /// What a hint gives, while hints are believed.
    fn hint<T>(&self, read: impl FnOnce() -> Result<T>) -> Result<Option<T>> {
        if !self.hints || self.whole.get().is_some() {
            return Ok(None);
        }
        match undamaged(read()) {
            // A tile that is not there: the statements tell as well.
            Err(error) if error.kind() == Kind::Unavailable => Ok(None),
            read => read,
        }
    }

    /// Where index and tiles say that an entry is, if they prove it.
    fn hinted(&self, id: &EntryId, head: &Head) -> Result<Option<Located>> {
        let Some((index, statement)) = index::located(self.store, id)? else { return Ok(None) };
        let path = tree::inclusion_proof(self, index, head.size)?;
        let proven = tree::verify_inclusion(&id.0, index, head, &path).is_ok();
        Ok(proven.then_some(Located { index, statement, path }))
    }
}

impl Whole {
    fn push(&mut self, id: EntryId) {
        self.indexes.insert(id, self.frontier.size());
        let levels = &mut self.levels;
        self.frontier.push(id.0, |level, index, hash| levels.push(level, index, *hash));
    }
}

impl Nodes for Below<'_> {
    type Error = Error;

    fn node(&self, level: u8, index: u64) -> Result<Hash> {
        self.levels.get(level, index).map_or_else(|| Tiles(self.store).node(level, index), Ok)
    }
}

impl Nodes for Whole {
    type Error = Error;

    fn node(&self, level: u8, index: u64) -> Result<Hash> {
        let hash = self.levels.get(level, index);
        hash.ok_or_else(|| Error::bug("an audit asked for a part of the tree that it has not read"))
    }
}

impl History for Below<'_> {
    type Error = Error;

    fn consistency(&self, old: &Head, new: &Head) -> Result<Vec<Hash>> {
        let hint = self.hint(|| tree::consistency_proof(self, old.size, new.size))?;
        if let Some(proof) = hint.filter(|proof| tree::verify_consistency(old, new, proof).is_ok()) {
            return Ok(proof);
        }
        tree::consistency_proof(self.whole()?, old.size, new.size)
    }

    fn locate(&self, id: &EntryId, head: &Head) -> Result<Option<Located>> {
        if let Some(found) = self.hint(|| self.hinted(id, head))?.flatten() {
            return Ok(Some(found));
        }
        let whole = self.whole()?;
        let Some(index) = whole.indexes.get(id).copied() else { return Ok(None) };
        let Some(statement) = self.store.statement(index)? else { return Ok(None) };
        let path = tree::inclusion_proof(whole, index, head.size)?;
        Ok(Some(Located { index, statement, path }))
    }
}

/// What was read of something derived; `None` where the store says that it is damaged.
pub(super) fn undamaged<T>(read: Result<T>) -> Result<Option<T>> {
    match read {
        Err(error) if error.kind() == Kind::Integrity => Ok(None),
        read => read.map(Some),
    }
}

/// The newest hashes of complete subtrees, by level.
struct Levels {
    keep: usize,
    /// The index of the first hash kept, and the hashes.
    levels: Vec<(u64, VecDeque<Hash>)>,
}

impl Levels {
    fn new(keep: usize) -> Self {
        Self { keep, levels: Vec::new() }
    }

    fn push(&mut self, level: u8, index: u64, hash: Hash) {
        let level = usize::from(level);
        if self.levels.len() <= level {
            self.levels.resize_with(level + 1, Default::default);
        }
        let Some((first, hashes)) = self.levels.get_mut(level) else { return };
        if hashes.is_empty() {
            *first = index;
        }
        hashes.push_back(hash);
        if hashes.len() > self.keep {
            hashes.pop_front();
            *first += 1;
        }
    }

    fn get(&self, level: u8, index: u64) -> Option<Hash> {
        let (first, hashes) = self.levels.get(usize::from(level))?;
        hashes.get(usize::try_from(index.checked_sub(*first)?).ok()?).copied()
    }
}
