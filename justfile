# What one types while working on promptos. `just` lists these.

default:
    @just --list

# The gate, as CI runs it
ci:
    .ci/run

# Format, lint and test
check:
    cargo fmt --all
    cargo clippy --workspace --all-targets -- -D warnings
    cargo test --workspace

# Write the format's vectors anew
vectors:
    cargo run -p ledger-format --example vectors

# Licences, bans and sources of all dependencies (needs cargo-deny)
deny:
    cargo deny check licenses bans sources
