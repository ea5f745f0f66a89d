/*
 * Every way to ask for a decision, with everything that can go wrong meanwhile: none is ever an allow. The table of
 * what is answered instead is that of docs/security.md, which FAIL_CLOSED_TABLE names; it is printed where it differs.
 */
#include "service.h"

#include <sys/syscall.h>
#include <sys/wait.h>

#define ENFORCE "/iap/sdk/enforce"
#define INVOKE "/invoke"
#define BUNDLE "/policy/bundles/current"
#define LOOK_UP "/delegation/check-approved"
#define MARK "/delegation/mark-executed"
#define STATUS "/delegation/d/status"
#define ALLOWS "{\"allowed\": true, \"enforcementAction\": \"allow\"}"
#define CONTRADICTS "{\"allowed\": true, \"enforcementAction\": \"block\"}"

enum call { CHECK_CALL, BATCH, AWAIT, DISPATCH, INVOCATION, INVOCATION_WITH_POLICY };

/* A way to ask: the call, and the request of it that goes wrong. */
static const struct path {
    const char *title;
    enum call call;
    const char *mode;
    const char *endpoint;
    const char *good;          /* what the endpoint answers where the call may go ahead */
    const char *wrong_type;    /* nearly that, with a member of another type */
    const char *contradiction; /* that, and its contrary */
} paths[] = {
    {"check, local", CHECK_CALL, "local", BUNDLE, SERVICE_BUNDLE, "{\"agents\": {}}",
     "{\"agents\": [{\"agentId\": \"agent-1\", \"policy\": null}], \"agents\": []}"},
    {"check, sdk", CHECK_CALL, "sdk", ENFORCE, ALLOWS, "{\"allowed\": \"true\"}", CONTRADICTS},
    {"check, proxy", CHECK_CALL, "proxy", INVOKE, ALLOWS, "{\"allowed\": 1}", CONTRADICTS},
    {"batch, local", BATCH, "local", BUNDLE, SERVICE_BUNDLE, "{\"agents\": [[]]}",
     "{\"agents\": [{\"agentId\": \"agent-1\", \"policy\": null, \"policy\": {}}]}"},
    {"batch, sdk", BATCH, "sdk", ENFORCE, ALLOWS, "{\"allowed\": [true]}", CONTRADICTS},
    {"batch, proxy", BATCH, "proxy", INVOKE, ALLOWS, "{\"allowed\": {\"is\": true}}", CONTRADICTS},
    {"approval: look-up", CHECK_CALL, "sdk", LOOK_UP, "{\"approved\": true, \"delegationId\": \"d\"}",
     "{\"approved\": true, \"delegationId\": 7}", "{\"approved\": true, \"delegationId\": \"d\", \"approved\": false}"},
    {"approval: use", CHECK_CALL, "sdk", MARK, "{}", "true", "{\"success\": false}"},
    {"await: look", AWAIT, "sdk", STATUS, "{\"status\": \"approved\"}", "{\"status\": [\"approved\"]}",
     "{\"status\": \"approved\", \"status\": \"rejected\"}"},
    {"await: use", AWAIT, "sdk", MARK, "{}", "\"ok\"", "{\"error\": \"already executed\"}"},
    {"dispatch", DISPATCH, "proxy", INVOKE, "{\"result\": \"done\"}", "7",
     "{\"result\": \"done\", \"allowed\": false}"},
    {"invoke", INVOCATION, "proxy", INVOKE, "{\"result\": \"done\"}", "\"done\"",
     "{\"result\": \"done\", \"enforcementAction\": \"block\"}"},
    {"invoke_with_policy", INVOCATION_WITH_POLICY, "proxy", INVOKE, "{\"result\": \"done\"}", "true",
     "{\"result\": \"done\", \"enforcement\": {\"action\": \"hold\"}}"},
};
enum { PATHS = sizeof paths / sizeof *paths };

enum event {
    ANSWERED,
    REFUSED,
    STALE,
    EXPIRED,
    FORGED,
    CLOSED,
    CLOSED_MEANWHILE,
    FREED,
    PANICKED,
    FORKED
};

