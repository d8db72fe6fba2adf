//! Prompts and session logs of the systems that came before, as they really are. Needs the folder that
//! `PROMPTOS_CORPORA` names; without it every test passes and says that it skipped.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)] // a test may

mod support;

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use support::{World, copy_folder, corpora, text, v1};

/// A prompt as its own system names it.
struct Source {
    id: String,
    version: String,
    file: PathBuf,
}

impl Source {
    fn reference(&self) -> String {
        format!("{}.v{}", self.id, self.version)
    }
}

/// The gates, by the registry of their system.
fn promptos_prompts(corpora: &Path) -> Vec<Source> {
    let folder = corpora.join("promptos");
    let registry = fs::read(folder.join("prompts.index.json")).unwrap();
    let registry: Value = serde_json::from_slice(&registry).unwrap();
    let prompts = registry["prompts"].as_array().unwrap().iter();
    let sources: Vec<_> = prompts
        .map(|prompt| Source {
            id: text(prompt, "/prompt_id").to_owned(),
            version: text(prompt, "/version").to_owned(),
            file: folder.join(text(prompt, "/path")),
        })
        .collect();
    assert_eq!(sources.len(), 7);
    sources
}

/// The prompts that are called like their files.
fn tnh_prompts(corpora: &Path) -> Vec<Source> {
    let files = fs::read_dir(corpora.join("tnh/prompts")).unwrap().map(|entry| entry.unwrap().path());
    let mut sources: Vec<_> = files
        .filter(|file| file.file_name().unwrap() != "README.md")
        .map(|file| Source {
            id: file.file_stem().unwrap().to_str().unwrap().to_owned(),
            version: "1.0".to_owned(),
            file,
        })
        .collect();
    sources.sort_by(|a, b| a.id.cmp(&b.id));
    assert_eq!(sources.len(), 33);
    sources
}

/// Lints a foreign catalog, records sessions over all of it as it is, and goes from a run back to every byte.
fn govern(world: &World, sources: &[Source]) {
    world.run(&["lint"]).expect(0, &[&format!("{} prompts", sources.len()), "0 errors, 0 warnings"]);

    let mut record = json!({"run_id": "foreign prompts"});
    for (batch, sources) in sources.chunks(64).enumerate() {
        let ids: Vec<&str> = sources.iter().map(|source| source.id.as_str()).collect();
        let artifacts = format!("run/{batch}");
        let session = world.json(&["dev", "--prompts", &ids.join(","), "--artifacts-dir", &artifacts]);
        let refs: Vec<&str> =
            session["prompts"].as_array().unwrap().iter().map(|p| text(p, "/ref")).collect();
        assert_eq!(refs, sources.iter().map(Source::reference).collect::<Vec<_>>());
        record[format!("session_{batch}")] = session["session"].clone();
    }
    world.write("run/run_record.json", record.to_string());
    world.run(&["attach", "--run-record", "run/run_record.json"]).expect(0, &["foreign prompts"]);

    // What is in the ledger is what was on disk.
    let mut digests: BTreeMap<String, String> = BTreeMap::new();
    for source in sources {
        let bytes = fs::read(&source.file).unwrap();
        assert_eq!(world.run(&["cat", &source.reference()]).ok().bytes, bytes, "{}", source.id);
        digests.insert(source.reference(), format!("blake3:{}", blake3::hash(&bytes).to_hex()));
    }
    let trace = world.json(&["trace", "run/run_record.json"]);
    assert_eq!((trace["holds"].as_bool(), text(&trace, "/to/0/what")), (Some(true), "run"));
    let mut traced = BTreeMap::new();
    for session in trace["to"][0]["steps"].as_array().unwrap() {
        assert_eq!(text(session, "/what"), "session");
        for prompt in session["steps"].as_array().unwrap() {
            let address = text(prompt, "/content/address").to_owned();
            assert_eq!((text(prompt, "/what"), text(prompt, "/content/state")), ("prompt", "present"));
            traced.insert(text(prompt, "/name").to_owned(), address);
        }
    }
    assert_eq!(traced, digests);

    // And back: one prompt's source file leads to the run.
    let back = world.json(&["trace", sources[0].file.to_str().unwrap()]);
    assert_eq!(text(&back, "/to/0/name"), sources[0].reference());
    assert_eq!(text(&back, "/used_by/0/what"), "session");
    assert_eq!(text(&back, "/used_by/0/steps/0/what"), "run");

    let verdict = world.json(&["verify-chain", "--require", "pinned"]);
    assert_eq!((text(&verdict, "/rung"), &verdict["findings"]), ("pinned", &json!([])));
}

