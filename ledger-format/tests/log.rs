//! A small ledger through the whole format: genesis, session, run, audit, evidence.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a test may

use ed25519_dalek::SigningKey;
use ledger_format::evidence::{self, Evidence, Item};
use ledger_format::tree::{self, Leaves};
use ledger_format::*;

struct Log {
    key: SigningKey,
    log_key: SigningKey,
    statements: Vec<Statement>,
}

impl History for Log {
    type Error = Failure;
    fn consistency(&self, old: &Head, new: &Head) -> Result<Vec<Hash>, Failure> {
        tree::consistency_proof(&self.leaves(), old.size, new.size)
    }
    fn locate(&self, id: &EntryId, head: &Head) -> Result<Option<Located>, Failure> {
        let Some(index) = self.statements.iter().position(|s| s.id == *id) else { return Ok(None) };
        let path = tree::inclusion_proof(&self.leaves(), index as u64, head.size)?;
        let statement = self.statements[index].bytes().to_vec();
        Ok(Some(Located { index: index as u64, statement, path }))
    }
}

impl Log {
    fn new() -> Self {
        let key = SigningKey::from_bytes(&[1; 32]);
        let log_key = SigningKey::from_bytes(&[2; 32]);
        let mut log = Self { key, log_key, statements: Vec::new() };
        let public = |key: &SigningKey| PublicKey::new(&key.public_key()).unwrap();
        let genesis = Body::Ledger(Ledger {
            name: "test".into(),
            admins: vec![Enrolment { identity: "ada".into(), key: public(&log.key) }],
            checkpoint_key: public(&log.log_key),
            nonce: [7; 16],
            previous: None,
        });
        log.append("test", genesis);
        log
    }

    fn leaves(&self) -> Leaves {
        Leaves(self.statements.iter().map(|s| s.id.0).collect())
    }

    fn head(&self) -> Head {
        let size = self.statements.len() as u64;
        Head { size, root: tree::root(&self.leaves(), size).unwrap() }
    }

    fn append(&mut self, name: &str, body: Body) -> EntryId {
        let draft = Draft { name, issuer: "ada", time: 1_700_000_000, head: self.head(), body: &body };
        self.statements.push(draft.sign(&self.key).unwrap());
        self.statements.last().unwrap().id
    }

    fn audit(&self) -> Result<Auditor, Failure> {
        let mut auditor = Auditor::default();
        for statement in &self.statements {
            auditor.push(statement.bytes(), self)??;
        }
        Ok(auditor)
    }

    fn item(&self, index: usize) -> Item {
        let origin = origin("test", &self.statements[0].id);
        let checkpoint = Checkpoint { origin, head: self.head() }.sign(&self.log_key).unwrap();
        let path = tree::inclusion_proof(&self.leaves(), index as u64, self.head().size).unwrap();
        let proof = InclusionProof { index: index as u64, path, checkpoint };
        Item { statement: self.statements[index].clone(), proof }
    }
}

fn session(prompt: &[u8], details: &[u8]) -> Body {
    Body::Session(Session {
        prompts: vec![Used {
            reference: "P00.v1".into(),
            gate: Some("P00".into()),
            content: Descriptor::of(prompt, "text/markdown"),
        }],
        details: Descriptor::of(details, "application/cbor"),
        tool: "v0.1.0".into(),
        catalog: "UNRELEASED".into(),
        lint_warnings: 0,
        target: None,
        attachments: None,
    })
}

#[test]
fn a_ledger_audits_and_its_evidence_opens() {
    let mut log = Log::new();
    let id = log.append("s-1", session(b"prompt", b"details"));
    let cited = Cited { entry: id, foreign: None };
    let run =
        Run { record: Descriptor::of(b"{}", "application/json"), manifest: None, sessions: vec![cited] };
    log.append("r-1", Body::Run(run));
    let auditor = log.audit().unwrap();
    assert_eq!(auditor.head(), log.head());

    let blobs: [&[u8]; 3] = [b"prompt", b"details", b"{}"];
    let tar = evidence::pack(&log.item(2), &[log.item(0), log.item(1)], &blobs);
    let opened = Evidence::open(&tar).unwrap();
    assert_eq!(opened.subject.statement.id, log.statements[2].id);
    assert!(opened.unexpected.is_empty());

    let tar =
        evidence::pack(&log.item(2), &[log.item(0), log.item(1)], &[b"prompt", b"details", b"{}", b"more"]);
    assert_eq!(Evidence::open(&tar).unwrap().unexpected.len(), 1);
}

#[test]
fn other_bytes_under_a_bound_ref_are_refused() {
    let mut log = Log::new();
    log.append("s-1", session(b"prompt", b"details"));
    log.append("s-2", session(b"another prompt", b"details"));
    assert_eq!(log.audit().unwrap_err().class, Class::RefRebound);
}
