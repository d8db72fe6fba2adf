//! The catalog: what a ref or an id stands for.

use super::builtin;
use super::finding::{self, Finding, quoted};
use super::lint::lint_file;
use super::parse::{self, Parsed, Problem};
use super::prompt::{Layer, Prompt};
use super::text::Position;
use super::{version, walk};
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A folder of prompts and the layer that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its precedence.
    pub layer: Layer,
    /// The folder; every file below it is looked at.
    pub root: PathBuf,
}

/// Every prompt of every layer.
///
/// A higher layer's prompt hides the one with the same ref below it. A bare id stands for the newest current
/// version in the highest layer that has one, so that an update of this program never changes which prompt a
/// project's own id stands for.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    prompts: Vec<Prompt>,
    losers: Vec<Prompt>,
    problems: Vec<Problem>,
    clashes: Vec<Clash>,
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
    /// Reads the folders and, if `with_built_in`, the gates that come with this program.
    ///
    /// Files that are no prompts are skipped; files that were meant as prompts and are unusable become
    /// [`Catalog::problems`].
    ///
    /// # Errors
    /// If a folder does not exist or cannot be read.
    pub fn load(sources: &[Source], with_built_in: bool) -> Result<Self> {
        let mut catalog = Self::default();
        let mut found = Vec::new();
        for source in sources {
            for file in walk::files(&source.root)? {
                catalog.take(file.parse(source.layer), &mut found);
            }
        }
        if with_built_in {
            for (path, text) in builtin::FILES {
                catalog.take(parse::parse(Layer::BuiltIn, Path::new(path), text.as_bytes()), &mut found);
            }
        }
        catalog.arrange(found);
        Ok(catalog)
    }

    /// A catalog of these prompts alone.
    pub(crate) fn of(prompts: Vec<Prompt>) -> Self {
        let mut catalog = Self::default();
        catalog.arrange(prompts);
        catalog
    }

    fn take(&mut self, parsed: Parsed, found: &mut Vec<Prompt>) {
        match parsed {
            Parsed::Prompt(prompt) => found.push(*prompt),
            Parsed::Broken(problem) => self.problems.push(problem),
            Parsed::Document => {}
        }
    }

    /// Sorts out winners, losers and clashes.
    fn arrange(&mut self, mut found: Vec<Prompt>) {
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
            && let Some(prompt) =
                self.prompts.iter().find(|prompt| prompt.id == id && prompt.version == version)
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
            let of_id = self.prompts.iter().filter(|prompt| prompt.id == id);
            let of_status = of_id.filter(|prompt| match status {
                None => prompt.is_current(),
                status => prompt.status.as_deref() == status,
            });
            // `max_by` takes the highest layer, which compares as the least, then the newest version.
            of_status.max_by(|a, b| b.layer.cmp(&a.layer).then(a.cmp_version(b)))
        };
        wanted(None).or_else(|| wanted(Some("deprecated"))).or_else(|| wanted(Some("draft")))
    }

    fn check_claims(&self, id: &str, concerns: impl Fn(Layer) -> bool) -> Result<()> {
        let claims =
            |problem: &&Problem| problem.claimed_id.as_deref() == Some(id) && concerns(problem.layer);
        match self.problems.iter().find(claims) {
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
            Some((id, version)) if self.prompts.iter().any(|prompt| prompt.id == id) => {
                let versions = self.prompts.iter().filter(|prompt| prompt.id == id);
                let known: Vec<_> = versions.map(|prompt| prompt.version.as_str()).collect();
                Error::failed(format!("the prompt {} has no version {version}", quoted(id)))
                    .hint(format!("it has: {}", known.join(", ")))
            }
            _ if self.prompts.iter().any(|prompt| prompt.id == wanted) => {
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
        let replacement = self
            .prompts
            .iter()
            .find(|other| other.deprecates.as_deref() == Some(&reference) && other.is_current())
            .or_else(|| self.newest(&prompt.id).filter(|newest| newest.is_current()));
        if let Some(replacement) = replacement {
            warning.push_str(&format!("; {} is current", replacement.reference()));
        }
        Some(warning)
    }

    /// The prompts that refs stand for, by id and version.
    #[must_use]
    pub fn prompts(&self) -> &[Prompt] {
        &self.prompts
    }

    /// The prompts hidden by one with the same ref, in a higher layer or read earlier.
    #[must_use]
    pub fn losers(&self) -> &[Prompt] {
        &self.losers
    }

    /// Files that were meant as prompts and cannot be used.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Each gate and the prompt that its id stands for, by gate. Ids that do not resolve are left out.
    #[must_use]
    pub fn gates(&self) -> Vec<(&str, &Prompt)> {
        let mut gates = BTreeMap::new();
        for prompt in self.prompts.iter().filter(|prompt| prompt.gate.is_some()) {
            if let Some(newest) = self.newest(&prompt.id)
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
        let clashes = self.clashes.iter().map(|clash| {
            let first = clash.first.display();
            let message = format!("{} is also defined in {first}, differently", clash.reference);
            Finding::new(finding::DUPLICATE_REF, &clash.second, Position::START, message)
                .hint("give one of them a new version, or remove it")
        });
        problems.chain(clashes).collect()
    }
}
