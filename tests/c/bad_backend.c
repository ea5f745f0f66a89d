/*
 * A service that is down, slow, rude or contradicts itself: every check ends as a block, with the cause that tells an
 * outage from a strict policy and with a reason that says what was wrong.
 */
#include "service.h"

#define ENFORCE "/iap/sdk/enforce"
#define BUNDLE "/policy/bundles/current"

static const char *const PLAN = "[{\"name\": \"data__fetch\"}]";

static struct service *service;

#define BLOCKS(session, cause, reason) test_blocks(__LINE__, (session), (cause), (reason))

/* A block with that cause, whose reason starts as given. */
static void test_blocks(int line, armoriq_session *session, const char *cause, const char *reason)
{
    armoriq_verdict verdict;
    char *json = test_decide(__FILE__, line, session, "data__fetch", "{}", NULL, &verdict);
    int failures = test_failures;
    const char *actual = json_text(json, "reason");
    if (verdict != ARMORIQ_BLOCK) test_fail(__FILE__, line, "verdict", json);
    if (strcmp(json_text(json, "cause"), cause) != 0) test_fail(__FILE__, line, "cause", json);
    if (strncmp(actual, reason, strlen(reason)) != 0) test_fail(__FILE__, line, "reason", json);
    if (strcmp(actual, "null") == 0 || strlen(actual) < 4) test_fail(__FILE__, line, "no reason", json);
    if (test_failures != failures) printf("  ... in place of cause %s, reason %s\n", cause, reason);
    armoriq_string_free(json);
}

/* The reasons of these are the service's own, or none: only the cause is looked at. */
static void test_blocks_silently(int line, armoriq_session *session, const char *cause)
{
    test_expect(__FILE__, line, session, "data__fetch", "{}", NULL, ARMORIQ_BLOCK, NULL, cause);
}

static void contradictions(armoriq_session *session)
{
    static const struct {
        int status;
        const char *body;
        const char *cause;
    } answers[] = {
        /* Nothing but a literal true allows. */
        {200, "{\"allowed\": \"true\"}", "invalid"},
        {200, "{\"allowed\": 1}", "invalid"},
        {200, "{\"allowed\": null}", "invalid"},
        {200, "{\"allowed\": [true]}", "invalid"},
        {200, "{\"Allowed\": true}", "invalid"},
        {200, "{\"enforcementAction\": \"allow\"}", "invalid"},
        /* The strictest part wins. */
        {200, "{\"allowed\": true, \"enforcementAction\": \"block\"}", "policy"},
        {200, "{\"allowed\": true, \"enforcementAction\": \"allow\", \"action\": \"block\"}", "policy"},
        /* What makes no sense. */
        {200, "{\"allowed\": true, \"enforcementAction\": \"Allow\"}", "invalid"},
        {200, "{\"allowed\": true, \"enforcementAction\": \"permit\"}", "invalid"},
        {200, "{\"allowed\": true, \"enforcementAction\": 1}", "invalid"},
        {200, "{\"allowed\": false, \"enforcementAction\": \"allow\"}", "invalid"},
        {200, "{\"allowed\": true, \"allowed\": false}", "invalid"},
        /* No status but 2xx allows. */
        {500, "{\"allowed\": true, \"enforcementAction\": \"allow\"}", "unavailable"},
        {503, "{\"allowed\": true}", "unavailable"},
        {429, "{\"allowed\": true}", "unavailable"},
        {404, "{\"allowed\": true}", "invalid"},
        {401, "{\"allowed\": true}", "config"},
        {403, "{\"allowed\": true}", "config"},
        /* A block is believed at any status. */
        {500, "{\"allowed\": false, \"enforcementAction\": \"block\", \"reason\": \"rule\"}", "policy"},
        {403, "{\"allowed\": false, \"matchedPolicy\": {\"name\": \"P\"}, \"reason\": \"rule\"}", "policy"},
        {200, "{\"allowed\": false, \"reason\": \"rule\"}", "policy"},
    };
    size_t i;
    for (i = 0; i < sizeof answers / sizeof *answers; i++) {
        int failures = test_failures;
        service_json(service, ENFORCE, answers[i].status, answers[i].body);
        test_blocks_silently(__LINE__, session, answers[i].cause);
        CHECK(service_count(service, ENFORCE) == 1);
        if (test_failures != failures) printf("  ... with %d %s\n", answers[i].status, answers[i].body);
    }
    service_json(service, ENFORCE, 200, "{\"allowed\": true, \"enforcementAction\": \"permit\"}");
    BLOCKS(session, "invalid", "enforce-invalid: ");
    service_json(service, ENFORCE, 200, "{\"allowed\": false, \"enforcementAction\": \"allow\"}");
    BLOCKS(session, "invalid", "enforce-invalid: ");
}

