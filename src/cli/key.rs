use super::context::{Context, checkpoint_change, exists};
use super::lookup;
use super::ui::{BOLD, DIM, one_line, safe};
use clap::Subcommand;
use ledger_format::{Body, Enrolment, KeyChange, Kid, PublicKey, Roles};
use promptos::error::{Error, Result};
use promptos::keys::{self, KeySource};
use promptos::ledger::New;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Keys and what they may do
#[derive(Subcommand)]
pub(crate) enum Key {
    /// Make a signing key file
    New {
        /// Where; by default your default key, when there is none yet
        file: Option<PathBuf>,
        /// Put it under a passphrase, asked for on the terminal
        #[arg(long)]
        passphrase: bool,
        /// The comment in the file
        #[arg(long, default_value = "promptos")]
        comment: String,
    },
    /// List the keys of the ledger
    List,
    /// Enrol a key (admins only)
    Add {
        /// The public key file
        file: PathBuf,
        /// Whose key it is, recorded for ever
        #[arg(long)]
        identity: String,
        /// What it may do: admin, user, agent; may be repeated
        #[arg(long = "role", required = true, value_delimiter = ',')]
        roles: Vec<String>,
        /// The identity that an agent acts for
        #[arg(long = "for", value_name = "IDENTITY")]
        acting_for: Option<String>,
    },
    /// Replace your key by a new one with the same identity and roles
    Rotate {
        /// The new key, private or public; by default a new one is made in place of your default key
        #[arg(long, value_name = "FILE", conflicts_with = "log_key")]
        to: Option<PathBuf>,
        /// Replace the ledger's log key instead (admins only)
        #[arg(long)]
        log_key: bool,
    },
    /// End a key for ever (admins; or one's own)
    Revoke {
        /// Its fingerprint SHA256:… or its .pub file
        #[arg(value_name = "KEY")]
        which: String,
        /// What it signed from this entry on is suspect
        #[arg(long, value_name = "ENTRY")]
        compromised_since: Option<String>,
    },
}

impl Key {
    pub(crate) fn run(self, context: &Context<'_>) -> Result<()> {
        match self {
            Self::New { file, passphrase, comment } => new(context, file, passphrase, &comment),
            Self::List => list(context),
            Self::Add { file, identity, roles, acting_for } => {
                add(context, &file, identity, &roles, acting_for)
            }
            Self::Rotate { log_key: true, .. } => rotate_log_key(context),
            Self::Rotate { to, .. } => rotate(context, to),
            Self::Revoke { which, compromised_since } => revoke(context, &which, compromised_since),
        }
    }
}

fn new(context: &Context<'_>, file: Option<PathBuf>, passphrase: bool, comment: &str) -> Result<()> {
    let path = match file {
        Some(path) => path,
        None => context.home()?.join("id_ed25519"),
    };
    let lock = if passphrase {
        let first = context.ask_passphrase("New passphrase: ")?;
        if first != context.ask_passphrase("The same again: ")? {
            return Err(Error::failed("the two passphrases differ; no key was made"));
        }
        Some(keys::Encryption { passphrase: first, salt: context.random()? })
    } else {
        None
    };
    let public = keys::create(&path, &context.random()?, comment, lock.as_ref())?;
    if context.ui.json {
        return context.ui.report(
            "key-new",
            json!({"file": path, "kid": public.fingerprint(), "public": public.to_openssh()}),
        );
    }
    context.ui.line(&format!("{}\n{}", context.shown(&path), public.fingerprint()))
}

fn list(context: &Context<'_>) -> Result<()> {
    let ledger = context.read()?;
    let keys = ledger.keys()?;
    let log_key = ledger.checkpoint_key()?.kid();
    if context.ui.json {
        let listed = keys.iter().map(|key| json!({
            "kid": key.key.kid().to_string(), "identity": key.identity, "roles": key.roles.names(), "for": key.acting_for,
            "enrolled": key.enrolled, "revoked": key.revoked, "suspect_since": key.suspect_since.map(|id| id.to_string()), "last": key.last,
        }));
        return context
            .ui
            .report("key-list", json!({"keys": listed.collect::<Vec<_>>(), "log_key": log_key.to_string()}));
    }
    for key in keys {
        let acting = key.acting_for.as_ref().map_or(String::new(), |who| format!(" for {}", safe(who)));
        let state = match (key.revoked, key.suspect_since) {
            (None, _) => format!("active since entry {}", key.enrolled),
            (Some(at), None) => format!("revoked by entry {at}"),
            (Some(at), Some(since)) => format!("revoked by entry {at}, suspect since {since}"),
        };
        context.ui.line(&format!(
            "{BOLD}{}{BOLD:#}  {}{acting}\n  {DIM}{}  {state}{DIM:#}",
            safe(&key.identity),
            key.roles.names().join(", "),
            key.key.kid()
        ))?;
    }
    context.ui.line(&format!("{BOLD}log key{BOLD:#}  checkpoints\n  {DIM}{log_key}{DIM:#}"))
}

/// Appends a change of keys; the statement's name is the key that changes.
fn append(context: &Context<'_>, about: Kid, change: KeyChange) -> Result<()> {
    let key = context.existing_key()?;
    let ledger = context.write()?;
    let new =
        New { name: hex::encode(about.0), body: Body::Key(change), contents: Vec::new(), next_log_key: None };
    let entry = context.append(&ledger, &key, &new)?;
    report(context, &entry, about)
}

fn report(context: &Context<'_>, entry: &promptos::ledger::Entry, about: Kid) -> Result<()> {
    if context.ui.json {
        return context
            .ui
            .report("key", json!({"entry": super::show::entry_json(entry), "kid": about.to_string()}));
    }
    context.ui.line(&format!("entry {} {}\nkey   {about}", entry.index, entry.statement.id))
}

