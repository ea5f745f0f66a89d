//! The client.

use std::ffi::c_char;
use std::time::Duration;

use serde_json::Value;

use super::guard::{JsonOut, create, free, handle_out, json_out, on};
use super::handles::handle;
use super::library::ARMORIQ_ABI_VERSION;
use super::status::armoriq_status;
use super::text::Text;
use crate::client::{Answer, Client, Params};
use crate::config::ClientOptions;
use crate::{Error, Result, json};

/// A client. Thread-safe; free it with `armoriq_client_free`.
///
/// @section Client
/// Make one client per process and API key. It owns the connections and caches that everything made from it shares.
pub struct armoriq_client {
    _opaque: [u8; 0],
}

handle!(Client, armoriq_client);

/// Makes a client.
///
/// `abi_version`: always `ARMORIQ_ABI_VERSION`. `options`: a JSON object, or NULL for what the environment says. All
/// members are optional; unknown ones are refused.
///
/// | member | type, default | environment |
/// | --- | --- | --- |
/// | api_key | text | ARMORIQ_API_KEY, else the saved profile |
/// | backend_endpoint | URL, by use_production | ARMORIQ_BACKEND_URL, BACKEND_ENDPOINT |
/// | proxy_endpoint, iap_endpoint | URL, the backend's own | PROXY_ENDPOINT, IAP_ENDPOINT |
/// | proxy_endpoints | {server: URL} | {SERVER}_PROXY_URL |
/// | use_production | true; false is a local control plane | ARMORIQ_ENV |
/// | agent_id, user_id, context_id | text | AGENT_ID, USER_ID, CONTEXT_ID |
/// | timeout_ms | 1 to 86400000, 30000: the longest time for one request | |
/// | max_retries | 0 to 100, 3: where a request may be sent again | |
/// | verify_ssl | true | |
/// | ca_certificates | path of a PEM file with further roots | SSL_CERT_FILE |
/// | client_certificate, client_key | paths of PEM files | |
/// | mcp_credentials | {server: {"authType": "bearer", "token": ...}} | ARMORIQ_MCP_CREDENTIALS |
/// | iap_public_key | text or JWK: the key that tokens are verified with | ARMORIQ_IAP_PUBLIC_KEY |
/// | user_context_ttl_seconds | 0 to 86400, 300: how long users are remembered | |
/// | require_policy | false; true blocks agents that have no policy | |
/// | product | text: which saved profile | ARMORIQ_PRODUCT |
/// | observability, audit | objects, accepted for later | |
///
/// A request is sent again after 1, 2, and then each 4 s; later, up to 30 s, where the service asks for it.
///
/// In a URL the name of a host that is not ASCII is written in punycode. The environment's `HTTPS_PROXY`, `HTTP_PROXY`,
/// `ALL_PROXY` and `NO_PROXY` hold; a proxy there that is neither http nor https fails the requests that are for it.
///
/// `client` receives the handle and must not be NULL. `json`: JSON `null`, or the error object; may be NULL.
///
/// Never blocks on the network. Thread-safe.
///
/// # Errors
/// `ARMORIQ_ERR_ABI_MISMATCH`, `ARMORIQ_ERR_INVALID_ARGUMENT` (bad JSON, an unknown option, a wrong type),
/// `ARMORIQ_ERR_CONFIGURATION` (no API key or one of the wrong form, an endpoint that is no URL, a file or a key that
/// cannot be read).
///
/// ```c
/// armoriq_client *client = NULL;
/// char *json = NULL;
/// if (armoriq_client_new(ARMORIQ_ABI_VERSION, "{\"agent_id\": \"sales-bot\"}", &client, &json) != ARMORIQ_OK)
///     fprintf(stderr, "%s\n", json);
/// armoriq_string_free(json);
/// ```
///
/// # Safety
/// As the header's conventions say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn armoriq_client_new(
    abi_version: u32,
    options: *const c_char,
    client: *mut *mut armoriq_client,
    json: *mut *mut c_char,
) -> armoriq_status {
    // SAFETY: the header demands NUL-terminated text and writable out parameters.
    let (options, client, json) = unsafe { (Text::new(options), handle_out(client), json_out(json)) };
    create(client, json, || {
        check_abi(abi_version)?;
        Client::new(ClientOptions::from_json(&object("options", options)?)?)
    })
}

