//! What people write and the files that they give with it: looked through for secrets, salted, described.

use super::files::{content_type, describe};
use crate::catalog::secrets;
use crate::error::{Error, Result};
use crate::ledger::Content;
use ledger_format::{DETAILS_TYPE, Descriptor, Details, MANIFEST_TYPE, Manifest, ManifestFile};
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Details are meant for a few paragraphs; what is longer belongs in an attachment.
const MAX_DETAIL: usize = 1 << 20;

/// So much of a file is looked at to tell what it is.
const HEAD: u64 = 1 << 16;

/// A file whose bytes are to be kept.
#[derive(Debug, Clone)]
pub struct Given {
    /// Its bytes.
    pub source: Source,
    /// What it is called; by default the path as given when it stays below here, else the file's name.
    pub name: Option<String>,
    /// Its media type; by default what name and content suggest.
    pub media_type: Option<String>,
}

/// Where bytes come from.
#[derive(Debug, Clone)]
pub enum Source {
    /// A file, of any size.
    File(PathBuf),
    /// What was read already.
    Bytes(Vec<u8>),
}

impl Given {
    /// A file by its path, as what it is.
    #[must_use]
    pub fn file(path: &Path) -> Self {
        Self { source: Source::File(path.to_owned()), name: None, media_type: None }
    }
}

/// What goes into a statement beside what the catalog settles.
pub(super) struct Enclosing<'a> {
    /// Free text by name.
    pub(super) fields: &'a BTreeMap<String, String>,
    pub(super) files: &'a [Given],
    /// Why secrets may be recorded, if they may.
    pub(super) allow_secret: Option<&'a str>,
    /// Random bytes for the details and for the manifest.
    pub(super) salts: [[u8; 16]; 2],
}

/// What a statement says of it, and the contents to store.
pub(super) struct Enclosed {
    pub(super) details: Descriptor,
    pub(super) attachments: Option<Descriptor>,
    pub(super) files: Vec<ManifestFile>,
    pub(super) contents: Vec<Content>,
    /// Secrets that are recorded as allowed.
    pub(super) remarks: Vec<String>,
}

impl Enclosing<'_> {
    /// # Errors
    /// Findings (exit 4) for secrets; failed for texts that are too long, files that cannot be read, names that are
    /// none or stand twice, and what is no media type.
    pub(super) fn enclose(&self) -> Result<Enclosed> {
        let mut hits = Vec::new();
        let mut fields = self.fields.clone();
        for (name, text) in &fields {
            if text.len() > MAX_DETAIL {
                return Err(Error::failed(format!(
                    "the {name} has {} bytes; {MAX_DETAIL} are allowed",
                    text.len()
                ))
                .hint("attach a long text as a file"));
            }
            hits.extend(secrets::scan(text).into_iter().map(|hit| (format!("the {name}"), hit)));
        }
        let (mut contents, mut files) = (Vec::new(), Vec::<ManifestFile>::new());
        for given in self.files {
            let (path, content, found) = one(given)?;
            let place = match &given.source {
                Source::File(file) => file.display().to_string(),
                Source::Bytes(_) => path.clone(),
            };
            hits.extend(found.into_iter().map(|hit| (place.clone(), hit)));
            if files.iter().any(|file| file.path == path) {
                return Err(Error::failed(format!("two attachments would be called '{path}'"))
                    .hint("rename one of them"));
            }
            files.push(ManifestFile { path, reference: None, content: content.clone(), kept: true });
            contents.push(match &given.source {
                Source::File(path) => Content::File(content, path.clone()),
                Source::Bytes(bytes) => Content::Bytes(content, bytes.clone()),
            });
        }
        let mut remarks = Vec::new();
        if !hits.is_empty() {
            let listed = hits.iter().map(|(place, hit)| {
                format!("{place}:{}:{}: {} ({})", hit.line, hit.column, hit.kind, hit.shown)
            });
            match self.allow_secret {
                None => return Err(secret_error(listed.collect())),
                Some(_) => remarks.extend(listed.map(|line| format!("recorded as allowed: {line}"))),
            }
        }
        if let Some(reason) = self.allow_secret {
            fields.insert("allow-secret".to_owned(), reason.to_owned());
        }
        let [details_salt, manifest_salt] = self.salts;
        let mut blob = |bytes: Vec<u8>, media_type: &str| {
            let descriptor = Descriptor::of(&bytes, media_type);
            contents.push(Content::Bytes(descriptor.clone(), bytes));
            descriptor
        };
        let details = blob(Details { salt: details_salt, fields }.to_bytes(), DETAILS_TYPE);
        let manifest = Manifest { salt: manifest_salt, files: files.clone() };
        let attachments = (!files.is_empty()).then(|| blob(manifest.to_bytes(), MANIFEST_TYPE));
        Ok(Enclosed { details, attachments, files, contents, remarks })
    }
}

