//! The catalog: what a ref or an id stands for.

use super::finding::{self, Finding, quoted};
use super::lint::lint_file;
use super::parse::{Parsed, Problem};
use super::prompt::{Layer, Prompt};
use super::source::{Content, File, Located, Source};
use super::text::Position;
use super::version;
use crate::error::{Error, Result};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// So many versions are named to someone who asked for one that is not there.
const NAMED: usize = 8;

/// Every prompt of every layer.
///
/// A higher layer's prompt hides the one with the same ref below it. A bare id stands for the newest current
/// version in the highest layer that has one, so that an update of this program never changes which prompt a
/// project's own id stands for.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    /// By id and version.
    prompts: Vec<Arc<Prompt>>,
    losers: Vec<Arc<Prompt>>,
    problems: Vec<Problem>,
    /// The problems that claim an id or ref.
    claims: HashMap<String, Vec<usize>>,
    clashes: Vec<Clash>,
    /// Refs, and the current prompt that replaces each.
    replacements: HashMap<String, usize>,
    located: Vec<Located>,
    /// What each file turned out to be. The bytes' digest is part of the key, so what is here is never out of date.
    known: HashMap<Key, Known>,
    parsed: usize,
}

/// A file by its layer, path, the ref that its source gives it, and the BLAKE3 of its bytes.
type Key = (Layer, PathBuf, Option<String>, [u8; 32]);

#[derive(Debug, Clone)]
enum Known {
    Prompt(Arc<Prompt>),
    Broken(Problem),
    Document,
}

/// Two files of one layer that claim one ref with different bytes.
#[derive(Debug, Clone)]
struct Clash {
    layer: Layer,
    reference: String,
    first: PathBuf,
    second: PathBuf,
}

impl Catalog {
    /// Reads the sources and, if `with_built_in`, the gates that come with this program.
    ///
    /// Files that are no prompts are skipped; files that were meant as prompts and are unusable become
    /// [`Catalog::problems`].
    ///
    /// # Errors
    /// If a source does not exist or cannot be read.
    pub fn load(sources: &[Source], with_built_in: bool) -> Result<Self> {
        Self::default().reload(sources, with_built_in)
    }

    /// The same as [`Catalog::load`], but only files whose bytes this catalog has not seen at their path are
    /// parsed: the others are shared with it.
    ///
    /// # Errors
    /// As [`Catalog::load`].
    pub fn reload(&self, sources: &[Source], with_built_in: bool) -> Result<Self> {
        let mut catalog = Self::default();
        let mut found = Vec::new();
        let built_in = with_built_in.then(Source::built_in);
        for source in sources.iter().chain(&built_in) {
            let located = source.visit(&mut |file| match catalog.read(self, source.layer, &file) {
                Known::Prompt(prompt) => found.push(prompt),
                Known::Broken(problem) => catalog.problems.push(problem),
                Known::Document => {}
            })?;
            catalog.located.push(located);
        }
        catalog.arrange(found);
        Ok(catalog)
    }

    /// What a file is, from `before` if that knows it.
    fn read(&mut self, before: &Self, layer: Layer, file: &File) -> Known {
        let Content::Bytes(bytes) = &file.content else { return file.parse(layer).into() };
        let key = (layer, file.path.clone(), file.reference.clone(), *blake3::hash(bytes).as_bytes());
        let known = before.known.get(&key).cloned().unwrap_or_else(|| {
            self.parsed += 1;
            file.parse(layer).into()
        });
        self.known.insert(key, known.clone());
        known
    }

