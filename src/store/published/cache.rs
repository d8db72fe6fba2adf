//! What was fetched of published ledgers and never changes, on this machine's disk. It is laid out as a published
//! ledger is, one folder for each origin, and may be deleted at any time. Whatever cannot be kept or read is fetched.

use crate::files::{Unfinished, folder};
use crate::store::Hash;
use crate::store::layout;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::PathBuf;

pub(super) struct Cache {
    root: Option<PathBuf>,
    /// That of one ledger, once it is known which.
    folder: Option<PathBuf>,
}

impl Cache {
    /// A cache below a folder, or none.
    pub(super) fn new(root: Option<PathBuf>) -> Self {
        Self { root, folder: None }
    }

    /// What follows is about the ledger of this origin. A server may claim any, so that every entry is checked
    /// whenever it is used.
    pub(super) fn of(&mut self, origin: &str) {
        let name = blake3::hash(origin.as_bytes()).to_hex();
        self.folder = self.root.as_ref().map(|root| root.join(name.as_str()));
    }

    pub(super) fn is_there(&self) -> bool {
        self.folder.is_some()
    }

    pub(super) fn file(&self, path: &str, limit: usize) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        let file = File::open(self.folder.as_ref()?.join(path)).ok()?;
        file.take(limit as u64 + 1).read_to_end(&mut bytes).ok()?;
        (bytes.len() <= limit).then_some(bytes)
    }

    pub(super) fn put_file(&self, path: &str, bytes: &[u8]) {
        // What cannot be kept is fetched again.
        let _ = self.put(path, |file| file.write_all(bytes));
    }

    /// The content of this address, if it is here and is that.
    pub(super) fn content(&self, address: &Hash) -> Option<File> {
        let mut file = File::open(self.folder.as_ref()?.join(layout::blob(address))).ok()?;
        let mut hash = blake3::Hasher::new();
        hash.update_reader(&mut file).ok()?;
        (hash.finalize() == *address).then_some(file)
    }

    pub(super) fn put_content(&self, address: &Hash, mut content: &File) {
        let _ = self.put(&layout::blob(address), |file| {
            content.rewind()?;
            io::copy(&mut content, file).map(drop)
        });
    }

    pub(super) fn forget_content(&self, address: &Hash) {
        if let Some(folder) = &self.folder {
            let _ = fs::remove_file(folder.join(layout::blob(address)));
        }
    }

    fn put(&self, path: &str, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
        let Some(cache) = &self.folder else { return Ok(()) };
        let target = cache.join(path);
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        // Whose ledgers one reads is nobody else's business.
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder(&target))?;
        let mut file = Unfinished::new(&target, 0o600)?;
        write(file.file())?;
        file.put()
    }
}
