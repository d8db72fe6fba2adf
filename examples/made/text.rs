//! Prose that nobody wrote, and what editing it again and again leaves: the same at every call.

/// SplitMix64 (Steele, Lea, Flood 2014): numbers that repeat with their seed.
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % limit.max(1) as u64).unwrap_or_default()
    }
}

const SYLLABLES: [&str; 40] = [
    "an", "ter", "ra", "con", "ment", "pro", "de", "li", "ver", "sta", "ble", "in", "form", "ac", "tion",
    "re", "view", "sub", "ject", "ma", "king", "ta", "sk", "plan", "ner", "or", "der", "ex", "act", "ly",
    "write", "the", "test", "a", "sum", "per", "son", "un", "less", "al",
];

/// A line of prose, about a sentence.
fn sentence(numbers: &mut Numbers) -> String {
    let words = 6 + numbers.below(12);
    let word = |numbers: &mut Numbers| {
        (0..=numbers.below(3)).map(|_| SYLLABLES[numbers.below(SYLLABLES.len())]).collect::<String>()
    };
    let text: Vec<String> = (0..words).map(|_| word(numbers)).collect();
    format!("- {}.", text.join(" "))
}

fn lines(numbers: &mut Numbers, size: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut length = 0;
    while length < size {
        let line = sentence(numbers);
        length += line.len() + 1;
        lines.push(line);
    }
    lines
}

/// About so many bytes of prose.
pub(crate) fn prose(seed: u64, size: usize) -> String {
    lines(&mut Numbers::new(seed), size).join("\n") + "\n"
}

/// The versions of a prompt of about so many bytes: each comes of one to three edits, which change a
/// word here and there, put in a line, take one out, or move a block.
pub(crate) fn history(seed: u64, size: usize, versions: usize) -> Vec<Vec<u8>> {
    let mut numbers = Numbers::new(seed);
    let mut text = lines(&mut numbers, size);
    let mut all = Vec::new();
    while all.len() < versions {
        all.push((text.join("\n") + "\n").into_bytes());
        for _ in 0..=numbers.below(3) {
            edit(&mut text, &mut numbers);
        }
    }
    all
}

fn edit(text: &mut Vec<String>, numbers: &mut Numbers) {
    let at = numbers.below(text.len());
    match numbers.below(10) {
        0..=4 => {
            for _ in 0..=numbers.below(3) {
                let line = numbers.below(text.len());
                let mut words: Vec<&str> = text[line].split(' ').collect();
                let word = numbers.below(words.len());
                words[word] = SYLLABLES[numbers.below(SYLLABLES.len())];
                text[line] = words.join(" ");
            }
        }
        5..=6 => text.insert(at, sentence(numbers)),
        7..=8 if text.len() > 20 => drop(text.remove(at)),
        _ => {
            let block: Vec<String> = text.drain(at..(at + 4).min(text.len())).collect();
            let to = numbers.below(text.len());
            text.splice(to..to, block);
        }
    }
}
