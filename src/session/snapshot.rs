//! Snapshots: a release of the whole catalog, what changed since, and the one that a session stands under.

use super::checkout::check_paths;
use super::files::describe;
use crate::catalog::{Catalog, Finding, Layer, Policy, Prompt};
use crate::error::{Error, Kind, Result};
use crate::ledger::{Content, Entry, Ledger, New};
use ledger_format::{Address, Body, Descriptor, MANIFEST_TYPE, Manifest, ManifestFile, Snapshot, Used};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

/// Where a snapshot has the gates that came with the program, under their refs. A catalog that is checked out has
/// them as files of its own, so that it stands for the same prompts whatever a later program brings.
const BUILT_IN: &str = "built-in";
/// The word for the catalog as it is, where a snapshot's name may stand.
const NOW: &str = "now";
const MARKDOWN: &str = "text/markdown";

/// A file of the catalog with its bytes, or where they are.
pub struct Listed {
    /// What a manifest says of it.
    pub file: ManifestFile,
    source: Content,
}

/// Lists every prompt file of a project's catalog, by path: those in its `folder`, unusable ones among them
/// without a ref, and the gates of the program that are in force. Other documents are not listed.
///
/// # Errors
/// Failed, for a name that is not UTF-8 or collides with another, a ref that is too long, and a file that cannot be
/// read or is a link that leads out of the folder.
pub fn list_catalog(catalog: &Catalog, folder: Option<&Path>) -> Result<Vec<Listed>> {
    let described: Vec<(&Prompt, Descriptor, bool)> = catalog
        .prompts()
        .iter()
        .map(|prompt| (prompt, true))
        .chain(catalog.losers().iter().map(|prompt| (prompt, false)))
        .map(|(prompt, wins)| (&**prompt, Descriptor::of(&prompt.bytes, MARKDOWN), wins))
        .collect();
    let winners = described.iter().filter(|(.., wins)| *wins);
    let winners: HashMap<String, Address> = winners.map(|(p, d, _)| (p.reference(), d.blake3)).collect();
    let mut listed = Vec::new();
    for (prompt, content, wins) in described {
        let reference = prompt.reference();
        // Of two files that claim one ref with different bytes, which lint refuses, one has it.
        let has_ref = winners.get(&reference) == Some(&content.blake3);
        let (path, source) = match (prompt.layer, folder) {
            (Layer::Workspace, Some(folder)) => {
                (text(&prompt.path)?, Content::File(content.clone(), folder.join(&prompt.path)))
            }
            (Layer::Workspace, None) => {
                (text(&prompt.path)?, Content::Bytes(content.clone(), prompt.bytes.clone()))
            }
            (Layer::BuiltIn, _) if wins => {
                (format!("{BUILT_IN}/{reference}.md"), Content::Bytes(content.clone(), prompt.bytes.clone()))
            }
            // What a gate that is not in force or a user's own prompt says is no part of the project.
            _ => continue,
        };
        let reference = ledger_format::reference(reference)
            .map_err(|f| Error::failed(f.detail).hint("shorten the prompt's id"))?;
        let reference = has_ref.then_some(reference);
        listed.push(Listed { file: ManifestFile { path, reference, content, kept: true }, source });
    }
    for problem in catalog.problems().iter().filter(|problem| problem.layer == Layer::Workspace) {
        let Some(folder) = folder else { continue };
        let file = folder.join(&problem.path);
        let real = |path: &Path| {
            let cannot = |e| Error::failed(format!("cannot read {}: {e}", path.display()));
            path.canonicalize().map_err(cannot)
        };
        if !real(&file)?.starts_with(real(folder)?) {
            return Err(Error::failed(format!("{} leads out of the catalog", file.display()))
                .hint("put the file itself into the catalog"));
        }
        let (content, _) = describe(&file)?;
        let content = Descriptor { media_type: MARKDOWN.to_owned(), ..content };
        let source = Content::File(content.clone(), file);
        let path = text(&problem.path)?;
        listed.push(Listed { file: ManifestFile { path, reference: None, content, kept: true }, source });
    }
    listed.sort_by(|a, b| a.file.path.cmp(&b.file.path));
    check_paths(listed.iter().map(|listed| listed.file.path.as_str()))?;
    Ok(listed)
}

