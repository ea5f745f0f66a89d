/* The client methods that take their params as JSON, those of a call apart, with params for each. */
#ifndef CLIENT_METHODS_H
#define CLIENT_METHODS_H

#include "test.h"

#define TOKEN                                                                                                          \
    "\"intent_token\": {\"token_id\": \"t\", \"plan_hash\": \"h\", \"signature\": \"s\", \"issued_at\": 1, "            \
    "\"expires_at\": 4102444800, \"total_steps\": 0, \"raw_token\": {}}"
#define CALL "\"mcp\": \"a\", \"action\": \"b\", " TOKEN

typedef armoriq_status client_method(armoriq_client *, const char *, char **);

#define ID "\"3f2b8c1e-5a0d-4e8f-9b1a-2c3d4e5f6a7b\""
#define BATCH                                                                                                          \
    "\"batch\": {\"generation\": " ID ", \"batchId\": " ID ", \"snapshots\": [{\"sessionId\": \"s\", "                     \
    "\"revision\": 1, \"usageDate\": \"2026-01-02\", \"usageHour\": 3, "                                             \
    "\"entries\": [{\"model\": \"m\", \"inputTokens\": 1}]}]}"

/* A client method: params with a member of the wrong type, and params that are right. */
struct method {
    const char *name;
    client_method *call;
    const char *wrong;
    const char *good;
};

#define METHOD(name) #name, armoriq_client_##name

static const struct method METHODS[] = {
    {METHOD(bootstrap), NULL, NULL},
    {METHOD(refresh_bootstrap), NULL, "{}"},
    {METHOD(list_mcps), NULL, "{}"},
    {METHOD(resolve_user), "{\"user_email\": 1}", "{\"user_email\": \"a@b.co\"}"},
    {METHOD(invalidate_user), "{\"user_email\": \" \"}", "{\"user_email\": \"a@b.co\"}"},
    {METHOD(get_intent_token), "{\"plan\": []}", "{\"plan\": {\"steps\": []}}"},
    {METHOD(verify_token), "{\"intent_token\": {}}", "{" TOKEN "}"},
    {METHOD(delegate), "{" TOKEN ", \"delegate_public_key\": 1}",
     "{" TOKEN ", \"delegate_public_key\": \"k\"}"},
    {METHOD(delegate_subtree), "{" TOKEN ", \"delegate_public_key\": \"k\", \"subtree_path\": []}",
     "{" TOKEN ", \"delegate_public_key\": \"k\", \"subtree_path\": \"/steps/[0]\"}"},
    {METHOD(revoke), "{" TOKEN ", \"reason\": \"r\", \"cascade\": 1}", "{" TOKEN ", \"reason\": \"r\"}"},
    {METHOD(reanchor), "{" TOKEN ", \"updated_plan\": 1}", "{" TOKEN ", \"updated_plan\": {}}"},
    {METHOD(refine), "{\"tool_calls\": {}}", "{\"tool_calls\": []}"},
    {METHOD(create_delegation_request),
     "{\"tool\": \"t\", \"action\": \"a\", \"requester_email\": \"a@b.co\", \"amount\": -1}",
     "{\"tool\": \"t\", \"action\": \"a\", \"requester_email\": \"a@b.co\"}"},
    {METHOD(check_approved_delegation), "{\"user_email\": \"a@b.co\", \"tool\": \"t\"}",
     "{\"user_email\": \"a@b.co\", \"tool\": \"t\", \"amount\": 1}"},
    {METHOD(get_delegation_status), "{\"delegation_id\": \"..\"}", "{\"delegation_id\": \"d\"}"},
    {METHOD(mark_delegation_executed), "{\"user_email\": \"a@b.co\"}",
     "{\"user_email\": \"a@b.co\", \"delegation_id\": \"d\"}"},
    {METHOD(complete_plan), "{\"plan_id\": 1}", "{\"plan_id\": \"p\"}"},
    {METHOD(update_plan_status), "{\"plan_id\": \"p\"}", "{\"plan_id\": \"p\", \"status\": \"failed\"}"},
    {METHOD(get_mcp_tool_schemas), "{\"mcp_name\": 1}", "{\"mcp_name\": \"m\"}"},
    {METHOD(fetch_tool_metadata), "{\"mcp_name\": \".\"}", "{\"mcp_name\": \"m\"}"},
    {METHOD(resolve_role), "{\"mcp_name\": \"m\"}", "{\"mcp_name\": \"m\", \"org_role\": \"r\"}"},
    {METHOD(declare_tools), "{\"tools\": [7]}", "{\"tools\": [\"t\"]}"},
    {METHOD(record_token_usage),
     "{\"product\": \"p\", \"session_id\": \"s\", \"entries\": [], \"usage_date\": \"2026-02-30\", \"usage_hour\": 0}",
     "{\"product\": \"p\", \"session_id\": \"s\", \"entries\": [], \"usage_date\": \"2026-02-03\", \"usage_hour\": 0}"},
    {METHOD(initialize_usage_stream), "{\"timeout_ms\": 0}", NULL},
    {METHOD(reset_usage_stream), "{\"timeout_ms\": \"1\"}", "{\"generation\": " ID ", \"reset_id\": " ID "}"},
    {METHOD(record_token_usage_batch), "{\"timeout_ms\": 1.5}", "{" BATCH "}"},
    {METHOD(report_usage_run), "{\"timeout_ms\": -1}", "{\"run_id\": " ID ", \"report\": {}}"},
    {METHOD(capture_transcript_tokens), "{\"transcript_path\": \"t\", \"product\": \"p\"}",
     "{\"transcript_path\": \"/nowhere\", \"product\": \"p\", \"session_id\": \"s\"}"},
};

#endif
