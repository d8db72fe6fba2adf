//! Histories of prompts as people edit them: prose in headings, paragraphs and lists, of which each version changes a
//! line or a few. The same seed gives the same history.

#![allow(clippy::indexing_slicing, clippy::cast_possible_truncation, dead_code, unreachable_pub)] // for tests and measurements

/// Those that stand in front come more often.
const WORDS: &str = "the a of to and is in you that it for not on with as be this if are or from when an by must have \
    what which answer each one only say all before at no user their more than any text give may list do never source \
    question then keep line name first write use given order after between how without same always check two where \
    so but read other its short long step reason result example field table model format value part well change \
    clear section claim doubt person word number state case point rule note sure page quote cite finding task review \
    summary report context request input output language reader sentence paragraph evidence statement document code";

/// Of which terms are made that are nobody else's.
const SYLLABLES: [&str; 12] = ["ra", "ten", "mo", "li", "cor", "ve", "sta", "ni", "quo", "per", "du", "lex"];

/// A text that is edited again and again.
pub struct Prompt {
    state: u64,
    words: Vec<&'static str>,
    lines: Vec<String>,
    size: usize,
}

impl Prompt {
    /// A first version of about `size` bytes.
    pub fn new(seed: u64, size: usize) -> Self {
        let words = WORDS.split_whitespace().collect();
        let mut prompt = Self { state: seed, words, lines: Vec::new(), size };
        let mut length = 0;
        while length < size {
            let line = prompt.line();
            length += line.len() + 1;
            prompt.lines.push(line);
        }
        prompt
    }

    /// The first `count` versions of a text of about `size` bytes.
    pub fn history(seed: u64, size: usize, count: usize) -> Vec<String> {
        let mut prompt = Self::new(seed, size);
        let mut versions = vec![prompt.text()];
        while versions.len() < count {
            versions.push(prompt.edit());
        }
        versions
    }

    /// The text as it stands.
    pub fn text(&self) -> String {
        self.lines.join("\n") + "\n"
    }

    /// The next version: one to three lines are written, reworded or dropped.
    pub fn edit(&mut self) -> String {
        for _ in 0..=self.below(3) {
            let at = self.below(self.lines.len());
            match self.below(4) {
                0 if self.text().len() < self.size => {
                    let line = self.line();
                    self.lines.insert(at, line);
                }
                0 if self.lines.len() > 1 => drop(self.lines.remove(at)),
                _ => self.reword(at),
            }
        }
        self.text()
    }

    /// SplitMix64.
    fn below(&mut self, end: usize) -> usize {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) % end as u64) as usize
    }

    fn word(&mut self) -> String {
        if self.below(14) == 0 {
            return (0..2 + self.below(3)).map(|_| SYLLABLES[self.below(SYLLABLES.len())]).collect();
        }
        let (a, b) = (self.below(self.words.len()), self.below(self.words.len()));
        self.words[a.min(b)].to_owned()
    }

    fn sentence(&mut self) -> String {
        let mut words: Vec<_> = (0..6 + self.below(12)).map(|_| self.word()).collect();
        words[0][..1].make_ascii_uppercase();
        words.join(" ") + "."
    }

    fn line(&mut self) -> String {
        match self.below(9) {
            0 => format!("\n## {}", self.sentence().trim_end_matches('.')),
            1..=4 => format!("- {}", self.sentence()),
            _ => (0..2 + self.below(3)).map(|_| self.sentence()).collect::<Vec<_>>().join(" "),
        }
    }

    /// Puts other words in the place of a few.
    fn reword(&mut self, at: usize) {
        let mut words: Vec<String> = self.lines[at].split(' ').map(str::to_owned).collect();
        let from = 1 + self.below(words.len().max(2) - 1);
        let until = (from + 1 + self.below(4)).min(words.len());
        let new: Vec<_> = (0..1 + self.below(4)).map(|_| self.word()).collect();
        if from < words.len() {
            words.splice(from..until, new);
        }
        self.lines[at] = words.join(" ");
    }
}