enum body { GOOD, WRONG_TYPE, CONTRADICTORY, IN_A_LIST, HTML, EMPTY, TOKEN_EXPIRED, TOKEN_FORGED };

/* What goes wrong: how the endpoint behaves, and what else happens. Nothing does in the first: that one goes ahead. */
static const struct fault {
    const char *title;
    enum event event;
    enum service_kind kind;
    int status;
    enum body body;
    const char *headers;
    int timeout_ms; /* the limit that the call has; 0 where it is to end before any */
} faults[] = {
    {"(nothing)", ANSWERED, SERVICE_ANSWERS, 200, GOOD, "", 0},
    {"service down: connection refused", REFUSED, SERVICE_ANSWERS, 200, GOOD, "", 0},
    {"connection closed without an answer", ANSWERED, SERVICE_CLOSES, 200, GOOD, "", 0},
    {"connection reset", ANSWERED, SERVICE_RESETS, 200, GOOD, "", 0},
    {"no answer in time", ANSWERED, SERVICE_STALLS, 200, GOOD, "", 150},
    {"an answer that takes too long", ANSWERED, SERVICE_TRICKLES, 200, GOOD, "", 150},
    {"deadline of 1 ms", ANSWERED, SERVICE_STALLS, 200, GOOD, "", 1},
    {"answer cut short", ANSWERED, SERVICE_TRUNCATES, 200, GOOD, "", 0},
    {"not HTTP", ANSWERED, SERVICE_BABBLES, 200, GOOD, "", 0},
    {"HTML with 200", ANSWERED, SERVICE_ANSWERS, 200, HTML, "", 0},
    {"empty answer", ANSWERED, SERVICE_ANSWERS, 200, EMPTY, "", 0},
    {"a list of the right answer", ANSWERED, SERVICE_ANSWERS, 200, IN_A_LIST, "", 0},
    {"a member of the wrong type", ANSWERED, SERVICE_ANSWERS, 200, WRONG_TYPE, "", 0},
    {"contradiction", ANSWERED, SERVICE_ANSWERS, 200, CONTRADICTORY, "", 0},
    {"302 with an allow", ANSWERED, SERVICE_ANSWERS, 302, GOOD, "", 0},
    {"307 to a server that allows", ANSWERED, SERVICE_ANSWERS, 307, GOOD, "Location: @ELSEWHERE@\r\n", 0},
    {"401 with an allow", ANSWERED, SERVICE_ANSWERS, 401, GOOD, "", 0},
    {"404 with an allow", ANSWERED, SERVICE_ANSWERS, 404, GOOD, "", 0},
    {"429 with an allow", ANSWERED, SERVICE_ANSWERS, 429, GOOD, "", 150},
    {"500 with an allow", ANSWERED, SERVICE_ANSWERS, 500, GOOD, "", 0},
    {"503 with an allow", ANSWERED, SERVICE_ANSWERS, 503, GOOD, "", 150},
    {"token expired", EXPIRED, SERVICE_ANSWERS, 401, TOKEN_EXPIRED, "", 0},
    {"token forged", FORGED, SERVICE_ANSWERS, 401, TOKEN_FORGED, "", 0},
    {"token revoked", ANSWERED, SERVICE_ANSWERS, 401, GOOD, "X-Armoriq-Revoked: true\r\n", 0},
    {"policy bundle stale", STALE, SERVICE_ANSWERS, 500, GOOD, "", 0},
    {"client closed before", CLOSED, SERVICE_ANSWERS, 200, GOOD, "", 0},
    {"client closed meanwhile", CLOSED_MEANWHILE, SERVICE_STALLS, 200, GOOD, "", 400},
    {"handle freed", FREED, SERVICE_ANSWERS, 200, GOOD, "", 0},
    {"handle spoiled by a panic", PANICKED, SERVICE_ANSWERS, 200, GOOD, "", 0},
    {"forked child, service down", FORKED, SERVICE_ANSWERS, 200, GOOD, "", 0},
};
enum { FAULTS = sizeof faults / sizeof *faults };