/// Name, description and secrets of a file.
fn one(given: &Given) -> Result<(String, Descriptor, Vec<secrets::SecretHit>)> {
    let (name, mut content, found) = match &given.source {
        Source::File(path) => {
            let (content, found) = describe(path)?;
            (given.name.clone().map_or_else(|| attachment_name(path), Ok)?, content, found)
        }
        Source::Bytes(bytes) => {
            let mut scanner = secrets::Scanner::new();
            scanner.feed(bytes);
            let name = given.name.clone().unwrap_or_else(|| "stdin".to_owned());
            (name, Descriptor::of(bytes, ""), scanner.finish())
        }
    };
    if !ledger_format::is_relative(&name) {
        let what = name.escape_debug();
        return Err(Error::failed(format!("'{what}' is no name for an attachment"))
            .hint("a name is a relative path without '.' and '..'"));
    }
    content.media_type = match &given.media_type {
        Some(media_type) if is_media_type(media_type) => media_type.clone(),
        Some(other) => {
            return Err(Error::failed(format!("'{}' is no media type", other.escape_debug()))
                .hint("a media type is like text/plain, without spaces and parameters"));
        }
        None => content_type(Path::new(&name), &head(given)?).to_owned(),
    };
    Ok((name, content, found))
}

/// `type/subtype`, as the format has room for it.
fn is_media_type(text: &str) -> bool {
    let part = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_graphic() && b != b';');
    text.len() <= 127 && text.split_once('/').is_some_and(|(kind, rest)| part(kind) && part(rest))
}

/// The beginning of a file.
fn head(given: &Given) -> Result<Vec<u8>> {
    match &given.source {
        Source::Bytes(bytes) => Ok(bytes.iter().take(HEAD as usize).copied().collect()),
        Source::File(path) => {
            let mut head = Vec::new();
            std::fs::File::open(path)
                .and_then(|file| file.take(HEAD).read_to_end(&mut head))
                .map_err(|e| Error::failed(format!("cannot read {}: {e}", path.display())))?;
            Ok(head)
        }
    }
}

fn secret_error(places: Vec<String>) -> Error {
    let error = Error::findings(format!("secrets found, so nothing was recorded\n{}", places.join("\n")));
    error
        .hint("a ledger keeps what it is given: take the secret out, and revoke it if it is real")
        .hint("if it is none, or must be recorded: --allow-secret REASON (the reason is recorded as well)")
}

/// What an attachment is called in the manifest: the path as given when it stays below here, else the
/// file's name.
fn attachment_name(path: &Path) -> Result<String> {
    let not_text = || Error::failed(format!("the name of {} is not UTF-8", path.display()));
    let given = path.to_str().ok_or_else(not_text)?;
    let given = given.strip_prefix("./").unwrap_or(given);
    if ledger_format::is_relative(given) {
        return Ok(given.to_owned());
    }
    let name = path.file_name().and_then(|name| name.to_str());
    name.map(str::to_owned).ok_or_else(|| Error::failed(format!("{} has no file name", path.display())))
}
