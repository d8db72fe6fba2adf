//! A disk for tests, in memory: it fails where it is told to, and remembers what was written between syncs,
//! so that any file which a power cut can leave may be made from it.

use redb::StorageBackend;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a drive writes whole or not at all.
const SECTOR: usize = 512;

/// The calls that can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    Read,
    Write,
    Sync,
    /// A change of the file's length.
    Resize,
}

impl Call {
    pub(crate) const ALL: [Self; 4] = [Self::Read, Self::Write, Self::Sync, Self::Resize];
}

/// What a failing call has done all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing. A sync that fails so has lost what it was to make durable, and no later one brings it back.
    None,
    /// A part: every other sector. For a resize and a sync, nothing.
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

/// What reached the disk, in order.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    Write(u64, Vec<u8>),
    Resize(u64),
    Sync,
}

/// One file on a disk. A clone is the same file.
#[derive(Debug, Clone)]
pub(crate) struct Disk(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// As the system shows it.
    bytes: Vec<u8>,
    /// As it was before `trace`.
    before: Arc<[u8]>,
    trace: Vec<Op>,
    calls: [usize; 4],
    fault: Option<Fault>,
    /// The fault came.
    failed: bool,
}

/// A recorded history of the file, to make images from.
pub(crate) struct Trace {
    before: Arc<[u8]>,
    pub(crate) ops: Vec<Op>,
}

impl Disk {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self::failing(bytes, None)
    }

    pub(crate) fn failing(bytes: Vec<u8>, fault: Option<Fault>) -> Self {
        let before = Arc::from(&bytes[..]);
        let (trace, calls) = (Vec::new(), [0; 4]);
        Self(Arc::new(Mutex::new(State { bytes, before, trace, calls, fault, failed: false })))
    }

    /// The file as another process would read it.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.state().bytes.clone()
    }

    /// How many calls of each kind there were, in the order of [`Call::ALL`].
    pub(crate) fn calls(&self) -> [usize; 4] {
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
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
        apply(&mut self.bytes, &op, |_| true);
        self.trace.push(op);
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state().bytes.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut state = self.state();
        state.count(Call::Read).map_err(|_| failure())?;
        let start = usize::try_from(offset).unwrap();
        let found = state.bytes.get(start..start + out.len());
        out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.state();
        let counted = state.count(Call::Resize);
        if matches!(counted, Ok(()) | Err(Effect::Whole)) {
            state.record(Op::Resize(len));
        }
        counted.map_err(|_| failure())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.state();
        let counted = state.count(Call::Sync);
        if matches!(counted, Ok(()) | Err(Effect::Whole)) {
            state.record(Op::Sync);
        } else {
            let synced = state.trace.iter().rposition(|op| matches!(op, Op::Sync)).map_or(0, |at| at + 1);
            state.trace.truncate(synced);
        }
        counted.map_err(|_| failure())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        let counted = state.count(Call::Write);
        match counted {
            Ok(()) | Err(Effect::Whole) => state.record(Op::Write(offset, data.to_vec())),
            Err(Effect::Part) => {
                for (n, sector) in data.chunks(SECTOR).enumerate().step_by(2) {
                    state.record(Op::Write(offset + (n * SECTOR) as u64, sector.to_vec()));
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

/// Applies `op`, of a write those sectors that `keep` answers for. What lies behind the end makes the file longer.
fn apply(bytes: &mut Vec<u8>, op: &Op, mut keep: impl FnMut(usize) -> bool) {
    match op {
        Op::Sync => {}
        Op::Resize(len) => bytes.resize(usize::try_from(*len).unwrap(), 0),
        Op::Write(offset, data) => {
            let start = usize::try_from(*offset).unwrap();
            for (n, sector) in data.chunks(SECTOR).enumerate() {
                let at = start + n * SECTOR;
                if keep(n) {
                    bytes.resize(bytes.len().max(at + sector.len()), 0);
                    bytes[at..at + sector.len()].copy_from_slice(sector);
                }
            }
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
    /// Any are, the others come in any order, and each write may be torn between its sectors.
    Some,
}

impl Trace {
    /// The disk after so many operations, when the process dies and the power stays: everything can be read, and
    /// what was not synced is still at stake.
    pub(crate) fn killed(&self, at: usize) -> Disk {
        let disk = Disk::new(self.before.to_vec());
        self.ops[..at].iter().cloned().for_each(|op| disk.state().record(op));
        disk
    }

    /// The file that a power cut after the first `at` operations leaves.
    pub(crate) fn cut(&self, at: usize, loss: Loss, dice: &mut Dice) -> Vec<u8> {
        let done = &self.ops[..at];
        let synced = done.iter().rposition(|op| matches!(op, Op::Sync)).map_or(0, |at| at + 1);
        let mut image = self.before.to_vec();
        done[..synced].iter().for_each(|op| apply(&mut image, op, |_| true));
        let mut pending: Vec<&Op> = done[synced..].iter().collect();
        match loss {
            Loss::All => {}
            Loss::Nothing => pending.into_iter().for_each(|op| apply(&mut image, op, |_| true)),
            Loss::Some => {
                dice.shuffle(&mut pending);
                // Of few or many: each share is as likely as any other.
                let share = dice.below(9);
                let tear = dice.below(3) == 0;
                let length = image.len();
                for op in pending {
                    if dice.below(9) <= share {
                        apply(&mut image, op, |_| !tear || dice.below(2) == 0);
                    }
                }
                // Data behind the old end may be on the disk while the new length is not.
                if image.len() > length && dice.below(4) == 0 {
                    image.truncate(length);
                }
            }
        }
        image
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
