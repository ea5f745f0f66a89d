//! From the nodes as they are written to the tree: aliases are followed, keys are strings, and what `<<` merges is in
//! the map.

use std::borrow::Cow;
use std::collections::HashSet;

use super::compose::{Content, Item, Written};
use super::{Malformed, Member, Node, Place, Yaml};
use crate::config::words;

/// Where a node is, when it is not only where it is written.
#[derive(Clone, Copy)]
enum Use {
    Written,
    /// In a map that is merged here.
    Merged(Place),
    /// In what this alias repeats.
    Repeated(Place),
}

impl Use {
    /// Where a node is for who reads the tree.
    fn place(self, written: Place) -> Place {
        match self {
            Self::Written => written,
            Self::Merged(place) | Self::Repeated(place) => place,
        }
    }

    /// Where the fault of a node is.
    fn fault(self, written: Place, problem: &str) -> Malformed {
        match self {
            Self::Written | Self::Merged(_) => Malformed::new(problem, written),
            Self::Repeated(place) => Malformed::new(problem, place),
        }
    }

    fn merged(self, map: Place) -> Self {
        match self {
            Self::Written => Self::Merged(map),
            _ => self,
        }
    }

    fn repeated(self, alias: Place) -> Self {
        match self {
            Self::Repeated(_) => self,
            _ => Self::Repeated(alias),
        }
    }
}

/// A key of a map, before it is clear whether another one takes its place.
struct Entry<'s, 't> {
    key: Cow<'s, str>,
    number: Option<(bool, u64)>,
    place: Place,
    value: &'s Item<'t>,
    used: Use,
}

/// The keys of a map. Two are the same if they are the same string, or both the same number, however it is written.
#[derive(Default)]
struct Keys<'s>(HashSet<Identity<'s>>);

#[derive(PartialEq, Eq, Hash)]
enum Identity<'s> {
    Text(Cow<'s, str>),
    Number(bool, u64),
}

impl<'s> Keys<'s> {
    /// Adds the key if it is a new one.
    fn add(&mut self, entry: &Entry<'s, '_>) -> bool {
        let text = Identity::Text(entry.key.clone());
        let number = entry.number.map(|(is_negative, magnitude)| Identity::Number(is_negative, magnitude));
        let is_new = !self.0.contains(&text) && !number.as_ref().is_some_and(|number| self.0.contains(number));
        if is_new {
            self.0.insert(text);
            self.0.extend(number);
        }
        is_new
    }
}

pub(super) fn node(root: &Item<'_>) -> Result<Node, Malformed> {
    build(root, Use::Written)
}

/// It calls itself no deeper than the composer lets nodes be.
fn build(item: &Item<'_>, used: Use) -> Result<Node, Malformed> {
    let (written, used) = follow(item, used)?;
    let value = match &written.content {
        Content::Scalar(scalar) => scalar.value().map_err(|problem| used.fault(written.place, problem))?,
        Content::List(items) => Yaml::List(items.iter().map(|item| build(item, used)).collect::<Result<_, _>>()?),
        Content::Map(items) => Yaml::Map(members(items, used)?),
    };
    Ok(Node { place: used.place(written.place), value })
}

fn follow<'s, 't>(item: &'s Item<'t>, used: Use) -> Result<(&'s Written<'t>, Use), Malformed> {
    match item {
        Item::Node(written) => Ok((written, used)),
        Item::Alias(place, written) => Ok((written, used.repeated(*place))),
        Item::Cycle(place) => Err(used.fault(*place, "an alias inside its own anchor")),
    }
}

/// The map's own keys, then those of what it merges that it does not have.
fn members(items: &[Item<'_>], used: Use) -> Result<Vec<Member>, Malformed> {
    let mut entries = Vec::new();
    collect(items, used, &mut entries)?;
    let mut keys = Keys::default();
    entries.retain(|entry| keys.add(entry));
    let member = |entry: Entry<'_, '_>| {
        let value = build(entry.value, entry.used)?;
        Ok(Member { key: entry.key.into_owned(), place: entry.place, value })
    };
    entries.into_iter().map(member).collect()
}

fn collect<'s, 't>(items: &'s [Item<'t>], used: Use, entries: &mut Vec<Entry<'s, 't>>) -> Result<(), Malformed> {
    let mut keys = Keys::default();
    let mut merges = Vec::new();
    for [key, value] in items.as_chunks().0 {
        let (written, key_used) = follow(key, used)?;
        let fault = |problem: &str| key_used.fault(written.place, problem);
        let Content::Scalar(scalar) = &written.content else {
            return Err(fault("a key that is not a string"));
        };
        if scalar.is_merge_key() {
            merges.push(value);
            continue;
        }
        let key = scalar.key().map_err(fault)?;
        let entry = Entry { key, number: scalar.key_number(), place: key_used.place(written.place), value, used };
        if !keys.add(&entry) {
            return Err(match words::showable(&entry.key) {
                Some(key) => fault(&format!("duplicate key \"{key}\"")),
                None => fault("duplicate key"),
            });
        }
        entries.push(entry);
    }
    merges.into_iter().try_for_each(|value| merge(value, used, entries))
}

/// Collects the entries of a map, or of the maps of a list.
fn merge<'s, 't>(value: &'s Item<'t>, used: Use, entries: &mut Vec<Entry<'s, 't>>) -> Result<(), Malformed> {
    let (written, used) = follow(value, used)?;
    match &written.content {
        Content::Scalar(scalar) if scalar.is_null() => Ok(()),
        Content::Scalar(_) => Err(used.fault(written.place, "a merge of what is not a map")),
        Content::List(items) => items.iter().try_for_each(|item| merge(item, used, entries)),
        Content::Map(items) => collect(items, used.merged(written.place), entries),
    }
}
