/*
 * Every function of the header with a panic in it, on the caller's thread. run.sh compares the list of functions below,
 * which `probe --list` prints, with the header.
 */
#include "panics.h"

#define JUNK ((void *)-1)

/* What a call writes to. */
struct outs {
    char *json;
    void *handle;
    armoriq_verdict verdict;
    armoriq_completion completion;
};

/* Frees what a call gave. */
static void outs_free(struct outs *outs, enum owner kind)
{
    armoriq_string_free(outs->json);
    armoriq_string_free(outs->completion.json);
    switch (kind) {
    case CLIENT: armoriq_client_free(outs->handle); break;
    case USER: armoriq_user_scope_free(outs->handle); break;
    case SESSION: armoriq_session_free(outs->handle); break;
    case QUEUE: armoriq_queue_free(outs->handle); break;
    case CALL: armoriq_call_free(outs->handle); break;
    case NOBODY: break;
    }
}

/* --- The functions that return a status -------------------------------------------------------------------------- */

typedef armoriq_status function(const struct handles *on, struct outs *outs);

#define FUNCTION(name, arguments)                                                                                      \
    static armoriq_status call_##name(const struct handles *on, struct outs *outs)                                     \
    {                                                                                                                  \
        (void)on;                                                                                                      \
        return armoriq_##name arguments;                                                                               \
    }

#define CLIENT_FUNCTION(method, params) FUNCTION(client_##method, (on->client, params, &outs->json))
CLIENT_METHODS(CLIENT_FUNCTION)

FUNCTION(set_logger, (3, NULL, NULL, &outs->json))
FUNCTION(client_new,
         (ARMORIQ_ABI_VERSION, "{\"api_key\": \"" TEST_KEY "\"}", (armoriq_client **)&outs->handle, &outs->json))
FUNCTION(client_from_config, (ARMORIQ_ABI_VERSION, "none.yaml", (armoriq_client **)&outs->handle, &outs->json))
FUNCTION(client_set_api_key, (on->client, TEST_KEY, &outs->json))
FUNCTION(client_info, (on->client, &outs->json))
FUNCTION(client_close, (on->client, 0, &outs->json))
FUNCTION(for_user, (on->client, "a@b.co", (armoriq_user_scope **)&outs->handle, &outs->json))
FUNCTION(user_resolve, (on->user, &outs->json))
FUNCTION(user_start_session, (on->user, NULL, (armoriq_session **)&outs->handle, &outs->json))
FUNCTION(client_start_session, (on->client, NULL, (armoriq_session **)&outs->handle, &outs->json))
FUNCTION(session_start_plan,
         (on->session, "[{\"name\": \"data__fetch\"}, {\"name\": \"data__more\"}]", NULL, &outs->json))
FUNCTION(session_check, (on->session, "data__fetch", NULL, NULL, &outs->verdict, &outs->json))
FUNCTION(session_check_batch,
         (on->session, "[{\"tool\": \"data__fetch\", \"args\": {}}]", NULL, &outs->verdict, &outs->json))
FUNCTION(session_tools, (on->session, "[\"data__fetch\"]", &outs->json))
FUNCTION(session_report, (on->session, "data__fetch", NULL, NULL, NULL, &outs->json))
FUNCTION(session_dispatch, (on->session, "data__fetch", NULL, NULL, &outs->json))
FUNCTION(session_await_approval, (on->session, "d", NULL, &outs->json))
FUNCTION(session_reset, (on->session, &outs->json))
FUNCTION(session_info, (on->session, &outs->json))
FUNCTION(policy_evaluate, ("{}", "{}", &outs->json))
FUNCTION(policy_explain, ("{}", "{}", &outs->json))
FUNCTION(policy_check, ("{}", NULL, &outs->json))
FUNCTION(queue_new, (1, (armoriq_queue **)&outs->handle, &outs->json))
FUNCTION(queue_next, (on->queue, 0, &outs->completion, &outs->json))
FUNCTION(submit_check,
         (on->session, on->queue, 7, "data__fetch", NULL, NULL, (armoriq_call **)&outs->handle, &outs->json))
FUNCTION(submit,
         (on->client, NULL, on->queue, 7, "bootstrap", NULL, (armoriq_call **)&outs->handle, &outs->json))
FUNCTION(call_cancel, (on->call, &outs->json))

struct probe {
    const char *name;
    function *call;
    /* The handle that a panic spoils, and the kind of the one that the function makes. */
    enum owner owner, makes;
    /* Where it ends on two threads at once, it is not asked to panic there. */
    int submits;
};

