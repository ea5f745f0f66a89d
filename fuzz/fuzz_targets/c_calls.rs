//! Sequences of C calls on handles that are live, freed, closed, forged and of another kind, with texts of every sort,
//! against a model that knows which handles are alive. The service answers on loopback.

#![no_main]

#[path = "../service.rs"]
mod service;

use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr;

use armoriq::json::{self, Value};
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;

type Pointer = *mut c_void;

unsafe extern "C" {
    fn armoriq_status_name(status: i32) -> *const c_char;
    fn armoriq_string_free(text: *mut c_char);
    fn armoriq_client_new(abi: u32, options: *const c_char, out: *mut Pointer, json: *mut *mut c_char) -> i32;
    fn armoriq_client_set_api_key(client: Pointer, key: *const c_char, json: *mut *mut c_char) -> i32;
    fn armoriq_client_info(client: Pointer, json: *mut *mut c_char) -> i32;
    fn armoriq_client_close(client: Pointer, timeout_ms: u32, json: *mut *mut c_char) -> i32;
    fn armoriq_client_free(client: Pointer);
    fn armoriq_for_user(client: Pointer, email: *const c_char, out: *mut Pointer, json: *mut *mut c_char) -> i32;
    fn armoriq_user_start_session(u: Pointer, options: *const c_char, out: *mut Pointer, json: *mut *mut c_char)
    -> i32;
    fn armoriq_user_scope_free(user: Pointer);
    fn armoriq_client_start_session(
        client: Pointer,
        options: *const c_char,
        out: *mut Pointer,
        json: *mut *mut c_char,
    ) -> i32;
    fn armoriq_session_start_plan(s: Pointer, calls: *const c_char, goal: *const c_char, json: *mut *mut c_char)
    -> i32;
    fn armoriq_session_check(
        session: Pointer,
        tool: *const c_char,
        args: *const c_char,
        options: *const c_char,
        verdict: *mut i32,
        json: *mut *mut c_char,
    ) -> i32;
    fn armoriq_session_check_batch(
        session: Pointer,
        calls: *const c_char,
        options: *const c_char,
        strictest: *mut i32,
        json: *mut *mut c_char,
    ) -> i32;
    fn armoriq_session_tools(session: Pointer, tools: *const c_char, json: *mut *mut c_char) -> i32;
    fn armoriq_session_reset(session: Pointer, json: *mut *mut c_char) -> i32;
    fn armoriq_session_info(session: Pointer, json: *mut *mut c_char) -> i32;
    fn armoriq_session_free(session: Pointer);
}

const OK: i32 = 0;
const INVALID_ARGUMENT: i32 = 1;
const INVALID_HANDLE: i32 = 2;
const ABI_MISMATCH: i32 = 3;
const CLOSED: i32 = 74;
const INTERNAL: i32 = 90;
const BLOCK: i32 = 0;
const ALLOW: i32 = 1;

const GOOD_PLAN: &str = r#"[{"name": "data__fetch"}, {"name": "data__send"}]"#;
const TEXTS: &[&str] = &[
    "{}",
    "[]",
    "null",
    "",
    "{",
    GOOD_PLAN,
    "data__fetch",
    "data__send",
    "fetch",
    "a@b.co",
    "ak_test_0123456789abcdef0123456789abcdef",
    r#"{"mode": "local"}"#,
    r#"{"mode": "odd"}"#,
    r#"{"timeout_ms": 1}"#,
    r#"{"user_email": "a@b.co"}"#,
    r#"{"a": 1, "a": 2}"#,
    r#"[{"tool": "data__fetch", "args": {}}, {"tool": "data__send"}]"#,
    r#"[{"tool": "fetch"}]"#,
    r#"["fetch", "send"]"#,
    r#"{"mode": "local", "session_id": "11111111-1111-4111-8111-111111111111"}"#,
];

#[derive(Clone, Copy, PartialEq, Debug)]
enum Kind {
    Client,
    User,
    Session,
}

struct Known {
    handle: usize,
    kind: Kind,
    is_alive: bool,
    /// Which of the clients it belongs to.
    client: usize,
    has_plan: bool,
}

