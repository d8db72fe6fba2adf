mod github;
mod print;

use super::context::Context;
use super::{verify, verify_chain};
use clap::{Args, ValueEnum};
use promptos::catalog::{self, Catalog, Options, Schemas, Source};
use promptos::error::{Error, Result};
use promptos::ledger::{Ledger, Rung};
use promptos::session::ci::{self, Check, Gathered, Governed, Issue, Verdict};
use promptos::session::{Held, Settings, SnapshotPolicy, list_catalog};
use serde_json::json;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// The longest description that is read; GitHub allows a quarter of a million bytes.
const MAX_BODY: u64 = 4 << 20;

/// Check a change: catalog, ledger or evidence, pull request, separation of duties
///
/// Each check passes, fails, is skipped when there is nothing here that it is about, or could not be made, which is
/// no pass. The most severe decides: exit 3 for what does not hold, then 1 or 5 for what could not be checked, then 4
/// for findings. In GitHub Actions findings are annotations too, and the job gets a summary.
#[derive(Args)]
pub(crate) struct Ci {
    /// The folder with the change's sessions and their evidence; below it is looked too
    #[arg(long, value_name = "DIR", env = "PROMPTOS_ARTIFACTS_DIR", hide_env_values = true)]
    artifacts_dir: Option<PathBuf>,
    /// The pull request's description, '-' for standard input: it must have the block that 'dev' prints
    #[arg(long, value_name = "FILE")]
    pr_body: Option<PathBuf>,
    /// Whose evidence counts: a ledger id, a key fingerprint SHA256:… or a .pub file; may be repeated. Without it,
    /// [trust] in promptos.toml counts
    #[arg(long, value_name = "WHAT")]
    trust: Vec<String>,
    /// Checks that must not be skipped
    #[arg(long, value_name = "CHECK", value_delimiter = ',', value_enum)]
    require: Vec<Name>,
}

/// The checks, in the order in which they are reported.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Name {
    Lint,
    Bindings,
    Snapshot,
    Ledger,
    Evidence,
    PullRequest,
    Separation,
    Registry,
    Policy,
}

