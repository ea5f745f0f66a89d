/*
 * armoriq.h - libarmoriq 0.1.0
 *
 * Secures AI agents: an agent declares the tool calls that it plans to make, gets a signed intent
 * token for them, and asks before each call whether policy allows it. The answer is one of three:
 * allow, hold (a person must approve first) or block.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Generated from src/ffi by `make header`: change it there.
 *
 * The whole of it in one program:
 *
 *     #include <armoriq.h>
 *     #include <stdio.h>
 *
 *     int main(void)
 *     {
 *         armoriq_client *client = NULL;
 *         armoriq_session *session = NULL;
 *         armoriq_verdict verdict = ARMORIQ_BLOCK;
 *         char *json = NULL;
 *
 *         if (armoriq_client_new(ARMORIQ_ABI_VERSION, NULL, &client, &json)) goto done;
 *         armoriq_string_free(json);
 *         if (armoriq_client_start_session(client, "{\"mode\": \"sdk\"}", &session, &json)) goto done;
 *         armoriq_string_free(json);
 *         if (armoriq_session_start_plan(session, "[{\"name\": \"bank__pay\", \"args\": {}}]", NULL, &json)) goto done;
 *         armoriq_string_free(json);
 *         if (armoriq_session_check(session, "bank__pay", "{\"amount\": 20}", NULL, &verdict, &json)) goto done;
 *         if (verdict == ARMORIQ_ALLOW) puts("go ahead");
 *     done:
 *         puts(json ? json : "");
 *         armoriq_string_free(json);
 *         armoriq_session_free(session);
 *         armoriq_client_free(client);
 *         return verdict == ARMORIQ_ALLOW ? 0 : 1;
 *     }
 *
 * What holds for every function:
 *
 * Failing closed  A verdict is ARMORIQ_ALLOW only where the policy or the service clearly said so.
 *                 Everything unsure blocks: a timeout, an unreachable service, an answer that
 *                 cannot be read, zeroed memory (ARMORIQ_BLOCK is 0). armoriq_session_check()
 *                 returns ARMORIQ_OK for a block too: the status says whether the question could be
 *                 asked, the verdict what the answer is. Act on the verdict.
 *
 * Errors          A function that can fail returns an armoriq_status, and its last parameter is
 *                 `char **json`: on ARMORIQ_OK the result, otherwise an object with "code",
 *                 "message" and what else is known. Pass NULL if you do not want it. Messages never
 *                 hold an API key, a token or a credential. There is no last-error variable. A
 *                 failure inside the library never ends the process: it is ARMORIQ_ERR_INTERNAL.
 *                 Want of memory is another matter: see Shortage.
 *
 * Memory          A `char *` that the library returns is yours: free it with armoriq_string_free().
 *                 A `const char *` that it returns is static. What you pass in stays yours and is
 *                 not kept. Every out parameter is emptied first (NULL, ARMORIQ_BLOCK), so it may
 *                 be freed whatever happened. Every function that frees takes NULL.
 *
 * Text            UTF-8, ended by NUL: refuse a text of another language that holds one, or only
 *                 what stands before it is checked. JSON at most 16 MiB and 128 levels deep; a
 *                 duplicate key, NaN, or anything after the value is refused, and so is an unknown
 *                 option, by name. Where JSON is optional, NULL means {}. A member of options or
 *                 params that is null, or a text that is empty, counts as left out.
 *
 * Pointers        An out parameter for a handle and required text must not be NULL (that is
 *                 ARMORIQ_ERR_INVALID_ARGUMENT); `char **json` and `armoriq_verdict *` may be.
 *
 * Handles         Pointers to opaque types, looked up and never dereferenced: one that is NULL, was
 *                 freed, or is of another type gives ARMORIQ_ERR_INVALID_HANDLE. Free them in any
 *                 order, also while another thread is in a call: the call ends as it would have.
 *
 * Threads         Every function may be called from any thread at any time, with the same handle
 *                 too. Functions that ask a service block until it answered or the time is up.
 *                 A call needs no more than 256 KiB of its thread's stack. The library has a thread
 *                 of its own for each client with something to do in the background, and one for
 *                 each look-up of a name; they take no signals. A thread that is cancelled
 *                 (pthread_cancel) in a call ends after it.
 *
 * Process         The library changes nothing of its process: no signal handler, environment,
 *                 locale or folder. No SIGPIPE comes of it. The process may end at any time, in any
 *                 way, and handlers of atexit() may call the library. dlclose() does not unload it.
 *
 * Shortage        Without a thread or descriptor to ask with, a check blocks and other calls fail;
 *                 they work again once there is one. Without memory *json is NULL, or a call fails;
 *                 but where a small allocation fails inside the library the process ends by
 *                 abort(), as any program in Rust does. No verdict ever comes of it.
 *
 * fork()          Handles go on working in the parent and in the child, which makes its own
 *                 threads and connections on its first call.
 */

#ifndef ARMORIQ_H
#define ARMORIQ_H

#include <stddef.h>
#include <stdint.h>

/** The version of the library that this header belongs to; see armoriq_version(). */
#define ARMORIQ_VERSION "0.1.0"
#define ARMORIQ_VERSION_MAJOR 0
#define ARMORIQ_VERSION_MINOR 1
#define ARMORIQ_VERSION_PATCH 0

/**
 * Marks a function whose status must not be ignored. Define it as nothing before the first include
 * to silence the compiler.
 */
#ifndef ARMORIQ_MUST_USE
#if defined(__cplusplus) && __cplusplus >= 201703L
#define ARMORIQ_MUST_USE [[nodiscard]]
#elif !defined(__cplusplus) && defined(__STDC_VERSION__) && __STDC_VERSION__ >= 202311L
#define ARMORIQ_MUST_USE [[nodiscard]]
#elif defined(__GNUC__)
#define ARMORIQ_MUST_USE __attribute__((warn_unused_result))
#else
#define ARMORIQ_MUST_USE
#endif
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------------------------------------
 * Handles
 */

/** A client. Thread-safe; free it with armoriq_client_free. */
typedef struct armoriq_client armoriq_client;

/** The scope of one end user. Thread-safe; free it with armoriq_user_scope_free. */
typedef struct armoriq_user_scope armoriq_user_scope;

/** A session. Thread-safe; free it with armoriq_session_free. */
typedef struct armoriq_session armoriq_session;

/** A completion queue. Thread-safe; free it with armoriq_queue_free. */
typedef struct armoriq_queue armoriq_queue;

/** A submitted call. Thread-safe; free it with armoriq_call_free. */
typedef struct armoriq_call armoriq_call;

/* ------------------------------------------------------------------------------------------------
 * Status codes
 *
 * Every function that can fail returns one. The numbers are fixed and never reused; a later version may add some, so
 * treat a code that you do not know as a failure.
 */

/** What a function answers: ARMORIQ_OK or one of ARMORIQ_ERR_*. */
typedef int32_t armoriq_status;

/** The call did what it was asked; its result is in *json. */
#define ARMORIQ_OK 0
/** A NULL where none may be, text that is not UTF-8, bad JSON, an unknown option, a wrong type. */
#define ARMORIQ_ERR_INVALID_ARGUMENT 1
/** The handle was freed, forged, or is of another type. */
#define ARMORIQ_ERR_INVALID_HANDLE 2
/** The program was built for another ABI major, or for a newer minor than the library's. */
#define ARMORIQ_ERR_ABI_MISMATCH 3
/** The call came out of order, such as a dispatch before any plan. */
#define ARMORIQ_ERR_INVALID_STATE 4
/** No API key, one of the wrong form, a bad configuration file, an endpoint that is not set. */
#define ARMORIQ_ERR_CONFIGURATION 10
/** No intent token was issued, or it was not accepted. */
#define ARMORIQ_ERR_INVALID_TOKEN 20
/** The intent token has expired. Start the plan anew. */
#define ARMORIQ_ERR_TOKEN_EXPIRED 21
/** The intent token was revoked. */
#define ARMORIQ_ERR_TOKEN_REVOKED 22
/** The action is not in the plan. */
#define ARMORIQ_ERR_INTENT_MISMATCH 30
/** A grown plan was not accepted under the intent token at hand. */
#define ARMORIQ_ERR_INTENT_REANCHOR 31
/** A policy refused. */
#define ARMORIQ_ERR_POLICY_BLOCKED 40
/** A policy asks for a human's approval first. */
#define ARMORIQ_ERR_POLICY_HOLD 41
/** A delegation or an approval could not be made, looked up or used. */
#define ARMORIQ_ERR_DELEGATION 50
/** The proxy or the tool behind it failed. */
#define ARMORIQ_ERR_MCP_INVOCATION 60
/** No answer from the service, or one that says nothing useful. */
#define ARMORIQ_ERR_SERVICE 70
/** No answer in time. */
#define ARMORIQ_ERR_TIMEOUT 71
/** The call was cancelled. */
#define ARMORIQ_ERR_CANCELLED 72
/** The queue holds as many calls as it was made for. */
#define ARMORIQ_ERR_QUEUE_FULL 73
/** The client was closed. */
#define ARMORIQ_ERR_CLOSED 74
/** A bug in the library. The handle that it happened on goes on answering this; every other one works. */
#define ARMORIQ_ERR_INTERNAL 90

/* ------------------------------------------------------------------------------------------------
 * Library
 *
 * What the library is, the text that it returns, and the log that it can write.
 */

/**
 * The ABI that this header describes: the major number in the upper 16 bits, the minor in the lower. A program that
 * was built for one major works with every library of that major whose minor is not smaller.
 */
#define ARMORIQ_ABI_VERSION 1

/**
 * Called for each line that the library logs, on whatever thread logs it, several at once. level is 1 (error),
 * 2 (warning), 3 (info), 4 (debug) or 5 (trace); target names the part of the library. The texts are valid during
 * the call only and hold no secret. Do not unwind out of it (no C++ exception, no longjmp). It may call any function
 * of the library; what that logs is left out while the logger runs.
 */
typedef void (*armoriq_log_fn)(void *user_data,
                               int32_t level,
                               const char *target,
                               const char *message);

/**
 * The library's version: `"0.1.0"`. The text is static: never free it.
 *
 * Thread-safe; never blocks; cannot fail.
 */
