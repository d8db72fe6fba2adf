//! Which cosignatures are enough: the policy file of C2SP tlog-policy.

use crate::cosignature::WitnessKey;
use crate::failure::{Class, Failure};
use crate::note::{Checkpoint, VerifierKey};
use std::collections::HashMap;

/// What a policy file may hold; 32 witnesses have about 5 kilobytes.
const MAX_POLICY: usize = 64 * 1024;

/// The logs and witnesses that somebody trusts, and how many witnesses must agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The logs; empty when they are known otherwise.
    pub logs: Vec<VerifierKey>,
    /// Witnesses and groups, each after what it is made of.
    nodes: Vec<Node>,
    /// Which of them decides; `None` for `quorum none`.
    quorum: Option<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    Witness(Box<WitnessKey>),
    Group { least: usize, members: Vec<usize> },
}

/// What the cosignatures of a quorum say of a checkpoint. Times are seconds since 1970, by the witnesses' clocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witnessed {
    /// The known witnesses that cosigned: key name, first and last time, in the order of the policy.
    pub by: Vec<(String, u64, u64)>,
    /// The first time by which a quorum had cosigned: the checkpoint existed by then.
    pub existed_by: u64,
    /// The last time since which a quorum cosigned: that quorum then knew no larger tree.
    pub newest_at: u64,
}

impl Policy {
    /// Reads a policy file.
    ///
    /// # Errors
    /// [`Class::Malformed`], [`Class::TooLarge`], [`Class::WeakKey`], or [`Class::Unsupported`] for a key of another signature
    /// type; the detail names the line.
    pub fn parse(bytes: &[u8]) -> Result<Self, Failure> {
        if bytes.len() > MAX_POLICY {
            return Err(Failure::new(Class::TooLarge, format!("policy of {} bytes", bytes.len())));
        }
        let mut reader = Reader::default();
        for (at, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            let located =
                |f: Failure| Failure::new(f.class, format!("policy, line {}: {}", at + 1, f.detail));
            reader.line(line).map_err(located)?;
        }
        let quorum = reader.quorum.ok_or_else(|| Failure::malformed("policy: it has no quorum line"))?;
        Ok(Self { logs: reader.logs, nodes: reader.nodes, quorum })
    }

    /// Whether the policy asks for any witness at all; `quorum none` does not.
    #[must_use]
    pub fn asks_for_witnesses(&self) -> bool {
        self.quorum.is_some()
    }

    /// Judges the cosignatures of a checkpoint; where the policy names logs, one of them must have signed it.
    ///
    /// # Errors
    /// [`Class::BadSignature`] when any line of a known log or witness is not good; [`Class::UnknownKey`] when no log signed,
    /// the quorum is not reached, or the policy asks for none; as [`Checkpoint::parse`].
    pub fn judge(&self, note: &[u8]) -> Result<Witnessed, Failure> {
        let unknown = |why: String| Failure::new(Class::UnknownKey, why);
        let origin = Checkpoint::parse(note)?.origin;
        let mut signed = self.logs.is_empty();
        for log in self.logs.iter().filter(|log| log.name == origin) {
            match Checkpoint::open(note, log) {
                // A key that was rotated out may stand beside the new one.
                Err(failure) if failure.class == Class::UnknownKey => {}
                opened => signed = opened.map(|_| true)?,
            }
        }
        if !signed {
            return Err(unknown("no log of the policy signed the checkpoint".to_owned()));
        }
        let times = self.times(note)?;
        let at = times.iter().flatten().flatten().copied();
        let existed_by = at.clone().filter(|limit| self.reached(&times, |time| time <= *limit)).min();
        let newest_at = at.filter(|limit| self.reached(&times, |time| time >= *limit)).max();
        let (Some(existed_by), Some(newest_at)) = (existed_by, newest_at) else {
            let count = times.iter().flatten().count();
            return Err(unknown(match self.quorum {
                None => "the policy asks for no witness, so none vouches for the checkpoint".to_owned(),
                Some(_) => format!("the cosignatures of {count} known witnesses do not make a quorum"),
            }));
        };
        let by = self.nodes.iter().zip(&times).filter_map(|(node, times)| match node {
            Node::Witness(key) => {
                let times = times.as_ref()?;
                Some((key.name.clone(), *times.first()?, *times.last()?))
            }
            Node::Group { .. } => None,
        });
        Ok(Witnessed { by: by.collect(), existed_by, newest_at })
    }

    /// When each node cosigned, ascending; `None` for groups and for witnesses that did not.
    fn times(&self, note: &[u8]) -> Result<Vec<Option<Vec<u64>>>, Failure> {
        let times = |node: &Node| match node {
            Node::Group { .. } => Ok(None),
            Node::Witness(key) => match key.times(note) {
                Ok(times) => Ok(Some(times)),
                Err(failure) if failure.class == Class::UnknownKey => Ok(None),
                Err(failure) => Err(failure),
            },
        };
        self.nodes.iter().map(times).collect()
    }

