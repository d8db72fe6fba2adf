//! A published ledger behind a web server, read by the program from an empty home.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)] // a test may

#[path = "support/server.rs"]
mod server;
mod support;

use server::{Manner, Server};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use support::refusal::have;
use support::{World, finish, text};

/// A project with a run over one session, published.
fn published() -> (World, PathBuf) {
    let world = World::new();
    world.ok(&["dev", "--prompts", "P00,P05", "--artifacts-dir", "artifacts/evidence"]);
    world.write("artifacts/run_record.json", "{\"run_id\": \"R-17\"}\n");
    world.ok(&["attach", "--run-record", "artifacts/run_record.json"]);
    let folder = world.root().join("www/ledger");
    world.ok(&["publish", folder.to_str().unwrap()]);
    (world, folder)
}

/// Another program, gone when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Python's own static file server on a folder, and its port.
fn python(folder: &Path, code: &str, args: &[&str]) -> (Running, u16) {
    let mut command = Command::new("python3");
    command.args(["-u", "-c", code]).args(args).current_dir(folder);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (Running(child), line.trim().parse().unwrap())
}

const HTTP: &str = "
import http.server, sys
server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), http.server.SimpleHTTPRequestHandler)
print(server.server_address[1])
server.serve_forever()
";

const HTTPS: &str = "
import http.server, ssl, sys
class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        if self.path.startswith('/away/'):
            self.send_response(302)
            self.send_header('Location', sys.argv[3] + self.path[5:])
            self.end_headers()
        else:
            super().do_GET()
server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1])
server.serve_forever()
";

#[test]
fn a_plain_static_file_server_is_enough() {
    if !have("python3") {
        return println!("skipped: no python3");
    }
    let (world, folder) = published();
    let (_server, port) = python(folder.parent().unwrap(), HTTP, &[]);
    let url = format!("http://127.0.0.1:{port}/ledger/");
    // Nobody of this machine: no key, no pin, no ledger, no cache.
    let stranger = World::new();
    stranger.run(&["--ledger", &url, "verify-chain"]).expect(0, &["3 judged from their bytes", "consistent"]);
    let traced = stranger.run(&["--ledger", &url, "trace", "R-17"]).ok();
    assert_eq!(traced.stdout, world.run(&["trace", "R-17"]).ok().stdout);
    let bytes = stranger.run(&["--ledger", &url, "cat", "P05.v1"]).ok().bytes;
    assert_eq!(bytes, world.run(&["cat", "P05.v1"]).ok().bytes);
    assert!(bytes.starts_with(b"---\nprompt_id: \"P05\""));
    stranger.run(&["--ledger", &url, "verify-chain", "--require", "pinned"]).expect(0, &["pinned"]);
    for args in [&["log"][..], &["show", "1"], &["checkpoint"], &["verify-chain", "--since-pin"]] {
        stranger.ok(&[&["--ledger", url.trim_end_matches('/')], args].concat());
    }
    stranger.fails(1, &["--ledger", &url, "dev", "--prompts", "P00"], &["only read"]);
    // What is kept lies where caches do, and nothing else was made.
    assert!(stranger.home.join(".cache/promptos/ledgers").is_dir());
    fs::remove_dir_all(stranger.home.join(".cache")).unwrap();
    stranger.ok(&["--ledger", &url, "trace", "P05.v1"]);
    // A folder without a home.
    let mut command = stranger.command(env!("CARGO_BIN_EXE_promptos"), &stranger.project);
    command.env_remove("HOME").env("PROMPTOS_LEDGER", &url).args(["trace", "P05.v1"]);
    finish(&mut command).ok();
}

#[test]
fn tampering_and_absence_are_told_apart_over_http() {
    let (_world, folder) = published();
    let server = Server::new(&folder);
    let stranger = World::new();
    let run = |args: &[&str]| stranger.run(&[&["--ledger", server.url.as_str()], args].concat());
    run(&["verify-chain"]).ok();
    for name in ["checkpoint", "tile/0/000.p/3", "tile/entries/000.p/3"] {
        let path = folder.join(name);
        let bytes = fs::read(&path).unwrap();
        let mut changed = bytes.clone();
        changed[bytes.len() / 2] ^= 1;
        fs::write(&path, &changed).unwrap();
        run(&["verify-chain"]).failed(3, &[]);
        run(&["trace", "R-17"]).failed(3, &[]);
        fs::remove_file(&path).unwrap();
        run(&["verify-chain"]).failed(5, &[name]);
        run(&["trace", "R-17"]).failed(5, &[name]);
        fs::write(&path, &bytes).unwrap();
    }
    // A prompt, by someone who has it in the cache and by someone who has not.
    let digest = text(&stranger.json(&["--ledger", &server.url, "trace", "P05.v1"]), "/to/0/content/address")
        .to_owned();
    let path = folder.join(format!("blob/{}/{}", &digest[7..9], &digest[9..]));
    let bytes = fs::read(&path).unwrap();
    for reader in [World::new(), stranger] {
        let run = |args: &[&str]| reader.run(&[&["--ledger", server.url.as_str()], args].concat());
        fs::remove_file(&path).unwrap();
        run(&["trace", "P05.v1"]).failed(5, &["not published"]);
        run(&["cat", &digest]).failed(5, &["not published"]);
        run(&["--json", "verify-chain"]).expect(0, &[&digest]);
        fs::write(&path, b"other").unwrap();
        run(&["verify-chain"]).failed(3, &[]);
        run(&["cat", &digest]).failed(3, &[]);
        fs::write(&path, &bytes).unwrap();
        run(&["verify-chain"]).ok();
    }
}

