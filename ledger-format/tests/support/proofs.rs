//! Inclusion and consistency proofs, and tlog-proofs.

use super::Vector;
use super::log::{self, Log, public};
use super::raw::key;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ledger_format::Class::{BadProof, BadSignature, Malformed, TooLarge};
use ledger_format::tree::{self, Head, Leaves, leaf_hash};
use ledger_format::{Hash, VerifierKey};

fn leaves(n: u64) -> Leaves {
    Leaves((0..n).map(|i| leaf_hash(format!("leaf {i}").as_bytes())).collect())
}

fn head(size: u64) -> Head {
    Head { size, root: tree::root(&leaves(size), size).unwrap() }
}

fn inclusion(vector: Vector, leaf: &Hash, index: u64, head: Head, path: &[Hash]) -> Vector {
    vector
        .hex("leaf", leaf)
        .number("index", index)
        .number("size", head.size)
        .hex("root", head.root)
        .list("path", path)
}

fn consistency(vector: Vector, old: Head, new: Head, path: &[Hash]) -> Vector {
    let vector = vector.number("old-size", old.size).hex("old-root", old.root);
    vector.number("new-size", new.size).hex("new-root", new.root).list("path", path)
}

pub fn add(all: &mut Vec<Vector>) {
    for size in 1..=8u64 {
        for index in 0..size {
            let path = tree::inclusion_proof(&leaves(size), index, size).unwrap();
            let what = format!("leaf {index} of {size}");
            let vector =
                Vector::accept("proof-inclusion", &format!("{index}-of-{size}"), "PROOF-1 TREE-1", &what);
            all.push(inclusion(vector, &leaves(size).0[index as usize], index, head(size), &path));
        }
    }
    for new in 0..=8u64 {
        for old in 0..=new {
            let path = tree::consistency_proof(&leaves(new), old, new).unwrap();
            let what = format!("size {new} extends size {old}");
            let vector =
                Vector::accept("proof-consistency", &format!("{old}-to-{new}"), "PROOF-2 TREE-1", &what);
            all.push(consistency(vector, head(old), head(new), &path));
        }
    }
    let path = |index, size| tree::inclusion_proof(&leaves(size), index, size).unwrap();
    let leaf = |index: u64| leaves(8).0[index as usize];
    let edited = |mut path: Vec<Hash>, edit: fn(&mut Vec<Hash>)| {
        edit(&mut path);
        path
    };
    let zero = [0; 32];
    let not_root = Head { size: 7, root: zero };
    for (name, what, leaf, index, head, path) in [
        ("too-long", "a hash too many", leaf(3), 3, head(7), edited(path(3, 7), |p| p.push([0; 32]))),
        (
            "too-short",
            "a hash is missing",
            leaf(3),
            3,
            head(7),
            edited(path(3, 7), |p| p.truncate(p.len() - 1)),
        ),
        ("empty", "no hash at all", leaf(3), 3, head(7), vec![]),
        ("swapped", "two hashes changed places", leaf(3), 3, head(7), edited(path(3, 7), |p| p.swap(0, 1))),
        ("reversed", "the root's child first", leaf(3), 3, head(7), edited(path(3, 7), |p| p.reverse())),
        ("changed", "another hash", leaf(3), 3, head(7), edited(path(3, 7), |p| p[1][0] ^= 1)),
        ("other-root", "another root", leaf(3), 3, not_root, path(3, 7)),
        ("other-leaf", "another leaf", leaf(2), 3, head(7), path(3, 7)),
        ("other-index", "another index", leaf(3), 2, head(7), path(3, 7)),
        ("other-size", "another size", leaf(3), 3, Head { size: 9, ..head(7) }, path(3, 7)),
        ("outside", "the index is the size", leaf(6), 7, head(7), path(6, 7)),
        ("empty-tree", "a leaf of the empty tree", leaf(0), 0, head(0), vec![]),
        ("one-too-long", "a hash for the only leaf", leaf(0), 0, head(1), vec![zero]),
        (
            "node-as-leaf",
            "an inner node as a leaf of a smaller tree",
            tree::node_hash(&leaf(0), &leaf(1)),
            0,
            head(4),
            path(0, 4)[1..].to_vec(),
        ),
    ] {
        all.push(inclusion(
            Vector::reject(BadProof, "proof-inclusion", name, "PROOF-1", what),
            &leaf,
            index,
            head,
            &path,
        ));
    }
    let path = |old, new| tree::consistency_proof(&leaves(new), old, new).unwrap();
    let bad = |size| Head { size, root: zero };
    for (name, what, old, new, path) in [
        ("too-long", "a hash too many", head(3), head(7), edited(path(3, 7), |p| p.push([0; 32]))),
        ("too-short", "a hash is missing", head(3), head(7), edited(path(3, 7), |p| p.truncate(p.len() - 1))),
        ("empty", "no hash at all", head(3), head(7), vec![]),
        ("empty-from-power", "no hash at all, from a complete tree", head(4), head(7), vec![]),
        ("swapped", "two hashes changed places", head(3), head(7), edited(path(3, 7), |p| p.swap(0, 1))),
        ("changed", "another hash", head(3), head(7), edited(path(3, 7), |p| p[1][0] ^= 1)),
        ("other-old-root", "another old root", bad(3), head(7), path(3, 7)),
        ("other-new-root", "another new root", head(3), bad(7), path(3, 7)),
        (
            "roots-swapped",
            "the roots changed places",
            Head { root: head(7).root, ..head(3) },
            Head { root: head(3).root, ..head(7) },
            path(3, 7),
        ),
        ("backwards", "the new tree is the smaller one", head(7), head(3), path(3, 7)),
        ("equal-sizes", "equal sizes and other roots", head(7), bad(7), vec![]),
        ("equal-sizes-too-long", "a hash between equal sizes", head(7), head(7), vec![zero]),
        ("from-0-too-long", "a hash from size 0", head(0), head(7), vec![zero]),
        ("from-0-other-root", "size 0 with another root", bad(0), head(7), vec![]),
    ] {
        all.push(consistency(
            Vector::reject(BadProof, "proof-consistency", name, "PROOF-2", what),
            old,
            new,
            &path,
        ));
    }
    tlog_proofs(all);
}

