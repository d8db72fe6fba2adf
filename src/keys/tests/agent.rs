use super::*;
use crate::error::Kind;
use ed25519_dalek::SigningKey;
use sha2::{Digest as _, Sha512};
use std::io::{Read as _, Write as _};
use std::ops::{Add, Mul};
use std::os::unix::net::UnixListener;

const MESSAGE: &[u8] = b"exactly these bytes";

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

/// Serves every connection on a fresh socket: one request's payload in, raw bytes out; an empty reply closes.
fn fake(dir: &TempDir, serve: impl Fn(&[u8]) -> Vec<u8> + Send + 'static) -> Agent {
    let socket = dir.path().join("fake");
    let _ = fs::remove_file(&socket);
    let listener = UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut length = [0; 4];
            if stream.read_exact(&mut length).is_err() {
                continue;
            }
            let mut request = vec![0; u32::from_be_bytes(length) as usize];
            stream.read_exact(&mut request).unwrap();
            let _ = stream.write_all(&serve(&request));
        }
    });
    Agent::new(&socket)
}

fn string(bytes: &[u8]) -> Vec<u8> {
    let mut out = (bytes.len() as u32).to_be_bytes().to_vec();
    out.extend_from_slice(bytes);
    out
}

fn blob(public: &[u8; 32]) -> Vec<u8> {
    [string(b"ssh-ed25519"), string(public)].concat()
}

fn identities(count: u32, all: &[(Vec<u8>, &[u8])]) -> Vec<u8> {
    let body: Vec<u8> =
        all.iter().flat_map(|(blob, comment)| [string(blob), string(comment)].concat()).collect();
    string(&[&[12][..], &count.to_be_bytes(), &body].concat())
}

fn signed(kind: &[u8], signature: &[u8]) -> Vec<u8> {
    string(&[&[14][..], &string(&[string(kind), string(signature)].concat())].concat())
}

#[test]
fn the_request_is_the_protocols_and_a_good_signature_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let agent = fake(&dir, |request| {
        let expected = [&[13][..], &string(&blob(&key().public_key())), &string(MESSAGE), &[0; 4]].concat();
        assert_eq!(request, expected);
        signed(b"ssh-ed25519", &Signer::sign(&key(), MESSAGE).unwrap())
    });
    assert_eq!(agent.sign(&key().public_key(), MESSAGE).unwrap(), Signer::sign(&key(), MESSAGE).unwrap());
}

/// A signature whose R is the neutral point: RFC 8032 verification takes it, the strict rule does not.
fn with_neutral_r() -> [u8; 64] {
    /// Bytes, little-endian, as a scalar modulo the group order.
    fn reduce<S: From<u64> + Add<Output = S> + Mul<Output = S>>(bytes: &[u8], _like: &S) -> S {
        bytes.iter().rev().fold(S::from(0), |sum, byte| sum * S::from(256) + S::from(u64::from(*byte)))
    }
    let mut signature = [0; 64];
    signature[0] = 1;
    let hash =
        Sha512::new().chain_update(&signature[..32]).chain_update(key().public_key()).chain_update(MESSAGE);
    let secret = key().to_scalar();
    let s = reduce(&hash.finalize(), &secret) * secret;
    signature[32..].copy_from_slice(&s.to_bytes());
    let signed = ed25519_dalek::Signature::from_bytes(&signature);
    ed25519_dalek::Verifier::verify(&key().verifying_key(), MESSAGE, &signed).unwrap();
    signature
}

