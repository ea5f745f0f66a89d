/*
 * Every way to ask for a decision, with everything that can go wrong meanwhile: none is ever an allow. The table of
 * what is answered instead is that of docs/security.md, which FAIL_CLOSED_TABLE names; it is printed where it differs.
 */
#include "clock.h"
#include "fail_closed_ask.h"

#include <sys/wait.h>

/* --- One cell: a path and a fault -------------------------------------------------------------------------------- */

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
    switch (fault->event) {
    case ANSWERED: return fault->timeout_ms == 1;
    case EXPIRED:
    case FORGED:
    case CLOSED:
    case FREED:
    case PANICKED: return 0;
    default: return 1;
    }
}

static armoriq_client *open_client(const struct cell *cell)
{
    char more[512];
    /* The plan of local mode, which waits for the bundle, and invoke_with_policy have no limit of their own. */
    int unlimited = is_local(cell) || cell->path->call == INVOCATION_WITH_POLICY;
    int limit = cell_limit(cell), stalls = limit > 0 && limit < 5000;
    snprintf(more, sizeof more,
             ", \"agent_id\": \"agent-1\", \"max_retries\": 0, \"iap_public_key\": \"" SERVICE_PUBLIC_KEY
             "\", \"timeout_ms\": %d",
             unlimited && stalls ? limit + test_patient(400) : test_patient(5000));
    return test_client(cell->service->url, more);
}

/* A session with a plan, about to be asked. */
static void open_cell(struct cell *cell, int is_submitted)
{
    char options[64];
    enum event event = cell->fault->event;
    int before_the_plan = is_local(cell) && !is_found_out_late(cell->fault);

    if (is_submitted) cell->queue = queue_new(4);
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
    prepare_cell(cell);
}

/* The services of the last cells: a thread of one may still be leaving. */
static struct service *services[64];

static void close_cell(struct cell *cell)
{
    static unsigned next;
    struct service **kept = &services[next++ % (sizeof services / sizeof *services)];
    armoriq_call_free(cell->call);
    armoriq_queue_free(cell->queue);
    armoriq_string_free(cell->token);
    armoriq_session_free(cell->session);
    armoriq_client_free(cell->client);
    if (cell->service->listener >= 0) service_stop(cell->service);
    free(*kept);
    *kept = cell->service;
}

/* --- What happens besides ----------------------------------------------------------------------------------------- */

/* Asks with a handle that a panic has spoiled. */
static void ask_after_a_panic(struct cell *cell)
{
    clock_fails = 1;
    call_and_wait(cell);
    if (strcmp(cell->text, "INTERNAL") != 0) test_fail(__FILE__, __LINE__, "no panic", cell->text);
    cell->text[0] = '\0';
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
        test_failures = 0;
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

/* A machine that is so busy that the call ends before its request arrives has seen it end. */
static void wait_for_request(struct cell *cell)
{
    double start = test_seconds();
    while (service_count(cell->service, cell->path->endpoint) == 0 && test_seconds() - start < 10) test_sleep_ms(1);
}

static void free_handle(struct cell *cell)
{
    armoriq_session_free(cell->session);
    if (cell->path->call >= INVOCATION) armoriq_client_free(cell->client);
}

static void *interfere(void *argument)
{
    struct cell *cell = argument;
    wait_for_request(cell);
    switch (cell->fault->event) {
    case FREED_MEANWHILE: free_handle(cell); break;
    case SUBMITTED_AND_QUEUE_FREED: armoriq_queue_free(cell->queue); break;
    case SUBMITTED_AND_CANCELLED:
        CHECK_STATUS(ARMORIQ_OK, armoriq_call_cancel(cell->call, NULL));
        CHECK(queue_readable(cell->queue, 0));
        break;
    default:
        CHECK_STATUS(ARMORIQ_OK, armoriq_client_close(cell->client, 0, NULL));
        CHECK(!cell->queue || queue_readable(cell->queue, 0));
    }
    return NULL;
}

static void ask_and_interfere(struct cell *cell)
{
    pthread_t thread;
    if (cell->queue) {
        submit(cell);
        interfere(cell);
        take(cell);
        return;
    }
    REQUIRE(pthread_create(&thread, NULL, interfere, cell) == 0);
    ask(cell);
    pthread_join(thread, NULL);
}

static void *ask_on_a_thread(void *cell)
{
    ask(cell);
    return NULL;
}

/* Nothing of what the parent asked is the child's to take. */
static void ask_in_the_middle(struct cell *cell)
{
    armoriq_completion completion;
    if (cell->queue) CHECK_STATUS(ARMORIQ_ERR_TIMEOUT, armoriq_queue_next(cell->queue, 0, &completion, NULL));
    ask(cell);
}

/*
 * Asks in a child that is forked while the parent waits for its own answer. Not so under the address sanitizer, whose
 * allocator may be locked by the parent's other threads: there nothing is under way.
 */
static void ask_in_a_fork(struct cell *cell)
{
#ifndef __SANITIZE_ADDRESS__
    struct cell parents = *cell;
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, ask_on_a_thread, &parents) == 0);
    wait_for_request(cell);
    in_a_child(cell, ask_in_the_middle);
    pthread_join(thread, NULL);
    if (goes_ahead(parents.text)) test_fail(__FILE__, __LINE__, "the parent went ahead", parents.text);
    armoriq_call_free(parents.call);
