//! Paths in someone's home directory: they work on one machine and name its user.

use super::text::{self, Position};

const HOMES: &[&str] = &["/Users/", "/home/", ":\\Users\\", ":\\\\Users\\\\"];

/// Names that stand for anyone.
const ANYONE: &[&str] = &["user", "username", "you", "your", "name", "me", "example", "shared", "public"];

/// The home directories with a user's name in `text`, up to and with the name, line by line.
pub(crate) fn personal(text: &str) -> impl Iterator<Item = (Position, &str)> {
    text.lines().enumerate().flat_map(|(index, line)| {
        let line = text::without_bom(line);
        HOMES.iter().flat_map(move |home| line.match_indices(home)).filter_map(move |(at, home)| {
            let start = start_of(line, at, home)?;
            let before = line.get(..start)?;
            let column = 1 + before.chars().count();
            let end = at + home.len() + name_length(line.get(at + home.len()..)?, home)?;
            Some((Position { line: index + 1, column }, line.get(start..end)?))
        })
    })
}

/// Where the path begins that has `home` at `at`; `None` if that is part of a URL or of a longer path.
fn start_of(line: &str, at: usize, home: &str) -> Option<usize> {
    let before = line.get(..at)?;
    if home.starts_with(':') {
        // The drive letter belongs to the path.
        return before.ends_with(|c: char| c.is_ascii_alphabetic()).then(|| at - 1);
    }
    let within = before.ends_with(|c: char| c.is_alphanumeric() || "/._-~}>".contains(c));
    (!within || before.ends_with("file://")).then_some(at)
}

/// The length of the user's name that begins `rest`, if a separator follows and it names a particular person.
fn name_length(rest: &str, home: &str) -> Option<usize> {
    let length = rest.find(|c: char| !c.is_alphanumeric() && !"._-".contains(c))?;
    let name = rest.get(..length)?;
    let separated = rest.get(length..)?.starts_with(if home.contains('\\') { '\\' } else { '/' });
    let someone = !name.is_empty() && name.len() <= 64 && !ANYONE.contains(&name.to_lowercase().as_str());
    (separated && someone).then_some(length)
}