#[test]
fn bad_signing_replies_are_refused() {
    let good = Signer::sign(&key(), MESSAGE).unwrap();
    let mut flipped = good;
    flipped[0] ^= 1;
    // s + L: the same signature in a malleable form.
    let mut malleable = good;
    let order = hex::decode("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010").unwrap();
    let mut carry = 0u16;
    for (byte, add) in malleable[32..].iter_mut().zip(order) {
        carry += u16::from(*byte) + u16::from(add);
        *byte = carry as u8;
        carry >>= 8;
    }
    let whole = signed(b"ssh-ed25519", &good);
    let other = Signer::sign(&SigningKey::from_bytes(&[8; 32]), MESSAGE).unwrap();
    let of_other_bytes = Signer::sign(&key(), b"other bytes").unwrap();
    let inner = [string(b"ssh-ed25519"), string(&good)].concat();
    let cases: Vec<(Vec<u8>, Kind, &str)> = vec![
        (string(&[5]), Kind::Unavailable, "destination-constrained (ssh-add -h)"),
        (string(&[6]), Kind::Failed, "did not sign"),
        (string(&[28]), Kind::Failed, "did not sign"),
        (string(&[]), Kind::Failed, "did not sign"),
        (signed(b"ssh-ed25519", &flipped), Kind::Failed, "does not verify"),
        (signed(b"ssh-ed25519", &malleable), Kind::Failed, "does not verify"),
        (signed(b"ssh-ed25519", &[0; 64]), Kind::Failed, "does not verify"),
        (signed(b"ssh-ed25519", &with_neutral_r()), Kind::Failed, "does not verify"),
        (signed(b"ssh-ed25519", &other), Kind::Failed, "does not verify"),
        (signed(b"ssh-ed25519", &of_other_bytes), Kind::Failed, "does not verify"),
        (signed(b"ssh-ed25519", &good[..63]), Kind::Failed, "signature is malformed"),
        (signed(b"ssh-rsa", &good), Kind::Failed, "signature is malformed"),
        (string(&[&[14][..], &string(&[&inner[..], &[0]].concat())].concat()), Kind::Failed, "malformed"),
        (string(&[&[14][..], &string(&inner), &[0]].concat()), Kind::Failed, "malformed"),
        (string(&[14]), Kind::Failed, "malformed"),
        (string(&[14, 0xff, 0xff, 0xff, 0xff]), Kind::Failed, "malformed"),
        ((256 * 1024 + 1u32).to_be_bytes().to_vec(), Kind::Failed, "too long"),
        (vec![0xff; 4], Kind::Failed, "too long"),
        (whole[..whole.len() - 1].to_vec(), Kind::Failed, "closed the connection"),
        (whole[..3].to_vec(), Kind::Failed, "closed the connection"),
        (vec![], Kind::Failed, "closed the connection"),
        (b"HTTP/1.1 400 Bad Request\r\n".to_vec(), Kind::Failed, "does not behave like an ssh-agent"),
    ];
    let dir = tempfile::tempdir().unwrap();
    for (reply, kind, part) in cases {
        let agent = fake(&dir, move |_| reply.clone());
        let error = agent.sign(&key().public_key(), MESSAGE).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        says(&error, &[part]);
    }
}

#[test]
fn bad_lists_are_refused() {
    let entry = (blob(&key().public_key()), &b"c"[..]);
    let whole = identities(1, std::slice::from_ref(&entry));
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (string(&[5]), "refused to list"),
        (string(&[14]), "did not list"),
        (string(&[12]), "malformed"),
        (identities(2, std::slice::from_ref(&entry)), "malformed"),
        (identities(0, std::slice::from_ref(&entry)), "malformed"),
        (identities(u32::MAX, std::slice::from_ref(&entry)), "malformed"),
        (whole[..whole.len() - 1].to_vec(), "closed the connection"),
        (vec![0x7f; 4], "too long"),
    ];
    let dir = tempfile::tempdir().unwrap();
    for (reply, part) in cases {
        let agent = fake(&dir, move |_| reply.clone());
        says(&agent.identities().unwrap_err(), &[part]);
    }
    let agent = fake(&dir, move |_| whole.clone());
    assert_eq!(agent.find(&Kid::of(&key().public_key())).unwrap().comment, "c");
}

