//! A web server for one folder, that may behave badly, and says what it was asked for.

#![allow(dead_code, clippy::unwrap_used)] // each test file uses what it needs

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How a server answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Manner {
    /// As a plain static file server does.
    Plain,
    /// It knows no `HEAD`.
    NoHead,
    /// So many requests fail with this status, and then it is plain.
    FailsFirst(usize, u16),
    /// It hangs up on so many, and then it is plain.
    HangsUpFirst(usize),
    /// It takes the request and says nothing.
    Silent,
    /// A byte at a time, for ever.
    Trickles,
    /// As much as one likes to take.
    Endless,
    /// No HTTP.
    Garbage,
    /// Less than it says.
    Cut,
    /// Always somewhere else.
    Leads(String),
}

#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) url: String,
    folder: Arc<PathBuf>,
    state: Arc<Mutex<(Manner, Vec<String>)>>,
}

impl Server {
    pub(crate) fn new(folder: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = Self {
            url,
            folder: Arc::new(folder.to_owned()),
            state: Arc::new(Mutex::new((Manner::Plain, Vec::new()))),
        };
        let serving = server.clone();
        // It ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = serving.clone();
                std::thread::spawn(move || server.answer(stream));
            }
        });
        server
    }

    pub(crate) fn becomes(&self, manner: Manner) {
        self.state.lock().unwrap().0 = manner;
    }

    /// What it was asked for since the last time, as `GET path`.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().1)
    }

    fn answer(&self, mut stream: TcpStream) -> Option<()> {
        let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
        let request = lines.next()?.ok()?;
        while !lines.next()?.ok()?.is_empty() {}
        let mut words = request.split(' ');
        let (method, path) = (words.next()?, words.next()?.trim_start_matches('/').to_owned());
        let manner = {
            let mut state = self.state.lock().unwrap();
            state.1.push(format!("{method} {path}"));
            let now = state.0.clone();
            match &mut state.0 {
                Manner::FailsFirst(0, _) | Manner::HangsUpFirst(0) => Manner::Plain,
                Manner::FailsFirst(left, _) | Manner::HangsUpFirst(left) => {
                    *left -= 1;
                    now
                }
                _ => now,
            }
        };
        let mut send = |bytes: &[u8]| stream.write_all(bytes).ok();
        let head = |status: &str, length: usize| {
            format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n").into_bytes()
        };
        let endless = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
        match manner {
            Manner::NoHead if method == "HEAD" => send(&head("405 Method Not Allowed", 0)),
            Manner::Plain | Manner::NoHead => match fs::read(self.folder.join(&path)) {
                Ok(bytes) => {
                    send(&head("200 OK", bytes.len()))?;
                    if method == "GET" { send(&bytes) } else { Some(()) }
                }
                Err(_) => send(&head("404 Not Found", 0)),
            },
            Manner::FailsFirst(_, status) => send(&head(&format!("{status} No"), 0)),
            Manner::HangsUpFirst(_) => None,
            Manner::Silent => {
                std::thread::sleep(Duration::from_secs(30));
                None
            }
            Manner::Trickles => {
                send(endless)?;
                loop {
                    send(b"x")?;
                    std::thread::sleep(Duration::from_millis(50));
                }
            }
            Manner::Endless => {
                send(endless)?;
                loop {
                    send(&[b'x'; 1 << 16])?;
                }
            }
            Manner::Garbage => send(b"\x00\x01\x02 no such thing as HTTP\r\n\r\n"),
            Manner::Cut => {
                send(&head("200 OK", 1000))?;
                send(b"cut")
            }
            Manner::Leads(to) => {
                let answer = format!(
                    "HTTP/1.1 302 Found\r\nLocation: {to}/{path}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                );
                send(answer.as_bytes())
            }
        }
    }
}
