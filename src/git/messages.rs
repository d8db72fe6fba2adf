//! What is written in a repository's annotated tags and commits, and writing a tag.

use super::{Blob, Git};
use crate::error::{Error, Result};

/// How much of one tag or commit is read.
const MOST: u64 = 256 * 1024;

/// The message of an annotated tag or a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The tag's name; `None` for a commit.
    pub tag: Option<String>,
    /// The full name of the tag object or the commit.
    pub object: String,
    /// When the tagger or committer says that it was made, in seconds since 1970.
    pub time: Option<u64>,
    /// What is written.
    pub text: String,
}

impl Git {
    /// Makes an annotated tag of `HEAD`, without a signature of git's; answers the tag object's name. No hook runs.
    ///
    /// # Errors
    /// Failed, in git's words: the name is taken or none, there is no commit, or git does not know who tags.
    pub fn tag(&self, name: &str, message: &str) -> Result<String> {
        if name.starts_with('-') {
            return Err(Error::failed(format!("'{name}' cannot name a tag")));
        }
        let args = ["tag", "--annotate", "--no-sign", "--cleanup=verbatim", "--file=-", name];
        let made = self.run(self.reading(args), message.as_bytes(), None)?;
        if !made.status.success() {
            let said = made.complaint();
            return Err(Error::failed(format!("git made no tag '{name}' in {}: {said}", self.dir.display())));
        }
        let tag = format!("refs/tags/{name}");
        self.ask(["rev-parse", "--verify", "--quiet", &tag])?
            .ok_or_else(|| Error::failed(format!("git made the tag '{name}' and does not have it")))
    }

    /// Shows the messages of the newest annotated tags, and of `HEAD` and its first parents, at most so many of each;
    /// answers how many tags and commits those were.
    ///
    /// # Errors
    /// Those of `show`; failed, when git stops answering. A repository without tags or commits has none.
    pub fn messages(
        &self,
        most: (usize, usize),
        show: &mut dyn FnMut(&Message) -> Result<()>,
    ) -> Result<(usize, usize)> {
        let (tags, commits) = (format!("--count={}", most.0), format!("--max-count={}", most.1));
        let format = "--format=%(objecttype) %(objectname) %(refname:strip=2)";
        let args = ["for-each-ref", &tags, "--sort=-creatordate", format, "refs/tags"];
        let listed = self.run(self.reading(args), &[], None)?;
        if !listed.status.success() {
            let said = listed.complaint();
            return Err(Error::failed(format!("git cannot list the tags of {}: {said}", self.dir.display())));
        }
        let mut wanted = Vec::new();
        // A name need not be text, and is only shown.
        for line in String::from_utf8_lossy(&listed.stdout).lines() {
            let mut words = line.splitn(3, ' ');
            if let (Some("tag"), Some(object), Some(name)) = (words.next(), words.next(), words.next()) {
                wanted.push((Some(name.to_owned()), object.to_owned()));
            }
        }
        let tags = wanted.len();
        let listed = self.ask(["rev-list", "--first-parent", &commits, "HEAD", "--"])?.unwrap_or_default();
        wanted.extend(listed.lines().map(|commit| (None, commit.to_owned())));
        let commits = wanted.len() - tags;
        let mut blobs = self.blobs()?;
        for (tag, object) in wanted {
            if let Blob::Bytes(bytes) | Blob::TooLarge(bytes) = blobs.read(&object, MOST)? {
                let raw = String::from_utf8_lossy(&bytes);
                let (head, text) = raw.split_once("\n\n").unwrap_or((&raw, ""));
                show(&Message { tag, object, time: time(head), text: text.to_owned() })?;
            }
        }
        Ok((tags, commits))
    }
}

/// The time in the line of the tagger or the committer: `<who> <seconds> <zone>`.
fn time(head: &str) -> Option<u64> {
    let line = head.lines().find(|line| line.starts_with("tagger ") || line.starts_with("committer "))?;
    line.rsplit(' ').nth(1)?.parse().ok()
}