fn text(path: &Path) -> Result<String> {
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| {
        Error::failed(format!("the name of {} is not UTF-8", path.display())).hint("rename it")
    })
}

/// What is to be released.
pub struct SnapshotRequest<'a> {
    /// The snapshot's name.
    pub name: &'a str,
    /// The git commit that has these very files, and its tag.
    pub commit: Option<(Vec<u8>, Option<String>)>,
    /// How strictly lint is meant.
    pub lint: Policy,
    /// Whether what lint refuses is recorded all the same.
    pub allow_findings: bool,
    /// Random bytes for the manifest.
    pub salt: [u8; 16],
}

/// A snapshot that passed every check that needs no ledger.
pub struct PlannedSnapshot {
    /// What to append.
    pub new: New,
    /// Each ref with its content, once.
    pub refs: BTreeMap<String, Address>,
    /// How many files there are.
    pub files: usize,
    /// Everything that lint has to say.
    pub findings: Vec<Finding>,
}

/// Lints the project's catalog, lists it and puts the statement together. Nothing is written.
///
/// # Errors
/// Usage for a bad name; findings for lint errors; failed for an empty catalog and as [`list_catalog`].
pub fn plan_snapshot(
    catalog: &Catalog,
    folder: Option<&Path>,
    request: SnapshotRequest<'_>,
) -> Result<PlannedSnapshot> {
    check_name(request.name)?;
    let mut findings = catalog.lint();
    request.lint.apply(&mut findings);
    let errors = findings.iter().filter(|finding| finding.is_error()).count();
    if request.lint.fails(&findings) && !request.allow_findings {
        let what = if errors > 0 { "errors" } else { "warnings, and the mode is strict" };
        let text = crate::catalog::render(&findings);
        return Err(Error::findings(format!(
            "lint found {what}, so nothing was recorded\n{}",
            text.trim_end()
        ))
        .hint("repair them; or have them recorded with the snapshot: --allow-findings"));
    }
    let listed = list_catalog(catalog, folder)?;
    if listed.is_empty() {
        return Err(Error::failed("there are no prompts to take a snapshot of")
            .hint("prompts are Markdown files in the catalog folder; [catalog] in promptos.toml names it"));
    }
    let (files, mut contents): (Vec<ManifestFile>, Vec<Content>) =
        listed.into_iter().map(|listed| (listed.file, listed.source)).unzip();
    let named = files.iter().filter_map(|file| Some((file.reference.clone()?, file.content.blake3)));
    let (refs, count) = (named.collect(), files.len());
    let manifest = Manifest { salt: request.salt, files }.to_bytes();
    let described = Descriptor::of(&manifest, MANIFEST_TYPE);
    contents.push(Content::Bytes(described.clone(), manifest));
    let (commit, tag) = request.commit.map_or((None, None), |(commit, tag)| (Some(commit), tag));
    let body = Body::Snapshot(Snapshot {
        manifest: described,
        commit,
        tag,
        lint_errors: errors as u64,
        lint_warnings: (findings.len() - errors) as u64,
    });
    let new = New { name: request.name.to_owned(), body, contents, next_log_key: None };
    Ok(PlannedSnapshot { new, refs, files: count, findings })
}

/// A name that a session can record as the version of its catalog.
fn check_name(name: &str) -> Result<()> {
    let fits = (1..=128).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_graphic());
    if fits && name != NOW && !name.starts_with('-') {
        return Ok(());
    }
    let name = name.escape_debug();
    Err(Error::new(Kind::Usage, format!("'{name}' cannot be the name of a snapshot"))
        .hint("a name has 1 to 128 visible ASCII characters, does not begin with '-', and is not 'now'"))
}

