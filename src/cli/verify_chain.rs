use super::context::Context;
use super::ui::{BAD, BOLD, DIM, GOOD, WARN, one_line, safe, short};
use super::{anchor, heads};
use clap::{Args, ValueEnum};
use ledger_format::{Checkpoint, Head, Policy};
use promptos::error::{Error, Kind, Result};
use promptos::ledger::{
    Cause, Cosigner, Finding, Ledger, Options, Report, Rung, Stated, Suspect, WitnessedHead, audit,
    audit_hashes,
};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Judge every statement of the ledger again, and all that stands on it
///
/// Prints the highest rung reached: 'consistent' (everything in the ledger agrees), 'pinned' (and it extends a head that
/// you held before), 'witnessed' (and a quorum of witnesses cosigned a head of it) or 'anchored' (and a head of it stands in
/// a tag or commit of the git repository here, which is searched when --require asks for it). Exit 3 when something is
/// wrong, 4 when --require asks for more.
#[derive(Args)]
pub(crate) struct VerifyChain {
    /// Fail with exit 4 unless this rung is reached; several are separated by commas
    #[arg(long, value_name = "RUNG", value_delimiter = ',')]
    require: Vec<Require>,
    /// Whose cosignatures are enough: a C2SP tlog-policy file; without it, [trust] policy in promptos.toml
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// A head that you hold: a checkpoint, a tlog-proof or an evidence tar
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// Judge only what is new since your last audit. The older entries are not read again while tree and index still
    /// lead to what that audit left behind: whether they were damaged since is what an audit without this tells
    #[arg(long)]
    since_pin: bool,
    /// Only hash: are the entries those of the head, the tree, the checkpoint and your pin? No signature, right or content
    /// is judged, no rung is reached and no pin is moved
    #[arg(long, conflicts_with_all = ["since_pin", "require", "policy"])]
    no_signatures: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Require {
    Consistent,
    Pinned,
    Witnessed,
    Anchored,
}

impl From<Require> for Rung {
    fn from(require: Require) -> Self {
        match require {
            Require::Consistent => Self::Consistent,
            Require::Pinned => Self::Pinned,
            Require::Witnessed => Self::Witnessed,
            Require::Anchored => Self::Anchored,
        }
    }
}

impl VerifyChain {
    pub(crate) fn run(self, context: &Context<'_>) -> Result<()> {
        let ledger = context.read_unchecked()?;
        let policy = heads::policy(context, self.policy.as_deref())?;
        let given = self.checkpoint.as_ref().map(|path| held(&ledger, path)).transpose()?;
        let checkpoint = given.as_ref().map(|(_, head)| *head);
        let (mut report, options) = match self.no_signatures {
            true => hashed_pinned(context, &ledger, checkpoint)?,
            false => audit_pinned(context, &ledger, checkpoint, self.since_pin)?,
        };
        let mut missing = Missing::default();
        if let (Some((_, policy)), Some(_)) = (&policy, report.rung) {
            let given = given.into_iter().zip(&self.checkpoint).map(|((note, _), path)| (path.clone(), note));
            let kept = heads::kept(context)?.map(|kept| kept.all()).transpose()?.unwrap_or_default();
            missing.witnesses = witness(&ledger, policy, given.chain(kept), &mut report)?;
        }
        let first_seen = options.pinned.is_none();
        if self.require.iter().any(|wanted| matches!(wanted, Require::Anchored)) && report.rung.is_some() {
            match anchor::search(context, &ledger)? {
                Ok(anchored) => {
                    report.rung = report.rung.max(Some(Rung::Anchored));
                    report.anchored = Some(anchored);
                }
                Err(why) => missing.anchors.push(why),
            }
        }
        let sessions = report.misfits.as_ref().map(|misfits| {
            let open = misfits.iter().filter(|misfit| misfit.code == "session.open").count();
            (open, misfits.len() - open)
        });
        // Looked up in the index, which is worth asking once the audit has found it right.
        let judged = report.findings.is_empty() && !self.no_signatures;
        let suspects = if judged { ledger.suspects()? } else { Vec::new() };
        if context.ui.json {
            let mut value = serde_json::to_value(&report).map_err(|e| Error::bug("no JSON").because(e))?;
            if let Some(object) = value.as_object_mut() {
                object.insert("first_seen".to_owned(), json!(first_seen));
                object.insert("open_sessions".to_owned(), json!(sessions.map(|(open, _)| open)));
                object.insert("session_findings".to_owned(), json!(sessions.map(|(_, other)| other)));
                object.insert("suspects".to_owned(), suspects.iter().map(suspect_json).collect());
                object.insert(
                    "pinned".to_owned(),
                    json!(
                        options.pinned.map(|head| json!({"size": head.size, "root": hex::encode(head.root)}))
                    ),
                );
            }
            context.ui.report("verify-chain", value)?;
        } else {
            print(context, &report, &options, first_seen)?;
            suspects.iter().try_for_each(|suspect| print_suspect(context, suspect))?;
            if policy.is_some() && report.witnessed.is_none() {
                missing
                    .witnesses
                    .iter()
                    .for_each(|why| context.ui.note(&format!("not witnessed: {}", safe(why))));
            }
        }
        match sessions {
            None if judged => {
                context.ui.note("whether sessions are open was not looked at; see promptos session check")
            }
            None | Some((0, 0)) => {}
            Some((open, 0)) => {
                context.ui.note(&format!("open sessions: {open}; see promptos session list --open"))
            }
            Some((open, other)) => context.ui.note(&format!(
                "open sessions: {open}, other findings on sessions: {other}; see promptos session check"
            )),
        }
        self.verdict(&report, &missing)
    }

