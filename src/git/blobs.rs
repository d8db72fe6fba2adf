//! The contents of a repository's objects, one after another, from one git.

use super::{cannot_read, spawn};
use crate::error::{Error, Result};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A running `git cat-file --batch`.
#[derive(Debug)]
pub struct Blobs {
    child: Child,
    ask: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

/// What is under an object's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Blob {
    /// The content.
    Bytes(Vec<u8>),
    /// More than was asked for; only the beginning.
    TooLarge(Vec<u8>),
    /// Nothing: a partial clone leaves out what was not needed.
    Missing,
}

impl Blobs {
    pub(super) fn open(mut command: Command) -> Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = spawn(&mut command)?;
        let pipes = (child.stdin.take(), child.stdout.take());
        let (Some(ask), Some(answers)) = pipes else {
            return Err(Error::bug("git was started without pipes"));
        };
        Ok(Self { child, ask: Some(ask), answers: BufReader::with_capacity(64 * 1024, answers) })
    }

    /// The content of an object, of at most `most` bytes.
    ///
    /// # Errors
    /// Failed, when git stops answering.
    pub fn read(&mut self, object: &str, most: u64) -> Result<Blob> {
        self.exchange(object, most).map_err(cannot_read)
    }

    fn exchange(&mut self, object: &str, most: u64) -> io::Result<Blob> {
        let ended = || io::Error::new(io::ErrorKind::UnexpectedEof, "git ended before it answered");
        let ask = self.ask.as_mut().ok_or_else(ended)?;
        ask.write_all(format!("{object}\n").as_bytes())?;
        let mut head = String::new();
        self.answers.read_line(&mut head)?;
        // `<object> <type> <size>`, or the same name and a word that is no size.
        let Some(size) = head.trim_end().rsplit(' ').next().and_then(|size| size.parse::<u64>().ok()) else {
            return if head.ends_with(" missing\n") { Ok(Blob::Missing) } else { Err(ended()) };
        };
        let mut bytes = Vec::new();
        let wanted = size.min(most);
        self.answers.by_ref().take(wanted).read_to_end(&mut bytes)?;
        if bytes.len() as u64 != wanted {
            return Err(ended());
        }
        // The rest, and the line end after it.
        io::copy(&mut self.answers.by_ref().take(size - wanted + 1), &mut io::sink())?;
        Ok(if size > most { Blob::TooLarge(bytes) } else { Blob::Bytes(bytes) })
    }
}

impl Drop for Blobs {
    fn drop(&mut self) {
        // It ends when nobody asks any more; one that failed in between has to be told.
        self.ask = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
