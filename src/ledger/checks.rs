//! Signatures checked by as many threads as there are cores, while one of them reads the ledger.

use crate::error::{Error, Result};
use ledger_format::{Check, Verifier};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// So many checks are handed over at once: a millisecond or two of work, and some 150 KiB.
const CHUNK: usize = 256;
/// So many chunks wait for each worker. The reader checks one itself when there would be more.
const WAITING: usize = 4;

/// Checks that wait for a thread.
pub(super) struct Checks<'a> {
    verifier: &'a Verifier,
    room: usize,
    queue: Mutex<Queue>,
    changed: Condvar,
    bad: AtomicBool,
}

#[derive(Default)]
struct Queue {
    chunks: VecDeque<Vec<Check>>,
    closed: bool,
}

/// The end of the queue that the reader has; when it goes, the workers end with what is in the queue.
pub(super) struct Sender<'a> {
    checks: &'a Checks<'a>,
    next: Vec<Check>,
}

/// Runs `read` while `workers` threads check the signatures that it hands over, the first of them after `first`.
/// Answers what `read` and `first` answer, and whether all signatures hold. Without workers the reader does it all.
///
/// # Errors
/// A bug, when a worker panics.
pub(super) fn along<T, F: Send>(
    workers: usize,
    first: impl FnOnce() -> F + Send,
    read: impl FnOnce(&mut Sender<'_>) -> T,
) -> Result<(T, F, bool)> {
    let verifier = Verifier::new(Verifier::TABLE_BYTES);
    let checks = Checks {
        verifier: &verifier,
        room: workers * WAITING,
        queue: Mutex::default(),
        changed: Condvar::new(),
        bad: AtomicBool::new(false),
    };
    let read = |checks: &Checks<'_>| {
        let mut sender = Sender { checks, next: Vec::with_capacity(CHUNK) };
        let answer = read(&mut sender);
        sender.finish();
        answer
    };
    let (answer, first) = if workers == 0 {
        let first = first();
        (read(&checks), Ok(first))
    } else {
        std::thread::scope(|scope| {
            let checks = &checks;
            let first = scope.spawn(move || {
                let answer = first();
                checks.work();
                answer
            });
            let others: Vec<_> = (1..workers).map(|_| scope.spawn(|| checks.work())).collect();
            let answer = read(checks);
            let failed =
                others.into_iter().map(|worker| worker.join()).filter(std::thread::Result::is_err).count();
            (
                answer,
                first
                    .join()
                    .ok()
                    .filter(|_| failed == 0)
                    .ok_or_else(|| Error::bug("a thread that checks signatures failed")),
            )
        })
    };
    Ok((answer, first?, !checks.bad.load(Ordering::Acquire)))
}

impl Checks<'_> {
    /// Checks what comes until nothing more will.
    fn work(&self) {
        while let Some(chunk) = self.take() {
            self.check(&chunk);
        }
    }

    /// The next chunk, waiting for it; `None` once there will be none.
    fn take(&self) -> Option<Vec<Check>> {
        let mut queue = self.lock();
        loop {
            if let Some(chunk) = queue.chunks.pop_front() {
                return Some(chunk);
            }
            if queue.closed {
                return None;
            }
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn check(&self, chunk: &[Check]) {
        // One bad signature is enough: another audit tells which.
        if !self.bad.load(Ordering::Acquire) && self.verifier.first_bad(chunk).is_some() {
            self.bad.store(true, Ordering::Release);
        }
    }

    /// A panic in here leaves the queue whole.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sender<'_> {
    /// Hands a check over; answers whether all that are done hold.
    #[must_use]
    pub(super) fn push(&mut self, check: Check) -> bool {
        self.next.push(check);
        if self.next.len() == CHUNK {
            let chunk = std::mem::replace(&mut self.next, Vec::with_capacity(CHUNK));
            self.hand_over(chunk);
        }
        !self.checks.bad.load(Ordering::Acquire)
    }

    /// Puts a chunk in the queue, or checks it when the workers have enough to do.
    fn hand_over(&self, chunk: Vec<Check>) {
        let mut queue = self.checks.lock();
        if queue.chunks.len() < self.checks.room {
            queue.chunks.push_back(chunk);
            drop(queue);
            self.checks.changed.notify_one();
        } else {
            drop(queue);
            self.checks.check(&chunk);
        }
    }

    /// Checks what is left, together with the workers.
    fn finish(&mut self) {
        let rest = std::mem::take(&mut self.next);
        self.checks.check(&rest);
        loop {
            let Some(chunk) = self.checks.lock().chunks.pop_front() else { return };
            self.checks.check(&chunk);
        }
    }
}

impl Drop for Sender<'_> {
    fn drop(&mut self) {
        self.checks.lock().closed = true;
        self.checks.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use ed25519_dalek::{Signer as _, SigningKey};
    use ledger_format::PublicKey;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    /// As many checks as two workers have room for and more; the one named does not hold.
    fn checks(bad: Option<usize>) -> Vec<Check> {
        let signer = SigningKey::from_bytes(&[7; 32]);
        let key = PublicKey::new(&signer.verifying_key().to_bytes()).unwrap();
        let message = b"the same for all".to_vec();
        let signature = signer.sign(&message).to_bytes();
        let check = Check { key, message, signature };
        let mut checks = vec![check; CHUNK * (2 * WAITING + 4) + 3];
        if let Some(check) = bad.map(|bad| &mut checks[bad]) {
            check.signature[0] ^= 1;
        }
        checks
    }

    #[test]
    fn a_bad_signature_is_seen_wherever_it_stands() {
        let end = checks(None).len() - 1;
        for workers in [0, 1, 2] {
            for bad in [None, Some(0), Some(CHUNK), Some(end)] {
                let send = |sender: &mut Sender<'_>| checks(bad).into_iter().all(|check| sender.push(check));
                let (_, seven, good) = along(workers, || 7, send).unwrap();
                assert_eq!((seven, good), (7, bad.is_none()), "{workers} {bad:?}");
            }
        }
    }

    #[test]
    fn a_thread_that_fails_is_a_bug_and_nothing_hangs() {
        let send = |sender: &mut Sender<'_>| checks(None).into_iter().all(|check| sender.push(check));
        for workers in [1, 2] {
            let error = along(workers, || panic!("in a worker"), send).map(|(_, (), good)| good).unwrap_err();
            assert_eq!(error.kind(), Kind::Bug);
            let read = |sender: &mut Sender<'_>| {
                assert!(send(sender));
                panic!("in the reader")
            };
            let failed = catch_unwind(AssertUnwindSafe(|| along(workers, || (), read).map(|((), (), _)| ())));
            assert!(failed.is_err());
        }
    }
}
