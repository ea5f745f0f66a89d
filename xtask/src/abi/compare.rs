//! Which changes of an ABI its version allows.
//!
//! An addition needs a new minor number; a removal, and any change of a signature, a number or a layout, a new major
//! one. That holds for the major 0 too. Semantic versioning would let 0.x break, but what looks at the version here
//! does not: the soname has the major alone, and `armoriq_client_new` takes every smaller minor of its own major, so a
//! program that was built for 0.1 meets the library of 0.2 without a word.

use std::collections::BTreeMap;

use super::model::{Abi, Version};

pub struct Comparison {
    /// One line for each.
    pub changes: String,
    pub verdict: Verdict,
}

#[derive(Debug, PartialEq)]
pub enum Verdict {
    Same,
    /// The version is new enough for what changed.
    Allowed,
    /// It is not, or no version allows this; with what to do.
    Refused(String),
}

pub fn compare(before: &Abi, now: &Abi) -> Comparison {
    let (mut changes, mut added, mut broken) = (String::new(), false, false);
    let (old, new) = (before.items(), now.items());
    for (item, was) in &old {
        match new.get(item) {
            None => changes += &format!("  removed  {item}: {was}\n"),
            Some(is) if is != was => changes += &format!("  changed  {item}: {was}\n       to  {is}\n"),
            Some(_) => continue,
        }
        broken = true;
    }
    for (item, is) in new.iter().filter(|(item, _)| !old.contains_key(*item)) {
        added = true;
        changes += &format!("  added    {item}: {is}\n");
    }
    let verdict = if let Some(reason) = number_used_twice(before, now) {
        Verdict::Refused(reason)
    } else if now.version < before.version {
        Verdict::Refused(format!("ARMORIQ_ABI_VERSION went back from {} to {}.", before.version, now.version))
    } else if broken && now.version.major == before.version.major {
        Verdict::Refused(format!(
            "A removal or a change breaks programs that are built already. Put back what was there and add something \
             new beside it. Where that cannot be, it is a new major version, before 1.0 too: change ABI_MAJOR in \
             build.rs, {}.",
            advice(Version { major: before.version.major + 1, minor: 0 })
        ))
    } else if added && now.version == before.version {
        let next = Version { minor: before.version.minor + 1, ..before.version };
        Verdict::Refused(format!("An addition is a new minor version: {}.", advice(next)))
    } else if added || broken || now.version != before.version {
        Verdict::Allowed
    } else {
        Verdict::Same
    };
    Comparison { changes, verdict }
}

fn advice(version: Version) -> String {
    let Version { major, minor } = version;
    format!(
        "set ARMORIQ_ABI_VERSION in src/ffi/library.rs to {version}, which is {major} << 16 | {minor}, run \
         `cargo xtask header` and `cargo xtask abi`, and commit what they write"
    )
}

