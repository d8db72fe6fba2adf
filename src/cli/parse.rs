//! Reading the command line. A command that is called again and again is the only one that the parser is told of:
//! describing them all takes longer than the rest of its start.

use super::{Command, Global, dev, lint, log, prompt, session, show, trace, verify, verify_chain, version};
use clap::{Args, FromArgMatches as _, Subcommand};
use std::ffi::OsString;

/// What a command adds to its description.
type Describe = fn(clap::Command) -> clap::Command;

/// Commands that scripts, hooks, runners and this program itself start, as [`Command`] has them.
const OFTEN: &[(&str, Describe)] = &[
    ("dev", dev::Dev::augment_args),
    ("session", group::<session::Session>),
    ("trace", trace::Trace::augment_args),
    ("verify-chain", verify_chain::VerifyChain::augment_args),
    ("verify", verify::Verify::augment_args),
    ("log", log::Log::augment_args),
    ("show", show::Show::augment_args),
    ("cat", super::cat::Cat::augment_args),
    ("lint", lint::Lint::augment_args),
    ("ci", super::ci::Ci::augment_args),
    ("prompt", group::<prompt::PromptCommand>),
    ("version", version::Version::augment_args),
    ("render-template", |command| prompt::child::RenderTemplate::augment_args(command).hide(true)),
    ("check-value", |command| prompt::child::CheckValue::augment_args(command).hide(true)),
];

/// A command that another one must follow.
fn group<T: Subcommand>(command: clap::Command) -> clap::Command {
    T::augment_subcommands(command.subcommand_required(true).arg_required_else_help(true))
}

/// What the command line says.
///
/// # Errors
/// Those of the parser, and its help.
pub(super) fn parse(args: Vec<OsString>) -> Result<(Global, Command), clap::Error> {
    // Only where the command comes first: behind options, a word may be an option's value.
    let first = args.get(1).and_then(|first| first.to_str());
    let mut program = match OFTEN.iter().find(|(name, _)| Some(*name) == first) {
        Some(often) => top().subcommand(described(often)),
        None => all(),
    };
    let parsed = program.try_get_matches_from_mut(args).and_then(|mut matches| {
        let global = Global::from_arg_matches_mut(&mut matches)?;
        Ok((global, Command::from_arg_matches_mut(&mut matches)?))
    });
    parsed.map_err(|error| error.format(&mut program))
}

/// The program and its global options.
fn top() -> clap::Command {
    let program = clap::Command::new("promptos")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Prove which prompt produced what: a signed, append-only ledger for prompts and AI sessions")
        .after_help(
            "Exit codes: 0 ok, 1 failed, 2 usage, 3 integrity violation, 4 findings, 5 unavailable, 70 bug",
        )
        .max_term_width(100)
        .subcommand_required(true)
        .arg_required_else_help(true);
    Global::augment_args(program)
}

fn all() -> clap::Command {
    Command::augment_subcommands(top())
}

fn described((name, describe): &(&'static str, Describe)) -> clap::Command {
    describe(clap::Command::new(*name))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test may
mod tests {
    use super::*;

    #[test]
    fn a_command_alone_is_what_it_is_among_all() {
        all().debug_assert();
        for often in OFTEN {
            let all = all();
            let among = all.find_subcommand(often.0).unwrap();
            // Among all it also has a place in their list.
            let alone = described(often).display_order(among.get_display_order());
            assert!(format!("{alone:?}") == format!("{among:?}"), "{}", often.0);
        }
    }

    #[test]
    fn the_command_is_found_wherever_it_stands() {
        let parse = |line: &str| parse(line.split(' ').map(OsString::from).collect());
        let (global, command) = parse("promptos show R-1 --json -C elsewhere").unwrap();
        assert!(global.json && global.dir.is_some() && matches!(command, Command::Show(_)));
        let (global, command) = parse("promptos -C show --json cat P00.v1").unwrap();
        assert!(global.json && global.dir.is_some() && matches!(command, Command::Cat(_)));
        for (line, says) in [("promptos", "Usage: promptos [OPTIONS] <COMMAND>"), ("promptos shwo", "'show'")]
        {
            let error = parse(line).err().unwrap().to_string();
            assert!(error.contains(says), "{line}: {error}");
        }
        let help = parse("promptos help dev").err().unwrap().to_string();
        assert_eq!(help, parse("promptos dev --help").err().unwrap().to_string());
    }
}
