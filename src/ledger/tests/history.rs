//! A history with every kind of change, and what the ledger holds after each: the model that a file is compared
//! with after its disk failed or its power went.

use super::*;
use crate::store::disk::{Disk, Image, LEDGER, Loss};
use crate::store::edits::Prompt;
use crate::store::{Content as Stored, RedbStore, dump};
use ledger_format::{Foreign, Import};
use std::collections::HashSet;

/// Small enough to make the engine read pages again and write them early.
pub(super) const CACHES: [usize; 2] = [8 << 20, 0];

/// One thing that is done to a ledger.
enum Step {
    Append {
        by: u8,
        new: Box<New>,
    },
    /// In one commit.
    AppendAll {
        by: u8,
        new: Vec<New>,
    },
    LoseIndex,
    RebuildIndex,
    Scrub,
}

/// What became of erased bytes in a state.
#[derive(Clone, Copy, Default)]
struct Erasures {
    /// There was an erasure.
    any: bool,
    /// The bytes of the first one, of a large file, were scrubbed.
    first_scrubbed: bool,
    /// There was an erasure since the last scrub.
    unscrubbed: bool,
}

/// Steps, and the states before the first and after each of them.
pub(super) struct History {
    steps: Vec<(&'static str, Step)>,
    states: Vec<Stored>,
    /// What an audit says of each state.
    findings: Vec<Vec<&'static str>>,
    erasures: Vec<Erasures>,
    /// The checkpoint key in force in each state.
    log_keys: Vec<u8>,
    book: Book,
    /// All that the large file which is erased has in any eight bytes.
    gone: HashSet<[u8; 8]>,
}

impl History {
    /// Sessions with small and large files, runs of sessions here and elsewhere, imports, erasures, keys that
    /// come, rotate and go, and an index that is lost and made again.
    pub(super) fn of_everything() -> Self {
        let mut theirs = Book::founded(8);
        let abroad = theirs.session(7, true);
        let abroad = theirs.append(&key(FOUNDER), &abroad).unwrap();
        let tar = theirs.ledger.take_evidence(&abroad).unwrap();

        let mut history = Self::default();
        let new = history.book.session(0, false);
        history.append("a session", FOUNDER, new);
        history.append("an enrolment", FOUNDER, enrol(2, "eve", &["user"]));
        let mut new = history.book.session(1, true);
        attach_large(&mut new, 3);
        history.append("a session with large files", 2, new);
        let cited = history.book.ledger.entry(3).unwrap().unwrap().statement.id;
        let mut new = history.book.run(&[cited, abroad.statement.id]);
        if let Body::Run(run) = &mut new.body {
            let evidence = Descriptor::of(&tar, ledger_format::evidence::MEDIA_TYPE);
            let foreign = Foreign { ledger: theirs.ledger.id(), evidence: evidence.clone(), trusted: true };
            run.sessions[1].foreign = Some(foreign);
            new.contents.push(Content::Bytes(evidence, tar));
        }
        history.append("a run with evidence from elsewhere", FOUNDER, new);
        let many = (0..5).map(|n| history.book.session(n % 3, n == 1)).collect();
        history.step("many sessions at once", Step::AppendAll { by: 2, new: many });
        history.append("an import", 2, import(b"an old session log"));
        let versions = Prompt::history(1, 3_000, 3);
        for (n, text) in (1..).zip(&versions) {
            let mut new = history.book.session_saying(9, text.as_bytes(), false);
            if let Body::Session(session) = &mut new.body {
                session.prompts[0].reference = format!("p9.v{n}");
            }
            history.append("a version of a prompt", FOUNDER, new);
        }
        history.append("an erasure", FOUNDER, erase(Address::of(&large(3))));
        history.step("a scrub", Step::Scrub);
        history.append("a rotation", 2, change(KeyChange::Rotate { key: public(&key(3)) }));
        history.append("a new log key", FOUNDER, new_log_key(201));
        history.step("a lost index", Step::LoseIndex);
        history.step("a rebuilt index", Step::RebuildIndex);
        let mut new = history.book.session(1, true);
        attach_large(&mut new, 4);
        history.append("a session by the new key", 3, new);
        history.append("an erasure of a prompt", FOUNDER, erase(Address::of(b"prompt 0")));
        history.append("an erasure of a version", FOUNDER, erase(Address::of(versions[0].as_bytes())));
        history.append("a revocation", FOUNDER, revoke(3));
        history.step("a scrub again", Step::Scrub);
        history.gone = large(3).windows(8).map(|bytes| bytes.try_into().unwrap()).collect();
        history
    }

