//! What of a value does not fit a schema (Core 2020-12, sections 7 and 10 to 11).

use super::keyword::{Keyword, holds};
use super::misfit::{At, Misfit, said};
use super::read::{Id, Schema, Schemas};
use crate::catalog::quoted;
use serde_json::Value;
use std::{mem, ptr};

/// So many schemas may be applied within each other: several for each of the 128 levels that values and files nest at
/// most, and with room to spare on the 2 MB that the stack of a thread has.
const DEEPEST: usize = 800;
/// So many alternatives are told of: what a line holds.
const ALTERNATIVES: usize = 4;

/// Says where a value does not fit: by place as far as keywords allow, and when `most` have been found, no more.
///
/// # Errors
/// When references nest too deeply.
pub(super) fn misfits(schemas: &Schemas, value: &Value, most: usize) -> Result<Vec<Misfit>, String> {
    let mut evaluation =
        Evaluation { schemas, scope: Vec::new(), active: Vec::new(), found: Vec::new(), most };
    match evaluation.apply(0, value, &At::Answer, &mut Evaluated::default()) {
        Ok(_) => Ok(evaluation.found),
        Err(TooDeep) => Err("comparing the answer with it nests too deeply".to_owned()),
    }
}

pub(super) struct TooDeep;

/// Which members or items of one value have been evaluated, by their order in it: the annotations that
/// `unevaluatedProperties` and `unevaluatedItems` go by.
#[derive(Default)]
pub(super) struct Evaluated {
    each: Vec<bool>,
    pub(super) all: bool,
}

impl Evaluated {
    pub(super) fn has(&self, n: usize) -> bool {
        self.all || self.each.get(n).is_some_and(|is| *is)
    }

    pub(super) fn add(&mut self, n: usize) {
        if self.each.len() <= n {
            self.each.resize(n + 1, false);
        }
        self.each.iter_mut().skip(n).take(1).for_each(|is| *is = true);
    }

    fn join(&mut self, other: &Self) {
        self.all |= other.all;
        if self.each.len() < other.each.len() {
            self.each.resize(other.each.len(), false);
        }
        self.each.iter_mut().zip(&other.each).for_each(|(is, other)| *is |= other);
    }
}

pub(super) type Fits = Result<bool, TooDeep>;

pub(super) struct Evaluation<'s> {
    pub(super) schemas: &'s Schemas,
    /// The dynamic scope: the resources through which evaluation came here (Core 2020-12, section 7.1).
    scope: Vec<usize>,
    /// The schemas that are being applied, each with the value, which is only ever compared.
    active: Vec<(Id, *const Value)>,
    pub(super) found: Vec<Misfit>,
    pub(super) most: usize,
}

impl<'s> Evaluation<'s> {
    /// Applies a schema to a value, and adds to `evaluated` what of it that has evaluated. What does not fit need not be
    /// evaluated to its end; it says so of no more, and whoever asked does not fit either or drops it.
    pub(super) fn apply(&mut self, id: Id, value: &Value, at: &At<'_>, evaluated: &mut Evaluated) -> Fits {
        let Some(schema) = self.schemas.all.get(id) else { return Ok(true) };
        let step = (id, ptr::from_ref(value));
        // A reference that comes back to the value from which it went out demands nothing new.
        if self.active.iter().rev().take_while(|(_, value)| *value == step.1).any(|(other, _)| *other == id) {
            return Ok(true);
        }
        if self.active.len() == DEEPEST {
            return Err(TooDeep);
        }
        self.active.push(step);
        let enters = self.scope.last() != Some(&schema.resource);
        if enters {
            self.scope.push(schema.resource);
        }
        let mut own = Evaluated::default();
        let mut fits = true;
        for keyword in &schema.keywords {
            fits &= self.keyword(schema, keyword, value, at, &mut own)?;
            if self.may_stop(fits) {
                break;
            }
        }
        if enters {
            self.scope.pop();
        }
        self.active.pop();
        evaluated.join(&own);
        Ok(fits)
    }

    /// Whether all has been said that is to be said.
    pub(super) fn may_stop(&self, fits: bool) -> bool {
        !fits && self.found.len() >= self.most
    }

