use super::super::context::Context;
use super::super::git;
use super::super::ui::safe;
use clap::Args;
use promptos::catalog::{Catalog, Layer};
use promptos::error::{Error, Result};
use promptos::session::{SnapshotRequest, plan_snapshot};
use serde_json::{Value, json};

/// Most lines of one reason.
const MOST: usize = 20;

/// Sign the project's whole catalog as it is now, and keep every byte of it
#[derive(Args)]
pub(crate) struct Create {
    /// The release's name, such as v1.2.0; a ledger never uses it again
    name: String,
    /// Although the catalog folder differs from the git commit; then no commit is recorded
    #[arg(long)]
    allow_dirty: bool,
    /// Although lint finds errors (what looks like a secret among them), or a ref is bound to other bytes
    #[arg(long)]
    allow_findings: bool,
}

impl Create {
    pub(super) fn run(self, context: &Context<'_>) -> Result<()> {
        let (catalog, folder) = context.project_catalog()?;
        let tree = match &folder {
            Some(folder) => git::tree(folder)?,
            None => None,
        };
        let commit = match revision(&catalog) {
            Some(commit) => Some((commit, None)),
            None => {
                let clean = self.check_clean(context, &catalog, tree.as_ref())?;
                tree.filter(|_| clean).and_then(|tree| Some((tree.commit?, tree.tag)))
            }
        };
        let request = SnapshotRequest {
            name: &self.name,
            commit,
            lint: context.settings()?.lint,
            allow_findings: self.allow_findings,
            salt: context.random()?,
        };
        let planned = plan_snapshot(&catalog, folder.as_deref(), request)?;
        // The files are read again, one by one, when they are stored.
        drop(catalog);

        let key = context.key()?;
        let ledger = context.write_or_create(&key)?;
        if let Some(there) = ledger.snapshot(&self.name)? {
            return Err(Error::findings(format!("there is a snapshot {} already", self.name))
                .hint(format!("it is entry {} ({})", there.index, there.statement.id))
                .hint("a snapshot's name is never used again: choose another one"));
        }
        let refs = || planned.refs.iter().map(|(name, content)| (name.as_str(), *content));
        if self.allow_findings {
            for (reference, bound, at) in ledger.bound_otherwise(refs())? {
                let what = format!(
                    "{reference} is bound to other bytes ({bound}) by entry {at}; recorded as allowed"
                );
                context.ui.warn(&safe(&what));
            }
        } else {
            ledger.check_bindings(refs())?;
        }
        let errors = planned.findings.iter().filter(|finding| finding.is_error()).count();
        if errors > 0 {
            context.ui.warn(&format!("lint found {errors} errors; they are recorded as allowed"));
        }
        let entry = context.append(&ledger, &key, &planned.new)?;
        if context.ui.json {
            let mut value = super::json_of(&entry);
            if let Some(object) = value.as_object_mut() {
                object.insert("ledger".to_owned(), Value::from(hex::encode(ledger.id().0)));
                object.insert("files".to_owned(), json!(planned.files));
                object.insert("refs".to_owned(), json!(planned.refs.len()));
            }
            return context.ui.report("snapshot.create", value);
        }
        super::print(context, &entry, &format!("{}, {} refs", planned.files, planned.refs.len()))
    }

    /// Whether a commit has the catalog as it is; refuses one that should and does not.
    fn check_clean(
        &self,
        context: &Context<'_>,
        catalog: &Catalog,
        tree: Option<&git::Tree>,
    ) -> Result<bool> {
        let Some(tree) = tree else {
            context.ui.note("the catalog is in no git repository, so no commit is recorded");
            return Ok(false);
        };
        let mut reasons = tree.changed.clone();
        if reasons.is_empty() {
            // What git was told to ignore is in no commit either.
            let prompts = catalog.prompts().iter().chain(catalog.losers());
            let files = prompts.map(|prompt| (prompt.layer, &prompt.path));
            let files = files.chain(catalog.problems().iter().map(|problem| (problem.layer, &problem.path)));
            let ignored = files.filter(|(layer, path)| {
                *layer == Layer::Workspace && !tree.tracked.contains(&*path.to_string_lossy())
            });
            reasons.extend(ignored.map(|(_, path)| format!("!! {}", path.display())));
        }
        if reasons.is_empty() {
            return Ok(true);
        }
        let what = "the catalog folder differs from the git commit";
        if self.allow_dirty {
            context.ui.warn(&format!("{what}, so no commit is recorded"));
            return Ok(false);
        }
        let mut error = Error::findings(format!("{what}, so nothing was recorded"));
        for reason in reasons.iter().take(MOST) {
            error = error.hint(safe(reason));
        }
        if reasons.len() > MOST {
            error = error.hint(format!("and {} more", reasons.len() - MOST));
        }
        Err(error.hint("commit it first; or take the snapshot without naming a commit: --allow-dirty"))
    }
}

/// The commit of a catalog that is a revision of a repository.
fn revision(catalog: &Catalog) -> Option<Vec<u8>> {
    let workspace = catalog.located().iter().find(|located| located.layer == Layer::Workspace);
    hex::decode(workspace?.commit.as_deref()?).ok()
}
