//! Where it is measured: ledgers of any size in projects of their own, and the program.

use super::made::{self, Plan};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The ledgers hold sessions that use one of three hundred prompts of about 4 KiB.
pub(super) const PLAN: Plan = Plan { signers: 1, prompts: 300, used: 1, size: 4096, details: true };

/// What is asked for, and what was made for it.
pub(super) struct World {
    /// The size of the large ledger.
    pub(super) entries: u64,
    rounds: Option<usize>,
    pub(super) peers: bool,
    /// Only ledgers of so many signers.
    pub(super) signers: Option<u64>,
    /// Files with a history in git.
    pub(super) histories: Vec<PathBuf>,
    pub(super) folder: PathBuf,
    /// The program, beside this one.
    pub(super) program: PathBuf,
    made: RefCell<BTreeMap<(u64, u64), Made>>,
    temp: Option<tempfile::TempDir>,
}

/// A ledger in a project that is a git repository, with its founder's home.
#[derive(Clone)]
pub(super) struct Made {
    pub(super) plan: Plan,
    pub(super) project: PathBuf,
    pub(super) home: PathBuf,
    pub(super) ledger: PathBuf,
    program: PathBuf,
}

impl World {
    /// Asks `args` for `--entries`, `--rounds`, `--signers`, `--peers`, `--history` and `--keep`.
    pub(super) fn new(args: &[String], program: PathBuf) -> Result<Self, String> {
        let text = |name: &str| super::option(args, name);
        let number = |name: &str| match text(name) {
            None => Ok(None),
            Some(text) => text.parse::<u64>().map(Some).map_err(|_| format!("{name}: '{text}' is no number")),
        };
        let entries = number("--entries")?.unwrap_or(100_000);
        if entries < 200 {
            return Err("--entries: fewer than 200 show nothing".to_owned());
        }
        let rounds = number("--rounds")?.map(|n| usize::try_from(n.max(1)).unwrap_or(1));
        let keep = text("--keep").map(|folder| std::path::absolute(folder).unwrap());
        let temp = keep.is_none().then(|| tempfile::tempdir().unwrap());
        let folder = keep.unwrap_or_else(|| temp.as_ref().unwrap().path().to_owned());
        std::fs::create_dir_all(&folder).map_err(|e| format!("cannot make {}: {e}", folder.display()))?;
        let histories =
            args.windows(2).filter(|pair| pair[0] == "--history").map(|pair| PathBuf::from(&pair[1]));
        Ok(Self {
            entries,
            rounds,
            peers: args.iter().any(|arg| arg == "--peers"),
            signers: number("--signers")?,
            histories: histories.collect(),
            folder,
            program,
            made: RefCell::default(),
            temp,
        })
    }

    /// Rounds of what takes long, or of what does not.
    pub(super) fn rounds(&self, usual: usize) -> usize {
        self.rounds.unwrap_or(usual)
    }

    /// The size of the small ledger beside the large one; it has a run.
    pub(super) fn small(&self, at_most: u64) -> u64 {
        at_most.min((self.entries / 10).max(110))
    }

    /// The ledger of so many entries, made when it is first asked for. Jobs may append a few.
    pub(super) fn ledger(&self, entries: u64, signers: u64) -> Made {
        let plan = Plan { signers, ..PLAN };
        if let Some(made) = self.made.borrow().get(&(entries, signers)) {
            return made.clone();
        }
        let made = self.grown(&format!("{entries}-{}", plan.signers), &plan, entries);
        self.made.borrow_mut().insert((entries, signers), made.clone());
        made
    }

    /// A ledger of so many entries for one job alone, which may append as many as it likes.
    pub(super) fn own(&self, job: &str, entries: u64) -> Made {
        let name = format!("{job}-{entries}");
        let _ = std::fs::remove_dir_all(self.folder.join(&name));
        self.grown(&name, &PLAN, entries)
    }

    fn grown(&self, name: &str, plan: &Plan, entries: u64) -> Made {
        let made = self.project(name);
        let done = made.project.with_file_name("done");
        if !done.exists() {
            eprintln!("making a ledger of {entries} entries, {} signers …", plan.signers);
            let began = Instant::now();
            made::found(&made.ledger);
            made::grow(&made.ledger, plan, entries);
            std::fs::write(done, "").unwrap();
            eprintln!("  made in {:.0} s", began.elapsed().as_secs_f64());
        }
        Made { plan: *plan, ..made }
    }

