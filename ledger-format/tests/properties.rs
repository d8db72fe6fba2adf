//! Properties over generated input: statements, the tree against an independent implementation, proofs,
//! notes, evidence.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use ct_merkle::array::Array;
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle::{ConsistencyProof, InclusionProof as CtInclusion, RootHash};
use ledger_format::evidence::Evidence;
use ledger_format::tree::{Frontier, Leaves, empty_root, leaf_hash};
use ledger_format::*;
use proptest::prelude::*;
use proptest::{collection, option};
use sha2::Sha256;
use support::log::{Log, details, public, run, session};
use support::raw::{ada, key};

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

// Bodies.

fn word(max: usize) -> impl Strategy<Value = String> {
    collection::vec(0x21u8..0x7f, 1..=max).prop_map(|bytes| String::from_utf8(bytes).unwrap())
}

fn identity() -> impl Strategy<Value = String> {
    "[A-Za-zäöüßа-яא-ת本語]([A-Za-z0-9äöüßа-яא-ת本語 .@<>-]{0,20}[a-z>])?"
}

fn reference() -> impl Strategy<Value = String> {
    (word(40), 0..99u8, "[!-~]{0,8}").prop_map(|(id, n, rest)| format!("{id}.v{n}{rest}"))
}

fn hash() -> impl Strategy<Value = Hash> {
    any::<[u8; 32]>()
}

fn entry() -> impl Strategy<Value = EntryId> {
    hash().prop_map(EntryId)
}

fn descriptor() -> impl Strategy<Value = Descriptor> {
    (hash(), hash(), any::<u64>(), word(127)).prop_map(|(blake3, sha256, size, media_type)| Descriptor {
        blake3: Address(blake3),
        sha256,
        size,
        media_type,
    })
}

fn public_key() -> impl Strategy<Value = PublicKey> {
    any::<[u8; 32]>().prop_map(|seed| public(&ed25519_dalek::SigningKey::from_bytes(&seed)))
}

fn commit() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![collection::vec(any::<u8>(), 20), collection::vec(any::<u8>(), 32)]
}

fn key_change() -> impl Strategy<Value = KeyChange> {
    let enrol = (identity(), public_key(), 1..8u8, option::of(identity())).prop_map(
        |(identity, key, bits, acting_for)| {
            let roles = Roles { admin: bits & 1 != 0, user: bits & 2 != 0, agent: bits & 4 != 0 };
            KeyChange::Enrol {
                who: Enrolment { identity, key },
                roles,
                acting_for: acting_for.filter(|_| roles.agent),
            }
        },
    );
    prop_oneof![
        enrol,
        (hash(), option::of(entry())).prop_map(|(kid, since)| KeyChange::Revoke { kid: Kid(kid), since }),
        public_key().prop_map(|key| KeyChange::Rotate { key }),
        public_key().prop_map(|key| KeyChange::Checkpoint { key }),
    ]
}

fn session_body() -> impl Strategy<Value = Session> {
    let used = (reference(), option::of(word(128)), descriptor())
        .prop_map(|(reference, gate, content)| Used { reference, gate, content });
    let prompts = collection::vec(used, 1..6).prop_map(|mut prompts| {
        prompts.sort_by(|a, b| a.reference.cmp(&b.reference));
        prompts.dedup_by(|a, b| a.reference == b.reference);
        prompts
    });
    let target = (commit(), any::<bool>()).prop_map(|(commit, dirty)| Target { commit, dirty });
    let words = (word(128), word(128));
    let renders =
        collection::hash_set(hash(), 0..4).prop_map(|ids| ids.into_iter().map(EntryId).collect::<Vec<_>>());
    let optional = (option::of(target), option::of(descriptor()), option::of(entry()), renders);
    (prompts, descriptor(), words, any::<u64>(), optional).prop_map(
        |(prompts, details, (tool, catalog), lint_warnings, (target, attachments, snapshot, renders))| {
            let life = None;
            Session {
                prompts,
                details,
                tool,
                catalog,
                lint_warnings,
                target,
                attachments,
                snapshot,
                renders,
                life,
            }
        },
    )
}

