//! Writes every vector anew: `cargo run -p ledger-format --example vectors`.

#[path = "../tests/support/mod.rs"]
mod support;

use std::path::Path;
use std::{fs, io};

fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    for folder in ["accept", "reject"] {
        let folder = root.join(folder);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
    }
    support::all().iter().try_for_each(|vector| fs::write(root.join(vector.path()), vector.json()))
}
