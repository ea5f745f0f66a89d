/*
 * What the test programs share: checks that say where they failed, and a reader of JSON members. Include it first.
 */
#ifndef TEST_H
#define TEST_H

#define _POSIX_C_SOURCE 200809L

#include <armoriq.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Kept out of the way of the compiler's warning: no program uses every helper. */
#define HELPER static inline

static int test_failures;

HELPER void test_fail(const char *file, int line, const char *what, const char *detail)
{
    __sync_fetch_and_add(&test_failures, 1);
    printf("%s:%d: %s%s%s\n", file, line, what, detail ? ": " : "", detail ? detail : "");
}

/* What this machine does not allow, which the suite says at its end. */
HELPER void test_skip(const char *what)
{
    printf("skipped: %s\n", what);
    fflush(stdout);
}

HELPER int test_result(void)
{
    return test_failures ? 1 : 0;
}

#define CHECK(condition) ((condition) ? (void)0 : test_fail(__FILE__, __LINE__, #condition, NULL))

/* Ends the program when what follows would make no sense. */
#define REQUIRE(condition) ((condition) ? (void)0 : (test_fail(__FILE__, __LINE__, #condition, NULL), exit(1)))

/* A status, which is shown by its name where it is another. */
#define CHECK_STATUS(expected, call) test_status(__FILE__, __LINE__, #call, (expected), (call))

HELPER void test_status(const char *file, int line, const char *call, armoriq_status expected, armoriq_status actual)
{
    char detail[128];
    if (expected == actual) return;
    snprintf(detail, sizeof detail, "expected %s, got %s (%d)", armoriq_status_name(expected), armoriq_status_name(actual),
             (int)actual);
    test_fail(file, line, call, detail);
}

/* How often a loop runs: fewer times where every step is dear, under valgrind. */
HELPER int test_scaled(int count)
{
    const char *divisor = getenv("TEST_DIVISOR");
    int scaled = count / (divisor ? atoi(divisor) : 1);
    return scaled > 0 ? scaled : 1;
}

/* A time limit that a call is to keep on this machine: longer where every step is dear. */
HELPER int test_patient(int milliseconds)
{
    return getenv("TEST_DIVISOR") && atoi(getenv("TEST_DIVISOR")) > 1 ? milliseconds * 8 : milliseconds;
}

HELPER void test_sleep_ms(long milliseconds)
{
    struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    nanosleep(&time, NULL);
}

HELPER double test_seconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* --- JSON: the text of one member of an object ------------------------------------------------------------------ */