fn life() -> impl Strategy<Value = Life> {
    let events = collection::hash_set(hash(), 0..9).prop_map(|ids| ids.into_iter().map(EntryId).collect());
    (entry(), events).prop_map(|(start, events)| Life { start, events })
}

fn event_body() -> impl Strategy<Value = Event> {
    (entry(), descriptor(), option::of(descriptor())).prop_map(|(start, details, attachments)| Event {
        start,
        details,
        attachments,
    })
}

fn render_body() -> impl Strategy<Value = Render> {
    let prompt = (reference(), option::of(word(128)), descriptor())
        .prop_map(|(reference, gate, content)| Used { reference, gate, content });
    let options = collection::btree_set(word(128), 0..=16).prop_map(|words| words.into_iter().collect());
    let committed = (hash(), option::of(hash()));
    (prompt, word(128), word(128), options, committed, descriptor()).prop_map(
        |(prompt, engine, tool, options, (variables, input), output)| Render {
            prompt,
            engine,
            tool,
            options,
            variables,
            input,
            output,
        },
    )
}

fn run_body() -> impl Strategy<Value = Run> {
    let foreign = (entry(), descriptor(), any::<bool>()).prop_map(|(ledger, evidence, trusted)| Foreign {
        ledger,
        evidence,
        trusted,
    });
    let cited = (entry(), option::of(foreign)).prop_map(|(entry, foreign)| Cited { entry, foreign });
    (descriptor(), option::of(descriptor()), collection::vec(cited, 0..6))
        .prop_map(|(record, manifest, sessions)| Run { record, manifest, sessions })
}

fn ledger_body() -> impl Strategy<Value = Ledger> {
    let admin = (identity(), public_key()).prop_map(|(identity, key)| Enrolment { identity, key });
    let previous = (entry(), any::<u64>(), hash())
        .prop_map(|(ledger, size, root)| Previous { ledger, head: Head { size, root } });
    ("[a-z0-9.-]{1,64}", collection::vec(admin, 0..4), public_key(), any::<[u8; 16]>(), option::of(previous))
        .prop_map(|(name, admins, checkpoint_key, nonce, previous)| Ledger {
            name,
            admins,
            checkpoint_key,
            nonce,
            previous,
        })
}

/// A body with the name that it asks for.
fn body() -> impl Strategy<Value = (String, Body)> {
    let prompt =
        (reference(), descriptor()).prop_map(|(name, content)| (name, Body::Prompt(Prompt { content })));
    let lint = (any::<u64>(), any::<u64>());
    let snapshot = (word(256), descriptor(), option::of(commit()), option::of(word(128)), lint).prop_map(
        |(name, manifest, commit, tag, (lint_errors, lint_warnings))| {
            (name, Body::Snapshot(Snapshot { manifest, commit, tag, lint_errors, lint_warnings }))
        },
    );
    let import =
        (word(256), word(128), descriptor(), collection::vec(word(128), 0..=16), option::of(descriptor()))
            .prop_map(|(name, format, content, checked, details)| {
                (name, Body::Import(Import { format, content, checked, details }))
            });
    let erase = (hash(), option::of(descriptor())).prop_map(|(content, details)| {
        (hex::encode(content), Body::Erase(Erase { content: Address(content), details }))
    });
    let change = key_change().prop_map(|change| {
        let name = match &change {
            KeyChange::Enrol { who, .. } => who.key.kid(),
            KeyChange::Revoke { kid, .. } => *kid,
            KeyChange::Rotate { key } | KeyChange::Checkpoint { key } => key.kid(),
        };
        (hex::encode(name.0), Body::Key(change))
    });
    prop_oneof![
        ledger_body().prop_map(|ledger| (ledger.name.clone(), Body::Ledger(ledger))),
        change,
        prompt,
        (word(256), session_body(), option::of(life()))
            .prop_map(|(name, session, life)| (name, Body::Session(Session { life, ..session }))),
        (word(256), session_body()).prop_map(|(name, session)| (name, Body::Start(session))),
        (word(256), event_body()).prop_map(|(name, event)| (name, Body::Event(event))),
        (word(256), render_body()).prop_map(|(name, render)| (name, Body::Render(render))),
        (word(256), run_body()).prop_map(|(name, run)| (name, Body::Run(run))),
        snapshot,
        import,
        erase,
    ]
}