    /// Whether the cosignatures whose times count make a quorum.
    fn reached(&self, times: &[Option<Vec<u64>>], counts: impl Fn(u64) -> bool) -> bool {
        let mut reached: Vec<bool> = Vec::with_capacity(self.nodes.len());
        for (node, times) in self.nodes.iter().zip(times) {
            reached.push(match node {
                Node::Witness(_) => times.iter().flatten().any(|time| counts(*time)),
                Node::Group { least, members } => {
                    members.iter().filter(|member| reached.get(**member) == Some(&true)).count() >= *least
                }
            });
        }
        self.quorum.is_some_and(|quorum| reached.get(quorum) == Some(&true))
    }
}

#[derive(Default)]
struct Reader {
    logs: Vec<VerifierKey>,
    nodes: Vec<Node>,
    /// Names are octets, and mean nothing outside of the file. Beside each: its node, and whether a group has it.
    names: HashMap<Vec<u8>, (usize, bool)>,
    quorum: Option<Option<usize>>,
}

impl Reader {
    fn line(&mut self, line: &[u8]) -> Result<(), Failure> {
        let bad = |why: &str| Failure::malformed(why);
        if line.iter().any(|byte| *byte == 0x7f || *byte < b' ' && *byte != b'\t') {
            return Err(bad("it has a control character"));
        }
        let words: Vec<&[u8]> =
            line.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty()).collect();
        let rest = words.get(1..).unwrap_or_default();
        match (words.first().copied(), rest) {
            (None, _) => Ok(()),
            (Some([b'#', ..]), _) => Ok(()),
            (Some(b"log"), [vkey] | [vkey, _]) => {
                let log = VerifierKey::parse(text(vkey)?)?;
                if self.logs.iter().any(|other| other.key == log.key) {
                    return Err(bad("the key of this log stands there already"));
                }
                self.logs.push(log);
                Ok(())
            }
            (Some(b"witness"), [name, vkey] | [name, vkey, _]) => {
                let witness = WitnessKey::parse(text(vkey)?)?;
                let same = |node: &Node| matches!(node, Node::Witness(other) if other.key == witness.key);
                if self.nodes.iter().any(same) {
                    return Err(bad("the key of this witness stands there already"));
                }
                self.define(name, Node::Witness(Box::new(witness)))
            }
            (Some(b"group"), [name, least, members @ ..]) => self.group(name, least, members),
            (Some(b"quorum"), [name]) => {
                let quorum = match *name {
                    b"none" => None,
                    name => {
                        Some(self.names.get(name).ok_or_else(|| bad("the quorum is not defined above"))?.0)
                    }
                };
                match self.quorum.replace(quorum) {
                    None => Ok(()),
                    Some(_) => Err(bad("a second quorum")),
                }
            }
            (Some(b"log" | b"witness" | b"group" | b"quorum"), _) => {
                Err(bad("it has too few or too many words"))
            }
            _ => Err(bad("it begins with none of log, witness, group, quorum")),
        }
    }

    fn group(&mut self, name: &[u8], least: &[u8], members: &[&[u8]]) -> Result<(), Failure> {
        let bad = |why: &str| Failure::malformed(why);
        let mut found = Vec::with_capacity(members.len());
        for member in members {
            let (node, taken) = self
                .names
                .get_mut(*member)
                .ok_or_else(|| bad("a member of the group is not defined above"))?;
            // Each witness counts in one way only.
            if std::mem::replace(taken, true) {
                return Err(bad("a member of the group is in a group already"));
            }
            found.push(*node);
        }
        let least = match least {
            b"all" => found.len(),
            b"any" => 1,
            number => {
                let number = text(number)?;
                let plain = number.bytes().all(|b| b.is_ascii_digit()) && !number.starts_with('0');
                plain.then(|| number.parse().ok()).flatten().ok_or_else(|| bad("not all, any or a number"))?
            }
        };
        if least == 0 || least > found.len() {
            return Err(bad("the group has fewer members than it asks for"));
        }
        self.define(name, Node::Group { least, members: found })
    }

    fn define(&mut self, name: &[u8], node: Node) -> Result<(), Failure> {
        if name == b"none" || self.names.insert(name.to_vec(), (self.nodes.len(), false)).is_some() {
            return Err(Failure::malformed("the name is taken"));
        }
        self.nodes.push(node);
        Ok(())
    }
}

fn text(word: &[u8]) -> Result<&str, Failure> {
    std::str::from_utf8(word).map_err(|_| Failure::malformed("it has a word that is not UTF-8"))
}
