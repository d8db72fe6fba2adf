//! What is in the file when contents are packed.

use super::*;
use crate::error::Kind;
use crate::store::contract::batch;
use crate::store::edits::Prompt;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs;

struct Book {
    folder: tempfile::TempDir,
    store: Option<RedbStore>,
}

impl Book {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(RedbStore::create(&folder.path().join("l"), batch(0, &[b"g"])).unwrap(), Outcome::Done);
        let mut book = Self { folder, store: None };
        book.open();
        book
    }

    /// With the first `count` versions of a text, each said to be one of that before it.
    fn of_history(versions: &[String]) -> Self {
        let book = Self::new();
        let mut base = None;
        for version in versions {
            book.add(version, base);
            base = Some(version.as_str());
        }
        book
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("l")
    }

    fn open(&mut self) {
        self.store = None;
        let store = RedbStore::open(&self.path(), Access::Write, Default::default(), &mut |_| {});
        self.store = Some(store.unwrap());
    }

    fn store(&self) -> &RedbStore {
        self.store.as_ref().unwrap()
    }

    fn commit(&self, change: impl FnOnce(&mut Batch<'_>)) {
        let head = self.store().head().unwrap().unwrap();
        let mut next = Batch { expect: head.size, root: head.root, ..Batch::default() };
        change(&mut next);
        assert_eq!(self.store().commit(next).unwrap(), Outcome::Done);
    }

    fn add(&self, text: &str, base: Option<&str>) {
        let source = Box::new(io::Cursor::new(text.as_bytes().to_vec()));
        let base = base.map(address);
        let blob = NewBlob { address: address(text), size: text.len() as u64, base, source };
        self.commit(|batch| batch.blobs = vec![blob]);
    }

    fn erase(&self, text: &str) {
        self.commit(|batch| batch.erase = vec![address(text)]);
    }

    fn read(&self, text: &str) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.store().read_blob(&address(text), &mut |piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        })?;
        Ok(bytes)
    }

    fn reads(&self, text: &str) -> bool {
        self.read(text).is_ok_and(|bytes| bytes == text.as_bytes())
    }

    /// How many contents are whole, and how many are packed.
    fn count(&self) -> (usize, usize) {
        self.store()
            .read(|snapshot| {
                let table = snapshot.table(CONTENTS)?;
                let rows = table.range::<&Hash>(..).unwrap().map(|row| Stored::read(row.unwrap().1.value()));
                let (packed, whole): (Vec<_>, Vec<_>) =
                    rows.partition(|stored| matches!(stored, Stored::Packed(..)));
                Ok((whole.len(), packed.len()))
            })
            .unwrap()
    }

    /// Every frame by its place, with its row.
    fn frames(&self) -> BTreeMap<Place, Vec<u8>> {
        self.store()
            .read(|snapshot| {
                let table = snapshot.table(FRAMES)?;
                let rows = table.range::<u64>(..).unwrap().map(|row| row.unwrap());
                Ok(rows.map(|(key, row)| (frame_place(key.value()), row.value().to_vec())).collect())
            })
            .unwrap()
    }

    /// The place of a packed content.
    fn place(&self, text: &str) -> Place {
        match self.store().read(|snapshot| snapshot.stored(&address(text))).unwrap() {
            Some(Stored::Packed(place, size)) if size as usize == text.len() => place,
            other => panic!("{other:?}"),
        }
    }

    fn depth(&self, text: &str) -> usize {
        let place = self.place(text);
        self.store()
            .read(|snapshot| {
                let frames = snapshot.table(FRAMES)?;
                Ok(line(&frames, &snapshot.path, place)?.unwrap().len() - 1)
            })
            .unwrap()
    }

    /// Changes rows past every rule.
    fn tamper(&mut self, change: impl FnOnce(&::redb::WriteTransaction)) {
        self.store = None;
        let db = Database::open(self.path()).unwrap();
        let transaction = db.begin_write().unwrap();
        change(&transaction);
        transaction.commit().unwrap();
        drop(db);
        self.open();
    }

    fn put_frame(&mut self, place: Place, row: &[u8]) {
        self.tamper(|transaction| {
            transaction.open_table(FRAMES).unwrap().insert(frame_key(place), row).unwrap();
        });
    }
}

fn address(text: &str) -> Hash {
    *blake3::hash(text.as_bytes()).as_bytes()
}

/// A row by hand.
fn row(content: &str, base: &str, back: u32, generation: u32) -> Vec<u8> {
    frame::encode(content.as_bytes(), base.as_bytes(), back, generation).unwrap()
}

