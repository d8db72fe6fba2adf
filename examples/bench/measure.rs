//! Turns, medians, and what they come to beside a target.

use serde_json::{Map, Value, json};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

pub(super) fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of.get(of.len() / 2).copied().unwrap_or_default()
}

/// Seconds that the work takes.
pub(super) fn seconds(work: impl FnOnce()) -> f64 {
    let began = Instant::now();
    work();
    began.elapsed().as_secs_f64()
}

/// Lets all have their turn, so many times: A B C, A B C, …; the median of each. Whatever else the machine does meets
/// them alike.
pub(super) fn turns(rounds: usize, all: &mut [&mut dyn FnMut() -> f64]) -> Vec<f64> {
    let mut figures = vec![Vec::new(); all.len()];
    for _ in 0..rounds {
        for (figures, one) in figures.iter_mut().zip(all.iter_mut()) {
            figures.push(one());
        }
    }
    figures.into_iter().map(median).collect()
}

/// What is promised of a ratio, or of a figure that stands alone.
#[derive(Clone, Copy)]
pub(super) enum Target {
    AtLeast(f64),
    AtMost(f64),
    /// Worth knowing, and no promise.
    None,
}

/// A promise, and what was measured.
pub(super) struct Claim {
    /// Names it in JSON.
    pub(super) id: &'static str,
    pub(super) ours: (String, f64),
    /// What it is measured beside.
    pub(super) theirs: Option<(String, f64)>,
    pub(super) unit: &'static str,
    pub(super) ratio: f64,
    pub(super) target: Target,
    /// Whether the run fails where it is missed; else it is a goal.
    pub(super) must: bool,
}

impl Claim {
    pub(super) fn met(&self) -> Option<bool> {
        match self.target {
            Target::AtLeast(bound) => Some(self.ratio >= bound),
            Target::AtMost(bound) => Some(self.ratio <= bound),
            Target::None => None,
        }
    }

    fn to_json(&self) -> Value {
        let (at_least, at_most) = match self.target {
            Target::AtLeast(bound) => (Some(bound), None),
            Target::AtMost(bound) => (None, Some(bound)),
            Target::None => (None, None),
        };
        let side = |(what, figure): &(String, f64)| json!({"what": what, "figure": figure});
        json!({
            "id": self.id, "unit": self.unit, "ours": side(&self.ours), "theirs": self.theirs.as_ref().map(side),
            "ratio": self.ratio, "at_least": at_least, "at_most": at_most, "must": self.must, "met": self.met(),
        })
    }
}

/// What a job found.
#[derive(Default)]
pub(super) struct Answer {
    pub(super) claims: Vec<Claim>,
    /// What was measured on, in words.
    pub(super) notes: Vec<String>,
    /// Peers that are not here, and why.
    pub(super) missing: Vec<(String, String)>,
}

impl Answer {
    /// Ours costs so much less than theirs; both in the same unit, less is better.
    pub(super) fn faster(
        &mut self,
        id: &'static str,
        unit: &'static str,
        ours: (impl Into<String>, f64),
        theirs: (impl Into<String>, f64),
        at_least: f64,
    ) -> &mut Claim {
        self.claim(id, unit, ours, Some(theirs), Target::AtLeast(at_least))
    }

    /// Ours costs at most so many times theirs.
    pub(super) fn cost(
        &mut self,
        id: &'static str,
        unit: &'static str,
        ours: (impl Into<String>, f64),
        theirs: (impl Into<String>, f64),
        at_most: f64,
    ) -> &mut Claim {
        self.claim(id, unit, ours, Some(theirs), Target::AtMost(at_most))
    }

    /// A figure that stands alone.
    pub(super) fn limit(
        &mut self,
        id: &'static str,
        unit: &'static str,
        ours: (impl Into<String>, f64),
        at_most: f64,
    ) {
        self.claim(id, unit, ours, None::<(String, f64)>, Target::AtMost(at_most));
    }

