use super::*;
use crate::error::Kind;
use ssh_key::{Cipher, Kdf, LineEnding, PrivateKey};

const SEED: [u8; 32] = [7; 32];

fn dir() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn encryption(passphrase: &str) -> Encryption {
    Encryption { passphrase: Zeroizing::new(passphrase.to_owned()), salt: [3; 16] }
}

fn refuse(path: &Path, parts: &[&str]) {
    says(&load(path, &mut never).expect_err("loads"), parts);
}

#[test]
fn a_created_key_loads_with_its_public_half() {
    let dir = dir();
    let path = dir.path().join("key");
    let public = create(&path, &SEED, "ada@example.org", None).unwrap();
    let (signing, comment) = load(&path, &mut never).unwrap();
    assert_eq!((signing.to_bytes(), comment.as_str()), (SEED, "ada@example.org"));
    assert_eq!(public.key, signing.public_key());
    assert_eq!(PublicKey::read(&dir.path().join("key.pub")).unwrap(), public);
    assert_eq!((mode(&path), mode(&dir.path().join("key.pub"))), (0o600, 0o644));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "a temporary file stayed");
}

#[test]
fn an_encrypted_key_opens_with_its_passphrase_only() {
    let dir = dir();
    let path = dir.path().join("key");
    create(&path, &SEED, "c", Some(&encryption("correct horse"))).unwrap();
    assert_eq!(load(&path, &mut |_| typed("correct horse")).unwrap().0.to_bytes(), SEED);

    let mut prompts = Vec::new();
    let retry = load(&path, &mut |prompt| {
        prompts.push(prompt.to_owned());
        typed(if prompts.len() == 1 { "wrong" } else { "correct horse" })
    });
    assert_eq!(retry.unwrap().0.to_bytes(), SEED);
    assert!(prompts[0].starts_with("Passphrase for") && prompts[1].starts_with("Wrong"), "{prompts:?}");

    let mut asked = 0;
    let wrong = load(&path, &mut |_| {
        asked += 1;
        typed("wrong")
    });
    says(&wrong.unwrap_err(), &["wrong passphrase for", utf8(&path)]);
    assert_eq!(asked, 3);

    says(&load(&path, &mut |_| typed("")).unwrap_err(), &["no passphrase was given"]);
    let alone = load(&path, &mut nobody).unwrap_err();
    assert_eq!(alone.kind(), Kind::Unavailable);
    says(&alone, &["there is no terminal", "ssh-add", "in a terminal"]);
    let broken = load(&path, &mut |_| Err(Error::failed("the terminal is gone"))).unwrap_err();
    says(&broken, &["the terminal is gone"]);
}

#[test]
fn creating_never_overwrites_and_leaves_nothing_half_made() {
    let dir = dir();
    let at = |name: &str| dir.path().join(name);
    fs::write(at("a"), "precious").unwrap();
    fs::write(at("b.pub"), "precious").unwrap();
    std::os::unix::fs::symlink("nowhere", at("c")).unwrap();
    std::os::unix::fs::symlink("nowhere", at("d.pub")).unwrap();
    for name in ["a", "b", "c", "d"] {
        says(&create(&at(name), &SEED, "", None).unwrap_err(), &["already exists", "never overwritten"]);
    }
    says(&logkey::create(&at("a"), &SEED, "x").unwrap_err(), &["already exists"]);
    says(&create(&at("no/such/key"), &SEED, "", None).unwrap_err(), &["cannot create", "does not exist"]);
    says(&create(&at("e"), &SEED, "two\nlines", None).unwrap_err(), &["one line"]);
    says(&create(&at("e"), &SEED, "", Some(&encryption(""))).unwrap_err(), &["passphrase is empty"]);

    // Room for this name, but not for the same with `.pub`: the private key goes again.
    let long = at(&"x".repeat(253));
    says(&create(&long, &SEED, "", None).unwrap_err(), &["cannot create", ".pub"]);

    let mut names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["a", "b.pub", "c", "d.pub"]);
    assert_eq!(fs::read(at("a")).unwrap(), b"precious");
    assert_eq!(fs::read(at("b.pub")).unwrap(), b"precious");
}

