//! Finds keys, tokens and passwords in text and in files of any size.
//!
//! What enters a ledger is copied and kept, so this looks before anything is written. It looks for the shapes
//! that real credentials have, not for suspicious words: a scanner that cries at `max_token=5` gets switched off.
//! Every decision looks at a bounded stretch around one byte, so the work is linear in the input and the memory
//! constant, and a stream gives the same answer however it is cut into chunks.

use serde::Serialize;

/// A credential, and where it stands. Holds no more of it than its first four characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SecretHit {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1; a byte order mark is none.
    pub column: usize,
    /// How many characters it has.
    pub length: usize,
    /// What it looks like, for a sentence: "a GitHub token".
    pub kind: &'static str,
    /// Its first four characters and `…`.
    pub shown: String,
}

/// Every credential in `text`, in order, up to [`MAX_HITS`].
#[must_use]
pub fn scan(text: &str) -> Vec<SecretHit> {
    let mut scanner = Scanner::new();
    scanner.feed(text.as_bytes());
    scanner.finish()
}

/// More hits than this tell nobody anything.
pub const MAX_HITS: usize = 1000;

/// How far a decision looks back (for the name before a `=`) and ahead (a long token), in bytes.
const BEHIND: usize = 64;
const AHEAD: usize = 16 * 1024;
/// Longest password and longest token that is not a JWT, in bytes.
const LONGEST: usize = 512;
/// How much is taken in before the window is moved.
const STEP: usize = 64 * 1024;

/// Scans bytes that arrive in pieces; bytes that are not UTF-8 are passed over.
#[derive(Debug, Default)]
pub struct Scanner {
    /// What has been examined and may be looked back at, then what has not.
    window: Vec<u8>,
    /// How much of the window has been examined.
    examined: usize,
    /// Bytes still to pass over because they belong to the last hit.
    skip: usize,
    /// Zero-based; the column counts characters.
    line: usize,
    column: usize,
    started: bool,
    hits: Vec<SecretHit>,
}

impl Scanner {
    /// A scanner at the beginning of a file.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next piece, of any length.
    pub fn feed(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(STEP) {
            self.window.extend_from_slice(piece);
            if self.window.len() >= self.examined + AHEAD + STEP {
                self.examine(self.window.len() - AHEAD);
                self.window.drain(..self.examined.saturating_sub(BEHIND));
                self.examined = self.examined.min(BEHIND);
            }
        }
    }

    /// Examines what is left and gives the hits in order.
    #[must_use]
    pub fn finish(mut self) -> Vec<SecretHit> {
        self.examine(self.window.len());
        self.hits
    }

    /// How many bytes are held back, for the test that memory stays flat.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        self.window.capacity()
    }

    /// Examines the window up to `end`, exclusive.
    fn examine(&mut self, end: usize) {
        let window = std::mem::take(&mut self.window);
        let start = self.examined;
        if !self.started && end > 0 {
            self.started = true;
            if window.starts_with("\u{feff}".as_bytes()) {
                self.skip = 3; // and the mark's first byte, which begins a character, is uncounted below
                self.column = usize::MAX;
            }
        }
        for (at, byte) in window.iter().enumerate().take(end).skip(start) {
            if self.skip > 0 {
                self.skip -= 1;
            } else if b"sgrAxe-=:".contains(byte) && self.hits.len() < MAX_HITS {
                let behind = window.get(at.saturating_sub(BEHIND)..at).unwrap_or_default();
                let ahead = window.get(at..window.len().min(at + AHEAD)).unwrap_or_default();
                if let Some(found) = detect(*byte, behind, ahead) {
                    self.hit(&found, ahead);
                    self.skip = found.end - 1;
                }
            }
            match byte {
                b'\n' => (self.line, self.column) = (self.line + 1, 0),
                // UTF-8 continuation bytes belong to the character before.
                0x80..=0xBF => {}
                _ => self.column = self.column.wrapping_add(1),
            }
        }
        self.examined = end.max(start);
        self.window = window;
    }

    fn hit(&mut self, found: &Found, ahead: &[u8]) {
        let passed = String::from_utf8_lossy(ahead.get(..found.start).unwrap_or_default());
        let secret = String::from_utf8_lossy(ahead.get(found.start..found.end).unwrap_or_default());
        self.hits.push(SecretHit {
            line: self.line + 1,
            column: self.column.wrapping_add(1) + passed.chars().count(),
            length: secret.chars().count(),
            kind: found.kind,
            shown: secret.chars().take(4).chain(['…']).collect(),
        });
    }
}