fn public(raw: &[u8; 32]) -> Result<PublicKey> {
    keys::check_key(raw)
}

fn add(
    context: &Context<'_>,
    file: &Path,
    identity: String,
    roles: &[String],
    acting_for: Option<String>,
) -> Result<()> {
    let key = public(&keys::PublicKey::read(file)?.key)?;
    let roles = Roles::from_names(roles.iter().map(|role| role.trim()))
        .ok_or_else(|| Error::usage("roles are admin, user and agent, each at most once"))?;
    let checked = |text: String| ledger_format::identity(text).map_err(|f| Error::usage(f.detail));
    let acting_for = acting_for.map(checked).transpose()?;
    if acting_for.is_some() && !roles.agent {
        return Err(Error::usage("--for is for keys with the role agent"));
    }
    let who = Enrolment { identity: checked(identity)?, key: key.clone() };
    append(context, key.kid(), KeyChange::Enrol { who, roles, acting_for })
}

fn revoke(context: &Context<'_>, key: &str, since: Option<String>) -> Result<()> {
    let kid = if key.starts_with("SHA256:") {
        keys::parse_fingerprint(key)?
    } else {
        Kid::of(&keys::PublicKey::read(Path::new(key))?.key)
    };
    let since = match since {
        Some(wanted) => Some(lookup::entry(&context.read()?, &wanted)?.statement.id),
        None => None,
    };
    append(context, kid, KeyChange::Revoke { kid, since })
}

/// The new default key waits under another name until its statement is recorded; a rotation that was
/// stopped in between is finished by the next one.
fn rotate(context: &Context<'_>, to: Option<PathBuf>) -> Result<()> {
    if let Some(to) = to {
        let key = match keys::PublicKey::read(&to) {
            Ok(key) => key.key,
            Err(_) => context.open_key(&KeySource::File(to))?.public,
        };
        let key = public(&key)?;
        return append(context, key.kid(), KeyChange::Rotate { key });
    }
    let default = context
        .default_key_in_use()?
        .ok_or_else(|| Error::usage("name the new key with --to FILE, since yours is named with --key"))?;
    let next = default.with_file_name("id_ed25519.next");
    if !exists(&next)? {
        // What the ledger would refuse leaves no key behind.
        context.read()?.identity_of(&Kid::of(&context.existing_key()?.public))?;
        keys::create(&next, &context.random()?, "promptos", None)?;
    }
    let new_key = public(&context.open_key(&KeySource::File(next.clone()))?.public)?;
    let kid = new_key.kid();
    let enrolled = context.read()?.key(&kid)?.is_some();
    if enrolled {
        context.ui.note("the rotation was recorded earlier; only the files are put in place");
    } else {
        append(context, kid, KeyChange::Rotate { key: new_key })?;
    }
    // Whatever a rotation that was stopped has moved already is left alone. The private key comes last: as
    // long as it waits, the next rotation knows that this one is unfinished.
    let mut kept = String::new();
    if exists(&default)? {
        let old = Kid::of(&context.existing_key()?.public);
        let digits = hex::encode(old.0.get(..4).unwrap_or_default());
        let keep = default.with_file_name(format!("id_ed25519.old-{digits}"));
        kept = format!("; the old one is kept as {}", context.shown(&keep));
        if exists(&next.with_file_name("id_ed25519.next.pub"))? {
            move_key_file(&default, &keep, ".pub")?;
            move_key_file(&next, &default, ".pub")?;
        }
        move_key_file(&default, &keep, "")?;
    }
    move_key_file(&next, &default, "")?;
    context.ui.note(&format!("your key is now {}{kept}", context.shown(&default)));
    Ok(())
}

fn move_key_file(from: &Path, to: &Path, ending: &str) -> Result<()> {
    let with = |path: &Path| PathBuf::from(format!("{}{ending}", path.display()));
    let (from, to) = (with(from), with(to));
    // What cannot be looked at is not taken for missing: its place would be given away.
    if !exists(&from)? {
        return Ok(());
    }
    std::fs::rename(&from, &to).map_err(|e| {
        let (from, to) = (from.display(), to.display());
        Error::failed(format!("the key is rotated, but {from} cannot be renamed to {to}: {e}"))
            .hint("run 'promptos key rotate' again")
    })
}

fn rotate_log_key(context: &Context<'_>) -> Result<()> {
    let key = context.existing_key()?;
    let ledger = context.write()?;
    // Finishes a rotation that was stopped; otherwise its key would be recorded twice.
    context.log_key(&ledger)?;
    // Judged before a new key is made, since one whose statement may be recorded must not be removed again.
    let signer = Kid::of(&key.public);
    let identity = ledger.identity_of(&signer)?;
    if !ledger.key(&signer)?.is_some_and(|record| record.roles.admin) {
        return Err(Error::failed(format!(
            "'{identity}' may not change the log key: that needs the role admin"
        )));
    }
    let next = context.next_log_key(ledger.name())?;
    let raw = ledger_format::Signer::public_key(&next);
    let body = checkpoint_change(&raw)?;
    let kid = Kid::of(&raw);
    let new =
        New { name: hex::encode(kid.0), body, contents: Vec::new(), next_log_key: Some(Box::new(next)) };
    let entry = context.append(&ledger, &key, &new)?;
    context.log_key(&ledger)?;
    report(context, &entry, kid)?;
    context.ui.note(&format!("the ledger's log key is now {}", one_line(&kid.to_string(), 80)));
    Ok(())
}
