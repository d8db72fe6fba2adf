//! What several fuzz targets need: keys that never change, and a small ledger made with them.

use ed25519_dalek::SigningKey;
use ledger_format::{EntryId, Failure, Head, History, Located, tree};
use promptos::catalog::Catalog;
use promptos::ledger::{Access, Author, Create, Ledger};
use promptos::session::{SessionRequest, plan_session, session_json};
use std::path::Path;
use std::time::Duration;

const TIME: u64 = 1_700_000_000;

/// The founder of every ledger here. No vector is signed with it, or the targets would call that a forgery.
pub fn founder() -> SigningKey {
    SigningKey::from_bytes(&[0xf1; 32])
}

/// The key that signs their checkpoints.
pub fn log_key() -> SigningKey {
    SigningKey::from_bytes(&[0xf2; 32])
}

/// Statements in memory, by index, as the history that an auditor asks.
#[derive(Default)]
pub struct Log(pub Vec<ledger_format::Statement>);

impl Log {
    fn leaves(&self, size: u64) -> tree::Leaves {
        tree::Leaves(self.0.iter().take(size as usize).map(|statement| statement.id.0).collect())
    }
}

impl History for Log {
    type Error = Failure;

    fn consistency(&self, old: &Head, new: &Head) -> Result<Vec<ledger_format::Hash>, Failure> {
        // A stranger's head may be of any size: what cannot be answered is answered with nothing.
        Ok(tree::consistency_proof(&self.leaves(new.size), old.size, new.size).unwrap_or_default())
    }

    fn locate(&self, id: &EntryId, head: &Head) -> Result<Option<Located>, Failure> {
        let Some(index) = self.0.iter().position(|s| s.id == *id).map(|index| index as u64) else {
            return Ok(None);
        };
        if index >= head.size {
            return Ok(None);
        }
        let path = tree::inclusion_proof(&self.leaves(head.size), index, head.size)?;
        Ok(Some(Located { index, statement: self.0[index as usize].bytes().to_vec(), path }))
    }
}

/// A small ledger: what its file holds, and what is said of it.
pub struct Sample {
    /// The redb file, closed.
    pub file: Vec<u8>,
    /// Its head.
    pub head: Head,
    /// Evidence of its first session.
    pub evidence: Vec<u8>,
    /// That session as `prompt_session.json`.
    pub session: Vec<u8>,
}

impl Sample {
    /// The same bytes in every process.
    pub fn make() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.redb");
        let (signer, log_key) = (founder(), log_key());
        let author = Author { signer: &signer, log_key: &log_key, time: TIME };
        let create = Create { name: "fuzz", identity: "ada", nonce: [7; 16], previous: None };
        assert!(Ledger::create_file(&path, &create, &author).unwrap());
        let attachment = folder.path().join("notes.txt");
        std::fs::write(&attachment, "attached\n".repeat(20)).unwrap();
        let ledger = open(&path, Access::Write).unwrap();
        let catalog = Catalog::load(&[], true).unwrap();
        for (n, prompts) in [["P00", "P01"], ["P00", "P05"], ["P03", "P08"]].into_iter().enumerate() {
            let prompts = prompts.map(str::to_owned);
            let request = SessionRequest {
                id: format!("s-{n}"),
                prompts: &prompts,
                details: [("developer", "Ada"), ("target", "fuzz"), ("notes", "")]
                    .map(|(name, text)| (name.to_owned(), text.to_owned()))
                    .into(),
                target: None,
                attachments: if n == 1 { std::slice::from_ref(&attachment) } else { &[] },
                renders: &[],
                allow_secret: None,
                lint: promptos::catalog::Policy::default(),
                tool: "0.1.0".to_owned(),
                catalog_version: "UNRELEASED".to_owned(),
                salts: [[3; 16], [4; 16]],
            };
            ledger.append(&author, &plan_session(&catalog, &request).unwrap().new).unwrap();
        }
        let head = ledger.head().unwrap();
        let first = ledger.entry(1).unwrap().unwrap();
        let evidence = ledger.take_evidence(&first).unwrap();
        let session = serde_json::to_vec_pretty(&session_json(&ledger, &first).unwrap()).unwrap();
        drop(ledger);
        Self { file: std::fs::read(&path).unwrap(), head, evidence, session }
    }
}

/// Opens a ledger file that nobody else has open.
pub fn open(path: &Path, access: Access) -> promptos::error::Result<Ledger> {
    Ledger::open_file(path, access, Duration::ZERO, &mut |_| {})
}
