//! `promptos dev` in several processes at once, killed at any moment: what was acknowledged is there.
//!
//! About 20 kills by default; `PROMPTOS_KILLS=500 cargo test --test killed -- --nocapture` for more.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout)] // a test may

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use support::{World, text};

/// So many processes at once.
const WRITERS: usize = 3;
/// A new ledger, to be founded by whoever is first, after so many kills.
const KILLS_PER_LEDGER: usize = 10;

/// Numbers that are the same in every run; the moments that they lead to are not.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

struct Writer {
    child: Child,
    began: Instant,
    /// When it is to be killed; `None` when it may live.
    end: Option<Duration>,
}

#[derive(Default)]
struct Tally {
    kills: usize,
    /// Killed, but not before they had said that the session is recorded.
    late: usize,
    finished: usize,
    acknowledged: BTreeSet<String>,
    /// How long an undisturbed process takes.
    usual: Duration,
}

fn start(world: &World, dice: &mut Dice, usual: Duration) -> Writer {
    let mut command = world.command(env!("CARGO_BIN_EXE_promptos"), &world.project);
    let child = command
        .args(["--lock-timeout", "60", "dev", "--prompts", "P00", "--developer", "Ada"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let usual = u64::try_from(usual.as_micros()).unwrap();
    let end = (dice.below(4) > 0).then(|| Duration::from_micros(dice.below(usual + usual / 4)));
    Writer { child, began: Instant::now(), end }
}

/// Takes note of a process that has ended, in whichever way.
fn reap(mut writer: Writer, tally: &mut Tally) {
    let status = writer.child.wait().unwrap();
    let (mut said, mut errors) = (String::new(), String::new());
    writer.child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    writer.child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    // The PR block's last line, whole.
    let entry = said.lines().find_map(|line| line.split_once("entry:")).map(|(_, digits)| {
        assert!(said.ends_with('\n'), "{said}");
        digits.get(..64).unwrap().to_owned()
    });
    if status.signal() == Some(9) {
        tally.kills += 1;
        tally.late += usize::from(entry.is_some());
    } else {
        assert_eq!(status.code(), Some(0), "whoever is not killed succeeds: {said}{errors}");
        assert!(entry.is_some(), "{said}{errors}");
        tally.finished += 1;
        if writer.end.is_none() {
            tally.usual = (tally.usual * 3 + writer.began.elapsed()) / 4;
        }
    }
    tally.acknowledged.extend(entry);
}

fn kill_many(world: &World, kills: usize, dice: &mut Dice, tally: &mut Tally) {
    let enough = tally.kills + kills;
    let mut running: Vec<Writer> = Vec::new();
    while tally.kills < enough {
        while running.len() < WRITERS {
            running.push(start(world, dice, tally.usual));
        }
        let mut still = Vec::new();
        for mut writer in running {
            if writer.end.is_some_and(|end| writer.began.elapsed() >= end) {
                let _ = writer.child.kill();
                reap(writer, tally);
            } else if writer.child.try_wait().unwrap().is_some() {
                reap(writer, tally);
            } else {
                still.push(writer);
            }
        }
        running = still;
        // Only so as not to take the processor from those who are to be killed.
        std::thread::sleep(Duration::from_micros(300));
    }
    for writer in running {
        reap(writer, tally);
    }
}

/// The sessions of the ledger, which must be whole.
fn recorded(world: &World) -> BTreeSet<String> {
    // Whoever comes next can write, and then the pin is there even if all before died before setting it.
    world.run(&["dev", "--prompts", "P00"]).ok();
    let report = world.json(&["verify-chain", "--require", "pinned"]);
    assert_eq!(report["findings"].as_array().unwrap().len(), 0, "{report:#}");
    let log = world.json(&["log"]);
    let entries = log["entries"].as_array().unwrap();
    entries.iter().map(|entry| text(entry, "/id").trim_start_matches("entry:").to_owned()).collect()
}

/// What lies beside the ledger that is none of its own.
fn leftovers(world: &World) -> Vec<String> {
    let folder = world.project.join(".promptos");
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let known = [".gitignore", "ledger.redb", "log.key"];
    names.filter(|name| !known.contains(&name.as_str())).collect()
}

#[test]
fn what_was_acknowledged_is_there_after_any_kill() {
    let wanted: usize = std::env::var("PROMPTOS_KILLS").map_or(20, |text| text.parse().unwrap());
    let began = Instant::now();
    let mut dice = Dice(1);
    let mut tally = Tally { usual: Duration::from_millis(40), ..Tally::default() };
    let (mut sessions, mut unsaid, mut ledgers, mut left) = (0, 0, 0, 0);
    while tally.kills < wanted {
        let world = World::new();
        tally.acknowledged.clear();
        let part = KILLS_PER_LEDGER.min(wanted - tally.kills);
        kill_many(&world, part, &mut dice, &mut tally);
        left += leftovers(&world).len();
        let recorded = recorded(&world);
        let lost: Vec<_> = tally.acknowledged.difference(&recorded).collect();
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
        sessions += tally.acknowledged.len();
        // Besides: the genesis and the session of `recorded`.
        unsaid += recorded.len() - tally.acknowledged.len() - 2;
        ledgers += 1;
        // Whoever came next has removed what was left.
        assert_eq!(leftovers(&world), [""; 0]);
    }
    println!(
        "{} kills ({} of them after the acknowledgement) and {} undisturbed processes on {ledgers} ledgers in \
         {:.1} s: {sessions} sessions acknowledged, none lost; {unsaid} recorded without having been \
         acknowledged; {left} temporary files left behind",
        tally.kills,
        tally.late,
        tally.finished,
        began.elapsed().as_secs_f32(),
    );
}
