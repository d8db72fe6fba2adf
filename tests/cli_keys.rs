//! Keys that are missing, unusable, unknown, revoked or without the right; and keys that change.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)] // a test may

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use support::refusal::{PROGRAM, have, is_root};
use support::{Output, World, finish, wait};

const DEV: &[&str] = &["dev", "--prompts", "P00"];

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Runs with `--key`.
fn with_key(world: &World, key: impl AsRef<Path>, args: &[&str]) -> Output {
    finish(world.promptos(&["--key", key.as_ref().to_str().unwrap()]).args(args))
}

/// A key file in the project.
fn new_key(world: &World, name: &str) -> PathBuf {
    world.ok(&["key", "new", name]);
    world.path(name)
}

/// A file by ssh-keygen; `None` when that is not here.
fn ssh_keygen(world: &World, name: &str, args: &[&str]) -> Option<PathBuf> {
    let path = world.path(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut command = Command::new("ssh-keygen");
    let made = command.args(["-q", "-f", path.to_str().unwrap()]).args(args).stdin(Stdio::null()).status();
    match made {
        Ok(status) if status.success() => Some(path),
        _ => {
            println!("skipped the part with {name}: ssh-keygen cannot make it here");
            None
        }
    }
}

/// A key that does not work is refused before anything is made.
#[track_caller]
fn refused_on_bare_ground(world: &World, code: i32, key: &str, essentials: &[&str]) {
    let mut args = vec!["--key", key];
    args.extend(DEV);
    world.refuses(code, &args, essentials);
    assert!(!world.path(".promptos").exists() && !world.config().exists());
}

#[test]
fn a_key_file_that_is_none() {
    let world = World::new();
    world.write("text", "hello\n");
    world.write("empty", "");
    world.write("large", vec![b'a'; 1 << 20]);
    world.write("binary", [0xff, 0xfe, 0]);
    world.write("rsa.pem", "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n");
    world.write("pkcs8.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    let torn = world.write("torn", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n");
    mode(&torn, 0o600);
    refused_on_bare_ground(&world, 1, "nowhere", &["there is no key file", "ssh-keygen -t ed25519"]);
    refused_on_bare_ground(&world, 1, ".", &["is not a file", "name the key file itself"]);
    for file in ["text", "empty", "large", "binary"] {
        refused_on_bare_ground(&world, 1, file, &[file, "is not an OpenSSH key file"]);
    }
    refused_on_bare_ground(&world, 1, "rsa.pem", &["RSA", "only plain Ed25519 keys"]);
    refused_on_bare_ground(&world, 1, "pkcs8.pem", &["PKCS #8", "ssh-keygen -p"]);
    refused_on_bare_ground(&world, 1, "torn", &["torn", "is damaged"]);
    refused_on_bare_ground(&world, 2, "", &["--key (or PROMPTOS_KEY) is empty"]);
    refused_on_bare_ground(&world, 1, "SHA256:short", &["is not a SHA-256 key fingerprint"]);
    refused_on_bare_ground(&world, 1, "MD5:00:11", &["is not a SHA-256 key fingerprint"]);
    let unknown = format!("SHA256:{}", "A".repeat(43));
    refused_on_bare_ground(&world, 5, &unknown, &["ssh-agent", "SSH_AUTH_SOCK is not set"]);
}

#[test]
fn the_environment_names_a_key_too() {
    let world = World::with_session();
    let output = finish(world.promptos(DEV).env("PROMPTOS_KEY", "nowhere"));
    output.failed(1, &["there is no key file nowhere"]);
    finish(world.promptos(DEV).env("PROMPTOS_KEY", "")).failed(2, &["PROMPTOS_KEY) is empty"]);
    let output = finish(world.promptos(DEV).env("PROMPTOS_KEY", world.key()));
    assert_eq!(output.code, 0, "{output:?}");
    assert_eq!(world.verified(), 3);
}

#[test]
fn keys_of_other_kinds() {
    let world = World::with_session();
    for (kind, name) in [("rsa", "an RSA key"), ("ecdsa", "an ECDSA key")] {
        let file = format!("key-{kind}");
        let Some(key) = ssh_keygen(&world, &file, &["-t", kind, "-N", ""]) else { continue };
        for key in [file.clone(), format!("{file}.pub")] {
            let mut args = vec!["--key", key.as_str()];
            args.extend(DEV);
            world.refuses(1, &args, &[name, "only plain Ed25519 keys can sign"]);
        }
        let public = format!("{}.pub", key.display());
        world.refuses(1, &["key", "add", &public, "--identity", "x", "--role", "user"], &[name]);
    }
    assert_eq!(world.verified(), 2);
}

#[test]
fn a_key_that_others_can_read() {
    let world = World::with_session();
    for open in [0o644, 0o640, 0o604, 0o666] {
        mode(&world.key(), open);
        world.refuses(1, DEV, &["is open to other users", &format!("mode {open:04o}"), "chmod 600"]);
    }
    mode(&world.key(), 0o600);
    world.ok(DEV);
    if is_root() {
        println!("skipped the unreadable key: root may read everything");
    } else {
        mode(&world.key(), 0o000);
        world.refuses(1, DEV, &["may not be read by this user"]);
        mode(&world.key(), 0o600);
    }
    assert_eq!(world.verified(), 3);
}

#[test]
fn a_key_under_a_passphrase_without_a_terminal() {
    let world = World::with_session();
    let path = world.path("locked");
    let passphrase = zeroize::Zeroizing::new("correct horse".to_owned());
    let lock = promptos::keys::Encryption { passphrase, salt: [7; 16] };
    promptos::keys::create(&path, &[7; 32], "locked", Some(&lock)).unwrap();
    let mut args = vec!["--key", "locked"];
    args.extend(DEV);
    world.refuses(5, &args, &["locked is protected by a passphrase", "no terminal", "ssh-add"]);
    world.refuses(5, &["key", "new", "other", "--passphrase"], &["passphrase", "terminal"]);
    assert_eq!(world.verified(), 2);
}

#[test]
fn a_wrong_passphrase() {
    if !have("script") {
        println!("skipped a_wrong_passphrase: no 'script' to make a terminal");
        return;
    }
    let world = World::with_session();
    let path = world.path("locked");
    let passphrase = zeroize::Zeroizing::new("correct horse".to_owned());
    let lock = promptos::keys::Encryption { passphrase, salt: [7; 16] };
    promptos::keys::create(&path, &[7; 32], "locked", Some(&lock)).unwrap();
    let before = world.snapshot();
    let line = format!("{} --key locked dev --prompts P00", PROGRAM);
    // Another program, with the same world around it.
    let mut script = Command::new("script");
    script.args(["-qec", &line, "/dev/null"]).current_dir(&world.project).env_clear();
    let environment = world.promptos(&[]);
    script.envs(environment.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut child =
        script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut input, b"battery staple\nbattery staple\nbattery staple\n").unwrap();
    let output = wait(child);
    drop(input);
    assert_eq!(output.code, 1, "{output:?}");
    assert!(output.stdout.contains("wrong passphrase for locked"), "{output:?}");
    assert_eq!(support::refusal::changes(&before, &world.snapshot()), Vec::<String>::new());
}

#[test]
fn a_login_key_works_with_a_warning() {
    let world = World::new();
    let folder = world.home.join(".ssh");
    fs::create_dir(&folder).unwrap();
    let key = folder.join("id_ed25519");
    world.ok(&["key", "new", key.to_str().unwrap()]);
    let output = with_key(&world, &key, DEV);
    assert_eq!(output.code, 0, "{output:?}");
    assert!(output.stderr.contains("warning: this key seems to be a login key"), "{output:?}");
    assert!(output.stderr.contains("promptos key new FILE"), "{output:?}");
    assert_eq!(world.verified(), 2);
}

#[test]
fn a_key_that_is_not_enrolled() {
    let world = World::with_session();
    new_key(&world, "stranger");
    let essentials = [
        "is not enrolled in the ledger",
        "promptos key add FILE.pub --identity NAME --role user",
        "key list",
    ];
    world.refuses(1, &["--key", "stranger", "dev", "--prompts", "P00"], &essentials);
    world.refuses(1, &["--key", "stranger", "key", "rotate", "--log-key"], &essentials);
    let add = ["--key", "stranger", "key", "add", "stranger.pub", "--identity", "me", "--role", "admin"];
    world.refuses(1, &add, &essentials);
    let export = ["--key", "stranger", "export", "--artifacts-dir", "out"];
    world.refuses(1, &export, &["has recorded no session here"]);
    assert_eq!(world.verified(), 2);
}

#[test]
fn the_default_key_that_is_not_enrolled_is_not_half_rotated() {
    let world = World::with_session();
    new_key(&world, "stranger");
    for end in ["", ".pub"] {
        fs::copy(world.path(format!("stranger{end}")), format!("{}{end}", world.key().display())).unwrap();
    }
    world.refuses(1, &["key", "rotate"], &["is not enrolled"]);
    assert_eq!(world.verified(), 2);
    let other = World::new();
    other.ok(&["key", "new"]);
    other.refuses(1, &["key", "rotate"], &["there is no ledger here"]);
}

fn kid(world: &World, file: &str) -> String {
    let list = world.json(&["key", "list"]);
    let public = promptos::keys::PublicKey::read(&world.path(file)).unwrap().fingerprint();
    assert!(list["keys"].as_array().unwrap().iter().any(|key| key["kid"] == public.as_str()), "{list}");
    public
}

#[test]
fn a_revoked_key_is_out_for_ever() {
    let world = World::with_session();
    new_key(&world, "second");
    world.ok(&["key", "add", "second.pub", "--identity", "sam", "--role", "user"]);
    assert_eq!(with_key(&world, "second", DEV).code, 0);
    world.ok(&["key", "revoke", "second.pub", "--compromised-since", "1"]);
    let mut args = vec!["--key", "second"];
    args.extend(DEV);
    world.refuses(1, &args, &["was revoked by entry 4", "--key", "key list"]);
    world.refuses(1, &["key", "revoke", "second.pub"], &["is revoked already"]);
    world.refuses(1, &["key", "revoke", &kid(&world, "second.pub")], &["is revoked already"]);
    let again = ["key", "add", "second.pub", "--identity", "sam", "--role", "user"];
    world.refuses(1, &again, &["was enrolled before; a key is enrolled once"]);
    assert_eq!(world.verified(), 5);
}

#[test]
fn revoking_what_is_not_there() {
    let world = World::with_session();
    new_key(&world, "stranger");
    world.refuses(1, &["key", "revoke", "stranger.pub"], &["is not enrolled, so it cannot be revoked"]);
    world.refuses(1, &["key", "revoke", "stranger"], &["is a private key; a public key is wanted"]);
    world.refuses(1, &["key", "revoke", "nowhere.pub"], &["there is no key file nowhere.pub"]);
    world.refuses(1, &["key", "revoke", "SHA256:xyz"], &["is not a SHA-256 key fingerprint"]);
    let since = ["key", "revoke", "stranger.pub", "--compromised-since", "99"];
    world.refuses(1, &since, &["there is no entry '99'"]);
    assert_eq!(world.verified(), 2);
}

#[test]
fn the_last_admin_stays() {
    let world = World::with_session();
    let public = format!("{}.pub", world.key().display());
    world.refuses(1, &["key", "revoke", &public], &["is the last admin key and cannot be revoked"]);
    new_key(&world, "second");
    world.ok(&["key", "add", "second.pub", "--identity", "sam", "--role", "admin"]);
    world.ok(&["key", "revoke", &public]);
    world.refuses(1, DEV, &["was revoked by entry 3"]);
    // An admin is no user.
    world.refuses(1, &["--key", "second", "dev", "--prompts", "P00"], &["'sam'", "no role user or agent"]);
    assert_eq!(world.verified(), 4);
}

#[test]
fn who_is_no_admin_changes_no_keys() {
    let world = World::with_session();
    new_key(&world, "user");
    new_key(&world, "other");
    world.ok(&["key", "add", "user.pub", "--identity", "uma", "--role", "user"]);
    let add = ["--key", "user", "key", "add", "other.pub", "--identity", "x", "--role", "user"];
    world.refuses(1, &add, &["'uma' may not enrol keys: that needs the role admin"]);
    let founder = format!("{}.pub", world.key().display());
    world.refuses(1, &["--key", "user", "key", "revoke", &founder], &["'uma' may not revoke another's key"]);
    world.refuses(1, &["--key", "user", "key", "rotate", "--log-key"], &["'uma' may not change the log key"]);
    // But one's own key is one's own.
    world.ok(&["--key", "user", "key", "revoke", "user.pub"]);
    assert_eq!(world.verified(), 4);
}

#[test]
fn key_add_checks_what_it_is_told() {
    let world = World::with_session();
    new_key(&world, "second");
    let add = |identity: &str, rest: &[&str], code: i32, essential: &str| {
        let mut args = vec!["key", "add", "second.pub", "--identity", identity];
        args.extend(rest);
        world.refuses(code, &args, &[essential]);
    };
    add("sam", &["--role", "king"], 2, "roles are admin, user and agent");
    add("sam", &["--role", "user,user"], 2, "each at most once");
    add("sam", &[], 2, "--role");
    add("sam", &["--role", "user", "--for", "dana"], 2, "--for is for keys with the role agent");
    for identity in ["", "a\nb", "a\u{202e}b", &"x".repeat(5000)] {
        add(identity, &["--role", "user"], 2, "identity");
    }
    world.refuses(1, &["key", "add", "second", "--identity", "s", "--role", "user"], &["is a private key"]);
    let own = format!("{}.pub", world.key().display());
    world.refuses(1, &["key", "add", &own, "--identity", "s", "--role", "user"], &["was enrolled before"]);
    world.refuses(1, &["key", "new", "second"], &["already exists", "never overwritten"]);
    world.refuses(1, &["key", "new", "no/such/folder/key"], &["cannot create", "create that first"]);
    world.refuses(1, &["key", "new"], &["already exists"]);
    world.refuses(1, &["key", "new", "third", "--comment", "a\nb"], &["one line without control characters"]);
    assert_eq!(world.verified(), 2);
}

#[test]
fn an_agent_cites_and_never_binds() {
    let world = World::with_session();
    new_key(&world, "bot");
    world.ok(&["key", "add", "bot.pub", "--identity", "bot-7", "--role", "agent", "--for", "dana"]);
    world.refuses(
        1,
        &["--key", "bot", "dev", "--prompts", "P01"],
        &["P01.v1 is not bound yet, and binding it needs the role user"],
    );
    assert_eq!(with_key(&world, "bot", DEV).code, 0);
    world.write(
        "old.json",
        r#"{"timestamp_utc": "2025-01-01T00:00:00Z", "prompt_os_version": "v1", "prompts_used": ["P00"],
            "developer": "d", "target_repo": "t", "notes": "", "lint_passed": true}"#,
    );
    let import = world.refuses(1, &["--key", "bot", "session", "import", "old.json"], &["not every file"]);
    assert!(import.stdout.contains("'bot-7'") && import.stdout.contains("no role user"), "{import:?}");
    let list = world.ok(&["key", "list"]);
    assert!(list.contains("bot-7  agent for dana"), "{list}");
    assert_eq!(world.verified(), 4);
}