    /// Two figures side by side, and no promise.
    pub(super) fn plain(
        &mut self,
        id: &'static str,
        unit: &'static str,
        ours: (impl Into<String>, f64),
        theirs: (impl Into<String>, f64),
    ) {
        self.claim(id, unit, ours, Some(theirs), Target::None).must = false;
    }

    /// The ratio is what the target is about: how much faster ours is, or else what it costs.
    fn claim(
        &mut self,
        id: &'static str,
        unit: &'static str,
        ours: (impl Into<String>, f64),
        theirs: Option<(impl Into<String>, f64)>,
        target: Target,
    ) -> &mut Claim {
        let (ours, theirs) = ((ours.0.into(), ours.1), theirs.map(|(what, figure)| (what.into(), figure)));
        let ratio = match (&theirs, &target) {
            (None, _) => ours.1,
            (Some((_, theirs)), Target::AtLeast(_)) => theirs / ours.1,
            (Some((_, theirs)), _) => ours.1 / theirs,
        };
        let at = self.claims.len();
        self.claims.push(Claim { id, ours, theirs, unit, ratio, target, must: true });
        &mut self.claims[at]
    }

    pub(super) fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    pub(super) fn missing(&mut self, peer: impl Into<String>, why: impl Into<String>) {
        self.missing.push((peer.into(), why.into()));
    }

    /// Each claim's ratio under its name, and all that was measured.
    pub(super) fn to_json(&self) -> Value {
        let mut object: Map<String, Value> =
            self.claims.iter().map(|claim| (claim.id.to_owned(), json!(claim.ratio))).collect();
        object.insert("claims".to_owned(), self.claims.iter().map(Claim::to_json).collect());
        object.insert("notes".to_owned(), json!(self.notes));
        let missing = self.missing.iter().map(|(peer, why)| json!({"peer": peer, "why": why}));
        object.insert("missing".to_owned(), missing.collect());
        Value::Object(object)
    }
}

/// A figure with three digits that count.
pub(super) fn figure(of: f64) -> String {
    match of.abs() {
        0.0 => "0".to_owned(),
        1000.0.. => format!("{of:.0}"),
        100.0.. => format!("{of:.0}"),
        10.0.. => format!("{of:.1}"),
        1.0.. => format!("{of:.2}"),
        _ => format!("{of:.3}"),
    }
}

/// A figure in its unit, or in a larger one.
pub(super) fn quantity(of: f64, unit: &str) -> String {
    match unit.strip_prefix("µs") {
        Some(rest) if of >= 10_000.0 => format!("{} ms{rest}", figure(of / 1e3)),
        _ => format!("{} {unit}", figure(of)).trim_end().to_owned(),
    }
}

/// The machine, for whoever reads figures.
pub(super) fn machine(folder: &Path) -> Value {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let info = read("/proc/cpuinfo");
    let cpu =
        info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, name)| name));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let memory = read("/proc/meminfo");
    let memory = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    json!({
        "cpu": cpu.unwrap_or("unknown"), "cores": cores, "memory": memory.map(|kib| format!("{} MiB", kib / 1024)),
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "load_at_the_start": read("/proc/loadavg").split(' ').next(),
        "file_system": said("df", &["--output=fstype", &folder.display().to_string()]),
    })
}

/// Versions of what takes part.
pub(super) fn software() -> Value {
    let commit = said("git", &["-C", env!("CARGO_MANIFEST_DIR"), "describe", "--always", "--dirty"]);
    json!({
        "promptos": env!("CARGO_PKG_VERSION"), "commit": commit, "rustc": said("rustc", &["--version"]),
        "git": said("git", &["--version"]), "postgres": said("postgres", &["--version"]),
        "python": said("python3", &["--version"]),
    })
}

/// The last line that a program prints; `None` where there is none.
fn said(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok().filter(|output| output.status.success())?;
    String::from_utf8_lossy(&output.stdout).lines().last().map(|line| line.trim().to_owned())
}
