//! Prompts on their way into a catalog folder and out of one.

use super::checkout::{check_paths, free_place, make_folder};
use super::files::write_atomically;
use crate::catalog::{
    self, Catalog, Content, Conversion, Dialect, FieldFate, Finding, Layer, Parsed, Prompt, Source,
};
use crate::error::{Error, Result};
use crate::files::{Unfinished, sync};
use crate::ledger::Ledger;
use ledger_format::{Address, Descriptor, ManifestFile};
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

/// A file that may be a prompt.
#[derive(Debug, Clone)]
pub struct Found {
    /// Where it is, as messages name it.
    pub from: PathBuf,
    /// Its path in the catalog that it goes to.
    pub path: PathBuf,
    /// Its bytes; else why they are not there.
    pub bytes: std::result::Result<Vec<u8>, Finding>,
    /// Someone named it, and so means it as a prompt.
    pub named: bool,
}

/// Every Markdown file of a source.
///
/// # Errors
/// When the source does not exist or cannot be read.
pub fn found_in(source: &Source) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    source.visit(&mut |file| {
        let bytes = match file.content {
            Content::Bytes(bytes) => Ok(bytes),
            Content::TooLarge(_) => Err(catalog::too_large(&file.path)),
            Content::Not(finding) => Err(finding),
        };
        found.push(Found { from: source.shown(&file.path), path: file.path, bytes, named: false });
    })?;
    Ok(found)
}

/// What an import is to do.
pub struct Import<'a> {
    /// The catalog folder; it need not be there.
    pub into: &'a Path,
    /// Convert every prompt to OA05.
    pub convert: Option<Conversion<'a>>,
}

/// A prompt that arrives in a catalog.
#[derive(Debug)]
pub struct Arrival {
    /// Where it was.
    pub from: PathBuf,
    /// Its path in the catalog folder.
    pub path: PathBuf,
    /// Its ref.
    pub reference: String,
    /// The dialect that it had.
    pub dialect: Dialect,
    /// What is to stand in the file.
    pub bytes: Vec<u8>,
    /// The file of the catalog that has these bytes already; then nothing is written.
    pub already: Option<PathBuf>,
    /// What became of each field, if it was converted.
    pub fields: Vec<FieldFate>,
    /// Lint warnings.
    pub warnings: Vec<Finding>,
}

/// An import that nothing speaks against.
#[derive(Debug)]
pub struct PlannedImport {
    /// The prompts.
    pub arrivals: Vec<Arrival>,
    /// Files that are no prompts and are left where they are.
    pub documents: Vec<PathBuf>,
}

/// Judges files before any is written. A ref is never given other bytes than it has, whether in the folder, in the
/// ledger or by another of these files; and no file of the folder is replaced.
///
/// # Errors
/// Findings, when lint finds errors or a ref or path is taken; failed, when something cannot be read or a path
/// is not safe.
pub fn plan_catalog_import(
    found: Vec<Found>,
    import: &Import<'_>,
    ledger: Option<&Ledger>,
) -> Result<PlannedImport> {
    let (mut arrivals, mut documents, mut findings) = (Vec::<Arrival>::new(), Vec::new(), Vec::new());
    for file in found {
        let from = file.from.clone();
        match arrive(file, import.convert) {
            Ok(Some(arrival)) => arrivals.push(arrival),
            Ok(None) => documents.push(from),
            Err(errors) => {
                findings.extend(errors.into_iter().map(|finding| Finding { path: from.clone(), ..finding }));
            }
        }
    }
    if !findings.is_empty() {
        let text = catalog::render(&findings);
        return Err(Error::findings(format!(
            "lint found errors, so nothing was imported\n{}",
            text.trim_end()
        )));
    }
    arrivals.sort_by(|a, b| a.path.cmp(&b.path).then_with(|| a.from.cmp(&b.from)));
    arrivals.dedup_by(|a, b| a.path == b.path && a.bytes == b.bytes);
    check_among(&arrivals)?;
    if import.into.symlink_metadata().is_ok() {
        let catalog = Catalog::load(&[Source::folder(Layer::Workspace, import.into)], false)?;
        check_against(&mut arrivals, &catalog, import.into)?;
    }
    if let Some(ledger) = ledger {
        let address = |bytes: &[u8]| Address(*blake3::hash(bytes).as_bytes());
        ledger.check_bindings(arrivals.iter().map(|new| (new.reference.as_str(), address(&new.bytes))))?;
    }
    Ok(PlannedImport { arrivals, documents })
}

