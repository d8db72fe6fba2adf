//! Why bytes were refused: a failure class, which is part of the format, and a sentence for a person.

use std::fmt;

/// The classes of failure (SPEC, "Failure classes"). Every reject vector names one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// Not the structure that the format asks for.
    Malformed,
    /// The right structure in another encoding than the one allowed.
    NonCanonical,
    /// Over a limit.
    TooLarge,
    /// Content does not have the digest or the length that is stated for it.
    WrongHash,
    /// A signature does not verify.
    BadSignature,
    /// A key of small order or in a non-canonical encoding.
    WeakKey,
    /// Signed by a key that is not enrolled.
    UnknownKey,
    /// The issuer is not the identity that the key was enrolled for.
    WrongIssuer,
    /// The key had no right to make this statement at this index.
    KeyNotAllowed,
    /// The signed tree head breaks the order rules.
    BrokenHead,
    /// The signed tree head is not a head of this ledger.
    ForkedHead,
    /// The ref is bound to other bytes, or the snapshot's name is taken.
    RefRebound,
    /// An inclusion or consistency proof does not prove.
    BadProof,
    /// Understood to be beyond this version of the format.
    Unsupported,
}

impl Class {
    /// Every class, in the order of the SPEC.
    pub const ALL: [Self; 14] = [
        Self::Malformed,
        Self::NonCanonical,
        Self::TooLarge,
        Self::WrongHash,
        Self::BadSignature,
        Self::WeakKey,
        Self::UnknownKey,
        Self::WrongIssuer,
        Self::KeyNotAllowed,
        Self::BrokenHead,
        Self::ForkedHead,
        Self::RefRebound,
        Self::BadProof,
        Self::Unsupported,
    ];

    /// The stable name, as vectors and reports write it.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::NonCanonical => "non-canonical",
            Self::TooLarge => "too-large",
            Self::WrongHash => "wrong-hash",
            Self::BadSignature => "bad-signature",
            Self::WeakKey => "weak-key",
            Self::UnknownKey => "unknown-key",
            Self::WrongIssuer => "wrong-issuer",
            Self::KeyNotAllowed => "key-not-allowed",
            Self::BrokenHead => "broken-head",
            Self::ForkedHead => "forked-head",
            Self::RefRebound => "ref-rebound",
            Self::BadProof => "bad-proof",
            Self::Unsupported => "unsupported",
        }
    }

    /// What the class means for the person who reads a report.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Malformed => "these bytes are not what they should be; nothing in them can be relied on",
            Self::NonCanonical => "somebody wrote or rewrote this outside the rules of the format",
            Self::TooLarge => "this is over a limit of the format",
            Self::WrongHash => "the content was changed after it was recorded",
            Self::BadSignature => "the stated signer did not sign these bytes",
            Self::WeakKey => "signatures of this key prove nothing",
            Self::UnknownKey => "the signer was not enrolled in this ledger at that point",
            Self::WrongIssuer => "the signer claims an identity that is not theirs",
            Self::KeyNotAllowed => "the signer had no right to do this at that point",
            Self::BrokenHead => "the statement cannot have been written at this place in the ledger",
            Self::ForkedHead => "its author saw another history than this one",
            Self::RefRebound => "one prompt version or snapshot name is claimed for two different contents",
            Self::BadProof => "this is not shown to be part of the ledger",
            Self::Unsupported => "a newer promptos is needed to judge this and what follows",
        }
    }
}

/// A refusal: its class and what exactly was wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The class.
    pub class: Class,
    /// One sentence, without a trailing full stop.
    pub detail: String,
}

impl Failure {
    /// A failure of `class`.
    pub fn new(class: Class, detail: impl Into<String>) -> Self {
        Self { class, detail: detail.into() }
    }

    pub(crate) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(Class::Malformed, detail)
    }
}

/// Foreign text for a sentence: short, and without anything that a terminal would act on.
pub(crate) fn shown(text: &str) -> String {
    const LONGEST: usize = 80;
    let short: String = text.chars().take(LONGEST).collect();
    let more = if short.len() < text.len() { "…" } else { "" };
    format!("{}{more}", short.escape_debug())
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.class.code(), self.detail)
    }
}

impl std::error::Error for Failure {}
