//! Fork proofs: two checkpoints that one key signed for one ledger and that cannot both be of one history.

use crate::body::Body;
use crate::digest::Hash;
use crate::failure::{Class, Failure, shown};
use crate::note::{Checkpoint, MAX_NOTE, MAX_PROOF, VerifierKey, base64_hash};
use crate::statement::Statement;
use crate::tree::{self, Head};
use crate::{MAX_STATEMENT, origin};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use std::fmt::Write as _;

const HEADER: &str = "promptos fork proof v1";
/// Two notes, a genesis in base64, a vkey and a path.
const MAX: usize = 2 * MAX_NOTE + MAX_STATEMENT / 3 * 4 + 16 * 1024;

/// Two signed checkpoints, and what shows that the larger tree does not extend the smaller one: the root that its
/// first leaves do have, with the consistency proof (RFC 6962, 2.1.2) from there. Whoever has the larger tree can make it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForkProof {
    /// The key that signed both; its name is their origin.
    pub vkey: VerifierKey,
    /// The genesis, which says whose key that is; without it the reader must know.
    pub genesis: Option<Vec<u8>>,
    /// The root of the first leaves of the larger tree, as many as the smaller one has.
    pub root: Hash,
    /// The consistency proof from there to the larger tree.
    pub path: Vec<Hash>,
    /// The signed checkpoint of the smaller tree, verbatim.
    pub old: Vec<u8>,
    /// The signed checkpoint of the larger tree, verbatim.
    pub new: Vec<u8>,
}

/// What a good fork proof shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fork {
    /// The origin that both checkpoints are signed for.
    pub origin: String,
    /// The smaller head.
    pub old: Head,
    /// The larger head.
    pub new: Head,
    /// Whether the genesis in the file names the key: then the ledger's id vouches for whose it is.
    pub bound: bool,
}

impl ForkProof {
    /// The text form. Checkpoints that are no signed notes make one that does not read back.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut head = format!("{HEADER}\nvkey {}\n", self.vkey);
        // Writing to a String cannot fail.
        if let Some(genesis) = &self.genesis {
            let _ = writeln!(head, "genesis {}", BASE64.encode(genesis));
        }
        let _ = writeln!(head, "root {}", BASE64.encode(self.root));
        for hash in &self.path {
            let _ = writeln!(head, "path {}", BASE64.encode(hash));
        }
        [head.as_bytes(), b"\n", &self.old, b"\n", &self.new].concat()
    }

    /// Whether bytes are meant as a fork proof, good or not.
    #[must_use]
    pub fn is_meant(bytes: &[u8]) -> bool {
        bytes.starts_with(b"promptos fork proof ")
    }

    /// Reads the text form; nothing is checked yet.
    ///
    /// # Errors
    /// [`Class::Malformed`], [`Class::TooLarge`]; for the vkey as [`VerifierKey::parse`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Failure> {
        let bad = |why: &str| Failure::malformed(format!("fork proof: {why}"));
        if bytes.len() > MAX {
            return Err(Failure::new(Class::TooLarge, format!("fork proof of {} bytes", bytes.len())));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| bad("it is not UTF-8"))?;
        // No part has an empty line: a checkpoint's text and its signatures are two parts each.
        let parts: Vec<&str> = text.split("\n\n").collect();
        let [head, old_text, old_lines, new_text, new_lines] = parts.as_slice() else {
            return Err(bad("it has not two signed checkpoints"));
        };
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(HEADER) {
            return Err(bad("it does not begin with 'promptos fork proof v1'"));
        }
        let vkey =
            lines.next().and_then(|line| line.strip_prefix("vkey ")).ok_or_else(|| bad("it has no vkey"))?;
        let genesis = lines.next_if(|line| line.starts_with("genesis "));
        let genesis = genesis.and_then(|line| line.strip_prefix("genesis "));
        let genesis = genesis.map(|text| BASE64.decode(text).map_err(|_| bad("its genesis is not base64")));
        let root = lines.next().and_then(|line| base64_hash(line.strip_prefix("root ")?));
        let path = lines.map(|line| base64_hash(line.strip_prefix("path ")?)).collect::<Option<Vec<_>>>();
        let path = path.ok_or_else(|| bad("a line of its path is not 'path' and a hash"))?;
        if path.len() > MAX_PROOF {
            return Err(Failure::new(Class::TooLarge, format!("fork proof of {} hashes", path.len())));
        }
        Ok(Self {
            vkey: VerifierKey::parse(vkey)?,
            genesis: genesis.transpose()?,
            root: root.ok_or_else(|| bad("it has no root"))?,
            path,
            // What stands between two notes is the line feed that an empty line adds.
            old: format!("{old_text}\n\n{old_lines}\n").into_bytes(),
            new: format!("{new_text}\n\n{new_lines}").into_bytes(),
        })
    }

    /// Checks everything: whoever holds the key signed two histories.
    ///
    /// # Errors
    /// As [`Checkpoint::open`] for either checkpoint; [`Class::BadProof`] when they do not contradict each other, or this
    /// does not show it; for the genesis as [`Statement::decode`], and [`Class::UnknownKey`] when it is of another ledger
    /// or names another key.
    pub fn verify(&self) -> Result<Fork, Failure> {
        let bad = |why: String| Failure::new(Class::BadProof, format!("fork proof: {why}"));
        let old = Checkpoint::open(&self.old, &self.vkey)?.head;
        let new = Checkpoint::open(&self.new, &self.vkey)?.head;
        if old.root == self.root {
            return Err(bad(format!("the two agree on the first {} entries", old.size)));
        }
        tree::verify_consistency(&Head { root: self.root, ..old }, &new, &self.path)?;
        if let Some(genesis) = &self.genesis {
            self.names_the_key(genesis)?;
        }
        Ok(Fork { origin: self.vkey.name.clone(), old, new, bound: self.genesis.is_some() })
    }

    /// The genesis must be that of the origin, which names its hash, and name the key.
    fn names_the_key(&self, genesis: &[u8]) -> Result<(), Failure> {
        let genesis = Statement::decode(genesis.to_vec())?;
        let unknown = |why: &str| {
            Failure::new(Class::UnknownKey, format!("fork proof of {}: {why}", shown(&self.vkey.name)))
        };
        let Body::Ledger(ledger) = &genesis.body else { return Err(unknown("its genesis is none")) };
        if origin(&ledger.name, &genesis.id) != self.vkey.name {
            return Err(unknown("its genesis is of another ledger"));
        }
        if ledger.checkpoint_key != self.vkey.key {
            return Err(unknown("its genesis names another checkpoint key"));
        }
        Ok(())
    }
}
