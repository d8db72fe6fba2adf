//! What a ledger must be, as plain lists.

use super::*;

/// What a ledger must be.
#[derive(Clone, Default)]
pub(super) struct Model {
    pub(super) entries: Vec<Said>,
    pub(super) people: Vec<Person>,
    pub(super) refs: BTreeMap<String, (Address, u64)>,
    /// Every checkpoint key there was; the last is in force.
    pub(super) log_keys: Vec<Kid>,
    pub(super) blobs: BTreeMap<Address, Option<Vec<u8>>>,
}

#[derive(Clone)]
pub(super) struct Said {
    pub(super) id: EntryId,
    pub(super) subject: String,
    pub(super) by: Kid,
    pub(super) body: Body,
    /// The files of its manifest, kept or not, while the manifest is not erased.
    pub(super) files: Vec<(Address, bool)>,
}

#[derive(Clone)]
pub(super) struct Person {
    pub(super) kid: Kid,
    pub(super) identity: String,
    pub(super) roles: Roles,
    pub(super) enrolled: u64,
    pub(super) revoked: Option<u64>,
    pub(super) last: u64,
}

impl Model {
    pub(super) fn founded(genesis: &Entry) -> Self {
        let body = genesis.statement.body.clone();
        let kid = kid(&key(FOUNDER));
        let roles = Roles { admin: true, user: true, agent: false };
        let founder = Person { kid, identity: "ada".into(), roles, enrolled: 0, revoked: None, last: 0 };
        let said = Said {
            id: genesis.statement.id,
            subject: "ledger/book".into(),
            by: kid,
            body,
            files: Vec::new(),
        };
        let log_keys = vec![super::kid(&key(LOG_KEY))];
        Self { entries: vec![said], people: vec![founder], log_keys, ..Self::default() }
    }

    pub(super) fn size(&self) -> u64 {
        self.entries.len() as u64
    }

    pub(super) fn person(&self, kid: &Kid) -> Option<&Person> {
        self.people.iter().find(|person| person.kid == *kid)
    }

    pub(super) fn erased(&self, address: &Address) -> bool {
        self.blobs.get(address) == Some(&None)
    }

    pub(super) fn find(&self, id: &EntryId) -> Option<&Said> {
        self.entries.iter().find(|said| said.id == *id)
    }

