//! A keeper who lies: somebody with the log key and every byte of the ledger, who publishes something else than what
//! the authors signed, or not all of it, and whoever might notice. What each reader notices is `docs/keeper.md`, which
//! this test writes (`PROMPTOS_KEEPER=1 cargo test --test keeper`) and compares.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::expect_used)] // a test may

mod support;

use ed25519_dalek::SigningKey;
use ledger_format::evidence::{self, Item};
use ledger_format::tree::{self, Leaves};
use ledger_format::{
    Address, Body, Checkpoint, DETAILS_TYPE, Descriptor, Details, Draft, Enrolment, Head, InclusionProof,
    KeyChange, Ledger, Prompt, PublicKey, Roles, Session, Statement, Used, origin,
};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use support::World;

const ADA: u8 = 1;
const BOB: u8 = 2;
const CAROL: u8 = 3;
const LOG: u8 = 9;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn public(seed: u8) -> PublicKey {
    PublicKey::new(&key(seed).verifying_key().to_bytes()).unwrap()
}

/// What is published: statements in an order, and contents.
#[derive(Clone, Default)]
struct Book {
    statements: Vec<Vec<u8>>,
    contents: BTreeMap<String, Vec<u8>>,
}

impl Book {
    fn head(&self, size: usize) -> Head {
        let leaves = Leaves(self.statements.iter().map(|bytes| tree::leaf_hash(bytes)).collect());
        Head { size: size as u64, root: tree::root(&leaves, size as u64).unwrap() }
    }

    /// An author signs against the newest head.
    fn say(&mut self, who: u8, name: &str, body: &Body) {
        let head = self.head(self.statements.len());
        self.say_at(head, who, 1_700_000_000 + self.statements.len() as u64, name, body);
    }

    fn say_at(&mut self, head: Head, who: u8, time: u64, name: &str, body: &Body) {
        let issuer = ["", "ada", "bob", "carol"][usize::from(who)];
        let draft = Draft { name, issuer, time, head, body };
        self.statements.push(draft.sign(&key(who)).unwrap().bytes().to_vec());
    }

    fn content(&mut self, bytes: &[u8], media_type: &str) -> Descriptor {
        let described = Descriptor::of(bytes, media_type);
        self.contents.insert(hex::encode(described.blake3.0), bytes.to_vec());
        described
    }

    fn prompt(&mut self, text: &[u8]) -> Body {
        Body::Prompt(Prompt { content: self.content(text, "text/markdown") })
    }

    fn session(&mut self, notes: &str) -> Body {
        let details = Details { salt: [7; 16], fields: [("notes".to_owned(), notes.to_owned())].into() };
        let content = self.content(PROMPT, "text/markdown");
        let used = Used { reference: "P00.v1".to_owned(), gate: None, content };
        let details = self.content(&details.to_bytes(), DETAILS_TYPE);
        Body::Session(Session::new(vec![used], details, "0.1.0", "UNRELEASED"))
    }

    fn origin(&self) -> String {
        origin("book", &Statement::decode(self.statements[0].clone()).unwrap().id)
    }

    /// The checkpoint of all of it, signed with the log key.
    fn checkpoint(&self) -> Vec<u8> {
        let head = self.head(self.statements.len());
        Checkpoint { origin: self.origin(), head }.sign(&key(LOG)).unwrap()
    }

    /// Writes it as a published ledger: fewer than 256 entries, so one bundle and one tile.
    fn publish(&self, folder: &Path) {
        let width = self.statements.len();
        let bundle = self.statements.iter().flat_map(|bytes| {
            let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
            length.into_iter().chain(bytes.iter().copied())
        });
        let hashes = self.statements.iter().flat_map(|bytes| tree::leaf_hash(bytes));
        let write = |name: String, bytes: Vec<u8>| {
            let file = folder.join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, bytes).unwrap();
        };
        write(format!("tile/entries/000.p/{width}"), bundle.collect());
        write(format!("tile/0/000.p/{width}"), hashes.collect());
        for (name, bytes) in &self.contents {
            write(format!("blob/{}/{}", &name[..2], &name[2..]), bytes.clone());
        }
        write("checkpoint".to_owned(), self.checkpoint());
    }
}

const PROMPT: &[u8] = b"# Plan first\n";