fn statement() -> impl Strategy<Value = (Statement, String, Head, u64, Body)> {
    (body(), identity(), any::<u64>(), (any::<u64>(), hash())).prop_map(
        |((name, body), issuer, time, (size, root))| {
            let head = Head { size, root };
            let draft = Draft { name: &name, issuer: &issuer, time, head, body: &body };
            (draft.sign(&ada()).unwrap(), issuer, head, time, body)
        },
    )
}

proptest! {
    #![proptest_config(cases(128))]

    /// What is written is read: every field, and the same bytes.
    #[test]
    fn statements_are_read_as_written((statement, issuer, head, time, body) in statement()) {
        let read = Statement::decode(statement.bytes().to_vec()).unwrap();
        prop_assert_eq!(&read, &statement);
        prop_assert_eq!(&read.body, &body);
        prop_assert_eq!((read.issuer.as_str(), read.head, read.time), (issuer.as_str(), head, time));
        prop_assert_eq!(read.kind.as_str(), body.kind().unwrap());
        prop_assert_eq!(read.subject(), format!("{}/{}", read.kind, read.name));
        prop_assert!(read.not_understood.is_empty());
        prop_assert!(read.verify(&public(&ada())).is_ok());
        prop_assert!(read.verify(&public(&key(9))).is_err());
        prop_assert_eq!(read.id.0, leaf_hash(statement.bytes()));
        prop_assert_eq!(read.id.to_string().parse::<EntryId>().unwrap(), read.id);
    }

    /// A changed statement never panics, never keeps its id, and never verifies.
    #[test]
    fn changed_statements_are_others(
        (statement, ..) in statement(),
        at in any::<prop::sample::Index>(),
        edit in prop_oneof![
            (1..=255u8).prop_map(Edit::Change),
            any::<u8>().prop_map(Edit::Insert),
            Just(Edit::Remove),
            Just(Edit::Cut),
        ],
    ) {
        let mut bytes = statement.bytes().to_vec();
        let at = at.index(bytes.len());
        match edit {
            Edit::Change(by) => bytes[at] ^= by,
            Edit::Insert(byte) => bytes.insert(at, byte),
            Edit::Remove => drop(bytes.remove(at)),
            Edit::Cut => bytes.truncate(at),
        }
        prop_assume!(bytes != statement.bytes());
        if let Ok(other) = Statement::decode(bytes) {
            prop_assert_ne!(other.id, statement.id);
            prop_assert!(other.verify(&public(&ada())).is_err());
        }
    }

    #[test]
    fn random_bytes_are_no_statement(bytes in collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Statement::decode(bytes).is_err());
    }
}

#[derive(Debug, Clone)]
enum Edit {
    Change(u8),
    Insert(u8),
    Remove,
    Cut,
}

// The tree, against ct-merkle.

fn data(n: usize) -> Vec<Vec<u8>> {
    (0..n).map(|i| format!("leaf {i}").into_bytes()).collect()
}

fn leaves(n: usize) -> Leaves {
    Leaves(data(n).iter().map(|leaf| leaf_hash(leaf)).collect())
}

fn oracle(n: usize) -> MemoryBackedTree<Sha256, Vec<u8>> {
    let mut tree = MemoryBackedTree::new();
    data(n).into_iter().for_each(|leaf| tree.push(leaf));
    tree
}

fn head(n: usize) -> Head {
    Head { size: n as u64, root: tree::root(&leaves(n), n as u64).unwrap() }
}

fn root_of(head: &Head) -> RootHash<Sha256> {
    RootHash::new(Array::from(head.root), head.size)
}

fn hashes(bytes: &[u8]) -> Vec<Hash> {
    bytes.chunks(32).map(|hash| hash.try_into().unwrap()).collect()
}

