//! The schemas that contracts name: `a.b.v1` is the file `a/b/v1.schema.json` of the highest folder that has it.

use super::finding::quoted;
use super::prompt::Layer;
use super::version;
use crate::error::{Error, Result};
use crate::json;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs::{self, File};
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

/// Where schemas are, below a project and below a user's configuration folder.
pub const SCHEMA_FOLDER: &str = "schemas/prompt-contracts";
/// No schema file is larger.
pub const MAX_SCHEMA_BYTES: u64 = 1 << 20;
/// The only language of schemas that is read, as `$schema` names it.
pub(crate) const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Path and text of the schemas that come with this program.
const BUILT_IN: &[(&str, &str)] = &[(
    "planner_decision/v1.schema.json",
    include_str!("../../schemas/prompt-contracts/planner_decision/v1.schema.json"),
)];

/// Where schemas are looked for. The built-in ones come last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schemas {
    /// Highest first.
    folders: Vec<(Layer, PathBuf)>,
}

/// A schema that a name stands for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Schema {
    /// Its name, such as `planner_decision.v1`.
    #[serde(rename = "ref")]
    pub name: String,
    /// Which layer it came from.
    pub layer: Layer,
    /// The file; relative for a built-in one.
    #[serde(serialize_with = "super::finding::lossy")]
    pub path: PathBuf,
    /// The layers below that have a schema of this name too.
    pub hides: Vec<Layer>,
    /// Where it and what it refers to is read from.
    #[serde(skip)]
    pub home: Home,
    /// Its path below that, `/`-separated.
    #[serde(skip)]
    pub file: String,
    /// The schema itself.
    #[serde(skip)]
    pub document: Value,
}

/// One place with schemas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Home {
    /// A folder on disk. No link leads out of it.
    Folder(PathBuf),
    /// This program.
    BuiltIn,
}

impl Schemas {
    /// The schemas of a project and of a user, whether or not the folders are there.
    #[must_use]
    pub fn new(workspace: Option<PathBuf>, user: Option<PathBuf>) -> Self {
        let workspace = workspace.map(|folder| (Layer::Workspace, folder));
        Self { folders: workspace.into_iter().chain(user.map(|folder| (Layer::User, folder))).collect() }
    }

    fn homes(&self) -> impl Iterator<Item = (Layer, Home)> {
        let folders = self.folders.iter().map(|(layer, folder)| (*layer, Home::Folder(folder.clone())));
        folders.chain([(Layer::BuiltIn, Home::BuiltIn)])
    }

    /// Whether there is something under this name, usable or not. No name has nothing.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        path_of(name).is_some_and(|path| self.homes().any(|(_, home)| home.has(&path)))
    }

    /// The schema that a name stands for. One that cannot be used does not make way for one below it.
    ///
    /// # Errors
    /// If this is no name, nothing has it, or what has it is no JSON schema of Draft 2020-12.
    pub fn resolve(&self, name: &str) -> Result<Schema> {
        let Some(path) = path_of(name) else {
            return Err(Error::failed(format!("{} is no name of a schema", quoted(name)))
                .hint("a schema is called `<name>.v<version>`, such as planner_decision.v1"));
        };
        let mut homes = self.homes().filter(|(_, home)| home.has(&path));
        let Some((layer, home)) = homes.next() else {
            let mut error = Error::failed(format!("there is no schema {}", quoted(name)));
            for (_, folder) in &self.folders {
                error = error.hint(format!("looked for {}", folder.join(&path).display()));
            }
            return Err(error.hint("built-in: planner_decision.v1"));
        };
        let document = home.read(&path).map_err(|why| {
            Error::failed(format!("the schema {name} ({}) is not usable: {why}", home.shown(&path).display()))
        })?;
        let hides = homes.map(|(layer, _)| layer).collect();
        Ok(Schema {
            name: name.to_owned(),
            layer,
            path: home.shown(&path),
            hides,
            home,
            file: path,
            document,
        })
    }
}

impl Home {
    fn has(&self, path: &str) -> bool {
        match self {
            Self::Folder(root) => root.join(path).symlink_metadata().is_ok(),
            Self::BuiltIn => BUILT_IN.iter().any(|(name, _)| *name == path),
        }
    }

    fn shown(&self, path: &str) -> PathBuf {
        match self {
            Self::Folder(root) => root.join(path),
            Self::BuiltIn => path.into(),
        }
    }

    /// Reads a file by its `/`-separated path below this place, or says in half a sentence why not: it is elsewhere,
    /// not there, too large, or no schema of Draft 2020-12.
    pub(crate) fn read(&self, path: &str) -> Result<Value, String> {
        let plain = |part: &str| {
            !part.starts_with('.') && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        };
        if !path.ends_with(".json") || !path.split('/').all(|part| !part.is_empty() && plain(part)) {
            return Err("it is no file of the folder of schemas".to_owned());
        }
        let bytes = match self {
            Self::Folder(root) => read_below(root, path)?,
            Self::BuiltIn => {
                let found = BUILT_IN.iter().find(|(name, _)| *name == path);
                found.ok_or("it is not there")?.1.as_bytes().to_vec()
            }
        };
        let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text")?;
        let document = json::parse(text.as_bytes()).map_err(|error| {
            let (message, at) = json::describe(&error, &text);
            format!("it is no JSON: {message} (line {} column {})", at.line, at.column)
        })?;
        match document.get("$schema").map(Value::as_str) {
            None if document.is_object() || document.is_boolean() => Ok(document),
            None => Err("a schema is an object".to_owned()),
            Some(Some(draft)) if draft.trim_end_matches('#') == DRAFT => Ok(document),
            Some(_) => Err(format!("only JSON Schema Draft 2020-12 is read: its `$schema` is not {DRAFT}")),
        }
    }
}