#[test]
fn keys_that_cannot_be_used_are_refused_by_name() {
    let weak = blob(&[0; 32]);
    let cases: Vec<(Vec<u8>, &str)> = vec![
        ([string(b"ssh-rsa"), string(&[1]), string(&[2; 256])].concat(), "an RSA key"),
        ([string(b"ecdsa-sha2-nistp256"), string(b"nistp256"), string(&[4; 65])].concat(), "an ECDSA key"),
        (
            [string(b"sk-ssh-ed25519@openssh.com"), string(&[4; 32]), string(b"ssh:")].concat(),
            "a FIDO security key",
        ),
        ([string(b"ssh-ed25519-cert-v01@openssh.com"), string(&[4; 32])].concat(), "an SSH certificate"),
        (weak, "weak"),
        ([string(b"ssh-ed25519"), string(&[9; 31])].concat(), "malformed"),
        ([blob(&key().public_key()), vec![0]].concat(), "malformed"),
        (vec![], "another type"),
        (b"\0\0\xff\xff".to_vec(), "another type"),
    ];
    let dir = tempfile::tempdir().unwrap();
    for (blob, part) in cases {
        let id = Identity { blob: blob.clone(), comment: String::new() }.kid();
        let list = identities(1, &[(blob, b"\x1b[2J")]);
        let agent = fake(&dir, move |_| list.clone());
        let socket = dir.path().join("fake");
        assert_eq!(agent.find(&id).unwrap().comment, "\u{fffd}[2J");
        let error = KeySource::Fingerprint(id).open(Some(&socket), &mut never).unwrap_err();
        says(&error, &[part]);
    }
}

#[test]
fn an_agent_that_is_silent_or_slow_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("slow");
    let listener = UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // One byte now and then: each read succeeds, the whole never does.
            std::thread::spawn(move || {
                for byte in [0, 0, 4, 0].into_iter().chain(std::iter::repeat_n(0, 1000)) {
                    sleep(Duration::from_millis(20));
                    if stream.write_all(&[byte]).is_err() {
                        return;
                    }
                }
            });
        }
    });
    let mut agent = Agent::new(&socket);
    agent.list_limit = Duration::from_millis(200);
    agent.sign_limit = Duration::from_millis(200);
    for error in [agent.identities().unwrap_err(), agent.sign(&key().public_key(), MESSAGE).unwrap_err()] {
        assert_eq!(error.kind(), Kind::Unavailable);
        says(&error, &["did not answer within 200ms", "confirm"]);
    }
}

#[test]
fn no_agent_is_unavailable() {
    let dir = tempfile::tempdir().unwrap();
    let dead = dir.path().join("dead");
    drop(UnixListener::bind(&dead).unwrap());
    let long = dir.path().join("x".repeat(200));
    for socket in [dir.path().join("none"), dead, long, dir.path().to_owned()] {
        let error = Agent::new(&socket).identities().unwrap_err();
        assert_eq!(error.kind(), Kind::Unavailable);
        says(&error, &["no ssh-agent answers at", "ssh-add FILE"]);
    }
}

#[test]
fn too_much_to_sign_and_bad_keys_are_refused_before_contact() {
    let agent = Agent::new(Path::new("/nonexistent/agent"));
    says(&agent.sign(&key().public_key(), &vec![0; 256 * 1024]).unwrap_err(), &["too much to sign"]);
    says(&agent.sign(&[0; 32], MESSAGE).unwrap_err(), &["weak"]);
}

#[test]
fn a_refusal_becomes_one_sentence_for_the_signer() {
    let dir = tempfile::tempdir().unwrap();
    let agent = fake(&dir, |_| string(&[5]));
    let signer = crate::keys::agent::AgentSigner { agent, public: key().public_key() };
    let error = signer.sign(MESSAGE).unwrap_err().to_string();
    assert!(error.starts_with("the ssh-agent refused to sign: it may be locked"), "{error}");
    assert!(error.contains("unlock it"), "{error}");
}