/* --- The clock: what the library asks for the time --------------------------------------------------------------- */

static int seconds_ahead;
static __thread int clock_fails;

extern long syscall(long number, ...);

/*
 * In place of the C library's, for the shared library too: the time since boot runs ahead, and a clock that fails,
 * once, makes the standard library of Rust panic. A program has no other way to provoke a panic from outside.
 */
int clock_gettime(clockid_t clock, struct timespec *time)
{
    enum { BOOT_TIME = 7 };
    int result = clock_fails ? -1 : (int)syscall(SYS_clock_gettime, clock, time);
    clock_fails = 0;
    if (result == 0 && clock == BOOT_TIME) time->tv_sec += seconds_ahead;
    return result;
}

/* --- One cell: a path and a fault -------------------------------------------------------------------------------- */

struct cell {
    const struct path *path;
    const struct fault *fault;
    struct service *service;
    armoriq_client *client;
    armoriq_session *session;
    char *token;
    char text[64];
};

/* A server that allows whatever it is asked. */
static struct service *elsewhere;

static int is_local(const struct cell *cell)
{
    return strcmp(cell->path->mode, "local") == 0;
}

/* Whether the library itself looks at the token. */
static int reads_token(const struct cell *cell)
{
    return is_local(cell) || cell->path->call >= DISPATCH;
}

/* What a running service needs to say so that the call may go ahead. */
static void all_is_well(struct service *service, const struct path *path)
{
    int approval = strcmp(path->endpoint, LOOK_UP) == 0 || strcmp(path->endpoint, MARK) == 0;
    service_json(service, BUNDLE, 200, SERVICE_BUNDLE);
    service_json(service, ENFORCE, 200, approval ? "{\"allowed\": false, \"enforcementAction\": \"hold\"}" : ALLOWS);
    service_json(service, LOOK_UP, 200, "{\"approved\": true, \"delegationId\": \"d\"}");
    service_json(service, STATUS, 200, "{\"status\": \"approved\"}");
    service_json(service, MARK, 200, "{}");
    service_json(service, "/delegation/request", 201, "{\"delegationId\": \"e\", \"status\": \"pending\"}");
    service_json(service, path->endpoint, 200, path->good);
}

static void go_wrong(const struct cell *cell)
{
    const struct path *path = cell->path;
    const struct fault *fault = cell->fault;
    char body[4096], headers[256];
    const char *mark = strstr(fault->headers, "@ELSEWHERE@");

    switch (fault->body) {
    case GOOD: snprintf(body, sizeof body, "%s", path->good); break;
    case WRONG_TYPE: snprintf(body, sizeof body, "%s", path->wrong_type); break;
    case CONTRADICTORY: snprintf(body, sizeof body, "%s", path->contradiction); break;
    case IN_A_LIST: snprintf(body, sizeof body, "[%s]", path->good); break;
    case HTML: snprintf(body, sizeof body, "<html>Please log in. %s</html>", path->good); break;
    case EMPTY: body[0] = '\0'; break;
    case TOKEN_EXPIRED: strcpy(body, "{\"allowed\": false, \"reason\": \"token-expired\"}"); break;
    case TOKEN_FORGED: strcpy(body, "{\"allowed\": false, \"reason\": \"token-signature-invalid\"}"); break;
    }
    snprintf(headers, sizeof headers, "Content-Type: application/json\r\n%s", mark ? "" : fault->headers);
    if (mark) {
        snprintf(headers, sizeof headers, "Content-Type: application/json\r\nLocation: %s%s\r\n", elsewhere->url,
                 path->endpoint);
    }
    service_set(cell->service, path->endpoint, fault->kind, fault->status, headers, body);
    /* So short a limit is over before the endpoint is reached; that it always is, no machine's speed is to decide. */
    if (fault->timeout_ms == 1 && strcmp(path->mode, "sdk") == 0) {
        service_set(cell->service, path->call == AWAIT ? STATUS : ENFORCE, SERVICE_STALLS, 200, "", "");
    }
}