#define CLIENT_PROBE(method, params) {"armoriq_client_" #method, call_client_##method, CLIENT, NOBODY, 0},
#define PROBE(name, owner, makes) {"armoriq_" #name, call_##name, owner, makes, 0},

static const struct probe probes[] = {
    CLIENT_METHODS(CLIENT_PROBE)
    PROBE(set_logger, NOBODY, NOBODY)
    PROBE(client_new, NOBODY, CLIENT)
    PROBE(client_from_config, NOBODY, CLIENT)
    PROBE(client_set_api_key, CLIENT, NOBODY)
    PROBE(client_info, CLIENT, NOBODY)
    PROBE(client_close, CLIENT, NOBODY)
    PROBE(for_user, CLIENT, USER)
    PROBE(user_resolve, USER, NOBODY)
    PROBE(user_start_session, USER, SESSION)
    PROBE(client_start_session, CLIENT, SESSION)
    PROBE(session_start_plan, SESSION, NOBODY)
    PROBE(session_check, SESSION, NOBODY)
    PROBE(session_check_batch, SESSION, NOBODY)
    PROBE(session_tools, SESSION, NOBODY)
    PROBE(session_report, SESSION, NOBODY)
    PROBE(session_dispatch, SESSION, NOBODY)
    PROBE(session_await_approval, SESSION, NOBODY)
    PROBE(session_reset, SESSION, NOBODY)
    PROBE(session_info, SESSION, NOBODY)
    PROBE(policy_evaluate, NOBODY, NOBODY)
    PROBE(policy_explain, NOBODY, NOBODY)
    PROBE(policy_check, NOBODY, NOBODY)
    PROBE(queue_new, NOBODY, QUEUE)
    PROBE(queue_next, QUEUE, NOBODY)
    {"armoriq_submit_check", call_submit_check, SESSION, CALL, 1},
    {"armoriq_submit", call_submit, CLIENT, CALL, 1},
    PROBE(call_cancel, CALL, NOBODY)
};

static struct outs outs_junk(void)
{
    struct outs outs = {JUNK, JUNK, 77, {1, 1, 77, JUNK}};
    return outs;
}

/* What the function writes to is empty, and what it does not know is as it was. */
static void check_empty(const struct probe *probe, const struct outs *outs)
{
    int decides = probe->call == call_session_check || probe->call == call_session_check_batch;
    int fetches = probe->call == call_queue_next;
    if (outs->handle != (probe->makes == NOBODY ? JUNK : NULL)) test_fail(__FILE__, __LINE__, probe->name, "handle");
    if (outs->verdict != (decides ? ARMORIQ_BLOCK : 77)) test_fail(__FILE__, __LINE__, probe->name, "verdict");
    if (outs->completion.json != (fetches ? NULL : JUNK)) test_fail(__FILE__, __LINE__, probe->name, "completion");
    if (outs->completion.status != (fetches ? 0 : 1)) test_fail(__FILE__, __LINE__, probe->name, "completion");
}

/* A call that gives INTERNAL, with this in its message. */
static void check_internal(const struct probe *probe, const struct handles *on, const char *message)
{
    struct outs outs = outs_junk();
    armoriq_status status = probe->call(on, &outs);
    test_status(__FILE__, __LINE__, probe->name, ARMORIQ_ERR_INTERNAL, status);
    test_error(__FILE__, __LINE__, status, outs.json);
    test_contains(__FILE__, __LINE__, outs.json, message, 1);
    check_empty(probe, &outs);
    armoriq_string_free(outs.json);
}

/* A call without a panic: its status. */
static armoriq_status ordinary(const struct probe *probe, const struct handles *on)
{
    struct outs outs = outs_junk();
    armoriq_status status = probe->call(on, &outs);
    if (status == ARMORIQ_ERR_INTERNAL) test_fail(__FILE__, __LINE__, probe->name, outs.json);
    if (probe->submits && status == ARMORIQ_OK) armoriq_string_free(queue_take(on->queue).json);
    if (outs.completion.json == JUNK) outs.completion.json = NULL;
    outs_free(&outs, probe->makes);
    return status;
}

static void probe_status(const struct probe *probe)
{
    int at_end;
    struct handles fresh = handles_new();
    armoriq_status usual = ordinary(probe, &fresh);
    handles_free(&fresh);

    for (at_end = 0; at_end <= !probe->submits; at_end++) {
        struct handles on = handles_new();

        armoriq_panic_probe(1, at_end);
        check_internal(probe, &on, TEXT);
        CHECK(armoriq_panic_probe(0, at_end) == 0);
        /* The handle stays spoiled; where there is none, the next call is as ever. */
        if (probe->owner != NOBODY) check_internal(probe, &on, "an earlier call on this armoriq_");
        else test_status(__FILE__, __LINE__, probe->name, usual, ordinary(probe, &on));
        check_others(&on, probe->owner);
        handles_free(&on);

        fresh = handles_new();
        test_status(__FILE__, __LINE__, probe->name, usual, ordinary(probe, &fresh));
        handles_free(&fresh);
    }
}