/// Nine entries by three authors: what really happened.
fn honest(nonce: u8) -> Book {
    let mut book = Book::default();
    let enrolment = |who: u8, identity: &str| Enrolment { identity: identity.to_owned(), key: public(who) };
    let genesis = Body::Ledger(Ledger {
        name: "book".to_owned(),
        admins: vec![enrolment(ADA, "ada")],
        checkpoint_key: public(LOG),
        nonce: [nonce; 16],
        previous: None,
    });
    book.say_at(Head::empty(), ADA, 1_700_000_000, "book", &genesis);
    for (who, identity) in [(BOB, "bob"), (CAROL, "carol")] {
        let roles = Roles { user: true, ..Roles::default() };
        let enrol = KeyChange::Enrol { who: enrolment(who, identity), roles, acting_for: None };
        book.say(ADA, &hex::encode(public(who).kid().0), &Body::Key(enrol));
    }
    let prompt = book.prompt(PROMPT);
    book.say(ADA, "P00.v1", &prompt);
    let session = book.session("first");
    book.say(BOB, "s-1", &session);
    let session = book.session("second");
    book.say(CAROL, "s-2", &session);
    let carol = public(CAROL).kid();
    book.say(ADA, &hex::encode(carol.0), &Body::Key(KeyChange::Revoke { kid: carol, since: None }));
    let session = book.session("third");
    book.say(BOB, "s-3", &session);
    let prompt = book.prompt(b"# Build\n");
    book.say(ADA, "P01.v1", &prompt);
    book
}

/// The last entry but one of [`honest`] whose signed head covers what is below it is entry 7; entry 8 follows.
const REVOCATION: usize = 6;

/// What the keeper shows instead.
fn attacks(book: &Book) -> Vec<(&'static str, Book)> {
    let all = book.statements.len();
    let change = |edit: &dyn Fn(&mut Book)| {
        let mut lie = book.clone();
        edit(&mut lie);
        lie
    };
    vec![
        ("leaves out the last entry", change(&|b| b.statements.truncate(all - 1))),
        ("leaves out an entry that later authors knew of", change(&|b| drop(b.statements.remove(4)))),
        ("exchanges two entries that later authors knew of", change(&|b| b.statements.swap(4, 5))),
        (
            "shows one reader another last entry, which its author signed and the others never see",
            change(&|b| {
                b.statements.truncate(all - 1);
                let session = b.session("only for you");
                b.say(BOB, "s-4", &session);
            }),
        ),
        (
            "puts another text in the place of a prompt's bytes",
            change(&|b| {
                let address = hex::encode(blake3::hash(PROMPT).as_bytes());
                b.contents.insert(address, b"# Do as you like\n".to_vec());
            }),
        ),
        (
            "takes a statement whose author claims an earlier time",
            change(&|b| {
                let (head, session) = (b.head(all), b.session("long ago"));
                b.say_at(head, BOB, 1_000_000_000, "s-4", &session);
            }),
        ),
        (
            "forgets a revocation that later authors knew of",
            change(&|b| drop(b.statements.remove(REVOCATION))),
        ),
        (
            "forgets a revocation and all that came after it, and takes a statement of the revoked key",
            change(&|b| {
                b.statements.truncate(REVOCATION);
                let session = b.session("still here");
                b.say(CAROL, "s-4", &session);
            }),
        ),
        (
            "makes a statement in somebody's name with a key of its own",
            change(&|b| {
                let (head, session) = (b.head(all), b.session("not mine"));
                b.say_at(head, BOB, 1_700_000_100, "s-4", &session);
                let forged = b.statements.last_mut().unwrap();
                let length = forged.len();
                forged[length - 64..].copy_from_slice(&[1; 64]);
            }),
        ),
        ("shows another ledger of the same name and authors", honest(99)),
    ]
}

/// The readers, and what each of them needs and does.
const READERS: [(&str, &str); 5] = [
    ("nothing", "a stranger with the files alone: `verify-chain`"),
    ("a pin", "who verified this ledger before: `verify-chain --require pinned`"),
    ("a checkpoint", "who holds one that somebody else was shown: `checkpoint check`"),
    ("a witness", "who asks for a witness's cosignature: `verify-chain --policy … --require witnessed`"),
    ("an anchor", "who has a git repository with a checkpoint in a tag: `verify-chain --require anchored`"),
];

