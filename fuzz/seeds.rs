//! Writes the seeds of every target to `corpus/`, from the format's vectors, the built-in prompts and a small
//! ledger. They are made anew instead of being kept.

use promptos_fuzz::Sample;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn seed(target: &str, name: &str, bytes: &[u8]) {
    let folder = root().join("corpus").join(target);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(name), bytes).unwrap();
}

fn files(folder: PathBuf) -> Vec<(String, Vec<u8>)> {
    let mut found: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_file())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect();
    found.sort();
    found
}

fn main() {
    for verdict in ["accept", "reject"] {
        for (name, json) in files(root().join("../ledger-format/vectors").join(verdict)) {
            let vector: Value = serde_json::from_slice(&json).unwrap();
            let text = |key: &str| vector.get(key).and_then(Value::as_str);
            let bytes = |key: &str| text(key).and_then(|digits| hex::decode(digits).ok());
            let put = |target: &str, bytes: Option<Vec<u8>>| {
                bytes.into_iter().for_each(|bytes| seed(target, &format!("{verdict}-{name}"), &bytes));
            };
            match text("kind") {
                Some("statement") => {
                    put("statement", bytes("statement"));
                    put("cbor", bytes("statement"));
                }
                Some("log") => {
                    let last = vector["statements"].as_array().and_then(|all| all.last()?.as_str());
                    put("statement", last.and_then(|digits| hex::decode(digits).ok()));
                }
                Some("checkpoint") => put("checkpoint", text("note").map(Into::into)),
                Some("tlog-proof") => put("proof", text("proof").map(Into::into)),
                Some("receipt") => put("envelope", bytes("receipt")),
                Some("transparent-statement") => put("envelope", bytes("transparent-statement")),
                Some("vkey") => put("vkey", text("vkey").map(Into::into)),
                Some("public-key") => {
                    put("vkey", bytes("public-key"));
                }
                Some("evidence") => put("evidence", bytes("tar")),
                _ => {}
            }
        }
    }
    for (name, prompt) in files(root().join("../prompts")) {
        seed("frontmatter", &name, &prompt);
    }
    for verdict in ["accept", "reject"] {
        for (name, text) in files(root().join("../tests/workflows").join(verdict)) {
            seed("workflow", &format!("{verdict}-{name}"), &text);
        }
    }
    let lock = format!("promptos-lock 1\nP00.v1 blake3:{0} sha256:{0}\n", "a5".repeat(32));
    seed("workflow", "lock", lock.as_bytes());
    let tnh = "---\nkey: a/b\nname: B\nversion: 1.0\ndescription: what it does\ntask_type: t\n\
               required_variables: [x]\noptional_variables: []\ntags: [a, \"b\"]\n---\n{{ x }} {% if y %}z{% endif %}\n";
    seed("frontmatter", "tnh.md", tnh.as_bytes());
    let old = "---\nid: P00\ntitle: Plan\nversion: '1.0'\n---\n# P00\n\n## Prompt\n\n```\ntext\n```\n";
    seed("frontmatter", "old.md", old.as_bytes());

    let sample = Sample::make();
    seed("evidence", "sample", &sample.evidence);
    seed("session_json", "new", &sample.session);
    let old = r#"{"timestamp_utc":"2026-01-02T03:04:05Z","prompt_os_version":"1.0","prompts_used":["P00","P01"],"developer":"Ada","target_repo":"r","notes":"","lint_passed":true}"#;
    seed("session_json", "old", old.as_bytes());
    let evidence = ledger_format::evidence::Evidence::open(&sample.evidence).unwrap();
    for (address, blob) in &evidence.blobs {
        seed("cbor", &hex::encode(address.0), blob);
    }
    let manifest = ledger_format::Manifest {
        salt: [5; 16],
        files: vec![ledger_format::ManifestFile {
            path: "a/b.txt".into(),
            reference: Some("b.v1".into()),
            content: ledger_format::Descriptor::of(b"b", "text/plain"),
            kept: true,
        }],
    };
    seed("cbor", "manifest", &manifest.to_bytes());
    // Each page's first bytes, and some of its middle.
    for page in 0..(sample.file.len() / 4096) as u32 {
        for inside in [0, 8, 100] {
            let [a, b, c, _] = (page * 4096 + inside).to_le_bytes();
            seed(
                "redb_image",
                &format!("page-{page:03}-{inside}"),
                &[(inside % 3) as u8, a, b, c, 3, 1, 255, 0, 7],
            );
        }
    }
    println!("the ledger file of redb_image has {} bytes", sample.file.len());
}
