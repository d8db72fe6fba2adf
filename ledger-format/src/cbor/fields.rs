//! Maps with text keys, field by field.

use super::{Item, Pairs};
use crate::digest::{Address, Descriptor, Hash};
use crate::failure::{Class, Failure, shown};

/// Takes the fields of a text-keyed map one by one; what is left at the end was not understood.
pub(crate) struct Fields<'a> {
    what: &'a str,
    /// All keys are texts.
    pairs: Pairs<'a>,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(item: Item<'a>, what: &'a str) -> Result<Self, Failure> {
        let Item::Map(pairs) = item else {
            return Err(Failure::malformed(format!("{what} is not a map")));
        };
        if pairs.iter().any(|(key, _)| !matches!(key, Item::Text(_))) {
            return Err(Failure::malformed(format!("{what} has a key that is not text")));
        }
        Ok(Self { what, pairs })
    }

    /// The names of the fields nobody took.
    pub(crate) fn rest(&self) -> impl Iterator<Item = &'a str> {
        self.pairs.iter().filter_map(|(key, _)| if let Item::Text(key) = key { Some(*key) } else { None })
    }

    /// Ends a map in which nothing else may stand.
    pub(crate) fn end(self) -> Result<(), Failure> {
        match self.rest().next() {
            None => Ok(()),
            Some(key) => {
                let detail =
                    format!("{} has the field '{}', which this version does not know", self.what, shown(key));
                Err(Failure::new(Class::Unsupported, detail))
            }
        }
    }

    pub(crate) fn wrong(&self, key: &str, want: &str) -> Failure {
        Failure::malformed(format!("field '{key}' of {} is not {want}", self.what))
    }

    pub(crate) fn opt(&mut self, key: &str) -> Option<Item<'a>> {
        let at = self.pairs.iter().position(|(k, _)| matches!(k, Item::Text(k) if *k == key))?;
        Some(self.pairs.remove(at).1)
    }

    pub(crate) fn take(&mut self, key: &str) -> Result<Item<'a>, Failure> {
        self.opt(key).ok_or_else(|| Failure::malformed(format!("{} has no field '{key}'", self.what)))
    }

    pub(crate) fn uint(&mut self, key: &str) -> Result<u64, Failure> {
        self.take(key)?.as_u64().ok_or_else(|| self.wrong(key, "an unsigned integer"))
    }

    pub(crate) fn bool(&mut self, key: &str) -> Result<bool, Failure> {
        if let Item::Bool(yes) = self.take(key)? { Ok(yes) } else { Err(self.wrong(key, "a boolean")) }
    }

    pub(crate) fn text(&mut self, key: &str) -> Result<String, Failure> {
        let item = self.take(key)?;
        self.as_text(key, &item)
    }

    pub(crate) fn opt_text(&mut self, key: &str) -> Result<Option<String>, Failure> {
        self.opt(key).map(|item| self.as_text(key, &item)).transpose()
    }

    fn as_text(&self, key: &str, item: &Item<'a>) -> Result<String, Failure> {
        if let Item::Text(text) = item { Ok((*text).to_owned()) } else { Err(self.wrong(key, "text")) }
    }

    pub(crate) fn fixed<const N: usize>(&mut self, key: &str) -> Result<[u8; N], Failure> {
        self.take(key)?.as_fixed().ok_or_else(|| self.wrong(key, &format!("a string of {N} bytes")))
    }

    pub(crate) fn opt_fixed<const N: usize>(&mut self, key: &str) -> Result<Option<[u8; N]>, Failure> {
        let wrong = |s: &Self| s.wrong(key, &format!("a string of {N} bytes"));
        self.opt(key).map(|item| item.as_fixed().ok_or_else(|| wrong(self))).transpose()
    }

    pub(crate) fn array(&mut self, key: &str, max: usize) -> Result<Vec<Item<'a>>, Failure> {
        let items = self.opt_array(key, max)?;
        items.ok_or_else(|| Failure::malformed(format!("{} has no field '{key}'", self.what)))
    }

    pub(crate) fn opt_array(&mut self, key: &str, max: usize) -> Result<Option<Vec<Item<'a>>>, Failure> {
        let Some(value) = self.opt(key) else { return Ok(None) };
        let items = value.into_array().ok_or_else(|| self.wrong(key, "an array"))?;
        if items.len() > max {
            let detail =
                format!("field '{key}' of {} has {} items; {max} are allowed", self.what, items.len());
            return Err(Failure::new(Class::TooLarge, detail));
        }
        Ok(Some(items))
    }

    pub(crate) fn descriptor(&mut self, key: &str) -> Result<Descriptor, Failure> {
        let value = self.take(key)?;
        as_descriptor(value)
    }

    pub(crate) fn opt_descriptor(&mut self, key: &str) -> Result<Option<Descriptor>, Failure> {
        self.opt(key).map(as_descriptor).transpose()
    }
}

fn as_descriptor(item: Item<'_>) -> Result<Descriptor, Failure> {
    let mut fields = Fields::new(item, "a descriptor")?;
    let descriptor = Descriptor {
        blake3: Address(fields.fixed("blake3")?),
        sha256: fields.fixed::<32>("sha256")? as Hash,
        size: fields.uint("size")?,
        media_type: fields.text("type")?,
    };
    let visible = descriptor.media_type.bytes().all(|b| b.is_ascii_graphic());
    if !visible || !(1..=127).contains(&descriptor.media_type.len()) {
        return Err(fields.wrong("type", "a media type"));
    }
    fields.end()?;
    Ok(descriptor)
}
