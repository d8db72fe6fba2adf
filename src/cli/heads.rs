//! What the commands on checkpoints share: reading signed heads, and the keys to check them with.

use super::context::Context;
use super::ui::one_line;
use ledger_format::{Policy, VerifierKey};
use promptos::error::{Error, Result};
use promptos::ledger::{Ledger, SignedHead, held_note};
use promptos::session::Cosigned;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// A head is small, and what holds one is read whole.
const MOST: u64 = 1 << 30;

/// The bytes of a file; `-` is the standard input.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    let cannot = |e: std::io::Error| Error::failed(format!("cannot read {}: {e}", path.display()));
    let mut bytes = Vec::new();
    let size = match path.as_os_str() == "-" {
        true => std::io::stdin().lock().take(MOST + 1).read_to_end(&mut bytes),
        false => std::fs::File::open(path).and_then(|file| file.take(MOST + 1).read_to_end(&mut bytes)),
    };
    match size.map_err(cannot)? as u64 > MOST {
        true => Err(Error::failed(format!("{} is too large to hold a checkpoint", path.display()))),
        false => Ok(bytes),
    }
}

/// The vkeys that were named, each as it is or as a file that holds it.
pub(crate) fn vkeys(named: &[String]) -> Result<Vec<VerifierKey>> {
    let vkey = |text: &String| {
        let content = match text.contains('+') && !Path::new(text).exists() {
            true => text.clone(),
            false => String::from_utf8_lossy(&read(Path::new(text))?).into_owned(),
        };
        VerifierKey::parse(content.trim())
            .map_err(|f| Error::failed(format!("--vkey: {}", f.detail)).hint("a vkey reads name+hash+key"))
    };
    named.iter().map(vkey).collect()
}

/// The checkpoint keys that are known here: those that were named, else the ledger's and the project's.
pub(crate) fn known_keys(
    context: &Context<'_>,
    ledger: Option<&Ledger>,
    named: &[String],
) -> Result<Vec<VerifierKey>> {
    let mut keys = vkeys(named)?;
    if keys.is_empty() {
        keys.extend(ledger.map(Ledger::checkpoint_keys).transpose()?.unwrap_or_default());
        keys.extend(context.settings()?.trust.checkpoint_keys()?);
        keys.extend(policy(context, None)?.map(|(_, policy)| policy.logs).unwrap_or_default());
    }
    Ok(keys)
}

/// The policy that was named, else the project's, with its place.
pub(crate) fn policy(context: &Context<'_>, named: Option<&Path>) -> Result<Option<(PathBuf, Policy)>> {
    let path = match named {
        Some(named) => named.to_owned(),
        None => match context.settings()?.trust.policy {
            Some(settled) => context.root()?.join(settled),
            None => return Ok(None),
        },
    };
    let policy = Policy::parse(&read(&path)?)
        .map_err(|f| Error::failed(format!("{}: {}", path.display(), f.detail)))?;
    Ok(Some((path, policy)))
}

/// The ledger's checkpoint for others to hold: with the cosignatures that are kept for it, if there are any.
pub(crate) fn own_note(context: &Context<'_>, ledger: &Ledger) -> Result<Vec<u8>> {
    let kept = match kept(context)? {
        Some(kept) => kept.of(&ledger.checkpoint()?)?,
        None => Default::default(),
    };
    // It is a copy of the ledger's own note, with more lines.
    let good = kept.filter(|note| {
        ledger.checkpoint_keys().is_ok_and(|keys| SignedHead::open(note.clone(), &keys).is_ok())
    });
    good.map_or_else(|| ledger.signed_checkpoint(), Ok)
}

/// A signed head out of a file, checked by one of the keys.
pub(crate) fn signed(path: &Path, keys: &[VerifierKey]) -> Result<SignedHead> {
    let note = note(path)?;
    SignedHead::open(note, keys).map_err(|e| at(path, e))
}

/// The signed note in a file; nothing is checked.
pub(crate) fn note(path: &Path) -> Result<Vec<u8>> {
    held_note(&read(path)?).map_err(|e| at(path, e))
}

/// An error with its place before it.
pub(crate) fn at(path: &Path, error: Error) -> Error {
    let place = one_line(&path.display().to_string(), 200);
    let located = Error::new(error.kind(), format!("{place}: {error}"));
    error.hints().iter().fold(located, |located, hint| located.hint(hint))
}

/// A file name part made of a name that somebody else chose.
pub(crate) fn file_part(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || ".-".contains(c) { c } else { '-' };
    name.chars().map(plain).take(64).collect()
}

/// The cosignatures that are kept beside the ledger; a published one has none but those of its checkpoint.
pub(super) fn kept(context: &Context<'_>) -> Result<Option<Cosigned>> {
    Ok(match context.published()? {
        None => Some(Cosigned::beside(&context.ledger_path()?)),
        Some(_) => None,
    })
}
