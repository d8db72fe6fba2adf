//! Schemas as they are read from files: what they demand, and where their references lead (Core 2020-12, sections 8
//! and 9). A reference leads into the same file or to a file of the same folder; nothing is fetched.

use super::keyword::Keyword;
use crate::catalog::{DRAFT, Home, quoted};
use crate::json;
use fluent_uri::{Uri, UriRef};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::rc::Rc;

/// What a schema's own path is relative to; nothing is ever at such an address.
const BASE: &str = "promptos-schemas:///";

/// Which of the [`Schemas`].
pub(super) type Id = usize;

/// A schema and all to which its references lead.
pub(super) struct Schemas {
    /// The first is the one that was asked for.
    pub(super) all: Vec<Schema>,
    pub(super) resources: Vec<Resource>,
}

/// One schema, which may be a part of another.
pub(super) struct Schema {
    /// A JSON Pointer to it in its file.
    pub(super) pointer: String,
    /// The schema resource that it belongs to.
    pub(super) resource: usize,
    /// Those that go by what others have evaluated come last.
    pub(super) keywords: Vec<Keyword>,
}

/// What a URI stands for: a file, or the part of one that has a `$id` (Core 2020-12, section 4.3.5).
pub(super) struct Resource {
    uri: Uri<String>,
    /// Its file, and where it is there.
    file: usize,
    pointer: String,
    anchors: BTreeMap<String, Id>,
    /// Those of `$dynamicAnchor`.
    pub(super) dynamic: BTreeMap<String, Id>,
}

/// Where something stands in a file.
#[derive(Clone)]
pub(super) struct Place {
    file: usize,
    pointer: String,
    resource: usize,
}

impl Place {
    /// The place of a member or an item.
    pub(super) fn below(&self, part: &str) -> Self {
        Self { pointer: format!("{}/{}", self.pointer, json::pointer_part(part)), ..self.clone() }
    }

    /// As messages have it.
    pub(super) fn quoted(&self) -> String {
        quoted(&self.pointer)
    }
}

/// A reference that has not been followed.
struct Reference {
    from: Id,
    /// `$ref` or `$dynamicRef`.
    keyword: &'static str,
    file: usize,
    to: Uri<String>,
}

/// Reads schemas. Errors are sentences that say where.
pub(super) struct Reader<'h> {
    home: &'h Home,
    /// The files, with what they are called.
    files: Vec<(String, Rc<Value>)>,
    schemas: Schemas,
    /// What has been read, by file and pointer.
    read: HashMap<(usize, String), Id>,
    /// The resources by their URIs.
    uris: BTreeMap<String, usize>,
    references: VecDeque<Reference>,
}

impl Schemas {
    /// Reads the schema in the file at `path`.
    ///
    /// # Errors
    /// Why it is none: what in it is no schema of Draft 2020-12, or which of its references leads nowhere.
    pub(super) fn read(home: &Home, path: &str) -> Result<Self, String> {
        let schemas = Self { all: Vec::new(), resources: Vec::new() };
        let (files, read, uris) = (Vec::new(), HashMap::new(), BTreeMap::new());
        let mut reader = Reader { home, files, schemas, read, uris, references: VecDeque::new() };
        let document = home.read(path)?;
        reader.file(&format!("{BASE}{path}"), document)?;
        while let Some(reference) = reader.references.pop_front() {
            let keyword = reader.follow(&reference)?;
            if let Some(from) = reader.schemas.all.get_mut(reference.from) {
                from.keywords.insert(0, keyword);
            }
        }
        Ok(reader.schemas)
    }
}