/// With a pin, exit 3; without one it is the ledger of that size.
#[test]
fn a_server_that_goes_back_is_noticed() {
    let (world, folder) = published();
    let server = Server::new(&folder);
    let old = fs::read(folder.join("checkpoint")).unwrap();
    world.ok(&["dev", "--prompts", "P07"]);
    world.ok(&["publish", folder.to_str().unwrap()]);
    let stranger = World::new();
    assert_eq!(stranger.json(&["--ledger", &server.url, "verify-chain"])["size"], 4);
    fs::write(folder.join("checkpoint"), old).unwrap();
    stranger.fails(3, &["--ledger", &server.url, "verify-chain"], &[]);
    stranger.fails(3, &["--ledger", &server.url, "trace", "R-17"], &["went back"]);
    let report = World::new().json(&["--ledger", &server.url, "verify-chain"]);
    assert_eq!((&report["size"], &report["rung"]), (&3.into(), &"consistent".into()));
    // The owner is not led astray by it either.
    world.fails(3, &["--ledger", &server.url, "log"], &["went back"]);
}

#[test]
fn a_bad_server_ends_in_a_clear_message() {
    let (_world, folder) = published();
    let server = Server::new(&folder);
    let stranger = World::new();
    let wrong = format!("{}/elsewhere", server.url);
    stranger.fails(5, &["--ledger", &wrong, "log"], &["checkpoint", "is not there"]);
    for (manner, code) in [
        (Manner::Garbage, 5),
        (Manner::Endless, 3),
        (Manner::FailsFirst(99, 500), 5),
        (Manner::Leads("ftp://example.org".to_owned()), 5),
    ] {
        server.becomes(manner);
        let began = Instant::now();
        stranger.fails(code, &["--ledger", &server.url, "verify-chain"], &["checkpoint", &server.url]);
        assert!(began.elapsed() < Duration::from_secs(10));
    }
    for url in ["ftp://example.org/", "https://me:secret@example.org", "https://example.org/?x"] {
        let output = stranger.fails(2, &["--ledger", url, "log"], &["is not the URL of a published ledger"]);
        assert_eq!(output.stdout, "");
    }
    let report = stranger.run(&["--json", "--ledger", "http://127.0.0.1:9/", "log"]);
    assert_eq!((report.code, &report.json()["exit"]), (5, &5.into()));
}

/// Encrypted, by a certificate that the system trusts, and by one that it does not.
#[test]
fn a_certificate_that_nobody_trusts_is_refused() {
    if !have("python3") || Command::new("openssl").arg("version").output().is_err() {
        return println!("skipped: no python3 or no openssl");
    }
    let (world, folder) = published();
    let (key, cert) = (world.root().join("key.pem"), world.root().join("cert.pem"));
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
        ])
        .args([
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost,IP:127.0.0.1",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
        ])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&cert)
        .output()
        .unwrap();
    if !made.status.success() {
        return println!("skipped: openssl made no certificate");
    }
    let plain = Server::new(folder.parent().unwrap());
    let args = [cert.to_str().unwrap(), key.to_str().unwrap(), &plain.url];
    let (_server, port) = python(folder.parent().unwrap(), HTTPS, &args);
    let stranger = World::new();
    let run = |url: &str, trusted: bool| {
        let mut command = stranger.promptos(&["--ledger", url, "verify-chain"]);
        if trusted {
            command.env("SSL_CERT_FILE", &cert);
        }
        finish(&mut command)
    };
    let url = format!("https://127.0.0.1:{port}/ledger");
    run(&url, true).expect(0, &["consistent"]);
    run(&url, false).failed(5, &["not safe", "certificate"]);
    // Not even a trusted one leads to where nothing is encrypted.
    plain.asked();
    run(&format!("https://127.0.0.1:{port}/away/ledger"), true).failed(5, &["unencrypted"]);
    assert_eq!(plain.asked(), [""; 0]);
}
