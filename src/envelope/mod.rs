//! One entry in an envelope that other people's tools read, and reading it back: a tlog-proof (C2SP), a receipt
//! (RFC 9942), a transparent statement (RFC 9943), an in-toto Statement in DSSE. None of them has the keys in it that
//! it is checked with; whoever verifies brings them.

mod dsse;
mod intoto;

pub use intoto::{PREDICATE_TYPE, attest};

use crate::error::{Error, Kind, Result};
use dsse::Dsse;
use ledger_format::{
    Checkpoint, Class, EntryId, Failure, InclusionProof, Kid, PublicKey, Receipt, Statement, Transparent,
    VerifierKey,
};

/// The keys that somebody verifies with.
#[derive(Debug, Clone, Default)]
pub struct Keys {
    /// Of authors and exporters.
    pub keys: Vec<PublicKey>,
    /// Of logs.
    pub logs: Vec<VerifierKey>,
}

/// An envelope as read; nothing is verified yet.
#[derive(Debug, Clone)]
pub enum Envelope {
    /// A C2SP tlog-proof; the statement is elsewhere.
    TlogProof(InclusionProof),
    /// A receipt; the statement is elsewhere.
    Receipt(Box<Receipt>),
    /// A statement with its receipt.
    Transparent(Box<Transparent>),
    /// An in-toto Statement in DSSE.
    InToto(Dsse),
}

/// What an envelope proved.
#[derive(Debug, Clone)]
pub struct Proved {
    /// The statement, signed by its author.
    pub statement: Statement,
    /// Where it stands.
    pub index: u64,
    /// The ledger that it stands in.
    pub ledger: EntryId,
    /// Its origin, and the head that its log signed.
    pub checkpoint: Checkpoint,
    /// Who signed the in-toto Statement.
    pub exporter: Option<Kid>,
}

impl Envelope {
    /// Reads an envelope; `None` for what has no likeness to any. `beside` says whether a statement was brought with
    /// it, as a receipt needs and a transparent statement does not.
    ///
    /// # Errors
    /// Integrity, when it is not what it looks like; failed, for a statement alone and for what needs a newer version.
    pub fn read(bytes: &[u8], beside: bool) -> Result<Option<Self>> {
        let start = bytes.get(..40).unwrap_or(bytes);
        let has = |bytes: &[u8], part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
        // More than one mark of each, so that no single change makes one look like a mere mistake.
        if has(start, b"tlog-proof@v1") || has(start, b"\nindex ") {
            return InclusionProof::parse(bytes).map(|proof| Some(Self::TlogProof(proof))).map_err(refused);
        }
        if bytes.first() == Some(&0xd2) || bytes.get(1) == Some(&0x84) {
            return Self::cose(bytes, beside).map(Some);
        }
        let json = bytes.trim_ascii_start().starts_with(b"{") || has(start, b"\"payload");
        if json && (has(bytes, intoto::PAYLOAD_TYPE.as_bytes()) || has(bytes, b"\"signatures\":")) {
            return Dsse::parse(bytes).map(|dsse| Some(Self::InToto(dsse)));
        }
        Ok(None)
    }

    fn cose(bytes: &[u8], beside: bool) -> Result<Self> {
        let (receipt, transparent) = (Receipt::decode(bytes), Transparent::decode(bytes));
        match (receipt, transparent) {
            (Ok(receipt), _) => Ok(Self::Receipt(Box::new(receipt))),
            (_, Ok(transparent)) => Ok(Self::Transparent(Box::new(transparent))),
            _ if !beside && Statement::decode(bytes.to_vec()).is_ok() => Err(Error::failed(
                "this is a statement alone; nothing shows that a ledger has it",
            )
            .hint(
                "its ledger's keeper makes more of it: promptos envelope ENTRY --as transparent-statement",
            )),
            (Err(receipt), Err(transparent)) => Err(refused(if beside { receipt } else { transparent })),
        }
    }