/// MUST: TREE-1
#[test]
fn roots_and_frontiers_are_the_oracle_s_for_every_size_to_200() {
    let mut frontier = Frontier::default();
    let mut completed = std::collections::HashMap::new();
    assert_eq!(frontier.head(), Head { size: 0, root: empty_root() });
    let all = leaves(200);
    for n in 0..=200usize {
        let root: Hash = (*oracle(n).root().as_bytes()).into();
        assert_eq!(head(n).root, root, "root of {n}");
        assert_eq!(frontier.head(), head(n), "pushed frontier of {n}");
        assert_eq!(Frontier::read(&leaves(n), n as u64).unwrap().head(), head(n), "read frontier of {n}");
        if let Some(leaf) = all.0.get(n) {
            frontier.push(*leaf, |level, index, hash| {
                assert!(completed.insert((level, index), *hash).is_none());
            });
        }
    }
    // What the frontier reported is what the tree has.
    let expected: Vec<_> =
        (0..8u8).flat_map(|level| (0..200u64 >> level).map(move |index| (level, index))).collect();
    for (level, index) in &expected {
        assert_eq!(completed.get(&(*level, *index)), Some(&tree::Nodes::node(&all, *level, *index).unwrap()));
    }
    assert!(completed.len() >= expected.len());
}

fn check_inclusion(n: usize, index: usize) {
    let ours = tree::inclusion_proof(&leaves(n), index as u64, n as u64).unwrap();
    let theirs = oracle(n).prove_inclusion(index);
    assert_eq!(ours, hashes(theirs.as_bytes()), "leaf {index} of {n}");
    tree::verify_inclusion(&leaves(n).0[index], index as u64, &head(n), &ours).unwrap();
    let proof = CtInclusion::<Sha256>::try_from_bytes(ours.concat()).unwrap();
    root_of(&head(n)).verify_inclusion(&data(n)[index], index as u64, &proof).unwrap();
}

fn check_consistency(old: usize, new: usize) {
    let ours = tree::consistency_proof(&leaves(new), old as u64, new as u64).unwrap();
    tree::verify_consistency(&head(old), &head(new), &ours).unwrap();
    if old > 0 && old < new {
        let theirs = oracle(new).prove_consistency(new - old);
        assert_eq!(ours, hashes(theirs.as_bytes()), "from {old} to {new}");
        let proof = ConsistencyProof::<Sha256>::try_from_bytes(ours.concat()).unwrap();
        root_of(&head(new)).verify_consistency(&root_of(&head(old)), &proof).unwrap();
    }
}

#[test]
fn proofs_are_the_oracle_s_for_every_small_tree() {
    for n in 1..=33 {
        (0..n).for_each(|index| check_inclusion(n, index));
        (0..=n).for_each(|old| check_consistency(old, n));
    }
}

/// Every changed proof is refused, and so is every proof under another head.
/// MUST: PROOF-1 PROOF-2
#[test]
fn changed_proofs_are_refused() {
    let refused = |verdict: Result<(), Failure>| assert_eq!(verdict.unwrap_err().class, Class::BadProof);
    for n in 1..=17usize {
        let head_n = head(n);
        let other_root = Head { root: [1; 32], ..head_n };
        for index in 0..n {
            let (leaf, at) = (leaves(n).0[index], index as u64);
            let proof = tree::inclusion_proof(&leaves(n), at, n as u64).unwrap();
            refused(tree::verify_inclusion(&leaf, at, &other_root, &proof));
            refused(tree::verify_inclusion(&[1; 32], at, &head_n, &proof));
            for changed in changes(&proof) {
                refused(tree::verify_inclusion(&leaf, at, &head_n, &changed));
            }
            for other in (0..n as u64 + 3).filter(|other| *other != at) {
                refused(tree::verify_inclusion(&leaf, other, &head_n, &proof));
            }
        }
        for old in 0..=n {
            let head_old = head(old);
            let proof = tree::consistency_proof(&leaves(n), old as u64, n as u64).unwrap();
            refused(tree::verify_consistency(&Head { root: [1; 32], ..head_old }, &head_n, &proof));
            if old > 0 {
                refused(tree::verify_consistency(&head_old, &other_root, &proof));
            }
            for changed in changes(&proof) {
                refused(tree::verify_consistency(&head_old, &head_n, &changed));
            }
        }
    }
}