    fn keyword(
        &mut self,
        schema: &Schema,
        keyword: &'s Keyword,
        value: &Value,
        at: &At<'_>,
        own: &mut Evaluated,
    ) -> Fits {
        match keyword {
            Keyword::Ref(to) => self.apply(*to, value, at, own),
            Keyword::DynamicRef(to, anchor) => {
                let resources =
                    self.scope.iter().filter_map(|resource| self.schemas.resources.get(*resource));
                let outermost = resources.filter_map(|resource| resource.dynamic.get(anchor)).next();
                self.apply(*outermost.unwrap_or(to), value, at, own)
            }
            // What is wrong with the only alternative is what is wrong.
            Keyword::AnyOf(all) | Keyword::OneOf(all) if all.len() == 1 => {
                self.every(all.iter().copied(), value, at, own)
            }
            Keyword::AllOf(all) => self.every(all.iter().copied(), value, at, own),
            Keyword::AnyOf(all) => self.alternatives(schema, "anyOf", all, value, at, own),
            Keyword::OneOf(all) => self.alternatives(schema, "oneOf", all, value, at, own),
            Keyword::Not(id) => {
                let (fits, _) = self.attempt(*id, value, at, 0, &mut Evaluated::default())?;
                Ok(!fits || self.tell(schema, "not", at, "is what the schema excludes"))
            }
            Keyword::If { test, then, otherwise } => {
                let (fits, _) = self.attempt(*test, value, at, 0, own)?;
                self.every((if fits { then } else { otherwise }).iter().copied(), value, at, own)
            }
            Keyword::DependentSchemas(all) => {
                let has = |name: &str| value.as_object().is_some_and(|members| members.contains_key(name));
                self.every(all.iter().filter(|(name, _)| has(name)).map(|(_, id)| *id), value, at, own)
            }
            Keyword::Properties { .. } | Keyword::PropertyNames(_) | Keyword::UnevaluatedProperties(_) => {
                match value {
                    Value::Object(members) => self.members(schema, keyword, members, at, own),
                    _ => Ok(true),
                }
            }
            Keyword::Items { .. }
            | Keyword::Contains { .. }
            | Keyword::UnevaluatedItems(_)
            | Keyword::UniqueItems => match (keyword, value) {
                (Keyword::UniqueItems, Value::Array(items)) => Ok(self.unique(schema, items, at)),
                (Keyword::Contains { .. }, Value::Array(items)) => {
                    self.contains(schema, keyword, items, at, own)
                }
                (_, Value::Array(items)) => self.items(keyword, items, at, own),
                _ => Ok(true),
            },
            keyword if holds(keyword, value) => Ok(true),
            keyword => {
                if self.found.len() < self.most {
                    let (name, predicates) = said(keyword, value);
                    for predicate in predicates {
                        self.tell(schema, name, at, &predicate);
                    }
                }
                Ok(false)
            }
        }
    }

    /// Applies schemas that are all to fit.
    pub(super) fn every(
        &mut self,
        ids: impl Iterator<Item = Id>,
        value: &Value,
        at: &At<'_>,
        own: &mut Evaluated,
    ) -> Fits {
        let mut fits = true;
        for id in ids {
            fits &= self.apply(id, value, at, own)?;
            if self.may_stop(fits) {
                break;
            }
        }
        Ok(fits)
    }

    /// Applies a schema that need not fit. If it does not, up to `most` of what is wrong comes back, and nothing of the
    /// value has been evaluated.
    pub(super) fn attempt(
        &mut self,
        id: Id,
        value: &Value,
        at: &At<'_>,
        most: usize,
        own: &mut Evaluated,
    ) -> Result<(bool, Vec<Misfit>), TooDeep> {
        let outer = (mem::take(&mut self.found), mem::replace(&mut self.most, most));
        let mut evaluated = Evaluated::default();
        let fits = self.apply(id, value, at, &mut evaluated)?;
        let found = mem::replace(&mut self.found, outer.0);
        self.most = outer.1;
        if fits {
            own.join(&evaluated);
        }
        Ok((fits, found))
    }

    /// `anyOf` and `oneOf`. All are tried, since all that fit evaluate.
    fn alternatives(
        &mut self,
        schema: &Schema,
        name: &str,
        ids: &[Id],
        value: &Value,
        at: &At<'_>,
        own: &mut Evaluated,
    ) -> Fits {
        let (mut fitting, mut hints) = (0, Vec::new());
        for (n, id) in ids.iter().enumerate() {
            let tells = n < ALTERNATIVES && fitting == 0 && self.found.len() < self.most;
            let (fits, found) = self.attempt(*id, value, at, usize::from(tells), own)?;
            fitting += usize::from(fits);
            hints.extend(found.first().map(|misfit| format!("{}: {}", n + 1, misfit.message)));
        }
        let message = match fitting {
            0 => format!("fits none of {} alternatives", ids.len()),
            2.. if name == "oneOf" => "fits more than one of the alternatives".to_owned(),
            _ => return Ok(true),
        };
        // What is unevaluated only for want of an alternative is not told on top of it.
        own.all = true;
        self.tell(schema, name, at, &message);
        if fitting == 0
            && let Some(misfit) = self.found.last_mut().filter(|_| !hints.is_empty())
        {
            misfit.hint = Some(hints.join("; "));
        }
        Ok(false)
    }

    /// Tells of an object that has a member of this name.
    pub(super) fn alien(&mut self, owner: &At<'_>, name: &str, keyword: String, hint: Option<String>) {
        if self.found.len() < self.most {
            let message =
                format!("{} has {}, which the schema does not allow", owner.subject(), quoted(name));
            let member = Some(name.to_owned());
            self.found.push(Misfit { pointer: owner.pointer(), member, keyword, message, hint });
        }
    }

    /// Tells what is wrong with a value, as the end of a sentence about it. Returns `false`: it does not fit.
    pub(super) fn tell(&mut self, schema: &Schema, keyword: &str, at: &At<'_>, predicate: &str) -> bool {
        if self.found.len() < self.most {
            let slash = if keyword.is_empty() { "" } else { "/" };
            self.found.push(Misfit {
                pointer: at.pointer(),
                member: None,
                keyword: format!("{}{slash}{keyword}", schema.pointer),
                message: format!("{} {predicate}", at.subject()),
                hint: None,
            });
        }
        false
    }
}