    fn verdict(&self, report: &Report, missing: &Missing) -> Result<()> {
        if let Some(kind) = report.failure() {
            let count = report.findings.len();
            let what = if count == 1 { "1 finding".to_owned() } else { format!("{count} findings") };
            let first = match report.rung_withheld {
                Some(_) => format!("{} of {} entries were hashed", report.hashed, report.size),
                None => format!("{} of {} entries stand as a consistent prefix", report.judged, report.size),
            };
            return Err(Error::new(kind, format!("the ledger does not hold: {what}")).hint(first));
        }
        for wanted in &self.require {
            // What witnesses say and where a head is anchored are two things: neither stands for the other.
            let (reached, why) = match wanted {
                Require::Witnessed => (report.witnessed.is_some(), missing.witnesses.as_slice()),
                Require::Anchored => (report.anchored.is_some(), missing.anchors.as_slice()),
                Require::Consistent => (report.rung >= Some(Rung::Consistent), [].as_slice()),
                Require::Pinned => (report.rung >= Some(Rung::Pinned), [].as_slice()),
            };
            if !reached {
                let got = report.rung.map_or("none".to_owned(), name);
                let text = format!("the rung '{}' is asked for; '{got}' was reached", name((*wanted).into()));
                return Err(why.iter().fold(Error::findings(text), |error, why| error.hint(why)));
            }
        }
        Ok(())
    }
}

/// Why rungs were not reached.
#[derive(Default)]
struct Missing {
    witnesses: Vec<String>,
    anchors: Vec<String>,
}

/// Looks for a checkpoint of the ledger that a quorum cosigned, among those given and kept, and notes it in the report;
/// answers why each of the others is none.
fn witness(
    ledger: &Ledger,
    policy: &Policy,
    notes: impl Iterator<Item = (PathBuf, Vec<u8>)>,
    report: &mut Report,
) -> Result<Vec<String>> {
    let mut why = Vec::new();
    for (path, note) in notes {
        match ledger.witnessed(&note, policy) {
            Ok(head) => {
                let larger = report.witnessed.as_ref().is_none_or(|best| best.size < head.size);
                if larger {
                    report.rung = report.rung.max(Some(Rung::Witnessed));
                    report.witnessed = Some(head);
                }
            }
            Err(error) => {
                let reason = format!("{}: {error}", one_line(&path.display().to_string(), 120));
                // A signed head that is not of this history is more than a missing cosignature.
                if error.kind() == Kind::Integrity {
                    return Err(heads::at(&path, error));
                }
                why.push(reason);
            }
        }
    }
    if !policy.asks_for_witnesses() {
        why.push("the policy's quorum is 'none', so that no witness vouches for anything".to_owned());
    } else if why.is_empty() {
        why.push(
            "no cosigned checkpoint was given or is kept: promptos checkpoint --add COSIGNED".to_owned(),
        );
    }
    Ok(why)
}

/// Audits the ledger against this user's pin and, when it holds, pins what was judged.
pub(crate) fn audit_pinned(
    context: &Context<'_>,
    ledger: &Ledger,
    checkpoint: Option<Head>,
    since_pin: bool,
) -> Result<(Report, Options)> {
    let pinned = context.pin_of(ledger)?;
    context.check_place(ledger)?;
    if since_pin && pinned.is_none() {
        return Err(Error::failed("there is no pin of this ledger to start from")
            .hint("run verify-chain without --since-pin once"));
    }
    // A pin says what was seen; what was judged is what a whole audit has found consistent.
    let earlier = pinned.as_ref().filter(|_| since_pin);
    let (judged, basis) = (earlier.and_then(|pin| pin.judged), earlier.and_then(|pin| pin.basis.clone()));
    let options = Options { pinned: pinned.as_ref().map(|pin| pin.head), checkpoint, judged, basis };
    let report = watched(context, ledger, |progress| audit(ledger, &options, progress))?;
    if report.findings.is_empty() {
        let root = hex::decode(&report.root).ok().and_then(|root| root.try_into().ok());
        let root = root.ok_or_else(|| Error::bug("a root is not 32 bytes"))?;
        let head = Head { size: report.size, root };
        context.pin_head(ledger, head, Some((head, report.basis.clone())))?;
    }
    Ok((report, options))
}

/// Hashes the ledger and compares it with this user's pin, which stays where it is.
fn hashed_pinned(
    context: &Context<'_>,
    ledger: &Ledger,
    checkpoint: Option<Head>,
) -> Result<(Report, Options)> {
    let pinned = context.pin_of(ledger)?.map(|pin| pin.head);
    context.check_place(ledger)?;
    let options = Options { pinned, checkpoint, ..Options::default() };
    let report = watched(context, ledger, |progress| audit_hashes(ledger, &options, progress))?;
    Ok((report, options))
}

/// Does work on all entries of a ledger while a line shows how far it is.
fn watched<T>(
    context: &Context<'_>,
    ledger: &Ledger,
    work: impl FnOnce(&mut dyn FnMut(u64)) -> Result<T>,
) -> Result<T> {
    let total = ledger.head().ok().and_then(|head| usize::try_from(head.size).ok());
    let mut bar = context.ui.progress("auditing");
    work(&mut |done| bar.set(usize::try_from(done).unwrap_or(usize::MAX), total))
}

/// The note in what the auditor brought, and its head.
fn held(ledger: &Ledger, path: &std::path::Path) -> Result<(Vec<u8>, Head)> {
    let note = heads::note(path)?;
    let checkpoint = Checkpoint::parse(&note).map_err(|f| Error::failed(f.detail))?;
    if checkpoint.origin != ledger.origin() {
        return Err(Error::integrity(format!("{} is of another ledger", path.display()))
            .hint(format!("it says      {}", one_line(&checkpoint.origin, 200)))
            .hint(format!("this one is  {}", ledger.origin())));
    }
    Ok((note, checkpoint.head))
}

pub(crate) fn name(rung: Rung) -> String {
    format!("{rung:?}").to_lowercase()
}

fn print(context: &Context<'_>, report: &Report, options: &Options, first_seen: bool) -> Result<()> {
    let line = |label: &str, text: String| context.ui.line(&format!("{BOLD}{label:<9}{BOLD:#} {text}"));
    line("ledger", format!("{} {DIM}{}{DIM:#}", report.name, short(&report.ledger)))?;
    let scope = match (report.from, report.rung_withheld) {
        (_, Some(why)) => format!("{} hashed; {why}", report.hashed),
        (0, None) => format!("{} judged from their bytes", report.judged),
        (from, None) => format!(
            "{} new ones judged; the first {from} were judged by an earlier audit, and are {}",
            // Nothing, when what was judged is another history.
            report.judged.saturating_sub(from),
            if report.hashed < report.judged { "not read again" } else { "the same" }
        ),
    };
    line("entries", format!("{}: {scope}", report.size))?;
    let again = "those that the judged entries describe were hashed again";
    match (report.contents, report.erased) {
        _ if report.rung_withheld.is_some() => {}
        (None, _) => line("contents", again.to_owned())?,
        (Some(known), None | Some(0)) => line("contents", format!("{known} known; {again}"))?,
        (Some(known), Some(erased)) => line("contents", format!("{known} known, {erased} erased; {again}"))?,
    }
    if let Some(first) = report.absent.first() {
        let rest = if report.absent.len() > 1 { ", …" } else { "" };
        line("absent", format!("{} not published: {}{rest}", report.absent.len(), short(first)))?;
    }
    if report.lagging > 0 {
        line("lag", format!("{} entries were signed on an older head, which is legal", report.lagging))?;
    }
    if report.not_understood > 0 {
        context.ui.line(&format!(
            "{WARN}note{WARN:#}      {} entries hold what this version does not understand",
            report.not_understood
        ))?;
    }
    line("head", format!("{} {DIM}{}{DIM:#}", report.size, report.root))?;
    for Finding { code, message, meaning, .. } in &report.findings {
        context.ui.line(&format!("{BAD}{code}{BAD:#}: {message}\n          {DIM}{meaning}{DIM:#}"))?;
    }
    match report.rung {
        None if report.findings.is_empty() => {
            line("rung", format!("{WARN}none{WARN:#} {DIM}(hashes alone reach no rung){DIM:#}"))
        }
        None => line("rung", format!("{BAD}none{BAD:#}")),
        Some(rung) => {
            let why = match (rung, options.checkpoint, options.pinned) {
                (Rung::Pinned, Some(head), _) => {
                    format!("extends the head of {} entries that you gave", head.size)
                }
                (Rung::Pinned, _, Some(head)) => {
                    format!("extends the head of {} entries seen before", head.size)
                }
                (Rung::Witnessed | Rung::Anchored, ..) => String::new(),
                _ if first_seen => {
                    "first seen: whether entries were removed before now cannot be told".to_owned()
                }
                _ => String::new(),
            };
            if let Some(witnessed) = &report.witnessed {
                print_witnessed(context, witnessed, report.size)?;
            }
            if let Some(anchored) = &report.anchored {
                anchor::print(context, anchored, report.size)?;
            }
            let why = if why.is_empty() { why } else { format!(" {DIM}({why}){DIM:#}") };
            line("rung", format!("{GOOD}{}{GOOD:#}{why}", name(rung)))
        }
    }
}

/// So many entries of a suspect key are shown to a person; all of them are in the JSON.
const SHOWN: usize = 20;

fn suspect_json(suspect: &Suspect) -> Value {
    let entries = |all: &[Stated]| -> Value {
        let entry = |said: &Stated| json!({"index": said.index, "id": said.id.to_string(), "sub": said.subject, "iss": said.issuer});
        all.iter().map(entry).collect()
    };
    json!({
        "kid": suspect.kid.to_string(), "identity": suspect.identity, "since": suspect.since,
        "revoked": suspect.revoked, "cause": cause(suspect),
        "signed": entries(&suspect.signed), "binds": suspect.refs, "standing": entries(&suspect.standing),
    })
}

fn cause(suspect: &Suspect) -> String {
    match suspect.cause {
        Cause::Revoked(at) => format!("revoked by entry {at}"),
        Cause::BroughtIn(at) => match suspect.revoked {
            None => format!("brought in by a suspect key, entry {at}, and not revoked"),
            Some(revoked) => format!("brought in by a suspect key, entry {at}; ended by entry {revoked}"),
        },
        Cause::RotatedOut(at) => format!("rotated, by entry {at}, to a key that is suspect from earlier on"),
    }
}

/// Who is suspect from where on, and every session, run and snapshot that stands on it.
fn print_suspect(context: &Context<'_>, suspect: &Suspect) -> Result<()> {
    context.ui.line(&format!(
        "{WARN}suspect{WARN:#}   {} {DIM}{}{DIM:#} from entry {} on {DIM}({}){DIM:#}",
        safe(&suspect.identity),
        suspect.kid,
        suspect.since,
        cause(suspect)
    ))?;
    let list = |label: &str, all: &[Stated]| {
        for said in all.iter().take(SHOWN) {
            let (subject, by) = (one_line(&said.subject, 120), safe(&said.issuer));
            context
                .ui
                .line(&format!("  {label:<7} {subject} {DIM}(entry {} by '{by}'){DIM:#}", said.index))?;
        }
        let more = all.len().saturating_sub(SHOWN);
        if more > 0 {
            context.ui.line(&format!("  {label:<7} and {more} more {DIM}(--json lists them){DIM:#}"))?;
        }
        Ok(())
    };
    list("signed", &suspect.signed)?;
    suspect.refs.iter().try_for_each(|r| context.ui.line(&format!("  {:<7} {}", "bound", safe(r))))?;
    list("stands", &suspect.standing)
}

/// Who cosigned a head, and what their times prove.
pub(crate) fn print_witnessed(context: &Context<'_>, witnessed: &WitnessedHead, size: u64) -> Result<()> {
    let line = |label: &str, text: String| context.ui.line(&format!("{BOLD}{label:<9}{BOLD:#} {text}"));
    for Cosigner { name, first, last } in &witnessed.by {
        let again = if first == last { String::new() } else { format!(" to {last}") };
        line("witness", format!("{} {DIM}at {first}{again}, by its own clock{DIM:#}", one_line(name, 120)))?;
    }
    let after = match size - witnessed.size {
        0 => String::new(),
        after => format!("; the {after} after them are not witnessed"),
    };
    line(
        "existed",
        format!(
            "{} entries by {}, and nothing larger was known to a quorum at {}{after}",
            witnessed.size, witnessed.existed_by, witnessed.newest_at
        ),
    )
}
