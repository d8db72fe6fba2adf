//! `dev`, `trace` and `startup`: whole processes, as a person waits for them.

use super::made;
use super::measure::{Answer, seconds, turns};
use super::world::{Made, World, finish};
use promptos::ledger::{Access, Ledger};
use std::process::Command;

/// Recording a session beside making a signed commit, and at each size.
pub(super) fn dev(world: &World) -> Answer {
    let mut answer = Answer::default();
    let (small, large) = (world.small(1000), world.entries);
    let ledgers = [small, large].map(|size| world.ledger(size, 1));
    let session = |made: &Made| {
        made.promptos(&["dev", "--prompts", "P00,P01", "--developer", "ada", "--target-repo", "engine"]) * 1e3
    };
    let commit = || ledgers[0].git(&["commit", "--quiet", "--allow-empty", "-S", "--message", "empty"]) * 1e3;
    // What is there the first time is no part of it: the pin, the artifact's folder.
    for made in &ledgers {
        session(made);
    }
    let figures = turns(
        world.rounds(21),
        &mut [&mut || session(&ledgers[0]), &mut || commit(), &mut || session(&ledgers[1])],
    );
    let name = |size| format!("promptos dev, the process, at {size}");
    let theirs = ("git commit --allow-empty -S, ssh, in the same repository", figures[1]);
    answer.cost("ratio_to_git", "ms", (name(small), figures[0]), theirs, 2.0);
    answer.cost("ratio", "ms", (name(large), figures[2]), (name(small), figures[0]), 1.2);
    answer
}

/// From a run to the prompt bytes, in process and as a process.
pub(super) fn trace(world: &World) -> Answer {
    let mut answer = Answer::default();
    let (small, large) = (world.small(10_000), world.entries);
    let ledgers = [small, large].map(|size| world.ledger(size, 1));
    let runs = [0, 1].map(|at| ledgers[at].plan.newest_run([small, large][at]));
    let [Some(first), Some(second)] = runs else {
        answer.note("there is no run in so small a ledger");
        return answer;
    };
    let whole = |made: &Made, run: &str| made.promptos(&["trace", run]) * 1e3;
    let open = |made: &Made| made::open(&made.ledger, Access::Read);
    let figures = turns(
        world.rounds(21),
        &mut [&mut || whole(&ledgers[0], &first), &mut || whole(&ledgers[1], &second)],
    );
    let name = |how: &str, size| format!("trace of a run, {how}, at {size}");
    let (how, unit) = ("the process", "ms");
    answer.cost("ratio", unit, (name(how, large), figures[1]), (name(how, small), figures[0]), 2.0);
    let [at_small, at_large] = [open(&ledgers[0]), open(&ledgers[1])];
    let inside = |ledger: &Ledger, run: &str| {
        let times = 50;
        seconds(|| {
            for _ in 0..times {
                let entries = ledger.by_subject(&format!("run/{run}")).unwrap();
                let traced = ledger.trace_entry(entries.last().unwrap()).unwrap();
                assert!(traced.holds());
            }
        }) * 1e6
            / f64::from(times)
    };
    let figures =
        turns(world.rounds(11), &mut [&mut || inside(&at_small, &first), &mut || inside(&at_large, &second)]);
    let (how, unit) = ("in process", "µs");
    answer.cost(
        "ratio_in_process",
        unit,
        (name(how, large), figures[1]),
        (name(how, small), figures[0]),
        2.0,
    );
    answer
}

/// The program's size, and what a process costs that does next to nothing.
pub(super) fn startup(world: &World) -> Answer {
    let mut answer = Answer::default();
    let size = std::fs::metadata(&world.program).unwrap().len() as f64 / 1e6;
    answer.limit("binary", "MB", ("the program's file", size), 12.0);
    let made = world.project("empty");
    let figures = turns(
        world.rounds(101),
        &mut [&mut || made.promptos(&["version"]) * 1e3, &mut || {
            finish(&mut Command::new("/bin/true")) * 1e3
        }],
    );
    answer.cost("ratio_to_true", "ms", ("promptos version", figures[0]), ("/bin/true", figures[1]), 3.0);
    answer
}