/* A hold is believed at any status, and where it stands against an allow. */
static void holds(armoriq_session *session)
{
    static const char *const bodies[] = {
        "{\"allowed\": false, \"enforcementAction\": \"hold\", \"reason\": \"r\"}",
        "{\"allowed\": true, \"enforcementAction\": \"hold\", \"reason\": \"r\"}",
    };
    int i;
    service_json(service, "/delegation/check-approved", 200, "{\"approved\": false}");
    service_json(service, "/delegation/request", 500, "{}");
    for (i = 0; i < 4; i++) {
        service_json(service, ENFORCE, i < 2 ? 200 : 500, bodies[i % 2]);
        EXPECT(session, "data__fetch", "{}", NULL, ARMORIQ_HOLD, "r", "approval");
    }
    /* Approved, but the service does not let us spend it: not allowed. */
    service_json(service, "/delegation/check-approved", 200, "{\"approved\": true, \"delegationId\": \"d\"}");
    service_json(service, "/delegation/mark-executed", 409, "{}");
    EXPECT(session, "data__fetch", "{}", NULL, ARMORIQ_HOLD, NULL, "approval");
    service_json(service, "/delegation/mark-executed", 200, "{}");
    EXPECT(session, "data__fetch", "{}", NULL, ARMORIQ_ALLOW, "Allowed by approved delegation d", NULL);
}

static void unreadable(armoriq_session *session)
{
    static const char *const bodies[] = {"<html>Bad gateway</html>", "", "[]", "[{\"allowed\": true}]", "\"allow\"", "true",
                                         "{\"allowed\": true", "{\"allowed\": true}{}"};
    size_t i;
    for (i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        int failures = test_failures;
        service_json(service, ENFORCE, 200, bodies[i]);
        BLOCKS(session, "invalid", "enforce-");
        service_json(service, ENFORCE, 502, bodies[i]);
        BLOCKS(session, "unavailable", "enforce-");
        if (test_failures != failures) printf("  ... with %s\n", bodies[i]);
    }
    service_json(service, ENFORCE, 200, "{}");
    test_blocks_silently(__LINE__, session, "invalid");
    service_json(service, ENFORCE, 500, "{}");
    test_blocks_silently(__LINE__, session, "unavailable");
    service_json(service, ENFORCE, 401, "{\"message\": \"bad key\"}");
    BLOCKS(session, "config", "bad key");
    service_set(service, ENFORCE, SERVICE_ANSWERS, 401, "X-Armoriq-Revoked: true\r\n", "{\"message\": \"revoked\"}");
    test_blocks_silently(__LINE__, session, "token");
}

