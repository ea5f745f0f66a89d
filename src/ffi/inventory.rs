//! Client methods: the tool inventory.

use std::ffi::c_char;

use super::client::{armoriq_client, method};
use super::guard::json_out;
use super::status::armoriq_status;
use super::text::Text;

/// Declares the tools that the agent has, so that the service knows what a call's arguments should look like and
/// notices when they change.
///
/// `params`: a JSON object:
///
/// | member | type |
/// | --- | --- |
/// | tools | list of names, or of definitions as MCP, OpenAI or Anthropic write them |
/// | mcp_servers | list of {"name", "url", "tools"}: servers, with their tools as MCP's tools/list gives them |
///
/// Of a server, `name` or `url` may be left out. In `tools`, a name with a server ("data-mcp__fetch_sales"), or one
/// whose server `armoriq_client_bootstrap` has told, is that server's tool. {"type": "mcp", "server_label",
/// "server_url"} and {"type": "mcp_toolset", "mcp_server_name"} are servers. A type without a name, such as {"type":
/// "web_search"}, is passed over. A tool that was declared with a schema keeps it.
///
/// `json`, or the error object:
///
/// | member | what it is |
/// | --- | --- |
/// | snapshot_hash | "v1:sha256:...", over the agent's own tools |
/// | tools | how many of them there are by now |
/// | mcp_servers | how many servers there are by now |
/// | push | what becomes of the inventory, see below |
///
/// `push` is "scheduled" (it will be sent), "unchanged" (the service has it), "nothing" (there is nothing to send, or
/// the client has no `agent_id`) or "failed" (no thread could be started).
///
/// It is sent as soon as it differs from what the service has, and again when an answer says that the service has lost
/// it, at most once a minute; each time there are up to four attempts, after 1, 4 and 16 s. What goes wrong is in the
/// log. `armoriq_client_close` waits for a sending that has begun. Never blocks. Thread-safe.
///
/// # Errors
/// `ARMORIQ_ERR_INVALID_ARGUMENT` (an unknown, missing or mistyped parameter), among them an item of a list that is no
/// tool or no server (by its place), or a schema whose references make it too large; then nothing is declared.
/// `ARMORIQ_ERR_CLOSED`.
///
/// ```c
/// const char *params = "{\"tools\": [{\"name\": \"pay\", \"input_schema\": {\"type\": \"object\"}}]}";
/// if (armoriq_client_declare_tools(client, params, &json) != ARMORIQ_OK)
///     fprintf(stderr, "%s\n", json);
/// armoriq_string_free(json);
/// ```
///
/// # Safety
/// As the header's conventions say.
///
/// @section Client methods: tool inventory
/// Declare the tools that the model is given, once they are known. The inventory grows with each call and is sent in
/// the background; in the mode "sdk" each check says which inventory it belongs to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn armoriq_client_declare_tools(
    client: *mut armoriq_client,
    params: *const c_char,
    json: *mut *mut c_char,
) -> armoriq_status {
    // SAFETY: the header demands NUL-terminated text and writable out parameters.
    let (params, json) = unsafe { (Text::new(params), json_out(json)) };
    method(client, params, json, |client, params| Box::pin(client.declare_tools(params)))
}
