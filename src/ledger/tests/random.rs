//! Random histories: whatever people do through the public API, the ledger holds together.

use super::*;
use ledger_format::evidence::Evidence;
use proptest::prelude::*;

/// Something that somebody tries; `by` is a key seed, who may or may not have the right.
#[derive(Debug, Clone)]
pub(super) enum Try {
    Session { by: u8, prompt: u8, text: u8, attach: bool },
    Run { by: u8, sessions: usize },
    Enrol { by: u8, seed: u8, roles: u8 },
    Revoke { by: u8, seed: u8, since: Option<usize> },
    Rotate { by: u8, seed: u8 },
    LogKey { by: u8 },
    Erase { by: u8, which: usize },
}

pub(super) fn tries() -> impl Strategy<Value = Vec<Try>> {
    let by = || prop_oneof![5 => Just(FOUNDER), 3 => 2..6u8];
    let one = prop_oneof![
        6 => (by(), 0..4u8, 0..8u8, any::<bool>()).prop_map(|(by, prompt, text, attach)| {
            Try::Session { by, prompt, text: text / 7, attach }
        }),
        3 => (by(), 0..3usize).prop_map(|(by, sessions)| Try::Run { by, sessions }),
        4 => (by(), 2..6u8, 1..8u8).prop_map(|(by, seed, roles)| Try::Enrol { by, seed, roles }),
        2 => (by(), 1..6u8, prop::option::of(0..9usize)).prop_map(|(by, seed, since)| Try::Revoke { by, seed, since }),
        1 => (by(), 2..9u8).prop_map(|(by, seed)| Try::Rotate { by, seed }),
        1 => by().prop_map(|by| Try::LogKey { by }),
        2 => (by(), 0..9usize).prop_map(|(by, which)| Try::Erase { by, which }),
    ];
    prop::collection::vec(one, 1..24)
}

