//! The command line: the only part that prints, reads the environment and knows the home directory.
//! One file per command.

mod anchor;
mod attach;
mod cat;
mod catalog;
mod checkpoint;
mod ci;
mod context;
mod cosign;
mod dev;
mod doctor;
mod envelope;
mod erase;
mod export;
mod fork;
mod git;
mod govern;
mod heads;
mod hooks;
mod init;
mod key;
mod lint;
mod log;
mod lookup;
mod parse;
mod pin;
mod prompt;
mod publish;
mod published;
mod session;
mod show;
mod snapshot;
mod staged;
mod trace;
mod ui;
mod verify;
mod verify_chain;
mod version;
mod workflow;

use clap::{Args, Subcommand};
use context::Context;
use promptos::error::{Error, Kind, Result};
use std::path::PathBuf;
use std::process::ExitCode;
use ui::Ui;

#[derive(Args)]
#[command(next_help_heading = "Global options")]
struct Global {
    /// Run as if started in DIR
    #[arg(short = 'C', global = true, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// The ledger: a file, or the folder that holds it; to read from, also the folder or URL of a published one
    #[arg(long, global = true, value_name = "LOCATOR", env = "PROMPTOS_LEDGER", hide_env_values = true)]
    ledger: Option<std::ffi::OsString>,
    /// The signing key: a private key file, a .pub file or SHA256:… (the last two use ssh-agent)
    #[arg(long, global = true, value_name = "FILE", env = "PROMPTOS_KEY", hide_env_values = true)]
    key: Option<std::ffi::OsString>,
    /// How long to wait while another process uses the ledger, in seconds
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 10.0)]
    lock_timeout: f64,
    /// Print the report as JSON
    #[arg(long, global = true)]
    json: bool,
    /// Say nothing but results and errors
    #[arg(short, long, global = true)]
    quiet: bool,
    /// When to colour: auto (on a terminal, unless NO_COLOR is set), always or never
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_possible_values = true,
        hide_default_value = true
    )]
    color: ui::Color,
}

#[derive(Subcommand)]
enum Command {
    Init(init::Init),
    Dev(dev::Dev),
    Export(export::Export),
    Attach(attach::Attach),
    Trace(trace::Trace),
    #[command(subcommand)]
    Snapshot(snapshot::Snapshot),
    VerifyChain(verify_chain::VerifyChain),
    Verify(verify::Verify),
    Envelope(envelope::Envelope),
    Log(log::Log),
    Show(show::Show),
    Cat(cat::Cat),
    Checkpoint(checkpoint::Checkpoint),
    Publish(publish::Publish),
    Cosign(cosign::Cosign),
    #[command(subcommand)]
    Anchor(anchor::Anchor),
    #[command(subcommand)]
    Pin(pin::Pin),
    #[command(subcommand)]
    Key(key::Key),
    Erase(erase::Erase),
    Doctor(doctor::Doctor),
    Lint(lint::Lint),
    Ci(ci::Ci),
    #[command(subcommand)]
    Hooks(hooks::Hooks),
    #[command(subcommand)]
    Prompt(prompt::PromptCommand),
    #[command(subcommand)]
    Session(session::Session),
    #[command(subcommand)]
    Workflow(workflow::Workflow),
    Version(version::Version),
    #[command(hide = true)]
    RenderTemplate(prompt::child::RenderTemplate),
    #[command(hide = true)]
    CheckValue(prompt::child::CheckValue),
}

/// Runs the program.
pub(crate) fn main() -> ExitCode {
    promptos::ledger::install_quiet_panic_hook();
    let (global, command) = parse::parse(std::env::args_os().collect()).unwrap_or_else(|error| {
        // Who asked for JSON gets JSON, also when the rest of the command line makes no sense.
        if error.use_stderr() && std::env::args_os().any(|arg| arg == "--json") {
            let text = error.to_string();
            let text = text.strip_prefix("error: ").unwrap_or(&text).trim_end();
            let error = Error::usage(text.split("\n\n").next().unwrap_or_default());
            Ui::new(ui::Color::Auto, true, false).error_report(&error);
        }
        error.exit()
    });
    let ui = Ui::new(global.color, global.json, global.quiet);
    let run = std::panic::AssertUnwindSafe(|| run(global, command, &ui));
    let result = std::panic::catch_unwind(run).unwrap_or_else(|_| {
        Err(Error::bug("promptos failed in a way that it should not")
            .hint("what was acknowledged before is safe; please report this with the lines above"))
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            ui.error(&error);
            ExitCode::from(error.kind() as u8)
        }
    }
}

fn run(global: Global, command: Command, ui: &Ui) -> Result<()> {
    if let Some(dir) = &global.dir {
        std::env::set_current_dir(dir)
            .map_err(|e| Error::new(Kind::Failed, format!("cannot go to {}: {e}", dir.display())))?;
    }
    if !(0.0..=86_400.0).contains(&global.lock_timeout) {
        return Err(Error::usage("--lock-timeout is a number of seconds between 0 and 86400"));
    }
    // An empty variable may be one that somebody forgot to set: neither the default nor a file is meant.
    if global.ledger.as_ref().is_some_and(|ledger| ledger.is_empty()) {
        return Err(
            Error::usage("--ledger (or PROMPTOS_LEDGER) is empty").hint("name a ledger, or leave it out")
        );
    }
    if global.key.as_ref().is_some_and(|key| key.is_empty()) {
        return Err(Error::usage("--key (or PROMPTOS_KEY) is empty").hint("name a key, or leave it out"));
    }
    let context = Context::new(global, ui)?;
    match command {
        Command::Init(command) => command.run(&context),
        Command::Dev(command) => command.run(&context),
        Command::Export(command) => command.run(&context),
        Command::Attach(command) => command.run(&context),
        Command::Trace(command) => command.run(&context),
        Command::Snapshot(command) => command.run(&context),
        Command::VerifyChain(command) => command.run(&context),
        Command::Verify(command) => command.run(&context),
        Command::Envelope(command) => command.run(&context),
        Command::Log(command) => command.run(&context),
        Command::Show(command) => command.run(&context),
        Command::Cat(command) => command.run(&context),
        Command::Checkpoint(command) => command.run(&context),
        Command::Publish(command) => command.run(&context),
        Command::Cosign(command) => command.run(&context),
        Command::Anchor(command) => command.run(&context),
        Command::Pin(command) => command.run(&context),
        Command::Key(command) => command.run(&context),
        Command::Doctor(command) => command.run(&context),
        Command::Erase(command) => command.run(&context),
        Command::Lint(command) => command.run(&context),
        Command::Ci(command) => command.run(&context),
        Command::Hooks(command) => command.run(&context),
        Command::Prompt(command) => command.run(&context),
        Command::Session(command) => command.run(&context),
        Command::Workflow(command) => command.run(&context),
        Command::Version(command) => command.run(&context),
        Command::RenderTemplate(command) => command.run(ui),
        Command::CheckValue(command) => command.run(ui),
    }
}
