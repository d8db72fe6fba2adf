//! The power goes at any moment: whatever of the unsynced writes reached the disk, in whatever order and torn
//! wherever, the file opens and holds what was acknowledged, or that and the change in flight.
//!
//! `PROMPTOS_POWER_CUTS=10000 cargo test --lib power` makes so many files; the default is a few hundred.

use super::history::{CACHES, History};
use super::*;
use crate::store::disk::{Dice, Disk, LEDGER, Loss, Op, Trace};
use crate::store::{RedbStore, Store as _};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A history as it reached the disk.
struct Recording {
    history: History,
    trace: Trace,
    /// When each step began and when it was acknowledged, in operations.
    steps: Vec<(usize, usize)>,
}

impl Recording {
    /// Plays a history, in sessions of four steps that each close the file, and advances a pin after each step.
    fn new(cache: usize) -> Self {
        let history = History::of_everything();
        let disk = Disk::new(history.file(0, true));
        let folder = tempfile::tempdir().unwrap();
        let pins = Pins::new(folder.path().to_owned());
        let mut steps = Vec::new();
        let all: Vec<_> = (0..history.len()).collect();
        for session in all.chunks(4) {
            let store = RedbStore::open_over(disk.reopened(), cache).unwrap().0;
            let mut ledger = Ledger::open(Box::new(store)).unwrap();
            for step in session {
                let began = disk.now();
                history.play(&mut ledger, *step).unwrap();
                steps.push((began, disk.now()));
                let head = ledger.head().unwrap();
                pins.advance(
                    &ledger,
                    &Pin { origin: ledger.origin(), head, judged: None, basis: None, place: None },
                )
                .unwrap();
                // So that the pin at a moment is the head of a state acknowledged by then.
                assert_eq!(pins.get(&ledger.id()).unwrap().unwrap().head, history.head(step + 1));
            }
        }
        Self { trace: disk.trace(), history, steps }
    }

    /// The state acknowledged after so many operations, and whether the next step had begun.
    fn state(&self, at: usize) -> (usize, bool) {
        let acknowledged = self.steps.iter().take_while(|(_, done)| *done <= at).count();
        let begun = self.steps.get(acknowledged).is_some_and(|(began, _)| *began < at);
        (acknowledged, begun)
    }

    /// Where everything that the last sync left open is open still: just before the next.
    fn syncs(&self) -> Vec<usize> {
        let ops = self.trace.ops.iter().enumerate();
        ops.filter(|(_, op)| op.is_sync()).map(|(at, _)| at).collect()
    }
}

#[derive(Default)]
struct Tally {
    repaired: AtomicUsize,
    twice: AtomicUsize,
    killed: AtomicUsize,
    in_flight_kept: AtomicUsize,
    in_flight_lost: AtomicUsize,
}

/// Makes one file and checks it.
fn cut(recording: &Recording, at: usize, loss: Loss, number: usize, tally: &Tally) {
    let Recording { history, trace, .. } = recording;
    let (acknowledged, in_flight) = recording.state(at);
    let mut dice = Dice(number as u64);
    let image = trace.cut(at, loss, &mut dice);
    let add = |count: &AtomicUsize| count.fetch_add(1, Ordering::Relaxed);
    if dice.below(4) == 0 {
        // The power goes again, while the file is repaired or closed.
        let disk = Disk::new(image.clone());
        drop(RedbStore::open_over(disk.clone(), CACHES[0]).unwrap());
        let again = disk.trace().cut(dice.below(disk.now() + 1), Loss::Some, &mut dice);
        history.check_file(again, acknowledged, in_flight, false);
        add(&tally.twice);
    }
    if dice.below(4) == 0 {
        kill(recording, at, &mut dice);
        add(&tally.killed);
    }
    if dice.below(16) == 0 {
        // As a reader finds it in the file system.
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.redb");
        std::fs::write(&path, &image[LEDGER]).unwrap();
        let read = || Ledger::open_file(&path, Access::Read, Duration::ZERO, &mut |_| {}).unwrap();
        let state = history.check(&read(), acknowledged, in_flight);
        assert_eq!(history.check(&read(), state, false), state);
    }
    let (state, repaired) = history.check_file(image, acknowledged, in_flight, dice.below(8) == 0);
    if repaired {
        add(&tally.repaired);
    }
    if in_flight {
        add(if state > acknowledged { &tally.in_flight_kept } else { &tally.in_flight_lost });
    }
}

