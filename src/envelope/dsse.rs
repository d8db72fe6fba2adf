//! DSSE 1.0: a payload of a stated type, and signatures over both.

use super::{Keys, no_key, refused};
use crate::error::{Error, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ledger_format::{Kid, Signer};
use serde_json::{Value, json};

/// A DSSE envelope taken apart.
#[derive(Debug, Clone)]
pub struct Dsse {
    /// The bytes that are signed.
    pub payload: Vec<u8>,
    payload_type: String,
    signatures: Vec<(String, Vec<u8>)>,
}

impl Dsse {
    /// Signs, and gives the envelope as one line of JSON.
    ///
    /// # Errors
    /// Unavailable, when the signer does not sign.
    pub(super) fn sign(payload_type: &str, payload: &[u8], signer: &dyn Signer) -> Result<Vec<u8>> {
        let signature = signer
            .sign(&pae(payload_type, payload))
            .map_err(|e| Error::unavailable(format!("nothing was signed: {}", e.0)))?;
        let envelope = json!({
            "payload": BASE64.encode(payload),
            "payloadType": payload_type,
            "signatures": [{"keyid": Kid::of(&signer.public_key()).to_string(), "sig": BASE64.encode(signature)}],
        });
        Ok(format!("{envelope}\n").into_bytes())
    }

    /// Reads an envelope. Fields that DSSE does not know are ignored, as it asks for.
    ///
    /// # Errors
    /// Integrity, when it is none.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self> {
        let bad = |why: String| Error::integrity(format!("this is no DSSE envelope: {why}"));
        let value = crate::json::parse(bytes).map_err(|e| bad(e.to_string()))?;
        let text = |value: &Value, name: &str| {
            let text = value.get(name).and_then(Value::as_str).map(str::to_owned);
            text.ok_or_else(|| bad(format!("there is no text '{name}'")))
        };
        let base64 = |value: &Value, name: &str| {
            BASE64.decode(text(value, name)?).map_err(|_| bad(format!("'{name}' is not base64")))
        };
        let signatures = value.get("signatures").and_then(Value::as_array);
        let signatures = signatures.ok_or_else(|| bad("there is no list 'signatures'".to_owned()))?;
        let signatures =
            signatures.iter().map(|s| Ok((text(s, "keyid")?, base64(s, "sig")?))).collect::<Result<_>>()?;
        Ok(Self {
            payload: base64(&value, "payload")?,
            payload_type: text(&value, "payloadType")?,
            signatures,
        })
    }

    /// Verifies the signatures whose key is given, all of them, and answers whose the first is.
    ///
    /// # Errors
    /// Failed, when there is none; integrity, when one is not good or the payload is of another type than in-toto's.
    pub(super) fn verify(&self, keys: &Keys) -> Result<Kid> {
        if self.payload_type != super::intoto::PAYLOAD_TYPE {
            return Err(Error::integrity("the envelope's payload is not an in-toto Statement")
                .hint(format!("its payloadType is not {}", super::intoto::PAYLOAD_TYPE)));
        }
        let signed = pae(&self.payload_type, &self.payload);
        let mut signer = None;
        for (keyid, signature) in &self.signatures {
            // The key id is a hint that nobody signed: it picks the key, and the key decides.
            let Some(key) = keys.keys.iter().find(|key| key.kid().to_string() == *keyid) else { continue };
            let signature = signature.as_slice().try_into();
            let signature = signature.map_err(|_| Error::integrity("a signature does not have 64 bytes"))?;
            key.verify(&signed, signature).map_err(refused)?;
            signer.get_or_insert(key.kid());
        }
        let named = self.signatures.first().map_or("nobody", |(keyid, _)| keyid);
        signer.ok_or_else(|| no_key(&format!("the envelope is signed by {}", super::shown(named))))
    }
}

/// What is signed: the Pre-Authentication Encoding.
fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the DSSE specification.
    #[test]
    fn the_encoding_is_that_of_the_specification() {
        let encoded = pae("http://example.com/HelloWorld", b"hello world");
        assert_eq!(encoded, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    }
}
