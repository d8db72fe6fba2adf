//! A disk for tests, in memory: it fails where it is told to, and remembers what was written and renamed between
//! syncs, so that any files which a power cut can leave may be made from it.

use redb::StorageBackend;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a drive writes whole or not at all.
const SECTOR: usize = 512;

/// The name of the ledger file.
pub(crate) const LEDGER: &str = "ledger";

/// The files of a disk by name.
pub(crate) type Image = BTreeMap<&'static str, Vec<u8>>;

/// The calls that can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    Read,
    Write,
    Sync,
    /// A change of the file's length.
    Resize,
    /// Making, linking, renaming or removing a file.
    Name,
    /// Making the names durable.
    SyncNames,
}

impl Call {
    pub(crate) const ALL: [Self; 6] =
        [Self::Read, Self::Write, Self::Sync, Self::Resize, Self::Name, Self::SyncNames];
}

/// What a failing call has done all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing. A sync that fails so has lost what it was to make durable, and no later one brings it back.
    None,
    /// A part: every other sector. For anything but a write, nothing.
    Part,
    /// Everything; only the answer is wrong.
    Whole,
}

/// Lets the `nth` call (from 1) of its kind fail.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fault {
    pub(crate) call: Call,
    pub(crate) nth: usize,
    pub(crate) effect: Effect,
    /// Nothing works after it, as when the disk has gone.
    pub(crate) for_ever: bool,
}

/// What reached the disk, in order. Files have numbers, which stay theirs whatever they are called.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    Write(usize, u64, Vec<u8>),
    Resize(usize, u64),
    Sync(usize),
    /// The file has this name from now on, and `but` no more.
    Name {
        file: usize,
        to: &'static str,
        but: Option<&'static str>,
    },
    Remove(&'static str),
    SyncNames,
}

impl Op {
    /// Which file it is about; `None` for names.
    pub(crate) fn file(&self) -> Option<usize> {
        match self {
            Self::Write(file, ..) | Self::Resize(file, _) | Self::Sync(file) => Some(*file),
            Self::Name { .. } | Self::Remove(_) | Self::SyncNames => None,
        }
    }

    pub(crate) fn is_sync(&self) -> bool {
        matches!(self, Self::Sync(_) | Self::SyncNames)
    }
}

/// A file on a disk. A clone is the same file.
#[derive(Debug, Clone)]
pub(crate) struct Disk {
    state: Arc<Mutex<State>>,
    file: usize,
}

#[derive(Debug)]
struct State {
    /// As the system shows it.
    now: Files,
    /// As it was before `trace`.
    before: Arc<Files>,
    trace: Vec<Op>,
    calls: [usize; 6],
    fault: Option<Fault>,
    /// The fault came.
    failed: bool,
}

#[derive(Debug, Clone, Default)]
struct Files {
    names: BTreeMap<&'static str, usize>,
    bytes: Vec<Vec<u8>>,
}

/// A recorded history of the disk, to make images from.
pub(crate) struct Trace {
    before: Arc<Files>,
    pub(crate) ops: Vec<Op>,
}

impl Disk {
    /// The ledger file on a disk with these files; an empty one when there is none.
    pub(crate) fn new(image: Image) -> Self {
        Self::failing(image, None)
    }

    pub(crate) fn failing(mut image: Image, fault: Option<Fault>) -> Self {
        image.entry(LEDGER).or_default();
        let (names, bytes): (Vec<_>, _) = image.into_iter().unzip();
        let now = Files { names: names.into_iter().zip(0..).collect(), bytes };
        let (before, file) = (Arc::new(now.clone()), now.names[LEDGER]);
        let state = State { now, before, trace: Vec::new(), calls: [0; 6], fault, failed: false };
        Self { state: Arc::new(Mutex::new(state)), file }
    }

    /// The ledger file as the next process opens it.
    pub(crate) fn reopened(&self) -> Self {
        self.named(LEDGER).unwrap()
    }

    /// The files as another process would read them.
    pub(crate) fn image(&self) -> Image {
        self.state().now.image()
    }

    /// How many calls of each kind there were, in the order of [`Call::ALL`].
    pub(crate) fn calls(&self) -> [usize; 6] {
        self.state().calls
    }