#[test]
fn a_text_is_whole_until_there_is_a_second_version() {
    let versions = Prompt::history(1, 8_000, 3);
    let book = Book::of_history(&versions[..1]);
    assert_eq!(book.count(), (1, 0));
    book.add(&versions[1], Some(&versions[0]));
    assert_eq!(book.count(), (0, 2));
    book.add(&versions[2], Some(&versions[1]));
    // What is another text altogether is not worth it; of that a new chain begins.
    let other = Prompt::history(2, 8_000, 2);
    book.add(&other[0], Some(&versions[2]));
    assert_eq!(book.count(), (1, 3));
    book.add(&other[1], Some(&other[0]));
    assert_eq!(book.count(), (0, 5));
    assert_eq!((book.place(&versions[2]), book.place(&other[1])), ((0, 2), (1, 1)));
    assert!(versions.iter().chain(&other).all(|text| book.reads(text)));
}

#[test]
fn long_histories_are_small_and_few_steps_deep() {
    let versions = Prompt::history(3, 8_000, 1_100);
    let book = Book::of_history(&versions);
    let bytes: usize = book.frames().values().map(Vec::len).sum();
    println!("{} bytes a version", bytes / versions.len());
    assert!(bytes / versions.len() < 110);
    let depths: Vec<usize> = versions.iter().map(|text| book.depth(text)).collect();
    assert_eq!(depths[..50], (0..48).chain([1, 2]).collect::<Vec<_>>());
    assert_eq!((depths[479], depths[480], depths[526], depths[527]), (56, 10, 56, 0));
    assert_eq!(depths.iter().max(), Some(&DEEPEST));
    assert_eq!(depths.iter().filter(|depth| **depth == 0).count(), 3);
    assert!(versions.iter().all(|text| book.reads(text)));
}

/// Where each version is one of the first, or of any, chains do not become deeper than they may.
#[test]
fn branches_end_somewhere() {
    let versions = Prompt::history(4, 2_000, 200);
    let book = Book::of_history(&versions[..100]);
    for (n, text) in (100..).zip(&versions[100..]) {
        book.add(text, Some(&versions[n * 7 % 100]));
    }
    assert!(versions.iter().all(|text| book.reads(text)));
    // One after the other is erased, whatever stands on it.
    for (n, text) in versions.iter().enumerate().filter(|(n, _)| n % 3 != 1) {
        book.erase(text);
        if n % 20 == 0 {
            let kept = versions.iter().enumerate().filter(|(other, _)| *other > n || other % 3 == 1);
            assert!(kept.clone().all(|(_, text)| book.reads(text)), "{n}");
            assert!(
                kept.map(|(_, text)| text)
                    .filter(|text| {
                        let stored = book.store().read(|s| s.stored(&address(text))).unwrap();
                        matches!(stored, Some(Stored::Packed(..)))
                    })
                    .all(|text| book.depth(text) <= DEEPEST)
            );
        }
    }
}

/// Every run of bytes in a file from which some frame might begin is unpacked on everything that it might stand on.
fn is_anywhere(file: &[u8], bases: &[String], token: &[u8]) -> bool {
    let has = |bytes: &[u8]| bytes.windows(token.len()).any(|window| window == token);
    let mut out = Vec::new();
    let mut decode = |bytes: &[u8], base: &str| {
        let length = zstd_safe::find_frame_compressed_size(bytes).ok()?;
        let row = [&[0, 0], &bytes[..length]].concat();
        Frame::parse(&row)?.decode(base.as_bytes(), &mut out)?;
        Some(has(&out))
    };
    has(file)
        || file.windows(4).enumerate().filter(|(_, magic)| *magic == [0x28, 0xb5, 0x2f, 0xfd]).any(
            |(at, _)| {
                bases
                    .iter()
                    .map(String::as_str)
                    .chain([""])
                    .any(|base| decode(&file[at..], base) == Some(true))
            },
        )
}

#[test]
fn what_was_erased_is_nowhere_in_the_file_in_no_form() {
    let mut prompt = Prompt::new(5, 4_000);
    let mut versions = Vec::new();
    // Of each version something is its own: a sentence that the next one does not have, and that nobody else has.
    let token = |n: u64| hex::encode(blake3::hash(&n.to_be_bytes()).as_bytes());
    for n in 0_u64..70 {
        let text = prompt.edit();
        let (a, b) = text.split_at(text.find(". ").unwrap());
        versions.push(format!("{a} {}{b}", token(n)));
    }
    // In the midst, at the turns and at the end.
    for gone in [0, 1, 5, 47, 48, 49, 69] {
        let mut book = Book::of_history(&versions);
        let (token, others) = (token(gone as u64), [&versions[..gone], &versions[gone + 1..]].concat());
        let file = |book: &mut Book| {
            book.open();
            fs::read(book.path()).unwrap()
        };
        assert!(is_anywhere(&file(&mut book), &others, token.as_bytes()), "{gone}: not found before");
        book.erase(&versions[gone]);
        assert!(book.store().unscrubbed().unwrap());
        book.store.as_mut().unwrap().scrub().unwrap();
        assert!(!is_anywhere(&file(&mut book), &others, token.as_bytes()), "{gone}");
        let kept: Vec<_> = versions.iter().enumerate().filter(|(n, _)| *n != gone).collect();
        assert!(kept.iter().all(|(_, text)| book.reads(text)));
        let after: usize = book.frames().values().map(Vec::len).sum();
        assert!(after < 69 * 300, "{after}");
    }
}