/// Does what can be done; what is refused must leave nothing behind. Returns every head there was.
pub(super) fn play(book: &mut Book, tries: &[Try]) -> Vec<Head> {
    let mut heads = vec![book.head()];
    let mut log_key = LOG_KEY;
    for step in tries {
        let (by, new) = match step {
            Try::Session { by, prompt, text, attach } => {
                let text = format!("prompt {prompt} {text}");
                (*by, book.session_saying(*prompt, text.as_bytes(), *attach))
            }
            Try::Run { by, sessions } => {
                let known = book.ledger.of_kind("session").unwrap();
                let cited: Vec<_> = known.iter().rev().take(*sessions).map(|e| e.statement.id).collect();
                (*by, book.run(&cited))
            }
            Try::Enrol { by, seed, roles } => {
                let names = [(1, "admin"), (2, "agent"), (4, "user")];
                let names: Vec<_> = names.iter().filter(|(bit, _)| roles & bit != 0).map(|n| n.1).collect();
                (*by, enrol(*seed, &format!("person-{seed}"), &names))
            }
            Try::Revoke { by, seed, since } => {
                let since = since.and_then(|at| book.ledger.entry(at as u64).unwrap());
                let since = since.map(|entry| entry.statement.id);
                (*by, change(KeyChange::Revoke { kid: kid(&key(*seed)), since }))
            }
            Try::Rotate { by, seed } => (*by, change(KeyChange::Rotate { key: public(&key(*seed)) })),
            Try::LogKey { by } => (*by, new_log_key(log_key + 1)),
            Try::Erase { by, which } => {
                let size = book.head().size;
                let entries = (0..size).map(|at| book.ledger.entry(at).unwrap().unwrap());
                let named: Vec<_> = entries
                    .flat_map(|e| e.statement.body.contents().into_iter().cloned().collect::<Vec<_>>())
                    .collect();
                match named.get(*which) {
                    Some(content) => (*by, erase(content.blake3)),
                    None => continue,
                }
            }
        };
        let before = book.shared.0.content();
        match book.append(&key(by), &new) {
            Ok(entry) => {
                heads.push(book.head());
                assert_eq!(book.head().size, entry.index + 1);
                if new.next_log_key.is_some() {
                    log_key += 1;
                    book.log_key = key(log_key);
                }
            }
            Err(_) => {
                assert_eq!(book.shared.0.content(), before, "refused, and not without a trace: {step:?}")
            }
        }
    }
    heads
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_history_audits_from_anywhere_and_its_index_follows_from_it(tries in tries(), at in any::<prop::sample::Index>()) {
        let mut book = Book::new();
        let heads = play(&mut book, &tries);
        let whole = book.audit(&Options::default());
        prop_assert_eq!(&whole.findings, &[]);
        prop_assert_eq!((whole.judged, whole.rung), (book.head().size, Some(Rung::Consistent)));

        let judged = *at.get(&heads);
        let rest = book.audit(&Options { pinned: Some(judged), judged: Some(judged), ..Options::default() });
        prop_assert_eq!(&rest.findings, &[]);
        prop_assert_eq!((rest.from, rest.judged, rest.rung), (judged.size, whole.judged, Some(Rung::Pinned)));
        for old in &heads {
            book.ledger.check_extends(old).unwrap();
        }

        let before = book.shared.0.content().index;
        book.shared.0.tamper(|content| content.index.clear());
        let fresh = Ledger::open(Box::new(book.shared.clone())).unwrap();
        fresh.rebuild_index().unwrap();
        prop_assert_eq!(book.shared.0.content().index, before);
    }

    #[test]
    fn evidence_of_any_entry_opens_and_every_link_is_found_both_ways(tries in tries()) {
        let mut book = Book::new();
        play(&mut book, &tries);
        let ledger = &book.ledger;
        for at in 0..book.head().size {
            let entry = ledger.entry(at).unwrap().unwrap();
            ledger.check_entry(&entry).unwrap();
            let tar = ledger.take_evidence(&entry).unwrap();
            let evidence = Evidence::open(&tar).unwrap();
            prop_assert_eq!(&evidence.subject.statement, &entry.statement);
            prop_assert_eq!((evidence.ledger, evidence.checkpoint.head), (ledger.id(), book.head()));
            prop_assert!(evidence.unexpected.is_empty());
            let traced = ledger.trace_entry(&entry).unwrap();
            prop_assert!(traced.holds());

            match &entry.statement.body {
                Body::Run(run) => for cited in &run.sessions {
                    let session = ledger.by_id(&cited.entry).unwrap().unwrap();
                    let back = ledger.trace_entry(&session).unwrap().used_by;
                    prop_assert!(back.iter().any(|step| step.name == entry.statement.name));
                },
                Body::Session(session) => for used in &session.prompts {
                    let name = &entry.statement.name;
                    let to = &traced.to[0].steps[0];
                    prop_assert_eq!(&to.content.as_ref().unwrap().address, &used.content.blake3.to_string());
                    let by_ref = ledger.trace_ref(&used.reference).unwrap().unwrap().used_by;
                    let by_content = ledger.trace_content(&used.content.blake3).unwrap().unwrap().used_by;
                    prop_assert!(by_ref.iter().any(|step| step.name == *name));
                    prop_assert!(by_content.iter().any(|step| step.name == *name));
                },
                _ => {}
            }
        }
    }

    #[test]
    fn one_changed_bit_anywhere_in_the_log_is_found(tries in tries(), entry in any::<prop::sample::Index>(), bit in any::<prop::sample::Index>()) {
        let mut book = Book::new();
        play(&mut book, &tries);
        let at = entry.index(usize::try_from(book.head().size).unwrap()) as u64;
        book.shared.0.tamper(|content| {
            let bytes = content.statements.get_mut(&at).unwrap();
            let bit = bit.index(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
        });
        let options = Options { judged: Some(book.head()), ..Options::default() };
        for options in [Options::default(), options] {
            match Ledger::open(Box::new(book.shared.clone())) {
                Ok(ledger) => {
                    let report = super::super::audit(&ledger, &options, &mut |_| {}).unwrap();
                    prop_assert_ne!(report.findings, []);
                }
                Err(_) => prop_assert_eq!(at, 0),
            }
        }
    }
}
