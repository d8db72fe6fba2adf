//! Files that are written whole or not at all, under another name first, and what is left of them when a process is
//! killed meanwhile.
//!
//! Whoever writes such a file holds a lock on it until it has its name, and locks go with their process: one that
//! nobody has locked was left behind, and may hold what was to be kept from others.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::Path;
use tempfile::NamedTempFile;

/// How the names of unfinished files begin.
pub const UNFINISHED: &str = ".promptos-unfinished-";

/// A new file that has not got its name yet. Dropped, it goes.
pub struct Unfinished<'a> {
    target: &'a Path,
    file: NamedTempFile,
}

impl<'a> Unfinished<'a> {
    /// Makes an empty file that is to be called `target`, of this mode as far as the user's umask allows; its folder
    /// must be there. Those that others left in the folder go.
    ///
    /// # Errors
    /// As the file system's.
    pub fn new(target: &'a Path, mode: u32) -> io::Result<Self> {
        let folder = folder(target);
        remove_unfinished(folder);
        let mut builder = tempfile::Builder::new();
        builder.prefix(UNFINISHED);
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(mode));
        loop {
            let file = builder.tempfile_in(folder)?;
            lock(file.as_file())?;
            // Somebody may have taken it for left behind before it was locked.
            if is_at(file.as_file(), file.path())? {
                return Ok(Self { target, file });
            }
        }
    }

    /// The file, to be written to.
    pub fn file(&mut self) -> &mut File {
        self.file.as_file_mut()
    }

    /// Gives it its name, durably and with all that was written, in the place of what had the name.
    ///
    /// # Errors
    /// As the file system's.
    pub fn replace(self) -> io::Result<()> {
        let target = self.target;
        self.put()?;
        sync(folder(target))
    }

    /// Gives it its name, with all that was written, in the place of what had the name. The name is durable when its
    /// folder is synced.
    ///
    /// # Errors
    /// As the file system's.
    pub fn put(self) -> io::Result<()> {
        self.file.as_file().sync_all()?;
        self.file.persist(self.target)?;
        Ok(())
    }

    /// Gives it its name, with all that was written, unless something has the name. The name is durable when its
    /// folder is synced.
    ///
    /// # Errors
    /// `AlreadyExists`, and as the file system's.
    pub fn name(self) -> io::Result<()> {
        self.file.as_file().sync_all()?;
        self.file.persist_noclobber(self.target)?;
        Ok(())
    }
}

/// Removes the unfinished files that killed processes left in a folder. What cannot be removed is left to the next one.
pub fn remove_unfinished(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let ours = entry.file_name().as_encoded_bytes().starts_with(UNFINISHED.as_bytes());
        if !ours || !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            continue;
        }
        let Ok(file) = OpenOptions::new().read(true).write(true).open(entry.path()) else { continue };
        // While it is locked by us, whoever has just made it waits, and makes another.
        if file.try_lock().is_ok() {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// The folder that a file is in.
#[must_use]
pub fn folder(file: &Path) -> &Path {
    file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes the names in a folder durable.
///
/// # Errors
/// As the file system's.
pub fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Whether a path names this open file, and not another that was put in its place. As long as it is open, no other
/// file gets its number.
///
/// # Errors
/// As the file system's; a path that names nothing any more is no error.
#[cfg(unix)]
pub fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let opened = file.metadata()?;
    match path.metadata() {
        Ok(named) => Ok((opened.dev(), opened.ino()) == (named.dev(), named.ino())),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

/// Whether a path names this open file: not known here.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub fn is_at(_: &File, _: &Path) -> io::Result<bool> {
    Ok(true)
}

/// A file system without locks has nobody removing what is in use either: nothing is ever found unlocked there.
fn lock(file: &File) -> io::Result<()> {
    loop {
        match file.lock() {
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) if e.kind() == ErrorKind::Unsupported => return Ok(()),
            locked => return locked,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_was_left_behind_goes_and_what_is_in_use_stays() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("target");
        let left = folder.path().join(format!("{UNFINISHED}left"));
        fs::write(&left, "a key").unwrap();
        fs::write(folder.path().join("other"), "").unwrap();
        fs::create_dir(folder.path().join(format!("{UNFINISHED}folder"))).unwrap();
        let mut first = Unfinished::new(&target, 0o600).unwrap();
        assert!(!left.exists());
        first.file().write_all(b"first").unwrap();
        // Neither another writer nor anybody who tidies up touches it.
        let mut second = Unfinished::new(&target, 0o600).unwrap();
        second.file().write_all(b"second").unwrap();
        remove_unfinished(folder.path());
        assert_eq!(names(folder.path()).len(), 4);
        first.name().unwrap();
        assert_eq!(second.name().unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&target).unwrap(), b"first");
        let mut third = Unfinished::new(&target, 0o600).unwrap();
        third.file().write_all(b"third").unwrap();
        third.replace().unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"third");
        assert_eq!(names(folder.path()), [&format!("{UNFINISHED}folder"), "other", "target"]);
    }

    /// Many at once: each tidies up while the others write.
    #[test]
    fn writers_do_not_remove_each_others() {
        let folder = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for n in 0..4 {
                let target = folder.path().join("target");
                scope.spawn(move || {
                    for round in 0..100 {
                        let mut file = Unfinished::new(&target, 0o666).unwrap();
                        writeln!(file.file(), "{n} {round}").unwrap();
                        let placed = file.file.persist(file.target).map(drop);
                        placed.unwrap();
                    }
                });
            }
        });
        assert_eq!(names(folder.path()), ["target"]);
    }

    #[test]
    fn a_file_that_lost_its_name_to_another_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("ledger"), folder.path().join("other"));
        fs::write(&path, "old").unwrap();
        let file = File::open(&path).unwrap();
        assert!(is_at(&file, &path).unwrap());
        fs::write(&path, "changed in place").unwrap();
        assert!(is_at(&file, &path).unwrap());
        fs::write(&other, "new").unwrap();
        fs::rename(&other, &path).unwrap();
        assert!(!is_at(&file, &path).unwrap());
        fs::remove_file(&path).unwrap();
        assert!(!is_at(&file, &path).unwrap());
    }
}