const char *armoriq_version(void);

/**
 * The library's own ARMORIQ_ABI_VERSION, to compare with that of the header.
 *
 * There is no need to: armoriq_client_new compares them. Thread-safe; never blocks; cannot fail.
 */
uint32_t armoriq_abi_version(void);

/**
 * The name of a status, for logs and messages: `"ARMORIQ_OK"`, `"ARMORIQ_ERR_TIMEOUT"`. A number that the library
 * does not know gives `"ARMORIQ_ERR_UNKNOWN"`. The text is static: never free it.
 *
 * Thread-safe; never blocks; cannot fail.
 */
const char *armoriq_status_name(armoriq_status status);

/**
 * Frees a text that the library returned through a `char **`. NULL is fine. Free each one once.
 *
 * Thread-safe; never blocks.
 */
void armoriq_string_free(char *text);

/**
 * Installs a logger, or removes it. The library is silent until then, and never prints anything itself.
 *
 * max_level: the most detailed level wanted, 1 (errors only) to 5 (trace). logger: NULL removes the logger,
 * whatever the level; when the call returns, no call of the old one is in flight on another thread. user_data is
 * handed to each call and must stay valid until then. json: JSON null, or the error object; may be NULL.
 *
 * Thread-safe; blocks while calls of an old logger run.
 *
 * Errors:
 * ARMORIQ_ERR_INVALID_ARGUMENT: max_level is not from 1 to 5, and there is a logger.
 */
ARMORIQ_MUST_USE
armoriq_status armoriq_set_logger(int32_t max_level,
                                  armoriq_log_fn logger,
                                  void *user_data,
                                  char **json);

/* ------------------------------------------------------------------------------------------------
 * Client
 *
 * Make one client per process and API key. It owns the connections and caches that everything made from it shares.
 */

/**
 * Makes a client.
 *
 * abi_version: always ARMORIQ_ABI_VERSION. options: a JSON object, or NULL for what the environment says. All
 * members are optional; unknown ones are refused.
 *
 *     member                          type, default                                           environment
 *     api_key                         text                                                    ARMORIQ_API_KEY, else the saved profile
 *     backend_endpoint                URL, by use_production                                  ARMORIQ_BACKEND_URL, BACKEND_ENDPOINT
 *     proxy_endpoint, iap_endpoint    URL, the backend's own                                  PROXY_ENDPOINT, IAP_ENDPOINT
 *     proxy_endpoints                 {server: URL}                                           {SERVER}_PROXY_URL
 *     use_production                  true; false is a local control plane                    ARMORIQ_ENV
 *     agent_id, user_id, context_id   text                                                    AGENT_ID, USER_ID, CONTEXT_ID
 *     timeout_ms                      1 to 86400000, 30000: the longest time for one request
 *     max_retries                     0 to 100, 3: where a request may be sent again
 *     verify_ssl                      true
 *     ca_certificates                 path of a PEM file with further roots                   SSL_CERT_FILE
 *     client_certificate, client_key  paths of PEM files
 *     mcp_credentials                 {server: {"authType": "bearer", "token": ...}}          ARMORIQ_MCP_CREDENTIALS
 *     iap_public_key                  text or JWK: the key that tokens are verified with      ARMORIQ_IAP_PUBLIC_KEY
 *     user_context_ttl_seconds        0 to 86400, 300: how long users are remembered
 *     require_policy                  false; true blocks agents that have no policy
 *     product                         text: which saved profile                               ARMORIQ_PRODUCT
 *     observability, audit            objects, accepted for later
 *
 * A request is sent again after 1, 2, and then each 4 s; later, up to 30 s, where the service asks for it.
 *
 * In a URL the name of a host that is not ASCII is written in punycode. The environment's HTTPS_PROXY, HTTP_PROXY,
 * ALL_PROXY and NO_PROXY hold; a proxy there that is neither http nor https fails the requests that are for it.
 *
 * client receives the handle and must not be NULL. json: JSON null, or the error object; may be NULL.
 *
 * Never blocks on the network. Thread-safe.
 *
 * Errors:
 * ARMORIQ_ERR_ABI_MISMATCH, ARMORIQ_ERR_INVALID_ARGUMENT (bad JSON, an unknown option, a wrong type),
 * ARMORIQ_ERR_CONFIGURATION (no API key or one of the wrong form, an endpoint that is no URL, a file or a key that
 * cannot be read).
 *
 *     armoriq_client *client = NULL;
 *     char *json = NULL;
 *     if (armoriq_client_new(ARMORIQ_ABI_VERSION, "{\"agent_id\": \"sales-bot\"}", &client, &json) != ARMORIQ_OK)
 *         fprintf(stderr, "%s\n", json);
 *     armoriq_string_free(json);
 */
ARMORIQ_MUST_USE
armoriq_status armoriq_client_new(uint32_t abi_version,
                                  const char *options,
                                  armoriq_client **client,
                                  char **json);

/**
 * Makes a client from an armoriq.yaml file.
 *
 * path: the file's path; NULL means armoriq.yaml in the current directory. Else as armoriq_client_new. Of the
 * file, identity, environment and proxy are used; a key such as `$ARMORIQ_API_KEY` is read from the
 * environment. Reads the file; never blocks on the network. Thread-safe.
 *
 * Errors:
 * ARMORIQ_ERR_CONFIGURATION: no such file, malformed YAML (with line and column), an unknown or missing key (by
 * name). No message shows a value of the file.
 */
ARMORIQ_MUST_USE
armoriq_status armoriq_client_from_config(uint32_t abi_version,
                                          const char *path,
                                          armoriq_client **client,
                                          char **json);

/**
 * Replaces the API key. Every request that starts after the call returned uses the new one.
 *
 * Never blocks. Thread-safe.
 *
 * Errors:
 * ARMORIQ_ERR_CONFIGURATION (not an ArmorIQ key), ARMORIQ_ERR_INVALID_ARGUMENT, ARMORIQ_ERR_CLOSED; the old one
 * stays.
 */
ARMORIQ_MUST_USE
armoriq_status armoriq_client_set_api_key(armoriq_client *client,
                                          const char *api_key,
                                          char **json);

/**
 * Tells what the client was set up with: backend, iap, proxy (null when unset), user_id, agent_id,
 * context_id, timeout_ms, max_retries, version. No secret is in it.
 *
 * Never blocks. Thread-safe. Works after armoriq_client_close too.
 */
ARMORIQ_MUST_USE
armoriq_status armoriq_client_info(armoriq_client *client,
                                   char **json);

/**
 * Closes a client before the program ends: new calls are refused with ARMORIQ_ERR_CLOSED, those that run may end.
 *
 * timeout_ms: how long to wait for them, the submitted ones included; 0 does not wait. json: `{"pending": n}`, how
 * many still ran when the time was over. The submitted ones among these are cancelled, and complete with
 * ARMORIQ_ERR_CLOSED before the function returns; a blocking one ends by its own time limit. Blocks for up to
 * timeout_ms. Thread-safe. Handles stay valid until they are freed, and completions wait in their queues.
 */
ARMORIQ_MUST_USE
armoriq_status armoriq_client_close(armoriq_client *client,
                                    uint32_t timeout_ms,
                                    char **json);

/**
 * Frees a client. NULL and a handle that was freed before are no-ops. Scopes and sessions made from it go on working,
 * and so do calls that run on other threads and those that were submitted.
 *
 * Thread-safe.
 */
void armoriq_client_free(armoriq_client *client);

/* ------------------------------------------------------------------------------------------------
 * User scope
 *
 * One key, one email per request: everything in a scope is done in its user's name.
 */

/**
 * Opens the scope of one end user, in which every call is that user's. It costs next to nothing: make one per
 * request.
 *
 * email: the user's; it is trimmed and lower-cased. user receives the handle and must not be NULL; free it with
 * armoriq_user_scope_free. json: JSON null, or the error object; may be NULL. Never blocks. Thread-safe.
 *
 * Errors:
 * ARMORIQ_ERR_INVALID_ARGUMENT (NULL, not UTF-8, empty), ARMORIQ_ERR_CLOSED.
 */
ARMORIQ_MUST_USE
armoriq_status armoriq_for_user(armoriq_client *client,
                                const char *email,
                                armoriq_user_scope **user,
                                char **json);

/**
 * Asks the service who the user is.
 *
 * json: the user's membership and policies as the service tells them, or the error object. The answer is
 * remembered for the client's user_context_ttl_seconds. Blocks for up to the client's timeout_ms. Thread-safe.
 *
 * Errors:
 * ARMORIQ_ERR_CONFIGURATION (the service refused), ARMORIQ_ERR_SERVICE, ARMORIQ_ERR_TIMEOUT,
 * ARMORIQ_ERR_CLOSED.
 */
ARMORIQ_MUST_USE
armoriq_status armoriq_user_resolve(armoriq_user_scope *user,
                                    char **json);

/**
 * Frees a scope. NULL and a handle that was freed before are no-ops. Sessions made from it go on working.
 *
 * Thread-safe.
 */
void armoriq_user_scope_free(armoriq_user_scope *user);

/* ------------------------------------------------------------------------------------------------
 * Session
 *
 * One turn of an agent: it declares the tool calls that it plans, gets a signed intent token for them, and asks
 * before each call. Start one per turn; a check of it takes no lock and may be made from any thread.
 */

/**
 * Starts a session of the user's.
 *
 * options: a JSON object, or NULL. All members are optional; unknown ones are refused.
 *
 *     member                 type, default
 *     mode                   "local" (decide in this process, by the policy of the client's agent_id), "sdk" (ask the backend), "proxy" (ask the proxy); "local"
 *     default_mcp_name       text: the server of tool names that name none
 *     validity_seconds       3600: how long the intent token is to be valid
 *     session_id             a UUID; a random one
 *     context_id             text: the client's
 *     llm                    "agent": the language model's name
 *     observability_enabled  true
 *
 * session receives the handle and must not be NULL; free it with armoriq_session_free. json: JSON null, or
 * the error object; may be NULL. Never blocks. Thread-safe.
 *
 * Errors:
 * ARMORIQ_ERR_INVALID_ARGUMENT (bad JSON, an unknown option or mode, a session_id that is no UUID),
 * ARMORIQ_ERR_CLOSED.
 */