#[test]
fn promptos_gates_govern_sessions_as_they_are() {
    let Some(corpora) = corpora() else { return };
    let world = World::new();
    // Named where it lies.
    let folder = corpora.canonicalize().unwrap().join("promptos/prompts");
    world.write("promptos.toml", format!("[catalog]\npath = {folder:?}\nbuiltin = false\n"));
    govern(&world, &promptos_prompts(&corpora));
}

#[test]
fn a_projects_own_gates_stand_before_the_built_in_ones() {
    let Some(corpora) = corpora() else { return };
    let world = World::new();
    copy_folder(&corpora.join("promptos/prompts"), &world.project.join("prompts"));
    govern(&world, &promptos_prompts(&corpora));
    // The built-in ones are still there by their own ref, and are others.
    world.run(&["dev", "--prompts", "P05.v1"]).ok();
    let ours = world.run(&["cat", "P05.v1"]).ok().bytes;
    assert_ne!(ours, world.run(&["cat", "P05.v1.0.1"]).ok().bytes);
}

#[test]
fn tnh_prompts_govern_sessions_as_they_are() {
    let Some(corpora) = corpora() else { return };
    let world = World::new();
    copy_folder(&corpora.join("tnh/prompts"), &world.project.join("library/prompts"));
    // Four of them name schemas.
    copy_folder(&corpora.join("tnh/schemas"), &world.project.join("schemas"));
    world.write("promptos.toml", "[catalog]\npath = \"library/prompts\"\nbuiltin = false\n");
    govern(&world, &tnh_prompts(&corpora));
    // The README of such a folder is no prompt, however it is asked for.
    for id in ["README", "../README", "README.v1.0"] {
        world.run(&["dev", "--prompts", id]).expect(1, &["there is no prompt"]);
    }
    world.run(&["dev", "--prompts", "default_clean.v99"]).expect(1, &["has no version 99", "it has: 1.0"]);
}

fn session_logs(corpora: &Path) -> Vec<PathBuf> {
    let (mut found, mut folders) = (BTreeSet::new(), vec![corpora.join("promptos/sessions")]);
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "json") {
                found.insert(path);
            }
        }
    }
    found.into_iter().collect()
}

/// Which hashes a log of this version must have been checked by.
fn hashes_of(version: &str, path: &Path) -> Vec<&'static str> {
    let minor = version.strip_prefix("v0.").and_then(|rest| rest.split('.').next());
    let stripped = path.ends_with("forged-but-accepted/b.json"); // a forger's draft, before the hashes
    let mut hashes = match minor.and_then(|minor| minor.parse::<u32>().ok()) {
        Some(..=7) => vec![],
        _ if stripped => vec![],
        _ => vec!["artifact_hash", "chain_hash"],
    };
    let sidecar = path.with_extension("sha256").exists();
    assert_eq!(sidecar, !matches!(minor, Some("3" | "4" | "5")) && !stripped, "{}", path.display());
    hashes.extend(sidecar.then_some("sidecar"));
    hashes
}

#[test]
fn old_session_logs_are_recorded_as_what_they_are() {
    let Some(corpora) = corpora() else { return };
    let world = World::new();
    let logs = session_logs(&corpora);
    let (broken, good): (Vec<_>, Vec<_>) = logs.iter().partition(|path| {
        // Its recorder put the name O"Brien into JSON as it is.
        serde_json::from_slice::<Value>(&fs::read(path).unwrap()).is_err()
    });
    assert_eq!((broken.len(), good.len()), (1, 15));

    let mut args = vec!["--json", "session", "import"];
    args.extend(logs.iter().map(|path| path.to_str().unwrap()));
    let output = world.run(&args);
    assert_eq!(output.code, 1, "{output:?}");
    // Two documents: the report, and the error.
    let mut documents = serde_json::Deserializer::from_str(&output.stdout).into_iter::<Value>();
    let report = documents.next().unwrap().unwrap();
    let results = report["files"].as_array().unwrap();
    assert_eq!(results.len(), logs.len());
    let mut seen: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
    for (path, result) in logs.iter().zip(results) {
        let bytes = fs::read(path).unwrap();
        assert_eq!(text(result, "/file"), path.to_str().unwrap());
        if broken.contains(&path) {
            assert_eq!(text(result, "/result"), "rejected");
            assert!(text(result, "/reason").contains("this is not JSON"), "{result}");
            continue;
        }
        let log: Value = serde_json::from_slice(&bytes).unwrap();
        let index = result["index"].as_u64().unwrap();
        let known = seen.insert(bytes.clone(), index);
        assert_eq!(text(result, "/result"), if known.is_some() { "known" } else { "imported" });
        assert!(known.is_none_or(|known| known == index), "the same bytes are one entry");
        assert_eq!(result["checked"], json!(hashes_of(text(&log, "/prompt_os_version"), path)), "{result}");
        assert_eq!(result["prompts"], log["prompts_used"]);
        assert_eq!(text(result, "/assurance"), "integrity only, unsigned by its author");
        // The exact bytes can be had back, by their digest and by the file itself.
        let digest = format!("blake3:{}", blake3::hash(&bytes).to_hex());
        assert_eq!(world.run(&["cat", &digest]).ok().bytes, bytes);
    }
    // The export of a session is the same bytes as its log.
    assert_eq!(seen.len(), good.len() - 1);

    let forged = corpora.join("promptos/sessions/forged-but-accepted/prompt_session.json");
    let forged = forged.to_str().unwrap();
    world.run(&["session", "import", forged]).expect(
        0,
        &["known", "unproven: integrity only", "artifact_hash, chain_hash, sidecar", "did not sign"],
    );
    world.run(&["trace", forged]).expect(0, &["import", "unproven"]);
    let index = seen[&fs::read(forged).unwrap()].to_string();
    world.run(&["show", &index]).expect(0, &["integrity only, unsigned by its author"]);
    // An import binds nothing and is no session.
    world.run(&["cat", "P08.v1.0.1"]).expect(1, &["holds no content"]);
    world.run(&["export", "--artifacts-dir", "out", "--session", &index]).expect(1, &["not a session"]);
    world.run(&["export", "--artifacts-dir", "out"]).expect(1, &["has recorded no session here"]);

    let verdict = world.json(&["verify-chain", "--require", "pinned"]);
    assert_eq!((text(&verdict, "/rung"), verdict["size"].as_u64()), ("pinned", Some(15)));
}

