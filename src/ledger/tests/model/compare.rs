//! The ledger beside the model.

use super::*;

pub(super) fn ats(entries: &[Entry]) -> Vec<u64> {
    entries.iter().map(|entry| entry.index).collect()
}

/// Every look-up that there is.
pub(super) fn look_up(ledger: &Ledger, model: &Model) {
    let size = model.size();
    assert_eq!(ledger.head().unwrap().size, size);
    assert_eq!(ledger.checkpoint().unwrap().head, ledger.head().unwrap());
    assert_eq!(ledger.checkpoint_key().unwrap().kid(), *model.log_keys.last().unwrap());
    assert!(ledger.entry(size).unwrap().is_none());
    for (at, said) in (0..).zip(&model.entries) {
        let entry = ledger.entry(at).unwrap().unwrap();
        assert_eq!((entry.statement.id, &entry.statement.body), (said.id, &said.body));
        assert_eq!((entry.statement.subject(), entry.statement.kid), (said.subject.clone(), said.by));
        assert_eq!(ledger.by_id(&said.id).unwrap().unwrap().index, at);
        ledger.check_entry(&entry).unwrap();

        let hex = hex::encode(said.id.0);
        for digits in [&hex[..1], &hex[..2], &hex[..5], &hex] {
            let mut like: Vec<_> =
                (0..).zip(&model.entries).map(|(at, s)| (hex::encode(s.id.0), at)).collect();
            like.retain(|(id, _)| id.starts_with(digits));
            like.sort();
            let like: Vec<u64> = like.into_iter().map(|(_, at)| at).collect();
            assert_eq!(ats(&ledger.by_id_prefix(digits, 99).unwrap()), like);
            assert_eq!(ats(&ledger.by_id_prefix(digits, 1).unwrap()), like[..1]);
        }
        let same = model.at(|other| other.subject == said.subject);
        assert_eq!(ats(&ledger.by_subject(&said.subject).unwrap()), same);
        let (kind, name) = said.subject.split_once('/').unwrap();
        assert!(
            ledger
                .by_subject(&said.subject[..said.subject.len() - 1])
                .unwrap()
                .iter()
                .all(|entry| entry.statement.name == name[..name.len() - 1])
        );
        let kinds = model.at(|other| other.subject.starts_with(&format!("{kind}/")));
        assert_eq!(ats(&ledger.of_kind(kind).unwrap()), kinds);

        let citing = |other: &Said| {
            !matches!(other.body, Body::Key(_)) && other.body.cites().iter().any(|(id, _)| *id == said.id)
        };
        let citing = model.at(citing);
        assert_eq!(ats(&ledger.citing(&said.id).unwrap()), citing);
        if let Body::Snapshot(_) = said.body {
            assert_eq!(ledger.snapshot(name).unwrap().unwrap().index, at);
            assert!(ledger.snapshot(&format!("{name}x")).unwrap().is_none());
        }
        let is_start = matches!(said.body, Body::Start(_));
        let ended = citing.iter().any(|at| matches!(model.entries[*at as usize].body, Body::Session(_)));
        assert_eq!(ledger.is_open(&entry).unwrap(), is_start && !ended);
        if is_start
            || matches!(said.body, Body::Event(_) | Body::Session(_) | Body::Snapshot(_) | Body::Render(_))
        {
            let traced = ledger.trace_entry(&entry).unwrap();
            assert!(traced.holds(), "{traced:?}");
            let back = traced.used_by.iter().map(|step| step.entry.as_ref().unwrap().index);
            assert_eq!(back.collect::<Vec<_>>(), citing);
        }
    }
    check_lives(ledger, model);
    let snapshots = model.at(|said| matches!(said.body, Body::Snapshot(_)));
    assert_eq!(ats(&ledger.snapshots().unwrap()), snapshots);
    let unknown = EntryId([0xEE; 32]);
    assert!(ledger.by_id(&unknown).unwrap().is_none() && ledger.citing(&unknown).unwrap().is_empty());
    assert!(ledger.by_id_prefix("xy", 9).is_err() && ledger.contents_by_prefix("0g", 9).is_err());

    for seed in 0..9 {
        let kid = kid(&key(seed));
        let last = model.at(|said| said.by == kid && matches!(said.body, Body::Session(_))).pop();
        assert_eq!(ledger.latest_session(&kid).unwrap().map(|entry| entry.index), last);
        let person = model.person(&kid);
        assert_eq!(
            ledger.identity_of(&kid).ok(),
            person.filter(|p| p.revoked.is_none()).map(|p| p.identity.clone())
        );
        let person = person.map(|p| (p.identity.clone(), p.roles, p.enrolled, p.revoked, p.last));
        let record = ledger.key(&kid).unwrap();
        assert_eq!(record.map(|r| (r.identity, r.roles, r.enrolled, r.revoked, r.last)), person);
    }
    let kids: Vec<Kid> = ledger.keys().unwrap().iter().map(|record| record.key.kid()).collect();
    assert_eq!(kids, model.people.iter().map(|person| person.kid).collect::<Vec<_>>());

    for reference in REFS {
        let bound = ledger.bound(reference).unwrap().map(|(content, entry)| (content, entry.index));
        assert_eq!(bound, model.refs.get(reference).copied());
        let uses = |said: &Said| match &said.body {
            Body::Start(session) | Body::Session(session) => {
                session.prompts.iter().any(|used| used.reference == reference)
            }
            Body::Render(render) => render.prompt.reference == reference,
            _ => false,
        };
        assert_eq!(ats(&ledger.using(reference).unwrap()), model.at(uses));
        let traced = ledger.trace_ref(reference).unwrap();
        assert_eq!(traced.is_some(), bound.is_some());
        let Some(traced) = traced else { continue };
        assert!(traced.holds(), "{traced:?}");
        let users = traced.used_by.iter().map(|step| step.entry.as_ref().unwrap().index);
        assert_eq!(users.collect::<Vec<_>>(), model.at(uses));
        let state = if model.erased(&bound.unwrap().0) { "erased" } else { "present" };
        assert_eq!(traced.to[0].content.as_ref().unwrap().state, state);
    }

    let named = model.named();
    for address in named.iter().chain([&Address::of(b"nobody named this")]) {
        assert_eq!(ats(&ledger.naming(address).unwrap()), model.at(|said| Model::names(said, address)));
        let blob = match model.blobs.get(address) {
            Some(Some(bytes)) => Blob::Present(bytes.clone()),
            Some(None) => Blob::Erased,
            None => Blob::Missing,
        };
        assert_eq!(ledger.blob(address).unwrap(), blob);
        let digits = &hex::encode(address.0)[..3];
        let like: Vec<_> = named.iter().filter(|a| hex::encode(a.0).starts_with(digits)).copied().collect();
        assert_eq!(ledger.contents_by_prefix(digits, 99).unwrap(), like);
    }
}