ARMORIQ_MUST_USE
armoriq_status armoriq_user_start_session(armoriq_user_scope *user,
                                          const char *options,
                                          armoriq_session **session,
                                          char **json);

/**
 * Starts a session that belongs to no user. Most programs want armoriq_user_start_session instead.
 *
 * options: as there. session receives the handle and must not be NULL. Never blocks. Thread-safe.
 *
 * Errors:
 * ARMORIQ_ERR_INVALID_ARGUMENT, ARMORIQ_ERR_CLOSED.
 */
ARMORIQ_MUST_USE
armoriq_status armoriq_client_start_session(armoriq_client *client,
                                            const char *options,
                                            armoriq_session **session,
                                            char **json);

/**
 * What a check decided: ARMORIQ_BLOCK, ARMORIQ_ALLOW or ARMORIQ_HOLD. Make the call only on ARMORIQ_ALLOW;
 * treat a value that you do not know as a block. Zeroed memory blocks.
 */
typedef int32_t armoriq_verdict;

/** The call must not be made. */
#define ARMORIQ_BLOCK 0
/** The call may be made. */
#define ARMORIQ_ALLOW 1
/** The call must not be made before a person approved it; see armoriq_session_await_approval. */
#define ARMORIQ_HOLD 2

/**
 * Declares the tool calls of this turn and gets an intent token for them.
 *
 * tool_calls: a JSON list, not empty. Each entry is `{"name": "server__tool", "args": {...}}` or
 * `{"action": "tool", "mcp": "server", "params": {...}}`; an id is accepted. goal: text, may be NULL.
 * json: the intent token as a JSON object, or the error object. Only tools of the plan pass a check.
 *
 * A plan that grew is put under the token at hand; one that did not change costs nothing; an expired token is
 * replaced. On failure the plan that was in force stays in force. Blocks as armoriq_client_get_intent_token or
 * armoriq_client_reanchor does, and in local mode for the policy, too. Thread-safe.
 *
 * Errors:
 * ARMORIQ_ERR_INVALID_ARGUMENT (bad JSON, no tool calls, a malformed name), ARMORIQ_ERR_POLICY_BLOCKED,
 * ARMORIQ_ERR_INVALID_TOKEN, ARMORIQ_ERR_TOKEN_REVOKED (the one of a plan that grew),
 * ARMORIQ_ERR_INTENT_REANCHOR, ARMORIQ_ERR_SERVICE, ARMORIQ_ERR_TIMEOUT, ARMORIQ_ERR_CLOSED.
 */
ARMORIQ_MUST_USE
armoriq_status armoriq_session_start_plan(armoriq_session *session,
                                          const char *tool_calls,
                                          const char *goal,
                                          char **json);

/**
 * Asks whether a call may be made.
 *
 * tool: the tool's name as the language model wrote it. args: its arguments, a JSON object, or NULL for none;
 * they are forwarded byte for byte. options: a JSON object, or NULL: user_email (whose call it is, if not the
 * session's user's), timeout_ms (for all that the check does), traceparent.
 *
 * verdict: ARMORIQ_ALLOW only when the call was clearly allowed; may be NULL. json: the decision, or the error
 * object; may be NULL. Every decision is ARMORIQ_OK, the blocking ones included: an outage, a timeout or an
 * answer that makes no sense is a block. On any other status the verdict is ARMORIQ_BLOCK.
 *
 * The decision: allowed, action ("allow", "block", "hold"), reason, delegation_id, matched_policy,
 * policy_id, policy_version, rule_id, obligations, and
 *
 * - cause: whose fault a refusal is; null when allowed. "policy" (a rule), "plan" (not planned), "token" (expired
 *   or forged), "approval" (a person must approve), "unavailable" (the service), "stale" (the policy is too old),
 *   "config" (the set-up), "invalid" (an answer or a policy that makes no sense).
 * - for_model: a text that a program may give its language model as the tool's result; null when allowed.
 *
 * In local mode it decides in this process and does not block; in the other modes it asks the service, for 10 s at
 * the most. Thread-safe.
 *
 * Errors:
 * ARMORIQ_ERR_INVALID_ARGUMENT (bad JSON, arguments that are no object, an unknown option),
 * ARMORIQ_ERR_INVALID_HANDLE, ARMORIQ_ERR_CLOSED, ARMORIQ_ERR_INTERNAL.
 *
 *     armoriq_verdict verdict;
 *     char *decision;
 *     if (armoriq_session_check(session, "bank__pay", "{\"amount\": 20}", NULL, &verdict, &decision) == ARMORIQ_OK
 *         && verdict == ARMORIQ_ALLOW)
 *         pay(20);
 *     armoriq_string_free(decision);
 */
ARMORIQ_MUST_USE
armoriq_status armoriq_session_check(armoriq_session *session,
                                     const char *tool,
                                     const char *args,
                                     const char *options,
                                     armoriq_verdict *verdict,
                                     char **json);

/**
 * Asks about several calls at once, such as a model emits in one turn.
 *
 * calls: a JSON list of 1 to 1,000 `{"tool": name, "args": {...}}`; args may be left out. options: as of
 * armoriq_session_check, for all of the calls together; timeout_ms is for all that the batch does.
 *
 * strictest: the strictest of the verdicts, ARMORIQ_BLOCK before ARMORIQ_HOLD before ARMORIQ_ALLOW; may be NULL.
 * json: the decisions as a JSON list, in the order of the calls, each as armoriq_session_check would give it; or
 * the error object; may be NULL. Every decision is ARMORIQ_OK.
 *
 * In local mode it decides in this process and does not block, and costs less than so many checks; in the other modes
 * it asks about up to eight calls at a time, for 10 s at the most in all. Thread-safe.
 *
 * Errors:
 * ARMORIQ_ERR_INVALID_ARGUMENT (bad JSON, no or too many calls, a call without a tool, arguments that are no object,
 * an unknown member or option; then nothing was decided), ARMORIQ_ERR_INVALID_HANDLE, ARMORIQ_ERR_CLOSED,
 * ARMORIQ_ERR_INTERNAL.
 */
ARMORIQ_MUST_USE
armoriq_status armoriq_session_check_batch(armoriq_session *session,
                                           const char *calls,
                                           const char *options,
                                           armoriq_verdict *strictest,
                                           char **json);

/**
 * Tells which tools the session's user may ever use, before the agent's model sees them.
 *
 * tools: a JSON list of tool names, or of tool definitions as MCP, OpenAI or Anthropic write them. json: the tools'
 * names by what the policy says about their calls, whatever the arguments, or the error object; may be NULL:
 *
 *     member   what is proven about its tools
 *     always   every call is allowed
 *     depends  nothing: {"tool", "paths"}; the arguments at these paths ("amount", "items.0.id") decide
 *     hold     no call is allowed, but some are held for an approval (local mode blocks them)
 *     never    no call is allowed or held
 *     unknown  nothing, because the policy is not at hand or does not know the agent
 *
 * Names are sorted, and the same question gets the same bytes. The answer is about this moment: a rule that expires
 * later still counts. It is about the policy alone: a check also needs a plan that has the tool, and in the modes
 * "sdk" and "proxy" the service decides. Asks the service for the policy where it is not at hand, for 10 s at the
 * most, and does not block otherwise. Thread-safe.
 *
 * Errors:
 * ARMORIQ_ERR_INVALID_ARGUMENT (bad JSON, something in the list that is no tool), ARMORIQ_ERR_CLOSED.
 */
ARMORIQ_MUST_USE
armoriq_status armoriq_session_tools(armoriq_session *session,
                                     const char *tools,
                                     char **json);

/**
 * Reports what became of a call, for the audit trail.
 *
 * tool, args: as in the check. result: the tool's result as JSON, may be NULL. Neither arguments nor results
 * are sent. options: a JSON object, or NULL, with the official SDK's ReportOptions by their names: status
 * ("success", "failed", "error"), error_message, duration_ms, is_delegated, delegated_by, delegated_to and
 * the others. json: `{"delivered": true}`, or `{"delivered": false, "reason": ...}` when the service did not take
 * it, or the error object. Blocks for 5 s at the most. Thread-safe.
 *
 * Errors:
 * ARMORIQ_ERR_INVALID_ARGUMENT, ARMORIQ_ERR_CLOSED.
 */
ARMORIQ_MUST_USE
armoriq_status armoriq_session_report(armoriq_session *session,
                                      const char *tool,
                                      const char *args,
                                      const char *result,
                                      const char *options,
                                      char **json);

/**
 * Has the proxy make a call of the plan.
 *
 * tool, args: as in the check; the arguments are forwarded byte for byte. options: a JSON object, or NULL:
 * user_email (whose call it is, if not the session's user's), timeout_ms (the client's holds where it is smaller).
 * json: the tool's result as it is, also where it says that the tool failed; or the error object. A tool that the plan
 * does not have is refused before anything is sent. A call that failed without an answer, or with
 * ARMORIQ_ERR_TIMEOUT, may have been made. Blocks for up to the client's timeout_ms. Thread-safe.
 *
 * Errors:
 * ARMORIQ_ERR_INVALID_STATE (no plan yet), ARMORIQ_ERR_INTENT_MISMATCH (the plan does not have the tool, or it is on
 * two servers), ARMORIQ_ERR_INVALID_ARGUMENT, and those of armoriq_client_invoke.
 */
ARMORIQ_MUST_USE
armoriq_status armoriq_session_dispatch(armoriq_session *session,
                                        const char *tool,
                                        const char *args,
                                        const char *options,
                                        char **json);

