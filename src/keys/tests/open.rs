use super::*;
use crate::error::Kind;
use std::ffi::OsStr;

const SEED: [u8; 32] = [7; 32];

fn source(path: &Path) -> KeySource {
    KeySource::parse(path.as_os_str()).unwrap()
}

/// The key signs as the public key that it claims to be.
fn signs(key: &Key) {
    assert_eq!(key.signer.public_key(), key.public);
    let signature = key.signer.sign(b"message").unwrap();
    check_key(&key.public).unwrap().verify(b"message", &signature).unwrap();
}

#[test]
fn what_a_person_types_is_a_fingerprint_or_a_file() {
    let good = Kid([5; 32]).to_string();
    assert_eq!(KeySource::parse(OsStr::new(&good)).unwrap(), KeySource::Fingerprint(Kid([5; 32])));
    for file in ["key", "./SHA256:x", "/a/key.pub", "C:key", ""] {
        assert_eq!(KeySource::parse(OsStr::new(file)).unwrap(), KeySource::File(file.into()));
    }
    use std::os::unix::ffi::OsStrExt as _;
    let odd = OsStr::from_bytes(b"\xff.key");
    assert_eq!(KeySource::parse(odd).unwrap(), KeySource::File(odd.into()));
    for bad in ["SHA256:", "SHA256:abc", "sha256:0011", "MD5:00:11", "SHA512:AAAA"] {
        says(&KeySource::parse(OsStr::new(bad)).unwrap_err(), &["not a SHA-256 key fingerprint"]);
    }
}

#[test]
fn a_plain_file_signs_without_agent_or_questions() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    create(&path, &SEED, "ada", None).unwrap();
    let key = source(&path).open(Some(Path::new("/nonexistent")), &mut never).unwrap();
    signs(&key);
    assert_eq!((key.comment.as_str(), &key.origin), ("ada", &Origin::File(path)));
    assert!(!key.login_key);
    assert!(!format!("{key:?}").contains(&hex::encode(SEED)));
}

#[test]
fn a_key_in_a_dot_ssh_directory_is_a_login_key() {
    let dir = tempfile::tempdir().unwrap();
    let ssh = dir.path().join(".ssh");
    fs::create_dir_all(ssh.join("deeper")).unwrap();
    let cases =
        [(ssh.join("id_ed25519"), true), (ssh.join("deeper/key"), false), (dir.path().join("key"), false)];
    for (path, login) in cases {
        create(&path, &SEED, "", None).unwrap();
        assert_eq!(source(&path).open(None, &mut never).unwrap().login_key, login, "{}", path.display());
    }
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(ssh.join("id_ed25519"), &link).unwrap();
    assert!(source(&link).open(None, &mut never).unwrap().login_key);
    // The directory itself may be a link, into a folder of dotfiles for example.
    let home = dir.path().join("home");
    fs::create_dir(&home).unwrap();
    std::os::unix::fs::symlink(dir.path(), home.join(".ssh")).unwrap();
    assert!(source(&home.join(".ssh/key")).open(None, &mut never).unwrap().login_key);
}

#[test]
fn public_keys_and_fingerprints_need_an_agent() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    let public = create(&path, &SEED, "", None).unwrap();
    let pub_file = dir.path().join("key.pub");
    let fingerprint = KeySource::Fingerprint(Kid::of(&public.key));
    for (agent, part) in [(None, "no agent is known here"), (Some(dir.path()), "no ssh-agent answers")] {
        let error = fingerprint.open(agent, &mut never).unwrap_err();
        assert_eq!(error.kind(), Kind::Unavailable);
        says(&error, &[part, "ssh-add FILE"]);
        let error = source(&pub_file).open(agent, &mut never).unwrap_err();
        assert_eq!(error.kind(), Kind::Unavailable);
        says(&error, &[part, &format!("name the private key file itself: {}", path.display())]);
    }
    fs::remove_file(&path).unwrap();
    let error = source(&pub_file).open(None, &mut never).unwrap_err();
    assert!(!seen(&error).contains("private key file itself"));
    says(&source(&path).open(None, &mut never).unwrap_err(), &["there is no key file", "key.pub"]);
}

#[test]
fn the_agent_is_found_by_public_file_and_by_fingerprint() {
    if !openssh() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let real = RealAgent::start(&dir, "/bin/false");
    let path = keygen(&dir, "key", "ed25519", "");
    let pub_file = dir.path().join("key.pub");
    let printed = run("ssh-keygen", &["-l", "-f", utf8(&pub_file)], None);
    let fingerprint = KeySource::parse(OsStr::new(printed.split(' ').nth(1).unwrap())).unwrap();
    for source in [&source(&pub_file), &fingerprint] {
        says(&source.open(Some(&real.socket), &mut never).unwrap_err(), &["does not hold the key"]);
    }
    real.add(&[utf8(&path)]);
    for source in [&source(&pub_file), &fingerprint] {
        let key = source.open(Some(&real.socket), &mut never).unwrap();
        signs(&key);
        assert_eq!(
            (key.comment.as_str(), &key.origin, key.login_key),
            ("made by ssh", &Origin::Agent, false)
        );
    }
    // The name does not matter: a public key by another name still means the agent.
    let renamed = dir.path().join("renamed");
    fs::copy(&pub_file, &renamed).unwrap();
    assert_eq!(source(&renamed).open(Some(&real.socket), &mut never).unwrap().origin, Origin::Agent);

    let rsa = keygen(&dir, "rsa", "rsa", "");
    real.add(&[utf8(&rsa)]);
    let printed = run("ssh-keygen", &["-l", "-f", utf8(&rsa)], None);
    let rsa = KeySource::parse(OsStr::new(printed.split(' ').nth(1).unwrap())).unwrap();
    says(&rsa.open(Some(&real.socket), &mut never).unwrap_err(), &["an RSA key (ssh-rsa)"]);
}

#[test]
fn an_encrypted_file_prefers_the_agent_and_falls_back_to_the_passphrase() {
    if !openssh() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let real = RealAgent::start(&dir, "/bin/false");
    let path = keygen(&dir, "key", "ed25519", "correct horse");
    for agent in [None, Some(&*real.socket), Some(dir.path())] {
        let key = source(&path).open(agent, &mut |_| typed("correct horse")).unwrap();
        signs(&key);
        assert_eq!(key.origin, Origin::File(path.clone()));
        let error = source(&path).open(agent, &mut nobody).unwrap_err();
        assert_eq!(error.kind(), Kind::Unavailable);
    }
    // The agent gets the same key from a copy without a passphrase.
    let plain = dir.path().join("plain");
    fs::copy(&path, &plain).unwrap();
    run("ssh-keygen", &["-q", "-p", "-P", "correct horse", "-N", "", "-f", utf8(&plain)], None);
    real.add(&[utf8(&plain)]);
    let key = source(&path).open(Some(&real.socket), &mut never).unwrap();
    signs(&key);
    assert_eq!(key.origin, Origin::Agent);
}
