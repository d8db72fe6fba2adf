//! `read`: the exact bytes of a prompt, by its ref and by its digest, in process.

use super::made::{self, Prompt};
use super::measure::{Answer, seconds, turns};
use super::peers::{Mlflow, Postgres, wanted};
use super::world::World;
use promptos::ledger::{Access, Blob, Ledger};

/// Reads in a turn.
const READS: usize = 2000;

pub(super) fn read(world: &World) -> Answer {
    let mut answer = Answer::default();
    let (small, large) = (world.small(10_000), world.entries);
    let ledgers = [small, large].map(|size| world.ledger(size, 1));
    let open = ledgers.each_ref().map(|made| made::open(&made.ledger, Access::Read));
    let mut prompts = ledgers[0].plan.prompts();
    // A small ledger has not used them all.
    prompts.retain(|prompt| open[0].bound(&prompt.reference).unwrap().is_some());
    let prompts = prompts.as_slice();
    answer.note(world.describe(&ledgers[1]));
    answer.note(format!(
        "{} prompts are read in turns, {READS} times, each checked against its BLAKE3 address",
        prompts.len()
    ));
    let by_ref =
        |ledger: &Ledger| each(prompts, |prompt| ledger.prompt(&prompt.reference).unwrap().unwrap().1);
    let by_digest = |ledger: &Ledger| each(prompts, |prompt| ledger.blob(&prompt.content.blake3).unwrap());
    let (count, size) = (prompts.len() as u64, ledgers[0].plan.size);
    let postgres = wanted(world, &mut answer, "PostgreSQL", || {
        let postgres = Postgres::start()?;
        postgres.hold_prompts(count, size).map(|()| postgres)
    });
    let mut mlflow = wanted(world, &mut answer, "MLflow", || Mlflow::start(count.min(100), size));
    let absent = f64::NAN;
    let figures = turns(
        world.rounds(5),
        &mut [
            &mut || by_ref(&open[0]),
            &mut || by_ref(&open[1]),
            &mut || by_digest(&open[0]),
            &mut || by_digest(&open[1]),
            &mut || postgres.as_ref().map_or(absent, |postgres| postgres.read(count).unwrap()),
            &mut || mlflow.as_mut().map_or(absent, |mlflow| mlflow.read().unwrap()),
        ],
    );
    let unit = "µs a read";
    let name = |how: &str, size| format!("prompt bytes by {how}, at {size}");
    for (how, id, at) in [("ref", "ratio_by_ref", 0), ("digest", "ratio_by_digest", 2)] {
        let (small, large) = ((name(how, small), figures[at]), (name(how, large), figures[at + 1]));
        answer.cost(id, unit, large, small, 2.0);
    }
    let ours = (name("ref", large), figures[1]);
    if postgres.is_some() {
        let theirs = ("PostgreSQL by primary key, prepared, Unix socket", figures[4]);
        answer.faster("ratio_to_postgres", unit, ours.clone(), theirs, 20.0);
    }
    if let Some(mlflow) = mlflow {
        let theirs = (format!("MLflow {} on SQLite, uncached", mlflow.version), figures[5]);
        answer.faster("ratio_to_mlflow", unit, ours, theirs, 100.0);
    }
    answer
}

/// Microseconds for each of many reads, never one beside the last.
fn each(prompts: &[Prompt], read: impl Fn(&Prompt) -> Blob) -> f64 {
    seconds(|| {
        for n in 0..READS {
            let prompt = &prompts[n * 7919 % prompts.len()];
            let Blob::Present(bytes) = read(prompt) else { panic!("{} is not there", prompt.reference) };
            assert_eq!(bytes.len(), prompt.text.len());
        }
    }) * 1e6
        / READS as f64
}