/// A credential, relative to the byte that gave it away.
struct Found {
    kind: &'static str,
    start: usize,
    end: usize,
}

fn detect(byte: u8, behind: &[u8], ahead: &[u8]) -> Option<Found> {
    if byte == b'=' || byte == b':' {
        return assignment(byte, behind, ahead);
    }
    let previous = behind.last().copied().unwrap_or(b' ');
    if previous.is_ascii_alphanumeric() {
        return None;
    }
    if byte == b'-' {
        return private_key(ahead);
    }
    // Where the run of a token's characters may hold its own prefix again, only the run's first byte counts:
    // that keeps the work linear.
    let run_start = !b"_-.".contains(&previous);
    let token = |kind, prefix: &str, of: fn(u8) -> bool, lengths: std::ops::RangeInclusive<usize>| {
        let body = ahead.strip_prefix(prefix.as_bytes())?;
        let body = body.get(..body.len().min(LONGEST + 1))?;
        let length = run(body, of);
        let fits = lengths.contains(&length) && distinct(body.get(..length)?) >= 6;
        fits.then_some(Found { kind, start: 0, end: prefix.len() + length })
    };
    match byte {
        b's' if ahead.starts_with(b"sk-") && run_start => {
            let found = token("an API key", "sk-", base64url, 20..=LONGEST)?;
            looks_random(ahead.get(3..found.end)?, 16).then_some(found)
        }
        b's' | b'r' if run_start => {
            let (kind, live) = ("a payment API key", ["sk_live_", "rk_live_"]);
            live.iter().find_map(|prefix| token(kind, prefix, alphanumeric, 20..=LONGEST))
        }
        b'g' if ahead.starts_with(b"gh") => ["ghp_", "gho_", "ghu_", "ghs_", "ghr_"]
            .iter()
            .find_map(|prefix| token("a GitHub token", prefix, alphanumeric, 36..=LONGEST)),
        b'g' if run_start => token("a GitHub token", "github_pat_", word, 22..=LONGEST)
            .or_else(|| token("a GitLab token", "glpat-", base64url, 20..=LONGEST)),
        b'A' if run_start && ahead.starts_with(b"AIza") => {
            token("a Google API key", "AIza", base64url, 35..=35)
        }
        b'A' => ["AKIA", "ASIA"]
            .iter()
            .find_map(|prefix| token("an AWS access key id", prefix, upper_alphanumeric, 16..=16)),
        b'x' if run_start => ["xoxb-", "xoxa-", "xoxp-", "xoxr-", "xoxs-"].iter().find_map(|prefix| {
            let found = token("a Slack token", prefix, base64url, 10..=LONGEST)?;
            let body = ahead.get(prefix.len()..found.end)?;
            body.iter().any(u8::is_ascii_digit).then_some(found)
        }),
        b'e' if run_start => json_web_token(ahead),
        _ => None,
    }
}

/// RFC 7468 and OpenPGP: `-----BEGIN … PRIVATE KEY-----`, `-----BEGIN PGP PRIVATE KEY BLOCK-----`.
fn private_key(ahead: &[u8]) -> Option<Found> {
    let label = ahead.strip_prefix(b"-----BEGIN ")?;
    let length =
        run(label.get(..label.len().min(64))?, |b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b' ');
    let (label, rest) = label.split_at_checked(length)?;
    let private = label.ends_with(b"PRIVATE KEY") || label.ends_with(b"PRIVATE KEY BLOCK");
    (private && rest.starts_with(b"-----")).then_some(Found {
        kind: "a private key",
        start: 0,
        end: b"-----BEGIN ".len() + length + 5,
    })
}