HELPER const char *json_skip_space(const char *at)
{
    while (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r') at++;
    return at;
}

/* The end of the value that starts at `at`. */
HELPER const char *json_value_end(const char *at)
{
    int depth = 0;
    for (;; at++) {
        if (*at == '"') {
            for (at++; *at && *at != '"'; at++) {
                if (*at == '\\' && at[1]) at++;
            }
            if (!*at) return at;
            if (depth == 0) return at + 1;
        } else if (*at == '{' || *at == '[') {
            depth++;
        } else if (*at == '}' || *at == ']') {
            if (depth == 0) return at;
            if (--depth == 0) return at + 1;
        } else if (!*at || (depth == 0 && strchr(", \n\t\r", *at))) {
            return at;
        }
    }
}

/*
 * The text of a member, as it stands in the JSON ("null" too), or "missing". A few results live at a time.
 */
HELPER const char *json_member(const char *json, const char *name)
{
    static __thread char kept[8][4096];
    static __thread unsigned next;
    char *result = kept[next++ % 8];
    const char *at;
    size_t length = strlen(name);

    strcpy(result, "missing");
    if (!json || *(at = json_skip_space(json)) != '{') return result;
    at = json_skip_space(at + 1);
    while (*at == '"') {
        const char *key = at + 1, *value, *end = json_value_end(at);
        int found = (size_t)(end - key) == length + 1 && strncmp(key, name, length) == 0;
        value = json_skip_space(end);
        if (*value != ':') return result;
        value = json_skip_space(value + 1);
        end = json_value_end(value);
        if (found) {
            snprintf(result, sizeof kept[0], "%.*s", (int)(end - value), value);
            return result;
        }
        at = json_skip_space(end);
        if (*at != ',') return result;
        at = json_skip_space(at + 1);
    }
    return result;
}

/* A text member without its quotes, for texts that have no escapes. */
HELPER const char *json_text(const char *json, const char *name)
{
    char *text = (char *)json_member(json, name);
    size_t length = strlen(text);
    if (length < 2 || *text != '"') return text;
    text[length - 1] = '\0';
    return text + 1;
}

/* A member by the text that it has in JSON: CHECK_MEMBER(json, "reason", "\"token-expired\""). */
#define CHECK_MEMBER(json, name, expected) test_member(__FILE__, __LINE__, (json), (name), (expected))

HELPER void test_member(const char *file, int line, const char *json, const char *name, const char *expected)
{
    const char *actual = json_member(json, name);
    char detail[4500];
    if (strcmp(actual, expected) == 0) return;
    snprintf(detail, sizeof detail, "expected %s, got %s", expected, actual);
    test_fail(file, line, name, detail);
}

#define CHECK_CONTAINS(text, part) test_contains(__FILE__, __LINE__, (text), (part), 1)
#define CHECK_LACKS(text, part) test_contains(__FILE__, __LINE__, (text), (part), 0)

HELPER void test_contains(const char *file, int line, const char *text, const char *part, int wanted)
{
    char detail[2048];
    if (text && (strstr(text, part) != NULL) == wanted) return;
    snprintf(detail, sizeof detail, "%s in %.1500s", part, text ? text : "NULL");
    test_fail(file, line, wanted ? "missing" : "unwanted", detail);
}

/* --- calls ------------------------------------------------------------------------------------------------------ */

/* No message may show one: that of a test client; others have "0000secret0000" or "e2e_key" in them. */
#define TEST_KEY "ak_test_0123456789abcdef"

/*
 * Does a call that is to fail, and looks at its error object: the code of the status, a message, and no API key.
 * The call is an expression that writes to `char *json`.
 */
#define CHECK_ERROR(expected, call)                                                                                      \
    do {                                                                                                                 \
        char *json = (char *)-1;                                                                                         \
        armoriq_status error_status = (call);                                                                            \
        test_status(__FILE__, __LINE__, #call, (expected), error_status);                                                \
        test_error(__FILE__, __LINE__, error_status, json);                                                              \
        armoriq_string_free(json);                                                                                       \
    } while (0)

HELPER void test_error(const char *file, int line, armoriq_status status, const char *json)
{
    char code[64];
    if (status == ARMORIQ_OK) return;
    if (!json || json == (char *)-1) {
        test_fail(file, line, "no error object", NULL);
        return;
    }
    snprintf(code, sizeof code, "\"%s\"", armoriq_status_name(status));
    test_member(file, line, json, "code", code);
    if (strlen(json_text(json, "message")) < 8 || strcmp(json_text(json, "message"), "missing") == 0)
        test_fail(file, line, "no message", json);
    test_contains(file, line, json, TEST_KEY, 0);
    test_contains(file, line, json, "0000secret0000", 0);
    test_contains(file, line, json, "e2e_key", 0);
}

/* An error with this status and a text in its JSON. The call names `json`. */
#define EXPECT_FAILURE(expected, text, call)                                                                             \
    do {                                                                                                                 \
        char *json = NULL;                                                                                               \
        CHECK_STATUS(expected, call);                                                                                    \
        CHECK_CONTAINS(json, text);                                                                                      \
        armoriq_string_free(json);                                                                                       \
    } while (0)

/* A call's whole result. The call names `json`. */
#define EXPECT_JSON(expected, call)                                                                                      \
    do {                                                                                                                 \
        char *json = NULL;                                                                                               \
        CHECK_STATUS(ARMORIQ_OK, call);                                                                                  \
        if (!json || strcmp(json, expected) != 0) test_fail(__FILE__, __LINE__, #call, json);                            \
        armoriq_string_free(json);                                                                                       \
    } while (0)

/* One check: the decision, which the caller frees, and its verdict. Ends the program when there is no decision. */
#define DECIDE(session, tool, args, options, verdict) \
    test_decide(__FILE__, __LINE__, (session), (tool), (args), (options), (verdict))

HELPER char *test_decide(const char *file, int line, armoriq_session *session, const char *tool, const char *args,
                         const char *options, armoriq_verdict *verdict)
{
    static const char *const members[] = {"allowed", "action", "reason", "delegation_id", "matched_policy", "policy_id",
                                          "policy_version", "rule_id", "obligations", "cause", "for_model"};
    char *json = NULL;
    size_t i;
    armoriq_status status;

    *verdict = 77;
    status = armoriq_session_check(session, tool, args, options, verdict, &json);
    test_status(file, line, tool, ARMORIQ_OK, status);
    if (status != ARMORIQ_OK) {
        test_fail(file, line, "no decision", json);
        exit(1);
    }
    for (i = 0; i < sizeof members / sizeof *members; i++) {
        if (strcmp(json_member(json, members[i]), "missing") == 0) test_fail(file, line, members[i], json);
    }
    if (*verdict != ARMORIQ_ALLOW) {
        test_member(file, line, json, "allowed", "false");
        test_member(file, line, json, "action", *verdict == ARMORIQ_HOLD ? "\"hold\"" : "\"block\"");
        if (json_member(json, "for_model")[0] != '"') test_fail(file, line, "nothing for the model", json);
    } else {
        test_member(file, line, json, "allowed", "true");
        test_member(file, line, json, "action", "\"allow\"");
        test_member(file, line, json, "cause", "null");
        test_member(file, line, json, "for_model", "null");
    }
    return json;
}

/* A check with the verdict, reason and cause that it must have; NULL where any will do. */
#define EXPECT(session, tool, args, options, verdict, reason, cause) \
    test_expect(__FILE__, __LINE__, (session), (tool), (args), (options), (verdict), (reason), (cause))

HELPER void test_expect(const char *file, int line, armoriq_session *session, const char *tool, const char *args,
                        const char *options, armoriq_verdict verdict, const char *reason, const char *cause)
{
    armoriq_verdict actual;
    char *json = test_decide(file, line, session, tool, args, options, &actual);
    char quoted[512];
    if (actual != verdict) test_fail(file, line, "verdict", json);
    if (reason) {
        snprintf(quoted, sizeof quoted, "\"%s\"", reason);
        test_member(file, line, json, "reason", quoted);
    }
    if (cause) {
        snprintf(quoted, sizeof quoted, "\"%s\"", cause);
        test_member(file, line, json, "cause", quoted);
    }
    armoriq_string_free(json);
}

/* A client of the services at `backend`, with more options (", \"name\": value") where there are any. */
HELPER armoriq_client *test_client(const char *backend, const char *more)
{
    armoriq_client *client = NULL;
    char options[2048], *json = NULL;
    snprintf(options, sizeof options,
             "{\"api_key\": \"" TEST_KEY "\", \"backend_endpoint\": \"%s\", \"proxy_endpoint\": \"%s\", "
             "\"iap_endpoint\": \"%s\"%s}",
             backend, backend, backend, more);
    if (armoriq_client_new(ARMORIQ_ABI_VERSION, options, &client, &json) != ARMORIQ_OK) {
        printf("no client: %s\n", json ? json : "?");
        exit(1);
    }
    armoriq_string_free(json);
    return client;
}

HELPER armoriq_session *test_session(armoriq_client *client, const char *user_email, const char *options)
{
    armoriq_session *session = NULL;
    armoriq_user_scope *scope = NULL;
    char *json = NULL;
    if (!user_email) {
        REQUIRE(armoriq_client_start_session(client, options, &session, &json) == ARMORIQ_OK);
    } else {
        REQUIRE(armoriq_for_user(client, user_email, &scope, NULL) == ARMORIQ_OK);
        REQUIRE(armoriq_user_start_session(scope, options, &session, &json) == ARMORIQ_OK);
        armoriq_user_scope_free(scope);
    }
    armoriq_string_free(json);
    return session;
}

/* Plans, and ends the program when that fails. */
HELPER void test_plan(armoriq_session *session, const char *tool_calls)
{
    char *json = NULL;
    if (armoriq_session_start_plan(session, tool_calls, "test", &json) != ARMORIQ_OK) {
        printf("no plan: %s\n", json ? json : "?");
        exit(1);
    }
    armoriq_string_free(json);
}

#endif