    /// Sorts out winners, losers and clashes.
    fn arrange(&mut self, mut found: Vec<Arc<Prompt>>) {
        // Stable, so files of one layer and ref stay in the order in which they were read.
        found.sort_by(|a, b| a.id.cmp(&b.id).then(a.cmp_version(b)).then(a.layer.cmp(&b.layer)));
        for prompt in found {
            match self.prompts.last() {
                Some(winner) if winner.id == prompt.id && winner.version == prompt.version => {
                    if winner.layer == prompt.layer && winner.bytes != prompt.bytes {
                        self.clashes.push(Clash {
                            layer: prompt.layer,
                            reference: prompt.reference(),
                            first: winner.path.clone(),
                            second: prompt.path.clone(),
                        });
                    }
                    self.losers.push(prompt);
                }
                _ => self.prompts.push(prompt),
            }
        }
        for (at, prompt) in self.prompts.iter().enumerate().filter(|(_, prompt)| prompt.is_current()) {
            if let Some(replaced) = &prompt.deprecates {
                self.replacements.entry(replaced.clone()).or_insert(at);
            }
        }
        for (at, problem) in self.problems.iter().enumerate() {
            if let Some(claimed) = &problem.claimed_id {
                self.claims.entry(claimed.clone()).or_default().push(at);
            }
        }
    }

    /// The versions of an id that stand, oldest first.
    #[must_use]
    pub fn versions(&self, id: &str) -> &[Arc<Prompt>] {
        let start = self.prompts.partition_point(|prompt| prompt.id.as_str() < id);
        let rest = self.prompts.get(start..).unwrap_or_default();
        rest.get(..rest.partition_point(|prompt| prompt.id == id)).unwrap_or_default()
    }

    /// What `wanted` stands for: `<id>.v<version>` exactly, or a bare id.
    ///
    /// For a bare id that is the newest current version in the highest layer that has one; failing that, the
    /// newest deprecated one, then the newest draft, of which [`Catalog::warning`] tells. Nothing is a pattern:
    /// `P..` is a prompt that does not exist.
    ///
    /// # Errors
    /// If there is no such prompt (the hints name similar ones), if two files claim it, or if a file that claims
    /// it cannot be read, since what lies below it may not be what was meant.
    pub fn resolve(&self, wanted: &str) -> Result<&Prompt> {
        if let Some((id, version)) = version::split_ref(wanted)
            && let Some(prompt) = self.versions(id).iter().find(|prompt| prompt.version == version)
        {
            // Another version may be broken in the same layer; only a higher layer could hide this one.
            self.check_claims(id, |layer| layer < prompt.layer)?;
            return self.check_clash(prompt);
        }
        let Some(prompt) = self.newest(wanted) else {
            let id = version::split_ref(wanted).map_or(wanted, |(id, _)| id);
            self.check_claims(wanted, |_| true)?;
            self.check_claims(id, |_| true)?;
            return Err(self.unknown(wanted));
        };
        self.check_claims(wanted, |layer| layer <= prompt.layer)?;
        self.check_clash(prompt)
    }

    /// The prompt that a bare id stands for.
    fn newest(&self, id: &str) -> Option<&Prompt> {
        let wanted = |status: Option<&str>| {
            let of_status = self.versions(id).iter().filter(|prompt| match status {
                None => prompt.is_current(),
                status => prompt.status.as_deref() == status,
            });
            // `max_by` takes the highest layer, which compares as the least, then the newest version.
            of_status.max_by(|a, b| b.layer.cmp(&a.layer).then(a.cmp_version(b))).map(Arc::as_ref)
        };
        wanted(None).or_else(|| wanted(Some("deprecated"))).or_else(|| wanted(Some("draft")))
    }

    fn check_claims(&self, id: &str, concerns: impl Fn(Layer) -> bool) -> Result<()> {
        let claims = self.claims.get(id).into_iter().flatten().filter_map(|at| self.problems.get(*at));
        match claims.into_iter().find(|problem| concerns(problem.layer)) {
            Some(problem) => {
                let error = Error::failed(format!(
                    "the prompt {} is unusable: {}",
                    quoted(id),
                    problem.findings.first().map_or(String::new(), |finding| {
                        format!("{} ({} line {})", finding.message, problem.path.display(), finding.line)
                    })
                ));
                Err(error.hint(format!("repair or remove {}", problem.path.display())))
            }
            None => Ok(()),
        }
    }

