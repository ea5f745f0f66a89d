//! The logins that the ArmorIQ command line saves in `~/.armoriq/credentials.json` (version 2). This library only
//! reads them, and believes an entry only when every part of it agrees with every other.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use secrecy::SecretString;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::environment::Environment;
use super::origin::Origin;
use crate::json::{self, string_member};

const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// One saved login.
#[derive(Debug, Clone)]
pub(super) struct Profile {
    pub api_key: SecretString,
    /// The service that the key is for.
    pub origin: Origin,
}

/// The saved logins that can be believed.
#[derive(Debug)]
pub(super) struct Credentials {
    path: PathBuf,
    profiles: Vec<(String, Profile)>,
}

impl Credentials {
    /// Reads the file in the home directory. One that is missing, unreadable or of another version holds no logins.
    pub fn load(environment: &Environment) -> Self {
        let home = environment.home().unwrap_or("~".as_ref());
        let path = home.join(".armoriq").join("credentials.json");
        let profiles = read(&path).and_then(|text| profiles(&text)).unwrap_or_default();
        Self { path, profiles }
    }

    pub fn profile(&self, name: &str) -> Option<&Profile> {
        self.profiles.iter().find(|(own, _)| own == name).map(|(_, profile)| profile)
    }

    /// The file's path, for messages.
    pub fn path(&self) -> std::path::Display<'_> {
        self.path.display()
    }
}

fn read(path: &PathBuf) -> Option<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    let read = File::open(path).ok()?.take(MAX_BYTES).read_to_string(&mut text).ok()?;
    ((read as u64) < MAX_BYTES).then_some(text)
}

fn profiles(text: &str) -> Option<Vec<(String, Profile)>> {
    let file = json::parse(text).ok()?;
    let version = file.get("version").and_then(Value::as_number).map(json::as_double);
    if version != Some(2.0) {
        return None;
    }
    let history = file.get("loginHistory").and_then(Value::as_object)?;
    let profiles = file.get("profiles").and_then(Value::as_object)?.iter();
    let accepted = profiles.filter_map(|(name, entry)| Some((name.clone(), accept(name, entry, history)?)));
    Some(accepted.collect())
}

/// The entry as a login, if it is complete, belongs under its name, and is the last event of its history.
fn accept(name: &str, entry: &Value, history: &Map<String, Value>) -> Option<Profile> {
    let member = |key| string_member(entry, key);
    let (backend, product, api_key) = (member("backend")?, member("product")?, member("apiKey")?);
    let (user_id, logged_in_at) = (member("userId")?, member("loggedInAt")?);
    member("email").and(member("orgId")).and(member("savedAt"))?;

    let origin = Origin::parse(backend)?;
    let last = last_event(history.get(name)?)?;
    let consistent = origin.profile_name(product) == name
        && !user_id.trim().is_empty()
        && is_instant(logged_in_at)
        && last.user_id == Some(user_id)
        && last.at == logged_in_at;
    consistent.then(|| Profile { api_key: SecretString::from(api_key), origin })
}

struct Event<'a> {
    at: &'a str,
    /// Who logged in; `None` is a logout.
    user_id: Option<&'a str>,
}

/// The last event of a well-formed history that has any.
fn last_event(history: &Value) -> Option<Event<'_>> {
    let well_formed = is_lower_uuid_v4(string_member(history, "id")?)
        && matches!(string_member(history, "origin")?, "fresh" | "unknown");
    let events = history.get("events").and_then(Value::as_array).filter(|_| well_formed)?;
    let numbered = events.iter().zip(1_u64..).map(|(event, sequence)| read_event(event, sequence));
    let events = numbered.collect::<Option<Vec<_>>>()?;
    events.first()?.user_id?;
    events.into_iter().next_back()
}

fn read_event(event: &Value, sequence: u64) -> Option<Event<'_>> {
    let at = string_member(event, "at").filter(|at| is_instant(at))?;
    let user_id = match event.get("userId")? {
        Value::Null => None,
        Value::String(user_id) if !user_id.trim().is_empty() => Some(user_id.as_str()),
        _ => return None,
    };
    let in_order = event.get("sequence").and_then(Value::as_u64) == Some(sequence);
    in_order.then_some(Event { at, user_id })
}

/// `YYYY-MM-DDTHH:MM:SS.mmmZ` of a moment that exists.
fn is_instant(text: &str) -> bool {
    let shaped = text.len() == 24
        && text.bytes().zip("dddd-dd-ddTdd:dd:dd.dddZ".bytes()).all(|(byte, shape)| match shape {
            b'd' => byte.is_ascii_digit(),
            _ => byte == shape,
        });
    let number = |range| text.get(range).and_then(|digits: &str| digits.parse::<u32>().ok()).unwrap_or(u32::MAX);
    let (year, month) = (number(0..4), number(5..7));
    let days = match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    shaped
        && year > 0
        && (1..=days).contains(&number(8..10))
        && number(11..13) < 24
        && number(14..16) < 60
        && number(17..19) < 60
}

fn is_lower_uuid_v4(text: &str) -> bool {
    text.len() == 36
        && text.bytes().zip("xxxxxxxx-xxxx-4xxx-vxxx-xxxxxxxxxxxx".bytes()).all(|(byte, shape)| match shape {
            b'x' => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
            b'v' => matches!(byte, b'8' | b'9' | b'a' | b'b'),
            _ => byte == shape,
        })
}
