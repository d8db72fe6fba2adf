//! The vectors, generated from fixed keys. `examples/vectors.rs` writes them; the tests generate them
//! again in memory and compare.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

pub mod bodies;
pub mod envelopes;
pub mod evidence;
pub mod keys;
pub mod lives;
pub mod log;
pub mod logs;
pub mod notes;
pub mod proofs;
pub mod raw;
pub mod receipts;
pub mod renders;
pub mod shapes;
pub mod snapshots;
pub mod statements;
pub mod witnesses;

use ledger_format::Class;
use std::fmt::Write as _;

/// One scenario: the content of one file.
pub struct Vector {
    pub name: String,
    pub kind: &'static str,
    pub what: String,
    pub must: Vec<&'static str>,
    /// The class of failure; `None` for an accepted vector.
    pub class: Option<Class>,
    pub fields: Vec<(&'static str, Field)>,
}

pub enum Field {
    Text(String),
    Number(u64),
    List(Vec<String>),
}

impl Vector {
    /// An accepted vector. `must` names rules, separated by spaces.
    pub fn accept(kind: &'static str, name: &str, must: &'static str, what: &str) -> Self {
        let must = must.split(' ').filter(|id| !id.is_empty()).collect();
        let name = if name.is_empty() { kind.to_owned() } else { format!("{kind}-{name}") };
        Self { name, kind, what: what.to_owned(), must, class: None, fields: Vec::new() }
    }

    pub fn reject(class: Class, kind: &'static str, name: &str, must: &'static str, what: &str) -> Self {
        Self { class: Some(class), ..Self::accept(kind, name, must, what) }
    }

    pub fn hex(self, key: &'static str, bytes: impl AsRef<[u8]>) -> Self {
        self.text(key, hex::encode(bytes))
    }

    pub fn text(mut self, key: &'static str, text: impl Into<String>) -> Self {
        self.fields.push((key, Field::Text(text.into())));
        self
    }

    pub fn number(mut self, key: &'static str, number: u64) -> Self {
        self.fields.push((key, Field::Number(number)));
        self
    }

    pub fn list(mut self, key: &'static str, items: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Self {
        self.fields.push((key, Field::List(items.into_iter().map(hex::encode).collect())));
        self
    }

    pub fn texts(mut self, key: &'static str, items: &[String]) -> Self {
        self.fields.push((key, Field::List(items.to_vec())));
        self
    }

    /// Where the file lies below `vectors/`.
    pub fn path(&self) -> String {
        format!("{}/{}.json", if self.class.is_some() { "reject" } else { "accept" }, self.name)
    }

    /// The file, written by hand so that the order of the keys is ours.
    pub fn json(&self) -> String {
        let quoted = |text: &str| serde_json::to_string(text).unwrap();
        let list = |items: &[String]| match items {
            [] => "[]".to_owned(),
            _ => {
                let lines: Vec<_> = items.iter().map(|item| format!("    {}", quoted(item))).collect();
                format!("[\n{}\n  ]", lines.join(",\n"))
            }
        };
        let mut out = format!("{{\n  \"what\": {},\n  \"kind\": {}", quoted(&self.what), quoted(self.kind));
        let must: Vec<_> = self.must.iter().map(|id| quoted(id)).collect();
        write!(out, ",\n  \"must\": [{}]", must.join(", ")).unwrap();
        if let Some(class) = self.class {
            write!(out, ",\n  \"class\": {}", quoted(class.code())).unwrap();
        }
        for (key, field) in &self.fields {
            let value = match field {
                Field::Text(text) => quoted(text),
                Field::Number(number) => number.to_string(),
                Field::List(items) => list(items),
            };
            write!(out, ",\n  {}: {value}", quoted(key)).unwrap();
        }
        out + "\n}\n"
    }
}

/// All vectors, ordered by path.
pub fn all() -> Vec<Vector> {
    let mut all = Vec::new();
    statements::add(&mut all);
    envelopes::add(&mut all);
    bodies::add(&mut all);
    logs::add(&mut all);
    renders::add(&mut all);
    lives::add(&mut all);
    keys::add(&mut all);
    proofs::add(&mut all);
    notes::add(&mut all);
    receipts::add(&mut all);
    evidence::add(&mut all);
    witnesses::add(&mut all);
    all.sort_by_key(Vector::path);
    for pair in all.windows(2) {
        assert_ne!(pair[0].path(), pair[1].path(), "two vectors have one name");
    }
    all
}