#[test]
fn a_real_agent_lists_and_signs() {
    if !openssh() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let real = RealAgent::start(&dir, "/bin/false");
    let agent = Agent::new(&real.socket);
    assert_eq!(agent.identities().unwrap(), []);
    says(&agent.find(&Kid([0; 32])).unwrap_err(), &["does not hold the key SHA256:AAAA", "empty, or locked"]);

    let path = keygen(&dir, "key", "ed25519", "");
    let rsa = keygen(&dir, "rsa", "rsa", "");
    real.add(&[utf8(&path), utf8(&rsa)]);
    let public = PublicKey::read(&dir.path().join("key.pub")).unwrap();
    let found = agent.find(&Kid::of(&public.key)).unwrap();
    assert_eq!((found.ed25519().unwrap(), found.comment.as_str()), (public.key, "made by ssh"));
    assert!(run("ssh-add", &["-l"], Some(&real.socket)).contains(&public.fingerprint()));
    says(
        &agent.find(&Kid([0; 32])).unwrap_err(),
        &["it holds:", &public.fingerprint(), "made by ssh", "ssh-rsa"],
    );

    for message in [&b""[..], MESSAGE, &vec![b'x'; 200_000]] {
        let signature = agent.sign(&public.key, message).unwrap();
        // Ed25519 is deterministic: the agent signed the very bytes, with nothing around them.
        let (own, _) = load(&path, &mut never).unwrap();
        assert_eq!(signature, Signer::sign(&own, message).unwrap());
    }
    says(&agent.sign(&key().public_key(), MESSAGE).unwrap_err(), &["refused to sign"]);
}

#[test]
fn a_locked_agent_refuses_and_says_what_it_may_be() {
    if !openssh() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let real = RealAgent::start(&dir, "/bin/false");
    let path = keygen(&dir, "key", "ed25519", "");
    real.add(&[utf8(&path)]);
    let public = PublicKey::read(&dir.path().join("key.pub")).unwrap().key;
    // SSH_AGENTC_LOCK, as ssh-add -x sends it after asking at the terminal.
    let mut stream = std::os::unix::net::UnixStream::connect(&real.socket).unwrap();
    stream.write_all(&string(&[&[22][..], &string(b"pw")].concat())).unwrap();
    let mut reply = [0; 5];
    stream.read_exact(&mut reply).unwrap();
    assert_eq!(reply, [0, 0, 0, 1, 6]);

    let agent = Agent::new(&real.socket);
    says(&agent.find(&Kid::of(&public)).unwrap_err(), &["does not hold", "locked", "ssh-add -X"]);
    let error = agent.sign(&public, MESSAGE).unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    says(&error, &["refused to sign", "locked", "ssh-add -X"]);
}

#[test]
fn a_key_that_needs_consent_signs_only_with_it() {
    if !openssh() {
        return;
    }
    for (confirm, signs) in [("true", true), ("false", false)] {
        let dir = tempfile::tempdir().unwrap();
        let real = RealAgent::start(&dir, confirm);
        let path = keygen(&dir, "key", "ed25519", "");
        real.add(&["-c", utf8(&path)]);
        let public = PublicKey::read(&dir.path().join("key.pub")).unwrap().key;
        let signed = Agent::new(&real.socket).sign(&public, MESSAGE);
        assert_eq!(signed.is_ok(), signs);
        if let Err(error) = signed {
            says(&error, &["the user may have declined"]);
        }
    }
}

#[test]
fn a_destination_constrained_key_is_listed_but_does_not_sign() {
    if !openssh() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let real = RealAgent::start(&dir, "/bin/false");
    let path = keygen(&dir, "key", "ed25519", "");
    keygen(&dir, "host", "ed25519", "");
    let hosts = dir.path().join("known_hosts");
    fs::write(&hosts, format!("host.example {}", fs::read_to_string(dir.path().join("host.pub")).unwrap()))
        .unwrap();
    let added = try_run(
        "ssh-add",
        &["-q", "-H", utf8(&hosts), "-h", "host.example", utf8(&path)],
        Some(&real.socket),
    );
    if !added.status.success() {
        println!("skipped: this OpenSSH has no ssh-add -h (it came with 8.9)");
        return;
    }
    let public = PublicKey::read(&dir.path().join("key.pub")).unwrap().key;
    let key = KeySource::Fingerprint(Kid::of(&public)).open(Some(&real.socket), &mut never).unwrap();
    let error = key.signer.sign(MESSAGE).unwrap_err().to_string();
    assert!(
        error.contains("destination-constrained (ssh-add -h)") && error.contains("without -h"),
        "{error}"
    );
}