#[test]
fn a_rotated_key_takes_over() {
    let world = World::with_session();
    let old = fs::read(world.key()).unwrap();
    world.ok(&["key", "rotate"]);
    assert_eq!(world.verified(), 3);
    assert_ne!(fs::read(world.key()).unwrap(), old);
    let kept: Vec<_> = fs::read_dir(world.config())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("id_ed25519.old-"))
        .collect();
    assert_eq!(kept.len(), 2, "{kept:?}");
    let kept = world.config().join(kept.iter().find(|name| !name.ends_with(".pub")).unwrap());
    assert_eq!(fs::read(&kept).unwrap(), old);
    assert!(!world.config().join("id_ed25519.next").exists());
    world.refuses(
        1,
        &["--key", kept.to_str().unwrap(), "dev", "--prompts", "P00"],
        &["was revoked by entry 2"],
    );
    world.ok(DEV);
    assert_eq!(world.verified(), 4);

    // A key that is named is rotated to one that is named.
    new_key(&world, "next");
    let key = world.key();
    let named = ["--key", key.to_str().unwrap(), "key", "rotate"];
    world.refuses(2, &named, &["name the new key with --to FILE"]);
    world.ok(&["--key", key.to_str().unwrap(), "key", "rotate", "--to", "next.pub"]);
    world.refuses(1, DEV, &["was revoked by entry 4"]);
    assert_eq!(with_key(&world, "next", DEV).code, 0);
    world.refuses(1, &["--key", "next", "key", "rotate", "--to", "next"], &["was enrolled before"]);
    world.refuses(
        1,
        &["--key", "next", "key", "rotate", "--to", "nowhere"],
        &["there is no key file nowhere"],
    );
    world.refuses(2, &["key", "rotate", "--to", "next", "--log-key"], &["cannot be used with"]);
    assert_eq!(world.verified(), 6);
}

