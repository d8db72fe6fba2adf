//! The ledger's whole API against a model made of plain lists, on both stores, by one writer and by several.
//!
//! `PROPTEST_CASES` sets how many histories are tried; the default is few.

mod compare;
mod expected;
mod tries;

use super::*;
use compare::*;
use expected::*;
use ledger_format::evidence::Evidence;
use ledger_format::{Import, Prompt, Render, Snapshot};
use proptest::prelude::*;
use proptest::test_runner::{TestError, TestRunner};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Mutex;
use tries::*;

/// Where a ledger is kept.
enum Place {
    Memory,
    File(tempfile::TempDir),
}

struct Desk {
    place: Place,
    store: Shared<dyn Store>,
    ledger: Ledger,
    model: Model,
    log_key: u8,
    heads: Vec<Head>,
    count: u8,
}

impl Desk {
    fn new(place: Place) -> Self {
        let (signer, log_key) = (key(FOUNDER), key(LOG_KEY));
        let author = Author { signer: &signer, log_key: &log_key, time: 1_700_000_000 };
        let create = Create { name: "book", identity: "ada", nonce: [7; 16], previous: None };
        let batch = genesis(&create, &author).unwrap();
        let store: Arc<dyn Store> = match &place {
            Place::Memory => {
                let store = MemoryStore::new();
                assert_eq!(store.commit(batch).unwrap(), Outcome::Done);
                Arc::new(store)
            }
            Place::File(folder) => {
                assert_eq!(RedbStore::create(&folder.path().join("l"), batch).unwrap(), Outcome::Done);
                Arc::new(open_file(folder))
            }
        };
        let store = Shared(store);
        let ledger = Ledger::open(Box::new(store.clone())).unwrap();
        let model = Model::founded(&ledger.entry(0).unwrap().unwrap());
        let heads = vec![ledger.head().unwrap()];
        let mut desk = Self { place, store, ledger, model, log_key: LOG_KEY, heads, count: 0 };
        for step in hired() {
            assert_eq!(desk.step(&step), None);
        }
        desk
    }

    fn file() -> Self {
        Self::new(Place::File(tempfile::tempdir().unwrap()))
    }

    /// As another process would find it.
    fn reopen(&mut self) {
        if let Place::File(folder) = &self.place {
            // The file must be closed first; something else is held meanwhile.
            let Self { store, ledger, .. } = Self::new(Place::Memory);
            (self.store, self.ledger) = (store, ledger);
            self.store = Shared(Arc::new(open_file(folder)));
        }
        self.ledger = Ledger::open(Box::new(self.store.clone())).unwrap();
    }

    /// Does one thing and compares; answers the reason when it was refused.
    fn step(&mut self, step: &Try) -> Option<&'static str> {
        match step {
            Try::Append { by, say, old_log_key } => {
                self.count += 1;
                let new = words(say, self.count, &self.ledger)?;
                let signer = key(*by);
                let log_key = key(if *old_log_key { LOG_KEY } else { self.log_key });
                let expected = self.model.judge(&kid(&signer), &kid(&log_key), &new);
                let author = Author { signer: &signer, log_key: &log_key, time: 1_700_000_000 };
                match (self.ledger.append(&author, &new), expected) {
                    (Ok(entry), Ok(())) => {
                        assert_eq!(entry.index, self.model.size());
                        self.model.apply(&kid(&signer), &new, entry.statement.id);
                        if let Say::LogKey { seed } = say {
                            self.log_key = *seed;
                        }
                        self.heads.push(self.ledger.head().unwrap());
                    }
                    (Err(error), Err(why)) => {
                        assert!(error.to_string().contains(why), "'{why}' and not '{error}': {step:?}");
                        assert_eq!(self.ledger.head().unwrap(), *self.heads.last().unwrap());
                        return Some(why);
                    }
                    (Ok(_), Err(why)) => panic!("accepted, though {why}: {step:?}"),
                    (Err(error), Ok(())) => panic!("refused: {error}: {step:?}"),
                }
            }
            Try::Reopen => {
                self.reopen();
                look_up(&self.ledger, &self.model);
            }
            Try::Rebuild { from_nothing } => {
                if *from_nothing {
                    self.store.replace_index(&mut std::iter::empty()).unwrap();
                }
                self.ledger.rebuild_index().unwrap();
                look_up(&self.ledger, &self.model);
            }
            Try::Evidence(at) => check_evidence(&self.ledger, &self.model, at.index(self.heads.len()) as u64),
            Try::Audit { since, pinned, wrong } => {
                check_audit(
                    &self.ledger,
                    &self.model,
                    *since.get(&self.heads),
                    *pinned.get(&self.heads),
                    *wrong,
                );
            }
            Try::LookUp => look_up(&self.ledger, &self.model),
        }
        None
    }
}

fn open_file(folder: &tempfile::TempDir) -> RedbStore {
    let path = folder.path().join("l");
    RedbStore::open(&path, Access::Write, std::time::Duration::from_secs(10), &mut |_| {}).unwrap()
}

fn cases(few: u32) -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(few)
}