/// Real logs, each changed in one way.
#[test]
fn changed_session_logs_are_rejected_and_the_rest_is_recorded() {
    let Some(corpora) = corpora() else { return };
    let world = World::new();
    let sessions = corpora.join("promptos/sessions");
    let real = fs::read_to_string(sessions.join("v1.0.1-session-20261121-010645.json")).unwrap();
    let chained: Value = serde_json::from_str(&real).unwrap();
    let plain = fs::read_to_string(sessions.join("v0.6.0-session-20261121-010638.json")).unwrap();
    let change = |field: &str, value: Value| {
        let mut log = chained.clone();
        log[field] = value;
        v1::jq(&log)
    };
    let zeros = "0".repeat(64);
    // name, log, .sha256 file, exit code, reason
    let cases: Vec<(&str, String, Option<String>, i32, &str)> = vec![
        ("notes", change("notes", json!("as agreed")), None, 3, "its artifact_hash is"),
        ("prompts", change("prompts_used", json!(["P00", "P08"])), None, 3, "its artifact_hash is"),
        ("lint", change("lint_passed", json!(false)), None, 3, "its artifact_hash is"),
        ("chain", change("chain_hash", json!(zeros)), None, 3, "its chain_hash is"),
        ("artifact", change("artifact_hash", json!(zeros)), None, 3, "its artifact_hash is"),
        ("null", change("chain_hash", json!(null)), None, 3, "its chain_hash is null"),
        ("added", change("approved_by", json!("ethan")), None, 1, "no version of the log has a field"),
        (
            "sidecar",
            plain.clone(),
            Some(v1::sidecar(b"another file", "x.json")),
            3,
            "one of them was changed",
        ),
        ("sidecar-empty", plain.clone(), Some(String::new()), 3, "sidecar-empty.sha256"),
        ("sidecar-short", plain.clone(), Some(zeros[..20].to_owned()), 3, "one of them was changed"),
        ("cut", real[..real.len() / 2].to_owned(), None, 1, "this is not JSON"),
        ("empty", String::new(), None, 1, "this is not JSON"),
        ("list", format!("[{real}]"), None, 1, "is not an object"),
    ];
    let good = world.write("good.json", &real);
    let good2 = world.write("good2.json", &plain);
    let mut args: Vec<String> = vec!["session".into(), "import".into(), good.to_str().unwrap().into()];
    for (name, log, sidecar, code, reason) in &cases {
        let file = world.write(&format!("{name}.json"), log).to_str().unwrap().to_owned();
        if let Some(text) = sidecar {
            world.write(&format!("{name}.sha256"), text);
        }
        let output = world.run(&["session", "import", &file]).expect(*code, &["rejected", &file, reason]);
        assert!(!output.stdout.contains("imported"), "{output:?}");
        args.push(file);
    }
    args.push(good2.to_str().unwrap().into());
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let output = world.run(&args).expect(3, &["not every file was imported"]);
    assert_eq!(output.stdout.matches("rejected").count(), cases.len());
    assert_eq!(output.stdout.matches("imported").count(), 2);
    let log = world.json(&["log", "--kind", "import"]);
    assert_eq!(log["entries"].as_array().unwrap().len(), 2);
    world.json(&["verify-chain", "--require", "pinned"]);
}