    /// A project without a ledger; nothing happens when it is there.
    pub(super) fn project(&self, name: &str) -> Made {
        let root = self.folder.join(name);
        let (project, home) = (root.join("project"), root.join("home"));
        let folder = project.join(".promptos");
        let made = Made {
            plan: PLAN,
            ledger: folder.join("ledger.redb"),
            home: home.clone(),
            project: project.clone(),
            program: self.program.clone(),
        };
        if folder.is_dir() {
            return made;
        }
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::create_dir_all(&home).unwrap();
        std::fs::write(folder.join(".gitignore"), "*\n").unwrap();
        let (signer, log_key) = made::keys();
        let id = home.join("id_ed25519");
        promptos::keys::create(&id, &signer.to_bytes(), "bench", None).unwrap();
        promptos::keys::logkey::create(&folder.join("log.key"), &log_key.to_bytes(), "bulk").unwrap();
        let public = std::fs::read_to_string(id.with_extension("pub")).unwrap();
        let signers = home.join("allowed_signers");
        std::fs::write(&signers, format!("bench@localhost {public}")).unwrap();
        made.git(&["init", "--quiet"]);
        let (id, signers) = (id.display().to_string(), signers.display().to_string());
        for (name, value) in [
            ("user.name", "bench"),
            ("user.email", "bench@localhost"),
            ("gpg.format", "ssh"),
            ("user.signingkey", id.as_str()),
            ("gpg.ssh.allowedSignersFile", signers.as_str()),
            ("gc.auto", "0"),
        ] {
            made.git(&["config", name, value]);
        }
        made.git(&["commit", "--quiet", "--allow-empty", "--message", "first"]);
        made
    }

    /// What a file holds, in words.
    pub(super) fn describe(&self, made: &Made) -> String {
        let Plan { signers, prompts, size, .. } = made.plan;
        let ledger = made::open(&made.ledger, promptos::ledger::Access::Read);
        let size_of = ledger.head().unwrap().size;
        let bytes: usize = (0..100)
            .map(|n| {
                ledger.entry((size_of * n / 100 + n) % size_of).unwrap().unwrap().statement.bytes().len()
            })
            .sum();
        format!(
            "a ledger of {size_of} entries in redb: sessions of {signers} signer{} that use one of {prompts} prompts of \
             {size} bytes, with details of their own, and a run for every hundred; a statement has {} bytes in the \
             mean; the file has {} MB",
            if signers == 1 { "" } else { "s, in turns," },
            bytes / 100,
            std::fs::metadata(&made.ledger).unwrap().len() / 1_000_000,
        )
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(temp) = self.temp.take() {
            let _ = temp.close();
        }
    }
}

impl Made {
    /// The program in this project.
    pub(super) fn promptos(&self, args: &[&str]) -> f64 {
        finish(self.command(&self.program).args(args))
    }

    /// Its peak memory in MiB as far as it was seen; 0 where nobody tells.
    pub(super) fn peak(&self, args: &[&str]) -> f64 {
        watch(self.command(&self.program).args(args))
    }

    pub(super) fn git(&self, args: &[&str]) -> f64 {
        finish(self.command(Path::new("git")).args(args))
    }

    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.project).env("PROMPTOS_HOME", &self.home).env("HOME", &self.home);
        command.env("GIT_CONFIG_NOSYSTEM", "1").env_remove("SSH_AUTH_SOCK").env_remove("PROMPTOS_KEY");
        command
    }
}

/// Seconds until the process has ended, which must be well.
pub(super) fn finish(command: &mut Command) -> f64 {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let began = Instant::now();
    let output = command.spawn().and_then(std::process::Child::wait_with_output).expect("the program starts");
    let took = began.elapsed().as_secs_f64();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    took
}

fn watch(command: &mut Command) -> f64 {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().expect("the program starts");
    let status = format!("/proc/{}/status", child.id());
    let mut memory = 0.0_f64;
    // The peak only grows, so the last look before the end is as good as the end.
    let ended = loop {
        if let Some(ended) = child.try_wait().expect("the program can be waited for") {
            break ended;
        }
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        memory = memory.max(kib.unwrap_or(0.0) / 1024.0);
        std::thread::sleep(Duration::from_micros(500));
    };
    assert!(ended.success(), "{command:?}");
    memory
}