#[test]
fn a_rotation_that_was_stopped_is_finished() {
    let world = World::with_session();
    // The statement is there, the files were not yet moved.
    let next = world.config().join("id_ed25519.next");
    world.ok(&["key", "new", next.to_str().unwrap()]);
    let key = world.key();
    world.ok(&["--key", key.to_str().unwrap(), "key", "rotate", "--to", next.to_str().unwrap()]);
    world.refuses(1, DEV, &["was revoked by entry 2"]);
    let output = world.run(&["key", "rotate"]);
    assert_eq!(output.code, 0, "{output:?}");
    assert!(output.stderr.contains("the rotation was recorded earlier"), "{output:?}");
    assert!(!next.exists());
    world.ok(DEV);
    assert_eq!(world.verified(), 4);
}

#[test]
fn a_rotated_log_key_vouches_on() {
    let world = World::with_session();
    let first = fs::read(world.path(".promptos/log.key")).unwrap();
    world.ok(&["key", "rotate", "--log-key"]);
    assert_eq!(world.verified(), 3);
    assert_ne!(fs::read(world.path(".promptos/log.key")).unwrap(), first);
    assert!(!world.path(".promptos/log.key.next").exists());
    world.ok(&["dev", "--prompts", "P00", "--artifacts-dir", "out"]);
    world.ok(&["key", "rotate", "--log-key"]);
    world.ok(&["export", "--artifacts-dir", "out2"]);
    for dir in ["out", "out2"] {
        world.ok(&["verify", &format!("{dir}/prompt_session.json")]);
        world.ok(&["verify", &format!("{dir}/prompt_session.evidence.tar")]);
        world.ok(&["verify-chain", "--checkpoint", &format!("{dir}/prompt_session.evidence.tar")]);
    }
    assert_eq!(world.verified(), 5);
    // The old one is not the ledger's any more.
    fs::write(world.path(".promptos/log.key"), first).unwrap();
    world.refuses(3, DEV, &["log key", "restore log.key"]);
}