/**
 * Waits for a person's approval of a held call. An approval that was given is marked as used: it counts once. Of those
 * who wait for the same one, one gets "approved" and the others ARMORIQ_ERR_DELEGATION.
 *
 * delegation_id: from the decision. options: a JSON object, or NULL: timeout_ms (300000), interval_ms (5000,
 * how often to look), user_email (needed where the session has no user: without one an approval that came is not
 * marked as used, and the wait ends with ARMORIQ_ERR_INVALID_ARGUMENT). json:
 * `{"status": "approved" | "rejected" | "expired" | "timeout"}`, or the error object. Make the call only on
 * "approved"; "timeout" may also be a service that does not answer. Looks at once, then blocks for up to
 * timeout_ms, and for 2 s more where an approval came at the last moment. Those who wait for the same one share
 * their requests. Thread-safe.
 *
 * Errors:
 * ARMORIQ_ERR_INVALID_ARGUMENT, ARMORIQ_ERR_DELEGATION (the service refused, or the approval was used before),
 * ARMORIQ_ERR_SERVICE, ARMORIQ_ERR_TIMEOUT, ARMORIQ_ERR_CLOSED.
 */
ARMORIQ_MUST_USE
armoriq_status armoriq_session_await_approval(armoriq_session *session,
                                              const char *delegation_id,
                                              const char *options,
                                              char **json);

/** Forgets the plan and its token; the session can start a new plan. json: JSON null. Never blocks. Thread-safe. */
ARMORIQ_MUST_USE
armoriq_status armoriq_session_reset(armoriq_session *session,
                                     char **json);

/**
 * Tells where the session stands: session_id, mode, user_email, last_plan_start ("minted", "reanchored",
 * "unchanged"), current_token; each null when there is none. The token is a secret: do not log it. Never blocks.
 * Thread-safe. Works after armoriq_client_close too.
 */
ARMORIQ_MUST_USE
armoriq_status armoriq_session_info(armoriq_session *session,
                                    char **json);

/**
 * Frees a session. NULL and a handle that was freed before are no-ops. Calls that run on other threads end normally.
 *
 * Thread-safe.
 */
void armoriq_session_free(armoriq_session *session);

/* ------------------------------------------------------------------------------------------------
 * Policy
 *
 * The evaluator that local mode decides with, as a pure function: no client, no network, no clock.
 */

/**
 * Evaluates a call against policy documents.
 *
 * call: a JSON object with tool, arguments, timestamp (ISO 8601), and optionally schemaHash,
 * capabilities, member, derived. documents: a JSON object with agent, group and floor, each an
 * armor.policy.v2 document and each optional, one of them there. json: verdict ("allow", "hold", "block"),
 * floorVerdict, approval, obligations, provenance; or the error object. Never blocks. Thread-safe.
 *
 * Always give a timestamp: without one, or with one that is no text, every expiry has passed, also that of a rule that
 * blocks. Unknown members of call are passed over.
 *
 * Errors:
 * ARMORIQ_ERR_INVALID_ARGUMENT: bad JSON, or what cannot be evaluated, the message then starting with
 * `NotPortable: ` (a regular expression outside the portable subset), `UnsupportedTime: `, `NoDocument: ` or
 * `NotEvaluable: ` (an unknown operator, a malformed document). Treat every error as a block.
 */
ARMORIQ_MUST_USE
armoriq_status armoriq_policy_evaluate(const char *call,
                                       const char *documents,
                                       char **json);

/**
 * Evaluates a call like armoriq_policy_evaluate, and says how the verdict came about.
 *
 * call, documents: as there. json: evaluation, which is what armoriq_policy_evaluate gives; layers, the
 * documents that were looked at, in order, each with document ("floor", "agent", "group"), policyId, state
 * ("live", "expired"), expiresAt, member (null without a member; else selectedBy, subject, why) and scopes;
 * floor (null; or verdict, rest, decides, why) and default (null; or document, verdict, why). A scope
 * has subject, keys that fit the tool (key, won, why), variants and capabilities, decision (null; or
 * by, path, statementId, effect) and why. A variant has path, statementId, effect, outcome ("holds",
 * "fails", "expired", "not-tried") and conditions: path, field, op, value, holds, present, and in saw
 * the value of the field, left out where the call has no such field; of a value above 200 characters saw is the
 * beginning of its text, and cut is true. Never blocks. Thread-safe.
 *
 * Errors:
 * As armoriq_policy_evaluate; the message then also names the condition that could not be evaluated.
 */
ARMORIQ_MUST_USE
armoriq_status armoriq_policy_explain(const char *call,
                                      const char *documents,
                                      char **json);

/**
 * Checks policy documents for what cannot be evaluated, can never happen, or does not mean what it seems to.
 *
 * documents: as in armoriq_policy_evaluate. tools: a JSON list of the tools that the policy is for, as names or
 * as MCP, OpenAI or Anthropic definitions with their input schemas; NULL checks the documents alone. json: a list of
 * problems in the order of their places, empty where there are none: path (such as
 * `agent.statements[3].conditions[0].value`), code (a stable word such as `never-holds`), severity ("error": calls
 * are refused because of it; "warning"; "hint": it may well be meant), message, and for some suggestion and more.
 * Expiries are compared with the machine's clock. Never blocks. Thread-safe.
 *
 * Errors:
 * ARMORIQ_ERR_INVALID_ARGUMENT: bad JSON, documents that are not an object, tools that are not a list. A policy that
 * is wrong is no error: it is a list of problems.
 */
ARMORIQ_MUST_USE
armoriq_status armoriq_policy_check(const char *documents,
                                    const char *tools,
                                    char **json);

/* ------------------------------------------------------------------------------------------------
 * Client methods: calls
 *
 * The proxy decides about a call and makes it. A session does the same with armoriq_session_dispatch, and refuses
 * what its plan does not have.
 */

/**
 * Calls a tool through the proxy, under an intent token.
 *
 * params: a JSON object; unknown members are refused.
 *
 *     member        type, default
 *     mcp           text: the server
 *     action        text: the tool
 *     intent_token  the object that armoriq_session_start_plan or armoriq_client_get_intent_token gave
 *     params        the tool's arguments, an object; `{}`. Forwarded byte for byte
 *     user_email    text: whose call it is; nobody's
 *     timeout_ms    1 to 86400000; the client's holds where it is smaller
 *
 * json: mcp, action, result (the tool's own, as it is), status ("success", or "error" where the result says
 * that the tool failed), execution_time (seconds), verified (true), metadata {hasToolError}; or the error object.
 * A call that failed without an answer, or with ARMORIQ_ERR_TIMEOUT, may have been made. Blocks for up to the client's
 * timeout_ms. Thread-safe.
 *
 * Errors:
 * ARMORIQ_ERR_INVALID_ARGUMENT, ARMORIQ_ERR_CONFIGURATION (no proxy is set), ARMORIQ_ERR_TOKEN_EXPIRED (nothing is
 * sent then), ARMORIQ_ERR_TOKEN_REVOKED, ARMORIQ_ERR_INVALID_TOKEN, ARMORIQ_ERR_POLICY_BLOCKED,
 * ARMORIQ_ERR_POLICY_HOLD, ARMORIQ_ERR_INTENT_MISMATCH, ARMORIQ_ERR_MCP_INVOCATION (the server's error, or an answer
 * that cannot be read), ARMORIQ_ERR_SERVICE, ARMORIQ_ERR_TIMEOUT, ARMORIQ_ERR_CLOSED.
 */
ARMORIQ_MUST_USE
armoriq_status armoriq_client_invoke(armoriq_client *client,
                                     const char *params,
                                     char **json);

/**
 * Calls a tool as armoriq_client_invoke does, tells the proxy which amount it moves, and can wait for a person's
 * approval of a held call.
 *
 * params: mcp, action, intent_token and params as there. The library adds _policy_context to the arguments
 * and, for an approved call, _delegation_id and _approvals; the caller's own arguments must not have these. And
 * options, an object:
 *
 *     member                 type, default
 *     wait_for_approval      false: a held call is ARMORIQ_ERR_POLICY_HOLD. true, with a user_email: it asks for an approval, waits for it and then makes the call
 *     delegation_timeout_ms  1800000: how long to wait for the approval
 *     user_email             text: whose call it is, and who asks for the approval
 *     requester_role         text: the user's role; what the service says
 *     requester_limit        0: what the user may decide alone; used with requester_role
 *
 * json: as for armoriq_client_invoke, or the error object. Where the approved call was made but its approval could
 * not be marked as used, the result is there all the same, and metadata has a warning. The log tells of the hold and
 * the delegation's id, at level 3. Blocks for up to delegation_timeout_ms and some requests of up to the client's
 * timeout_ms. Thread-safe.
 *
 * Errors:
 * Those of armoriq_client_invoke, and ARMORIQ_ERR_DELEGATION: the approval was refused, expired, was used before or
 * did not come in time. ARMORIQ_ERR_POLICY_HOLD has delegationError in its metadata where none could be asked for.
 */
ARMORIQ_MUST_USE
armoriq_status armoriq_client_invoke_with_policy(armoriq_client *client,
                                                 const char *params,
                                                 char **json);

/* ------------------------------------------------------------------------------------------------
 * Client methods: intent tokens
 *
 * What a session does by itself, for programs that keep their own plans: mint a token, and look at one. A token
 * travels as the JSON object that this, or armoriq_session_start_plan, gave; pass it on as it is.
 */

/**
 * Mints an intent token for a plan, without a session.
 *
 * params: a JSON object:
 *
 *     member                 type, default
 *     plan                   required object: {"goal", "steps": [{"action", "mcp", "params"}]}, sent as it is
 *     policy                 object, null: a policy to send along
 *     validity_seconds       positive number, 60.0: how long the token is to live; sent as written
 *     user_email             text: whose plan it is; without it the client's user_id
 *     llm, prompt, metadata  text, text, object: accepted for the official SDK's sake, and not sent
 *
 * json: the token, or the error object: token_id, plan_hash, plan_id (or null), signature, issued_at and
 * expires_at (Unix seconds), policy, composite_identity, client_info, policy_validation, policy_snapshot,
 * step_proofs, total_steps, raw_token (what the service signed, with the plan), jwt_token,
 * subtree_delegation (null). It is a secret: whoever has it may act on the plan.
 *
 * Blocks for up to 30 s an attempt (or the client's timeout_ms, where that is less), with up to max_retries
 * further attempts. One idempotency key is sent with all of them. Thread-safe.
 *
 * Errors:
 * ARMORIQ_ERR_INVALID_ARGUMENT (an unknown, missing or mistyped parameter), ARMORIQ_ERR_POLICY_BLOCKED (the policy
 * refuses the plan: reason, enforcement_action, metadata), ARMORIQ_ERR_INVALID_TOKEN (no token was issued),
 * ARMORIQ_ERR_SERVICE, ARMORIQ_ERR_TIMEOUT (no answer), ARMORIQ_ERR_CLOSED.
 *
 *     const char *params = "{\"plan\": {\"goal\": \"g\", \"steps\": ["
 *                          "{\"action\": \"pay\", \"mcp\": \"bank\", \"params\": {}}]}}";
 *     if (armoriq_client_get_intent_token(client, params, &json) != ARMORIQ_OK)
 *         fprintf(stderr, "%s\n", json);
 *     armoriq_string_free(json);
 */