    /// Whether this may be appended; if not, words that the refusal must have.
    pub(super) fn judge(&self, by: &Kid, log_key: &Kid, new: &New) -> std::result::Result<(), &'static str> {
        let need = |holds: bool, why| if holds { Ok(()) } else { Err(why) };
        let erased = |content: &Content| self.erased(&content.descriptor().blake3);
        need(!new.contents.iter().any(erased), "was erased from this ledger")?;
        let signer = self.person(by).ok_or("is not enrolled in the ledger")?;
        need(signer.revoked.is_none(), "was revoked by entry")?;
        need(self.log_keys.last() == Some(log_key), "is not the ledger's checkpoint key")?;
        let uses = refs(new);
        let names: BTreeSet<_> = uses.iter().map(|(name, _)| name).collect();
        need(names.len() == uses.len(), "the ledger refuses")?;
        if let Body::Start(session) | Body::Session(session) = &new.body {
            need(!session.prompts.is_empty(), "the ledger refuses")?;
        }
        for (id, kind) in cited(&new.body) {
            let cited = self.find(&id).ok_or("which is not below its head")?;
            let words = match kind {
                "" => continue,
                "session" => "is cited as 'session' and is of kind",
                "snapshot" => "is cited as 'snapshot' and is of kind",
                "render" => "is cited as 'render' and is of kind",
                "start" => "is cited as 'start' and is of kind",
                _ => "is cited as 'event' and is of kind",
            };
            need(cited.subject.split('/').next() == Some(kind), words)?;
        }
        let Roles { admin, user, agent } = signer.roles;
        match &new.body {
            Body::Key(change) => self.judge_change(signer, change)?,
            Body::Start(_) | Body::Event(_) | Body::Session(_) | Body::Run(_) | Body::Render(_) => {
                need(user || agent, "has no role user or agent")?
            }
            Body::Erase(_) => need(admin, "has no role admin")?,
            _ => need(user, "has no role user")?,
        }
        if matches!(new.body, Body::Snapshot(_)) {
            let subject = format!("snapshot/{}", new.name);
            let taken = self.entries.iter().any(|said| said.subject == subject);
            need(!taken, "its name is never used again")?;
        }
        for (reference, content) in uses {
            match self.refs.get(&reference) {
                Some((bound, _)) => need(*bound == content, "is bound to")?,
                None => need(user, "is not bound yet")?,
            }
        }
        for content in &new.contents {
            let Content::Bytes(descriptor, bytes) = content else { continue };
            need(*descriptor == Descriptor::of(bytes, &descriptor.media_type), "")?;
        }
        Ok(())
    }

    pub(super) fn judge_change(
        &self,
        signer: &Person,
        change: &KeyChange,
    ) -> std::result::Result<(), &'static str> {
        let admin = signer.roles.admin;
        let fresh = |key: &PublicKey| match key.kid() {
            kid if self.person(&kid).is_some() => Err("a key is enrolled once"),
            kid if self.log_keys.contains(&kid) => Err("is or was a checkpoint key"),
            _ => Ok(()),
        };
        match change {
            KeyChange::Enrol { .. } | KeyChange::Checkpoint { .. } if !admin => Err("needs the role admin"),
            KeyChange::Enrol { who: Enrolment { key, .. }, .. }
            | KeyChange::Checkpoint { key }
            | KeyChange::Rotate { key } => fresh(key),
            KeyChange::Revoke { kid, .. } => {
                let person = self.person(kid);
                let admins = self.people.iter().filter(|p| p.roles.admin && p.revoked.is_none()).count();
                match person {
                    _ if signer.kid != *kid && !admin => Err("needs the role admin"),
                    None => Err("so it cannot be revoked"),
                    Some(person) if person.revoked.is_some() => Err("is revoked already"),
                    Some(person) if person.roles.admin && admins == 1 => Err("is the last admin key"),
                    Some(_) => Ok(()),
                }
            }
        }
    }

    /// Takes over what was accepted.
    pub(super) fn apply(&mut self, by: &Kid, new: &New, id: EntryId) {
        let at = self.size();
        for (reference, content) in refs(new) {
            self.refs.entry(reference).or_insert((content, at));
        }
        for content in &new.contents {
            let Content::Bytes(descriptor, bytes) = content else { continue };
            self.blobs.insert(descriptor.blake3, Some(bytes.clone()));
        }
        let manifest = manifest_of(&new.body).and_then(|address| self.blobs.get(&address)?.clone());
        let files = manifest.map(|bytes| Manifest::parse(&bytes).unwrap().files).unwrap_or_default();
        let files = files.iter().map(|file| (file.content.blake3, file.kept)).collect();
        let mut people = Vec::new();
        for person in &mut self.people {
            if person.kid == *by {
                person.last = at;
            }
            match &new.body {
                Body::Key(KeyChange::Revoke { kid, .. }) if person.kid == *kid => person.revoked = Some(at),
                Body::Key(KeyChange::Rotate { key }) if person.kid == *by => {
                    person.revoked = Some(at);
                    let kid = key.kid();
                    people.push(Person { kid, enrolled: at, revoked: None, ..person.clone() });
                }
                _ => {}
            }
        }
        self.people.extend(people);
        match &new.body {
            Body::Key(KeyChange::Enrol { who, roles, .. }) => self.people.push(Person {
                kid: who.key.kid(),
                identity: who.identity.clone(),
                roles: *roles,
                enrolled: at,
                revoked: None,
                last: at,
            }),
            Body::Key(KeyChange::Checkpoint { key }) => self.log_keys.push(key.kid()),
            Body::Erase(erase) => {
                self.blobs.insert(erase.content, None);
                for said in &mut self.entries {
                    if manifest_of(&said.body) == Some(erase.content) {
                        said.files.clear();
                    }
                }
            }
            _ => {}
        }
        let subject = format!("{}/{}", new.body.kind().unwrap(), new.name);
        self.entries.push(Said { id, subject, by: *by, body: new.body.clone(), files });
    }

    /// The indexes of what fits.
    pub(super) fn at(&self, fits: impl Fn(&Said) -> bool) -> Vec<u64> {
        (0..).zip(&self.entries).filter(|(_, said)| fits(said)).map(|(at, _)| at).collect()
    }

    pub(super) fn names(said: &Said, content: &Address) -> bool {
        matches!(&said.body, Body::Render(render) if render.output.blake3 == *content)
            || said.body.contents().iter().any(|d| d.blake3 == *content)
            || said.files.iter().any(|(file, _)| file == content)
    }

    /// Everything named, in the order of the addresses.
    pub(super) fn named(&self) -> BTreeSet<Address> {
        let direct = self.entries.iter().flat_map(|said| said.body.contents().into_iter().map(|d| d.blake3));
        direct.chain(self.entries.iter().flat_map(|said| said.files.iter().map(|(file, _)| *file))).collect()
    }
}

/// The entries that a statement cites, with the kind that each must be of, if any.
fn cited(body: &Body) -> Vec<(EntryId, &'static str)> {
    let as_kind = |ids: &[EntryId], kind| ids.iter().map(|id| (*id, kind)).collect::<Vec<_>>();
    match body {
        Body::Run(run) => run.sessions.iter().map(|cited| (cited.entry, "session")).collect(),
        Body::Start(session) | Body::Session(session) => {
            let mut all = as_kind(session.snapshot.as_slice(), "snapshot");
            all.extend(as_kind(&session.renders, "render"));
            if let Some(life) = &session.life {
                all.push((life.start, "start"));
                all.extend(as_kind(&life.events, "event"));
            }
            all
        }
        Body::Event(event) => vec![(event.start, "start")],
        Body::Key(KeyChange::Revoke { since, .. }) => as_kind(since.as_slice(), ""),
        _ => Vec::new(),
    }
}

/// The refs that a statement names, with their content.
pub(super) fn refs(new: &New) -> Vec<(String, Address)> {
    match &new.body {
        Body::Prompt(prompt) => vec![(new.name.clone(), prompt.content.blake3)],
        Body::Render(render) => vec![(render.prompt.reference.clone(), render.prompt.content.blake3)],
        Body::Start(session) | Body::Session(session) => {
            session.prompts.iter().map(|used| (used.reference.clone(), used.content.blake3)).collect()
        }
        _ => Vec::new(),
    }
}

pub(super) fn manifest_of(body: &Body) -> Option<Address> {
    match body {
        Body::Start(session) | Body::Session(session) => session.attachments.as_ref().map(|d| d.blake3),
        Body::Event(event) => event.attachments.as_ref().map(|d| d.blake3),
        Body::Run(run) => run.manifest.as_ref().map(|d| d.blake3),
        Body::Snapshot(snapshot) => Some(snapshot.manifest.blake3),
        _ => None,
    }
}
