//! The shared library as a foreign program sees it: opened at run time, called through its C ABI.
#![allow(unsafe_code)]

use std::{
    collections::BTreeMap,
    env,
    ffi::{CStr, CString, c_char, c_void},
    mem::ManuallyDrop,
    path::PathBuf,
    ptr,
};

use libloading::Library;
use serde_json::Value;

type Handle = *mut c_void;
type Json = *mut *mut c_char;
type Text = *const c_char;

pub const OK: i32 = 0;
pub const BLOCK: i32 = 0;
pub const ALLOW: i32 = 1;
pub const HOLD: i32 = 2;

/// Environment variable that names the library to test, in place of the one that cargo built for this test.
pub const LIBRARY: &str = "ARMORIQ_LIB";

/// What a call gave back.
pub struct Answer {
    pub status: i32,
    pub verdict: Option<i32>,
    pub json: Value,
}

macro_rules! functions {
    ($($name:ident: fn($($parameter:ty),*) $(-> $result:ty)?;)*) => {
        struct Functions { $($name: unsafe extern "C" fn($($parameter),*) $(-> $result)?,)* }

        impl Functions {
            fn find(library: &Library) -> Result<Self, libloading::Error> {
                // SAFETY: the signatures are those of the header.
                unsafe { Ok(Self { $($name: *library.get(concat!(stringify!($name), "\0").as_bytes())?,)* }) }
            }
        }
    };
}

functions! {
    armoriq_abi_version: fn() -> u32;
    armoriq_status_name: fn(i32) -> Text;
    armoriq_string_free: fn(*mut c_char);
    armoriq_client_new: fn(u32, Text, *mut Handle, Json) -> i32;
    armoriq_client_free: fn(Handle);
    armoriq_for_user: fn(Handle, Text, *mut Handle, Json) -> i32;
    armoriq_user_start_session: fn(Handle, Text, *mut Handle, Json) -> i32;
    armoriq_user_scope_free: fn(Handle);
    armoriq_client_start_session: fn(Handle, Text, *mut Handle, Json) -> i32;
    armoriq_session_start_plan: fn(Handle, Text, Text, Json) -> i32;
    armoriq_session_check: fn(Handle, Text, Text, Text, *mut i32, Json) -> i32;
    armoriq_session_report: fn(Handle, Text, Text, Text, Text, Json) -> i32;
    armoriq_session_dispatch: fn(Handle, Text, Text, Text, Json) -> i32;
    armoriq_session_await_approval: fn(Handle, Text, Text, Json) -> i32;
    armoriq_session_reset: fn(Handle, Json) -> i32;
    armoriq_session_free: fn(Handle);
}

/// The library, and the handles that a scenario has opened.
pub struct Armoriq {
    library: ManuallyDrop<Library>,
    functions: Functions,
    /// Results that later steps use.
    pub saved: BTreeMap<String, Value>,
    client: Handle,
    session: Handle,
}

/// Where the library under test is. Cargo builds it beside this program, and copies it from there only when the
/// library itself was asked for.
pub fn path() -> PathBuf {
    if let Some(path) = env::var_os(LIBRARY) {
        return path.into();
    }
    let program = env::current_exe().expect("this program has a path");
    program.with_file_name("libarmoriq.so")
}

impl Armoriq {
    pub fn open(path: &std::ffi::OsStr) -> Self {
        // SAFETY: loading the library runs no code but its own.
        let library = unsafe { Library::new(path) };
        let library = library.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let functions = Functions::find(&library).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self {
            // Its threads outlive the scenario.
            library: ManuallyDrop::new(library),
            saved: BTreeMap::new(),
            functions,
            client: ptr::null_mut(),
            session: ptr::null_mut(),
        }
    }

    pub fn status_name(&self, status: i32) -> String {
        // SAFETY: the name is a static NUL-terminated text.
        unsafe { CStr::from_ptr((self.functions.armoriq_status_name)(status)) }.to_str().expect("ASCII").to_owned()
    }