/// The path of the schema with this name below its folder; `None` if this is no name of a schema.
pub(crate) fn path_of(name: &str) -> Option<String> {
    let (id, version) = version::split_ref(name)?;
    let fits = version::is_id(id) && !id.contains('/');
    fits.then(|| format!("{}/v{version}.schema.json", id.replace('.', "/")))
}

fn read_below(root: &Path, path: &str) -> Result<Vec<u8>, String> {
    let real = |path: &Path| match fs::canonicalize(path) {
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Err("it is not there, or a link that leads nowhere".to_owned())
        }
        other => other.map_err(|e| e.to_string()),
    };
    let file = real(&root.join(path))?;
    if !file.starts_with(real(root)?) {
        return Err("a link leads out of the folder of schemas".to_owned());
    }
    if !file.is_file() {
        return Err("it is no file".to_owned());
    }
    let mut bytes = Vec::new();
    File::open(&file)
        .and_then(|file| file.take(MAX_SCHEMA_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|e| e.to_string())?;
    if bytes.len() as u64 > MAX_SCHEMA_BYTES {
        return Err(format!("it is larger than {} MB", MAX_SCHEMA_BYTES >> 20));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let file = root.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    #[test]
    fn names_are_paths() {
        for (name, path) in [
            ("planner_decision.v1", Some("planner_decision/v1.schema.json")),
            ("tnh.translation.x-y.v12", Some("tnh/translation/x-y/v12.schema.json")),
            ("a.v2.v1", Some("a/v2/v1.schema.json")),
            ("a.v1.0", Some("a/v1.0.schema.json")),
            ("a/b.v1", None),
            ("../a.v1", None),
            ("a...v1", None),
            (".v1", None),
            ("a", None),
            ("a.vx", None),
            ("/etc/passwd.v1", None),
            ("a%2fb.v1", None),
            ("", None),
        ] {
            assert_eq!(path_of(name).as_deref(), path, "{name}");
        }
    }

    #[test]
    fn the_highest_layer_wins_and_says_what_it_hides() {
        let temp = tempfile::tempdir().unwrap();
        let (workspace, user) = (temp.path().join("w"), temp.path().join("u"));
        let schemas = Schemas::new(Some(workspace.clone()), Some(user.clone()));
        let path = "planner_decision/v1.schema.json";
        let layer = || schemas.resolve("planner_decision.v1").map(|schema| (schema.layer, schema.hides));
        assert_eq!(layer().unwrap(), (Layer::BuiltIn, vec![]));
        assert!(schemas.has("planner_decision.v1"));
        write(&user, path, "true");
        assert_eq!(layer().unwrap(), (Layer::User, vec![Layer::BuiltIn]));
        write(&workspace, path, "{}");
        assert_eq!(layer().unwrap(), (Layer::Workspace, vec![Layer::User, Layer::BuiltIn]));
        // What is broken above is no reason to take what is below.
        write(&workspace, path, "{");
        let error = layer().unwrap_err().to_string();
        assert!(
            error.contains("w/planner_decision/v1.schema.json") && error.contains("line 1 column"),
            "{error}"
        );
        assert!(
            schemas.has("planner_decision.v1") && !schemas.has("planner_decision.v2") && !schemas.has("x")
        );
    }

    #[test]
    fn what_is_no_schema_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        let schemas = Schemas::new(Some(temp.path().to_owned()), None);
        let large = format!("{{\"description\": \"{}\"}}", "x".repeat(1 << 20));
        for (text, why) in [
            ("[]", "a schema is an object"),
            ("\"x\"", "a schema is an object"),
            ("{\"a\": 1, \"a\": 2}", "'a' is there twice (line 1 column 10)"),
            ("{\"$schema\": \"http://json-schema.org/draft-07/schema#\"}", "only JSON Schema Draft 2020-12"),
            ("{\"$schema\": 7}", "only JSON Schema Draft 2020-12"),
            (&large, "larger than 1 MB"),
        ] {
            write(temp.path(), "a/v1.schema.json", text);
            let error = schemas.resolve("a.v1").unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
        fs::create_dir_all(temp.path().join("b/v1.schema.json")).unwrap();
        assert!(schemas.resolve("b.v1").unwrap_err().to_string().contains("it is no file"));
        assert!(schemas.resolve("../a.v1").unwrap_err().to_string().contains("no name of a schema"));
        let missing = schemas.resolve("c.v1").unwrap_err();
        assert!(
            missing.hints().iter().any(|hint| hint.contains("c/v1.schema.json")),
            "{:?}",
            missing.hints()
        );
    }

    #[test]
    #[cfg(unix)]
    fn no_link_leads_out() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().join("schemas");
        write(&root, "in/v1.schema.json", "{\"title\": \"in\"}");
        write(temp.path(), "out/v1.schema.json", "{}");
        let link = |to: &str, at: &str| {
            write(&root, &format!("{at}x"), "");
            std::os::unix::fs::symlink(to, root.join(at)).unwrap();
        };
        link("../in/v1.schema.json", "a/v1.schema.json");
        link("../../out/v1.schema.json", "b/v1.schema.json");
        link("../out", "c");
        link("nowhere", "d/v1.schema.json");
        let schemas = Schemas::new(Some(root), None);
        assert_eq!(schemas.resolve("a.v1").unwrap().document["title"], "in");
        for (name, why) in [("b.v1", "leads out"), ("c.v1", "leads out"), ("d.v1", "leads nowhere")] {
            let error = schemas.resolve(name).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
