//! What people try, allowed or not.

use super::*;
use crate::store::edits::Prompt as Edited;
use ledger_format::Life;
use std::sync::LazyLock;

#[derive(Debug, Clone)]
pub(super) enum Say {
    Prompt {
        of: u8,
        text: u8,
    },
    /// `bare`: content that is known is named and not brought.
    Session {
        prompts: Vec<(u8, u8)>,
        attach: bool,
        bare: bool,
        /// An entry to stand under; when `snapshots`, one of these.
        under: Option<prop::sample::Index>,
        snapshots: bool,
        /// Entries to cite as renders; when the flag is set, only such.
        used: (Vec<prop::sample::Index>, bool),
    },
    /// The beginning of a session.
    Start {
        prompts: Vec<(u8, u8)>,
        attach: bool,
    },
    /// Something in a session; when the flag is set, one that began.
    Event {
        of: prop::sample::Index,
        starts: bool,
        attach: bool,
    },
    /// The end of a session; when the flag is set, of one that began, and with events only.
    End {
        of: prop::sample::Index,
        events: Vec<prop::sample::Index>,
        fitting: bool,
        prompts: Vec<(u8, u8)>,
    },
    Render {
        of: u8,
        text: u8,
    },
    /// A release of some refs' texts, under one of few names.
    Snapshot {
        name: u8,
        files: Vec<(u8, u8)>,
    },
    Run {
        cites: Vec<prop::sample::Index>,
        sessions: bool,
    },
    Import {
        text: u8,
    },
    Enrol {
        seed: u8,
        roles: u8,
    },
    Revoke {
        seed: u8,
        since: Option<prop::sample::Index>,
    },
    Rotate {
        seed: u8,
    },
    LogKey {
        seed: u8,
    },
    Erase {
        which: prop::sample::Index,
    },
    EraseText {
        text: u8,
    },
    /// Content that is not what it is said to be.
    Lie {
        longer: bool,
    },
}

#[derive(Debug, Clone)]
pub(super) enum Try {
    Append { by: u8, say: Say, old_log_key: bool },
    Reopen,
    Rebuild { from_nothing: bool },
    Evidence(prop::sample::Index),
    Audit { since: prop::sample::Index, pinned: prop::sample::Index, wrong: u8 },
    LookUp,
}

/// One text of one ref, so that those bound agree; now and then another's.
pub(super) fn prompt() -> impl Strategy<Value = (u8, u8)> {
    (0..REFS.len() as u8, prop_oneof![5 => Just(None), 1 => (0..4u8).prop_map(Some)])
        .prop_map(|(of, text)| (of, text.unwrap_or(of)))
}

/// The beginning of one is another, as people number things.
pub(super) const REFS: [&str; 4] = ["p1.v1", "p1.v10", "p1.v2", "p10.v1"];

pub(super) fn say(log_keys: bool) -> impl Strategy<Value = Say> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        2 => prompt().prop_map(|(of, text)| Say::Prompt { of, text }),
        7 => (
            (prop::collection::vec(prompt(), 0..3), any::<bool>(), any::<bool>()),
            (prop::option::weighted(0.3, index()), prop::bool::weighted(0.8)),
            (prop::collection::vec(index(), 0..2), prop::bool::weighted(0.8)),
        )
            .prop_map(|((prompts, attach, bare), (under, snapshots), used)| Say::Session {
                prompts, attach, bare, under, snapshots, used,
            }),
        2 => (prop::collection::vec(prompt(), 1..3), any::<bool>())
            .prop_map(|(prompts, attach)| Say::Start { prompts, attach }),
        3 => (index(), prop::bool::weighted(0.8), any::<bool>())
            .prop_map(|(of, starts, attach)| Say::Event { of, starts, attach }),
        2 => (
            (index(), prop::collection::vec(index(), 0..4)),
            (prop::bool::weighted(0.8), prop::collection::vec(prompt(), 1..3)),
        )
            .prop_map(|((of, events), (fitting, prompts))| Say::End { of, events, fitting, prompts }),
        2 => prompt().prop_map(|(of, text)| Say::Render { of, text }),
        3 => (0..4u8, prop::collection::vec(prompt(), 0..4))
            .prop_map(|(name, files)| Say::Snapshot { name, files }),
        4 => (prop::collection::vec(index(), 0..3), prop::bool::weighted(0.8))
            .prop_map(|(cites, sessions)| Say::Run { cites, sessions }),
        2 => (0..4u8).prop_map(|text| Say::Import { text }),
        4 => (2..9u8, 1..8u8).prop_map(|(seed, roles)| Say::Enrol { seed, roles }),
        3 => (prop_oneof![2 => Just(FOUNDER), 2 => Just(4), 3 => 1..8u8], prop::option::of(index())).prop_map(|(seed, since)| Say::Revoke { seed, since }),
        1 => (2..9u8).prop_map(|seed| Say::Rotate { seed }),
        1 => prop_oneof![1..7u8, LOG_KEY..LOG_KEY + 4].prop_map(move |seed| match log_keys {
            true => Say::LogKey { seed },
            false => Say::Rotate { seed },
        }),
        2 => index().prop_map(|which| Say::Erase { which }),
        1 => (0..4u8).prop_map(|text| Say::EraseText { text }),
        1 => any::<bool>().prop_map(|longer| Say::Lie { longer }),
    ]
}