#[test]
fn of_many_creators_one_wins() {
    let dir = dir();
    let path = dir.path().join("key");
    let won: Vec<u8> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8u8)
            .map(|n| {
                scope.spawn({
                    let path = &path;
                    move || create(path, &[n; 32], "", None).ok().map(|_| n)
                })
            })
            .collect();
        threads.into_iter().filter_map(|t| t.join().unwrap()).collect()
    });
    assert_eq!(won.len(), 1, "{won:?}");
    let (signing, _) = load(&path, &mut never).unwrap();
    assert_eq!(signing.to_bytes(), [won[0]; 32]);
    assert_eq!(PublicKey::read(&dir.path().join("key.pub")).unwrap().key, signing.public_key());
}

#[test]
fn files_that_are_no_private_key_are_refused() {
    let dir = dir();
    let at = |name: &str| dir.path().join(name);
    refuse(&at("missing"), &["there is no key file", "ssh-keygen -t ed25519"]);
    refuse(dir.path(), &["is not a file"]);
    std::os::unix::fs::symlink("loop", at("loop")).unwrap();
    refuse(&at("loop"), &["cannot read"]);

    write(&at("closed"), "", 0o000);
    if fs::File::open(at("closed")).is_ok() {
        println!("skipped: this user may read every file");
    } else {
        refuse(&at("closed"), &["may not be read", "ls -l"]);
    }

    create(&at("key"), &SEED, "", None).unwrap();
    refuse(&at("key.pub"), &["is a public key", "name the private key file"]);
    says(&PublicKey::read(&at("key")).unwrap_err(), &["is a private key", "ssh-keygen -y"]);
    fs::remove_file(at("key")).unwrap();
    refuse(&at("key"), &["there is no key file", "through ssh-agent", "key.pub"]);

    let cases: &[(&[u8], &str)] = &[
        (b"", "not an OpenSSH key file"),
        (b"hello\n", "not an OpenSSH key file"),
        (b"\xff\xfe\0", "not an OpenSSH key file"),
        (&[b'a'; 70_000], "not an OpenSSH key file"),
        (b"-----BEGIN OPENSSH PRIVATE KEY-----\n", "damaged"),
        (b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n", "damaged"),
        (b"-----BEGIN RSA PRIVATE KEY-----\n", "an RSA key"),
        (b"-----BEGIN EC PRIVATE KEY-----\n", "an ECDSA key"),
        (b"-----BEGIN DSA PRIVATE KEY-----\n", "a DSA key"),
        (b"-----BEGIN PRIVATE KEY-----\n", "PKCS #8"),
        (b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n", "PKCS #8"),
        (b"-----BEGIN PUBLIC KEY-----\n", "PKCS #8"),
        (b"---- BEGIN SSH2 PUBLIC KEY ----\n", "RFC 4716"),
        (b"PuTTY-User-Key-File-3: ssh-ed25519\n", "a PuTTY key"),
        (b"ssh-rsa AAAA\n", "an RSA key"),
        (b"ssh-ed25519-cert-v01@openssh.com AAAA\n", "a certificate"),
    ];
    for (content, part) in cases {
        write(&at("case"), content, 0o600);
        let part = part.replace("a certificate", "an SSH certificate");
        refuse(&at("case"), &[utf8(&at("case")), &part]);
    }
}

#[test]
fn a_private_key_open_to_others_is_refused() {
    let dir = dir();
    let path = dir.path().join("key");
    create(&path, &SEED, "", None).unwrap();
    for bit in [0o001, 0o002, 0o004, 0o010, 0o020, 0o040] {
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600 | bit)).unwrap();
        refuse(&path, &["open to other users", &format!("chmod 600 {}", path.display())]);
    }
    for good in [0o600, 0o400, 0o700] {
        fs::set_permissions(&path, fs::Permissions::from_mode(good)).unwrap();
        load(&path, &mut never).unwrap();
    }
}

