//! A statement that is accepted keeps its bytes, has their leaf hash as its id, can be written again with the
//! same meaning, and whatever it says can be judged.
#![no_main]

use ledger_format::{Auditor, Body, Draft, Enrolment, Head, Ledger, PublicKey, Signer, Statement, tree};
use libfuzzer_sys::fuzz_target;
use promptos_fuzz::{Log, founder, log_key};

fuzz_target!(|data: &[u8]| {
    let Ok(statement) = Statement::decode(data.to_vec()) else { return };
    assert_eq!(statement.bytes(), data);
    assert_eq!(statement.id.0, tree::leaf_hash(data));
    assert_eq!(statement.subject(), format!("{}/{}", statement.kind, statement.name));

    // Nobody here signed it but who forges Ed25519.
    let founder = founder();
    let key = PublicKey::new(&founder.public_key()).unwrap();
    assert!(statement.verify(&key).is_err());

    // What it says, said by us. What is not understood cannot be written.
    if matches!(statement.body, Body::Unknown) || !statement.not_understood.is_empty() {
        return;
    }
    let Statement { name, issuer, time, body, .. } = &statement;
    let again = Draft { name, issuer, time: *time, head: statement.head, body }.sign(&founder).unwrap();
    assert_eq!(again.bytes().len(), data.len());
    assert_eq!(
        (&again.name, &again.issuer, again.time, again.head, &again.body),
        (name, issuer, *time, statement.head, body)
    );
    again.verify(&key).unwrap();

    // It may stand or not, as the first entry or the second, but it is judged.
    let mut log = Log::default();
    let _ = Auditor::default().push(again.bytes(), &log);
    let genesis = Body::Ledger(Ledger {
        name: "fuzz".into(),
        admins: vec![Enrolment { identity: issuer.clone(), key: key.clone() }],
        checkpoint_key: PublicKey::new(&log_key().public_key()).unwrap(),
        nonce: [7; 16],
        previous: None,
    });
    let genesis = Draft { name: "fuzz", issuer, time: 0, head: Head::empty(), body: &genesis };
    log.0.push(genesis.sign(&founder).unwrap());
    let mut auditor = Auditor::default();
    auditor.push(log.0[0].bytes(), &log).unwrap().unwrap();
    let before = auditor.head();
    let here = Draft { name, issuer, time: *time, head: before, body }.sign(&founder).unwrap();
    match auditor.push(here.bytes(), &log) {
        Ok(Ok(taken)) => assert_eq!((taken.id, auditor.head().size), (here.id, 2)),
        Ok(Err(_)) | Err(_) => assert_eq!(auditor.head(), before),
    }
});