#[derive(Default)]
struct Model {
    known: Vec<Known>,
    is_closed: Vec<bool>,
}

impl Model {
    fn find(&self, handle: Pointer, kind: Kind) -> Option<usize> {
        self.known.iter().position(|known| known.is_alive && known.kind == kind && known.handle == handle.addr())
    }

    /// A handle: mostly one that was given out, whatever has become of it and whatever it is.
    fn handle(&self, input: &mut Unstructured<'_>) -> Result<Pointer> {
        let forged = input.ratio(1, 8)?;
        let handle = match self.known.len() {
            0 => input.arbitrary()?,
            _ if forged => input.arbitrary()?,
            many => {
                let handle = self.known[input.choose_index(many)?].handle;
                if input.ratio(1, 8)? { handle ^ (1 << input.int_in_range(0..=63)?) } else { handle }
            }
        };
        Ok(ptr::without_provenance_mut(handle))
    }

    fn add(&mut self, handle: Pointer, kind: Kind, client: usize) {
        let handle = handle.addr();
        assert!(handle != 0 && self.known.iter().all(|known| known.handle != handle), "a handle came back");
        self.known.push(Known { handle, kind, is_alive: true, client, has_plan: false });
    }

    fn free(&mut self, handle: Pointer, kind: Kind) {
        // SAFETY: any value may be freed.
        unsafe {
            match kind {
                Kind::Client => armoriq_client_free(handle),
                Kind::User => armoriq_user_scope_free(handle),
                Kind::Session => armoriq_session_free(handle),
            }
        }
        if let Some(index) = self.find(handle, kind) {
            self.known[index].is_alive = false;
        }
    }

    /// Makes a handle from another, and checks what came of it.
    fn child(
        &mut self,
        input: &mut Unstructured<'_>,
        of: Kind,
        kind: Kind,
        call: impl FnOnce(Pointer, *mut Pointer, *mut *mut c_char) -> i32,
    ) -> Result<()> {
        let parent = self.handle(input)?;
        let mut made: Pointer = ptr::without_provenance_mut(5);
        let out = if input.ratio(1, 8)? { ptr::null_mut() } else { &raw mut made };
        let known = self.find(parent, of).map(|index| self.known[index].client);
        let status = with_json(input, |json| call(parent, out, json))?.0;
        let expected = match known {
            None => status == INVALID_HANDLE,
            Some(client) if self.is_closed[client] => [INVALID_ARGUMENT, CLOSED].contains(&status),
            Some(_) => [OK, INVALID_ARGUMENT].contains(&status),
        };
        // A scope of a closed client may still be made: it does nothing by itself.
        assert!(expected || (kind == Kind::User && status == OK && known.is_some()), "{status} for {kind:?}");
        assert!(!out.is_null() || status != OK);
        match known {
            Some(client) if status == OK => self.add(made, kind, client),
            _ => assert!(out.is_null() || made.is_null()),
        }
        Ok(())
    }
}

/// Does a call with an out parameter for JSON, or with none, and checks that what comes fits the status.
fn with_json(input: &mut Unstructured<'_>, call: impl FnOnce(*mut *mut c_char) -> i32) -> Result<(i32, Value)> {
    let mut json: *mut c_char = ptr::without_provenance_mut(3);
    if input.ratio(1, 8)? {
        return Ok((call(ptr::null_mut()), Value::Null));
    }
    let status = call(&raw mut json);
    assert!(status != INTERNAL, "{:?}", text_of(json));
    let text = text_of(json).expect("JSON with every status");
    let value = json::parse(&text).expect("JSON");
    // SAFETY: it came from the library, and is freed once.
    unsafe { armoriq_string_free(json) };
    if status != OK {
        // SAFETY: the name is static.
        let name = unsafe { CStr::from_ptr(armoriq_status_name(status)) };
        assert_eq!(value["code"], *name.to_str().expect("a name"), "{value}");
        assert!(value["message"].is_string(), "{value}");
    }
    Ok((status, value))
}