/* The answer of another origin counts for nothing, and the key is not sent there. */
static void redirects(armoriq_session *session)
{
    struct service *elsewhere = service_start();
    static const int statuses[] = {301, 302, 303, 307, 308};
    char location[128];
    size_t i;
    service_json(elsewhere, "/allow", 200, "{\"allowed\": true}");
    snprintf(location, sizeof location, "Location: %s/allow\r\n", elsewhere->url);
    for (i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        service_set(service, ENFORCE, SERVICE_ANSWERS, statuses[i], location, "{\"allowed\": true}");
        test_blocks_silently(__LINE__, session, "unavailable");
    }
    CHECK(service_count(elsewhere, "/allow") == 0);
    service_stop(elsewhere);
    free(elsewhere);
}

static void no_answer(armoriq_session *session)
{
    double start, limit = test_patient(1200) / 1000.0;
    service_set(service, ENFORCE, SERVICE_CLOSES, 0, "", "");
    BLOCKS(session, "unavailable", "enforce-unavailable: ");
    service_set(service, ENFORCE, SERVICE_TRUNCATES, 200, "", "{\"allowed\": true}");
    BLOCKS(session, "unavailable", "enforce-unavailable: ");

    /* The check's own deadline, and without one the client's. */
    service_set(service, ENFORCE, SERVICE_STALLS, 0, "", "");
    start = test_seconds();
    EXPECT(session, "data__fetch", "{}", "{\"timeout_ms\": 300}", ARMORIQ_BLOCK, NULL, "unavailable");
    CHECK(test_seconds() - start >= 0.29 && test_seconds() - start < limit);
    start = test_seconds();
    BLOCKS(session, "unavailable", "enforce-unavailable: ");
    CHECK(test_seconds() - start >= limit - 0.01 && test_seconds() - start < 2 * limit);
}

static void down(void)
{
    struct service *gone = service_start();
    armoriq_client *client = test_client(gone->url, ", \"max_retries\": 0");
    armoriq_session *session = test_session(client, "a@b.co", "{\"mode\": \"sdk\"}");
    test_plan(session, PLAN);
    service_stop(gone);
    BLOCKS(session, "unavailable", "enforce-unavailable: ");
    armoriq_session_free(session);
    armoriq_client_free(client);
    free(gone);
}

/* What the caller wrote is what the service sees: big integers, 1.0, key order, escapes. */
static void arguments_are_forwarded_as_written(armoriq_session *session)
{
    const char *args = "{\"z\":12345678901234567890123,\"a\": 1.0, \"e\":1E5,\"s\":\"\\u00e9\\/\",\"n\":{\"b\":-0,\"a\":[ ]}}";
    service_json(service, ENFORCE, 200, "{\"allowed\": true}");
    EXPECT(session, "data__fetch", args, NULL, ARMORIQ_ALLOW, NULL, NULL);
    CHECK_CONTAINS(service_last(service, ENFORCE), args);
}

static void local_bundles(void)
{
    static const struct {
        enum service_kind kind;
        int status;
        const char *body;
    } answers[] = {
        {SERVICE_ANSWERS, 500, SERVICE_BUNDLE},
        {SERVICE_ANSWERS, 404, "{}"},
        {SERVICE_ANSWERS, 200, "<html></html>"},
        {SERVICE_ANSWERS, 200, "[]"},
        {SERVICE_ANSWERS, 200, "{}"},
        {SERVICE_ANSWERS, 200, "{\"agents\": {}}"},
        {SERVICE_ANSWERS, 200, "{\"agents\": [1]}"},
        {SERVICE_ANSWERS, 304, ""},
        {SERVICE_CLOSES, 0, ""},
        {SERVICE_TRUNCATES, 200, SERVICE_BUNDLE},
        {SERVICE_STALLS, 0, ""},
    };
    char options[96];
    size_t i;
    snprintf(options, sizeof options, ", \"agent_id\": \"agent-1\", \"timeout_ms\": %d, \"max_retries\": 0", test_patient(1000));
    for (i = 0; i < sizeof answers / sizeof *answers; i++) {
        armoriq_client *client = test_client(service->url, options);
        armoriq_session *session = test_session(client, "a@b.co", NULL);
        int failures = test_failures;
        service_set(service, BUNDLE, answers[i].kind, answers[i].status, "", answers[i].body);
        test_plan(session, PLAN);
        BLOCKS(session, "unavailable", "policy-bundle-unavailable");
        if (test_failures != failures) printf("  ... with %d %s\n", answers[i].status, answers[i].body);
        /* The service is back: the next plan gets the policy. */
        service_json(service, BUNDLE, 200, SERVICE_BUNDLE);
        test_plan(session, PLAN);
        EXPECT(session, "data__fetch", "{}", NULL, ARMORIQ_ALLOW, "allow:fetch#0", NULL);
        /* And a bad answer after that leaves the good bundle in force. */
        service_set(service, BUNDLE, answers[i].kind, answers[i].status, "", answers[i].body);
        test_plan(session, PLAN);
        EXPECT(session, "data__fetch", "{}", NULL, ARMORIQ_ALLOW, "allow:fetch#0", NULL);
        armoriq_session_free(session);
        armoriq_client_free(client);
    }
}