ARMORIQ_MUST_USE
armoriq_status armoriq_client_get_intent_token(armoriq_client *client,
                                               const char *params,
                                               char **json);

/**
 * Tells whether an intent token is whole: not expired, and unchanged since it was signed.
 *
 * params: a JSON object: intent_token, required. json: true or false, or the error object. The signature is
 * verified with the key inside the token, so that true does not say who issued it; local mode verifies that by itself,
 * with the IAP's key. Never blocks. Thread-safe.
 *
 * Errors:
 * ARMORIQ_ERR_INVALID_ARGUMENT (no intent_token, or an object that is none), ARMORIQ_ERR_CLOSED.
 */
ARMORIQ_MUST_USE
armoriq_status armoriq_client_verify_token(armoriq_client *client,
                                           const char *params,
                                           char **json);

/* ------------------------------------------------------------------------------------------------
 * Client methods: trust
 *
 * What may be done with an intent token besides showing it: hand it on, or a part of it, revoke it, put another plan
 * under it; and ask about a plan before there is a token. An intent_token is the JSON object that
 * armoriq_client_get_intent_token or armoriq_session_start_plan gave.
 */

/**
 * Hands an intent token on to another agent: the service makes one for the holder of that agent's key.
 *
 * params: a JSON object:
 *
 *     member               type, default
 *     intent_token         required: the token to hand on
 *     delegate_public_key  required text: the delegate's Ed25519 key in hex
 *     validity_seconds     positive number, 3600
 *     allowed_actions      list of texts, not empty: only these actions; without it all that the token has
 *     target_agent         text: the delegate's agent id
 *     subtask              object: what the delegate is to do
 *
 * json: delegation_id, delegated_token (a token of its own), delegate_public_key, target_agent (or null),
 * expires_at (Unix seconds), trust_delta, status ("delegated"), metadata; or the error object. Where the
 * service says nothing of an expiry the delegated token counts as expired.
 *
 * Blocks for up to 10 s (or the client's timeout_ms, where that is less); it is tried once. Thread-safe.
 *
 * Errors:
 * ARMORIQ_ERR_INVALID_ARGUMENT (an unknown, missing or mistyped parameter), ARMORIQ_ERR_DELEGATION (refused, or no
 * token in the answer: status_code, target_agent), ARMORIQ_ERR_TOKEN_REVOKED, ARMORIQ_ERR_SERVICE,
 * ARMORIQ_ERR_TIMEOUT (no answer), ARMORIQ_ERR_CLOSED.
 */
ARMORIQ_MUST_USE
armoriq_status armoriq_client_delegate(armoriq_client *client,
                                       const char *params,
                                       char **json);

/**
 * Hands on the part of an intent token that is about one part of its plan, with a proof that the part belongs to the
 * whole.
 *
 * params: a JSON object:
 *
 *     member               type, default
 *     intent_token         required: the token to hand a part of on
 *     delegate_public_key  required text: the delegate's Ed25519 key in hex
 *     subtree_path         required text: the part, such as "/steps/[0]"
 *     validity_seconds     positive number, 3600
 *     parent_plan          object: the whole plan, where the service does not have it
 *     plan_id              text: the token's own
 *     intent_reference     text
 *     target_agent         text: named in errors, not sent
 *
 * json: trust_id, delta (the service's record), inclusion_proof (a list), subtree_root (a hash),
 * delegated_token; or the error object. The delegated token is the given one with subtree_delegation:
 * subtree_path, subtree_root, parent_plan_hash, inclusion_proof, parent_token_id.
 *
 * Blocks for up to 10 s an attempt (or the client's timeout_ms, where that is less), with up to max_retries
 * further attempts. Thread-safe.
 *
 * Errors:
 * ARMORIQ_ERR_INVALID_ARGUMENT (an unknown, missing or mistyped parameter), ARMORIQ_ERR_DELEGATION (refused:
 * status_code, target_agent), ARMORIQ_ERR_TOKEN_REVOKED, ARMORIQ_ERR_SERVICE, ARMORIQ_ERR_TIMEOUT (no
 * answer), ARMORIQ_ERR_CLOSED.
 */
ARMORIQ_MUST_USE
armoriq_status armoriq_client_delegate_subtree(armoriq_client *client,
                                               const char *params,
                                               char **json);

/**
 * Revokes an intent token: the service blocks every later call that shows it.
 *
 * params: a JSON object: intent_token and reason (text), required; cascade (true: also what was delegated from
 * it), plan_id (text, the token's own), intent_reference (text). json: the service's answer as it is, such as
 * trustId, delta, cascadedRevocations; or the error object. Local mode does not ask the service and learns of it
 * only when the token expires.
 *
 * Blocks for up to 10 s an attempt (or the client's timeout_ms, where that is less), with up to max_retries
 * further attempts. Thread-safe.
 *
 * Errors:
 * ARMORIQ_ERR_INVALID_ARGUMENT (an unknown, missing or mistyped parameter), ARMORIQ_ERR_DELEGATION (refused:
 * status_code), ARMORIQ_ERR_TOKEN_REVOKED, ARMORIQ_ERR_SERVICE, ARMORIQ_ERR_TIMEOUT (no answer),
 * ARMORIQ_ERR_CLOSED.
 */
ARMORIQ_MUST_USE
armoriq_status armoriq_client_revoke(armoriq_client *client,
                                     const char *params,
                                     char **json);

/**
 * Puts another plan under an intent token, as armoriq_session_start_plan does when a plan has grown.
 *
 * params: a JSON object: intent_token and updated_plan (an object), required; reason (text), plan_id (text,
 * the token's own), intent_reference (text). json: the service's answer as it is, such as trustId, delta; or
 * the error object. The token stays the same.
 *
 * Blocks for up to 10 s an attempt (or the client's timeout_ms, where that is less), with up to max_retries
 * further attempts. Thread-safe.
 *
 * Errors:
 * ARMORIQ_ERR_INVALID_ARGUMENT (an unknown, missing or mistyped parameter), ARMORIQ_ERR_INTENT_REANCHOR (refused:
 * status_code, plan_id, reason, such as "intent_plan_expired" or "reanchor_chain_limit": then mint anew),
 * ARMORIQ_ERR_TOKEN_REVOKED, ARMORIQ_ERR_SERVICE, ARMORIQ_ERR_TIMEOUT (no answer), ARMORIQ_ERR_CLOSED.
 */
ARMORIQ_MUST_USE
armoriq_status armoriq_client_reanchor(armoriq_client *client,
                                       const char *params,
                                       char **json);

/**
 * Asks the service what it thinks of a request and the tool calls that a model made of it, before there is a plan.
 *
 * params: a JSON object, or NULL: agent_id (text), user_prompt (text), tool_calls (a list),
 * authority_snapshot (any JSON). What is left out is sent as null. json: decision (text, the service's own word:
 * go ahead only on one that you know), intent_id (or null), violations, offending_interfaces, predicate_fails
 * (lists), meta (object); or the error object.
 *
 * Blocks for up to 30 s (or the client's timeout_ms, where that is less); it is tried once. Thread-safe.
 *
 * Errors:
 * ARMORIQ_ERR_INVALID_ARGUMENT (an unknown, missing or mistyped parameter), ARMORIQ_ERR_SERVICE (no answer, or
 * none with a decision: treat it as a refusal), ARMORIQ_ERR_TIMEOUT, ARMORIQ_ERR_CLOSED.
 */
ARMORIQ_MUST_USE
armoriq_status armoriq_client_refine(armoriq_client *client,
                                     const char *params,
                                     char **json);

/* ------------------------------------------------------------------------------------------------
 * Client methods: approvals and plans
 *
 * What a session does by itself when a call is held, for programs that do it in their own way; and what the service is
 * told of a plan.
 */

/**
 * Asks for a person's approval of a call.
 *
 * params: a JSON object:
 *
 *     member                                  type, default
 *     tool, action                            required texts: the tool, and what it is to do
 *     requester_email                         required text: in whose name
 *     arguments                               object: the call's arguments, forwarded as they are written
 *     amount                                  number that is not negative: what the call is about, in the tool's own unit
 *     requester_role, requester_limit         text, number that is not negative: up to what the requester may decide alone
 *     domain, target_url                      texts: the MCP server, its address
 *     plan_id, intent_reference, merkle_root  texts: from the intent token
 *     reason                                  text: why the call was held
 *
 * What is left out is not sent; the service asks for amount, requester_role and requester_limit. json:
 * delegation_id, status ("pending"), expires_at (ISO 8601, or null); or the error object.
 *
 * Blocks for up to the client's timeout_ms; it is tried once. Thread-safe.
 *
 * Errors:
 * ARMORIQ_ERR_INVALID_ARGUMENT (an unknown, missing or mistyped parameter), ARMORIQ_ERR_DELEGATION (refused),
 * ARMORIQ_ERR_SERVICE, ARMORIQ_ERR_TIMEOUT (no answer), ARMORIQ_ERR_CLOSED.
 */
ARMORIQ_MUST_USE
armoriq_status armoriq_client_create_delegation_request(armoriq_client *client,
                                                        const char *params,
                                                        char **json);