#[test]
fn every_cut_and_flip_of_a_file_is_refused_or_harmless() {
    let dir = dir();
    let path = dir.path().join("key");
    create(&path, &SEED, "comment", None).unwrap();
    let whole = fs::read(&path).unwrap();
    for end in 0..whole.len() - 1 {
        write(&path, &whole[..end], 0o600);
        if let Ok((key, _)) = load(&path, &mut never) {
            assert_eq!(key.to_bytes(), SEED);
        }
    }
    for at in 0..whole.len() {
        let mut other = whole.clone();
        other[at] ^= 1;
        write(&path, &other, 0o600);
        // A flip may land in the comment or in the check numbers; it never makes another key.
        if let Ok((key, _)) = load(&path, &mut never) {
            assert_eq!(key.to_bytes(), SEED);
        }
    }
}

#[test]
fn hostile_encryption_settings_are_refused_before_anyone_is_asked() {
    let dir = dir();
    let path = dir.path().join("key");
    let key = PrivateKey::new(ssh_key::private::Ed25519Keypair::from_seed(&SEED).into(), "").unwrap();
    let cheap = Kdf::Bcrypt { salt: vec![1; 16], rounds: 1 };
    let locked = key.encrypt_with(Cipher::Aes256Ctr, cheap, 0, "p").unwrap();
    let bytes = locked.to_bytes().unwrap().to_vec();
    let rounds_at = bytes.windows(20).position(|w| w[..16] == [1; 16]).unwrap() + 16;
    for (rounds, part) in [(u32::MAX, "4294967295 rounds"), (10_001, "10001 rounds"), (0, "damaged")] {
        let mut hostile = bytes.clone();
        hostile[rounds_at..rounds_at + 4].copy_from_slice(&rounds.to_be_bytes());
        let hostile = PrivateKey::from_bytes(&hostile).unwrap();
        write(&path, hostile.to_openssh(LineEnding::LF).unwrap(), 0o600);
        refuse(&path, &[part]);
    }
    let mut swapped = bytes.clone();
    let public_at = bytes.windows(11).position(|w| w == b"ssh-ed25519").unwrap() + 15;
    swapped[public_at..public_at + 32]
        .copy_from_slice(&ed25519_dalek::SigningKey::from_bytes(&[9; 32]).public_key());
    write(&path, PrivateKey::from_bytes(&swapped).unwrap().to_openssh(LineEnding::LF).unwrap(), 0o600);
    says(&load(&path, &mut |_| typed("p")).unwrap_err(), &["damaged"]);
}

#[test]
fn log_keys_are_plain_private_and_unencrypted() {
    let dir = dir();
    let path = dir.path().join("log.key");
    assert_eq!(logkey::create(&path, &SEED, "team").unwrap().to_bytes(), SEED);
    assert_eq!(mode(&path), 0o600);
    assert!(!dir.path().join("log.key.pub").exists());
    assert_eq!(logkey::load(&path).unwrap().to_bytes(), SEED);
    assert_eq!(load(&path, &mut never).unwrap().1, "promptos log key team");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    says(&logkey::load(&path).unwrap_err(), &["open to other users (mode 0640)"]);
    says(&logkey::load(&dir.path().join("none")).unwrap_err(), &["there is no key file"]);
    create(&dir.path().join("locked"), &SEED, "", Some(&encryption("p"))).unwrap();
    says(&logkey::load(&dir.path().join("locked")).unwrap_err(), &["under a passphrase", "ssh-keygen -p"]);
}

#[test]
fn openssh_reads_ours() {
    if !openssh() {
        return;
    }
    let dir = dir();
    for (name, lock, passphrase) in
        [("plain", None, ""), ("locked", Some(encryption("correct horse")), "correct horse")]
    {
        let path = dir.path().join(name);
        let public = create(&path, &SEED, "ada", lock.as_ref()).unwrap();
        let derived = run("ssh-keygen", &["-y", "-P", passphrase, "-f", utf8(&path)], None);
        assert_eq!(derived.trim_end(), public.to_openssh());
        let listed = run("ssh-keygen", &["-l", "-f", utf8(&path)], None);
        assert_eq!(listed.trim_end(), format!("256 {} ada (ED25519)", public.fingerprint()));
        assert_eq!(public.fingerprint(), Kid::of(&public.key).to_string());
    }
}