    fn check_clash<'a>(&'a self, prompt: &'a Prompt) -> Result<&'a Prompt> {
        let reference = prompt.reference();
        let hit = |clash: &&Clash| clash.layer == prompt.layer && clash.reference == reference;
        match self.clashes.iter().find(hit) {
            Some(Clash { first, second, layer, .. }) => Err(Error::failed(format!(
                "{reference} is defined twice in the {layer} catalog, differently: in {} and in {}",
                first.display(),
                second.display()
            ))
            .hint("give one of them a new version, or remove it")),
            None => Ok(prompt),
        }
    }

    fn unknown(&self, wanted: &str) -> Error {
        let mut error = match version::split_ref(wanted) {
            Some((id, version)) if !self.versions(id).is_empty() => {
                Error::failed(format!("the prompt {} has no version {version}", quoted(id)))
                    .hint(near_versions(self.versions(id), version))
            }
            _ if !self.versions(wanted).is_empty() => {
                Error::failed(format!("every version of {} is archived", quoted(wanted)))
                    .hint("name one exactly, as `<id>.v<version>`")
            }
            _ => Error::failed(format!("there is no prompt {}", quoted(wanted))),
        };
        let similar = self.similar(wanted);
        if !similar.is_empty() {
            error = error.hint(format!("did you mean {}?", similar.join(", ")));
        }
        // The id may be that of a file that cannot be read.
        let mut unusable = self.problems.iter().map(|problem| problem.path.display().to_string());
        if let Some(first) = unusable.next() {
            let more = unusable.count();
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            error = error.hint(format!("not usable: {first}{more}; 'promptos lint' tells why"));
        }
        let gates: Vec<_> = self.gates().iter().map(|(_, prompt)| prompt.id.as_str()).collect();
        if gates.is_empty() { error } else { error.hint(format!("gates: {}", gates.join(", "))) }
    }

    /// At most three ids that look like a misspelt `wanted`, nearest first.
    fn similar(&self, wanted: &str) -> Vec<&str> {
        let wanted = version::split_ref(wanted).map_or(wanted, |(id, _)| id).to_lowercase();
        let length = wanted.chars().count();
        if length == 0 || length > 200 {
            return Vec::new();
        }
        let allowed = (length / 3).max(1);
        let mut near: Vec<(usize, &str)> = self
            .prompts
            .iter()
            .map(|prompt| {
                (strsim::damerau_levenshtein(&prompt.id.to_lowercase(), &wanted), prompt.id.as_str())
            })
            .filter(|(distance, id)| *distance <= allowed && *id != wanted)
            .collect();
        near.sort_unstable();
        near.dedup();
        near.into_iter().take(3).map(|(_, id)| id).collect()
    }

    /// What to tell someone who asked for `wanted` and got this prompt: which version a bare id stands for.
    #[must_use]
    pub fn choice(wanted: &str, prompt: &Prompt) -> Option<String> {
        let reference = prompt.reference();
        (wanted != reference).then(|| format!("{wanted} is {reference} ({})", prompt.layer))
    }

    /// What to tell someone who uses this prompt: that it is deprecated, a draft or archived.
    #[must_use]
    pub fn warning(&self, prompt: &Prompt) -> Option<String> {
        if prompt.is_current() {
            return None;
        }
        let reference = prompt.reference();
        let status = prompt.status.as_deref().unwrap_or_default();
        let mut warning = match status {
            "draft" => format!("{reference} is a draft"),
            status => format!("{reference} is {status}"),
        };
        let replacement = self.replacements.get(&reference).and_then(|at| self.prompts.get(*at));
        let replacement = replacement
            .map(Arc::as_ref)
            .or_else(|| self.newest(&prompt.id).filter(|newest| newest.is_current()));
        if let Some(replacement) = replacement {
            warning.push_str(&format!("; {} is current", replacement.reference()));
        }
        Some(warning)
    }