/// One hash more at either end, one less, one changed, two swapped.
fn changes(proof: &[Hash]) -> Vec<Vec<Hash>> {
    let mut changes = vec![[proof, &[[0; 32]]].concat(), [&[[0; 32]], proof].concat()];
    for at in 0..proof.len() {
        let mut changed = proof.to_vec();
        changed[at][31] ^= 1;
        changes.push(changed);
        let mut changed = proof.to_vec();
        changed.remove(at);
        changes.push(changed);
        if at > 0 && proof[at] != proof[at - 1] {
            let mut changed = proof.to_vec();
            changed.swap(at, at - 1);
            changes.push(changed);
        }
    }
    changes
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn proofs_are_the_oracle_s(n in 1..700usize, a in any::<prop::sample::Index>(), b in any::<prop::sample::Index>()) {
        check_inclusion(n, a.index(n));
        check_consistency(b.index(n + 1), n);
    }

    #[test]
    fn verifying_random_proofs_never_panics(
        index in any::<u64>(), old in any::<u64>(), new in any::<u64>(), root in hash(), leaf in hash(),
        proof in collection::vec(hash(), 0..70),
    ) {
        let (old, new) = (Head { size: old, root: leaf }, Head { size: new, root });
        prop_assert!(tree::verify_inclusion(&leaf, index, &new, &proof).is_err());
        prop_assert!(tree::verify_consistency(&old, &new, &proof).is_err());
    }
}

// Text forms.

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn checkpoints_are_read_as_written(origin in "[!-*,-~]{1,80}", size in any::<u64>(), root in hash()) {
        let written = Checkpoint { origin: origin.clone(), head: Head { size, root } };
        let note = written.sign(&key(2)).unwrap();
        let vkey = VerifierKey { name: origin, key: public(&key(2)) };
        prop_assert_eq!(&Checkpoint::open(&note, &vkey).unwrap(), &written);
        prop_assert_eq!(&VerifierKey::parse(&vkey.to_string()).unwrap(), &vkey);
        let other = VerifierKey { key: public(&key(3)), ..vkey };
        prop_assert_eq!(Checkpoint::open(&note, &other).unwrap_err().class, Class::UnknownKey);
    }

    #[test]
    fn tlog_proofs_are_read_as_written(index in any::<u64>(), path in collection::vec(hash(), 0..=63), note in "\\PC{1,40}\n") {
        let written = InclusionProof { index, path, checkpoint: note.into_bytes() };
        prop_assert_eq!(InclusionProof::parse(&written.to_bytes()).unwrap(), written);
    }

    /// Text that looks like a note, and bytes that do not.
    #[test]
    fn reading_text_never_panics(text in "([a-z0-9/+=— \n]{0,12}\n){0,8}", bytes in collection::vec(any::<u8>(), 0..100)) {
        for bytes in [text.as_bytes(), &bytes] {
            let _ = Checkpoint::parse(bytes);
            let _ = InclusionProof::parse(bytes);
            prop_assert!(Evidence::open(bytes).is_err());
        }
        let _ = VerifierKey::parse(&text);
        let _ = Checkpoint::from_text(&text);
    }

    #[test]
    fn a_changed_checkpoint_is_refused(at in any::<prop::sample::Index>(), by in 1..=255u8) {
        let log = Log::new();
        let vkey = VerifierKey { name: log.origin(), key: public(&log.log_key) };
        let mut note = log.checkpoint();
        let at = at.index(note.len());
        note[at] ^= by;
        prop_assert!(Checkpoint::open(&note, &vkey).is_err());
    }

    #[test]
    fn details_are_read_as_written(salt in any::<[u8; 16]>(), fields in collection::btree_map("\\PC{0,10}", "\\PC{0,30}", 0..5)) {
        let written = Details { salt, fields };
        prop_assert_eq!(Details::parse(&written.to_bytes()).unwrap(), written);
    }
}

// Evidence and whole logs, every byte.