#[test]
fn we_read_what_openssh_writes() {
    if !openssh() {
        return;
    }
    let dir = dir();
    let plain = keygen(&dir, "plain", "ed25519", "");
    let (signing, comment) = load(&plain, &mut never).unwrap();
    let public = PublicKey::read(&plain.with_extension("pub")).unwrap();
    assert_eq!((signing.public_key(), comment.as_str()), (public.key, "made by ssh"));
    assert!(run("ssh-keygen", &["-l", "-f", utf8(&plain)], None).contains(&public.fingerprint()));

    let ciphers = run("ssh", &["-Q", "cipher"], None);
    let mut tried = 0;
    for cipher in ciphers.lines() {
        let path = dir.path().join(cipher.split('@').next().unwrap());
        let path_text = utf8(&path);
        run(
            "ssh-keygen",
            &["-q", "-t", "ed25519", "-a", "1", "-Z", cipher, "-N", "correct horse", "-f", path_text],
            None,
        );
        if cipher == "3des-cbc" {
            refuse(&path, &["3DES", "ssh-keygen -p"]);
            continue;
        }
        let (signing, _) =
            load(&path, &mut |_| typed("correct horse")).unwrap_or_else(|e| panic!("{cipher}: {e}"));
        assert_eq!(signing.public_key(), PublicKey::read(&with_pub(&path)).unwrap().key, "{cipher}");
        says(&load(&path, &mut |_| typed("wrong")).unwrap_err(), &["wrong passphrase"]);
        tried += 1;
    }
    assert!(tried >= 3, "{ciphers}");
}

#[test]
fn other_key_types_of_openssh_are_refused_by_name() {
    if !openssh() {
        return;
    }
    let dir = dir();
    for (kind, name) in [
        ("rsa", "an RSA key (ssh-rsa)"),
        ("ecdsa", "an ECDSA key (ecdsa-sha2-nistp256)"),
        ("dsa", "a DSA key"),
    ] {
        for passphrase in ["", "correct horse"] {
            let file = format!("{kind}{}", passphrase.len());
            let path = dir.path().join(&file);
            let args = ["-q", "-t", kind, "-N", passphrase, "-f", utf8(&path)];
            if kind == "dsa" && !try_run("ssh-keygen", &args, None).status.success() {
                println!("skipped: this OpenSSH makes no DSA keys");
                continue;
            } else if kind != "dsa" {
                run("ssh-keygen", &args, None);
            }
            refuse(&path, &[name, "only plain Ed25519 keys"]);
            refuse(&with_pub(&path), &[name]);
        }
    }
    // A certificate.
    let ca = keygen(&dir, "ca", "ed25519", "");
    let user = keygen(&dir, "user", "ed25519", "");
    run("ssh-keygen", &["-q", "-s", utf8(&ca), "-I", "id", utf8(&with_pub(&user))], None);
    refuse(&dir.path().join("user-cert.pub"), &["an SSH certificate", "not its certificate"]);
}

#[test]
fn a_fido_private_key_is_refused_by_name() {
    let dir = dir();
    let path = dir.path().join("sk");
    let public = ed25519_dalek::SigningKey::from_bytes(&SEED).public_key();
    let sk = ssh_key::public::SkEd25519::new(ssh_key::public::Ed25519PublicKey(public), "ssh:".to_owned());
    let sk = ssh_key::private::SkEd25519::new(sk, 1, vec![5; 64]).unwrap();
    let key = PrivateKey::new(ssh_key::private::KeypairData::SkEd25519(sk), "").unwrap();
    write(&path, key.to_openssh(LineEnding::LF).unwrap(), 0o600);
    refuse(&path, &["a FIDO security key (sk-ssh-ed25519@openssh.com)"]);
}

fn with_pub(path: &Path) -> PathBuf {
    PathBuf::from(format!("{}.pub", path.display()))
}