/// First the process dies. What the next one sees may be pinned, so no later power cut takes it away; nor what it
/// then records itself, whatever the one before it has left half done.
fn kill(recording: &Recording, at: usize, dice: &mut Dice) {
    let Recording { history, trace, .. } = recording;
    let (acknowledged, in_flight) = recording.state(at);
    let disk = trace.killed(at);
    let (store, repaired) = RedbStore::open_over(disk.clone(), CACHES[0]).unwrap();
    let mut ledger = Ledger::open(Box::new(store)).unwrap();
    let seen = history.check(&ledger, acknowledged, in_flight);
    let mut later = |seen, loss| {
        history.check_file(disk.trace().cut(disk.now(), loss, dice), seen, false, false);
    };
    later(seen, Loss::Some);
    if history.what(seen.min(history.len() - 1)) == "a scrub" {
        // Whether it is done or not, nobody need wait for it.
        history.play(&mut ledger, seen + 1).unwrap();
        let cut = disk.trace().cut(disk.now(), Loss::All, dice);
        let (store, _) = RedbStore::open_over(Disk::new(cut), CACHES[0]).unwrap();
        assert_eq!(store.head().unwrap(), Some(history.head(seen + 2)));
    } else if seen < history.len() {
        history.play(&mut ledger, seen).unwrap();
        later(seen + 1, Loss::All);
        later(seen + 1, Loss::Some);
    }
    if !repaired {
        // A reader would have been let in without any sync.
        history.check_file(trace.cut(at, Loss::All, dice), seen, false, false);
    }
}

/// What a scrub does to names is the least of it, and the most is at stake there.
#[test]
fn a_scrub_is_cut_wherever_names_change() {
    let recording = Recording::new(CACHES[0]);
    let tally = Tally::default();
    let mut number = 0;
    for (step, (began, done)) in recording.steps.iter().enumerate() {
        if !recording.history.what(step).contains("scrub") {
            continue;
        }
        let names = (*began..*done)
            .filter(|at| matches!(recording.trace.ops[*at], Op::Name { .. } | Op::Remove(_) | Op::SyncNames));
        let around: BTreeSet<usize> = names.flat_map(|at| [at, at + 1, at + 2]).collect();
        assert!(!around.is_empty());
        for at in around {
            for loss in [Loss::All, Loss::Nothing, Loss::Some, Loss::Some] {
                number += 1;
                cut(&recording, at, loss, number, &tally);
            }
            kill(&recording, at, &mut Dice(at as u64));
        }
    }
}

#[test]
fn what_was_acknowledged_survives_any_power_cut() {
    let count = std::env::var("PROMPTOS_POWER_CUTS").map_or(300, |count| count.parse().unwrap());
    let tally = Tally::default();
    let next = AtomicUsize::new(0);
    let work = || {
        let recordings = CACHES.map(Recording::new);
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                break;
            }
            let recording = &recordings[number % 2];
            let (syncs, end) = (recording.syncs(), recording.trace.ops.len());
            // First each sync with all and nothing of what it was for, then anything.
            let turn = number / 2;
            let mut dice = Dice(!(number as u64));
            let (at, loss) = match syncs.get(turn / 2) {
                Some(at) => (*at, if turn.is_multiple_of(2) { Loss::All } else { Loss::Nothing }),
                None if turn.is_multiple_of(2) => (syncs[dice.below(syncs.len())], Loss::Some),
                None => (dice.below(end + 1), Loss::Some),
            };
            let checked = || cut(recording, at, loss, number, &tally);
            if let Err(panic) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(checked)) {
                let (state, begun) = recording.state(at);
                let what = if begun { recording.history.what(state) } else { "nothing" };
                println!("image {number}: {loss:?} lost after {at} of {end} operations, in {what}");
                std::panic::resume_unwind(panic);
            }
        }
    };
    std::thread::scope(|scope| (0..2).for_each(|_| drop(scope.spawn(work))));
    let count_of = |count: &AtomicUsize| count.load(Ordering::Relaxed);
    println!(
        "{count} power cuts: {} files repaired, {} cut again in that, {} after a kill; the step in flight was kept {} times and \
         lost {} times",
        count_of(&tally.repaired),
        count_of(&tally.twice),
        count_of(&tally.killed),
        count_of(&tally.in_flight_kept),
        count_of(&tally.in_flight_lost)
    );
    // Else the cuts came where nothing is at stake.
    assert!(count_of(&tally.in_flight_kept) > count / 50);
    assert!(count_of(&tally.in_flight_lost) > count / 50);
    assert!(count_of(&tally.repaired) > count / 2);
}

/// A checksum tells torn pages from whole ones only as long as nobody chose the bytes. With two phases it need
/// not: the pages are durable before the header says that they count.
#[test]
fn the_header_alone_is_written_last() {
    let recording = Recording::new(CACHES[0]);
    let syncs = recording.syncs();
    for (step, (began, done)) in recording.steps.iter().enumerate() {
        // A scrub ends with a name; what was in the file before is copied.
        if recording.history.what(step).contains("scrub") {
            continue;
        }
        let during: Vec<usize> = syncs.iter().copied().filter(|at| (began..done).contains(&at)).collect();
        let [.., before, last] = during[..] else { panic!("a step made {} syncs", during.len()) };
        let after = &recording.trace.ops[last + 1..*done];
        assert!(
            after.iter().all(|op| matches!(op, Op::Resize(..))),
            "something is written after the last sync"
        );
        let header = |op: &Op| matches!(op, Op::Write(_, 0, bytes) if bytes.len() <= 512);
        let written = &recording.trace.ops[before + 1..last];
        assert!(!written.is_empty() && written.iter().all(header), "{} writes", written.len());
    }
}
