//! The ledger file's place in the file system: making another file beside it, and putting that in its place.

use super::fault;
use super::file::engine;
use crate::error::Result;
use crate::files::{self, is_at};
use ::redb::Database;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// What a rewrite of a ledger file needs of the place where it is. Whoever calls has the file locked.
pub(super) trait Place: Send + Sync {
    /// Makes an empty database in a file beside the ledger file, instead of one that is left there.
    fn make(&self) -> Result<Database>;

    /// The bytes of the ledger file.
    fn length(&self) -> io::Result<u64>;

    /// Gives the ledger file one more name, under which it stays when it is replaced; answers which.
    fn keep(&self) -> io::Result<PathBuf>;

    /// Makes the file beside the ledger file durable, and renames it to the ledger file's name.
    fn replace(&self) -> io::Result<()>;

    /// Makes durable what the ledger file is called.
    fn settle(&self) -> io::Result<()>;

    /// Removes the file beside the ledger file, and what else a stop left there.
    fn clear(&self) -> io::Result<()>;
}

/// A folder of the file system, by the path of the ledger file in it, or of a link to it.
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    /// Not the link but the file that it names holds the bytes.
    fn ledger(&self) -> io::Result<PathBuf> {
        self.0.canonicalize()
    }

    /// And the file beside it: with one fixed name, since whoever rewrites the ledger has it alone.
    fn files(&self) -> io::Result<(PathBuf, PathBuf)> {
        let ledger = self.ledger()?;
        let beside = with_ending(&ledger, ".scrub");
        Ok((ledger, beside))
    }
}

impl Place for Folder {
    fn make(&self) -> Result<Database> {
        let (ledger, beside) = self.files().map_err(|cause| fault::io(&self.0, cause))?;
        let file = like(&ledger, &beside).map_err(|cause| fault::io(&beside, cause))?;
        engine().create_file(file).map_err(fault::fault(&beside))
    }

    fn length(&self) -> io::Result<u64> {
        Ok(fs::metadata(&self.0)?.len())
    }

    fn keep(&self) -> io::Result<PathBuf> {
        let ledger = self.ledger()?;
        for n in 1_u32.. {
            let number = if n == 1 { String::new() } else { format!("-{n}") };
            let kept = with_ending(&ledger, &format!(".damaged{number}"));
            match fs::hard_link(&ledger, &kept) {
                // It may be the same file, kept by somebody who was stopped before replacing it.
                Err(cause)
                    if cause.kind() == ErrorKind::AlreadyExists
                        && !is_at(&File::open(&ledger)?, &kept).unwrap_or(false) => {}
                Err(cause) if cause.kind() == ErrorKind::AlreadyExists => return Ok(kept),
                linked => return linked.map(|()| kept),
            }
        }
        Err(ErrorKind::AlreadyExists.into())
    }

    fn replace(&self) -> io::Result<()> {
        let (ledger, beside) = self.files()?;
        File::open(&beside)?.sync_all()?;
        fs::rename(&beside, &ledger)
    }

    fn settle(&self) -> io::Result<()> {
        let ledger = self.ledger()?;
        files::sync(files::folder(&ledger))
    }

    fn clear(&self) -> io::Result<()> {
        files::remove_unfinished(files::folder(&self.0));
        self.files().and_then(|(_, beside)| fs::remove_file(beside))
    }
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(ending);
    path.with_file_name(name)
}

/// Makes an empty file with the permissions and owner of another one.
fn like(target: &Path, beside: &Path) -> io::Result<File> {
    match fs::remove_file(beside) {
        Err(cause) if cause.kind() != ErrorKind::NotFound => return Err(cause),
        _ => {}
    }
    let old = target.metadata()?;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(beside)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let new = file.metadata()?;
        if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
            std::os::unix::fs::fchown(&file, Some(old.uid()), Some(old.gid()))?;
        }
    }
    file.set_permissions(old.permissions())?;
    Ok(file)
}