/// What does not fit in sessions, by comparing every two entries.
fn check_lives(ledger: &Ledger, model: &Model) {
    let all: Vec<(u64, &Said)> = (0..).zip(&model.entries).collect();
    let life = |said: &Said| match &said.body {
        Body::Session(session) => session.life.clone(),
        _ => None,
    };
    let named = |said: &Said| -> BTreeSet<(String, Address)> {
        said.body.used().iter().map(|used| (used.reference.clone(), used.content.blake3)).collect()
    };
    let who = |said: &Said| model.person(&said.by).unwrap().identity.clone();
    let mut expected = Vec::new();
    for (at, start) in all.iter().filter(|(_, said)| matches!(said.body, Body::Start(_))) {
        let of = |said: &Said| matches!(&said.body, Body::Event(event) if event.start == start.id);
        let ends = all.iter().filter(|(_, said)| life(said).is_some_and(|life| life.start == start.id));
        let ends: Vec<_> = ends.collect();
        expected.extend(ends.iter().skip(1).map(|(at, _)| (*at, "session.ended-twice")));
        let Some((ended, end)) = ends.first() else {
            expected.push((*at, "session.open"));
            continue;
        };
        let listed = life(end).unwrap().events;
        for (event, said) in all.iter().filter(|(_, said)| of(said)) {
            match event > ended {
                true => expected.push((*event, "session.late-event")),
                false if !listed.contains(&said.id) => expected.push((*ended, "session.unlisted-event")),
                false => {}
            }
        }
        let others = listed.iter().filter(|id| !of(model.find(id).unwrap()));
        expected.extend(others.map(|_| (*ended, "session.other-event")));
        if named(start) != named(end) {
            expected.push((*ended, "session.other-prompts"));
        }
        if who(start) != who(end) {
            expected.push((*ended, "session.other-signer"));
        }
    }
    expected.sort_unstable();
    let mut lived = Vec::new();
    let mut found: Vec<_> =
        ledger.lives(&mut |life| lived.push(life)).unwrap().iter().map(|m| (m.entry, m.code)).collect();
    found.sort_unstable();
    assert_eq!(found, expected);
    let ended = lived.iter().filter_map(|life| life.end.as_ref()).map(|end| end.index);
    assert_eq!(ended.collect::<Vec<_>>(), model.at(|said| matches!(said.body, Body::Session(_))));
    let open = lived.iter().filter(|life| life.end.is_none()).map(|life| life.start.as_ref().unwrap().index);
    assert_eq!(open.collect::<Vec<_>>(), ats(&ledger.open_sessions().unwrap()));
}