    /// The prompts that refs stand for, by id and version.
    #[must_use]
    pub fn prompts(&self) -> &[Arc<Prompt>] {
        &self.prompts
    }

    /// The prompts hidden by one with the same ref, in a higher layer or read earlier.
    #[must_use]
    pub fn losers(&self) -> &[Arc<Prompt>] {
        &self.losers
    }

    /// Files that were meant as prompts and cannot be used.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Where the prompts come from, in the order in which the sources were read.
    #[must_use]
    pub fn located(&self) -> &[Located] {
        &self.located
    }

    /// How many files were parsed for this catalog, and not taken over from the one before.
    #[must_use]
    pub fn parsed(&self) -> usize {
        self.parsed
    }

    /// The files that claim a ref which another file of their layer has with other bytes: layer, ref and finding.
    #[must_use]
    pub fn clashes(&self) -> Vec<(Layer, &str, Finding)> {
        let found = |of: &Clash| clash(&of.reference, &of.first, &of.second);
        self.clashes.iter().map(|of| (of.layer, of.reference.as_str(), found(of))).collect()
    }

    /// Each gate and the prompt that its id stands for, by gate. Ids that do not resolve are left out.
    #[must_use]
    pub fn gates(&self) -> Vec<(&str, &Prompt)> {
        let mut gates = BTreeMap::new();
        for versions in self.prompts.chunk_by(|a, b| a.id == b.id) {
            if let Some(prompt) = versions.iter().find(|prompt| prompt.gate.is_some())
                && let Some(newest) = self.newest(&prompt.id)
                && let Some(gate) = newest.gate.as_deref()
            {
                gates.insert((gate, newest.id.as_str()), newest);
            }
        }
        gates.into_iter().map(|((gate, _), prompt)| (gate, prompt)).collect()
    }

    /// Everything lint has to say: [`Catalog::findings`], and the findings of each prompt that a ref stands for.
    #[must_use]
    pub fn lint(&self) -> Vec<Finding> {
        let prompts = self.prompts.iter().flat_map(|prompt| lint_file(&prompt.path, &prompt.bytes));
        self.findings().into_iter().chain(prompts).collect()
    }

    /// The findings that concern the catalog as a whole: unusable files and refs with two contents.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        let problems = self.problems.iter().flat_map(|problem| problem.findings.iter().cloned());
        let clashes = self.clashes().into_iter().map(|(.., finding)| finding);
        problems.chain(clashes).collect()
    }
}

/// The finding for the second of two files that claim one ref with different bytes.
pub(crate) fn clash(reference: &str, first: &Path, second: &Path) -> Finding {
    let message = format!("{reference} is also defined in {}, differently", first.display());
    Finding::new(finding::DUPLICATE_REF, second, Position::START, message)
        .hint("give one of them a new version, or remove it")
}

/// The versions nearest to one that is not there.
fn near_versions(versions: &[Arc<Prompt>], wanted: &str) -> String {
    let same = versions.iter().find(|prompt| version::same_number(&prompt.version, wanted));
    if let Some(same) = same {
        return format!("did you mean {}? Versions are taken as they are written", same.reference());
    }
    let at = versions.partition_point(|prompt| version::compare(&prompt.version, wanted).is_lt());
    let first = at.saturating_sub(NAMED / 2).min(versions.len().saturating_sub(NAMED));
    let near = versions.iter().skip(first).take(NAMED).map(|prompt| prompt.version.as_str());
    let near: Vec<&str> = near.collect();
    let more = versions.len() - near.len();
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("it has: {}{more}", near.join(", "))
}

impl From<Parsed> for Known {
    fn from(parsed: Parsed) -> Self {
        match parsed {
            Parsed::Prompt(prompt) => Self::Prompt(Arc::from(prompt)),
            Parsed::Broken(problem) => Self::Broken(problem),
            Parsed::Document => Self::Document,
        }
    }
}