/// A number that stands, or stood, for something else of the same type; no version makes that good.
fn number_used_twice(before: &Abi, now: &Abi) -> Option<String> {
    for (family, numbers) in &now.constants {
        let mut taken: BTreeMap<i64, &String> = BTreeMap::new();
        for (name, number) in numbers {
            if let Some(other) = taken.insert(*number, name) {
                return Some(format!("{other} and {name} are both {number}: every {family} has a number of its own."));
            }
        }
        let gone = [before.constants.get(family), before.retired.get(family)].into_iter().flatten().flatten();
        for (old_name, old_number) in gone {
            let reused = taken.get(old_number).filter(|name| **name != old_name);
            if let Some(name) = reused {
                return Some(format!(
                    "{name} has the number {old_number}, which was that of {old_name}. Numbers are never used again: \
                     take one that never stood for anything."
                ));
            }
            let renumbered = numbers.get(old_name).filter(|number| *number != old_number);
            if let Some(number) = renumbered {
                return Some(format!(
                    "{old_name} was {old_number} and is {number}. A name never gets another number: give the new one \
                     a new name."
                ));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::model::Signature;

    fn abi(major: i64, minor: i64, functions: &[&str], statuses: &[(&str, i64)]) -> Abi {
        let signature = Signature { returns: "void".into(), parameters: vec!["char *".into()] };
        let statuses = statuses.iter().map(|(name, number)| ((*name).to_owned(), *number)).collect();
        Abi {
            version: Version { major, minor },
            functions: functions.iter().map(|name| ((*name).to_owned(), signature.clone())).collect(),
            callbacks: BTreeMap::new(),
            types: BTreeMap::new(),
            handles: Default::default(),
            structs: BTreeMap::new(),
            constants: BTreeMap::from([("armoriq_status".to_owned(), statuses)]),
            retired: BTreeMap::new(),
        }
    }

    fn refused(before: &Abi, now: &Abi, with: &str) {
        match compare(before, now).verdict {
            Verdict::Refused(reason) => assert!(reason.contains(with), "{reason}"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_addition_is_a_new_minor_version() {
        let before = abi(0, 1, &["a"], &[("OK", 0)]);
        for (functions, statuses) in [(&["a", "b"][..], &[("OK", 0)][..]), (&["a"], &[("OK", 0), ("BAD", 1)])] {
            refused(&before, &abi(0, 1, functions, statuses), "to 0.2, which is 0 << 16 | 2,");
            for (major, minor) in [(0, 2), (0, 3), (1, 0)] {
                assert_eq!(compare(&before, &abi(major, minor, functions, statuses)).verdict, Verdict::Allowed);
            }
        }
        assert_eq!(compare(&before, &before).verdict, Verdict::Same);
    }

    #[test]
    fn a_break_is_a_new_major_version_before_the_first_one_too() {
        let before = abi(0, 1, &["a", "b"], &[("OK", 0), ("BAD", 1)]);
        let mut changed = abi(0, 2, &["a", "b"], &[("OK", 0), ("BAD", 1)]);
        if let Some(signature) = changed.functions.get_mut("a") {
            signature.parameters.push("char **".into());
        }
        for mut now in [abi(0, 2, &["a"], &[("OK", 0), ("BAD", 1)]), abi(0, 2, &["a", "b"], &[("OK", 0)]), changed] {
            refused(&before, &now, "to 1.0, which is 1 << 16 | 0,");
            now.version = Version { major: 1, minor: 0 };
            assert_eq!(compare(&before, &now).verdict, Verdict::Allowed);
        }
    }

    #[test]
    fn every_change_is_named() {
        let mut now = abi(0, 1, &["b", "c"], &[("OK", 0)]);
        if let Some(signature) = now.functions.get_mut("b") {
            signature.returns = "int32_t".into();
        }
        let expected = "  removed  function a: void (char *)\n  changed  function b: void (char *)\n       \
                        to  int32_t (char *)\n  added    function c: void (char *)\n";
        assert_eq!(compare(&abi(0, 1, &["a", "b"], &[("OK", 0)]), &now).changes, expected);
    }

    #[test]
    fn a_number_is_never_used_again() {
        let first = abi(0, 1, &[], &[("OK", 0), ("LATE", 7)]);
        let mut second = abi(1, 0, &[], &[("OK", 0)]);
        second.retire_numbers_of(&first);
        let mut third = abi(2, 0, &[], &[("OK", 0), ("SLOW", 8)]);
        third.retire_numbers_of(&second);
        assert_eq!(third.retired, BTreeMap::from([("armoriq_status".into(), BTreeMap::from([("LATE".into(), 7)]))]));
        for before in [&first, &second, &third] {
            refused(
                before,
                &abi(9, 0, &[], &[("OK", 0), ("OTHER", 7)]),
                "OTHER has the number 7, which was that of LATE.",
            );
            refused(before, &abi(9, 0, &[], &[("OK", 0), ("LATE", 9)]), "LATE was 7 and is 9.");
            refused(before, &abi(9, 0, &[], &[("OK", 0), ("NONE", 0)]), "NONE and OK are both 0");
        }
        assert_eq!(compare(&second, &abi(1, 1, &[], &[("OK", 0), ("LATE", 7)])).verdict, Verdict::Allowed);
    }

    #[test]
    fn the_version_does_not_go_back() {
        refused(&abi(1, 3, &["a"], &[]), &abi(1, 2, &["a"], &[]), "went back from 1.3 to 1.2");
        assert_eq!(compare(&abi(1, 3, &["a"], &[]), &abi(1, 4, &["a"], &[])).verdict, Verdict::Allowed);
    }
}