/**
 * Looks for an approval that was given and not used yet.
 *
 * params: a JSON object: user_email, tool (texts) and amount (a number that is not negative), required: those
 * of the request; plan_id (text): the service finds none without it. json: delegation_id, approver_email,
 * approver_role, delegation_token (each null where it is not known), approved (true); JSON null where there is
 * none, which a refusal and an answer that cannot be read also mean; or the error object. Spend it with
 * armoriq_client_mark_delegation_executed before the call is made.
 *
 * Blocks for up to the client's timeout_ms; it is tried once. Thread-safe.
 *
 * Errors:
 * ARMORIQ_ERR_INVALID_ARGUMENT (an unknown, missing or mistyped parameter), ARMORIQ_ERR_SERVICE,
 * ARMORIQ_ERR_TIMEOUT (no answer), ARMORIQ_ERR_CLOSED.
 */
ARMORIQ_MUST_USE
armoriq_status armoriq_client_check_approved_delegation(armoriq_client *client,
                                                        const char *params,
                                                        char **json);

/**
 * Tells where a request for an approval stands.
 *
 * params: a JSON object: delegation_id, required. json: a JSON text: "pending", "approved", "rejected",
 * "expired", or "none" where the service says nothing of it; or the error object. Blocks for up to 10 s (or the
 * client's timeout_ms, where that is less); it is tried once. Thread-safe.
 *
 * Errors:
 * ARMORIQ_ERR_INVALID_ARGUMENT (an unknown, missing or mistyped parameter), ARMORIQ_ERR_DELEGATION (the service
 * cannot tell: delegation_id, status_code), ARMORIQ_ERR_SERVICE, ARMORIQ_ERR_TIMEOUT (no answer),
 * ARMORIQ_ERR_CLOSED.
 */
ARMORIQ_MUST_USE
armoriq_status armoriq_client_get_delegation_status(armoriq_client *client,
                                                    const char *params,
                                                    char **json);

/**
 * Spends an approval, so that it is not used a second time.
 *
 * params: a JSON object: user_email and delegation_id, required texts; plan_id (text). json: JSON null, or
 * the error object. Make the call only after ARMORIQ_OK. Blocks for up to the client's timeout_ms an attempt, with
 * up to max_retries further attempts; they share an idempotency key. Thread-safe.
 *
 * Errors:
 * ARMORIQ_ERR_INVALID_ARGUMENT (an unknown, missing or mistyped parameter), ARMORIQ_ERR_DELEGATION (the service
 * did not accept it as unused: delegation_id, status_code), ARMORIQ_ERR_SERVICE, ARMORIQ_ERR_TIMEOUT (no
 * answer), ARMORIQ_ERR_CLOSED.
 */
ARMORIQ_MUST_USE
armoriq_status armoriq_client_mark_delegation_executed(armoriq_client *client,
                                                       const char *params,
                                                       char **json);

/**
 * Tells the service that a plan was carried out: armoriq_client_update_plan_status with "completed".
 *
 * params: a JSON object: plan_id, required. json and all else are as there.
 *
 * Errors:
 * ARMORIQ_ERR_INVALID_ARGUMENT, ARMORIQ_ERR_CLOSED.
 */
ARMORIQ_MUST_USE
armoriq_status armoriq_client_complete_plan(armoriq_client *client,
                                            const char *params,
                                            char **json);

/**
 * Tells the service what became of a plan.
 *
 * params: a JSON object: plan_id and status, required texts; the service knows "active", "executing",
 * "completed", "failed" and "expired". json: `{"delivered": true}`, or `{"delivered": false, "reason": ...}` where
 * the service did not take it or did not answer; or the error object. Blocks for up to the client's timeout_ms an
 * attempt, with up to max_retries further attempts; they share an idempotency key. Thread-safe.
 *
 * Errors:
 * ARMORIQ_ERR_INVALID_ARGUMENT, ARMORIQ_ERR_CLOSED. What the service does is no error.
 */
ARMORIQ_MUST_USE
armoriq_status armoriq_client_update_plan_status(armoriq_client *client,
                                                 const char *params,
                                                 char **json);

/* ------------------------------------------------------------------------------------------------
 * Client methods: directory
 *
 * What the organisation has registered: its MCP servers, their tools, its users and their roles.
 */

/**
 * Tells the organisation, the agent, the MCP servers and which server each tool is on.
 *
 * params: NULL or `{}`. json: the service's answer as it is: org {name}, agent {id}, mcps [{name, ...}],
 * toolMap {tool: server}; or the error object. Remembered for the client's life; see
 * armoriq_client_refresh_bootstrap. Blocks for up to the client's timeout_ms. Thread-safe.
 *
 * Errors:
 * ARMORIQ_ERR_CONFIGURATION (the service refused), ARMORIQ_ERR_SERVICE, ARMORIQ_ERR_TIMEOUT,
 * ARMORIQ_ERR_CLOSED.
 */
ARMORIQ_MUST_USE
armoriq_status armoriq_client_bootstrap(armoriq_client *client,
                                        const char *params,
                                        char **json);

/**
 * Asks for the answer of armoriq_client_bootstrap anew, and remembers that.
 *
 * params, json and errors are as there. Blocks for up to the client's timeout_ms. Thread-safe.
 */
ARMORIQ_MUST_USE
armoriq_status armoriq_client_refresh_bootstrap(armoriq_client *client,
                                                const char *params,
                                                char **json);

/**
 * Lists the MCP servers that are registered.
 *
 * params: NULL or `{}`. json: a list of objects as the service gives them, such as `{"mcpId", "name", "url"}`; or
 * the error object. Blocks for up to the client's timeout_ms. Thread-safe.
 *
 * Errors:
 * ARMORIQ_ERR_MCP_INVOCATION (the service refused), ARMORIQ_ERR_SERVICE, ARMORIQ_ERR_TIMEOUT (no answer),
 * ARMORIQ_ERR_CLOSED.
 */
ARMORIQ_MUST_USE
armoriq_status armoriq_client_list_mcps(armoriq_client *client,
                                        const char *params,
                                        char **json);

/**
 * Tells what the service knows of a user: their membership and policies.
 *
 * params: a JSON object: user_email, required; it is trimmed and put in lower case. json: the service's answer
 * as it is, or the error object. Remembered for user_context_ttl_seconds, as armoriq_user_resolve does. Blocks for
 * up to the client's timeout_ms, and not while it is remembered. Thread-safe.
 *
 * Errors:
 * ARMORIQ_ERR_INVALID_ARGUMENT (an unknown, missing or mistyped parameter), ARMORIQ_ERR_CONFIGURATION (no such
 * user), ARMORIQ_ERR_SERVICE, ARMORIQ_ERR_TIMEOUT (no answer), ARMORIQ_ERR_CLOSED.
 */
ARMORIQ_MUST_USE
armoriq_status armoriq_client_resolve_user(armoriq_client *client,
                                           const char *params,
                                           char **json);

/**
 * Forgets what is remembered of a user: the next question is asked anew.
 *
 * params: a JSON object: user_email, required. json: JSON null, or the error object. Never blocks. Thread-safe.
 *
 * Errors:
 * ARMORIQ_ERR_INVALID_ARGUMENT (an unknown, missing or mistyped parameter), ARMORIQ_ERR_CLOSED.
 */
ARMORIQ_MUST_USE
armoriq_status armoriq_client_invalidate_user(armoriq_client *client,
                                              const char *params,
                                              char **json);

/**
 * Lists the tools of an MCP server with their schemas.
 *
 * params: a JSON object: mcp_name, required. json: a list of objects as the service gives them, or the error
 * object. Blocks for up to the client's timeout_ms. Thread-safe.
 *
 * Errors:
 * ARMORIQ_ERR_INVALID_ARGUMENT (an unknown, missing or mistyped parameter), ARMORIQ_ERR_MCP_INVOCATION (no such
 * server), ARMORIQ_ERR_SERVICE, ARMORIQ_ERR_TIMEOUT (no answer), ARMORIQ_ERR_CLOSED.
 */
ARMORIQ_MUST_USE
armoriq_status armoriq_client_get_mcp_tool_schemas(armoriq_client *client,
                                                   const char *params,
                                                   char **json);

/**
 * Tells what the tools of an MCP server mean, such as which of them move money.
 *
 * params: a JSON object: mcp_name, required. json: mcp_id, name, role_mapping {role of the organisation:
 * role on the server} and tool_metadata, an object with each tool's meaning by its name:
 *
 *     member                               what it is; null where it is not known
 *     is_financial                         whether a call moves money
 *     transaction_type                     text
 *     amount_fields                        list of texts: which arguments hold the amount, the first that is there counts
 *     amount_unit                          "cents", or null for the currency's own unit
 *     currency, recipient_field, category  texts
 *
 * A server of which the service knows or tells nothing (an HTTP error, too) has an empty tool_metadata, which is not
 * remembered; all else is, for the client's life. Blocks for up to the client's timeout_ms, and not while it is
 * remembered. Thread-safe.
 *
 * Errors:
 * ARMORIQ_ERR_INVALID_ARGUMENT (an unknown, missing or mistyped parameter), ARMORIQ_ERR_SERVICE,
 * ARMORIQ_ERR_TIMEOUT (no answer), ARMORIQ_ERR_CLOSED.
 */
ARMORIQ_MUST_USE
armoriq_status armoriq_client_fetch_tool_metadata(armoriq_client *client,
                                                  const char *params,
                                                  char **json);

/**
 * Tells what a role of the organisation is called on an MCP server.
 *
 * params: a JSON object: mcp_name and org_role, required texts. json: a JSON text: the server's name for the
 * role, or org_role itself where it has none or the service tells nothing (an HTTP error, too); or the error object.
 * Asks and remembers as armoriq_client_fetch_tool_metadata does. Thread-safe.
 *
 * Errors:
 * ARMORIQ_ERR_INVALID_ARGUMENT (an unknown, missing or mistyped parameter), ARMORIQ_ERR_SERVICE,
 * ARMORIQ_ERR_TIMEOUT (no answer), ARMORIQ_ERR_CLOSED.
 */
ARMORIQ_MUST_USE
armoriq_status armoriq_client_resolve_role(armoriq_client *client,
                                           const char *params,
                                           char **json);

/* ------------------------------------------------------------------------------------------------
 * Client methods: tool inventory
 *
 * Declare the tools that the model is given, once they are known. The inventory grows with each call and is sent in
 * the background; in the mode "sdk" each check says which inventory it belongs to.
 */