/// `None`: a document.
fn arrive(
    file: Found,
    convert: Option<Conversion<'_>>,
) -> std::result::Result<Option<Arrival>, Vec<Finding>> {
    let Found { from, path, bytes, named } = file;
    let bytes = bytes.map_err(|finding| vec![finding])?;
    let parsed = match convert {
        Some(_) if named => catalog::parse_any(Layer::Workspace, &path, &bytes),
        _ => catalog::parse(Layer::Workspace, &path, &bytes),
    };
    let prompt = match parsed {
        Parsed::Prompt(prompt) => prompt,
        Parsed::Broken(problem) => return Err(problem.findings),
        Parsed::Document if !named => return Ok(None),
        Parsed::Document => {
            let hint = "--to oa05 makes a prompt of a template without frontmatter";
            let findings = catalog::lint_file(&path, &bytes).into_iter();
            return Err(findings.filter(Finding::is_error).map(|finding| finding.hint(hint)).collect());
        }
    };
    let (reference, bytes, fields) = match convert {
        None => (prompt.reference(), bytes, Vec::new()),
        Some(options) => {
            let new = catalog::convert(&prompt, options)?;
            (new.reference, new.bytes, new.fields)
        }
    };
    let warnings = catalog::lint_file(&path, &bytes);
    if warnings.iter().any(Finding::is_error) {
        return Err(warnings.into_iter().filter(Finding::is_error).collect());
    }
    let dialect = prompt.dialect;
    Ok(Some(Arrival { from, path, reference, dialect, bytes, already: None, fields, warnings }))
}

/// Two files must not become one ref or one path with two contents.
fn check_among(arrivals: &[Arrival]) -> Result<()> {
    let mut refs: HashMap<&str, &Arrival> = HashMap::new();
    let mut last: Option<&Arrival> = None;
    for new in arrivals {
        if let Some(other) = refs.insert(&new.reference, new).filter(|other| other.bytes != new.bytes) {
            let (one, two) = (other.from.display(), new.from.display());
            return Err(Error::findings(format!("{one} and {two} both become {}", new.reference))
                .hint("import one of them, or give one another version"));
        }
        if let Some(other) = last.filter(|other| other.path == new.path) {
            let (one, two) = (other.from.display(), new.from.display());
            return Err(Error::findings(format!("{one} and {two} both become {}", new.path.display()))
                .hint("import the folder that holds both, so that their paths differ"));
        }
        last = Some(new);
    }
    let paths: Vec<String> = arrivals.iter().map(|new| slashed(&new.path)).collect::<Result<_>>()?;
    check_paths(paths.iter().map(String::as_str))
}

/// Finds what is there already, and refuses what is there otherwise.
fn check_against(arrivals: &mut [Arrival], catalog: &Catalog, into: &Path) -> Result<()> {
    let prompts = || catalog.prompts().iter().chain(catalog.losers()).map(AsRef::<Prompt>::as_ref);
    let mut there: HashMap<String, Vec<&Prompt>> = HashMap::new();
    prompts().for_each(|prompt| there.entry(prompt.reference()).or_default().push(prompt));
    for new in arrivals {
        let same_ref = there.get(&new.reference).map(Vec::as_slice).unwrap_or_default();
        if let Some(other) = same_ref.iter().find(|other| other.bytes != new.bytes) {
            let (from, at) = (new.from.display(), other.path.display());
            let message =
                format!("{from}: {} is in the catalog already, as {at}, with other bytes", new.reference);
            return Err(Error::findings(message)
                .hint("a prompt's version never changes: give the new text a new version"));
        }
        let exact = same_ref.iter().find(|other| other.path == new.path).or(same_ref.first());
        new.already = exact.map(|other| other.path.clone());
        if new.already.is_none() && into.join(&new.path).symlink_metadata().is_ok() {
            let message = format!(
                "{}: the catalog has {} already, as another file",
                new.from.display(),
                new.path.display()
            );
            return Err(Error::findings(message).hint(
                "no file is ever replaced: rename one of them, or import into another folder: --into",
            ));
        }
        stays_below(into, &new.path)?;
    }
    Ok(())
}

/// Refuses a path whose folders are links, which may lead anywhere.
fn stays_below(root: &Path, path: &Path) -> Result<()> {
    for folder in path.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty()) {
        if root.join(folder).symlink_metadata().is_ok_and(|there| !there.is_dir()) {
            return Err(Error::failed(format!("{} is not a folder, or a link to one", folder.display())));
        }
    }
    Ok(())
}

/// A path with `/` between its parts.
fn slashed(path: &Path) -> Result<String> {
    let parts: Option<Vec<&str>> = path.iter().map(|part| part.to_str()).collect();
    let no_text = || Error::failed(format!("the name of {} is no UTF-8", path.display()));
    parts.map(|parts| parts.join("/")).ok_or_else(no_text)
}