/* Agents that the bundle does not have, or that are switched off. */
static void local_agents(void)
{
    static const struct {
        const char *bundle;
        const char *cause;
        const char *reason;
    } bundles[] = {
        {"{\"agents\": []}", "config", "agent_unresolved: no registered agent matches 'agent-1'"},
        {"{\"agents\": [{\"agentId\": \"agent-2\", \"name\": \"Agent-1\", \"policy\": null}]}", "config",
         "agent_unresolved: no registered agent matches 'agent-1'"},
        {"{\"agents\": [{\"agentId\": \"agent-1\", \"name\": \"n\", \"inactive\": true, \"policy\": null}]}", "policy",
         "agent_inactive"},
    };
    size_t i;
    for (i = 0; i < sizeof bundles / sizeof *bundles; i++) {
        armoriq_client *client = test_client(service->url, ", \"agent_id\": \"agent-1\"");
        armoriq_session *session = test_session(client, "a@b.co", NULL);
        service_json(service, BUNDLE, 200, bundles[i].bundle);
        test_plan(session, PLAN);
        BLOCKS(session, bundles[i].cause, bundles[i].reason);
        armoriq_session_free(session);
        armoriq_client_free(client);
    }
}

/* Tokens that local mode must not believe, and keys that it cannot have. */
static void local_tokens(void)
{
    static const struct {
        const char *jwt;
        const char *cause;
        const char *reason;
    } tokens[] = {
        {"null", "token", "token-signature-invalid"},
        {"\"\"", "token", "token-signature-invalid"},
        {"\"a.b.c\"", "token", "token-signature-invalid"},
        {"\"eyJhbGciOiJub25lIn0.eyJwbGFuSWQiOiJwbGFuXzEifQ.\"", "token", "token-signature-invalid"},
        /* The last character of a good signature changed. */
        {"\"eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9.eyJwbGFuSWQiOiJwbGFuXzEiLCJleHAiOjQxMDI0NDQ4MDAsImlhdCI6MTcwMDAwMDAwMH0."
         "9vV0oKxMlflsBnGxG2bhoHC6n7uir_BGGViT8Ss3dKIfTQkR02NIuZQKesZfhN7VNGf8xeOLS2awcJTx0EStBQ\"",
         "token", "token-signature-invalid"},
    };
    char answer[4096];
    size_t i;
    service_json(service, BUNDLE, 200, SERVICE_BUNDLE);
    for (i = 0; i < sizeof tokens / sizeof *tokens; i++) {
        armoriq_client *client = test_client(service->url, ", \"agent_id\": \"agent-1\"");
        armoriq_session *session = test_session(client, "a@b.co", NULL);
        snprintf(answer, sizeof answer,
                 "{\"success\": true, \"plan_id\": \"plan_1\", \"plan_hash\": \"p\", \"token\": {\"expires_at\": 4102444800}, "
                 "\"jwt_token\": %s}",
                 tokens[i].jwt);
        service_json(service, "/iap/sdk/token", 201, answer);
        test_plan(session, PLAN);
        BLOCKS(session, tokens[i].cause, tokens[i].reason);
        armoriq_session_free(session);
        armoriq_client_free(client);
    }
    {
        /* A good token, but of another plan. */
        armoriq_client *client = test_client(service->url, ", \"agent_id\": \"agent-1\"");
        armoriq_session *session = test_session(client, "a@b.co", NULL);
        service_json(service, "/iap/sdk/token", 201,
                     "{\"success\": true, \"plan_id\": \"plan_2\", \"plan_hash\": \"p\", \"token\": {\"expires_at\": "
                     "4102444800}, \"jwt_token\": \"" SERVICE_JWT "\"}");
        test_plan(session, PLAN);
        BLOCKS(session, "token", "token-claims-invalid");
        armoriq_session_free(session);
        armoriq_client_free(client);
    }
    {
        armoriq_client *client = test_client(service->url, ", \"agent_id\": \"agent-1\", \"max_retries\": 0");
        armoriq_session *session = test_session(client, "a@b.co", NULL);
        service_json(service, "/iap/sdk/token", 201, SERVICE_TOKEN);
        service_set(service, "/iap/public-key", SERVICE_CLOSES, 0, "", "");
        test_plan(session, PLAN);
        BLOCKS(session, "unavailable", "token-signature-invalid");
        /* Fetched again with the next plan. */
        service_json(service, "/iap/public-key", 200, "\"" SERVICE_PUBLIC_KEY "\"");
        test_plan(session, PLAN);
        EXPECT(session, "data__fetch", "{}", NULL, ARMORIQ_ALLOW, "allow:fetch#0", NULL);
        armoriq_session_free(session);
        armoriq_client_free(client);
    }
}