/**
 * Declares the tools that the agent has, so that the service knows what a call's arguments should look like and
 * notices when they change.
 *
 * params: a JSON object:
 *
 *     member       type
 *     tools        list of names, or of definitions as MCP, OpenAI or Anthropic write them
 *     mcp_servers  list of {"name", "url", "tools"}: servers, with their tools as MCP's tools/list gives them
 *
 * Of a server, name or url may be left out. In tools, a name with a server ("data-mcp__fetch_sales"), or one
 * whose server armoriq_client_bootstrap has told, is that server's tool. {"type": "mcp", "server_label",
 * "server_url"} and {"type": "mcp_toolset", "mcp_server_name"} are servers. A type without a name, such as {"type":
 * "web_search"}, is passed over. A tool that was declared with a schema keeps it.
 *
 * json, or the error object:
 *
 *     member         what it is
 *     snapshot_hash  "v1:sha256:...", over the agent's own tools
 *     tools          how many of them there are by now
 *     mcp_servers    how many servers there are by now
 *     push           what becomes of the inventory, see below
 *
 * push is "scheduled" (it will be sent), "unchanged" (the service has it), "nothing" (there is nothing to send, or
 * the client has no agent_id) or "failed" (no thread could be started).
 *
 * It is sent as soon as it differs from what the service has, and again when an answer says that the service has lost
 * it, at most once a minute; each time there are up to four attempts, after 1, 4 and 16 s. What goes wrong is in the
 * log. armoriq_client_close waits for a sending that has begun. Never blocks. Thread-safe.
 *
 * Errors:
 * ARMORIQ_ERR_INVALID_ARGUMENT (an unknown, missing or mistyped parameter), among them an item of a list that is no
 * tool or no server (by its place), or a schema whose references make it too large; then nothing is declared.
 * ARMORIQ_ERR_CLOSED.
 *
 *     const char *params = "{\"tools\": [{\"name\": \"pay\", \"input_schema\": {\"type\": \"object\"}}]}";
 *     if (armoriq_client_declare_tools(client, params, &json) != ARMORIQ_OK)
 *         fprintf(stderr, "%s\n", json);
 *     armoriq_string_free(json);
 */
ARMORIQ_MUST_USE
armoriq_status armoriq_client_declare_tools(armoriq_client *client,
                                            const char *params,
                                            char **json);

/* ------------------------------------------------------------------------------------------------
 * Client methods: token usage
 *
 * What models cost, for the dashboard. These calls do not fail for what the service does: they give ARMORIQ_OK, and
 * ok in the result says whether it worked.
 */

/**
 * Records how many tokens the models of a session used in one hour, in the place of what was recorded for it before.
 *
 * params: a JSON object:
 *
 *     member                        type, default
 *     product                       required text: such as "armorclaude"
 *     session_id                    required text
 *     entries                       required list of {"model", "inputTokens", "outputTokens", "cacheReadTokens", "cacheWriteTokens"}; an empty one is not sent
 *     usage_date                    required text: the day in UTC, YYYY-MM-DD
 *     usage_hour                    required whole number: the hour of that day in UTC, 0 to 23
 *     repo, device_id, device_name  texts
 *     armored                       true or false: whether ArmorIQ decided the session's calls
 *
 * json: ok, status (of HTTP, where there was an answer), recorded (how many entries, or null), reason (where
 * ok is false); or the error object. Blocks for up to the client's timeout_ms an attempt, with up to max_retries
 * further attempts. Thread-safe.
 *
 * Errors:
 * ARMORIQ_ERR_INVALID_ARGUMENT (an unknown, missing or mistyped parameter), among them a date or an hour that there
 * is not; ARMORIQ_ERR_CLOSED.
 */
ARMORIQ_MUST_USE
armoriq_status armoriq_client_record_token_usage(armoriq_client *client,
                                                 const char *params,
                                                 char **json);

/**
 * Starts the usage stream, or finds the one that there is: what armoriq_client_record_token_usage_batch belongs to.
 *
 * params: a JSON object, or NULL: timeout_ms (5000). json: ok (true or false) and, where it is known, status
 * (of HTTP). With true: value, the service's answer. With false: retryable (whether the same call may succeed
 * later), reason, and where it applies unreachable (true: no answer), retry_after_ms, relogin_required (true:
 * the user has to log in anew); or the error object. value has generation, a UUID. Blocks for up to timeout_ms
 * (or the client's, where that is less); it is tried once. Thread-safe.
 *
 * Errors:
 * ARMORIQ_ERR_INVALID_ARGUMENT (an unknown parameter, a bad timeout_ms), ARMORIQ_ERR_CLOSED. What the service
 * does is no error.
 */
ARMORIQ_MUST_USE
armoriq_status armoriq_client_initialize_usage_stream(armoriq_client *client,
                                                      const char *params,
                                                      char **json);

/**
 * Ends a generation of the usage stream, so that everything is sent anew in the next.
 *
 * params: a JSON object: generation and reset_id (a UUID of your own, the same when the call is repeated),
 * required; timeout_ms (5000). json: ok (true or false) and, where it is known, status (of HTTP). With true:
 * value, the service's answer. With false: retryable (whether the same call may succeed later), reason, and
 * where it applies unreachable (true: no answer), retry_after_ms, relogin_required (true: the user has to log in
 * anew); or the error object. value has the new generation. Blocks for up to timeout_ms (or the client's, where
 * that is less); it is tried once. Thread-safe.
 *
 * Errors:
 * ARMORIQ_ERR_INVALID_ARGUMENT (an unknown parameter, a bad timeout_ms), ARMORIQ_ERR_CLOSED. What the service
 * does is no error. An id that is no UUID is ok false.
 */
ARMORIQ_MUST_USE
armoriq_status armoriq_client_reset_usage_stream(armoriq_client *client,
                                                 const char *params,
                                                 char **json);

/**
 * Records the token usage of many sessions and hours at once.
 *
 * params: a JSON object: batch, required, and timeout_ms (5000). The batch is sent as it is:
 *
 *     member      type
 *     generation  UUID: from armoriq_client_initialize_usage_stream
 *     batchId     UUID of your own, the same when the batch is repeated
 *     runId       UUID, may be left out: the run that armoriq_client_report_usage_run reports
 *     snapshots   1 to 100 of {"sessionId", "revision", "usageDate", "usageHour", "entries"}
 *
 * A revision is a whole number from 1 on; the highest counts. Each of the entries is {"model", "inputTokens",
 * "outputTokens", "cacheReadTokens", "cacheWriteTokens"}; there may be 500 in all. The batch may be at most 262144
 * bytes long. json: ok (true or false) and, where it is known, status (of HTTP). With true: value, the
 * service's answer. With false: retryable (whether the same call may succeed later), reason, and where it applies
 * unreachable (true: no answer), retry_after_ms, relogin_required (true: the user has to log in anew); or the
 * error object. value has results, for each snapshot in order sessionId, usageDate, usageHour and status
 * ("applied", "present" or "superseded"); an answer that does not match the batch is ok false. Blocks for up to
 * timeout_ms (or the client's, where that is less); it is tried once. Thread-safe.
 *
 * Errors:
 * ARMORIQ_ERR_INVALID_ARGUMENT (an unknown parameter, a bad timeout_ms), ARMORIQ_ERR_CLOSED. What the service
 * does is no error. A batch that is not as described is ok false, with what is wrong as its reason.
 */
ARMORIQ_MUST_USE
armoriq_status armoriq_client_record_token_usage_batch(armoriq_client *client,
                                                       const char *params,
                                                       char **json);

/**
 * Reports how a run that sends token usage is going.
 *
 * params: a JSON object: run_id (a UUID) and report (an object, sent as it is), required; timeout_ms (5000).
 * json: ok (true or false) and, where it is known, status (of HTTP). With true: value, the service's answer.
 * With false: retryable (whether the same call may succeed later), reason, and where it applies unreachable
 * (true: no answer), retry_after_ms, relogin_required (true: the user has to log in anew); or the error object.
 * value has applied (true or false) and run. Blocks for up to timeout_ms (or the client's, where that is
 * less); it is tried once. Thread-safe.
 *
 * Errors:
 * ARMORIQ_ERR_INVALID_ARGUMENT (an unknown parameter, a bad timeout_ms), ARMORIQ_ERR_CLOSED. What the service
 * does is no error. A run_id that is no UUID and a report that is no object are ok false.
 */
ARMORIQ_MUST_USE
armoriq_status armoriq_client_report_usage_run(armoriq_client *client,
                                               const char *params,
                                               char **json);

/**
 * Adds up the tokens in the transcript of a coding agent and records them, hour by hour.
 *
 * params: a JSON object:
 *
 *     member                  type
 *     transcript_path         required text: the path of a file with one JSON object a line
 *     product, session_id     required texts
 *     device_id, device_name  texts
 *     armored                 true or false
 *
 * Lines with usage and model are counted, each message once, in the hour (UTC) of their timestamp. json: ok
 * (whether every hour was recorded), recorded (how many models), reason (the first failure's, else null; left out
 * where there was nothing to record); or the error object. A file that cannot be read has nothing to record. Where the
 * service does not answer, the hours that are left are not sent; recording them all again later is safe. Reads the
 * file, then blocks for each hour as armoriq_client_record_token_usage does. Thread-safe.
 *
 * Errors:
 * ARMORIQ_ERR_INVALID_ARGUMENT (an unknown, missing or mistyped parameter), ARMORIQ_ERR_CLOSED. What the service
 * does is no error.
 */
ARMORIQ_MUST_USE
armoriq_status armoriq_client_capture_transcript_tokens(armoriq_client *client,
                                                        const char *params,
                                                        char **json);

