//! What the keywords demand that apply schemas to the members of an object or the items of an array (Core 2020-12,
//! sections 10.3 and 11).

use super::evaluate::{Evaluated, Evaluation, Fits};
use super::keyword::Keyword;
use super::misfit::{At, Misfit};
use super::read::{Id, Schema};
use super::value::canonical;
use crate::catalog::{counted, quoted};
use serde_json::{Map, Value};
use std::collections::HashMap;

impl Evaluation<'_> {
    /// What a schema says of the members of an object.
    pub(super) fn members(
        &mut self,
        schema: &Schema,
        keyword: &Keyword,
        members: &Map<String, Value>,
        at: &At<'_>,
        own: &mut Evaluated,
    ) -> Fits {
        let mut fits = true;
        for (n, (name, value)) in members.iter().enumerate() {
            let at_member = &At::Member(at, name);
            fits &= match keyword {
                Keyword::Properties { named, patterns, additional } => {
                    let matching =
                        patterns.iter().filter(|(pattern, _)| pattern.is_match(name)).map(|(_, id)| id);
                    let mut about = named.get(name).into_iter().chain(matching).copied().peekable();
                    let known = about.peek().is_some();
                    if known || additional.is_some() {
                        own.add(n);
                    }
                    match additional {
                        Some(id) if !known => {
                            self.other(schema, "additionalProperties", *id, value, at_member)?
                        }
                        _ => self.every(about, value, at_member, &mut Evaluated::default())?,
                    }
                }
                Keyword::UnevaluatedProperties(id) if !own.has(n) => {
                    self.other(schema, "unevaluatedProperties", *id, value, at_member)?
                }
                Keyword::PropertyNames(id) => {
                    let text = Value::String(name.clone());
                    let most = usize::from(self.found.len() < self.most);
                    let (fits, found) =
                        self.attempt(*id, &text, &At::Name, most, &mut Evaluated::default())?;
                    if let Some(why) = found.into_iter().next() {
                        self.alien(at, name, why.keyword, Some(why.message));
                    }
                    fits
                }
                _ => true,
            };
            if self.may_stop(fits) {
                break;
            }
        }
        own.all |= matches!(keyword, Keyword::UnevaluatedProperties(_));
        Ok(fits)
    }

    /// Applies the schema of members that no other is about; `false` says that there must be none.
    fn other(&mut self, schema: &Schema, name: &str, id: Id, value: &Value, at: &At<'_>) -> Fits {
        let keywords = self.schemas.all.get(id).map(|schema| schema.keywords.as_slice());
        match (keywords, at) {
            (Some([Keyword::Never]), At::Member(owner, member)) => {
                self.alien(owner, member, format!("{}/{name}", schema.pointer), None);
                Ok(false)
            }
            _ => self.apply(id, value, at, &mut Evaluated::default()),
        }
    }

    /// What a schema says of the items of an array.
    pub(super) fn items(
        &mut self,
        keyword: &Keyword,
        items: &[Value],
        at: &At<'_>,
        own: &mut Evaluated,
    ) -> Fits {
        let mut fits = true;
        for (n, item) in items.iter().enumerate() {
            let id = match keyword {
                Keyword::Items { first, rest } => first.get(n).or(rest.as_ref()),
                Keyword::UnevaluatedItems(id) if !own.has(n) => Some(id),
                _ => None,
            };
            let Some(id) = id else { continue };
            own.add(n);
            fits &= self.apply(*id, item, &At::Item(at, n), &mut Evaluated::default())?;
            if self.may_stop(fits) {
                break;
            }
        }
        Ok(fits)
    }

    /// Counts the items that fit, of which there must be so many.
    pub(super) fn contains(
        &mut self,
        schema: &Schema,
        keyword: &Keyword,
        items: &[Value],
        at: &At<'_>,
        own: &mut Evaluated,
    ) -> Fits {
        let Keyword::Contains { schema: id, least, most } = keyword else { return Ok(true) };
        let mut count = 0;
        for (n, item) in items.iter().enumerate() {
            if self.attempt(*id, item, &At::Item(at, n), 0, &mut Evaluated::default())?.0 {
                own.add(n);
                count += 1;
            }
        }
        let that = "that fit what the schema has it contain";
        Ok(match (least, most) {
            (None, _) if count == 0 => {
                self.tell(schema, "contains", at, "has no item that fits what the schema has it contain")
            }
            (Some(least), _) if count < *least => self.tell(
                schema,
                "minContains",
                at,
                &format!("has less than {} {that}", counted(*least, "item")),
            ),
            (_, Some(most)) if count > *most => self.tell(
                schema,
                "maxContains",
                at,
                &format!("has more than {} {that}", counted(*most, "item")),
            ),
            _ => true,
        })
    }

    /// Whether all items are different.
    pub(super) fn unique(&mut self, schema: &Schema, items: &[Value], at: &At<'_>) -> bool {
        let mut known = HashMap::new();
        let mut all = items.iter().map(canonical).enumerate();
        let Some((n, other)) = all.find_map(|(n, item)| known.insert(item, n).map(|other| (n, other))) else {
            return true;
        };
        if self.found.len() < self.most {
            let place = at.pointer();
            let same = [other, n].map(|n| quoted(&format!("{place}/{n}"))).join(" and ");
            self.found.push(Misfit {
                pointer: place,
                member: None,
                keyword: format!("{}/uniqueItems", schema.pointer),
                message: format!("the items of {} are not all different", at.subject()),
                hint: Some(format!("{same} are the same")),
            });
        }
        false
    }
}