pub(super) fn by() -> impl Strategy<Value = u8> {
    prop_oneof![6 => Just(FOUNDER), 6 => 2..5u8, 1 => 5..9u8]
}

pub(super) fn tries() -> impl Strategy<Value = Vec<Try>> {
    let index = any::<prop::sample::Index>;
    let one = prop_oneof![
        24 => (by(), say(true), prop::bool::weighted(0.04))
            .prop_map(|(by, say, old_log_key)| Try::Append { by, say, old_log_key }),
        1 => Just(Try::Reopen),
        1 => any::<bool>().prop_map(|from_nothing| Try::Rebuild { from_nothing }),
        2 => index().prop_map(Try::Evidence),
        2 => (index(), index(), 0..4u8).prop_map(|(since, pinned, wrong)| Try::Audit { since, pinned, wrong }),
        1 => Just(Try::LookUp),
    ];
    prop::collection::vec(one, 4..40)
}

/// Versions of one, so that a file keeps what they do not share.
pub(super) fn text(of: u8) -> Vec<u8> {
    static TEXTS: LazyLock<Vec<String>> = LazyLock::new(|| Edited::history(1, 1_500, 4));
    TEXTS[usize::from(of)].clone().into_bytes()
}

/// Puts into words what somebody tries; `n` makes salts and names differ. `None` when there is nothing to
/// say it about.
pub(super) fn words(say: &Say, n: u8, ledger: &Ledger) -> Option<New> {
    let plain = |name: String, body, contents| Some(New { name, body, contents, next_log_key: None });
    let known: Vec<Entry> =
        (0..ledger.head().unwrap().size).filter_map(|at| ledger.entry(at).unwrap()).collect();
    let described = |bytes: &[u8]| Descriptor::of(bytes, "text/markdown");
    match say {
        Say::Prompt { of, text: t } => {
            let content = described(&text(*t));
            let contents = vec![Content::Bytes(content.clone(), text(*t))];
            plain(REFS[usize::from(*of)].into(), Body::Prompt(Prompt { content }), contents)
        }
        Say::Session { prompts, attach, bare, under, snapshots, used: (renders, only_renders) } => {
            let (details, blob) = details(n);
            let mut contents = vec![blob];
            let used = prompts.iter().map(|(of, t)| {
                let content = described(&text(*t));
                let there = ledger.blob_state(&content.blake3).unwrap() != BlobState::Missing;
                if !(*bare && there) {
                    contents.push(Content::Bytes(content.clone(), text(*t)));
                }
                Used { reference: REFS[usize::from(*of)].into(), gate: None, content }
            });
            let prompts = used.collect();
            let attachments = attach.then(|| {
                let (manifest, blobs) = manifest(n, true);
                contents.extend(blobs);
                manifest
            });
            let (tool, catalog) = ("v1".into(), "c1".into());
            let fit = |entry: &&Entry| !snapshots || matches!(entry.statement.body, Body::Snapshot(_));
            let all: Vec<EntryId> = known.iter().filter(fit).map(|entry| entry.statement.id).collect();
            let snapshot =
                under.map(|at| all.get(at.index(all.len() + 1)).copied().unwrap_or(EntryId([n; 32])));
            // Where there is no snapshot, who meant one means none.
            let snapshot = snapshot.filter(|_| !(*snapshots && all.is_empty()));
            let fit = |entry: &&Entry| !only_renders || matches!(entry.statement.body, Body::Render(_));
            let all: Vec<EntryId> = known.iter().filter(fit).map(|entry| entry.statement.id).collect();
            let renders: BTreeSet<EntryId> = match all.as_slice() {
                [] => BTreeSet::new(),
                all => renders.iter().map(|at| *at.get(all)).collect(),
            };
            let renders = renders.into_iter().collect();
            let (lint_warnings, target) = (0, None);
            let session = Session {
                prompts,
                details,
                tool,
                catalog,
                lint_warnings,
                target,
                attachments,
                snapshot,
                renders,
                life: None,
            };
            plain(format!("s-{n}"), Body::Session(session), contents)
        }
        Say::Start { prompts, attach } => {
            let session = Say::Session {
                prompts: prompts.clone(),
                attach: *attach,
                bare: false,
                under: None,
                snapshots: true,
                used: (Vec::new(), true),
            };
            let New { name, body: Body::Session(session), contents, .. } = words(&session, n, ledger)? else {
                return None;
            };
            plain(name, Body::Start(session), contents)
        }
        Say::Event { of, starts, attach } => {
            let start = pick(&known, *of, n, |body| !starts || matches!(body, Body::Start(_)))?;
            let (details, blob) = details(n);
            let mut contents = vec![blob];
            let attachments = attach.then(|| {
                let (manifest, blobs) = manifest(n, true);
                contents.extend(blobs);
                manifest
            });
            plain(
                format!("e-{n}"),
                Body::Event(ledger_format::Event { start, details, attachments }),
                contents,
            )
        }
        Say::End { of, events, fitting, prompts } => {
            let start = pick(&known, *of, n, |body| !fitting || matches!(body, Body::Start(_)))?;
            let event = |at: &prop::sample::Index| {
                pick(&known, *at, n, |body| !fitting || matches!(body, Body::Event(_)))
            };
            let events: BTreeSet<EntryId> = events.iter().filter_map(event).collect();
            let began = Say::Start { prompts: prompts.clone(), attach: false };
            let New { name, body: Body::Start(session), contents, .. } = words(&began, n, ledger)? else {
                return None;
            };
            let life = Some(Life { start, events: events.into_iter().collect() });
            plain(name, Body::Session(Session { life, ..session }), contents)
        }
        Say::Render { of, text: t } => {
            let content = described(&text(*t));
            let contents = vec![Content::Bytes(content.clone(), text(*t))];
            let reference = REFS[usize::from(*of)].into();
            let body = Render {
                prompt: Used { reference, gate: None, content },
                engine: "engine/1".into(),
                tool: "v1".into(),
                options: Vec::new(),
                variables: [n; 32],
                input: None,
                output: Descriptor::of(format!("the output {n}").as_bytes(), "text/plain"),
            };
            plain(format!("w-{n}"), Body::Render(body), contents)
        }
        Say::Run { cites, sessions } => {
            let fit = |entry: &&Entry| !sessions || matches!(entry.statement.body, Body::Session(_));
            let all: Vec<EntryId> = known.iter().filter(fit).map(|entry| entry.statement.id).collect();
            let unknown = EntryId([n; 32]);
            // Not every id that is cited is known.
            let pick = |at: &prop::sample::Index| match all.get(at.index(all.len() + 1)) {
                Some(id) => *id,
                None if *sessions && !all.is_empty() => all[0],
                None => unknown,
            };
            let cited: BTreeSet<EntryId> = cites.iter().map(pick).collect();
            let bytes = format!("{{\"run_id\":\"r-{n}\"}}").into_bytes();
            let record = Descriptor::of(&bytes, "application/json");
            let (manifest, mut contents) = manifest(n, false);
            contents.push(Content::Bytes(record.clone(), bytes));
            let sessions = cited.into_iter().map(|entry| Cited { entry, foreign: None }).collect();
            plain(format!("r-{n}"), Body::Run(Run { record, manifest: Some(manifest), sessions }), contents)
        }
        Say::Snapshot { name, files } => {
            let mut contents = Vec::new();
            let files: BTreeMap<u8, u8> = files.iter().copied().collect();
            let files = files.into_iter().map(|(of, t)| {
                let content = described(&text(t));
                contents.push(Content::Bytes(content.clone(), text(t)));
                let reference = REFS[usize::from(of)].to_owned();
                ManifestFile { path: format!("{of}.md"), reference: Some(reference), content, kept: true }
            });
            let manifest = Manifest { salt: [n; 16], files: files.collect() }.to_bytes();
            let described = Descriptor::of(&manifest, MANIFEST_TYPE);
            contents.push(Content::Bytes(described.clone(), manifest));
            let (commit, tag) = (Some(vec![n; 20]), None);
            let body = Snapshot { manifest: described, commit, tag, lint_errors: 0, lint_warnings: 0 };
            plain(format!("v{name}"), Body::Snapshot(body), contents)
        }
        Say::Import { text: t } => {
            let content = described(&text(*t));
            let contents = vec![Content::Bytes(content.clone(), text(*t))];
            let import = Import { format: "note".into(), content, checked: Vec::new(), details: None };
            plain(format!("i-{n}"), Body::Import(import), contents)
        }
        Say::Enrol { seed, roles } => {
            let names = [(1, "admin"), (2, "agent"), (4, "user")];
            let names: Vec<_> = names.iter().filter(|(bit, _)| roles & bit != 0).map(|n| n.1).collect();
            Some(enrol(*seed, &format!("person-{seed}"), &names))
        }
        Say::Revoke { seed, since } => {
            let since = since.map(|at| at.get(&known).statement.id);
            Some(change(KeyChange::Revoke { kid: kid(&key(*seed)), since }))
        }
        Say::Rotate { seed } => Some(change(KeyChange::Rotate { key: public(&key(*seed)) })),
        Say::LogKey { seed } => Some(new_log_key(*seed)),
        Say::Erase { which } => {
            let contents = known.iter().flat_map(|entry| entry.statement.body.contents());
            let contents: Vec<Address> = contents.map(|d| d.blake3).collect();
            if contents.is_empty() { None } else { Some(erase(*which.get(&contents))) }
        }
        Say::EraseText { text: t } => Some(erase(Address::of(&text(*t)))),
        Say::Lie { longer } => {
            let said = described(format!("what is said {n}").as_bytes());
            let bytes = format!("what is true {n}{}", if *longer { "!" } else { "" }).into_bytes();
            let contents = vec![Content::Bytes(said.clone(), bytes)];
            let import = Import { format: "note".into(), content: said, checked: Vec::new(), details: None };
            plain(format!("i-{n}"), Body::Import(import), contents)
        }
    }
}

/// One of the entries that fit; now and then one that is not there.
fn pick(known: &[Entry], at: prop::sample::Index, n: u8, fits: impl Fn(&Body) -> bool) -> Option<EntryId> {
    let all: Vec<EntryId> =
        known.iter().filter(|entry| fits(&entry.statement.body)).map(|entry| entry.statement.id).collect();
    if all.is_empty() {
        return None;
    }
    let at = at.index(all.len() * 8 + 1);
    Some(if at < all.len() * 8 { all[at % all.len()] } else { EntryId([n; 32]) })
}

/// Who is there at the start: one of each role beside the founder.
pub(super) fn hired() -> Vec<Try> {
    let roles = [(2, 4), (3, 2), (4, 1)];
    let enrol =
        |(seed, roles)| Try::Append { by: FOUNDER, say: Say::Enrol { seed, roles }, old_log_key: false };
    roles.into_iter().map(enrol).collect()
}
