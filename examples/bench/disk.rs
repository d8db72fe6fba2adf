//! `disk` and `versions`: bytes.

use super::made::edits;
use super::made::{self, Plan};
use super::measure::{Answer, seconds, turns};
use super::peers;
use super::world::{Made, World};
use super::write::append_all;
use ledger_format::{Address, Body, Descriptor, Prompt};
use promptos::ledger::{Access, Author, Blob, Content, Create, Ledger, New};
use redb::{Database, ReadableDatabase as _, ReadableTableMetadata as _, TableDefinition};
use std::path::Path;
use std::process::Command;

const FRAMES: TableDefinition<&[u8; 32], &[u8]> = TableDefinition::new("frames");

/// What a ledger's file comes to for each statement, everything included but content, which all share.
pub(super) fn disk(world: &World) -> Answer {
    let mut answer = Answer::default();
    let sizes =
        [(1000, "bulk_1k", "single_1k"), (10_000, "bulk_10k", "single_10k"), (u64::MAX, "bulk_n", "")];
    let plan = Plan { signers: 1, prompts: 8, used: 1, size: 64, details: false };
    for (size, bulk, single) in sizes {
        let size = size.min(world.entries);
        if bulk != "bulk_n" && size == world.entries {
            continue;
        }
        if !single.is_empty() {
            let made = empty(world, &format!("single-{size}"));
            let (signer, log_key) = made::keys();
            let author = Author { signer: &signer, log_key: &log_key, time: 1_700_000_000 };
            let ledger = made::open(&made.ledger, Access::Write);
            let prompts = plan.prompts();
            for at in ledger.head().unwrap().size..size {
                ledger.append(&author, &with_prompts(&plan, at, &prompts)).unwrap();
            }
            drop(ledger);
            share(&mut answer, single, &made, &format!("appended one by one, {size}"));
        }
        let made = empty(world, &format!("bulk-{size}"));
        let (signer, log_key) = made::keys();
        let author = Author { signer: &signer, log_key: &log_key, time: 1_700_000_000 };
        let ledger = made::open(&made.ledger, Access::Write);
        let prompts = plan.prompts();
        let first = ledger.head().unwrap().size;
        append_all(&ledger, &author, (first..size).map(|at| with_prompts(&plan, at, &prompts)));
        drop(ledger);
        share(&mut answer, bulk, &made, &format!("appended in bulk, {size}"));
    }
    let made = world.ledger(world.entries, 1);
    let (file, statements) = measure(&made);
    answer.plain(
        "with_details",
        "bytes a statement",
        ("the file of sessions with details of their own (a blob of about 60 bytes each)", file),
        ("their statements", statements),
    );
    answer.note("a statement's share is the file after a normal close, with the index, the tree, keys and free pages, \
                 by the number of statements; sessions share their content here");
    answer
}

/// The session of an index; the first brings the prompts.
fn with_prompts(plan: &Plan, at: u64, prompts: &[made::Prompt]) -> New {
    let mut new = plan.session(at, prompts);
    if at < 10 {
        new.contents.extend(prompts.iter().map(|p| Content::Bytes(p.content.clone(), p.text.clone())));
    }
    new
}

/// A ledger that only its founder is in.
fn empty(world: &World, name: &str) -> Made {
    let made = world.project(name);
    let _ = std::fs::remove_file(&made.ledger);
    let (signer, log_key) = made::keys();
    let author = Author { signer: &signer, log_key: &log_key, time: 1_700_000_000 };
    let create = Create { name: "bulk", identity: "ada", nonce: [7; 16], previous: None };
    assert!(Ledger::create_file(&made.ledger, &create, &author).unwrap());
    made
}

/// Bytes of the file, and of the statements, for each statement.
fn measure(made: &Made) -> (f64, f64) {
    let file = std::fs::metadata(&made.ledger).unwrap().len() as f64;
    let ledger = made::open(&made.ledger, Access::Read);
    let size = ledger.head().unwrap().size;
    let looked = size.min(1000);
    let bytes: usize = (0..looked)
        .map(|n| ledger.entry((size * n / looked + n) % size).unwrap().unwrap().statement.bytes().len())
        .sum();
    (file / size as f64, bytes as f64 / looked as f64)
}

