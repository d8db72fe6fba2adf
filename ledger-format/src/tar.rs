//! The one form of tar that evidence uses: POSIX ustar, plain files, fixed metadata, two zero blocks.

use crate::failure::{Class, Failure, shown};

const BLOCK: usize = 512;

/// Writes one file after the other. Names have at most 100 bytes.
#[derive(Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn file(&mut self, name: &str, content: &[u8]) {
        let mut header = [0u8; BLOCK];
        let mut put = |at: usize, text: &[u8]| {
            if let Some(field) = header.get_mut(at..at + text.len()) {
                field.copy_from_slice(text);
            }
        };
        put(0, name.as_bytes());
        put(100, b"0000644\0");
        put(108, b"0000000\0");
        put(116, b"0000000\0");
        put(124, format!("{:011o}\0", content.len()).as_bytes());
        put(136, b"00000000000\0");
        put(148, b"        ");
        put(156, b"0");
        put(257, b"ustar\x0000");
        let sum: u32 = header.iter().map(|&b| u32::from(b)).sum();
        if let Some(field) = header.get_mut(148..156) {
            field.copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
        self.0.extend_from_slice(&header);
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(BLOCK), 0);
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 2 * BLOCK, 0);
        self.0
    }
}

/// Reads the files of a tar leniently in metadata and strictly in structure; the caller writes the
/// files again and compares bytes.
pub(crate) fn read(bytes: &[u8]) -> Result<Vec<(String, &[u8])>, Failure> {
    let bad = |why: &str| Failure::new(Class::Malformed, format!("evidence tar: {why}"));
    let (mut files, mut rest) = (Vec::new(), bytes);
    loop {
        let (header, after) = rest.split_at_checked(BLOCK).ok_or_else(|| bad("it is cut short"))?;
        if header.iter().all(|&b| b == 0) {
            return Ok(files);
        }
        let field = |from: usize, to: usize| {
            let field = header.get(from..to).unwrap_or_default();
            field.split(|&b| b == 0).next().and_then(|text| std::str::from_utf8(text).ok()).map(str::trim)
        };
        let name = field(0, 100).filter(|name| !name.is_empty()).ok_or_else(|| bad("a name is not text"))?;
        let size = field(124, 136).and_then(|octal| usize::from_str_radix(octal, 8).ok());
        let size = size.ok_or_else(|| bad(&format!("the size of {} is not octal", shown(name))))?;
        if field(257, 262) != Some("ustar") || !matches!(header.get(156), Some(b'0' | 0)) {
            return Err(bad(&format!("{} is not a plain ustar file", shown(name))));
        }
        let content = after.get(..size).ok_or_else(|| bad(&format!("{} is cut short", shown(name))))?;
        rest = size
            .checked_next_multiple_of(BLOCK)
            .and_then(|n| after.get(n..))
            .ok_or_else(|| bad("it is cut short"))?;
        files.push((name.to_owned(), content));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(
            files in proptest::collection::vec(("[ -~&&[^ ]]{1,100}", proptest::collection::vec(any::<u8>(), 0..1100)), 0..5),
        ) {
            let mut writer = Writer::default();
            files.iter().for_each(|(name, content)| writer.file(name, content));
            let tar = writer.finish();
            prop_assert_eq!(tar.len() % BLOCK, 0);
            let written: Vec<_> = files.iter().map(|(name, content)| (name.clone(), content.as_slice())).collect();
            prop_assert_eq!(read(&tar).unwrap(), written);
            for cut in [0, tar.len() / 2, tar.len() - 2 * BLOCK].into_iter().filter(|cut| *cut < tar.len() - BLOCK) {
                prop_assert!(read(&tar[..cut]).is_err());
            }
        }

        /// Blocks that look like headers reach further than random bytes.
        #[test]
        fn reading_never_panics(size in "[0-7 x\0+-]{12}", rest in proptest::collection::vec(any::<u8>(), 0..1100)) {
            let mut writer = Writer::default();
            writer.file("name", &[]);
            let mut tar = writer.finish();
            tar[124..136].copy_from_slice(size.as_bytes());
            tar.truncate(BLOCK);
            tar.extend(rest);
            let _ = read(&tar);
        }
    }
}