    pub fn new_client(&mut self, options: &Value) -> Answer {
        let options = text(&options.to_string());
        let (new, abi_version) = (self.functions.armoriq_client_new, self.functions.armoriq_abi_version);
        let client = &raw mut self.client;
        // SAFETY: `options` and `client` outlive the call.
        self.answer(|json| unsafe { new(abi_version(), options.as_ptr(), client, json) })
    }

    /// With a user through that user's scope, without one on the client itself.
    pub fn start_session(&mut self, user_email: Option<&str>, options: &Value) -> Answer {
        let options = text(&options.to_string());
        let session = &raw mut self.session;
        let client = self.client;
        let Some(user_email) = user_email else {
            let start = self.functions.armoriq_client_start_session;
            // SAFETY: `options` and `session` outlive the call.
            return self.answer(|json| unsafe { start(client, options.as_ptr(), session, json) });
        };
        let user_email = text(user_email);
        let mut scope = ptr::null_mut();
        let for_user = self.functions.armoriq_for_user;
        // SAFETY: `user_email` and `scope` outlive the call.
        let answer = self.answer(|json| unsafe { for_user(client, user_email.as_ptr(), &raw mut scope, json) });
        if answer.status != OK {
            return answer;
        }
        let start = self.functions.armoriq_user_start_session;
        // SAFETY: `options` and `session` outlive the call.
        let answer = self.answer(|json| unsafe { start(scope, options.as_ptr(), session, json) });
        // SAFETY: a scope may go before its sessions.
        unsafe { (self.functions.armoriq_user_scope_free)(scope) };
        answer
    }

    pub fn start_plan(&self, tool_calls: &Value, goal: Option<&str>) -> Answer {
        let (tool_calls, goal) = (text(&tool_calls.to_string()), goal.map(text));
        let goal = goal.as_ref().map_or(ptr::null(), |goal| goal.as_ptr());
        let start_plan = self.functions.armoriq_session_start_plan;
        // SAFETY: the texts outlive the call.
        self.answer(|json| unsafe { start_plan(self.session, tool_calls.as_ptr(), goal, json) })
    }

    pub fn check(&self, tool: &str, args: &Value, options: &Value) -> Answer {
        let (tool, args, options) = (text(tool), text(&args.to_string()), text(&options.to_string()));
        let check = self.functions.armoriq_session_check;
        let mut verdict = i32::MAX;
        let verdict_out = &raw mut verdict;
        // SAFETY: the texts and the verdict outlive the call.
        let answer = self.answer(|json| unsafe {
            check(self.session, tool.as_ptr(), args.as_ptr(), options.as_ptr(), verdict_out, json)
        });
        Answer { verdict: Some(verdict), ..answer }
    }

    pub fn report(&self, tool: &str, args: &Value, result: &Value, options: &Value) -> Answer {
        let (tool, args) = (text(tool), text(&args.to_string()));
        let (result, options) = (text(&result.to_string()), text(&options.to_string()));
        let report = self.functions.armoriq_session_report;
        // SAFETY: the texts outlive the call.
        self.answer(|json| unsafe {
            report(self.session, tool.as_ptr(), args.as_ptr(), result.as_ptr(), options.as_ptr(), json)
        })
    }

    pub fn dispatch(&self, tool: &str, args: &Value, options: &Value) -> Answer {
        let (tool, args, options) = (text(tool), text(&args.to_string()), text(&options.to_string()));
        let dispatch = self.functions.armoriq_session_dispatch;
        // SAFETY: the texts outlive the call.
        self.answer(|json| unsafe { dispatch(self.session, tool.as_ptr(), args.as_ptr(), options.as_ptr(), json) })
    }