fn share(answer: &mut Answer, id: &'static str, made: &Made, how: &str) {
    let (file, statements) = measure(made);
    answer.cost(
        id,
        "bytes a statement",
        (format!("the file, {how}"), file),
        ("the statement", statements),
        1.6,
    );
    answer.note(format!(
        "{how}: {:.0} bytes beside the statement, so that one of 465 bytes would come to {:.2} times itself",
        file - statements,
        (file - statements) / 465.0 + 1.0
    ));
}

/// What a version of a prompt more comes to, beside git, and how long the slowest takes to read.
pub(super) fn versions(world: &World) -> Answer {
    let mut answer = Answer::default();
    let versions = usize::try_from((world.entries / 10).min(200)).unwrap();
    let generated: Vec<_> = (0..5).map(|seed| generated(seed, versions)).collect();
    weigh(
        world,
        &mut answer,
        "generated",
        &generated,
        ["generated_payload", "generated_file", "generated_read", "generated_blobs"],
    );
    let files = match world.histories.as_slice() {
        [] => vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")],
        given => given.to_vec(),
    };
    let mut real = Vec::new();
    for file in files {
        match git_history(&file) {
            Some(history) if history.len() > 1 => {
                answer.note(format!("real: {} versions of {}", history.len(), name(&file)));
                real.push(history);
            }
            _ => answer.missing(format!("the history of {}", name(&file)), "git knows none"),
        }
    }
    if !real.is_empty() {
        weigh(world, &mut answer, "real", &real, ["real_payload", "real_file", "real_read", "real_blobs"]);
    }
    answer
}