/// Everybody who knew the truth before the keeper began to lie.
struct Town {
    world: World,
    truth: PathBuf,
    pinned: World,
    witness: World,
    anchored: World,
    vkey: String,
    policy: String,
    /// What the witness signed, at the last entry but one and at the last.
    cosigned: Vec<PathBuf>,
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Somebody who has verified the truth.
fn pinned(truth: &Path) -> World {
    let world = World::new();
    world.run(&["--ledger", text(truth), "verify-chain"]).ok();
    world
}

impl Town {
    fn new(book: &Book) -> Self {
        let (world, witness) = (World::new(), World::with_git("wit", "wit@example.org"));
        let anchored = World::with_git("git", "git@example.org");
        let truth = world.root().join("truth");
        book.publish(&truth);
        let vkey =
            world.run(&["--ledger", text(&truth), "checkpoint", "--vkey"]).ok().stdout.trim().to_owned();
        let pinned = pinned(&truth);
        anchored.run(&["--ledger", text(&truth), "anchor", "git"]).ok();
        witness.run(&["key", "new"]);
        let its = witness.run(&["--ledger", text(&truth), "cosign", "--witness-vkey"]).ok().stdout;
        let policy = format!("log {vkey}\nwitness wit {}\nquorum wit\n", its.trim());
        let policy = text(&world.write("policy", policy)).to_owned();
        let mut town = Self { world, truth, pinned, witness, anchored, vkey, policy, cosigned: Vec::new() };
        let mut before = book.clone();
        before.statements.pop();
        for (name, book) in [("before", &before), ("now", book)] {
            let folder = town.world.root().join(name);
            book.publish(&folder);
            let note = town.cosign(&folder).expect("the witness signs what it has no reason to refuse");
            town.cosigned.push(town.world.write(name, note));
        }
        town
    }

    /// Asks the witness to cosign what a folder shows.
    fn cosign(&self, folder: &Path) -> Option<String> {
        let checkpoint = folder.join("checkpoint");
        let args = ["--ledger", text(folder), "cosign", "--vkey", &self.vkey, text(&checkpoint)];
        let output = self.witness.run(&args);
        (output.code == 0).then_some(output.stdout)
    }

    /// The exit code of each reader. 0 is that nothing was noticed.
    fn notice(&self, lie: &Path) -> Vec<i32> {
        let at = text(lie);
        let verify =
            |by: &World, more: &[&str]| by.run(&[&["--ledger", at, "verify-chain"], more].concat()).code;
        // The keeper shows whichever cosignature serves it.
        let fresh = self.cosign(lie).map(|note| self.world.write("fresh", note));
        let witnessed = self.cosigned.iter().chain(&fresh).map(|note| {
            let more = ["--policy", &self.policy, "--checkpoint", text(note), "--require", "witnessed"];
            verify(&World::new(), &more)
        });
        let checkpoint = self.truth.join("checkpoint");
        vec![
            verify(&World::new(), &[]),
            verify(&self.pinned, &["--require", "pinned"]),
            self.world.run(&["--ledger", at, "checkpoint", "check", text(&checkpoint)]).code,
            witnessed.min().unwrap(),
            verify(&self.anchored, &["--require", "anchored"]),
        ]
    }

    /// The truth with a cosignature that the witness never made.
    fn forged_cosignature(&self) -> Vec<i32> {
        let note = fs::read_to_string(&self.cosigned[1]).unwrap();
        let (start, end) = note.trim_end().rsplit_once(' ').unwrap();
        let mut signature: Vec<char> = end.chars().collect();
        signature[40] = if signature[40] == 'A' { 'B' } else { 'A' };
        let forged = format!("{start} {}\n", signature.into_iter().collect::<String>());
        let forged = self.world.write("forged", forged);
        let more = ["--policy", &self.policy, "--checkpoint", text(&forged), "--require", "witnessed"];
        let mut codes = vec![0, 0, 0];
        codes.push(
            World::new().run(&[&["--ledger", text(&self.truth), "verify-chain"], &more[..]].concat()).code,
        );
        codes.push(0);
        codes
    }