/// RFC 7519: three base64url parts, of which the first two are JSON objects and so begin with `eyJ`.
fn json_web_token(ahead: &[u8]) -> Option<Found> {
    if !ahead.starts_with(b"eyJ") {
        return None;
    }
    let header = run(ahead, base64url);
    let payload_at = header + 1;
    let payload = ahead.get(payload_at..).filter(|_| ahead.get(header) == Some(&b'.'))?;
    let payload_len = payload.starts_with(b"eyJ").then(|| run(payload, base64url))?;
    let signature_at = payload_at + payload_len + 1;
    let signature = ahead.get(signature_at..).filter(|_| ahead.get(signature_at - 1) == Some(&b'.'))?;
    let signature_len = run(signature, base64url);
    (header >= 12 && payload_len >= 8 && signature_len >= 16).then_some(Found {
        kind: "a JSON Web Token",
        start: 0,
        end: signature_at + signature_len,
    })
}

/// Names that are given to credentials, as the last words of a variable or field.
const NAMES: &[&str] = &[
    "password",
    "passwd",
    "pwd",
    "passphrase",
    "secret",
    "token",
    "apikey",
    "api_key",
    "api-key",
    "secretkey",
    "secret_key",
    "secret-key",
    "access_key",
    "access-key",
    "accesskey",
    "auth_key",
    "private_key",
    "credential",
];

/// `password = "…"`, `api_key: …`, `"token":"…"`, `PASSWORD := …`, `secret => …`.
fn assignment(byte: u8, behind: &[u8], ahead: &[u8]) -> Option<Found> {
    let next = ahead.get(1).copied().unwrap_or(b' ');
    if next == b'=' || next == b':' {
        return None; // `==`, `::`, and of `:=` only the second
    }
    let mut name = behind;
    if byte == b'=' {
        name = name.strip_suffix(b":").unwrap_or(name);
    }
    name = trim_end(name, |b| b == b' ' || b == b'\t');
    name = trim_end(name, |b| b"\"'`]".contains(&b));
    names_a_secret(name).then_some(())?;

    let mut start = 1 + usize::from(byte == b'=' && next == b'>');
    start += run(ahead.get(start..start + 16).unwrap_or(ahead.get(start..)?), |b| b == b' ' || b == b'\t');
    let quote = ahead.get(start).copied().filter(|b| b"\"'`".contains(b));
    start += usize::from(quote.is_some());
    let rest = ahead.get(start..ahead.len().min(start + LONGEST))?;
    let length = match quote {
        Some(quote) => run(rest, |b| b != quote && b != b'\n' && b != b'\r'),
        // No `=` or `:` but at the end, so that each byte belongs to one value and the work stays linear.
        None => {
            let plain = run(rest, |b| b.is_ascii_graphic() && !b"\"'`,;:=()[]{}<>|\\&".contains(&b));
            plain + run(rest.get(plain..)?, |b| b == b'=').min(2)
        }
    };
    let value = rest.get(..length)?;
    let value = if quote.is_none() { trim_end(value, |b| b".:!?*_".contains(&b)) } else { value };
    let called = quote.is_none() && rest.get(length).is_some_and(|b| b"([{".contains(b));
    // A token of a known shape is named for what it is.
    if let Some(known @ Found { end, .. }) = value
        .first()
        .filter(|byte| !b"=:".contains(byte))
        .and_then(|byte| detect(*byte, b"=", ahead.get(start..)?))
    {
        return Some(Found { start, end: start + end, ..known });
    }
    (!called && is_secret_value(value)).then_some(Found {
        kind: "a password or token in an assignment",
        start,
        end: start + value.len(),
    })
}