    /// The name of the form, as `promptos envelope --as` takes it.
    #[must_use]
    pub fn form(&self) -> &'static str {
        match self {
            Self::TlogProof(_) => "tlog-proof",
            Self::Receipt(_) => "receipt",
            Self::Transparent(_) => "transparent-statement",
            Self::InToto(_) => "in-toto",
        }
    }

    /// Verifies every signature and the path. `beside` is the statement, for the forms that are without it.
    ///
    /// # Errors
    /// Usage, when the statement is missing or one too many; failed, when a key is not among `keys`; integrity, when
    /// something does not hold.
    pub fn verify(&self, beside: Option<Vec<u8>>, keys: &Keys) -> Result<Proved> {
        let beside = beside.map(Statement::decode).transpose().map_err(refused)?;
        let needed = matches!(self, Self::TlogProof(_) | Self::Receipt(_));
        if beside.is_some() && !needed {
            return Err(Error::usage(format!(
                "a {} has its statement in it; leave --statement out",
                self.form()
            )));
        }
        let alone = || {
            Error::usage(format!("a {} is for a statement, which it does not have in it", self.form()))
                .hint("name the statement: --statement FILE")
                .hint("the ledger's keeper has it: promptos cat entry:ID")
        };
        match self {
            Self::TlogProof(proof) => prove(beside.ok_or_else(alone)?, proof, keys),
            Self::Receipt(receipt) => prove_receipt(beside.ok_or_else(alone)?, receipt, keys),
            Self::Transparent(both) => prove_receipt(both.statement.clone(), &both.receipt, keys),
            Self::InToto(dsse) => {
                let exporter = dsse.verify(keys)?;
                let (statement, proof) = intoto::open(&dsse.payload)?;
                Ok(Proved { exporter: Some(exporter), ..prove(statement, &proof, keys)? })
            }
        }
    }
}

fn prove(statement: Statement, proof: &InclusionProof, keys: &Keys) -> Result<Proved> {
    author(&statement, keys)?;
    let said = Checkpoint::parse(&proof.checkpoint).map_err(refused)?;
    let checkpoint = with_log(&said.origin, keys, |vkey| Checkpoint::open(&proof.checkpoint, vkey))?;
    proof.verify(&statement.id.0, &checkpoint.head).map_err(refused)?;
    let ledger = ledger_of(&checkpoint.origin)?;
    Ok(Proved { statement, index: proof.index, ledger, checkpoint, exporter: None })
}

fn prove_receipt(statement: Statement, receipt: &Receipt, keys: &Keys) -> Result<Proved> {
    author(&statement, keys)?;
    with_log(&receipt.origin, keys, |vkey| receipt.verify(&statement, vkey))?;
    let ledger = ledger_of(&receipt.origin)?;
    let checkpoint = Checkpoint { origin: receipt.origin.clone(), head: receipt.head };
    Ok(Proved { statement, index: receipt.index, ledger, checkpoint, exporter: None })
}

/// Verifies the author's signature.
fn author(statement: &Statement, keys: &Keys) -> Result<()> {
    let key = keys.keys.iter().find(|key| key.kid() == statement.kid);
    let key = key.ok_or_else(|| no_key(&format!("the statement is signed by {}", statement.kid)))?;
    statement.verify(key).map_err(refused)
}

/// Verifies with a key of the log; one of several, when it has had several.
fn with_log<T>(origin: &str, keys: &Keys, verify: impl Fn(&VerifierKey) -> Result<T, Failure>) -> Result<T> {
    let mut first = None;
    for vkey in keys.logs.iter().filter(|vkey| vkey.name == origin) {
        match verify(vkey) {
            Ok(proved) => return Ok(proved),
            // That it is not this key's says least of all.
            Err(failure) if failure.class == Class::UnknownKey => {
                first.get_or_insert(failure);
            }
            Err(failure) => return Err(refused(failure)),
        }
    }
    let missing = || {
        Error::failed(format!("the key of the log {} is not given, so nothing is proved", shown(origin)))
            .hint("give its vkey: --trust VKEY; the ledger's keeper prints it: promptos checkpoint --vkey")
    };
    Err(first.map_or_else(missing, refused))
}

fn no_key(who: &str) -> Error {
    Error::failed(format!("{who}, and that key is not given, so nothing is proved"))
        .hint("give the public key: --trust FILE.pub")
}

/// The ledger that an origin names.
fn ledger_of(origin: &str) -> Result<EntryId> {
    let id = origin.rsplit_once('/').and_then(|(_, id)| id.parse().ok());
    id.ok_or_else(|| Error::integrity("the origin names no ledger: it is not <name>/<64 hex digits>"))
}

/// Foreign text for a message: short, and without anything that a terminal would act on.
fn shown(text: &str) -> String {
    text.escape_debug().take(160).collect()
}

fn refused(failure: Failure) -> Error {
    let kind = if failure.class == Class::Unsupported { Kind::Failed } else { Kind::Integrity };
    Error::new(kind, format!("this does not hold: {failure}")).hint(failure.class.meaning())
}
