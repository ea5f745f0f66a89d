//! What an ABI consists of.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Abi {
    pub version: Version,
    pub functions: BTreeMap<String, Signature>,
    pub callbacks: BTreeMap<String, Signature>,
    /// Names for integers.
    pub types: BTreeMap<String, String>,
    /// Types that C sees by a pointer only.
    pub handles: BTreeSet<String>,
    pub structs: BTreeMap<String, Layout>,
    /// By the type that they follow in the header; those that follow none are the header's own.
    pub constants: BTreeMap<String, Numbers>,
    /// Constants that were removed: a number is never used again for something else, and a name not for another number.
    pub retired: BTreeMap<String, Numbers>,
}

pub type Numbers = BTreeMap<String, i64>;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    pub returns: String,
    pub parameters: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layout {
    pub size: i64,
    pub alignment: i64,
    pub fields: Vec<Field>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    pub name: String,
    pub r#type: String,
    pub offset: i64,
    pub size: i64,
}

/// `ARMORIQ_ABI_VERSION`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Version {
    pub major: i64,
    pub minor: i64,
}

impl Abi {
    /// Every item by a name that says what it is, and what is fixed about it.
    pub fn items(&self) -> BTreeMap<String, String> {
        let functions =
            self.functions.iter().map(|(name, signature)| (format!("function {name}"), signature.to_string()));
        let callbacks =
            self.callbacks.iter().map(|(name, signature)| (format!("callback {name}"), signature.to_string()));
        let types = self.types.iter().map(|(name, of)| (format!("type {name}"), of.clone()));
        let handles = self.handles.iter().map(|name| (format!("handle {name}"), String::from("opaque")));
        let structs = self.structs.iter().map(|(name, layout)| (format!("struct {name}"), layout.to_string()));
        let constants = self.constants.iter().flat_map(|(family, numbers)| {
            numbers.iter().map(move |(name, number)| (format!("constant {name}"), format!("{number} ({family})")))
        });
        functions.chain(callbacks).chain(types).chain(handles).chain(structs).chain(constants).collect()
    }

    /// Keeps the numbers that `before` had and that are gone, and those that were gone before.
    pub fn retire_numbers_of(&mut self, before: &Self) {
        self.retired.clone_from(&before.retired);
        for (family, numbers) in &before.constants {
            let now = self.constants.get(family);
            for (name, number) in numbers {
                if now.and_then(|numbers| numbers.get(name)) != Some(number) {
                    self.retired.entry(family.clone()).or_default().insert(name.clone(), *number);
                }
            }
        }
    }
}

impl fmt::Display for Abi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let constants: usize = self.constants.values().map(BTreeMap::len).sum();
        write!(f, "ABI {}, {} functions, {constants} constants", self.version, self.functions.len())
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.returns, self.parameters.join(", "))
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes, aligned to {}:", self.size, self.alignment)?;
        for Field { name, r#type, offset, size } in &self.fields {
            write!(f, " [{offset}] {type} {name} ({size})")?;
        }
        Ok(())
    }
}

impl Version {
    pub fn from_number(number: i64) -> Self {
        Self { major: number >> 16, minor: number & 0xFFFF }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}