/* A policy that the evaluator refuses is a block, and not the policy's own. */
static void policies_that_cannot_be_evaluated(void)
{
    armoriq_client *client = test_client(service->url, ", \"agent_id\": \"agent-1\"");
    armoriq_session *session = test_session(client, "a@b.co", NULL);
    char bundle[4096], *at;
    strcpy(bundle, SERVICE_BUNDLE);
    at = strstr(bundle, "\"conditions\": []");
    REQUIRE(at != NULL);
    snprintf(bundle + (at - bundle), sizeof bundle - (size_t)(at - bundle), "%s%s",
             "\"conditions\": [{\"field\": \"args.a\", \"op\": \"regex\", \"value\": \"(?<=a)b\"}]",
             strstr(SERVICE_BUNDLE, "\"conditions\": []") + strlen("\"conditions\": []"));
    service_json(service, BUNDLE, 200, bundle);
    service_json(service, "/iap/sdk/token", 201, SERVICE_TOKEN);
    test_plan(session, PLAN);
    EXPECT(session, "data__fetch", "{\"a\": \"ab\"}", NULL, ARMORIQ_BLOCK, NULL, "invalid");
    armoriq_session_free(session);
    armoriq_client_free(client);
}

int main(void)
{
    armoriq_client *client;
    armoriq_session *session;
    char options[64];

    service = service_start();
    snprintf(options, sizeof options, ", \"timeout_ms\": %d, \"max_retries\": 0", test_patient(1200));
    client = test_client(service->url, options);
    session = test_session(client, "a@b.co", "{\"mode\": \"sdk\"}");
    test_plan(session, PLAN);
    contradictions(session);
    holds(session);
    unreadable(session);
    redirects(session);
    no_answer(session);
    arguments_are_forwarded_as_written(session);
    down();
    armoriq_session_free(session);
    armoriq_client_free(client);
    local_bundles();
    local_agents();
    local_tokens();
    policies_that_cannot_be_evaluated();
    service_stop(service);
    free(service);
    return test_result();
}