/// The newest snapshot of the ledger, when it has every one of the prompts under its ref and with its bytes;
/// otherwise why not, if there is a snapshot at all.
///
/// # Errors
/// When the ledger cannot be read, or the snapshot's manifest was changed (integrity).
pub fn in_force(ledger: &Ledger, used: &[Used]) -> Result<std::result::Result<Entry, Option<String>>> {
    let Some(snapshot) = ledger.snapshots()?.pop() else { return Ok(Err(None)) };
    let Some(manifest) = ledger.manifest(&snapshot.statement.body)? else {
        let why = format!("the list of files of the snapshot {} is gone", snapshot.statement.name);
        return Ok(Err(Some(why)));
    };
    let wanted: BTreeSet<&str> = used.iter().map(|used| used.reference.as_str()).collect();
    let there = manifest.files.iter().filter_map(|file| {
        let reference = file.reference.as_deref().filter(|reference| wanted.contains(reference));
        Some((reference?, file.content.blake3))
    });
    let there: HashMap<&str, Address> = there.collect();
    let differs = |used: &Used| match there.get(used.reference.as_str()) {
        None => Some(format!("{} is not in it", used.reference)),
        Some(content) if *content != used.content.blake3 => {
            Some(format!("{} has other bytes there", used.reference))
        }
        Some(_) => None,
    };
    Ok(match used.iter().find_map(differs) {
        None => Ok(snapshot),
        Some(why) => Err(Some(format!("the snapshot {} is not in force: {why}", snapshot.statement.name))),
    })
}

/// What two lists of files do not have in common. A file is known by its ref, else by its path.
#[derive(Debug, Default, Serialize)]
pub struct Difference {
    /// In the second list only.
    pub added: Vec<FileOf>,
    /// In the first list only.
    pub removed: Vec<FileOf>,
    /// In both, with other bytes.
    pub changed: Vec<Changed>,
    /// In both with the same bytes, at another path.
    pub moved: Vec<Changed>,
}

/// A file of one of the lists.
#[derive(Debug, Clone, Serialize)]
pub struct FileOf {
    /// Its ref.
    #[serde(rename = "ref")]
    pub reference: Option<String>,
    /// Its path.
    pub path: String,
    /// BLAKE3, as hex.
    pub blake3: String,
    /// In bytes.
    pub size: u64,
}

/// A file before and after.
#[derive(Debug, Clone, Serialize)]
pub struct Changed {
    /// In the first list.
    pub from: FileOf,
    /// In the second list.
    pub to: FileOf,
}

impl Difference {
    /// How many differences there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.added.len() + self.removed.len() + self.changed.len() + self.moved.len()
    }
}

/// Compares two lists of files.
#[must_use]
pub fn difference(before: &[ManifestFile], after: &[ManifestFile]) -> Difference {
    type Group<'a> = [BTreeMap<&'a str, &'a ManifestFile>; 2];
    let mut groups: BTreeMap<(Option<&str>, &str), Group<'_>> = BTreeMap::new();
    for (files, side) in [(before, 0), (after, 1)] {
        for file in files {
            let reference = file.reference.as_deref();
            let path = if reference.is_some() { "" } else { file.path.as_str() };
            let group = groups.entry((reference, path)).or_default();
            group.get_mut(side).map(|paths| paths.insert(&file.path, file));
        }
    }
    let shown = |file: &ManifestFile| FileOf {
        reference: file.reference.clone(),
        path: file.path.clone(),
        blake3: hex::encode(file.content.blake3.0),
        size: file.content.size,
    };
    let changed = |from: &ManifestFile, to: &ManifestFile| Changed { from: shown(from), to: shown(to) };
    let mut all = Difference::default();
    for [mut before, mut after] in groups.into_values() {
        // All files of one ref have one content.
        let contents = (before.values().next(), after.values().next());
        let same = matches!(contents, (Some(a), Some(b)) if a.content.blake3 == b.content.blake3);
        if same {
            let (here, there): (Vec<&str>, Vec<&str>) =
                (before.keys().copied().collect(), after.keys().copied().collect());
            before.retain(|path, _| !there.contains(path));
            after.retain(|path, _| !here.contains(path));
        }
        let (mut before, mut after) = (before.into_values(), after.into_values());
        loop {
            match (before.next(), after.next()) {
                (Some(a), Some(b)) if same => all.moved.push(changed(a, b)),
                (Some(a), Some(b)) => all.changed.push(changed(a, b)),
                (Some(a), None) => all.removed.push(shown(a)),
                (None, Some(b)) => all.added.push(shown(b)),
                (None, None) => break,
            }
        }
    }
    all
}