    fn append(&mut self, what: &'static str, by: u8, new: New) {
        self.step(what, Step::Append { by, new: Box::new(new) });
    }

    fn step(&mut self, what: &'static str, step: Step) {
        self.steps.push((what, step));
        let mut ledger = Ledger::open(Box::new(self.book.shared.clone())).unwrap();
        self.play(&mut ledger, self.steps.len() - 1).unwrap();
        self.remember();
    }

    fn remember(&mut self) {
        let last = self.log_keys.last().copied().unwrap_or(LOG_KEY);
        let rotated = match self.steps.last() {
            Some((_, Step::Append { new, .. })) => new.next_log_key.is_some(),
            _ => false,
        };
        self.log_keys.push(if rotated { last + 1 } else { last });
        let mut erasures = self.erasures.last().copied().unwrap_or_default();
        match self.steps.last() {
            Some((_, Step::Scrub)) => (erasures.first_scrubbed, erasures.unscrubbed) = (true, false),
            Some((_, Step::Append { new, .. })) if matches!(new.body, Body::Erase(_)) => {
                (erasures.any, erasures.unscrubbed) = (true, true);
            }
            _ => {}
        }
        self.erasures.push(erasures);
        self.states.push(self.book.shared.0.content());
        self.findings.push(self.book.findings());
    }

    /// How many steps there are. State `n` is the one after the first `n` of them.
    pub(super) fn len(&self) -> usize {
        self.steps.len()
    }

    pub(super) fn what(&self, step: usize) -> &'static str {
        self.steps[step].0
    }

    /// The head of a state.
    pub(super) fn head(&self, state: usize) -> Head {
        self.states[state].head.unwrap()
    }

    /// Does a step to a ledger that is in the state before it.
    pub(super) fn play(&self, ledger: &mut Ledger, step: usize) -> Result<()> {
        match &self.steps[step].1 {
            Step::Append { by, new } => {
                let (signer, log_key) = (key(*by), key(self.log_keys[step]));
                let author = Author { signer: &signer, log_key: &log_key, time: 1_700_000_000 };
                ledger.append(&author, new).map(drop)
            }
            Step::AppendAll { by, new } => {
                let (signer, log_key) = (key(*by), key(self.log_keys[step]));
                let author = Author { signer: &signer, log_key: &log_key, time: 1_700_000_000 };
                ledger.append_all(&author, &mut new.iter().map(|new| Ok(again(new))), &mut |_| {})
            }
            Step::LoseIndex => ledger.store.replace_index(&mut std::iter::empty()),
            Step::RebuildIndex => ledger.rebuild_index(),
            Step::Scrub => ledger.scrub(),
        }
    }

    /// A closed file in this state; as a killed writer leaves it when it is not to be `clean`.
    pub(super) fn file(&self, state: usize, clean: bool) -> Image {
        let disk = Disk::new(Image::new());
        let Stored { head, checkpoint, statements, tiles, index, blobs } = self.states[0].clone();
        assert!(blobs.is_empty());
        let batch = Batch {
            statements: statements.into_values().collect(),
            tiles: tiles.into_iter().collect(),
            root: head.unwrap().root,
            checkpoint,
            index: index.into_iter().map(|(key, value)| (key, Some(value))).collect(),
            ..Batch::default()
        };
        assert_eq!(RedbStore::create_over(disk.clone(), batch).unwrap(), Outcome::Done);
        let open = || {
            let (store, repaired) = RedbStore::open_over(disk.reopened(), CACHES[0]).unwrap();
            assert!(!repaired);
            Ledger::open(Box::new(store)).unwrap()
        };
        let mut ledger = open();
        (0..state).for_each(|step| self.play(&mut ledger, step).unwrap());
        drop(ledger);
        let killed = if clean { None } else { Some(open()) };
        let image = disk.image();
        drop(killed);
        image
    }