/* Changes the character of the token that is minted which follows `before`. */
static void mint(struct service *service, const char *before, char change)
{
    char token[] = SERVICE_TOKEN, *found = strstr(token, before);
    REQUIRE(found != NULL);
    found[strlen(before)] = change;
    service_json(service, "/iap/sdk/token", 201, token);
}

/*
 * Local mode asks the service when it plans, and a check only where the bundle has grown old since: such faults are
 * for that check to find.
 */
static int is_found_out_late(const struct fault *fault)
{
    return fault->event == REFUSED || fault->event == FORKED || fault->event == STALE ||
           fault->event == CLOSED_MEANWHILE || fault->timeout_ms == 1;
}

static armoriq_client *open_client(const struct cell *cell)
{
    char more[512];
    /* The plan of local mode, which waits for the bundle, and invoke_with_policy have no limit of their own. */
    int unlimited = is_local(cell) || cell->path->call == INVOCATION_WITH_POLICY;
    int limit = unlimited && cell->fault->timeout_ms ? test_patient(300) : test_patient(5000);
    snprintf(more, sizeof more,
             ", \"agent_id\": \"agent-1\", \"max_retries\": 0, \"iap_public_key\": \"" SERVICE_PUBLIC_KEY
             "\", \"timeout_ms\": %d",
             limit);
    return test_client(cell->service->url, more);
}

/* A session with a plan, about to be asked. */
static void open_cell(struct cell *cell)
{
    char options[64];
    enum event event = cell->fault->event;
    int before_the_plan = is_local(cell) && !is_found_out_late(cell->fault);

    cell->service = service_start();
    all_is_well(cell->service, cell->path);
    if (event == EXPIRED && reads_token(cell)) mint(cell->service, "\"expires_at\": ", '1');
    if (event == FORGED && is_local(cell)) mint(cell->service, "9vV0o", 'L');
    if (event == ANSWERED && before_the_plan) go_wrong(cell);
    cell->client = open_client(cell);
    snprintf(options, sizeof options, "{\"mode\": \"%s\"}", cell->path->mode);
    cell->session = test_session(cell->client, "alice@example.com", options);
    if (armoriq_session_start_plan(cell->session, "[{\"name\": \"data__fetch\"}]", NULL, &cell->token) != ARMORIQ_OK) {
        test_fail(__FILE__, __LINE__, cell->fault->title, cell->token);
    }
    if (!before_the_plan) go_wrong(cell);
    /* The bundle that this path had is too old by now, and what a new one would be is what goes wrong. */
    if (is_local(cell) && !before_the_plan) seconds_ahead += 301;
}

static void close_cell(struct cell *cell)
{
    armoriq_string_free(cell->token);
    armoriq_session_free(cell->session);
    armoriq_client_free(cell->client);
    if (cell->service->listener >= 0) service_stop(cell->service);
    seconds_ahead = 0;
}

/* --- Asking ------------------------------------------------------------------------------------------------------- */

static void says(struct cell *cell, const char *text)
{
    snprintf(cell->text, sizeof cell->text, "%s", text);
}

static void says_status(struct cell *cell, armoriq_status status)
{
    says(cell, armoriq_status_name(status) + strlen("ARMORIQ_ERR_"));
}

/* A decision in one word: allow, hold, or the cause of the block. */
static void says_decision(struct cell *cell, armoriq_status status, armoriq_verdict verdict, const char *json)
{
    const char *decision = json && *json == '[' ? json + 1 : json;
    if (status != ARMORIQ_OK) {
        if (verdict != ARMORIQ_BLOCK) test_fail(__FILE__, __LINE__, "an error with a verdict", json);
        says_status(cell, status);
        return;
    }
    says(cell, verdict == ARMORIQ_ALLOW ? "allow" : verdict == ARMORIQ_HOLD ? "hold" : json_text(decision, "cause"));
    CHECK_MEMBER(decision, "allowed", verdict == ARMORIQ_ALLOW ? "true" : "false");
}