/// Evidence of one entry says what the model says.
pub(super) fn check_evidence(ledger: &Ledger, model: &Model, at: u64) {
    let entry = ledger.entry(at).unwrap().unwrap();
    let evidence = Evidence::open(&ledger.take_evidence(&entry).unwrap()).unwrap();
    assert_eq!(evidence.subject.statement, entry.statement);
    assert_eq!((evidence.ledger, evidence.checkpoint.head), (ledger.id(), ledger.head().unwrap()));
    assert!(evidence.unexpected.is_empty());
    let cited = entry.statement.body.cites();
    let carried: Vec<_> =
        cited.iter().filter_map(|(id, _)| model.find(id)).chain([&model.entries[at as usize]]).collect();
    // Of the snapshot and renders of a session or start the statement alone; of a snapshot the files too.
    let whole = |said: &&&Said| match entry.statement.body {
        Body::Start(_) | Body::Session(_) => {
            said.id == entry.statement.id || matches!(said.body, Body::Start(_) | Body::Event(_))
        }
        _ => true,
    };
    let mut contents: BTreeSet<Address> = carried
        .iter()
        .filter(whole)
        .flat_map(|said| said.body.contents().into_iter().map(|d| d.blake3))
        .collect();
    if let Body::Snapshot(_) = entry.statement.body {
        let files = &model.entries[at as usize].files;
        contents.extend(files.iter().filter(|(_, kept)| *kept).map(|(file, _)| *file));
    }
    let (mut erased, present): (BTreeSet<_>, BTreeSet<_>) = contents.iter().partition(|a| model.erased(a));
    erased.extend(carried.iter().filter_map(|said| match &said.body {
        Body::Erase(erase) => Some(erase.content),
        _ => None,
    }));
    assert_eq!(evidence.erased, erased);
    assert_eq!(evidence.blobs.keys().copied().collect::<BTreeSet<_>>(), present);
}

/// An audit from any judged head finds nothing, unless a head is held that never was.
pub(super) fn check_audit(ledger: &Ledger, model: &Model, since: Head, pinned: Head, wrong: u8) {
    let never = Head { root: [9; 32], ..pinned };
    let ahead = Head { size: model.size() + 1, root: [9; 32] };
    let (held, code) = match wrong {
        0 if pinned.size > 0 => (never, Some("forked")),
        1 => (ahead, Some("went-back")),
        _ => (pinned, None),
    };
    let options = Options { pinned: Some(held), judged: Some(since), ..Options::default() };
    let report = audited(ledger, &options);
    let codes: Vec<&str> = report.findings.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, Vec::from_iter(code));
    assert_eq!((report.from, report.size), (since.size, model.size()));
    assert_eq!(report.rung, if code.is_some() { None } else { Some(Rung::Pinned) });
    assert_eq!(ledger.check_extends(&held).is_err(), code.is_some());

    let whole = audited(ledger, &Options::default());
    assert_eq!((&whole.findings[..], whole.judged, whole.lagging), (&[][..], model.size(), 0));
    assert_eq!(whole.rung, Some(Rung::Consistent));
    assert_eq!(whole.contents, Some(model.blobs.len() as u64));
    assert_eq!(whole.erased, Some(model.blobs.values().filter(|bytes| bytes.is_none()).count() as u64));
}
