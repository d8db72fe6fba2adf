//! The cosigned checkpoints of a ledger: a folder beside its file, with one signed note for each size. They are copies for
//! whoever asks; the ledger's own checkpoint is in the ledger.

use super::write_atomically;
use crate::error::{Error, Result};
use ledger_format::Checkpoint;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The folder of a ledger's cosigned checkpoints.
#[derive(Debug, Clone)]
pub struct Cosigned {
    dir: PathBuf,
}

impl Cosigned {
    /// Those of the ledger in this file.
    #[must_use]
    pub fn beside(ledger: &Path) -> Self {
        Self { dir: ledger.with_extension("cosigned") }
    }

    fn path(&self, size: u64) -> PathBuf {
        self.dir.join(format!("{size:020}.checkpoint"))
    }

    /// The notes that are kept, largest tree first. Nothing about them is checked.
    ///
    /// # Errors
    /// Failed, when they cannot be read.
    pub fn all(&self) -> Result<Vec<(PathBuf, Vec<u8>)>> {
        let cannot =
            |path: &Path, e: std::io::Error| Error::failed(format!("cannot read {}: {e}", path.display()));
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(cannot(&self.dir, e)),
        };
        let mut paths = Vec::new();
        for entry in entries {
            paths.push(entry.map_err(|e| cannot(&self.dir, e))?.path());
        }
        paths.retain(|path| path.extension().is_some_and(|e| e == "checkpoint"));
        paths.sort();
        let read = |path: PathBuf| fs::read(&path).map_err(|e| cannot(&path, e)).map(|note| (path, note));
        paths.into_iter().rev().map(read).collect()
    }

    /// The note that is kept for this very checkpoint.
    ///
    /// # Errors
    /// As [`Self::all`].
    pub fn of(&self, checkpoint: &Checkpoint) -> Result<Option<Vec<u8>>> {
        let path = self.path(checkpoint.head.size);
        match fs::read(&path) {
            Ok(note) => Ok(Checkpoint::parse(&note).is_ok_and(|kept| kept == *checkpoint).then_some(note)),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Error::failed(format!("cannot read {}: {e}", path.display()))),
        }
    }

    /// Keeps a note whose signature was checked, with the lines that were kept before; answers how many are new. Two who
    /// add at the same time may lose one's lines, which can be added again.
    ///
    /// # Errors
    /// Failed, when it is no checkpoint, another text is kept for this size, all lines together are too many, or it cannot be
    /// written.
    pub fn add(&self, note: &[u8]) -> Result<usize> {
        let checkpoint = Checkpoint::parse(note).map_err(|f| Error::failed(f.detail))?;
        let path = self.path(checkpoint.head.size);
        let kept = match fs::read(&path) {
            Ok(kept) => kept,
            Err(e) if e.kind() == ErrorKind::NotFound => Vec::new(),
            Err(e) => return Err(Error::failed(format!("cannot read {}: {e}", path.display()))),
        };
        let (merged, new) = merge(&kept, note).ok_or_else(|| {
            Error::failed(format!("{} has another text", path.display()))
                .hint("it is of the same size; remove the file if it is not what you keep there")
        })?;
        Checkpoint::parse(&merged).map_err(|f| Error::failed(format!("with this it would be {f}")))?;
        write_atomically(&path, &merged, true)?;
        Ok(new)
    }
}

/// Two notes of one text as one with the lines of both, and how many lines the second one adds.
fn merge(kept: &[u8], note: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (kept, note) = (std::str::from_utf8(kept).ok()?, std::str::from_utf8(note).ok()?);
    let (text, lines) = note.rsplit_once("\n\n")?;
    let (mut merged, had) = match kept.is_empty() {
        true => (format!("{text}\n\n"), ""),
        false => (kept.to_owned(), kept.rsplit_once("\n\n").filter(|(other, _)| *other == text)?.1),
    };
    let mut new = 0;
    for line in lines.lines().filter(|line| had.lines().all(|other| other != *line)) {
        merged.push_str(line);
        merged.push('\n');
        new += 1;
    }
    Some((merged.into_bytes(), new))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_merged_and_texts_are_not() {
        let merged = |a: &str, b: &str| {
            merge(a.as_bytes(), b.as_bytes()).map(|(bytes, new)| (String::from_utf8(bytes).unwrap(), new))
        };
        let is = |text: &str, new| Some((text.to_owned(), new));
        assert_eq!(merged("", "a\nb\n\n— x 1\n"), is("a\nb\n\n— x 1\n", 1));
        assert_eq!(merged("a\n\n— x 1\n", "a\n\n— y 2\n— x 1\n"), is("a\n\n— x 1\n— y 2\n", 1));
        assert_eq!(merged("a\n\n— x 1\n", "a\n\n— x 1\n"), is("a\n\n— x 1\n", 0));
        assert_eq!(merged("a\n\n— x 1\n", "b\n\n— x 1\n"), None);
        assert_eq!(merged("damaged", "b\n\n— x 1\n"), None);
    }
}