#[test]
fn a_log_key_rotation_that_was_stopped_is_finished() {
    let world = World::with_session();
    let old = fs::read(world.path(".promptos/log.key")).unwrap();
    world.ok(&["key", "rotate", "--log-key"]);
    fs::rename(world.path(".promptos/log.key"), world.path(".promptos/log.key.next")).unwrap();
    fs::write(world.path(".promptos/log.key"), old).unwrap();
    mode(&world.path(".promptos/log.key"), 0o600);
    world.ok(DEV);
    assert!(!world.path(".promptos/log.key.next").exists());
    assert_eq!(world.verified(), 4);
}

/// An ssh-agent for one test.
struct Agent {
    child: std::process::Child,
    socket: PathBuf,
}

impl Agent {
    fn start(world: &World) -> Option<Self> {
        let socket = world.root().join("agent");
        let mut command = Command::new("ssh-agent");
        command.args(["-D", "-a", socket.to_str().unwrap()]).env_clear();
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
        let mut agent = Self { child, socket };
        // It prints where it listens once it does.
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(agent.child.stdout.as_mut()?), &mut line)
            .ok()?;
        agent.socket.exists().then_some(agent)
    }

    fn add(&self, key: &Path) -> bool {
        let mut command = Command::new("ssh-add");
        command.arg("-q").arg(key).env("SSH_AUTH_SOCK", &self.socket).stdin(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_key_in_a_real_agent_signs() {
    let world = World::new();
    let Some(agent) = Agent::start(&world) else {
        println!("skipped a_key_in_a_real_agent_signs: no ssh-agent here");
        return;
    };
    let key = new_key(&world, "mine");
    let public = fs::read(world.path("mine.pub")).unwrap();
    let fingerprint = promptos::keys::PublicKey::read(&world.path("mine.pub")).unwrap().fingerprint();
    let dev =
        |key: &str| finish(world.promptos(&["--key", key]).args(DEV).env("SSH_AUTH_SOCK", &agent.socket));
    // Not held yet: nothing is made.
    let before = world.snapshot();
    dev("mine.pub")
        .failed(1, &["the ssh-agent does not hold the key", "ssh-add FILE", "it shows no keys at all"]);
    dev(&fingerprint).failed(1, &["the ssh-agent does not hold the key"]);
    assert_eq!(support::refusal::changes(&before, &world.snapshot()), Vec::<String>::new());

    if !agent.add(&key) {
        println!("skipped a_key_in_a_real_agent_signs: ssh-add does not work here");
        return;
    }
    for file in ["mine", "mine.pub"] {
        fs::remove_file(world.path(file)).unwrap();
    }
    assert_eq!(dev(&fingerprint).code, 0);
    world.write("elsewhere.pub", public);
    assert_eq!(dev("elsewhere.pub").code, 0);
    assert!(!world.key().exists(), "no default key is made when another one is named");
    assert_eq!(world.verified(), 3);
    // It signs an in-toto Statement too, which is verified before it is printed.
    let attest = ["--key", &fingerprint, "envelope", "1", "--as", "in-toto"];
    let attested = finish(world.promptos(&attest).env("SSH_AUTH_SOCK", &agent.socket));
    assert!(attested.code == 0 && attested.stdout.contains(&fingerprint), "{attested:?}");

    drop(agent);
    let gone = finish(
        world.promptos(&["--key", &fingerprint]).args(DEV).env("SSH_AUTH_SOCK", world.root().join("agent")),
    );
    gone.failed(5, &["no ssh-agent answers at"]);
    assert_eq!(world.verified(), 3);
}

/// A witness whose key lies in an agent. What it was about to vouch for is pinned before the agent is asked, so that no
/// cosignature is ever made of what is not pinned.
#[test]
fn a_witness_pins_before_its_agent_signs() {
    let (keeper, world) = (World::with_session(), World::new());
    let Some(agent) = Agent::start(&world) else {
        println!("skipped a_witness_pins_before_its_agent_signs: no ssh-agent here");
        return;
    };
    let key = new_key(&world, "key");
    world.write("vkey", keeper.ok(&["checkpoint", "--vkey"]));
    let cosign = |since: &str| {
        world.write("note", keeper.ok(&["checkpoint", "--since", since]));
        let public = format!("{}.pub", key.display());
        let mut command =
            world.promptos(&["--key", &public, "cosign", "note", "--vkey", "vkey", "--name", "w"]);
        finish(command.env("SSH_AUTH_SOCK", &agent.socket))
    };
    // One that the agent does not hold pins nothing: nobody could have signed.
    cosign("0").failed(1, &["the ssh-agent does not hold the key"]);
    assert_eq!(world.json(&["pin", "show"])["pins"].as_array().unwrap().len(), 0);
    if !agent.add(&key) {
        println!("skipped a_witness_pins_before_its_agent_signs: ssh-add does not work here");
        return;
    }
    let cosigned = cosign("0").ok().stdout;
    let mut vkey =
        world.promptos(&["--key", key.to_str().unwrap(), "cosign", "--witness-vkey", "--name", "w"]);
    let vkey = ledger_format::WitnessKey::parse(finish(&mut vkey).ok().stdout.trim()).unwrap();
    assert_eq!(vkey.times(cosigned.as_bytes()).unwrap().len(), 1);
    // Asked to confirm, with nobody to ask, the agent refuses.
    let mut confirm = Command::new("ssh-add");
    confirm.args(["-q", "-c"]).arg(&key).env("SSH_AUTH_SOCK", &agent.socket).env_remove("DISPLAY");
    assert!(confirm.stdin(Stdio::null()).status().unwrap().success());
    keeper.ok(DEV);
    cosign("2").failed(5, &["the key did not sign"]);
    assert_eq!(world.json(&["pin", "show"])["pins"][0]["size"], 3);
}