/// Makes a client from an `armoriq.yaml` file.
///
/// `path`: the file's path; NULL means `armoriq.yaml` in the current directory. Else as `armoriq_client_new`. Of the
/// file, `identity`, `environment` and `proxy` are used; a key such as `$ARMORIQ_API_KEY` is read from the
/// environment. Reads the file; never blocks on the network. Thread-safe.
///
/// # Errors
/// `ARMORIQ_ERR_CONFIGURATION`: no such file, malformed YAML (with line and column), an unknown or missing key (by
/// name). No message shows a value of the file.
///
/// # Safety
/// As the header's conventions say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn armoriq_client_from_config(
    abi_version: u32,
    path: *const c_char,
    client: *mut *mut armoriq_client,
    json: *mut *mut c_char,
) -> armoriq_status {
    // SAFETY: the header demands NUL-terminated text and writable out parameters.
    let (path, client, json) = unsafe { (Text::new(path), handle_out(client), json_out(json)) };
    create(client, json, || {
        check_abi(abi_version)?;
        Client::from_config(path.optional("path")?.unwrap_or("armoriq.yaml"))
    })
}

/// Replaces the API key. Every request that starts after the call returned uses the new one.
///
/// Never blocks. Thread-safe.
///
/// # Errors
/// `ARMORIQ_ERR_CONFIGURATION` (not an ArmorIQ key), `ARMORIQ_ERR_INVALID_ARGUMENT`, `ARMORIQ_ERR_CLOSED`; the old one
/// stays.
///
/// # Safety
/// As the header's conventions say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn armoriq_client_set_api_key(
    client: *mut armoriq_client,
    api_key: *const c_char,
    json: *mut *mut c_char,
) -> armoriq_status {
    // SAFETY: the header demands NUL-terminated text and writable out parameters.
    let (api_key, json) = unsafe { (Text::new(api_key), json_out(json)) };
    on(client, json, |client: &Client| client.set_api_key(api_key.required("api_key")?).map(|()| null()))
}

/// Tells what the client was set up with: `backend`, `iap`, `proxy` (null when unset), `user_id`, `agent_id`,
/// `context_id`, `timeout_ms`, `max_retries`, `version`. No secret is in it.
///
/// Never blocks. Thread-safe. Works after `armoriq_client_close` too.
///
/// # Safety
/// As the header's conventions say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn armoriq_client_info(client: *mut armoriq_client, json: *mut *mut c_char) -> armoriq_status {
    // SAFETY: the header demands writable out parameters.
    let json = unsafe { json_out(json) };
    on(client, json, |client: &Client| Ok(client.info().to_string()))
}

/// Closes a client before the program ends: new calls are refused with `ARMORIQ_ERR_CLOSED`, those that run may end.
///
/// `timeout_ms`: how long to wait for them, the submitted ones included; 0 does not wait. `json`: `{"pending": n}`, how
/// many still ran when the time was over. The submitted ones among these are cancelled, and complete with
/// `ARMORIQ_ERR_CLOSED` before the function returns; a blocking one ends by its own time limit. Blocks for up to
/// `timeout_ms`. Thread-safe. Handles stay valid until they are freed, and completions wait in their queues.
///
/// # Safety
/// As the header's conventions say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn armoriq_client_close(
    client: *mut armoriq_client,
    timeout_ms: u32,
    json: *mut *mut c_char,
) -> armoriq_status {
    // SAFETY: the header demands writable out parameters.
    let json = unsafe { json_out(json) };
    on(client, json, |client: &Client| Ok(client.close(Duration::from_millis(timeout_ms.into())).to_string()))
}

/// Frees a client. NULL and a handle that was freed before are no-ops. Scopes and sessions made from it go on working,
/// and so do calls that run on other threads and those that were submitted.
///
/// Thread-safe.
#[unsafe(no_mangle)]
pub extern "C" fn armoriq_client_free(client: *mut armoriq_client) {
    free::<Client>(client);
}

/// The library speaks every minor of its own major up to its own.
fn check_abi(requested: u32) -> Result<()> {
    let library = ARMORIQ_ABI_VERSION;
    let fits = requested >> 16 == library >> 16 && requested & 0xFFFF <= library & 0xFFFF;
    if fits { Ok(()) } else { Err(Error::AbiMismatch { requested, library }) }
}

/// Runs a client method: its params are a JSON object, NULL an empty one, and its result is a JSON value.
pub(super) fn method(
    client: *mut armoriq_client,
    params: Text<'_>,
    json: JsonOut<'_>,
    call: for<'a> fn(&'a Client, Params<'a>) -> Answer<'a>,
) -> armoriq_status {
    on(client, json, |client: &Client| {
        let params = Params::from_json(params.json_or_empty("params")?)?;
        client.run(call(client, params)).map(|result| result.to_string())
    })
}

/// Reads an options object; NULL is an empty one.
pub(super) fn object(name: &str, text: Text<'_>) -> Result<json::Map<String, Value>> {
    json::parse_object(text.json_or_empty(name)?).map_err(|error| Error::InvalidArgument(format!("{name}: {error}")))
}

pub(super) fn null() -> String {
    Value::Null.to_string()
}