impl PlannedImport {
    /// Writes what is new, each file whole or not at all. If one cannot be written, those before it go again; after
    /// a kill some may be there, and the next import finds them identical.
    ///
    /// # Errors
    /// Failed, naming the file.
    pub fn write(&self, into: &Path) -> Result<()> {
        let mut written: Vec<PathBuf> = Vec::new();
        for new in self.arrivals.iter().filter(|new| new.already.is_none()) {
            let target = into.join(&new.path);
            if let Err(error) = write_new(&target, &new.bytes) {
                written.iter().for_each(|file| drop(fs::remove_file(file)));
                let message = match error.kind() {
                    ErrorKind::AlreadyExists => format!("{} has just appeared", target.display()),
                    _ => format!("cannot write {}: {error}", target.display()),
                };
                return Err(Error::failed(message).hint("nothing was imported"));
            }
            written.push(target);
        }
        Ok(())
    }
}

fn write_new(target: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = crate::files::folder(target);
    fs::create_dir_all(folder)?;
    let mut file = Unfinished::new(target, 0o666)?;
    file.file().write_all(bytes)?;
    file.name()?;
    sync(folder)
}

/// What was exported.
#[derive(Debug)]
pub struct Exported {
    /// The files, by path.
    pub files: Vec<ManifestFile>,
    /// The folder was there before, with these files and no others.
    pub already: bool,
}

/// Writes prompts to the folder `to`, at the paths that they have in their catalog. It must not exist or be empty,
/// unless it has just these files already: they are written beside it, and it takes its place in one step. With
/// `force` it may hold anything; then each file is replaced in one step, and others stay.
///
/// A ledger holds every version of a prompt under one path; there each has its version in its file's name.
///
/// # Errors
/// Failed, when there is nothing to write, a path is not safe, something else is in the place, or when it cannot be
/// written. Without `force` the folder is then as it was.
pub fn export_catalog(prompts: &[&Prompt], to: &Path, force: bool) -> Result<Exported> {
    let files = files_of(prompts)?;
    if files.is_empty() {
        return Err(Error::failed("there is no prompt to export"));
    }
    check_paths(files.keys().map(String::as_str))?;
    let listed: Vec<ManifestFile> = files
        .iter()
        .map(|(path, prompt)| ManifestFile {
            path: path.clone(),
            reference: Some(prompt.reference()),
            content: Descriptor::of(&prompt.bytes, "text/markdown"),
            kept: true,
        })
        .collect();
    if force && to.is_dir() {
        files.keys().try_for_each(|path| stays_below(to, Path::new(path)))?;
        for (path, prompt) in &files {
            write_atomically(&to.join(path), &prompt.bytes, true)?;
        }
        return Ok(Exported { files: listed, already: false });
    }
    let Some(to) = free_place(to, &listed)? else { return Ok(Exported { files: listed, already: true }) };
    make_folder(&to, |folder| {
        for (path, prompt) in &files {
            let file = folder.join(path);
            let write = || {
                fs::create_dir_all(crate::files::folder(&file))?;
                let mut out = fs::File::create_new(&file)?;
                out.write_all(&prompt.bytes)?;
                out.sync_all()
            };
            write().map_err(|e| Error::failed(format!("cannot write {}: {e}", to.join(path).display())))?;
        }
        Ok(())
    })?;
    Ok(Exported { files: listed, already: false })
}

/// The prompts by the path that each goes to.
fn files_of<'a>(prompts: &[&'a Prompt]) -> Result<BTreeMap<String, &'a Prompt>> {
    let mut by_path: BTreeMap<String, Vec<&Prompt>> = BTreeMap::new();
    for prompt in prompts {
        let there = by_path.entry(slashed(&prompt.path)?).or_default();
        if there.iter().all(|other| other.bytes != prompt.bytes) {
            there.push(prompt);
        }
    }
    let mut files = BTreeMap::new();
    for (path, there) in by_path {
        let alone = there.len() == 1;
        for prompt in there {
            let own = match alone {
                true => path.clone(),
                false => format!("{}.v{}.md", path.strip_suffix(".md").unwrap_or(&path), prompt.version),
            };
            // A prompt may have its id from its path alone.
            let renamed = catalog::parse(Layer::Workspace, Path::new(&own), &prompt.bytes);
            let same = matches!(&renamed, Parsed::Prompt(new) if new.reference() == prompt.reference());
            if !same || files.insert(own.clone(), prompt).is_some() {
                let message = format!("{} would be another prompt as {own}", prompt.reference());
                return Err(Error::failed(message).hint("export it into a folder of its own, by its ref"));
            }
        }
    }
    Ok(files)
}
