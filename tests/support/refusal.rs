//! For tests of refusals: what a failure must say, and that it changes nothing.

use super::{Output, World};
use promptos::ledger::{Access, Ledger};
use redb::{ReadableDatabase, ReadableTable, TableDefinition};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

// The tables of a ledger file.
pub(crate) const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");
pub(crate) const STATEMENTS: TableDefinition<u64, &[u8]> = TableDefinition::new("statements");
pub(crate) const TILES: TableDefinition<u64, &[u8]> = TableDefinition::new("tiles");
pub(crate) const INDEX: TableDefinition<&[u8], &[u8]> = TableDefinition::new("index");
pub(crate) const POINTERS: TableDefinition<&[u8; 14], ()> = TableDefinition::new("pointers");
const CONTENTS: TableDefinition<&[u8; 32], (u32, u32, u32)> = TableDefinition::new("contents");
pub(crate) const CHUNKS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("chunks");
const FRAMES: TableDefinition<u64, &[u8]> = TableDefinition::new("frames");
const RECENT: TableDefinition<u64, &[u8]> = TableDefinition::new("recent");

/// A session log of PromptOS, as old versions wrote it.
pub(crate) const OLD_SESSION: &str = r#"{"timestamp_utc": "2025-01-01T00:00:00Z", "prompt_os_version": "v1",
    "prompts_used": ["P00"], "developer": "d", "target_repo": "t", "notes": "NUMBER", "lint_passed": true}"#;

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_promptos");

impl World {
    /// A world whose project has a ledger with one session in it.
    pub(crate) fn with_session() -> Self {
        let world = Self::new();
        world.ok(&["dev", "--prompts", "P00", "--notes", "the first"]);
        world
    }

    /// A path in the project.
    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.project.join(name)
    }

    /// The ledger file, with all that was written last where it belongs: whoever damages a table finds it there.
    pub(crate) fn sorted_in(&self) -> PathBuf {
        let path = self.ledger();
        let ledger = Ledger::open_file(&path, Access::Write, Duration::from_secs(5), &mut |_| {}).unwrap();
        ledger.rebuild_index().unwrap();
        path
    }

    pub(crate) fn ledger(&self) -> PathBuf {
        self.path(".promptos/ledger.redb")
    }

    /// The user's configuration folder.
    pub(crate) fn config(&self) -> PathBuf {
        self.home.join(".config/promptos")
    }

    /// The default signing key.
    pub(crate) fn key(&self) -> PathBuf {
        self.config().join("id_ed25519")
    }

    /// The program in the project, not yet started.
    pub(crate) fn promptos(&self, args: &[&str]) -> Command {
        let mut command = self.command(PROGRAM, &self.project);
        command.args(args);
        command
    }

    /// Runs what must succeed; answers stdout.
    #[track_caller]
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        self.run(args).ok().stdout
    }

    /// Runs what must fail with `code`, and say each of `essentials` on stderr.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32, args: &[&str], essentials: &[&str]) -> Output {
        self.run(args).failed(code, essentials)
    }

    /// The ledger verifies; answers how many entries it has.
    #[track_caller]
    pub(crate) fn verified(&self) -> u64 {
        let report = self.json(&["verify-chain"]);
        assert_eq!(report["findings"], serde_json::json!([]), "{report}");
        report["size"].as_u64().unwrap()
    }

    /// Runs what must fail with `code` and must change no file anywhere in the world.
    #[track_caller]
    pub(crate) fn refuses(&self, code: i32, args: &[&str], essentials: &[&str]) -> Output {
        let before = self.snapshot();
        let output = self.fails(code, args, essentials);
        assert_eq!(changes(&before, &self.snapshot()), Vec::<String>::new(), "{output:?}");
        output
    }

    /// Every file, folder and link of the world, with its content. Of a ledger that is what it holds: opening
    /// one for writing changes the file's header.
    pub(crate) fn snapshot(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        let mut folders = vec![self.root()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
                let (path, kind) = (entry.path(), entry.file_type().unwrap());
                let content = match kind.is_file() {
                    true => dump(&path).unwrap_or_else(|| fs::read(&path).unwrap_or_default()),
                    false => Vec::new(),
                };
                if kind.is_dir() {
                    folders.push(path.clone());
                }
                found.insert(path, content);
            }
        }
        found
    }
}

impl Output {
    /// It failed with `code`, said why on stderr, and said it as to a person.
    #[track_caller]
    pub(crate) fn failed(self, code: i32, essentials: &[&str]) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        assert!(self.stderr.contains("error:"), "no message: {self:?}");
        for essential in essentials {
            assert!(self.stderr.contains(essential), "the message lacks '{essential}': {}", self.stderr);
        }
        let debris = ["panicked", "RUST_BACKTRACE", "unwrap", "Some(", "None)", "Err(", "Os {", "::"];
        for word in debris {
            assert!(!self.stderr.contains(word), "'{word}' in a message: {}", self.stderr);
        }
        self
    }
}

/// What a ledger file holds, table by table; `None` for any other file.
pub(crate) fn dump(path: &Path) -> Option<Vec<u8>> {
    if path.extension()? != "redb" {
        return None;
    }
    let copy = tempfile::NamedTempFile::new().unwrap();
    fs::copy(path, copy.path()).unwrap();
    let tables = std::panic::catch_unwind(|| {
        let db = redb::Database::open(copy.path()).ok()?;
        let read = db.begin_read().ok()?;
        let mut text = String::new();
        let mut add = |rows: Option<String>| text.push_str(&rows.unwrap_or_else(|| "-".to_owned()));
        add(rows(&read, META));
        add(rows(&read, STATEMENTS));
        add(rows(&read, TILES));
        add(rows(&read, INDEX));
        add(rows(&read, POINTERS));
        add(rows(&read, CONTENTS));
        add(rows(&read, CHUNKS));
        add(rows(&read, FRAMES));
        add(rows(&read, RECENT));
        Some(text.into_bytes())
    });
    tables.ok().flatten()
}

fn rows<K: redb::Key + 'static, V: redb::Value + 'static>(
    read: &redb::ReadTransaction,
    table: TableDefinition<'_, K, V>,
) -> Option<String> {
    let mut text = String::new();
    for row in read.open_table(table).ok()?.iter().ok()? {
        let (key, value) = row.ok()?;
        text.push_str(&format!("{:?} {:?}\n", key.value(), value.value()));
    }
    Some(text)
}

/// The paths that were added, removed or changed.
pub(crate) fn changes(
    before: &BTreeMap<PathBuf, Vec<u8>>,
    after: &BTreeMap<PathBuf, Vec<u8>>,
) -> Vec<String> {
    let all: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let what = |path: &PathBuf| match (before.get(path), after.get(path)) {
        (None, _) => Some(format!("+ {}", path.display())),
        (_, None) => Some(format!("- {}", path.display())),
        (Some(old), Some(new)) => (old != new).then(|| format!("~ {}", path.display())),
    };
    all.into_iter().filter_map(what).collect()
}

/// Whether a program can be started; a test that needs it is skipped by name otherwise.
pub(crate) fn have(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok()
}

/// Whether this process is root, as `id -u` says.
pub(crate) fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}

/// A prompt that lint has nothing to say of.
pub(crate) fn prompt(id: &str, body: &str) -> String {
    format!(
        "---\nprompt_id: {id}\nversion: 1\ntitle: Test\nrole: policy\nsummary: A prompt for tests.\nowner: tests\n\
         status: current\ninputs: []\noutput_contract:\n  format: markdown\n  required_sections: [Answer]\n---\n{body}\n"
    )
}
