//! One state of the ledger file, with those of its tables that were asked for.

use super::fault::fault;
use super::*;
use std::sync::OnceLock;

type Rows<K, V> = OnceLock<ReadOnlyTable<K, V>>;
type Numbered = ReadOnlyTable<u64, &'static [u8]>;
type Named = ReadOnlyTable<&'static [u8], &'static [u8]>;
type Contents = ReadOnlyTable<&'static Hash, (u32, u32, u32)>;

/// Tables of one consistent state.
pub(super) struct Snapshot {
    pub(super) path: PathBuf,
    transaction: ReadTransaction,
    memo: Arc<Memo>,
    recent: OnceLock<Arc<Recent>>,
    meta: Rows<&'static str, &'static [u8]>,
    statements: OnceLock<Numbered>,
    tiles: OnceLock<Numbered>,
    index: OnceLock<Named>,
    pointers: Rows<&'static [u8; POINTER], ()>,
    contents: OnceLock<Contents>,
    chunks: OnceLock<Named>,
    frames: OnceLock<Numbered>,
}

impl Snapshot {
    pub(super) fn new(path: &Path, transaction: ReadTransaction, memo: Arc<Memo>) -> Self {
        Self {
            path: path.to_owned(),
            transaction,
            memo,
            recent: OnceLock::new(),
            meta: OnceLock::new(),
            statements: OnceLock::new(),
            tiles: OnceLock::new(),
            index: OnceLock::new(),
            pointers: OnceLock::new(),
            contents: OnceLock::new(),
            chunks: OnceLock::new(),
            frames: OnceLock::new(),
        }
    }

    /// A table that was not opened before.
    pub(super) fn table<K: Key, V: Value>(
        &self,
        table: TableDefinition<'_, K, V>,
    ) -> Result<ReadOnlyTable<K, V>> {
        self.transaction.open_table(table).map_err(fault(&self.path))
    }

    /// What was written last.
    pub(super) fn recent(&self) -> Result<&Recent> {
        once(&self.recent, || self.memo.get(&self.table(RECENT)?, &self.path)).map(|recent| &**recent)
    }

    pub(super) fn meta_rows(&self) -> Result<&ReadOnlyTable<&'static str, &'static [u8]>> {
        once(&self.meta, || self.table(META))
    }

    pub(super) fn statements(&self) -> Result<&Numbered> {
        once(&self.statements, || self.table(STATEMENTS))
    }

    pub(super) fn tiles(&self) -> Result<&Numbered> {
        once(&self.tiles, || self.table(TILES))
    }

    pub(super) fn index(&self) -> Result<&Named> {
        once(&self.index, || self.table(INDEX))
    }

    pub(super) fn pointers(&self) -> Result<&ReadOnlyTable<&'static [u8; POINTER], ()>> {
        once(&self.pointers, || self.table(POINTERS))
    }

    pub(super) fn contents(&self) -> Result<&Contents> {
        once(&self.contents, || self.table(CONTENTS))
    }

    pub(super) fn chunks(&self) -> Result<&Named> {
        once(&self.chunks, || self.table(CHUNKS))
    }

    pub(super) fn frames(&self) -> Result<&Numbered> {
        once(&self.frames, || self.table(FRAMES))
    }

    pub(super) fn damaged(&self, what: &str) -> Error {
        fault::damaged(&self.path, what)
    }
}

/// What cannot be opened now is tried again the next time.
fn once<T>(cell: &OnceLock<T>, open: impl FnOnce() -> Result<T>) -> Result<&T> {
    match cell.get() {
        Some(opened) => Ok(opened),
        None => {
            let opened = open()?;
            Ok(cell.get_or_init(|| opened))
        }
    }
}
