/*
 * armoriq.h - libarmoriq @VERSION@
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
@EXAMPLE@
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
#define ARMORIQ_VERSION "@VERSION@"
#define ARMORIQ_VERSION_MAJOR @MAJOR@
#define ARMORIQ_VERSION_MINOR @MINOR@
#define ARMORIQ_VERSION_PATCH @PATCH@

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