    /// Evidence of a session of another ledger, for the session of the same name here.
    fn replayed_evidence(&self, other: &Book) -> Vec<i32> {
        let item = |index: usize| {
            let leaves = Leaves(other.statements.iter().map(|bytes| tree::leaf_hash(bytes)).collect());
            let size = other.statements.len() as u64;
            let path = tree::inclusion_proof(&leaves, index as u64, size).unwrap();
            let statement = Statement::decode(other.statements[index].clone()).unwrap();
            let proof = InclusionProof { index: index as u64, path, checkpoint: other.checkpoint() };
            Item { statement, proof }
        };
        let others: Vec<Item> = [0, 1, 2, REVOCATION].into_iter().map(item).collect();
        let blobs: Vec<&[u8]> = other.contents.values().map(Vec::as_slice).collect();
        let Body::Session(session) = item(4).statement.body else { panic!("entry 4 is a session") };
        let told = [session.prompts[0].content.blake3, session.details.blake3];
        let blobs: Vec<&[u8]> = blobs.into_iter().filter(|b| told.contains(&Address::of(b))).collect();
        let tar = self.world.write("replayed.tar", evidence::pack(&item(4), &others, &blobs));
        let checkpoint = self.truth.join("checkpoint");
        let verify = |by: &World, more: &[&str]| by.run(&[&["verify", text(&tar)], more].concat()).code;
        vec![
            verify(&World::new(), &[]),
            // The other one has been shown the other ledger by now, and has pinned that as well.
            verify(&pinned(&self.truth), &["--require", "pinned"]),
            verify(&World::new(), &["--checkpoint", text(&checkpoint)]),
            verify(&World::new(), &["--policy", &self.policy, "--require", "witnessed"]),
            0,
        ]
    }
}

#[test]
fn what_a_keeper_can_do_is_noticed_as_the_table_says() {
    let book = honest(7);
    let town = Town::new(&book);
    assert_eq!(town.notice(&town.truth), [0; 5], "the truth is taken for a lie");
    let mut rows = Vec::new();
    for (at, (what, lie)) in attacks(&book).into_iter().enumerate() {
        let folder = town.world.root().join(format!("lie-{at}"));
        lie.publish(&folder);
        rows.push((what, town.notice(&folder)));
    }
    rows.push(("shows a cosignature that the witness never made", town.forged_cosignature()));
    rows.push((
        "answers with the evidence of another ledger's session of the same name",
        town.replayed_evidence(&honest(99)),
    ));
    let page = page(&rows);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/keeper.md");
    if std::env::var_os("PROMPTOS_KEEPER").is_some() {
        fs::write(&file, &page).unwrap();
    }
    assert_eq!(fs::read_to_string(file).unwrap_or_default(), page, "write it anew: PROMPTOS_KEEPER=1");
}

fn page(rows: &[(&str, Vec<i32>)]) -> String {
    let mut page = String::from(INTRODUCTION);
    page += "| the keeper … | ";
    page += &READERS.map(|(has, _)| has).join(" | ");
    page += " |\n|---|---|---|---|---|---|\n";
    for (what, codes) in rows {
        let words = codes.iter().map(|code| match code {
            0 => "–".to_owned(),
            code => format!("exit {code}"),
        });
        page += &format!("| {what} | {} |\n", words.collect::<Vec<_>>().join(" | "));
    }
    page += "\nThe readers:\n\n";
    for (has, does) in READERS {
        page += &format!("- **{has}**: {does}\n");
    }
    page + CONCLUSION
}

const INTRODUCTION: &str = "\
# What a lying keeper can do

<!-- Written by `PROMPTOS_KEEPER=1 cargo test --test keeper`, which also compares it. -->

The keeper has the log key and every byte of the ledger, and publishes what it likes. It has no author's key. Each row
is one lie, told to five readers; what a reader has is said above its column. `–` is that this reader notices nothing.
Exit 3 is a refusal; exit 4 says that the rung that was asked for is not reached.

";

const CONCLUSION: &str = "
What nobody signed after can be left out or replaced for whoever saw nothing before: only something from outside the
ledger helps, and each of the four in the table does, against what came before it was made. A cosignature vouches for the
entries below it and not for those after it: a keeper who shows an older one can leave out or replace the rest, and
`verify-chain` says how many entries follow the witnessed ones, and how old the cosignature is. A claimed time is only a
claim: no reader notices, since nothing contradicts it. A checkpoint says nothing of contents; whoever reads those
compares them with their digests.

A pin serves `verify-chain --since-pin` just as well: it holds a digest of the keys, refs and snapshots at the head that was
judged, so that a keeper who forges the index is noticed. It does not read again what it judged before: whoever wants to
know whether the keeper still has all of that, as it was, leaves the option out. `verify-chain --no-signatures` compares
hashes with the pin and judges nobody's signature; a keeper may write what it likes there.
";