static armoriq_status invoke(struct cell *cell, int timeout_ms, char **json)
{
    char params[8192];
    int with_policy = cell->path->call == INVOCATION_WITH_POLICY;
    int written = snprintf(params, sizeof params, "{\"mcp\": \"data\", \"action\": \"fetch\", \"intent_token\": %s",
                           cell->token);
    REQUIRE(written > 0 && (size_t)written < sizeof params - 64);
    if (!with_policy && timeout_ms) written += sprintf(params + written, ", \"timeout_ms\": %d", timeout_ms);
    strcpy(params + written, "}");
    return with_policy ? armoriq_client_invoke_with_policy(cell->client, params, json)
                       : armoriq_client_invoke(cell->client, params, json);
}

/* Makes the call, and says what came of it. */
static void ask(struct cell *cell)
{
    static const char *const calls = "[{\"tool\": \"data__fetch\", \"args\": {}}]";
    int timeout_ms = cell->fault->timeout_ms > 1 ? test_patient(cell->fault->timeout_ms) : cell->fault->timeout_ms;
    char options[96] = "{}", *json = NULL;
    armoriq_verdict verdict = ARMORIQ_ALLOW;
    armoriq_status status;

    if (timeout_ms) snprintf(options, sizeof options, "{\"timeout_ms\": %d}", timeout_ms);
    switch (cell->path->call) {
    case CHECK_CALL:
        status = armoriq_session_check(cell->session, "data__fetch", "{}", options, &verdict, &json);
        says_decision(cell, status, verdict, json);
        break;
    case BATCH:
        status = armoriq_session_check_batch(cell->session, calls, options, &verdict, &json);
        says_decision(cell, status, verdict, json);
        break;
    case AWAIT:
        snprintf(options, sizeof options, "{\"timeout_ms\": %d, \"interval_ms\": 100}",
                 timeout_ms ? timeout_ms : test_patient(300));
        status = armoriq_session_await_approval(cell->session, "d", options, &json);
        if (status == ARMORIQ_OK) says(cell, json_text(json, "status"));
        else says_status(cell, status);
        break;
    case DISPATCH:
        status = armoriq_session_dispatch(cell->session, "data__fetch", "{}", options, &json);
        if (status == ARMORIQ_OK) says(cell, json);
        else says_status(cell, status);
        break;
    case INVOCATION:
    case INVOCATION_WITH_POLICY:
        status = invoke(cell, timeout_ms, &json);
        if (status == ARMORIQ_OK) says(cell, json_text(json, "result"));
        else says_status(cell, status);
        break;
    }
    armoriq_string_free(json);
}

/* Asks with a handle that a panic has spoiled. */
static void ask_after_a_panic(struct cell *cell)
{
    clock_fails = 1;
    ask(cell);
    if (strcmp(cell->text, "INTERNAL") != 0) test_fail(__FILE__, __LINE__, "no panic", cell->text);
    ask(cell);
}

