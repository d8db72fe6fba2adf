//! What a service that embeds promptos does, end to end: load the catalog, validate a prompt, render it with values,
//! name it by its fingerprint, record the render, and check the model's answer. Everything happens in a temporary
//! folder: `cargo run --example service`.

#![allow(clippy::print_stdout)] // an example shows what happens

use ed25519_dalek::SigningKey;
use promptos::error::{Error, Result};
use promptos::ledger::{Access, Author, Create, Ledger, rfc3339};
use promptos::render::{Form, Given};
use promptos::session::{RenderRequest, plan_render, verify_render};
use promptos::{Catalog, Renderer, Validator, catalog, render};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|e| Error::unavailable(format!("no random bytes: {e}")))?;
    Ok(bytes)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

pub(crate) fn main() -> Result<()> {
    // At start: the catalog, and a ledger with the service's key and the store's own. A real service loads its keys
    // (`promptos::keys`) and names its folders (`catalog::Source::folder`).
    let catalog = Catalog::load(&[], true)?;
    let (renderer, validator) = (Renderer::default(), Validator::default());
    let (key, log_key) = (SigningKey::from_bytes(&random()?), SigningKey::from_bytes(&random()?));
    let folder = tempfile::tempdir().map_err(|e| Error::failed(format!("no temporary folder: {e}")))?;
    let path = folder.path().join("ledger.redb");
    let author = || Author { signer: &key, log_key: &log_key, time: now() };
    let create = Create { name: "service", identity: "the service", nonce: random()?, previous: None };
    Ledger::create_file(&path, &create, &author())?;
    let ledger = Ledger::open_file(&path, Access::Write, Duration::from_secs(5), &mut |_| {})?;

    // A request names a prompt and gives values.
    let prompt = catalog.resolve("P01")?;
    let findings = validator.prompt(prompt);
    if validator.fails(&findings) {
        return Err(Error::findings(catalog::render(&findings)));
    }
    let outcome = renderer.render(prompt, &[Given::values([("request", "Fix the gear train")])])?;
    let Some(rendered) = &outcome.rendered else {
        return Err(Error::findings(catalog::render(&outcome.findings)));
    };
    println!("{} for the model: {} characters", prompt.reference(), rendered.system.chars().count());
    println!("its fingerprint: {}", outcome.fingerprint.prompt_content_hash);

    // Which prompt gave which text is put on record; the values stay here.
    let output = rendered.to_bytes(Form::Json)?;
    let (new, disclosure, _) = plan_render(&RenderRequest {
        id: format!("request-{}", hex::encode(random::<4>()?)),
        prompt,
        inputs: &outcome.inputs,
        output: &output,
        form: Form::Json,
        lint: catalog::Policy::default(),
        tool: env!("CARGO_PKG_VERSION").to_owned(),
        salts: [random()?, random()?],
    })?;
    let entry = ledger.append(&author(), &new)?;
    println!(
        "recorded as entry {} at {}: {}",
        entry.index,
        rfc3339(entry.statement.time),
        entry.statement.id
    );

    // The model answers; the answer is compared with the prompt's contract.
    let answer = b"# Plan\nOil it.\n";
    for violation in validator.answer(prompt, answer)?.findings {
        println!("the answer: {}", violation.finding.message);
    }

    // Later, somebody asks what was rendered.
    let shown = verify_render(&ledger, &entry, &disclosure, render::run)?;
    if shown.output != Some(true) {
        return Err(Error::integrity("the values do not give the recorded text"));
    }
    println!("the values give the recorded text");
    Ok(())
}
