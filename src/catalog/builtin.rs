//! The gates that come with this program, compiled in so that they are there without any file.

macro_rules! files {
    ($($name:literal)*) => {
        /// Name and text of every file of the folder `prompts`, by name.
        pub(crate) const FILES: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../prompts/", $name)))),*];
    };
}

files! {
    "P00_context_lock.md"
    "P01_scope_declaration.md"
    "P03_design_gate.md"
    "P05_constrained_builder.md"
    "P06_verify_forensics.md"
    "P07_adversarial_review.md"
    "P08_governance_escalation.md"
}