/* ------------------------------------------------------------------------------------------------
 * Completion queue
 *
 * Calls for programs with an event loop: a call is submitted, the library makes it in the background, and its outcome
 * arrives in a queue whose descriptor the loop watches. No thread of the program waits, nothing calls back into it.
 *
 * - Every accepted submission gives exactly one completion, in the process that submitted it: its result, its error,
 *   ARMORIQ_ERR_CANCELLED after armoriq_call_cancel, ARMORIQ_ERR_CLOSED after armoriq_client_close. Only
 *   armoriq_queue_free drops those that were not delivered. One that was refused gives none.
 * - Completions arrive in the order in which the calls end, which need not be that of the submissions.
 * - The descriptor is readable exactly while completions wait (level-triggered), so that it works with select, poll,
 *   epoll, kqueue and what is built on them. When it is readable, call armoriq_queue_next with a timeout of 0 until it
 *   returns ARMORIQ_ERR_TIMEOUT. With edge-triggered polling (EPOLLET) this is a must; with level-triggered polling it
 *   may be left off earlier. Never read from the descriptor, write to it or close it.
 * - After fork() a child has the queue with a descriptor of its own, without calls and completions: ask
 *   armoriq_queue_fd again. Calls in flight are the parent's.
 *
 *     struct pollfd ready = {(int)armoriq_queue_fd(queue), POLLIN, 0};
 *     armoriq_completion done;
 *
 *     if (armoriq_submit_check(session, queue, 7, "bank__pay", "{\"amount\": 20}", NULL, NULL, NULL)) return;
 *     poll(&ready, 1, -1);
 *     while (armoriq_queue_next(queue, 0, &done, NULL) == ARMORIQ_OK) {
 *         if (done.user_data == 7 && done.verdict == ARMORIQ_ALLOW) pay(20);
 *         armoriq_string_free(done.json);
 *     }
 */

/** The end of a submitted call. */
typedef struct {
    /** What the submission was given. */
    uint64_t user_data;
    /** What the blocking function would have returned, or ARMORIQ_ERR_CANCELLED. */
    armoriq_status status;
    /** A check's verdict; ARMORIQ_BLOCK for everything else, and where the status is not ARMORIQ_OK. */
    armoriq_verdict verdict;
    /** The result, or the error object. It is yours: free it with armoriq_string_free. */
    char *json;
} armoriq_completion;

/**
 * Makes a completion queue. One serves any number of clients and sessions; a program often has one for each of its
 * event loops.
 *
 * capacity: how many calls it takes at once, from 1 on: those in flight and those whose completion was not fetched
 * yet, together. queue receives the handle and must not be NULL; free it with armoriq_queue_free. json: JSON
 * null, or the error object; may be NULL. Never blocks. Thread-safe.
 *
 * Errors:
 * ARMORIQ_ERR_INVALID_ARGUMENT (a capacity of 0, queue is NULL), ARMORIQ_ERR_INTERNAL (no descriptor is left).
 */
ARMORIQ_MUST_USE
armoriq_status armoriq_queue_new(uint32_t capacity,
                                 armoriq_queue **queue,
                                 char **json);

/**
 * The queue's descriptor, to be watched for reading; on Windows the HANDLE of an event object, to be waited for. It is
 * ready exactly while completions wait. It is the same on each call, and another in a child after fork().
 *
 * It belongs to the queue: do not read from it, write to it or close it. Programs that this one starts do not inherit
 * it (close-on-exec), and it never blocks. -1 where the handle is not valid, or a child has no descriptor left. Take it
 * out of your event loop before you free the queue. Never blocks. Thread-safe.
 */
int64_t armoriq_queue_fd(armoriq_queue *queue);

/**
 * Fetches the completion that has waited longest.
 *
 * timeout_ms: how long to wait for one where there is none: 0 does not wait, UINT32_MAX waits until there is one.
 * completion receives it and must not be NULL; on any status but ARMORIQ_OK it is zeroed. The status of the call is
 * in it; the function's own only says whether there was a completion. json: JSON null, or the error object; may be
 * NULL.
 *
 * Blocks for up to timeout_ms. Thread-safe: several threads may wait at once, and each completion goes to one of
 * them. Freeing the queue ends the wait with ARMORIQ_ERR_INVALID_HANDLE.
 *
 * Errors:
 * ARMORIQ_ERR_TIMEOUT (none came), ARMORIQ_ERR_INVALID_ARGUMENT, ARMORIQ_ERR_INVALID_HANDLE.
 */
ARMORIQ_MUST_USE
armoriq_status armoriq_queue_next(armoriq_queue *queue,
                                  uint32_t timeout_ms,
                                  armoriq_completion *completion,
                                  char **json);

/**
 * Frees a queue. NULL and a handle that was freed before are no-ops. It cancels the calls in flight and frees the
 * completions that were not fetched; threads that wait in armoriq_queue_next return.
 *
 * What a cancelled call had sent by then may have happened. Thread-safe.
 */
void armoriq_queue_free(armoriq_queue *queue);

/**
 * Asks whether a call may be made, as armoriq_session_check does, and does not wait for the answer.
 *
 * queue: where the completion goes; its verdict and its json are those of armoriq_session_check, and its status
 * is ARMORIQ_OK for every decision. user_data: any number; the completion has it. tool, args, options: as
 * there; timeout_ms in the options is for all that the check does. Nothing of them is kept.
 *
 * call receives a handle to cancel it with; NULL if none is wanted. Free it with armoriq_call_free. json: JSON
 * null, or the error object; may be NULL. On ARMORIQ_OK exactly one completion comes, possibly before this
 * function returns: in local mode, and where nothing has to be asked, it is there then. On any other status none comes.
 *
 * Never blocks on the network. Thread-safe.
 *
 * Errors:
 * ARMORIQ_ERR_INVALID_ARGUMENT, ARMORIQ_ERR_INVALID_HANDLE (the session's or the queue's),
 * ARMORIQ_ERR_QUEUE_FULL, ARMORIQ_ERR_CLOSED, ARMORIQ_ERR_SERVICE (no thread can be started for it),
 * ARMORIQ_ERR_INTERNAL.
 */
ARMORIQ_MUST_USE
armoriq_status armoriq_submit_check(armoriq_session *session,
                                    armoriq_queue *queue,
                                    uint64_t user_data,
                                    const char *tool,
                                    const char *args,
                                    const char *options,
                                    armoriq_call **call,
                                    char **json);

/**
 * Makes a call by its name, and does not wait for its result.
 *
 * client, session: a client method takes the client and a NULL session, a session method the session and a NULL
 * client. method: the name without the prefix. params: a JSON object, or NULL; unknown members are refused. For a
 * client method they are those of the function armoriq_client_METHOD; for a session method:
 *
 *     method          params
 *     start_plan      tool_calls (a list), goal
 *     check_batch     calls (a list), options (an object)
 *     report          tool, args (an object), result (any JSON), options (an object)
 *     dispatch        tool, args (an object), options (an object)
 *     await_approval  delegation_id, timeout_ms, interval_ms, user_email
 *
 * queue, user_data, call and json are as in armoriq_submit_check. The completion's json is the result of the
 * blocking function, or its error object, and its verdict always ARMORIQ_BLOCK. Params that are wrong are refused
 * at once or, by some client methods, with the completion. Time limits are those of the blocking function.
 *
 * Never blocks on the network. Thread-safe.
 *
 * Errors:
 * ARMORIQ_ERR_INVALID_ARGUMENT (bad JSON, an unknown method, both handles given),
 * ARMORIQ_ERR_INVALID_HANDLE, ARMORIQ_ERR_QUEUE_FULL, ARMORIQ_ERR_CLOSED, ARMORIQ_ERR_SERVICE (no thread can be
 * started for it), ARMORIQ_ERR_INTERNAL.
 *
 *     armoriq_call *call = NULL;
 *     const char *params = "{\"delegation_id\": \"del_1\"}";
 *     if (armoriq_submit(NULL, session, queue, 8, "await_approval", params, &call, NULL)) return;
 *     // later; its completion is in the queue then, whatever happened
 *     if (armoriq_call_cancel(call, NULL) != ARMORIQ_OK) puts("no such call");
 *     armoriq_call_free(call);
 */
ARMORIQ_MUST_USE
armoriq_status armoriq_submit(armoriq_client *client,
                              armoriq_session *session,
                              armoriq_queue *queue,
                              uint64_t user_data,
                              const char *method,
                              const char *params,
                              armoriq_call **call,
                              char **json);

/**
 * Cancels a submitted call. Its completion, with ARMORIQ_ERR_CANCELLED, is in the queue when the function returns;
 * where the call has ended, its own completion stands and nothing happens.
 *
 * The library stops to wait and to retry. What it had sent by then may have happened: a cancelled start_plan may have
 * made a token, a cancelled call of a tool may have been made. json: JSON null, or the error object; may be NULL. A
 * child after fork() cannot cancel its parent's calls: nothing happens. Never blocks. Thread-safe.
 *
 * Errors:
 * ARMORIQ_ERR_INVALID_HANDLE.
 */
ARMORIQ_MUST_USE
armoriq_status armoriq_call_cancel(armoriq_call *call,
                                   char **json);

/**
 * Frees the handle of a submitted call, before or after its completion. It does not cancel the call. NULL and a handle
 * that was freed before are no-ops.
 *
 * Thread-safe.
 */
void armoriq_call_free(armoriq_call *call);

#ifdef __cplusplus
} /* extern "C" */
#endif

/* What a binding may rely on. */
#if defined(__cplusplus) && __cplusplus >= 201103L
#define ARMORIQ_STATIC_ASSERT(condition, message) static_assert(condition, message)
#elif !defined(__cplusplus) && defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
#define ARMORIQ_STATIC_ASSERT(condition, message) _Static_assert(condition, message)
#endif
#ifdef ARMORIQ_STATIC_ASSERT
ARMORIQ_STATIC_ASSERT(sizeof(armoriq_status) == 4, "armoriq_status is an int32_t");
ARMORIQ_STATIC_ASSERT(sizeof(armoriq_verdict) == 4, "armoriq_verdict is an int32_t");
ARMORIQ_STATIC_ASSERT(sizeof(armoriq_log_fn) == sizeof(void *), "a callback is a plain pointer");
ARMORIQ_STATIC_ASSERT(offsetof(armoriq_completion, json) == 16, "armoriq_completion has no gaps");
ARMORIQ_STATIC_ASSERT(ARMORIQ_OK == 0, "success is zero");
ARMORIQ_STATIC_ASSERT(ARMORIQ_BLOCK == 0, "zeroed memory blocks");
#undef ARMORIQ_STATIC_ASSERT
#endif

#endif /* ARMORIQ_H */
