//! The ledger file held still: nobody else has it, and what the engine writes stays in memory. An engine that opens a
//! file for writing changes it, and by a damaged map of free pages it writes over pages that are in use.

use ::redb::StorageBackend;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom};
use std::sync::{Mutex, MutexGuard, PoisonError};

const PAGE: usize = 4096;

/// A file under what was written over it. It is locked for as long as it is open.
#[derive(Debug)]
pub(super) struct Held(Mutex<Layers>);

#[derive(Debug)]
struct Layers {
    file: File,
    /// How much of the file still shows.
    shown: u64,
    length: u64,
    /// By number, those that were written to: whole.
    pages: BTreeMap<u64, Vec<u8>>,
}

impl Held {
    /// The caller has locked the file.
    pub(super) fn new(file: File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        Ok(Self(Mutex::new(Layers { file, shown: length, length, pages: BTreeMap::new() })))
    }

    fn layers(&self) -> MutexGuard<'_, Layers> {
        // A panic in here leaves no page half written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Layers {
    /// What is in the file, and zeroes after that.
    fn below(&mut self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let shown = usize::try_from(self.shown.saturating_sub(offset)).unwrap_or(usize::MAX).min(out.len());
        let (from_file, after) = out.split_at_mut(shown);
        after.fill(0);
        self.file.seek(SeekFrom::Start(offset))?;
        self.file.read_exact(from_file)
    }

    fn read(&mut self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if offset.checked_add(out.len() as u64).is_none_or(|end| end > self.length) {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.below(offset, out)?;
        for (number, inner, part) in parts(offset, out.len()) {
            if let (Some(page), Some(out)) = (self.pages.get(&number), out.get_mut(part)) {
                out.copy_from_slice(page.get(inner).unwrap_or_default());
            }
        }
        Ok(())
    }

    fn write(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        let end = offset.checked_add(data.len() as u64).ok_or(ErrorKind::FileTooLarge)?;
        for (number, inner, part) in parts(offset, data.len()) {
            if !self.pages.contains_key(&number) {
                let mut page = vec![0; PAGE];
                self.below(number * PAGE as u64, &mut page)?;
                self.pages.insert(number, page);
            }
            let page = self.pages.get_mut(&number).and_then(|page| page.get_mut(inner));
            if let (Some(page), Some(data)) = (page, data.get(part)) {
                page.copy_from_slice(data);
            }
        }
        self.length = self.length.max(end);
        Ok(())
    }

    fn set_len(&mut self, length: u64) {
        self.shown = self.shown.min(length);
        self.pages.split_off(&length.div_ceil(PAGE as u64));
        let last = usize::try_from(length % PAGE as u64).unwrap_or(0);
        if let Some(page) = self.pages.get_mut(&(length / PAGE as u64)) {
            page.iter_mut().skip(last).for_each(|byte| *byte = 0);
        }
        self.length = length;
    }
}

type Span = std::ops::Range<usize>;

/// The pages that so many bytes from `offset` on lie in: each one's number, which of its bytes, which of theirs.
fn parts(offset: u64, length: usize) -> impl Iterator<Item = (u64, Span, Span)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        (done < length).then(|| {
            let at = offset + done as u64;
            let start = usize::try_from(at % PAGE as u64).unwrap_or(0);
            let count = (PAGE - start).min(length - done);
            let part = done..done + count;
            done += count;
            (at / PAGE as u64, start..start + count, part)
        })
    })
}

impl StorageBackend for Held {
    fn len(&self) -> io::Result<u64> {
        Ok(self.layers().length)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.layers().read(offset, out)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.layers().set_len(length);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.layers().write(offset, data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever is done to it, it reads as a plain file would, and the file below is as it was.
    #[test]
    fn it_is_like_a_file_and_the_file_stays_as_it_was() {
        let bytes: Vec<u8> = (0..3 * PAGE + 700).map(|n| u8::try_from(n % 251).unwrap()).collect();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        io::Write::write_all(&mut file, &bytes).unwrap();
        let (held, mut plain) = (Held::new(file.reopen().unwrap()).unwrap(), bytes.clone());
        let mut state = 7_usize;
        let mut roll = |sides: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % sides
        };
        for round in 0..3_000 {
            let (offset, length) = (roll(5 * PAGE), roll(2 * PAGE));
            if round % 7 == 0 {
                plain.resize(offset, 0);
                held.set_len(offset as u64).unwrap();
            } else if round % 3 == 0 {
                let data = vec![u8::try_from(round % 255).unwrap(); length];
                plain.resize(plain.len().max(offset + length), 0);
                plain[offset..offset + length].copy_from_slice(&data);
                held.write(offset as u64, &data).unwrap();
            } else {
                let mut out = vec![9; length];
                let read = held.read(offset as u64, &mut out);
                match plain.get(offset..offset + length) {
                    Some(there) => assert!(read.is_ok() && out == there, "{round}"),
                    None => assert_eq!(read.unwrap_err().kind(), ErrorKind::UnexpectedEof, "{round}"),
                }
            }
            assert_eq!(held.len().unwrap(), plain.len() as u64);
        }
        assert_eq!(std::fs::read(file.path()).unwrap(), bytes);
    }
}