fn generated(seed: u64, versions: usize) -> Vec<Vec<u8>> {
    edits::Prompt::history(seed, 8192, versions).into_iter().map(String::into_bytes).collect()
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// All versions of a file, oldest first.
fn git_history(file: &Path) -> Option<Vec<Vec<u8>>> {
    let git = |args: &[&str]| {
        let output = Command::new("git").arg("-C").arg(file.parent()?).args(args).output().ok()?;
        output.status.success().then_some(output.stdout)
    };
    let listed = git(&["log", "--reverse", "--format=%H", "--", &name(file)])?;
    let commits = String::from_utf8(listed).ok()?;
    let version = |commit: &str| git(&["show", &format!("{commit}:./{}", name(file))]);
    let mut all: Vec<Vec<u8>> = commits.lines().filter_map(version).collect();
    all.dedup();
    Some(all)
}

fn weigh(world: &World, answer: &mut Answer, kind: &str, all: &[Vec<Vec<u8>>], ids: [&'static str; 4]) {
    let count = all.iter().map(Vec::len).sum::<usize>() as f64;
    let raw = all.iter().flatten().map(Vec::len).sum::<usize>() as f64;
    answer.note(format!(
        "{kind}: {count} versions, in {} histor{}, {:.0} bytes each in the mean",
        all.len(),
        if all.len() == 1 { "y" } else { "ies" },
        raw / count
    ));
    let with = stored(world, &format!("versions-{kind}"), all, true);
    let without = stored(world, &format!("versions-{kind}-bare"), all, false);
    let (payload, pages) = (with.0 - without.0, with.1 - without.1);
    let folder = world.folder.join(format!("versions-{kind}.git"));
    let _ = std::fs::remove_dir_all(&folder);
    let git = peers::pack(&folder, all);
    let unit = "bytes a version";
    answer.cost(
        ids[0],
        unit,
        (format!("{kind}: contents' rows, with their addresses"), payload / count),
        (
            "git gc --aggressive, blobs in the pack, with their entries in its index",
            (git.blobs + git.entries) / count,
        ),
        1.1,
    );
    answer.plain(
        ids[3],
        unit,
        (format!("{kind}: contents' rows, with their addresses"), payload / count),
        ("git gc --aggressive, blobs in the pack, and nothing to find them by", git.blobs / count),
    );
    answer.plain(
        ids[1],
        unit,
        (format!("{kind}: pages that contents add to the file"), pages / count),
        ("git gc --aggressive, the pack file", git.pack / count),
    );
    slowest(world, answer, kind, all, ids[2]);
}

/// Bytes of all rows, and of all pages in use, of a ledger of the histories, with their contents or without.
fn stored(world: &World, name: &str, all: &[Vec<Vec<u8>>], contents: bool) -> (f64, f64) {
    let made = empty(world, name);
    let (signer, log_key) = made::keys();
    let author = Author { signer: &signer, log_key: &log_key, time: 1_700_000_000 };
    let ledger = made::open(&made.ledger, Access::Write);
    let longest = all.iter().map(Vec::len).max().unwrap_or_default();
    // As people work: on this prompt now, then on another.
    for version in 0..longest {
        for (prompt, history) in all.iter().enumerate() {
            let Some(text) = history.get(version) else { continue };
            let content = Descriptor::of(text, "text/markdown");
            let kept = contents.then(|| Content::Bytes(content.clone(), text.clone()));
            let new = New {
                name: format!("p{prompt}.v{}", version + 1),
                body: Body::Prompt(Prompt { content }),
                contents: kept.into_iter().collect(),
                next_log_key: None,
            };
            ledger.append(&author, &new).unwrap();
        }
    }
    // Puts each row where it belongs, so that no difference comes from where it waits.
    ledger.rebuild_index().unwrap();
    drop(ledger);
    let database = Database::open(&made.ledger).unwrap();
    let read = database.begin_read().unwrap();
    let tables = read.list_tables().unwrap().map(|table| {
        let stats = read.open_untyped_table(table).unwrap().stats().unwrap();
        stats.stored_bytes()
    });
    let rows: u64 = tables.sum();
    drop(read);
    let write = database.begin_write().unwrap();
    let stats = write.stats().unwrap();
    let pages = stats.allocated_pages() * stats.page_size() as u64;
    write.abort().unwrap();
    (rows as f64, pages as f64)
}

/// The version that takes longest to read beside a bare row that holds it as a zstd frame by itself.
fn slowest(world: &World, answer: &mut Answer, kind: &str, all: &[Vec<Vec<u8>>], id: &'static str) {
    let ledger = made::open(&world.project(&format!("versions-{kind}")).ledger, Access::Read);
    let path = world.folder.join(format!("versions-{kind}.redb"));
    let _ = std::fs::remove_file(&path);
    let database = Database::create(&path).unwrap();
    let write = database.begin_write().unwrap();
    {
        let mut table = write.open_table(FRAMES).unwrap();
        for text in all.iter().flatten() {
            let mut frame = Vec::with_capacity(zstd_safe::compress_bound(text.len()));
            zstd_safe::compress(&mut frame, text, 3).unwrap();
            table.insert(&Address::of(text).0, frame.as_slice()).unwrap();
        }
    }
    write.commit().unwrap();
    let mut decoder = zstd_safe::DCtx::create();
    let mut plain = |address: &Address, size: usize| {
        let read = database.begin_read().unwrap();
        let row = read.open_table(FRAMES).unwrap().get(&address.0).unwrap().unwrap();
        let mut text = Vec::with_capacity(size);
        decoder.decompress(&mut text, row.value()).unwrap();
        text
    };
    let ours = |address: &Address| match ledger.blob(address).unwrap() {
        Blob::Present(bytes) => bytes,
        other => panic!("{address} is {other:?}"),
    };
    let mut worst = (0.0, 0.0);
    for (place, text) in all.iter().flat_map(|history| history.iter().enumerate()) {
        let address = Address::of(text);
        let figures = turns(
            world.rounds(11),
            &mut [&mut || seconds(|| assert_eq!(ours(&address).len(), text.len())) * 1e6, &mut || {
                seconds(|| assert_eq!(plain(&address, text.len()).len(), text.len())) * 1e6
            }],
        );
        if figures[0] > worst.0 {
            worst = (figures[0], figures[1]);
            answer.notes.retain(|note| !note.starts_with(&format!("{kind}: the slowest")));
            answer.note(format!("{kind}: the slowest version to read is number {}", place + 1));
        }
    }
    let names = (
        format!("{kind}: the slowest version, checked"),
        "a bare row that holds it as a zstd frame of its own",
    );
    answer.cost(id, "µs a read", (names.0, worst.0), (names.1, worst.1), 10.0);
}