impl Name {
    fn text(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

impl Ci {
    pub(crate) fn run(self, context: &Context<'_>) -> Result<()> {
        let mut checks = self.checks(context)?;
        for name in &self.require {
            let name = name.text();
            for check in checks.iter_mut().filter(|check| check.name == name) {
                *check = check.clone().required();
            }
        }
        let verdict = verdict(&checks);
        if context.ui.json {
            let exit = verdict.as_ref().map_or(0, |error| error.kind() as u8);
            context.ui.report("ci", json!({"passed": verdict.is_none(), "exit": exit, "checks": checks}))?;
        } else {
            github::quoted(context, || print::summary(context, &checks))?;
        }
        github::report(context, &checks)?;
        verdict.map_or(Ok(()), Err)
    }

    fn checks(&self, context: &Context<'_>) -> Result<Vec<Check>> {
        let settings = context.settings()?;
        let mut trusted = verify::trusted(context, &self.trust)?;
        let (mut ledger_check, ledger) = ledger(context);
        let held = ledger.as_ref();
        trusted.0.extend(held.map(Ledger::id));
        let name = |path: &Path| {
            context.in_repository(path).unwrap_or_else(|| path.to_owned()).to_string_lossy().into_owned()
        };
        let nothing = || (Gathered::default(), Check::skipped("evidence", "no artifacts folder was named"));
        let (gathered, evidence) =
            self.artifacts_dir.as_ref().map_or_else(nothing, |dir| ci::gather(dir, held, &trusted, &name));
        let (pull_request, named_sessions) = self.pull_request(context, &gathered, held);
        // The sessions that this change is about, unless nothing says which they are.
        let named =
            (self.artifacts_dir.is_some() || self.pr_body.is_some()).then_some(named_sessions.as_slice());

        if let Some(ledger) = held {
            let found = ci::misfits(ledger, gathered.sessions.iter().chain(&named_sessions));
            ledger_check = match found {
                Ok(found) => Check::made(
                    ledger_check.name,
                    ledger_check.summary,
                    [ledger_check.issues, found].concat(),
                ),
                Err(error) => Check::stopped(ledger_check.name, &error),
            };
        }

        let mut checks = Vec::new();
        let (catalog, folder) = match context.project_catalog() {
            Ok(found) => found,
            Err(error) => {
                checks.push(Check::stopped("lint", &error));
                (Catalog::default(), None)
            }
        };
        let files = Project {
            root: context.root()?,
            schemas: context.schemas()?,
            settings: &settings,
            catalog: &catalog,
            folder: folder.as_deref(),
            name: &name,
        };
        if checks.is_empty() {
            checks.push(made("lint", context.workspace(None).and_then(|source| files.lint(source.as_ref()))));
            checks.push(made("bindings", files.bindings(held, &gathered.sessions)));
            checks.push(made("snapshot", files.snapshot(held, &gathered)));
        } else {
            let why = "the catalog cannot be read";
            checks.extend(["bindings", "snapshot"].map(|check| Check::skipped(check, why).required()));
        }
        checks.extend([ledger_check, evidence, pull_request]);
        checks.push(made("separation", ci::separation(settings.policy.separation, &gathered, named, held)));
        checks.extend(files.promptos(&gathered, held));
        Ok(checks)
    }

    /// Checks the description, if there is one; answers with the sessions of the ledger that it names.
    fn pull_request(
        &self,
        context: &Context<'_>,
        gathered: &Gathered,
        ledger: Option<&Ledger>,
    ) -> (Check, Vec<Governed>) {
        const NAME: &str = "pull-request";
        let Some(file) = &self.pr_body else {
            return (Check::skipped(NAME, "no description was given (--pr-body)"), Vec::new());
        };
        let in_project = |path: &Path| Some(context.in_project(path)?.to_string_lossy().into_owned());
        let checked = read_body(&context.dir, file)
            .and_then(|body| ci::pull_request(&body, &gathered.sessions, ledger, &in_project));
        checked.unwrap_or_else(|error| (Check::stopped(NAME, &error), Vec::new()))
    }
}

/// A check that ended in an error was not made.
fn made(name: &'static str, check: Result<Check>) -> Check {
    check.unwrap_or_else(|error| Check::stopped(name, &error))
}

fn read_body(dir: &Path, file: &Path) -> Result<String> {
    let cannot = |e: std::io::Error| {
        Error::failed(format!("cannot read the description from {}: {e}", file.display()))
    };
    let mut bytes = Vec::new();
    if file == Path::new("-") {
        std::io::stdin().lock().take(MAX_BODY + 1).read_to_end(&mut bytes).map_err(cannot)?;
    } else {
        let opened = std::fs::File::open(dir.join(file)).map_err(cannot)?;
        opened.take(MAX_BODY + 1).read_to_end(&mut bytes).map_err(cannot)?;
    }
    if bytes.len() as u64 > MAX_BODY {
        return Err(Error::failed(format!("the description is longer than {MAX_BODY} bytes")));
    }
    String::from_utf8(bytes)
        .map_err(|_| Error::failed(format!("the description in {} is not UTF-8", file.display())))
}

/// Audits the ledger, if there is one. What does not hold is no witness for other checks.
fn ledger(context: &Context<'_>) -> (Check, Option<Ledger>) {
    const NAME: &str = "ledger";
    let ledger = match context.read_if_there() {
        Ok(Some(ledger)) => ledger,
        Ok(None) => return (Check::skipped(NAME, "no ledger here"), None),
        Err(error) => return (Check::stopped(NAME, &error), None),
    };
    let (report, _) = match verify_chain::audit_pinned(context, &ledger, None, false) {
        Ok(audited) => audited,
        Err(error) => return (Check::stopped(NAME, &error), None),
    };
    let rung = report.rung.map_or("none".to_owned(), verify_chain::name);
    let summary = format!("{} of {} entries judged, rung {rung}", report.judged, report.size);
    let issue = |finding: &promptos::ledger::Finding, kind| {
        Issue::error(kind, format!("{}: {}", finding.code, finding.message)).hint(finding.meaning)
    };
    let issues = report.failure().map(|kind| report.findings.iter().map(|f| issue(f, kind)).collect());
    let check = Check::made(NAME, summary, issues.unwrap_or_default());
    let holds = report.rung >= Some(Rung::Consistent);
    (check, holds.then_some(ledger))
}

/// The files of the project that the checks are about.
struct Project<'a> {
    root: PathBuf,
    schemas: Schemas,
    settings: &'a Settings,
    catalog: &'a Catalog,
    folder: Option<&'a Path>,
    name: &'a dyn Fn(&Path) -> String,
}

impl Project<'_> {
    fn lint(&self, source: Option<&Source>) -> Result<Check> {
        let Some(source) = source else { return Ok(Check::skipped("lint", "no catalog folder")) };
        let mut options = Options { fix: false, progress: &mut |_, _| {}, schemas: Some(&self.schemas) };
        Ok(ci::lint(catalog::lint_source_with(source, &mut options)?, &self.settings.lint, self.name))
    }