/* --- The functions that return something else, or nothing -------------------------------------------------------- */

/* Those that have no guard, since there is nothing in them that could panic: they do not come to a place. */
static void probe_plain(void)
{
    char *text = NULL;
    CHECK_STATUS(ARMORIQ_ERR_INVALID_ARGUMENT, armoriq_policy_check(NULL, NULL, &text));
    armoriq_panic_probe(1, 0);
    CHECK(strcmp(armoriq_version(), ARMORIQ_VERSION) == 0);
    CHECK(armoriq_abi_version() == ARMORIQ_ABI_VERSION);
    CHECK(strcmp(armoriq_status_name(ARMORIQ_ERR_INTERNAL), "ARMORIQ_ERR_INTERNAL") == 0);
    armoriq_string_free(text);
    CHECK(armoriq_panic_probe(0, 0) == 1);
}

static void probe_descriptor(void)
{
    int at_end;
    for (at_end = 0; at_end <= 1; at_end++) {
        struct handles on = handles_new();
        CHECK(armoriq_queue_fd(on.queue) >= 0);
        armoriq_panic_probe(1, at_end);
        CHECK(armoriq_queue_fd(on.queue) == -1);
        CHECK(armoriq_panic_probe(0, at_end) == 0);
        CHECK(armoriq_queue_fd(on.queue) == -1);
        check_others(&on, QUEUE);
        handles_free(&on);
    }
}

static void free_client(const struct handles *on) { armoriq_client_free(on->client); }
static void free_user(const struct handles *on) { armoriq_user_scope_free(on->user); }
static void free_session(const struct handles *on) { armoriq_session_free(on->session); }
static void free_queue(const struct handles *on) { armoriq_queue_free(on->queue); }
static void free_call(const struct handles *on) { armoriq_call_free(on->call); }

static const struct freeing {
    const char *name;
    void (*free)(const struct handles *on);
    function *use;
} freeings[] = {
    {"armoriq_client_free", free_client, call_client_info},
    {"armoriq_user_scope_free", free_user, call_user_resolve},
    {"armoriq_session_free", free_session, call_session_info},
    {"armoriq_queue_free", free_queue, call_queue_next},
    {"armoriq_call_free", free_call, call_call_cancel},
};

/*
 * Where freeing begins with a panic it does nothing, and where it ends with one it is done: in both cases it may be
 * done again, and the handle is gone then.
 */
static void probe_free(const struct freeing *freeing)
{
    int at_end;
    for (at_end = 0; at_end <= 1; at_end++) {
        struct handles on = handles_new();
        struct outs outs = outs_junk();
        armoriq_panic_probe(1, at_end);
        freeing->free(&on);
        CHECK(armoriq_panic_probe(0, at_end) == 0);
        freeing->free(&on);
        test_status(__FILE__, __LINE__, freeing->name, ARMORIQ_ERR_INVALID_HANDLE, freeing->use(&on, &outs));
        armoriq_string_free(outs.json);
        handles_free(&on);
    }
}

/* --- Running them ------------------------------------------------------------------------------------------------ */

/* The functions that are probed, as the header names them. */
static void list(void)
{
    size_t i;
    for (i = 0; i < COUNT(probes); i++) puts(probes[i].name);
    for (i = 0; i < COUNT(freeings); i++) puts(freeings[i].name);
    puts("armoriq_version\narmoriq_abi_version\narmoriq_status_name\narmoriq_string_free\narmoriq_queue_fd");
}

int main(int argc, char **argv)
{
    size_t i;

    if (argc > 1 && strcmp(argv[1], "--list") == 0) return list(), 0;
    service = service_start();
    service_json(service, ENFORCE, 200, "{\"allowed\": true}");
    for (i = 0; i < COUNT(probes); i++) {
        probe_status(&probes[i]);
        count(probes[i].name, "");
    }
    for (i = 0; i < COUNT(freeings); i++) {
        probe_free(&freeings[i]);
        count(freeings[i].name, "");
    }
    probe_plain();
    count("armoriq_version", " and others");
    probe_descriptor();
    count("armoriq_queue_fd", "");
    service_stop(service);
    free(service);
    printf("%d passed, %d failed\n", passed, failed);
    return test_result();
}