#[allow(clippy::print_stdout)] // how far it reached
/// Plays random histories; what is refused must be about as much as what is accepted, and for every reason.
fn histories(few: u32, desk: impl Fn() -> Desk) {
    let config = ProptestConfig { cases: cases(few), failure_persistence: None, ..ProptestConfig::default() };
    let reasons = RefCell::new(BTreeMap::<&str, u32>::new());
    let accepted = RefCell::new(0u32);
    let played = TestRunner::new(config).run(&tries(), |tries| {
        let mut desk = desk();
        for step in &tries {
            if let Some(why) = desk.step(step) {
                *reasons.borrow_mut().entry(why).or_default() += 1;
            }
        }
        *accepted.borrow_mut() += desk.heads.len() as u32 - 1;
        look_up(&desk.ledger, &desk.model);
        check_audit(&desk.ledger, &desk.model, desk.heads[0], *desk.heads.last().unwrap(), 2);
        for at in 0..desk.model.size() {
            check_evidence(&desk.ledger, &desk.model, at);
        }
        Ok(())
    });
    if let Err(TestError::Fail(why, tries)) = played {
        panic!("{why}\n{tries:#?}");
    }
    let (reasons, accepted) = (reasons.into_inner(), accepted.into_inner());
    let refused: u32 = reasons.values().sum();
    assert!(refused * 4 > accepted && accepted * 4 > refused, "{accepted} accepted, {refused} refused");
    let least = if cases(few) < 200 { 10 } else { 19 };
    assert!(reasons.len() >= least, "{reasons:?}");
    println!("{accepted} accepted, {refused} refused: {reasons:?}");
}

#[test]
fn a_ledger_in_memory_is_what_the_model_says() {
    histories(48, || Desk::new(Place::Memory));
}

#[test]
fn a_ledger_in_a_file_is_what_the_model_says() {
    histories(24, Desk::file);
}

/// What one of several writers tried, and how many entries there were before and after.
struct Attempt {
    by: u8,
    /// Name, body and contents: a [`New`] that may hold a signer stays in its thread.
    said: (String, Body, Vec<Content>),
    between: (u64, u64),
    result: Result<Entry>,
}

/// Several writers at once: what they did is what some one order of it would have done.
fn writers(few: u32, desk: impl Fn() -> Desk) {
    let config = ProptestConfig { cases: cases(few), failure_persistence: None, ..ProptestConfig::default() };
    let work = || prop::collection::vec((by(), say(false)), 2..12);
    let played = TestRunner::new(config).run(&(work(), work(), work()), |(a, b, c)| {
        let all = [a, b, c];
        let mut desk = desk();
        let attempts = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for (which, work) in all.iter().enumerate() {
                let (store, attempts) = (desk.store.clone(), &attempts);
                scope.spawn(move || {
                    let ledger = Ledger::open(Box::new(store)).unwrap();
                    for (n, (by, say)) in work.iter().enumerate() {
                        let Some(new) = words(say, (which * 64 + n) as u8, &ledger) else { continue };
                        let (signer, log_key) = (key(*by), key(LOG_KEY));
                        let author = Author { signer: &signer, log_key: &log_key, time: 1_700_000_000 };
                        let before = ledger.head().unwrap().size;
                        let result = ledger.append(&author, &new);
                        let between = (before, ledger.head().unwrap().size);
                        let said = (new.name, new.body, new.contents);
                        attempts.lock().unwrap().push(Attempt { by: *by, said, between, result });
                    }
                });
            }
        });
        let attempts =
            attempts.into_inner().unwrap().into_iter().map(|Attempt { by, said, between, result }| {
                let (name, body, contents) = said;
                (by, New { name, body, contents, next_log_key: None }, between, result)
            });
        let (mut accepted, mut refused) = (BTreeMap::new(), Vec::new());
        for (by, new, between, result) in attempts {
            match result {
                Ok(entry) => assert!(accepted.insert(entry.index, (by, new, between, entry)).is_none()),
                Err(error) => refused.push((by, new, between, error)),
            }
        }
        let log_key = kid(&key(LOG_KEY));
        let mut states = vec![desk.model.clone()];
        for (at, (by, new, between, entry)) in &accepted {
            let by = kid(&key(*by));
            assert_eq!(*at, desk.model.size(), "an entry that nobody was told of");
            assert!((between.0..between.1).contains(at));
            assert_eq!(desk.model.judge(&by, &log_key, new), Ok(()), "accepted as entry {at}");
            desk.model.apply(&by, new, entry.statement.id);
            states.push(desk.model.clone());
        }
        for (by, new, (from, to), error) in &refused {
            // The first state is that of the start.
            let start = states[0].size();
            let seen = &states[(from - start) as usize..=(to - start) as usize];
            let right = seen.iter().any(|state| state.judge(&kid(&key(*by)), &log_key, new).is_err());
            assert!(right, "refused: {error}");
        }
        desk.reopen();
        look_up(&desk.ledger, &desk.model);
        let head = desk.ledger.head().unwrap();
        check_audit(&desk.ledger, &desk.model, desk.heads[0], head, 2);
        Ok(())
    });
    if let Err(TestError::Fail(why, work)) = played {
        panic!("{why}\n{work:#?}");
    }
}

#[test]
fn several_writers_in_memory_are_as_one_after_the_other() {
    writers(32, || Desk::new(Place::Memory));
}

#[test]
fn several_writers_of_a_file_are_as_one_after_the_other() {
    writers(16, Desk::file);
}
