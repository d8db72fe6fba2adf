//! `doctor`: says what is lost and what is not whatever was done to the file, and copies out all that is intact.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)] // a test may

mod support;

use ledger_format::tree::leaf_hash;
use promptos::error::Kind;
use promptos::ledger::doctor::{examine, rebuild};
use promptos::store::{Access, Batch, Outcome, RedbStore, Store, TileId};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;
use support::{World, text};

const LEDGER: &str = ".promptos/ledger.redb";
const PAGE: usize = 4096;
/// How long a lock may outlive its file: the other tests start processes, and until one runs its program it has
/// all files that are open here.
const SOON: Duration = Duration::from_secs(10);
/// Far more than one case takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A ledger of a dozen entries with attachments small and large.
fn world() -> World {
    let world = World::new();
    world.write("small.txt", "a small one");
    world.write("large.bin", (0..150_000_u32).map(|n| (n / 7) as u8).collect::<Vec<_>>());
    world.run(&["dev", "--prompts", "P00,P01", "--attach", "small.txt", "--attach", "large.bin"]).ok();
    for _ in 0..8 {
        world.run(&["dev", "--prompts", "P03,P05", "--notes", "more"]).ok();
    }
    world.run(&["dev", "--prompts", "P06", "--artifacts-dir", "run"]).ok();
    world.write("run/run_record.json", r#"{"run_id":"r-1"}"#);
    world.run(&["attach", "--run-record", "run/run_record.json"]).ok();
    world
}

fn open(world: &World) -> RedbStore {
    let path = world.project.join(LEDGER);
    RedbStore::open(&path, Access::Write, Duration::from_secs(5), &mut |_| {}).unwrap()
}

/// Statements by index and contents by address, as the store has them.
type Whole = (BTreeMap<u64, Vec<u8>>, BTreeMap<String, Vec<u8>>);

fn whole(store: &dyn Store) -> Whole {
    let (mut statements, mut blobs, mut known) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
    store
        .scan(0..u64::MAX, &mut |at, bytes| {
            statements.insert(at, bytes.to_vec());
            Ok(true)
        })
        .unwrap();
    store
        .blobs(&mut |hash, _| {
            known.push(hash);
            Ok(true)
        })
        .unwrap();
    for hash in known {
        let blob = blobs.entry(hex::encode(hash)).or_insert_with(Vec::new);
        store
            .read_blob(&hash, &mut |piece| {
                blob.extend_from_slice(piece);
                Ok(())
            })
            .unwrap();
    }
    (statements, blobs)
}

/// What a rescue wrote into a folder.
fn rescued(folder: &Path) -> Whole {
    let files = |name: &str| {
        let entries = fs::read_dir(folder.join(name)).unwrap().map(|entry| entry.unwrap());
        entries
            .map(|e| (e.file_name().into_string().unwrap(), fs::read(e.path()).unwrap()))
            .collect::<Vec<_>>()
    };
    let index = |name: &str| name.strip_suffix(".cose").unwrap().parse().unwrap();
    let entries = files("entries").into_iter().map(|(name, bytes)| (index(&name), bytes)).collect();
    (entries, files("blobs").into_iter().collect())
}

fn holds(file: &[u8], bytes: &[u8]) -> bool {
    let first = bytes[0];
    file.iter().enumerate().any(|(at, byte)| *byte == first && file[at..].starts_with(bytes))
}

#[derive(Debug, Clone, Copy)]
enum Damage {
    Zero(usize),
    Flip(usize),
    Swap(usize, usize),
    Cut(usize),
}

impl Damage {
    fn apply(self, whole: &[u8]) -> Vec<u8> {
        let mut bytes = whole.to_vec();
        match self {
            Self::Zero(page) => bytes[page..][..PAGE].fill(0),
            Self::Flip(at) => bytes[at] ^= 0x41,
            Self::Swap(a, b) => {
                let kept = bytes[a..][..PAGE].to_vec();
                bytes.copy_within(b..b + PAGE, a);
                bytes[b..][..PAGE].copy_from_slice(&kept);
            }
            Self::Cut(length) => bytes.truncate(length),
        }
        bytes
    }
}

/// What was said of a damaged copy, and whether it was written anew.
#[derive(Default)]
struct Suffered {
    reported: bool,
    rebuilt: bool,
}

/// Examines, rescues and rebuilds a damaged copy; says what is wrong with what came of it.
fn suffer(folder: &Path, bytes: &[u8], whole: &Whole) -> Result<Suffered, String> {
    let (statements, blobs) = whole;
    let (path, out) = (folder.join("ledger.redb"), folder.join("out"));
    fs::write(&path, bytes).unwrap();
    let examined = match examine(&path, None, SOON, &mut |_| {}) {
        Ok(examined) => examined,
        // A file that does not even begin like one is no damaged ledger.
        Err(error) if error.to_string().contains("is not a ledger") => {
            return Ok(Suffered { reported: true, rebuilt: false });
        }
        Err(error) => return Err(format!("cannot be examined: {error}")),
    };
    examined.rescue(&out).map_err(|e| e.to_string())?;
    let found = &examined.diagnosis;
    let (entries, contents) = rescued(&out);
    fs::remove_dir_all(&out).unwrap();
    if fs::read(&path).unwrap() != bytes {
        return Err("the file was changed".into());
    }
    for (at, statement) in &entries {
        if statements.get(at) != Some(statement) {
            return Err(format!("entry {at} is not what was recorded"));
        }
    }
    // What tells whose signature is genuine: the keys that the genesis names, or the tree, if the database can be opened.
    let vouched = holds(bytes, &statements[&0])
        || RedbStore::examine(&path, SOON, &mut |_| {}).is_ok_and(|store| store.head().is_ok());
    for (at, statement) in statements {
        if vouched && !entries.contains_key(at) && holds(bytes, statement) {
            return Err(format!("entry {at} is intact and was not rescued"));
        }
        if !entries.contains_key(at) && found.findings.is_empty() {
            return Err(format!("entry {at} is lost and nothing was said"));
        }
    }
    for (address, content) in &contents {
        if blobs.get(address) != Some(content) {
            return Err(format!("content {address} is not what was recorded"));
        }
    }
    if found.findings.is_empty() && contents.len() != blobs.len() {
        return Err("a content is lost and nothing was said".into());
    }
    let reported = !found.findings.is_empty();
    drop(examined);
    let rebuilt = rebuild(&path, SOON, &mut |_| {});
    match &rebuilt {
        Ok(kept) => {
            let left = examine(&path, None, SOON, &mut |_| {}).unwrap().diagnosis.findings;
            // A signature cannot be derived.
            let well = left.iter().all(|finding| finding.code == "checkpoint" && reported);
            if !well || !holds_just(&path, whole) {
                return Err(format!("what was written anew is not the ledger: {left:?}"));
            }
            if kept.as_ref().is_some_and(|kept| kept.exists()) != reported {
                return Err(format!("{reported}, and kept: {kept:?}"));
            }
            kept.iter().for_each(|kept| fs::remove_file(kept).unwrap());
        }
        Err(error) => {
            if fs::read(&path).unwrap() != bytes {
                return Err(format!("the file was changed when it was not rebuilt ({error})"));
            }
            let after = examine(&path, None, SOON, &mut |_| {}).map_err(|e| e.to_string())?;
            after.rescue(&out).map_err(|e| e.to_string())?;
            if rescued(&out) != (entries, contents) {
                return Err(format!("less can be rescued when it was not rebuilt ({error})"));
            }
            fs::remove_dir_all(&out).unwrap();
        }
    }
    if fs::read_dir(folder).unwrap().count() != 1 {
        return Err("something is left beside it".into());
    }
    Ok(Suffered { reported, rebuilt: rebuilt.is_ok() })
}

/// Whether nothing is wrong with a ledger, and it holds just this.
fn is_well(path: &Path, all: &Whole) -> bool {
    let examined = examine(path, None, SOON, &mut |_| {}).unwrap();
    examined.diagnosis.findings.is_empty() && holds_just(path, all)
}

fn holds_just(path: &Path, all: &Whole) -> bool {
    let store = RedbStore::open(path, Access::Read, SOON, &mut |_| {}).unwrap();
    whole(&store) == *all
}

/// `PROMPTOS_DAMAGE=1 cargo test --test doctor damage` damages every page in every way.
#[test]
fn damage_at_every_page_is_reported_and_all_that_is_intact_is_rescued() {
    promptos::ledger::install_quiet_panic_hook();
    let world = world();
    let original = whole(&open(&world));
    assert_eq!((original.0.len(), original.1.len() > 10), (12, true));
    let bytes = world.read(LEDGER);
    let used: Vec<usize> = (0..bytes.len() / PAGE)
        .map(|page| page * PAGE)
        .filter(|page| bytes[*page..][..PAGE].iter().any(|byte| *byte != 0))
        .collect();
    let mut cases: Vec<Damage> = Vec::new();
    for (n, page) in used.iter().enumerate() {
        cases.extend([
            Damage::Zero(*page),
            Damage::Flip(page + (n * 997) % 64),
            Damage::Flip(page + n * 331 % PAGE),
        ]);
        cases.push(Damage::Swap(*page, used[(n * 7 + 3) % used.len()]));
    }
    cases.extend((0..12).map(|n| Damage::Cut(bytes.len() * n / 12 + n * 100)));
    if std::env::var_os("PROMPTOS_DAMAGE").is_none() {
        let step = (cases.len() / 40).max(1);
        // The file's header always.
        cases = cases.iter().enumerate().filter(|(n, _)| *n < 4 || n % step == 0).map(|(_, c)| *c).collect();
    }
    // In the checkpoint.
    let meta = used.iter().filter(|page| holds(&bytes[**page..][..PAGE], b"checkpointformathead"));
    cases.extend(meta.flat_map(|page| [Damage::Flip(page + 50), Damage::Flip(page + 150)]));
    let (report, reports) = mpsc::channel();
    let todo = cases.clone();
    std::thread::spawn(move || {
        for case in todo {
            let folder = tempfile::tempdir().unwrap();
            let damaged = case.apply(&bytes);
            let survived = std::panic::catch_unwind(|| suffer(folder.path(), &damaged, &original));
            report.send(survived.unwrap_or_else(|_| Err("a panic".into()))).unwrap();
        }
    });
    let (mut wrong, mut rebuilt) = (0, 0);
    let mut failures = Vec::new();
    for case in &cases {
        match reports.recv_timeout(PATIENCE).unwrap_or_else(|e| panic!("{case:?} does not end: {e}")) {
            Ok(suffered) => {
                wrong += usize::from(suffered.reported);
                rebuilt += usize::from(suffered.reported && suffered.rebuilt);
            }
            Err(why) => failures.push(format!("{case:?}: {why}")),
        }
    }
    println!("{} pages used, {} cases, {wrong} reported, {rebuilt} of them rebuilt", used.len(), cases.len());
    assert!(failures.is_empty(), "{failures:#?}");
    assert!(wrong > cases.len() / 3, "{wrong} of {} noticed", cases.len());
}

#[test]
fn a_ledger_that_is_well_is_said_to_be_and_not_touched() {
    let world = world();
    let before = world.read(LEDGER);
    world.run(&["doctor"]).expect(0, &["12 of 12 intact", "nothing is wrong"]);
    let report = world.json(&["doctor"]);
    assert_eq!(text(&report, "/schema"), "promptos.doctor/1");
    assert_eq!((&report["size"], &report["intact"], &report["erased"]), (&12.into(), &12.into(), &0.into()));
    assert!(world.read(LEDGER) == before);
    world.run(&["doctor", "--rescue", "out"]).expect(0, &["rescued"]);
    let all = whole(&open(&world));
    assert_eq!(rescued(&world.project.join("out")), all);
    world.run(&["doctor", "--rescue", "out"]).expect(1, &["not an empty folder"]);
    world.run(&["doctor", "--rescue", "small.txt"]).expect(1, &["not an empty folder"]);
    // What was erased is not brought out again.
    let gone = all.1.iter().find(|(_, content)| **content == b"a small one").unwrap().0;
    world.run(&["erase", gone, "--reason", "x"]).ok();
    world.run(&["doctor", "--rescue", "after"]).expect(0, &["13 of 13 intact", "1 erased"]);
    assert!(!rescued(&world.project.join("after")).1.contains_key(gone));
}

#[test]
fn a_killed_writers_ledger_is_examined_in_a_copy() {
    let world = world();
    let store = open(&world);
    let head = store.head().unwrap().unwrap();
    let checkpoint = store.checkpoint().unwrap().unwrap();
    let again = Batch { expect: head.size, root: head.root, checkpoint, ..Batch::default() };
    assert_eq!(store.commit(again).unwrap(), Outcome::Done);
    let unclean = world.read(LEDGER);
    drop(store);
    fs::write(world.project.join(LEDGER), &unclean).unwrap();
    world.run(&["doctor"]).expect(0, &["12 of 12 intact"]);
    assert!(world.read(LEDGER) == unclean, "the file was changed");
}

#[test]
fn what_is_derived_is_written_anew_when_asked() {
    let world = world();
    let store = open(&world);
    store.replace_index(&mut std::iter::once(Ok((b"x".to_vec(), vec![])))).unwrap();
    drop(store);
    world.run(&["log"]).ok();
    let told = world.run(&["doctor"]);
    told.expect(3, &["12 of 12 intact", "index", "--rebuild-index"]);
    world.run(&["doctor"]).expect(3, &["index"]);
    world.run(&["doctor", "--rebuild-index"]).expect(0, &["nothing is wrong"]);
    world.run(&["verify-chain", "--require", "pinned"]).ok();

    let store = open(&world);
    let head = store.head().unwrap().unwrap();
    let tiles = vec![(TileId { level: 0, index: 0 }, vec![7; 32 * 12])];
    let checkpoint = store.checkpoint().unwrap().unwrap();
    let wrong = Batch { expect: head.size, root: head.root, checkpoint, tiles, ..Batch::default() };
    assert_eq!(store.commit(wrong).unwrap(), Outcome::Done);
    drop(store);
    let told = world.run(&["doctor"]);
    told.expect(3, &["12 of 12 intact", "tree", "--rebuild-index"]);
    world.run(&["doctor", "--rebuild-index"]).expect(0, &["nothing is wrong"]);
    world.run(&["dev", "--prompts", "P00"]).ok();
    world.run(&["verify-chain", "--require", "pinned"]).ok();
}

#[test]
fn damaged_pages_of_the_index_cost_nothing() {
    let world = world();
    let path = world.sorted_in();
    let (bytes, all) = (world.read(LEDGER), whole(&open(&world)));
    // The pointer to an entry: nothing else has this byte before eight of an id.
    let id = leaf_hash(&open(&world).statement(1).unwrap().unwrap());
    let pointer = [&[0x80 | b'i'][..], &id[..8]].concat();
    let pages: Vec<usize> = (0..bytes.len() / PAGE)
        .map(|page| page * PAGE)
        .filter(|page| holds(&bytes[*page..][..PAGE], &pointer))
        .collect();
    assert!(!pages.is_empty());
    let (mut failed, mut rebuilt) = (0, 0);
    for (n, page) in pages.into_iter().enumerate() {
        for damage in
            [Damage::Zero(page), Damage::Flip(page), Damage::Flip(page + 2), Damage::Flip(page + 400)]
        {
            fs::write(&path, damage.apply(&bytes)).unwrap();
            failed += usize::from(world.run(&["verify-chain"]).code == 3);
            if world.run(&["doctor"]).code == 0 {
                // A page that an earlier transaction has left behind.
                continue;
            }
            let kept = world.project.join(".promptos/ledger.redb.damaged");
            let told = world.run(&["doctor", "--rebuild-index"]);
            told.expect(0, &["12 of 12 intact", "nothing is wrong", "kept as .promptos/ledger.redb.damaged"]);
            assert!(is_well(&path, &all) && kept.exists(), "{n} {damage:?}");
            fs::remove_file(kept).unwrap();
            world.run(&["verify-chain", "--require", "pinned"]).ok();
            rebuilt += 1;
        }
    }
    assert!(failed >= 2 && rebuilt >= 3, "{failed} failed, {rebuilt} rebuilt");

    // What is kept is not written over, and a ledger that is well is not kept.
    fs::write(world.project.join(".promptos/ledger.redb.damaged"), "mine").unwrap();
    let store = open(&world);
    store.replace_index(&mut std::iter::empty()).unwrap();
    drop(store);
    let report = world.json(&["doctor", "--rebuild-index"]);
    assert!(text(&report, "/kept").ends_with("ledger.redb.damaged-2"), "{report:#}");
    assert_eq!(world.read(".promptos/ledger.redb.damaged"), b"mine");
    assert!(world.json(&["doctor", "--rebuild-index"])["kept"].is_null());
    world.run(&["dev", "--prompts", "P00"]).ok();
    world.run(&["verify-chain", "--require", "pinned"]).ok();
}

#[test]
fn who_holds_a_ledger_to_write_it_anew_has_it_alone_and_changes_nothing() {
    let world = world();
    let (path, bytes) = (world.project.join(LEDGER), world.read(LEDGER));
    let hold = || RedbStore::hold(&path, Duration::ZERO, &mut |_| {});
    let again = |access| RedbStore::open(&path, access, Duration::ZERO, &mut |_| {});
    for access in [Access::Read, Access::Write] {
        let held = hold().unwrap();
        assert_eq!(again(access).unwrap_err().kind(), Kind::Unavailable);
        assert_eq!(hold().unwrap_err().kind(), Kind::Unavailable);
        assert_eq!(held.commit(Batch { expect: 12, ..Batch::default() }).unwrap_err().kind(), Kind::Bug);
        drop(held);
        assert!(world.read(LEDGER) == bytes);
        let open = again(access).unwrap();
        assert_eq!(hold().unwrap_err().kind(), Kind::Unavailable);
        drop(open);
        fs::write(&path, &bytes).unwrap();
    }
}

#[test]
fn several_rebuild_at_once_while_others_record() {
    let world = world();
    for _ in 0..3 {
        let commands = [
            &["doctor", "--rebuild-index"][..],
            &["dev", "--prompts", "P00"],
            &["doctor", "--rebuild-index"],
            &["dev", "--prompts", "P01"],
        ];
        let children = commands.map(|args| {
            let mut command = world.command(env!("CARGO_BIN_EXE_promptos"), &world.project);
            command.args(["--lock-timeout", "60"]).args(args);
            command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::piped());
            command.spawn().unwrap()
        });
        for (child, args) in children.into_iter().zip(commands) {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
    world.run(&["doctor"]).expect(0, &["18 of 18 intact", "nothing is wrong"]);
    world.run(&["verify-chain", "--require", "pinned"]).ok();
    assert_eq!(fs::read_dir(world.project.join(".promptos")).unwrap().count(), 3);
}

#[test]
fn what_would_lose_anything_is_not_rebuilt() {
    let world = world();
    let (path, bytes) = (world.project.join(LEDGER), world.read(LEDGER));
    let (statements, blobs) = whole(&open(&world));
    let page_of = |what: &[u8]| {
        let found: Vec<usize> =
            (0..bytes.len() / PAGE).filter(|page| holds(&bytes[page * PAGE..][..PAGE], what)).collect();
        found.into_iter().map(|page| page * PAGE).collect::<Vec<_>>()
    };
    let large = blobs.values().max_by_key(|blob| blob.len()).unwrap();
    for what in [&statements[&5][..], &large[..200]] {
        let mut damaged = bytes.clone();
        page_of(what).into_iter().for_each(|page| damaged[page + 300..][..2000].fill(0x55));
        fs::write(&path, &damaged).unwrap();
        let told = world.run(&["doctor", "--rebuild-index"]);
        told.expect(3, &["left as it is", "--rescue DIR"]);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 3);
        world.run(&["doctor"]).expect(3, &["lost"]);
    }
}

#[test]
fn lost_content_a_lost_log_key_and_a_lost_past_are_told_apart() {
    let world = world();
    let key = world.project.join(".promptos/log.key");
    fs::rename(&key, world.project.join("key")).unwrap();
    world.run(&["doctor"]).expect(3, &["12 of 12 intact", "log-key", "nothing is lost"]);
    fs::rename(world.project.join("key"), &key).unwrap();
    world.run(&["doctor"]).ok();

    let earlier = world.read(LEDGER);
    world.run(&["dev", "--prompts", "P00"]).ok();
    let now = world.read(LEDGER);
    fs::write(world.project.join(LEDGER), &earlier).unwrap();
    world.run(&["doctor"]).expect(3, &["went-back", "12 of 13 intact", "lost: 12"]);
    fs::write(world.project.join(LEDGER), &now).unwrap();
    world.run(&["doctor"]).ok();

    let store = open(&world);
    let head = store.head().unwrap().unwrap();
    let small = *blake3::hash(b"a small one").as_bytes();
    let checkpoint = store.checkpoint().unwrap().unwrap();
    let erase =
        Batch { expect: head.size, root: head.root, checkpoint, erase: vec![small], ..Batch::default() };
    assert_eq!(store.commit(erase).unwrap(), Outcome::Done);
    drop(store);
    world.run(&["doctor"]).expect(3, &["missing-content", "no entry says so", "13 of 13 intact"]);
}

#[test]
fn what_it_cannot_do_is_said() {
    let world = World::new();
    world.run(&["doctor"]).expect(1, &["there is no ledger"]);
    world.write("text", "hello");
    world.run(&["--ledger", "text", "doctor"]).expect(1, &["is not a ledger"]);
    world.run(&["--ledger", "text", "doctor", "--rebuild-index"]).expect(1, &["is not a ledger"]);
    world.run(&["dev", "--prompts", "P00"]).ok();
    let store = open(&world);
    world.run(&["--lock-timeout", "0", "doctor"]).expect(5, &["in use"]);
    drop(store);
    fs::remove_file(world.project.join(LEDGER)).unwrap();
    world.run(&["doctor"]).expect(3, &["is gone"]);
}

#[test]
fn after_a_rescue_a_new_ledger_cites_the_old() {
    let world = world();
    let path = world.project.join(LEDGER);
    let bytes = world.read(LEDGER);
    let id = text(&world.json(&["doctor"]), "/ledger").to_owned();
    // The end of the file is missing: nothing opens it any more.
    fs::write(&path, &bytes[..bytes.len() - PAGE]).unwrap();
    world.run(&["verify-chain"]).expect(3, &["damaged"]);
    let told = world.run(&["doctor", "--rescue", "out"]);
    told.expect(3, &["12 of 12 intact", "cannot be opened", "init --new"]);
    let report: serde_json::Value = serde_json::from_slice(&world.read("out/report.json")).unwrap();
    assert_eq!(text(&report, "/ledger"), id);
    world.run(&["doctor", "--rebuild-index"]).expect(3, &["damaged", "left as it is", "--rescue"]);
    fs::rename(&path, world.project.join("old.redb")).unwrap();
    world.run(&["init", "--new"]).ok();
    world.run(&["dev", "--prompts", "P00"]).ok();
    world.run(&["doctor"]).expect(0, &["nothing is wrong"]);
    let genesis = world.run(&["cat", "entry:0"]);
    assert_eq!(genesis.code, 1);
    let genesis = world.json(&["show", "0"]);
    let id_of = text(&genesis, "/entry/id").to_owned();
    let genesis = world.run(&["cat", &id_of]).ok().bytes;
    assert!(holds(&genesis, &hex::decode(id).unwrap()), "the old ledger is not cited");
}