fn text_of(text: *const c_char) -> Option<String> {
    // SAFETY: what is not NULL is text that the library made.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_str().expect("UTF-8").to_owned())
}

/// A text: NULL, one that a call may want, or any bytes.
fn text(input: &mut Unstructured<'_>) -> Result<Option<CString>> {
    Ok(match input.int_in_range(0..=9)? {
        0 => None,
        1 => {
            let bytes: Vec<u8> = input.arbitrary()?;
            CString::new(bytes.split(|byte| *byte == 0).next().unwrap_or_default()).ok()
        }
        _ => CString::new(*input.choose(TEXTS)?).ok(),
    })
}

fn pointer(text: &Option<CString>) -> *const c_char {
    text.as_ref().map_or(ptr::null(), |text| text.as_ptr())
}

fn is_text(text: &Option<CString>, wanted: &[&str]) -> bool {
    text.as_ref().is_some_and(|text| wanted.iter().any(|wanted| text.to_bytes() == wanted.as_bytes()))
}

fuzz_target!(|bytes: &[u8]| {
    let mut model = Model::default();
    // The input's end ends the sequence.
    let _ = run(&mut model, &mut Unstructured::new(bytes));
    for index in 0..model.known.len() {
        let Known { handle, kind, .. } = model.known[index];
        model.free(ptr::without_provenance_mut(handle), kind);
        model.free(ptr::without_provenance_mut(handle), kind);
    }
});

fn run(model: &mut Model, input: &mut Unstructured<'_>) -> Result<()> {
    for _ in 0..48 {
        if input.is_empty() {
            break;
        }
        step(model, input)?;
    }
    Ok(())
}

fn step(model: &mut Model, input: &mut Unstructured<'_>) -> Result<()> {
    let (first, second, third) = (text(input)?, text(input)?, text(input)?);
    let (a, b, c) = (pointer(&first), pointer(&second), pointer(&third));
    // SAFETY, here and below: handles may have any value; texts are NULL or NUL-terminated and outlive the call; out
    // parameters are NULL or can be written.
    match input.int_in_range(0..=15)? {
        0 | 1 => client_new(model, input, a)?,
        2 => model.child(input, Kind::Client, Kind::User, |parent, out, json| unsafe {
            armoriq_for_user(parent, a, out, json)
        })?,
        3 => model.child(input, Kind::Client, Kind::Session, |parent, out, json| unsafe {
            armoriq_client_start_session(parent, a, out, json)
        })?,
        4 => model.child(input, Kind::User, Kind::Session, |parent, out, json| unsafe {
            armoriq_user_start_session(parent, a, out, json)
        })?,
        5 => start_plan(model, input, &first, &second)?,
        6 | 7 => check(model, input, [&first, &second, &third])?,
        8 => {
            let session = model.handle(input)?;
            let mut verdict = 7;
            let call = |json| unsafe { armoriq_session_check_batch(session, a, b, &raw mut verdict, json) };
            let (status, _) = with_json(input, call)?;
            let session = model.find(session, Kind::Session);
            assert!(session.is_some() == (status != INVALID_HANDLE) && (BLOCK..=2).contains(&verdict));
            assert!(verdict != ALLOW || session.is_some_and(|index| model.known[index].has_plan && status == OK));
        }
        9 => on(model, input, Kind::Session, |session, json| unsafe { armoriq_session_tools(session, a, json) })?,
        10 => {
            let session = model.handle(input)?;
            let (status, _) = with_json(input, |json| unsafe { armoriq_session_reset(session, json) })?;
            let session = model.find(session, Kind::Session);
            assert_eq!(session.is_some(), status != INVALID_HANDLE);
            if let Some(index) = session.filter(|_| status == OK) {
                model.known[index].has_plan = false;
            }
        }
        11 => on(model, input, Kind::Session, |session, json| unsafe { armoriq_session_info(session, json) })?,
        12 => on(model, input, Kind::Client, |client, json| unsafe { armoriq_client_info(client, json) })?,
        13 => on(model, input, Kind::Client, |client, json| unsafe { armoriq_client_set_api_key(client, c, json) })?,
        14 => {
            let client = model.handle(input)?;
            let (status, _) = with_json(input, |json| unsafe { armoriq_client_close(client, 50, json) })?;
            let client = model.find(client, Kind::Client);
            assert_eq!(if client.is_some() { OK } else { INVALID_HANDLE }, status);
            if let Some(index) = client {
                model.is_closed[model.known[index].client] = true;
            }
        }
        _ => {
            let handle = model.handle(input)?;
            model.free(handle, *input.choose(&[Kind::Client, Kind::User, Kind::Session])?);
        }
    }
    Ok(())
}