/// Whether the last words of `text` are one of [`NAMES`], as `db_password` and `accessToken` are but `tokens` is not.
fn names_a_secret(text: &[u8]) -> bool {
    NAMES.iter().any(|name| {
        let Some(at) = text.len().checked_sub(name.len()) else { return false };
        let Some((before, end)) = text.split_at_checked(at) else { return false };
        let new_word = match (before.last(), end.first()) {
            (Some(before), Some(first)) => {
                !before.is_ascii_alphanumeric() || (before.is_ascii_lowercase() && first.is_ascii_uppercase())
            }
            _ => true,
        };
        new_word && end.eq_ignore_ascii_case(name.as_bytes())
    })
}

/// Words by which people mark a value that is to be replaced.
const PLACEHOLDERS: &[&str] = &[
    "example",
    "your",
    "placeholder",
    "changeme",
    "change-me",
    "change_me",
    "dummy",
    "sample",
    "redacted",
    "insert",
    "replace",
    "xxxx",
    "fake",
    "todo",
    "****",
    "....",
    "${",
    "{{",
    "$(",
    "<",
    ">",
];

/// Whether an assigned value is a credential rather than a placeholder, a variable, an identifier or prose.
fn is_secret_value(value: &[u8]) -> bool {
    let lower = value.to_ascii_lowercase();
    let lower = String::from_utf8_lossy(&lower);
    let first = value.first().copied().unwrap_or(b' ');
    let symbol = |b: &u8| b"!@#%^*+=~?&$".contains(b);
    value.len() >= 12
        && first != b'$'
        && first != b'%'
        && value.is_ascii()
        && !value.iter().any(u8::is_ascii_whitespace)
        && !PLACEHOLDERS.iter().any(|word| lower.contains(word))
        && value.iter().any(u8::is_ascii_alphabetic)
        && entropy(value) >= 2.75
        && (looks_random(value, 8)
            || (value.iter().any(symbol) && value.iter().any(u8::is_ascii_digit) && !lower.contains("://")))
}

/// Whether some part of at least `length` letters and digits mixes them as no word does: not only at its end, as
/// `password2` or `sha256` do. In a part of 16 or more, mixed case will do.
fn looks_random(text: &[u8], length: usize) -> bool {
    text.split(|b| !b.is_ascii_alphanumeric()).any(|part| {
        let has = |of: fn(&u8) -> bool| part.iter().any(of);
        let changes = part.windows(2).filter(|pair| match pair {
            [a, b] => a.is_ascii_digit() != b.is_ascii_digit(),
            _ => false,
        });
        let mixed_case = length >= 16 && has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase);
        part.len() >= length && entropy(part) >= 2.5 && (mixed_case || changes.count() >= 2)
    })
}

/// Shannon entropy, in bits per byte.
fn entropy(text: &[u8]) -> f64 {
    let total = text.len() as f64;
    let bits = |count: &u32| {
        let share = f64::from(*count) / total;
        -share * share.log2()
    };
    counts(text).iter().filter(|count| **count > 0).map(bits).sum()
}

fn distinct(text: &[u8]) -> usize {
    counts(text).iter().filter(|count| **count > 0).count()
}

fn counts(text: &[u8]) -> [u32; 256] {
    let mut counts = [0; 256];
    for byte in text {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
    counts
}

/// How many bytes at the beginning satisfy `of`.
fn run(text: &[u8], of: impl Fn(u8) -> bool) -> usize {
    text.iter().take_while(|byte| of(**byte)).count()
}

fn trim_end(text: &[u8], of: impl Fn(u8) -> bool) -> &[u8] {
    let kept = text.len() - text.iter().rev().take_while(|byte| of(**byte)).count();
    text.get(..kept).unwrap_or_default()
}

fn alphanumeric(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

fn upper_alphanumeric(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}

fn word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}