    pub fn await_approval(&self, delegation_id: &str, options: &Value) -> Answer {
        let (delegation_id, options) = (text(delegation_id), text(&options.to_string()));
        let await_approval = self.functions.armoriq_session_await_approval;
        // SAFETY: the texts outlive the call.
        self.answer(|json| unsafe { await_approval(self.session, delegation_id.as_ptr(), options.as_ptr(), json) })
    }

    pub fn reset(&self) -> Answer {
        let reset = self.functions.armoriq_session_reset;
        // SAFETY: the library checks the handle.
        self.answer(|json| unsafe { reset(self.session, json) })
    }

    /// Calls `armoriq_client_{name}`.
    pub fn client_method(&self, name: &str, params: &Value) -> Answer {
        type Method = unsafe extern "C" fn(Handle, Text, Json) -> i32;
        let symbol = format!("armoriq_client_{name}\0");
        // SAFETY: every client method has this signature.
        let method = unsafe { self.library.get::<Method>(symbol.as_bytes()) };
        let method = *method.unwrap_or_else(|error| panic!("{name}: {error}"));
        let params = text(&params.to_string());
        // SAFETY: the params outlive the call.
        self.answer(|json| unsafe { method(self.client, params.as_ptr(), json) })
    }

    fn answer(&self, call: impl FnOnce(Json) -> i32) -> Answer {
        let mut json = ptr::null_mut();
        let status = call(&raw mut json);
        assert!(!json.is_null(), "a call with status {status} gave no JSON");
        // SAFETY: the library gives a NUL-terminated text, which is copied before it is freed.
        let parsed = unsafe {
            let parsed = serde_json::from_slice(CStr::from_ptr(json).to_bytes());
            (self.functions.armoriq_string_free)(json);
            parsed
        };
        Answer { status, verdict: None, json: parsed.expect("the library gives JSON") }
    }
}

impl Drop for Armoriq {
    fn drop(&mut self) {
        // SAFETY: freeing NULL is a no-op.
        unsafe {
            (self.functions.armoriq_client_free)(self.client);
            (self.functions.armoriq_session_free)(self.session);
        }
    }
}

fn text(text: &str) -> CString {
    CString::new(text).expect("the scenarios have no NUL")
}

mod tests {
    use super::*;

    /// The methods of a client, which all have one signature.
    const METHODS: [&str; 30] = [
        "bootstrap",
        "refresh_bootstrap",
        "list_mcps",
        "resolve_user",
        "invalidate_user",
        "invoke",
        "invoke_with_policy",
        "get_intent_token",
        "verify_token",
        "delegate",
        "delegate_subtree",
        "revoke",
        "reanchor",
        "refine",
        "create_delegation_request",
        "check_approved_delegation",
        "get_delegation_status",
        "mark_delegation_executed",
        "complete_plan",
        "update_plan_status",
        "get_mcp_tool_schemas",
        "fetch_tool_metadata",
        "resolve_role",
        "declare_tools",
        "record_token_usage",
        "initialize_usage_stream",
        "reset_usage_stream",
        "record_token_usage_batch",
        "report_usage_run",
        "capture_transcript_tokens",
    ];

    #[test]
    fn library_has_every_client_method_with_the_signature_of_a_client_method() {
        let header = include_str!("../../include/armoriq.h").split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        let signature = "(armoriq_client *client, const char *params, char **json);";
        for method in METHODS {
            let declaration = format!("armoriq_status armoriq_client_{method}{signature}");
            assert!(header.contains(&declaration), "the header does not declare {declaration}");
        }
        assert_eq!(header.matches(signature).count(), METHODS.len(), "the list of methods is not complete");

        let armoriq = Armoriq::open(path().as_os_str());
        for method in METHODS {
            // No client was made: its handle is NULL.
            let answer = armoriq.client_method(method, &serde_json::json!({}));
            assert_eq!(armoriq.status_name(answer.status), "ARMORIQ_ERR_INVALID_HANDLE", "{method}");
            assert_eq!(answer.json["code"], "ARMORIQ_ERR_INVALID_HANDLE", "{method}");
        }
    }
}