#[test]
fn damage_is_an_error_for_each_version_that_stands_on_it_and_no_other() {
    let versions = Prompt::history(6, 8_000, 60);
    let mut book = Book::of_history(&versions);
    let other = Prompt::history(7, 3_000, 2);
    book.add(&other[0], None);
    book.add(&other[1], Some(&other[0]));
    let whole = book.frames();
    let damaged = |book: &Book| {
        let errors = versions.iter().chain(&other).filter_map(|text| {
            let error = book.read(text).err()?;
            assert_eq!(error.kind(), Kind::Integrity);
            let name = hex::encode(address(text));
            assert!(error.to_string().contains(&name), "{error}");
            Some(versions.iter().position(|version| version == text).unwrap())
        });
        errors.collect::<Vec<_>>()
    };
    let (from_10, from_49) = ((10..48).collect::<Vec<_>>(), (49..60).collect::<Vec<_>>());
    let zeroed = |row: &[u8]| [&row[..2], &vec![0; row.len() - 2]].concat();
    let cases: Vec<(&str, u32, Vec<u8>, Vec<usize>)> = vec![
        ("no zstd", 10, zeroed(&whole[&(0, 10)]), from_10.clone()),
        ("empty", 10, vec![], from_10.clone()),
        ("torn", 49, whole[&(0, 49)][..20].to_vec(), from_49.clone()),
        ("no base", 49, row(&versions[49], "", 50, 49), from_49.clone()),
        ("numbers without end", 10, vec![255; 40], from_10.clone()),
        ("a base that is not there", 10, row(&versions[10], "", 11, 10), from_10.clone()),
        ("the first one", 0, zeroed(&whole[&(0, 0)]), (0..60).collect()),
    ];
    for (case, at, bad, expected) in cases {
        book.put_frame((0, at), &bad);
        assert_eq!(damaged(&book), expected, "{case}");
        book.put_frame((0, at), &whole[&(0, at)]);
        assert_eq!(damaged(&book), [0; 0]);
    }
    // Of another length than is said.
    book.tamper(|transaction| {
        let mut packed = transaction.open_table(CONTENTS).unwrap();
        packed.insert(&address(&versions[3]), (0, 3, 7)).unwrap();
        packed.insert(&address(&versions[4]), (9, 4, 7)).unwrap();
    });
    assert_eq!(damaged(&book), [3, 4]);
    // What is damaged can be erased all the same, and what stands on what is whole is whole after it.
    book.put_frame((0, 10), &zeroed(&whole[&(0, 10)]));
    book.erase(&versions[10]);
    book.erase(&versions[20]);
    book.erase(&versions[49]);
    let lost = [3, 4].into_iter().chain(11..20).chain(21..48);
    assert_eq!(damaged(&book), lost.collect::<Vec<_>>());
    assert_eq!(book.read(&versions[20]).unwrap(), b"");
}

/// A chain that somebody made too long is damage, and is found to be soon.
#[test]
fn no_chain_is_followed_without_end() {
    let text = Prompt::new(8, 1_000).text();
    let mut book = Book::of_history(&Prompt::history(9, 1_000, 2));
    let frame = row(&text, &text, 1, 1);
    book.tamper(|transaction| {
        let mut frames = transaction.open_table(FRAMES).unwrap();
        frames.insert(frame_key((7, 0)), row(&text, "", 0, 0).as_slice()).unwrap();
        for at in 1..100_000 {
            frames.insert(frame_key((7, at)), frame.as_slice()).unwrap();
        }
        transaction
            .open_table(CONTENTS)
            .unwrap()
            .insert(&address(&text), (7, 99_999, text.len() as u32))
            .unwrap();
    });
    assert_eq!(book.read(&text).unwrap_err().kind(), Kind::Integrity);
    // Nor is anything put on top of it.
    let next = format!("{text} more");
    book.add(&next, Some(&text));
    assert!(book.reads(&next));
    // To the depth that is allowed it is read.
    for (at, reads) in [(DEEPEST as u32, true), (DEEPEST as u32 + 1, false)] {
        book.tamper(|transaction| {
            let mut packed = transaction.open_table(CONTENTS).unwrap();
            packed.insert(&address(&text), (7, at, text.len() as u32)).unwrap();
        });
        assert_eq!(book.reads(&text), reads, "{at}");
    }
}