/* In a child, which says through a pipe what came of it. */
static void in_a_child(struct cell *cell, void (*ask_there)(struct cell *))
{
    int ends[2], status;
    pid_t child;
    ssize_t got;

    REQUIRE(pipe(ends) == 0);
    fflush(stdout);
    child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        ask_there(cell);
        fflush(stdout);
        if (write(ends[1], cell->text, sizeof cell->text) < 0 || test_failures) execlp("false", "", (char *)NULL);
        execlp("true", "", (char *)NULL);
        _exit(1);
    }
    close(ends[1]);
    got = read(ends[0], cell->text, sizeof cell->text);
    close(ends[0]);
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(got == (ssize_t)sizeof cell->text && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void *close_soon(void *client)
{
    test_sleep_ms(50);
    CHECK_STATUS(ARMORIQ_OK, armoriq_client_close(client, 0, NULL));
    return NULL;
}

/* Brings about what is to happen besides the answer, and asks. */
static void ask_amid(struct cell *cell)
{
    pthread_t closer;
    switch (cell->fault->event) {
    case REFUSED:
    case FORKED:
        service_stop(cell->service);
        cell->service->listener = -1;
        if (cell->fault->event == FORKED) in_a_child(cell, ask);
        else ask(cell);
        return;
    case CLOSED: CHECK_STATUS(ARMORIQ_OK, armoriq_client_close(cell->client, 0, NULL)); break;
    case FREED:
        armoriq_session_free(cell->session);
        if (cell->path->call >= INVOCATION) armoriq_client_free(cell->client);
        break;
    /* What the panic interrupts is never freed; the child's memory is not counted. */
    case PANICKED: in_a_child(cell, ask_after_a_panic); return;
    case CLOSED_MEANWHILE:
        REQUIRE(pthread_create(&closer, NULL, close_soon, cell->client) == 0);
        ask(cell);
        pthread_join(closer, NULL);
        return;
    case ANSWERED:
    case STALE:
    case EXPIRED:
    case FORGED: break;
    }
    ask(cell);
}

/* --- The table ---------------------------------------------------------------------------------------------------- */

static char table[65536];
static size_t table_length;

static void put(const char *before, const char *text, const char *after)
{
    int written = snprintf(table + table_length, sizeof table - table_length, "%s%s%s", before, text, after);
    REQUIRE(written > 0 && table_length + (size_t)written < sizeof table);
    table_length += (size_t)written;
}

static int goes_ahead(const char *text)
{
    static const char *const ahead[] = {"allow", "approved", "OK", "done", "\"done\""};
    size_t i;
    for (i = 0; i < sizeof ahead / sizeof *ahead; i++) {
        if (strcmp(text, ahead[i]) == 0) return 1;
    }
    return 0;
}

static void fill(const struct path *path, const struct fault *fault, struct service **kept)
{
    struct cell cell = {path, fault, NULL, NULL, NULL, NULL, ""};
    int expected = fault == faults;
    /* Only local mode has a bundle, and a mark that is accepted needs no text. */
    if ((fault->event == STALE && strcmp(path->mode, "local") != 0) ||
        (fault->body == EMPTY && strcmp(path->endpoint, MARK) == 0)) {
        put("", " \xe2\x80\x93 |", "");
        return;
    }
    open_cell(&cell);
    ask_amid(&cell);
    close_cell(&cell);
    *kept = cell.service;
    put(" ", cell.text[0] == '"' ? "done" : cell.text, " |");
    if (goes_ahead(cell.text) != expected || !cell.text[0] || strcmp(cell.text, "missing") == 0) {
        char detail[192];
        snprintf(detail, sizeof detail, "%s: %s", path->title, cell.text);
        test_fail(__FILE__, __LINE__, fault->title, detail);
    }
}

static void compare_with_documentation(void)
{
    static char documented[1 << 20];
    const char *path = getenv("FAIL_CLOSED_TABLE");
    FILE *file = path ? fopen(path, "rb") : NULL;
    size_t length;
    REQUIRE(file != NULL);
    length = fread(documented, 1, sizeof documented - 1, file);
    documented[length] = '\0';
    fclose(file);
    if (!strstr(documented, table)) test_fail(__FILE__, __LINE__, "the documented table is another", table);
}

int main(void)
{
    static struct service *services[PATHS * FAULTS];
    int path, fault;

    elsewhere = service_start();
    put("", "| |", "");
    for (path = 0; path < PATHS; path++) put(" ", paths[path].title, " |");
    put("\n", "|---|", "");
    for (path = 0; path < PATHS; path++) put("", "---|", "");
    for (fault = 0; fault < FAULTS; fault++) {
        put("\n| ", faults[fault].title, " |");
        for (path = 0; path < PATHS; path++) {
            all_is_well(elsewhere, &paths[path]);
            fill(&paths[path], &faults[fault], &services[fault * PATHS + path]);
        }
    }
    put("\n", "", "");
    compare_with_documentation();
    service_stop(elsewhere);
    free(elsewhere);
    for (path = 0; path < PATHS * FAULTS; path++) free(services[path]);
    return test_result();
}
