//! Every call to the disk fails once, in every way, in every kind of change: what was acknowledged is there
//! afterwards, and at most the change in flight besides.
//!
//! By default the calls are sampled; `PROMPTOS_FAULTS=all cargo test --lib faults` takes every one.

use super::history::{CACHES, History};
use super::*;
use crate::error::Kind;
use crate::store::disk::{Call, Dice, Disk, Effect, Fault, Image, Loss};
use crate::store::{RedbStore, Store as _};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Steps of a history that are done to one open file, and how.
#[derive(Debug, Clone, Copy)]
struct Scenario {
    from: usize,
    to: usize,
    cache: usize,
    /// Whether the file was closed before, or needs a repair.
    clean: bool,
}

impl Scenario {
    /// Opens the file and does the steps until one fails, which is tried once more. Returns how many states
    /// were acknowledged, and whether another step was begun.
    fn run(self, history: &History, disk: &Disk) -> (usize, bool) {
        let mut state = self.from;
        let fault_alone = |error: Error| assert_eq!(error.kind(), Kind::Failed, "{error}");
        let opened = RedbStore::open_over(disk.clone(), self.cache);
        let mut ledger = match opened.and_then(|(store, _)| Ledger::open(Box::new(store))) {
            Ok(ledger) => ledger,
            Err(error) => {
                fault_alone(error);
                return (state, false);
            }
        };
        let mut tries = 0;
        while state < self.to && tries < 2 {
            match history.play(&mut ledger, state) {
                Ok(()) => (state, tries) = (state + 1, 0),
                Err(error) => {
                    fault_alone(error);
                    tries += 1;
                }
            }
        }
        // Whoever asks now, to pin it, hears of nothing that was not acknowledged.
        match ledger.head() {
            Ok(head) => assert_eq!(head, history.head(state)),
            Err(error) => fault_alone(error),
        }
        (state, state < self.to)
    }

    /// How often each kind of call is made when nothing fails.
    fn calls(self, history: &History, file: &Image) -> [usize; 6] {
        let disk = Disk::new(file.clone());
        assert_eq!(self.run(history, &disk), (self.to, false));
        disk.calls()
    }
}

/// All the ways in which one call of a kind may fail.
fn ways(call: Call) -> Vec<(Effect, bool)> {
    let effects = match call {
        Call::Read => vec![Effect::None],
        Call::Write => vec![Effect::None, Effect::Part, Effect::Whole],
        Call::Sync | Call::Resize | Call::Name | Call::SyncNames => vec![Effect::None, Effect::Whole],
    };
    effects.into_iter().flat_map(|effect| [(effect, false), (effect, true)]).collect()
}

/// What came of many failures.
#[derive(Default)]
struct Tally {
    runs: AtomicUsize,
    noticed: AtomicUsize,
    in_flight_kept: AtomicUsize,
    in_flight_lost: AtomicUsize,
}

fn check(history: &History, scenario: Scenario, file: &Image, fault: Fault, tally: &Tally) {
    let disk = Disk::failing(file.clone(), Some(fault));
    let (acknowledged, in_flight) = scenario.run(history, &disk);
    let add = |count: &AtomicUsize| count.fetch_add(1, Ordering::Relaxed);
    let run = add(&tally.runs);
    if acknowledged < scenario.to {
        assert!(disk.failed(), "a step failed although the disk did not");
        add(&tally.noticed);
    }
    // The process died, or the power went as well.
    let mut dice = Dice(run as u64);
    let (trace, now) = (disk.trace(), disk.now());
    let finish = run % 16 == 0;
    let (state, _) = history.check_file(disk.image(), acknowledged, in_flight, finish);
    let losses = if run % 2 == 0 { [Loss::All, Loss::Some] } else { [Loss::Some, Loss::Nothing] };
    for loss in losses {
        history.check_file(trace.cut(now, loss, &mut dice), acknowledged, in_flight, false);
    }
    if in_flight {
        add(if state > acknowledged { &tally.in_flight_kept } else { &tally.in_flight_lost });
    }
}

/// Checks one of `share` failures of all that are possible in these scenarios.
fn check_all(scenarios: &[Scenario], share: usize) -> Tally {
    let all = std::env::var("PROMPTOS_FAULTS").is_ok_and(|value| value == "all");
    let share = if all { 1 } else { share };
    let tally = Tally::default();
    let next = AtomicUsize::new(0);
    let work = || {
        let history = &History::of_everything();
        while let Some(scenario) = scenarios.get(next.fetch_add(1, Ordering::Relaxed)).copied() {
            let file = history.file(scenario.from, scenario.clean);
            let calls = scenario.calls(history, &file);
            let mut dice = Dice(scenario.from as u64);
            for (call, count) in Call::ALL.into_iter().zip(calls) {
                for (nth, (effect, for_ever)) in
                    (1..=count).flat_map(|nth| ways(call).into_iter().map(move |way| (nth, way)))
                {
                    // Syncs, resizes and names are few, and most is at stake there.
                    let share = match call {
                        Call::Read | Call::Write => share,
                        Call::Sync | Call::Resize => share.div_ceil(5),
                        Call::Name | Call::SyncNames => 1,
                    };
                    if dice.below(share) > 0 {
                        continue;
                    }
                    let fault = Fault { call, nth, effect, for_ever };
                    let checked = || check(history, scenario, &file, fault, &tally);
                    if let Err(panic) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(checked)) {
                        let steps: Vec<_> = (scenario.from..scenario.to).map(|at| history.what(at)).collect();
                        println!("{fault:?} in {scenario:?}: {steps:?}");
                        std::panic::resume_unwind(panic);
                    }
                }
            }
        }
    };
    std::thread::scope(|scope| (0..2).for_each(|_| drop(scope.spawn(work))));
    let count = |count: &AtomicUsize| count.load(Ordering::Relaxed);
    println!(
        "{} failures, {} stopped a step; the step in flight was kept {} times and lost {} times",
        count(&tally.runs),
        count(&tally.noticed),
        count(&tally.in_flight_kept),
        count(&tally.in_flight_lost)
    );
    tally
}