/// Without the engine, and without the table that tells whose a frame is.
#[test]
fn what_is_intact_is_found_in_a_file_that_the_engine_cannot_open() {
    let versions = Prompt::history(11, 4_000, 60);
    let mut book = Book::of_history(&versions);
    let other = Prompt::history(12, 200_000, 3);
    let mut base = None;
    for text in &other {
        book.add(text, base);
        base = Some(text.as_str());
    }
    let in_pieces = Prompt::new(13, 200_000).text();
    book.add(&in_pieces, None);
    book.erase(&versions[20]);
    let depths: Vec<usize> = (0..60).map(|n| if n == 20 { 0 } else { book.depth(&versions[n]) }).collect();
    assert!(depths.contains(&46));
    book.tamper(|transaction| drop(transaction.delete_table(CONTENTS)));
    book.store = None;
    let path = book.folder.path().join("damaged");
    let carved = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        Carved::read(&path, &|_| None, &mut |_| {}).unwrap()
    };
    let reads = |carved: &Carved, text: &str| {
        let mut bytes = Vec::new();
        let found = carved.blob(&address(text), &mut |piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        });
        assert!(!found.as_ref().unwrap() || bytes == text.as_bytes());
        found.unwrap()
    };
    let mut bytes = fs::read(book.path()).unwrap();
    bytes[..4096].fill(0);
    let whole = carved(&bytes);
    let rest = || other.iter().chain([&in_pieces]);
    let all = || versions.iter().chain(rest()).enumerate().filter(|(n, _)| *n != 20).map(|(_, text)| text);
    assert!(all().all(|text| reads(&whole, text) && whole.addresses().contains(&address(text))));
    // Any bit of it: what is found is right, and of the rest most is found.
    let mut lost = 0;
    for n in 0..60_u32 {
        let at = n as usize * 7_919 % bytes.len();
        bytes[at] ^= 1 << (n % 8);
        let damaged = carved(&bytes);
        lost += all().filter(|text| !reads(&damaged, text)).count();
        bytes[at] ^= 1 << (n % 8);
    }
    println!("{lost} lost in 60 damaged files of 63 contents");
    assert!(lost > 0 && lost < 60 * 63 / 4);
}

proptest! {
    #[test]
    fn a_row_says_how_a_content_is_stored(size: u64, place in (0..ERASED, any::<u32>()), length: u32) {
        for stored in [Stored::Erased, Stored::Whole(size), Stored::Packed(place, length)] {
            prop_assert_eq!(Stored::read(stored.row()), stored);
        }
        prop_assert_eq!(frame_place(frame_key(place)), place);
    }

    /// The engine keeps rows in the order of their keys.
    #[test]
    fn keys_have_the_order_of_what_they_stand_for(places: [Place; 2], addresses: [Hash; 2], numbers: [u32; 2]) {
        let [a, b] = places;
        prop_assert_eq!(frame_key(a).cmp(&frame_key(b)), a.cmp(&b));
        let [a, b] = [0, 1].map(|n| (addresses[n], numbers[n]));
        prop_assert_eq!(chunk(&a.0, a.1).cmp(&chunk(&b.0, b.1)), a.cmp(&b));
        prop_assert_eq!(chunk_of(&chunk(&a.0, a.1)), Some(a));
    }

    #[test]
    fn each_tile_has_keys_of_its_own(levels: [u8; 2], indexes in prop::array::uniform2(0..1_u64 << 48)) {
        let [a, b] = [0, 1].map(|n| TileId { level: levels[n], index: indexes[n] });
        let [of_a, of_b] = [a, b].map(|id| pieces(id).unwrap());
        prop_assert_eq!((of_a.end() - of_a.start(), of_b.end() - of_b.start()), (255, 255));
        // The lowest level comes last.
        let order = b.level.cmp(&a.level).then(a.index.cmp(&b.index));
        prop_assert_eq!(of_a.start().cmp(of_b.start()), order);
        prop_assert_eq!(of_a.end().cmp(of_b.start()), if order.is_eq() { std::cmp::Ordering::Greater } else { order });
        prop_assert_eq!(pieces(TileId { index: a.index + (1 << 48), ..a }), None);
    }
}
