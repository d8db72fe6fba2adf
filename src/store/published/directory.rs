//! A published ledger in a directory.

use super::Source;
use crate::error::{Error, Result};
use crate::store::layout::{self, BLOBS};
use crate::store::{BlobState, Hash};
use std::fs::{self, File};
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

/// What is read at once of content.
const PIECE: usize = 1 << 18;

/// The directory that a ledger was published to.
pub struct Directory(PathBuf);

impl Directory {
    /// The directory, which is not looked at yet.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// A file that is there; one that is no file would be waited for, or never end.
    fn open(&self, path: &str) -> Result<Option<File>> {
        let path = self.0.join(path);
        let cannot = |e: std::io::Error| Error::failed(format!("cannot read {}: {e}", path.display()));
        match path.metadata() {
            Ok(found) if found.is_file() => File::open(&path).map(Some).map_err(cannot),
            Ok(_) => Err(Error::integrity(format!("{} is no file", path.display()))),
            Err(e) if gone(&e) => Ok(None),
            Err(e) => Err(cannot(e)),
        }
    }
}

fn gone(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// The content below a directory's `blob/`: address and path.
pub(crate) fn listed(directory: &Path) -> std::io::Result<Vec<(Hash, PathBuf)>> {
    let mut found = Vec::new();
    for folder in entries(&directory.join(BLOBS))? {
        for file in entries(&folder)? {
            let name = |path: &Path| Some(path.file_name()?.to_str()?.to_owned());
            let address = name(&folder).zip(name(&file)).and_then(|(a, b)| layout::address(&a, &b));
            found.extend(address.map(|address| (address, file)));
        }
    }
    found.sort();
    Ok(found)
}

/// What is in a folder; nothing, when it is none.
pub(crate) fn entries(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path())).collect(),
        Err(e) if gone(&e) => Ok(Vec::new()),
        Err(e) => Err(e),
    }
}

impl Source for Directory {
    fn name(&self) -> String {
        self.0.display().to_string()
    }

    fn file(&self, path: &str, limit: usize) -> Result<Option<Vec<u8>>> {
        let Some(file) = self.open(path)? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.take(limit as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(|e| Error::failed(format!("cannot read {path} of {}: {e}", self.name())))?;
        if bytes.len() > limit {
            let what = format!("{path} of {} has more than {limit} bytes", self.name());
            return Err(Error::integrity(what));
        }
        Ok(Some(bytes))
    }

    fn blob_state(&self, address: &Hash) -> Result<BlobState> {
        let file = self.open(&layout::blob(address))?;
        let length = file.map(|file| file.metadata().map(|found| found.len())).transpose();
        let length = length.map_err(|e| Error::failed(format!("cannot read {}: {e}", self.name())))?;
        Ok(length.map_or(BlobState::Missing, BlobState::Present))
    }

    fn read_blob(&self, address: &Hash, sink: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<BlobState> {
        let path = layout::blob(address);
        let Some(mut file) = self.open(&path)? else { return Ok(BlobState::Missing) };
        let mut piece = vec![0; PIECE];
        let mut length = 0;
        loop {
            match file.read(&mut piece) {
                Ok(0) => return Ok(BlobState::Present(length)),
                Ok(read) => {
                    length += read as u64;
                    sink(piece.get(..read).unwrap_or_default())?;
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => {
                    return Err(Error::failed(format!("cannot read {path} of {}: {e}", self.name())));
                }
            }
        }
    }

    fn blobs(&self, visit: &mut dyn FnMut(Hash, BlobState) -> Result<bool>) -> Result<()> {
        let listed = listed(&self.0)
            .map_err(|e| Error::failed(format!("cannot list {BLOBS} of {}: {e}", self.name())))?;
        for (address, _) in listed {
            let state = self.blob_state(&address)?;
            if state != BlobState::Missing && !visit(address, state)? {
                break;
            }
        }
        Ok(())
    }
}
