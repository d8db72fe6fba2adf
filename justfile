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

# Write the page about lint's rules anew
rules:
    cargo run --quiet -- lint --explain > docs/lint-rules.md

# Rendering beside Jinja2 (from PyPI, into a folder of its own), in the library and as a process
bench:
    python3 -m venv target/bench-venv
    target/bench-venv/bin/pip install --quiet --disable-pip-version-check jinja2==3.1.6
    PROMPTOS_PYTHON="$PWD/target/bench-venv/bin/python" cargo bench --bench render

# The peers that `examples/bench` runs beside promptos with --peers: p2panda-store, and MLflow in a folder of its own.
# PostgreSQL, git and strace come from the system.
peers:
    cargo build --release --manifest-path benches/peers/p2panda/Cargo.toml --target-dir "${CARGO_TARGET_DIR:-target}/peers"
    python3 -m venv target/peers-venv
    target/peers-venv/bin/pip install --quiet --disable-pip-version-check mlflow-skinny==3.17.2 sqlalchemy alembic

# Measure what is promised and write BENCHMARKS.md anew (`just peers` before it): best on a machine that does nothing else
benchmarks entries="1000000" *args="":
    cargo build --release
    -PROMPTOS_PYTHON="$PWD/target/peers-venv/bin/python" cargo run --release --example bench -- all --entries {{entries}} --peers --json {{args}} >target/bench.json
    cargo run --release --example bench -- report target/bench.json >target/BENCHMARKS.md
    mv target/BENCHMARKS.md BENCHMARKS.md

# What the parts of a ledger cost, by criterion
parts *args="":
    cargo bench --bench parts -- {{args}}

# Write the page about Jinja2 anew, from the cases recorded from its tests (PROMPTOS_CORPORA)
compatibility:
    PROMPTOS_COMPATIBILITY=1 cargo test --test compatibility

# Licences, bans and sources of all dependencies (needs cargo-deny)
deny:
    cargo deny check licenses bans sources

# Fuzz every target for so many seconds each (needs cargo-fuzz and a nightly compiler)
fuzz seconds="300":
    fuzz/run {{seconds}}

# Kill 500 recording processes at random moments, and see that nothing acknowledged is lost
kills:
    PROMPTOS_KILLS=500 cargo test --test killed -- --nocapture

# Several writers and a verifier on one ledger: memory and latency must stay flat
soak sessions="2000":
    cargo run --release --example soak -- --sessions {{sessions}}

# What commands over a catalog of 1,000 and of 10,000 prompts cost per prompt, and their memory
catalog *args:
    cargo build --release
    cargo run --release --example catalog -- {{args}}

# Audit a ledger made in bulk at each of these sizes: memory must stay flat
audits sizes="10000,100000":
    cargo run --release --example soak -- --audits {{sizes}}

# Change the format's code here and there and ask whether its tests notice (needs cargo-mutants). The vectors alone
# notice nearly all, at a tenth of the cost; what they miss goes through all tests, and what these miss too is listed.
mutants *args:
    -cargo mutants -p ledger-format --cargo-arg=--test=vectors {{args}}
    cargo mutants -p ledger-format --cargo-arg=--tests --iterate {{args}}