    /// A file of the catalog folder.
    fn file(&self, path: &Path) -> String {
        (self.name)(&self.folder.unwrap_or(Path::new("")).join(path))
    }

    fn bindings(&self, ledger: Option<&Ledger>, sessions: &[Governed]) -> Result<Check> {
        ci::bindings(self.catalog, ledger, sessions, &|path| self.file(path))
    }

    fn snapshot(&self, ledger: Option<&Ledger>, gathered: &Gathered) -> Result<Check> {
        if self.settings.policy.snapshot == SnapshotPolicy::Off {
            return Ok(Check::skipped("snapshot", "[policy] asks for none"));
        }
        let of_ledger = ledger.map(Ledger::snapshots).transpose()?.and_then(|mut all| all.pop());
        let by_evidence = gathered
            .snapshots
            .iter()
            .max_by_key(|evidence| (evidence.subject.statement.time, evidence.subject.proof.index));
        let (statement, held) = match (&of_ledger, ledger, by_evidence) {
            (Some(entry), Some(ledger), _) => (&entry.statement, Held::Ledger(ledger)),
            (_, _, Some(evidence)) => (&evidence.subject.statement, Held::Evidence(evidence)),
            (None, Some(_), None) => return Ok(ci::snapshot(None, &[], &|_| None)),
            (_, None, None) => {
                return Err(Error::failed("neither a ledger nor evidence of a snapshot is here")
                    .hint("[policy] snapshot = \"current\" asks for one: promptos export --snapshot NAME"));
            }
        };
        let files = held.manifest(statement)?.files;
        let now: Vec<_> =
            list_catalog(self.catalog, self.folder)?.into_iter().map(|listed| listed.file).collect();
        let there =
            |path: &Path| self.folder.filter(|folder| folder.join(path).is_file()).map(|_| self.file(path));
        Ok(ci::snapshot(Some((&statement.name, &files)), &now, &there))
    }

    /// The checks of PromptOS's own files.
    fn promptos(&self, gathered: &Gathered, ledger: Option<&Ledger>) -> [Check; 2] {
        let root = self.root.as_path();
        let read = |file: &str| match std::fs::read(root.join(file)) {
            Ok(bytes) => Ok(Some(((self.name)(&root.join(file)), bytes))),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Error::failed(format!("cannot read {file}: {e}"))),
        };
        let mut release = None;
        let registry = match read(ci::REGISTRY_FILE) {
            Ok(None) => Check::skipped("registry", format!("no {}", ci::REGISTRY_FILE)),
            Err(error) => Check::stopped("registry", &error),
            Ok(Some((shown, bytes))) => match ci::read_registry(&shown, &bytes) {
                Err(check) => *check,
                Ok(registry) => {
                    release = registry.version().map(str::to_owned);
                    ci::registry(&registry, root, self.catalog, self.folder)
                }
            },
        };
        let files: Result<Vec<_>> =
            ci::POLICY_FILES.iter().filter_map(|file| read(file).transpose()).collect();
        let policy = match files {
            Ok(files) if files.is_empty() => Check::skipped("policy", format!("no {}", ci::POLICY_FILES[0])),
            files => made(
                "policy",
                files.and_then(|files| ci::policy(&files, release.as_deref(), gathered, ledger)),
            ),
        };
        [registry, policy]
    }
}

/// What the program ends with.
fn verdict(checks: &[Check]) -> Option<Error> {
    if checks.iter().all(|check| check.verdict == Verdict::Skipped) {
        return Some(
            Error::failed("there is nothing here to check")
                .hint("ci looks for prompts, a ledger, --artifacts-dir DIR and --pr-body FILE"),
        );
    }
    let kind = ci::worst(checks.iter().filter_map(|check| check.failure))?;
    let names: Vec<_> =
        checks.iter().filter(|check| check.failure.is_some()).map(|check| check.name).collect();
    let made = checks.iter().filter(|check| check.verdict != Verdict::Skipped).count();
    Some(Error::new(kind, format!("{} of {made} checks did not pass: {}", names.len(), names.join(", "))))
}
