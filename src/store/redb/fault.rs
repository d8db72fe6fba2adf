//! The engine's failures in words for a person.

use crate::error::Error;
use std::io::ErrorKind;
use std::path::Path;

/// Turns any of the engine's errors about the file at `path` into ours.
pub(super) fn fault<E: Into<::redb::Error>>(path: &Path) -> impl Fn(E) -> Error {
    move |error| describe(path, error.into())
}

fn describe(path: &Path, error: ::redb::Error) -> Error {
    use ::redb::Error as E;
    match error {
        E::Io(cause) => io(path, cause),
        E::Corrupted(detail) => damaged(path, "its structure is broken").because(detail),
        E::TableTypeMismatch { .. }
        | E::TypeDefinitionChanged { .. }
        | E::TableIsMultimap(_)
        | E::TableIsNotMultimap(_)
        | E::TableDoesNotExist(_) => damaged(path, "its tables are not those of a ledger").because(error),
        E::ValueTooLarge(size) => {
            Error::failed(format!("a row of {size} bytes is more than a ledger can hold"))
        }
        E::PreviousIo | E::TransactionPoisoned | E::LockPoisoned(_) | E::DatabaseClosed => broken(path),
        E::DatabaseAlreadyOpen => {
            Error::unavailable(format!("{} is in use by another process", path.display()))
        }
        E::UpgradeRequired(_) => Error::failed(format!(
            "{} has an older file format, which this promptos cannot read",
            path.display()
        ))
        .because(error),
        other => Error::failed(format!("cannot use the ledger file {}", path.display())).because(other),
    }
}

/// A failure of the file system at `path`.
pub(super) fn io(path: &Path, cause: std::io::Error) -> Error {
    let name = path.display();
    match cause.kind() {
        ErrorKind::NotFound => Error::failed(format!("there is no ledger at {name}"))
            .hint("run `promptos init` to make one, or name another with --ledger"),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            Error::failed(format!("no space is left on the disk for {name}"))
                .hint("free some space and run the command again; what was there before is safe")
        }
        ErrorKind::FileTooLarge => Error::failed(format!("{name} may not grow any further"))
            .hint("a limit on the size of files is in force (ulimit -f); what was there before is safe"),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            Error::failed(format!("no permission to use {name}: {cause}"))
        }
        ErrorKind::IsADirectory => Error::failed(format!("{name} is a folder, not a ledger file")),
        ErrorKind::UnexpectedEof | ErrorKind::InvalidData => damaged(path, "it ends too early"),
        _ => Error::failed(format!("cannot read or write {name}: {cause}")),
    }
    .because(cause)
}

/// The file is not what a ledger file is.
pub(super) fn damaged(path: &Path, what: &str) -> Error {
    Error::integrity(format!("the ledger file {} is damaged: {what}", path.display()))
        .hint("keep this file as it is, and put a backup in its place")
}

/// The engine panicked, which it does when a page makes no sense.
pub(super) fn panicked(path: &Path, panic: &str) -> Error {
    damaged(path, "a page in it makes no sense").because(panic.to_owned())
}

/// An earlier failure left the open file unusable.
pub(super) fn broken(path: &Path) -> Error {
    Error::failed(format!("the ledger file {} cannot be used after an earlier failure", path.display()))
        .hint("run the command again; opening the file anew repairs it")
}