/// A call of which it only matters that its handle is known, or not.
fn on(
    model: &Model,
    input: &mut Unstructured<'_>,
    kind: Kind,
    call: impl FnOnce(Pointer, *mut *mut c_char) -> i32,
) -> Result<()> {
    let handle = model.handle(input)?;
    let (status, _) = with_json(input, |json| call(handle, json))?;
    assert_eq!(model.find(handle, kind).is_some(), status != INVALID_HANDLE);
    Ok(())
}

fn client_new(model: &mut Model, input: &mut Unstructured<'_>, options: *const c_char) -> Result<()> {
    let good = CString::new(service::options()).expect("no NUL");
    let is_good = input.ratio(7, 8)?;
    let abi = if is_good { 1 } else { input.arbitrary()? };
    let mut made: Pointer = ptr::without_provenance_mut(5);
    let options = if is_good { good.as_ptr() } else { options };
    let (status, _) = with_json(input, |json| unsafe { armoriq_client_new(abi, options, &raw mut made, json) })?;
    assert_eq!(status == ABI_MISMATCH, abi > 1);
    assert!(status == OK || !is_good);
    if status == OK {
        model.is_closed.push(false);
        model.add(made, Kind::Client, model.is_closed.len() - 1);
    } else {
        assert!(made.is_null());
    }
    Ok(())
}

fn start_plan(
    model: &mut Model,
    input: &mut Unstructured<'_>,
    calls: &Option<CString>,
    goal: &Option<CString>,
) -> Result<()> {
    let session = model.handle(input)?;
    let call = |json| unsafe { armoriq_session_start_plan(session, pointer(calls), pointer(goal), json) };
    let (status, _) = with_json(input, call)?;
    let session = model.find(session, Kind::Session);
    assert_eq!(session.is_some(), status != INVALID_HANDLE);
    assert!(status != OK || is_text(calls, &[GOOD_PLAN]) || !is_text(calls, TEXTS));
    if let Some(index) = session.filter(|_| status == OK) {
        model.known[index].has_plan |= is_text(calls, &[GOOD_PLAN]);
    }
    Ok(())
}

/// The one policy allows `fetch` and nothing else: the verdict is known from what the session was told.
fn check(model: &Model, input: &mut Unstructured<'_>, texts: [&Option<CString>; 3]) -> Result<()> {
    let session = model.handle(input)?;
    let mut verdict = 7;
    let [tool, args, options] = texts.map(pointer);
    let call = |json| unsafe { armoriq_session_check(session, tool, args, options, &raw mut verdict, json) };
    let (status, decision) = with_json(input, call)?;
    let session = model.find(session, Kind::Session).map(|index| &model.known[index]);
    let expected = match session {
        None => status == INVALID_HANDLE,
        Some(session) if model.is_closed[session.client] => [INVALID_ARGUMENT, CLOSED].contains(&status),
        Some(_) => [OK, INVALID_ARGUMENT].contains(&status),
    };
    assert!(expected, "{status} {decision}");
    let may_be_allowed =
        status == OK && session.is_some_and(|session| session.has_plan) && is_text(texts[0], &["data__fetch", "fetch"]);
    assert!(verdict == BLOCK || (verdict == ALLOW && may_be_allowed), "{verdict} {decision}");
    if status == OK && decision.is_object() {
        assert_eq!(decision["allowed"], verdict == ALLOW, "{decision}");
    }
    if may_be_allowed && texts[2].is_none() {
        assert_eq!(verdict, ALLOW, "{decision}");
    }
    Ok(())
}
