//! Whether what a prompt says about its dangers agrees.

use super::finding::{self, Finding, quoted};
use super::prompt::Prompt;
use std::path::Path;

/// Flags that speak of data about persons.
const PERSONAL: &[&str] = &["pii", "personal_data", "personal-data", "personal"];

pub(crate) fn check(prompt: &Prompt, path: &Path, findings: &mut Vec<Finding>) {
    let level = prompt.safety_level.as_deref();
    let handling = prompt.pii_handling.as_deref();
    let mut report = |field: &str, message: String, hint: &str| {
        let at = prompt.places.fields.get(field).copied().unwrap_or_default();
        findings.push(Finding::new(finding::SAFETY, path, at, message).hint(hint));
    };
    if let (Some("safe"), Some(flag)) = (level, prompt.content_flags.first()) {
        let message = format!("safety_level is safe, and content_flags has {}", quoted(flag));
        report("safety_level", message, "write moderate or sensitive, or remove the flags");
    }
    if let (Some("safe"), Some("explicit_consent")) = (level, handling) {
        let message = "safety_level is safe, and pii_handling asks for consent".to_owned();
        report("safety_level", message, "what needs consent is at least moderate");
    }
    if level == Some("sensitive")
        && prompt.content_flags.is_empty()
        && matches!(handling, None | Some("none"))
    {
        let message = "safety_level is sensitive, and nothing says why".to_owned();
        report(
            "safety_level",
            message,
            "name the kind of content in content_flags, or say how pii is handled",
        );
    }
    let personal = prompt.content_flags.iter().find(|flag| PERSONAL.contains(&flag.to_lowercase().as_str()));
    if let (Some(flag), None | Some("none")) = (personal, handling) {
        let message = format!("content_flags has {}, and pii_handling is none", quoted(flag));
        report("content_flags", message, "write pii_handling: anonymize or explicit_consent");
    }
}