#[test]
fn no_failure_in_any_single_change_loses_or_adds_anything() {
    let scenarios: Vec<_> = (0..History::of_everything().len())
        .flat_map(|from| {
            let with = |cache| Scenario { from, to: from + 1, cache, clean: (from % 2 == 0) == (cache == 0) };
            CACHES.map(with)
        })
        .collect();
    let tally = check_all(&scenarios, 25);
    // Else the failures came where nothing is at stake.
    assert!(tally.in_flight_kept.into_inner() > 0);
    assert!(tally.in_flight_lost.into_inner() > tally.runs.into_inner() / 4);
}

/// The file that is in its place may be one or the other then, for now or after a power cut.
#[test]
fn after_a_scrub_that_failed_nothing_is_acknowledged_and_lost() {
    let history = History::of_everything();
    let scrub = (0..history.len()).find(|step| history.what(*step) == "a scrub").unwrap();
    let file = history.file(scrub, true);
    let scenario = Scenario { from: scrub, to: scrub + 1, cache: CACHES[0], clean: true };
    let (mut refused, mut recorded) = (0, 0);
    for (call, count) in Call::ALL.into_iter().zip(scenario.calls(&history, &file)).skip(2) {
        for (nth, (effect, for_ever)) in
            (1..=count).flat_map(|nth| ways(call).into_iter().map(move |way| (nth, way)))
        {
            let disk = Disk::failing(file.clone(), Some(Fault { call, nth, effect, for_ever }));
            let Ok((store, _)) = RedbStore::open_over(disk.clone(), CACHES[0]) else { continue };
            let mut ledger = Ledger::open(Box::new(store)).unwrap();
            let scrubbed = history.play(&mut ledger, scrub).is_ok();
            let done = history.play(&mut ledger, scrub + 1).is_ok();
            drop(ledger);
            *(if done { &mut recorded } else { &mut refused }) += 1;
            assert!(done || !scrubbed || disk.failed());
            let (trace, now, mut dice) = (disk.trace(), disk.now(), Dice(nth as u64));
            let cuts = [Loss::All, Loss::Nothing, Loss::Some].map(|loss| trace.cut(now, loss, &mut dice));
            for image in cuts.into_iter().chain([disk.image()]) {
                let (store, _) = RedbStore::open_over(Disk::new(image), CACHES[0]).unwrap();
                let head = store.head().unwrap().unwrap();
                let kept = head == history.head(scrub + 2);
                assert!(kept || (!done && head == history.head(scrub)), "{call:?} {nth} {effect:?}: {head}");
            }
        }
    }
    println!("{refused} refused, {recorded} recorded");
    assert!(refused > 0 && recorded > 0);
}

/// Written anew with all that is derived: the old file is in its place or the new one is, and then the old is kept.
#[test]
fn a_rebuilding_that_fails_or_is_cut_leaves_one_or_the_other() {
    let history = History::of_everything();
    let step = (0..history.len()).find(|step| history.what(*step) == "a rebuilt index").unwrap();
    let file = history.file(step, true);
    let rebuild = |disk: &Disk| {
        let (store, _) = RedbStore::open_over(disk.clone(), CACHES[0])?;
        super::super::doctor::renew(store, true, &|_| Ok(()))
    };
    let check = |image: Image, done: bool| {
        let kept = image.contains_key("kept");
        let (state, _) = history.check_file(image, if done { step + 1 } else { step }, !done, false);
        assert!(kept || state == step, "replaced and not kept");
    };
    let disk = Disk::new(file.clone());
    assert_eq!(rebuild(&disk).unwrap(), Some("kept".into()));
    check(disk.image(), true);
    let (trace, mut dice) = (disk.trace(), Dice(7));
    for at in 0..=disk.now() {
        let named =
            trace.ops[at.saturating_sub(2)..disk.now().min(at + 2)].iter().any(|op| op.file().is_none());
        for loss in [Loss::All, Loss::Nothing, Loss::Some] {
            if named || at == disk.now() || dice.below(8) == 0 {
                check(trace.cut(at, loss, &mut dice), at == disk.now());
            }
        }
    }
    let (mut failed, mut done) = (0, 0);
    for (call, count) in Call::ALL.into_iter().zip(disk.calls()) {
        for (nth, (effect, for_ever)) in
            (1..=count).flat_map(|nth| ways(call).into_iter().map(move |way| (nth, way)))
        {
            if matches!(call, Call::Read | Call::Write) && dice.below(12) > 0 {
                continue;
            }
            let disk = Disk::failing(file.clone(), Some(Fault { call, nth, effect, for_ever }));
            let rebuilt =
                rebuild(&disk).map_err(|error| assert_eq!(error.kind(), Kind::Failed, "{error}")).is_ok();
            *(if rebuilt { &mut done } else { &mut failed }) += 1;
            check(disk.image(), rebuilt);
            let loss = if dice.below(2) == 0 { Loss::All } else { Loss::Some };
            check(disk.trace().cut(disk.now(), loss, &mut dice), rebuilt);
        }
    }
    println!("{failed} failed, {done} done");
    assert!(failed > 10);
}

#[test]
fn no_failure_in_a_long_history_loses_or_adds_anything() {
    let to = History::of_everything().len();
    let whole = |cache| Scenario { from: 0, to, cache, clean: cache == 0 };
    check_all(&CACHES.map(whole), 60);
}