fn tlog_proofs(all: &mut Vec<Vector>) {
    let mut log = Log::new();
    for n in 0..4 {
        log.ada(&format!("s-{n}"), log::session(&[("P00.v1", b"prompt")]));
    }
    let vkey = VerifierKey { name: log.origin(), key: public(&log.log_key) }.to_string();
    let item = log.item(2);
    let leaf = item.statement.id.0;
    let text = String::from_utf8(item.proof.to_bytes()).unwrap();
    let fill = |vector: Vector, text: &str| vector.text("proof", text).hex("leaf", leaf).text("vkey", &vkey);
    all.push(fill(Vector::accept("tlog-proof", "", "PROOF-3", "entry 2 of 5"), &text));
    let cosigned = format!("{text}— witness.example {}\n", BASE64.encode([8; 76]));
    all.push(fill(
        Vector::accept("tlog-proof", "cosigned", "PROOF-3 NOTE-3", "a checkpoint with a further line"),
        &cosigned,
    ));
    let line = |n: usize| format!("{}\n", text.lines().nth(n).unwrap());
    let many = |n: usize| {
        format!("{}{}{}", line(0), line(1), format!("{}\n", BASE64.encode([0; 32])).repeat(n))
            + &text[text.find("\n\n").unwrap() + 1..]
    };
    let mut forged = log.clone();
    forged.log_key = key(7);
    let forged = String::from_utf8(forged.item(2).proof.to_bytes()).unwrap();
    // The name and key id of the real key on the line of another one.
    let (real, fake) = (text.lines().last().unwrap(), forged.lines().last().unwrap());
    let id = |line: &str| BASE64.decode(line.rsplit(' ').next().unwrap()).unwrap();
    let line_of = BASE64.encode([&id(real)[..4], &id(fake)[4..]].concat());
    let impostor = format!("{}— {} {line_of}\n", &text[..text.rfind("— ").unwrap()], log.origin());
    for (class, name, what, text) in [
        (Malformed, "header", "another first line", text.replace("tlog-proof@v1", "tlog-proof@v2")),
        (Malformed, "extra", "an extra line", text.replacen("\nindex", "\nextra AAAA\nindex", 1)),
        (Malformed, "no-index", "no index", text.replacen(&line(1), "", 1)),
        (Malformed, "index-zeros", "an index with a leading zero", text.replacen("index 2", "index 02", 1)),
        (Malformed, "index-plus", "an index with a sign", text.replacen("index 2", "index +2", 1)),
        (
            Malformed,
            "hash-short",
            "a hash of 31 bytes",
            text.replacen(&line(2), &format!("{}\n", BASE64.encode([0; 31])), 1),
        ),
        (
            Malformed,
            "hash-not-base64",
            "a hash in hex",
            text.replacen(&line(2), &format!("{}\n", hex::encode([0; 32])), 1),
        ),
        (Malformed, "crlf", "lines that end with CR LF", text.replace('\n', "\r\n")),
        (Malformed, "no-checkpoint", "no checkpoint", text[..=text.find("\n\n").unwrap()].to_owned()),
        (TooLarge, "64-hashes", "64 hashes", many(64)),
        (BadProof, "63-hashes", "63 hashes are read and prove nothing here", many(63)),
        (BadProof, "other-index", "another index", text.replacen("index 2", "index 1", 1)),
        (BadProof, "outside", "an index outside the tree", text.replacen("index 2", "index 5", 1)),
        (BadProof, "short", "a hash is missing", text.replacen(&line(2), "", 1)),
        (BadSignature, "impostor", "the line of the checkpoint key is signed by another key", impostor),
    ] {
        let must = if class == BadSignature { "NOTE-3" } else { "PROOF-3" };
        all.push(fill(Vector::reject(class, "tlog-proof", name, must, what), &text));
    }
}