#else
    (void)ask_on_a_thread;
    in_a_child(cell, ask_in_the_middle);
#endif
}

/* Brings about what is to happen before the call is made. */
static void happen_before(struct cell *cell)
{
    switch (cell->fault->event) {
    case REFUSED:
    case FORKED:
        service_stop(cell->service);
        cell->service->listener = -1;
        break;
    case CLOSED: CHECK_STATUS(ARMORIQ_OK, armoriq_client_close(cell->client, 0, NULL)); break;
    case FREED: free_handle(cell); break;
    default: break;
    }
}

static void ask_amid(struct cell *cell)
{
    switch (cell->fault->event) {
    case CLOSED_MEANWHILE:
    case FREED_MEANWHILE:
    case SUBMITTED_AND_CLOSED:
    case SUBMITTED_AND_CANCELLED:
    case SUBMITTED_AND_QUEUE_FREED: ask_and_interfere(cell); break;
    case FORKED: in_a_child(cell, ask); break;
    case FORKED_MEANWHILE: ask_in_a_fork(cell); break;
    /* What the panic interrupts is never freed; the child's memory is not counted. */
    case PANICKED: in_a_child(cell, ask_after_a_panic); break;
    default: ask(cell);
    }
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

static void complain(const struct fault *fault, const struct path *path, const char *one, const char *other)
{
    char detail[192];
    snprintf(detail, sizeof detail, "%s: %s%s", path->title, one, other);
    test_fail(__FILE__, __LINE__, fault->title, detail);
}

static int cannot_happen(const struct path *path, const struct fault *fault)
{
    /* What a policy says of tools is asked without a token, a limit or a queue. */
    if (path->call == TOOLS && (fault->event == EXPIRED || fault->event == FORGED || fault->timeout_ms == 1 ||
                                fault->event >= SUBMITTED_AND_CLOSED)) {
        return 1;
    }
    /* Only local mode has a bundle, and a mark that is accepted needs no text. */
    return (fault->event == STALE && strcmp(path->mode, "local") != 0) ||
           (fault->body == EMPTY && strcmp(path->endpoint, MARK) == 0);
}

/* Asks, by the function that blocks and by the queue, each of a service and a client of its own. */
static void fill(const struct path *path, const struct fault *fault)
{
    struct cell cells[2];
    /* Closing ends a submitted call at once and lets a blocking one end in its own time: that is two rows. */
    int first = fault->event >= SUBMITTED_AND_CLOSED, last = fault->event != CLOSED_MEANWHILE && path->call != TOOLS, i;
    if (cannot_happen(path, fault)) {
        put("", " \xe2\x80\x93 |", "");
        return;
    }
    memset(cells, 0, sizeof cells);
    for (i = first; i <= last; i++) {
        cells[i].path = path;
        cells[i].fault = fault;
        open_cell(&cells[i], i);
    }
    for (i = first; i <= last; i++) happen_before(&cells[i]);
    /* The bundle that this path had is too old by now, and what a new one would be is what goes wrong. */
    if (is_local(&cells[first]) && is_found_out_late(fault)) seconds_ahead = 301;
    if (fault->event <= FORGED) {
        /* Both at a time: some take theirs. */
        if (last) submit(&cells[1]);
        ask(&cells[0]);
        if (last) take(&cells[1]);
    } else {
        for (i = first; i <= last; i++) ask_amid(&cells[i]);
    }
    for (i = first; i <= last; i++) close_cell(&cells[i]);
    seconds_ahead = 0;

    put(" ", cells[first].text[0] == '"' ? "done" : cells[first].text, " |");
    for (i = first; i <= last; i++) {
        const char *text = cells[i].text;
        if (goes_ahead(text) != (fault == faults) || !text[0] || strcmp(text, "missing") == 0)
            complain(fault, path, i ? "submitted: " : "", text);
    }
    if (strcmp(cells[first].text, cells[last].text) != 0)
        complain(fault, path, "submitted, otherwise: ", cells[last].text);
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
    int path, fault, i;

    elsewhere = service_start();
    put("", "| |", "");
    for (path = 0; path < PATHS; path++) put(" ", paths[path].title, " |");
    put("\n", "|---|", "");
    for (path = 0; path < PATHS; path++) put("", "---|", "");
    for (fault = 0; fault < FAULTS; fault++) {
        put("\n| ", faults[fault].title, " |");
        for (path = 0; path < PATHS; path++) {
            all_is_well(elsewhere, &paths[path]);
            fill(&paths[path], &faults[fault]);
        }
    }
    put("\n", "", "");
    compare_with_documentation();
    service_stop(elsewhere);
    free(elsewhere);
    for (i = 0; i < (int)(sizeof services / sizeof *services); i++) free(services[i]);
    return test_result();
}