    pub(crate) fn failed(&self) -> bool {
        self.state().failed
    }

    /// How many operations reached the disk so far.
    pub(crate) fn now(&self) -> usize {
        self.state().trace.len()
    }

    pub(crate) fn trace(&self) -> Trace {
        let state = self.state();
        Trace { before: Arc::clone(&state.before), ops: state.trace.clone() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does what a call is to do, unless it is to fail with nothing done.
    fn call(&self, call: Call, ops: impl FnOnce(&State) -> Vec<Op>) -> io::Result<()> {
        let mut state = self.state();
        let counted = state.count(call);
        if matches!(counted, Ok(()) | Err(Effect::Whole)) {
            let ops = ops(&state);
            ops.into_iter().for_each(|op| state.record(op));
        }
        counted.map_err(|_| failure())
    }

    // ---- names ----

    pub(crate) fn named(&self, name: &str) -> Option<Self> {
        let file = *self.state().now.names.get(name)?;
        Some(Self { state: Arc::clone(&self.state), file })
    }

    /// Makes an empty file; what has the name loses it.
    pub(crate) fn make(&self, to: &'static str) -> io::Result<Self> {
        self.call(Call::Name, |state| vec![Op::Name { file: state.now.bytes.len(), to, but: None }])?;
        self.named(to).ok_or_else(failure)
    }

    pub(crate) fn link(&self, from: &'static str, to: &'static str) -> io::Result<()> {
        self.call(Call::Name, |state| vec![Op::Name { file: state.now.names[from], to, but: None }])
    }

    pub(crate) fn rename(&self, from: &'static str, to: &'static str) -> io::Result<()> {
        self.call(Call::Name, |state| vec![Op::Name { file: state.now.names[from], to, but: Some(from) }])
    }

    pub(crate) fn remove(&self, name: &'static str) -> io::Result<()> {
        if self.named(name).is_none() {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.call(Call::Name, |_| vec![Op::Remove(name)])
    }

    /// Makes the names durable. One that fails leaves them for a later one.
    pub(crate) fn sync_names(&self) -> io::Result<()> {
        self.call(Call::SyncNames, |_| vec![Op::SyncNames])
    }
}

impl State {
    /// Counts a call; `Err` with what it does all the same when it is to fail.
    fn count(&mut self, call: Call) -> Result<(), Effect> {
        self.calls[call as usize] += 1;
        let Some(fault) = self.fault else { return Ok(()) };
        if self.failed {
            return if fault.for_ever { Err(Effect::None) } else { Ok(()) };
        }
        if fault.call == call && fault.nth == self.calls[call as usize] {
            self.failed = true;
            return Err(fault.effect);
        }
        Ok(())
    }

    fn record(&mut self, op: Op) {
        self.now.apply(&op, |_| true);
        self.trace.push(op);
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state().now.bytes[self.file].len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut state = self.state();
        state.count(Call::Read).map_err(|_| failure())?;
        let start = usize::try_from(offset).unwrap();
        let found = state.now.bytes[self.file].get(start..start + out.len());
        out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.call(Call::Resize, |_| vec![Op::Resize(self.file, len)])
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.state();
        let counted = state.count(Call::Sync);
        if matches!(counted, Ok(()) | Err(Effect::Whole)) {
            state.record(Op::Sync(self.file));
        } else {
            let own = |op: &Op| op.file() == Some(self.file);
            let synced = state.trace.iter().rposition(|op| own(op) && op.is_sync()).map_or(0, |at| at + 1);
            let mut at = 0;
            state.trace.retain(|op| {
                at += 1;
                at <= synced || !own(op)
            });
        }
        counted.map_err(|_| failure())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        let counted = state.count(Call::Write);
        match counted {
            Ok(()) | Err(Effect::Whole) => state.record(Op::Write(self.file, offset, data.to_vec())),
            Err(Effect::Part) => {
                for (n, sector) in data.chunks(SECTOR).enumerate().step_by(2) {
                    state.record(Op::Write(self.file, offset + (n * SECTOR) as u64, sector.to_vec()));
                }
            }
            Err(Effect::None) => {}
        }
        counted.map_err(|_| failure())
    }
}

fn failure() -> io::Error {
    io::Error::other("the test's disk fails here")
}

impl Files {
    fn image(&self) -> Image {
        self.names.iter().map(|(name, file)| (*name, self.bytes[*file].clone())).collect()
    }

    fn bytes(&mut self, file: usize) -> &mut Vec<u8> {
        if self.bytes.len() <= file {
            self.bytes.resize_with(file + 1, Vec::new);
        }
        &mut self.bytes[file]
    }

    /// Applies `op`, of a write those sectors that `keep` answers for. What lies behind the end makes the file longer.
    fn apply(&mut self, op: &Op, mut keep: impl FnMut(usize) -> bool) {
        match op {
            Op::Sync(_) | Op::SyncNames => {}
            Op::Resize(file, len) => self.bytes(*file).resize(usize::try_from(*len).unwrap(), 0),
            Op::Write(file, offset, data) => {
                let (bytes, start) = (self.bytes(*file), usize::try_from(*offset).unwrap());
                for (n, sector) in data.chunks(SECTOR).enumerate() {
                    let at = start + n * SECTOR;
                    if keep(n) {
                        bytes.resize(bytes.len().max(at + sector.len()), 0);
                        bytes[at..at + sector.len()].copy_from_slice(sector);
                    }
                }
            }
            Op::Name { file, to, but } => {
                self.bytes(*file);
                self.names.insert(to, *file);
                self.names.retain(|name, _| Some(*name) != *but);
            }
            Op::Remove(gone) => self.names.retain(|name, _| name != gone),
        }
    }
}

/// What becomes of the operations that no sync has made durable when the power goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    /// All of them are lost.
    All,
    /// None is: the disk was fast.
    Nothing,
    /// Any are, the others come in any order, and each write may be torn between its sectors. Names change in
    /// order, but some of the changes may be missing.
    Some,
}

impl Trace {
    /// The disk after so many operations, when the process dies and the power stays: everything can be read, and
    /// what was not synced is still at stake.
    pub(crate) fn killed(&self, at: usize) -> Disk {
        let disk = Disk::new(self.before.image());
        self.ops[..at].iter().cloned().for_each(|op| disk.state().record(op));
        disk.reopened()
    }

    /// The files that a power cut after the first `at` operations leaves.
    pub(crate) fn cut(&self, at: usize, loss: Loss, dice: &mut Dice) -> Image {
        let done = &self.ops[..at];
        let mut files = Files::clone(&self.before);
        let last = done.iter().filter_map(Op::file).max().unwrap_or(0);
        for file in (0..=last).map(Some).chain([None]) {
            let own: Vec<&Op> = done.iter().filter(|op| op.file() == file).collect();
            let synced = own.iter().rposition(|op| op.is_sync()).map_or(0, |at| at + 1);
            let (durable, pending) = own.split_at(synced);
            durable.iter().for_each(|op| files.apply(op, |_| true));
            match (loss, file) {
                (Loss::All, _) => {}
                (Loss::Nothing, _) => pending.iter().for_each(|op| files.apply(op, |_| true)),
                (Loss::Some, Some(file)) => files.lose_some(file, pending.to_vec(), dice),
                (Loss::Some, None) => {
                    let kept = pending.iter().filter(|_| dice.below(2) == 0);
                    kept.for_each(|op| files.apply(op, |_| true));
                }
            }
        }
        files.image()
    }
}

impl Files {
    fn lose_some(&mut self, file: usize, mut pending: Vec<&Op>, dice: &mut Dice) {
        dice.shuffle(&mut pending);
        // Of few or many: each share is as likely as any other.
        let share = dice.below(9);
        let tear = dice.below(3) == 0;
        let length = self.bytes(file).len();
        for op in pending {
            if dice.below(9) <= share {
                self.apply(op, |_| !tear || dice.below(2) == 0);
            }
        }
        // Data behind the old end may be on the disk while the new length is not.
        if self.bytes(file).len() > length && dice.below(4) == 0 {
            self.bytes(file).truncate(length);
        }
    }
}

/// Random numbers that are the same whenever they are asked for (SplitMix64).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % end as u64).unwrap()
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at + 1));
        }
    }
}
