//! Short texts with rules: words, prompt refs, identities.

use crate::failure::{Failure, shown};

/// Visible ASCII, 1 to `max` bytes: what every terminal shows as it is.
fn visible(text: &str, max: usize) -> bool {
    (1..=max).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

/// A short word of the format: 1 to 128 visible ASCII characters.
pub(crate) fn token(text: String, what: &str) -> Result<String, Failure> {
    if visible(&text, 128) {
        Ok(text)
    } else {
        Err(Failure::malformed(format!("{what} is not 1 to 128 visible ASCII characters")))
    }
}

/// Checks a canonical prompt ref `<prompt_id>.v<version>`: at most 200 visible ASCII characters, split
/// at the last `.v` before a digit, both parts non-empty.
///
/// # Errors
/// [`crate::Class::Malformed`].
pub fn reference(text: String) -> Result<String, Failure> {
    if visible(&text, 200) && split_reference(&text).is_some() {
        return Ok(text);
    }
    Err(Failure::malformed(format!("'{}' is not a prompt ref <prompt_id>.v<version>", shown(&text))))
}

/// Splits a ref at the last `.v` that a digit follows.
#[must_use]
pub fn split_reference(text: &str) -> Option<(&str, &str)> {
    let at =
        text.rmatch_indices(".v").find(|(at, _)| text.as_bytes().get(at + 2).is_some_and(u8::is_ascii_digit));
    let (id, version) = (text.get(..at?.0)?, text.get(at?.0 + 2..)?);
    (!id.is_empty()).then_some((id, version))
}

/// Whether a character is a control character, is invisible, or changes the direction of what stands
/// around it: what is shown would not be what was signed.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Checks an identity: 1 to 128 bytes of text without control, bidirectional or line-breaking
/// characters and without space at either end, so that what is shown is what was signed.
///
/// # Errors
/// [`crate::Class::Malformed`].
pub fn identity(text: String) -> Result<String, Failure> {
    if (1..=128).contains(&text.len()) && text.trim() == text && !text.contains(is_hidden) {
        return Ok(text);
    }
    let detail = format!("'{}' is not an identity: 1 to 128 bytes of visible text", shown(&text));
    Err(Failure::malformed(detail))
}
