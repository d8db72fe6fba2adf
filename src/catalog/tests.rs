//! The catalog as a whole: the built-in gates, the real corpora, resolution, and lint over files.

mod allow;
mod compare;
mod convert;
mod corpora;
mod fix;
mod gates;
mod language;
mod lint;
mod model;
mod resolve;
mod secrets;
mod sources;

use std::path::Path;

/// A prompt in the native dialect; `fields` are lines that replace or add to the defaults, `name!` removes one.
fn oa05(id: &str, version: &str, fields: &[&str], body: &str) -> String {
    let mut lines = vec![
        format!("prompt_id: {id}"),
        format!("version: {version}"),
        "role: task".to_owned(),
        "summary: Does one thing".to_owned(),
        "inputs: []".to_owned(),
        "output_contract: {format: text}".to_owned(),
        "owner: tests".to_owned(),
        "status: current".to_owned(),
    ];
    for field in fields {
        let key = field.split([':', '!']).next().unwrap();
        lines.retain(|line| line.split(':').next() != Some(key));
        if !field.ends_with('!') {
            lines.push((*field).to_owned());
        }
    }
    format!("---\n{}\n---\n{body}\n", lines.join("\n"))
}

/// A prompt in the nine-key dialect.
fn nine_keys(id: &str, version: &str, body: &str) -> String {
    format!(
        "---\nprompt_id: {id}\nname: A gate\nphase: \"05\"\nmaps_to_gate: \"05\"\nversion: {version}\nowner: tests\n\
         last_updated_utc: \"2026-01-01T00:00:00Z\"\nstop_conditions:\n  - \"It is unclear\"\n\
         constitution_alignment:\n  - \"None\"\n---\n{body}"
    )
}

/// A prompt in the older dialect with these fields more.
fn tnh(fields: &[&str], body: &str) -> String {
    let fields = fields.join("\n");
    format!(
        "---\nkey: k\nname: K\nversion: \"1.0\"\nrole: r\ndescription: d\ndefault_variables: {{}}\n{fields}\n---\n\
         {body}\n"
    )
}

fn write(root: &Path, path: &str, content: impl AsRef<[u8]>) {
    let file = root.join(path);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, content).unwrap();
}

/// `$PROMPTOS_CORPORA`, if it is set.
fn corpora() -> Option<std::path::PathBuf> {
    let folder = std::env::var_os("PROMPTOS_CORPORA").map(Into::into);
    if folder.is_none() {
        println!("skipped: PROMPTOS_CORPORA is not set");
    }
    folder
}
