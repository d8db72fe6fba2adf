//! The blobs that the format itself defines: details and manifests. Both begin with a random salt, so
//! that nothing guessable can be confirmed from its digest, and both can be erased.

use crate::cbor::{self, Fields, Item, map};
use crate::digest::{Address, Descriptor};
use crate::failure::{Class, Failure, shown};
use crate::word::reference;
use std::collections::{BTreeMap, HashMap};

/// The media type of details.
pub const DETAILS_TYPE: &str = "application/vnd.promptos.details+cbor";
/// The media type of manifests.
pub const MANIFEST_TYPE: &str = "application/vnd.promptos.manifest+cbor";
/// A manifest names at most so many files.
const MAX_FILES: usize = 100_000;
/// Neither is larger: a decoded blob takes many times its bytes.
const MAX_BYTES: usize = 32 << 20;

/// What a statement says in free text: named fields such as `developer`, `target`, `notes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Details {
    /// Random bytes.
    pub salt: [u8; 16],
    /// Field names and texts.
    pub fields: BTreeMap<String, String>,
}

impl Details {
    /// The blob.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let fields = self.fields.iter().map(|(name, text)| (name.as_str().into(), text.as_str().into()));
        cbor::encode(&map([
            ("v", Some(1u64.into())),
            ("salt", Some(Item::Bytes(&self.salt))),
            ("fields", Some(Item::Map(fields.collect()))),
        ]))
    }

    /// Reads the blob.
    ///
    /// # Errors
    /// [`Class::Malformed`], [`Class::NonCanonical`], [`Class::Unsupported`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Failure> {
        let mut fields = open(bytes, "the details blob")?;
        let salt = fields.fixed("salt")?;
        let texts = fields.take("fields")?;
        fields.end()?;
        let bad = || Failure::malformed("the details blob has a field that is not text");
        let texts = texts.into_map().ok_or_else(bad)?;
        let pair = |pair: (Item<'_>, Item<'_>)| match pair {
            (Item::Text(name), Item::Text(text)) => Some((name.to_owned(), text.to_owned())),
            _ => None,
        };
        let texts = texts.into_iter().map(pair).collect::<Option<BTreeMap<_, _>>>();
        Ok(Self { salt, fields: texts.ok_or_else(bad)? })
    }
}

/// A list of files by relative path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Random bytes.
    pub salt: [u8; 16],
    /// The files, by ascending path, each path once.
    pub files: Vec<ManifestFile>,
}

/// One file of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestFile {
    /// Relative, `/`-separated, without `.`, `..` or empty parts.
    pub path: String,
    /// The prompt ref that the file stands for; every file of a ref has the same content.
    pub reference: Option<String>,
    /// What the file is.
    pub content: Descriptor,
    /// Whether the ledger was given the bytes to keep.
    pub kept: bool,
}

impl Manifest {
    /// The blob; files are put in order.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut files: Vec<_> = self.files.iter().collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        cbor::encode(&map([
            ("v", Some(1u64.into())),
            ("salt", Some(Item::Bytes(&self.salt))),
            ("files", Some(Item::Array(files.into_iter().map(write_file).collect()))),
        ]))
    }

    /// Reads the blob.
    ///
    /// # Errors
    /// [`Class::Malformed`], [`Class::NonCanonical`], [`Class::TooLarge`], [`Class::Unsupported`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Failure> {
        let mut fields = open(bytes, "the manifest")?;
        let salt = fields.fixed("salt")?;
        let mut files: Vec<ManifestFile> = Vec::new();
        let mut refs: HashMap<String, Address> = HashMap::new();
        for item in fields.array("files", MAX_FILES)? {
            let mut item = Fields::new(item, "a file of the manifest")?;
            let file = ManifestFile {
                path: item.text("path")?,
                reference: item.opt_text("ref")?.map(reference).transpose()?,
                content: item.descriptor("content")?,
                kept: item.bool("kept")?,
            };
            item.end()?;
            if !is_relative(&file.path) {
                let path = shown(&file.path);
                return Err(Failure::malformed(format!(
                    "the manifest has the path '{path}', which is not relative"
                )));
            }
            if files.last().is_some_and(|last| last.path >= file.path) {
                return Err(Failure::new(Class::NonCanonical, "the manifest's paths are not ascending"));
            }
            if let Some(reference) = &file.reference
                && *refs.entry(reference.clone()).or_insert(file.content.blake3) != file.content.blake3
            {
                return Err(Failure::malformed(format!("the manifest has {reference} with two contents")));
            }
            files.push(file);
        }
        fields.end()?;
        Ok(Self { salt, files })
    }
}

fn write_file(file: &ManifestFile) -> Item<'_> {
    map([
        ("path", Some(Item::Text(&file.path))),
        ("ref", file.reference.as_deref().map(Item::Text)),
        ("content", Some(cbor::descriptor(&file.content))),
        ("kept", Some(Item::Bool(file.kept))),
    ])
}

/// Whether a manifest may name this path: it stays below where it is unpacked.
#[must_use]
pub fn is_relative(path: &str) -> bool {
    path.split('/').all(|part| !matches!(part, "" | "." | "..") && !part.contains('\0'))
}

fn open<'a>(bytes: &'a [u8], what: &'a str) -> Result<Fields<'a>, Failure> {
    if bytes.len() > MAX_BYTES {
        let detail = format!("{what} has {} bytes; {MAX_BYTES} are allowed", bytes.len());
        return Err(Failure::new(Class::TooLarge, detail));
    }
    let mut fields = Fields::new(cbor::decode(bytes, what)?, what)?;
    match fields.uint("v")? {
        1 => Ok(fields),
        v => Err(Failure::new(Class::Unsupported, format!("{what} is of version {v}"))),
    }
}
