//! What a person means by an entry, a session or a digest.

use super::ui::one_line;
use ledger_format::{Address, EntryId};
use promptos::error::{Error, Result};
use promptos::ledger::{Entry, Ledger};
use promptos::session::run_name;

/// The fewest hex digits that name something.
const MIN_DIGITS: usize = 8;

/// An entry by index, id, unique prefix of its id, `<kind>/<name>`, or session or run id.
pub(crate) fn entry(ledger: &Ledger, wanted: &str) -> Result<Entry> {
    find_entry(ledger, wanted)?.ok_or_else(|| {
        Error::failed(format!(
            "there is no entry '{}' in the ledger '{}'",
            one_line(wanted, 80),
            ledger.name()
        ))
        .hint("an entry is named by its index, its id (8 digits or more), or a session or run id")
        .hint("promptos log lists the entries")
    })
}

pub(crate) fn find_entry(ledger: &Ledger, wanted: &str) -> Result<Option<Entry>> {
    let digits = wanted.strip_prefix("entry:").unwrap_or(wanted);
    // Short numbers are indexes; what is as long as a prefix of an id may be both, and an id wins.
    if is_prefix(digits) {
        let mut found = ledger.by_id_prefix(digits, 2)?;
        if found.len() > 1 {
            return Err(
                Error::failed(format!("more than one entry begins with {digits}")).hint("give more digits")
            );
        }
        if let Some(entry) = found.pop() {
            return Ok(Some(entry));
        }
    }
    if let Ok(index) = wanted.parse::<u64>() {
        return ledger.entry(index);
    }
    let subjects = ["", "session/", "start/", "render/", "prompt/", "snapshot/", "import/"]
        .map(|kind| format!("{kind}{wanted}"));
    // A run id as the orchestrator writes it may need encoding to be a name.
    let run = run_name(wanted).ok().map(|name| format!("run/{name}"));
    for subject in subjects.into_iter().chain(run) {
        if let Some(entry) = ledger.by_subject(&subject)?.pop() {
            return Ok(Some(entry));
        }
    }
    Ok(None)
}

/// Content that the ledger names, by address or unique prefix of it.
pub(crate) fn content(ledger: &Ledger, wanted: &str) -> Result<Option<Address>> {
    let digits = wanted.strip_prefix("blake3:").unwrap_or(wanted);
    if !is_prefix(digits) {
        return Ok(None);
    }
    let mut found = ledger.contents_by_prefix(digits, 2)?;
    if found.len() > 1 {
        return Err(
            Error::failed(format!("more than one content begins with {digits}")).hint("give more digits")
        );
    }
    Ok(found.pop())
}

pub(crate) fn entry_id(wanted: &str) -> Option<EntryId> {
    wanted.parse().ok()
}

/// Whether these are hex digits enough to name something.
pub(crate) fn is_prefix(digits: &str) -> bool {
    (MIN_DIGITS..=64).contains(&digits.len())
        && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}
