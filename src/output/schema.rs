//! A JSON value against a schema of Draft 2020-12.
//!
//! Nothing is fetched: a `$ref` leads into the schema's own file, or to files of the folder that it came from.
//! Patterns are matched in linear time (look-around and back references are refused, and so are patterns that compile
//! to more than 1 MB). References can still multiply the work without bound, so a schema belongs into a process
//! with limits, as a template does.

mod children;
mod evaluate;
mod keyword;
mod misfit;
mod pattern;
mod read;
mod value;

#[cfg(test)]
mod oracle_tests;
#[cfg(test)]
mod tests;

pub use misfit::Misfit;

use crate::catalog::{Home, Schema};
use crate::error::{Error, Result};
use crate::json;
use serde::{Deserialize, Serialize};

/// So many faults are told.
pub(crate) const MOST: usize = 100;

/// What is to be checked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Job {
    /// Where the schema and those that it refers to are.
    home: Home,
    /// Its path below that.
    path: String,
    /// The value, JSON.
    value: String,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ran {
    /// Where the value does not fit, at most 100; else why the schema is none.
    pub misfits: Result<Vec<Misfit>, String>,
    /// Whether there are more.
    pub more: bool,
}

impl Job {
    pub(crate) fn new(schema: &Schema, value: &str) -> Self {
        Self { home: schema.home.clone(), path: schema.file.clone(), value: value.to_owned() }
    }
}

/// Checks a value. Bounded neither in time nor in memory: see above.
///
/// # Errors
/// A bug, when the job's value is no JSON.
pub fn run(job: &Job) -> Result<Ran> {
    let value =
        json::parse(job.value.as_bytes()).map_err(|e| Error::bug("the value is no JSON").because(e))?;
    let found = read::Schemas::read(&job.home, &job.path)
        .and_then(|schemas| evaluate::misfits(&schemas, &value, MOST + 1));
    let more = found.as_ref().is_ok_and(|found| found.len() > MOST);
    let misfits = found.map(|mut found| {
        found.truncate(MOST);
        found
    });
    Ok(Ran { misfits, more })
}