/// Every changed byte of an evidence file is refused, or takes a part out of it by its name.
#[test]
fn every_changed_byte_of_evidence_is_noticed() {
    let mut log = Log::new();
    log.ada("P00.v1", support::log::prompt(b"prompt"));
    let good = support::evidence::pack(&log, 1, &[0], &[b"prompt"]);
    assert!(Evidence::open(&good).unwrap().unexpected.is_empty());
    for at in 0..good.len() {
        let mut tar = good.clone();
        tar[at] ^= if at % 2 == 0 { 0x01 } else { 0x80 };
        if let Ok(evidence) = Evidence::open(&tar) {
            assert!(!evidence.unexpected.is_empty(), "byte {at}");
        }
    }
    for length in 0..good.len() {
        assert!(Evidence::open(&good[..length]).is_err(), "cut to {length} bytes");
    }
}

/// In an audited log no bit can be changed: not in the last statement, and not before it.
/// MUST: STMT-12 STMT-13 HEAD-7
#[test]
fn every_changed_bit_of_a_log_is_refused() {
    let mut log = Log::new();
    log.enrol("bob", &key(3), &["user"]);
    log.add(&key(3), "bob", "P00.v1", support::log::prompt(b"prompt"));
    let id = log.add(&key(3), "bob", "s-1", session(&[("P00.v1", b"prompt")]));
    log.add(&key(3), "bob", "r-1", run(&[id]));
    let (name, body) = support::log::erase(&details("a note"));
    log.ada(&name, body);
    assert!(log.audit().is_ok());
    for index in 0..log.statements.len() {
        for bit in 0..log.statements[index].len() * 8 {
            let mut changed = log.clone();
            changed.statements[index][bit / 8] ^= 1 << (bit % 8);
            let Err((at, _)) = changed.audit() else { panic!("entry {index}, bit {bit} was not noticed") };
            assert_eq!(at, index, "entry {index}, bit {bit} was noticed only later");
            if bit % 16 == 3 {
                let deferred = changed.audit_deferring().err();
                assert_eq!(deferred, changed.audit().err(), "entry {index}, bit {bit}");
            }
        }
    }
}

#[test]
fn no_byte_of_a_fork_proof_can_be_another() {
    let (one, other) = support::witnesses::forked();
    let good = support::witnesses::fork(&one, 3, &other, 6).to_bytes();
    let judge = |bytes: &[u8]| ForkProof::parse(bytes).and_then(|proof| proof.verify());
    assert!(judge(&good).is_ok());
    for at in 0..good.len() {
        for bit in [0x01, 0x20, 0x80] {
            let mut bad = good.clone();
            bad[at] ^= bit;
            assert!(judge(&bad).is_err(), "byte {at}");
        }
        assert!(judge(&good[..at]).is_err(), "cut at {at}");
    }
}

proptest! {
    #![proptest_config(cases(512))]

    /// Whatever the texts are, they are read or refused; what is read is written as it was.
    #[test]
    fn texts_of_witnesses_are_read_or_refused(lines in collection::vec(any::<(u8, u8)>(), 0..24), junk in ".{0,40}") {
        let vkey = VerifierKey { name: "a/b".into(), key: support::log::public(&support::raw::key(2)) };
        let witness = support::witnesses::witness("w", 3);
        let words = ["log", "witness", "group", "quorum", "all", "any", "2", "w", "none", "old 3", "root", "path",
            "genesis", "promptos fork proof v1", "", "\n"];
        let (vkey, witness) = (format!("vkey {vkey}"), witness.to_string());
        let mut text = String::new();
        for (word, end) in lines {
            text.push_str(match word as usize % 20 {
                16 => &junk,
                17 => &vkey,
                18 => &witness,
                19 => "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
                at => words[at],
            });
            text.push(if end % 3 == 0 { '\n' } else { ' ' });
        }
        if let Ok(proof) = ForkProof::parse(text.as_bytes()) {
            prop_assert_eq!(proof.to_bytes(), text.as_bytes());
        }
        if let Ok(submission) = Submission::parse(text.as_bytes()) {
            prop_assert_eq!(submission.to_bytes(), text.as_bytes());
        }
        if let Ok(policy) = Policy::parse(text.as_bytes()) {
            prop_assert!(policy.judge(text.as_bytes()).is_err());
        }
    }
}