    /// Checks that a ledger is exactly in state `acknowledged`, or in the next one if that was in flight, and
    /// that an audit says of it what it says of the model. Returns the state.
    pub(super) fn check(&self, ledger: &Ledger, acknowledged: usize, in_flight: bool) -> usize {
        let found = dump(&*ledger.store).unwrap();
        let last = (acknowledged + usize::from(in_flight)).min(self.len());
        let Some(state) = (acknowledged..=last).find(|state| self.states[*state] == found) else {
            let which = self.states.iter().position(|state| *state == found);
            panic!("acknowledged {acknowledged}, in flight {in_flight}, found {which:?} at {:?}", found.head);
        };
        // What a pin says, that was advanced after any acknowledged step.
        let pinned = self.head(acknowledged);
        let options = Options { pinned: Some(pinned), ..Options::default() };
        let report = super::super::audit(ledger, &options, &mut |_| {}).unwrap();
        let codes: Vec<_> = report.findings.iter().map(|finding| finding.code).collect();
        assert_eq!(codes, self.findings[state]);
        assert_eq!(report.judged, self.head(state).size);
        assert_eq!(report.rung, codes.is_empty().then_some(Rung::Pinned));
        ledger.check_extends(&pinned).unwrap();
        // A scrub that was stopped may have been done.
        assert!(
            !ledger.unscrubbed().unwrap() || self.erasures[acknowledged..=last].iter().any(|e| e.unscrubbed)
        );
        state
    }

    /// Opens a file as the next process does, repairing it, and checks it. Returns the state and whether there
    /// was a repair. With `finish`, all further steps succeed and end where the model ends.
    pub(super) fn check_file(
        &self,
        image: Image,
        acknowledged: usize,
        in_flight: bool,
        finish: bool,
    ) -> (usize, bool) {
        let holders: Vec<_> =
            image.iter().filter(|(_, bytes)| self.has_erased(bytes)).map(|(name, _)| *name).collect();
        assert!(
            holders.is_empty() || !self.erasures[acknowledged].first_scrubbed,
            "erased bytes in {holders:?}"
        );
        let disk = Disk::new(image);
        let (store, repaired) = RedbStore::open_over(disk.clone(), CACHES[0]).unwrap();
        let mut ledger = Ledger::open(Box::new(store)).unwrap();
        let state = self.check(&ledger, acknowledged, in_flight);
        // As long as they are in the file, it says so.
        if self.erasures[state].any && holders.contains(&LEDGER) {
            assert!(ledger.unscrubbed().unwrap());
        }
        if finish {
            (state..self.len()).for_each(|step| self.play(&mut ledger, step).unwrap());
            drop(ledger);
            let end = disk.trace().cut(disk.now(), Loss::All, &mut crate::store::disk::Dice(0));
            self.check_file(end, self.len(), false, false);
        }
        (state, repaired)
    }

    /// Whether 72 bytes in a row are left of the large file that is erased.
    fn has_erased(&self, file: &[u8]) -> bool {
        let mut probes = file.chunks_exact(64).map(|chunk| chunk.first_chunk::<8>().unwrap());
        probes.any(|probe| self.gone.contains(probe))
    }
}

impl Default for History {
    /// A founded ledger, to which nothing happened yet.
    fn default() -> Self {
        let book = Book::new();
        let (steps, states, findings, log_keys) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (erasures, gone) = (Vec::new(), HashSet::new());
        let mut history = Self { steps, states, findings, erasures, log_keys, book, gone };
        history.remember();
        history
    }
}

/// Bytes that fill several pieces of the store.
fn large(n: u8) -> Vec<u8> {
    (0..150_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8 ^ n).collect()
}

/// Puts a large file in the place of a session's attachments.
fn attach_large(new: &mut New, n: u8) {
    let bytes = large(n);
    let content = Descriptor::of(&bytes, "application/octet-stream");
    let files = vec![ManifestFile {
        path: "large.bin".into(),
        reference: None,
        content: content.clone(),
        kept: true,
    }];
    let list = Manifest { salt: [n; 16], files }.to_bytes();
    let described = Descriptor::of(&list, MANIFEST_TYPE);
    if let Body::Session(session) = &mut new.body {
        session.attachments = Some(described.clone());
    }
    new.contents.truncate(2);
    new.contents.extend([Content::Bytes(described, list), Content::Bytes(content, bytes)]);
}

fn import(record: &[u8]) -> New {
    let content = Descriptor::of(record, "application/json");
    let format = "promptos-session".to_owned();
    let body = Body::Import(Import { format, content: content.clone(), checked: Vec::new(), details: None });
    let contents = vec![Content::Bytes(content, record.to_vec())];
    New { name: "i-1".into(), body, contents, next_log_key: None }
}