impl Reader<'_> {
    /// Reads a file as the schema resource that it is.
    fn file(&mut self, uri: &str, document: Value) -> Result<usize, String> {
        let (file, resource) = (self.files.len(), self.schemas.resources.len());
        let document = Rc::new(document);
        self.files.push((uri.to_owned(), Rc::clone(&document)));
        let base = Uri::parse(uri.to_owned()).map_err(|_| format!("{} is no URI", self.shown(uri)))?;
        self.uris.insert(uri.to_owned(), resource);
        let place = Place { file, pointer: String::new(), resource };
        self.resource(base, &place);
        self.schema(&document, &place).map_err(|why| self.located(file, why))?;
        Ok(resource)
    }

    fn resource(&mut self, uri: Uri<String>, place: &Place) -> usize {
        let Place { file, pointer, .. } = place.clone();
        let resource = Resource { uri, file, pointer, anchors: BTreeMap::new(), dynamic: BTreeMap::new() };
        self.schemas.resources.push(resource);
        self.schemas.resources.len() - 1
    }

    /// Reads a schema with all its parts.
    pub(super) fn schema(&mut self, schema: &Value, place: &Place) -> Result<Id, String> {
        let key = (place.file, place.pointer.clone());
        if let Some(id) = self.read.get(&key) {
            return Ok(*id);
        }
        let id = self.schemas.all.len();
        self.read.insert(key, id);
        let (pointer, resource) = (place.pointer.clone(), place.resource);
        self.schemas.all.push(Schema { pointer, resource, keywords: Vec::new() });
        let keywords = match schema {
            Value::Object(members) => {
                let place = Place { resource: self.identify(id, members, place)?, ..place.clone() };
                if let Some(schema) = self.schemas.all.get_mut(id) {
                    schema.resource = place.resource;
                }
                self.keywords(id, members, &place)?
            }
            Value::Bool(true) => Vec::new(),
            Value::Bool(false) => vec![Keyword::Never],
            _ => return Err(format!("{} is not of types \"object\", \"boolean\"", place.quoted())),
        };
        if let Some(schema) = self.schemas.all.get_mut(id) {
            schema.keywords = keywords;
        }
        Ok(id)
    }

    /// Takes note of what a schema is called: `$id`, `$anchor`, `$dynamicAnchor` (Core 2020-12, section 8.2). Returns
    /// the resource that it belongs to.
    fn identify(&mut self, id: Id, members: &Map<String, Value>, place: &Place) -> Result<usize, String> {
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        if text("$schema").is_some_and(|draft| draft.trim_end_matches('#') != DRAFT) {
            return Err(format!(
                "at {}: only JSON Schema Draft 2020-12 is read",
                place.below("$schema").quoted()
            ));
        }
        let mut own = place.resource;
        if let Some(written) = text("$id") {
            let at = place.below("$id");
            let name = written.strip_suffix('#').unwrap_or(written);
            if name.contains('#') {
                return Err(format!("{} does not match the pattern `^[^#]*#?$`", at.quoted()));
            }
            let uri = self.resolve(name, &at)?;
            // A file's own `$id` is another name of the same resource.
            let other = self.uris.get(uri.as_str()).copied();
            match other.and_then(|other| self.schemas.resources.get(other)) {
                Some(other)
                    if place.pointer.is_empty() && other.pointer.is_empty() && other.file == place.file => {}
                Some(other) => {
                    let places = format!("{} and {}", quoted(&other.pointer), place.quoted());
                    return Err(format!("{places} have the same `$id` {}", self.shown(uri.as_str())));
                }
                None => {
                    if !place.pointer.is_empty() {
                        own = self.resource(uri.clone(), place);
                    } else if let Some(resource) = self.schemas.resources.get_mut(own) {
                        resource.uri = uri.clone();
                    }
                    self.uris.insert(uri.into_string(), own);
                }
            }
        }
        for keyword in ["$anchor", "$dynamicAnchor"] {
            let Some(name) = text(keyword) else { continue };
            let Some(resource) = self.schemas.resources.get_mut(own) else { continue };
            if keyword == "$dynamicAnchor" {
                resource.dynamic.insert(name.to_owned(), id);
            }
            let other = resource.anchors.insert(name.to_owned(), id).filter(|other| *other != id);
            if let Some(other) = other.and_then(|other| self.schemas.all.get(other)) {
                let places = format!("{} and {}", quoted(&other.pointer), place.quoted());
                return Err(format!("{places} have the same anchor {}", quoted(name)));
            }
        }
        Ok(own)
    }

    /// What a URI reference at this place stands for.
    fn resolve(&self, reference: &str, place: &Place) -> Result<Uri<String>, String> {
        let none = || format!("{} is no uri-reference", place.quoted());
        let base = &self.schemas.resources.get(place.resource).ok_or_else(none)?.uri;
        UriRef::parse(reference).ok().and_then(|uri| uri.resolve_against(base).ok()).ok_or_else(none)
    }

    /// Takes note of a reference, to be followed when its file has been read: what it names may come later.
    pub(super) fn refer(
        &mut self,
        from: Id,
        keyword: &'static str,
        to: &str,
        at: &Place,
    ) -> Result<(), String> {
        let to = self.resolve(to, at)?;
        self.references.push_back(Reference { from, keyword, file: at.file, to });
        Ok(())
    }

    /// The keyword that a reference is, with the schema to which it leads.
    fn follow(&mut self, reference: &Reference) -> Result<Keyword, String> {
        let Reference { keyword, file, to, .. } = reference;
        let nowhere = |reader: &Self, why: &str| {
            let uri = reader.shown(to.as_str());
            Err(reader.located(*file, format!("its `{keyword}` leads to {uri}{why}")))
        };
        let uri = to.strip_fragment();
        let resource = match (self.uris.get(uri.as_str()), uri.as_str().strip_prefix(BASE)) {
            (Some(resource), _) => *resource,
            (None, Some(path)) => match self.home.read(path) {
                Ok(document) => self.file(uri.as_str(), document)?,
                Err(why) => return nowhere(self, &format!(": {why}")),
            },
            (None, None) => {
                let why =
                    ": nothing is fetched; name a file of the same folder of schemas, relative to this one";
                return nowhere(self, why);
            }
        };
        let fragment = to.fragment().map(|fragment| fragment.decode().to_string_lossy()).unwrap_or_default();
        let Some(found) = self.schemas.resources.get(resource) else { return nowhere(self, "") };
        let target = if fragment.is_empty() || fragment.starts_with('/') {
            self.at(found.file, format!("{}{fragment}", found.pointer))?
        } else {
            found.anchors.get(fragment.as_ref()).copied()
        };
        let Some(target) = target else { return nowhere(self, ", which does not exist") };
        let dynamic = self.schemas.resources.get(resource).map(|resource| &resource.dynamic);
        Ok(match dynamic.and_then(|anchors| anchors.get_key_value(fragment.as_ref())) {
            Some((name, _)) if *keyword == "$dynamicRef" => Keyword::DynamicRef(target, name.clone()),
            _ => Keyword::Ref(target),
        })
    }

    /// The schema at a pointer, which may not have looked like one: below a keyword that is unknown.
    fn at(&mut self, file: usize, pointer: String) -> Result<Option<Id>, String> {
        let Some((_, document)) = self.files.get(file) else { return Ok(None) };
        let document = Rc::clone(document);
        let Some(schema) = document.pointer(&pointer) else { return Ok(None) };
        // It belongs to the resource of the schema around it.
        let mut around = pointer.as_str();
        let resource = loop {
            let id = self.read.get(&(file, around.to_owned()));
            match (id.and_then(|id| self.schemas.all.get(*id)), around.rsplit_once('/')) {
                (Some(schema), _) => break schema.resource,
                (None, Some((next, _))) => around = next,
                (None, None) => return Ok(None),
            }
        };
        let place = Place { file, pointer: pointer.clone(), resource };
        self.schema(schema, &place).map(Some).map_err(|why| self.located(file, why))
    }

    /// A URI as the reader of a message knows it.
    fn shown(&self, uri: &str) -> String {
        let own = self.files.first().map_or("", |(own, _)| own);
        quoted(
            uri.strip_prefix(own)
                .filter(|rest| rest.starts_with('#'))
                .unwrap_or_else(|| uri.strip_prefix(BASE).unwrap_or(uri)),
        )
    }

    /// What is wrong, with the file, unless it is the one that was asked for.
    fn located(&self, file: usize, why: String) -> String {
        match self.files.get(file) {
            Some((uri, _)) if file > 0 => format!("in {}: {why}", self.shown(uri)),
            _ => why,
        }
    }
}
