/*
 * How much of its caller's stack the library needs: every kind of call with the deepest inputs that it takes, on a
 * thread whose stack is as small as the header says that it may be. What it used is measured on the stack itself.
 */
#include "process.h"

#include <sys/mman.h>

/* What the header says is enough for any call. */
enum { STACK = 256 << 10, PAINT = 0xa5 };

static struct elsewhere service;
static armoriq_client *client;
static armoriq_session *local, *sdk, *proxy;
static armoriq_queue *queue;

#define PLAN "[{\"name\": \"data__fetch\"}, {\"name\": \"data__drop\"}]"
#define TOKEN                                                                                                          \
    "\"intent_token\": {\"token_id\": \"t\", \"plan_hash\": \"h\", \"signature\": \"s\", \"issued_at\": 1, "           \
    "\"expires_at\": 4102444800, \"total_steps\": 0, \"raw_token\": {}}"

/* Lists in lists, as deep as JSON may be with the objects around them. */
static const char *nested(int levels)
{
    static char text[512];
    int i;
    REQUIRE(levels * 2 < (int)sizeof text);
    for (i = 0; i < levels; i++) text[i] = '[';
    for (; i < 2 * levels; i++) text[i] = ']';
    text[i] = '\0';
    return text;
}

static char deep_args[1024], deep_call[2048], deep_documents[8192], deep_params[2048];
static char deep_batch[2048], deep_result[512], deep_pattern[4096], deep_plan[2048];

static void make_inputs(void)
{
    char *at = deep_pattern;
    int i;
    snprintf(deep_args, sizeof deep_args, "{\"v\": %s}", nested(127));
    snprintf(deep_result, sizeof deep_result, "%s", nested(128));
    snprintf(deep_call, sizeof deep_call,
             "{\"tool\": \"send\", \"timestamp\": \"2026-01-01T00:00:00Z\", "
             "\"arguments\": {\"t\": \"aaaaaaaa\", \"v\": %s}}",
             nested(126));
    snprintf(deep_plan, sizeof deep_plan, "[{\"name\": \"data__fetch\", \"args\": {\"v\": %s}}]", nested(125));
    snprintf(deep_batch, sizeof deep_batch, "[{\"tool\": \"data__fetch\", \"args\": {\"v\": %s}}]", nested(125));
    snprintf(deep_params, sizeof deep_params,
             "{\"mcp\": \"data\", \"action\": \"fetch\", \"params\": {\"v\": %s}, " TOKEN "}", nested(126));
    /* As many groups in groups as a pattern may have. */
    for (i = 0; i < 200; i++) *at++ = '(';
    at += sprintf(at, "a|b");
    for (i = 0; i < 200; i++) at += sprintf(at, ")*");
    snprintf(deep_documents, sizeof deep_documents,
             "{\"agent\": {\"schemaVersion\": \"armor.policy.v2\", \"policyId\": \"p\", \"target\": {\"agent\": \"a\"}, "
             "\"layer\": \"agent\", \"defaults\": {\"tools\": \"block\", \"network\": \"block\", \"files\": \"block\", "
             "\"skills\": \"block\"}, \"expiresAt\": \"never\", \"statements\": [{\"id\": \"s\", \"subject\": null, "
             "\"conditions\": [{\"field\": \"args.t\", \"op\": \"regex\", \"value\": \"%s\"}, "
             "{\"field\": \"args.v\", \"op\": \"ne\", \"value\": %s}], "
             "\"expiresAt\": \"never\", \"provenance\": {\"ruleKey\": \"send\", \"variant\": 0, \"source\": \"yaml\"}, "
             "\"match\": {\"tool\": \"send\", \"keyTier\": \"exact\", \"order\": 0}, \"effect\": \"allow\"}]}}",
             deep_pattern, nested(110));
}

static void ok(armoriq_status status, char **json)
{
    if (status != ARMORIQ_OK) test_fail(__FILE__, __LINE__, "a call failed", *json);
    armoriq_string_free(*json);
}

static void evaluate(void)
{
    char *json = NULL;
    armoriq_status status = armoriq_policy_evaluate(deep_call, deep_documents, &json);
    ok(status, &json);
    ok(armoriq_policy_explain(deep_call, deep_documents, &json), &json);
}

static void check_policy(void)
{
    char *json = NULL;
    ok(armoriq_policy_check(deep_documents, "[\"send\"]", &json), &json);
}

static void check_local(void)
{
    EXPECT(local, "data__fetch", deep_args, NULL, ARMORIQ_ALLOW, NULL, NULL);
    EXPECT(local, "data__drop", deep_args, NULL, ARMORIQ_BLOCK, NULL, "policy");
}

static void check_sdk(void) { EXPECT(sdk, "data__fetch", deep_args, NULL, ARMORIQ_ALLOW, NULL, NULL); }
static void check_proxy(void) { EXPECT(proxy, "data__fetch", deep_args, NULL, ARMORIQ_ALLOW, NULL, NULL); }

static void batch(void)
{
    char *json = NULL;
    ok(armoriq_session_check_batch(sdk, deep_batch, NULL, NULL, &json), &json);
    ok(armoriq_session_check_batch(local, deep_batch, NULL, NULL, &json), &json);
}

static void plan(void)
{
    char *json = NULL;
    ok(armoriq_session_start_plan(sdk, deep_plan, NULL, &json), &json);
    ok(armoriq_session_start_plan(local, PLAN, NULL, &json), &json);
    ok(armoriq_session_start_plan(sdk, PLAN, NULL, &json), &json);
}

static void tools(void)
{
    char *json = NULL;
    ok(armoriq_session_tools(local, "[\"data__fetch\", \"data__drop\"]", &json), &json);
}

static void report(void)
{
    char *json = NULL;
    ok(armoriq_session_report(sdk, "data__fetch", deep_args, deep_result, NULL, &json), &json);
    ok(armoriq_session_dispatch(proxy, "data__fetch", deep_args, NULL, &json), &json);
}

static void invoke(void)
{
    char *json = NULL;
    ok(armoriq_client_invoke(client, deep_params, &json), &json);
    ok(armoriq_client_invoke_with_policy(client, deep_params, &json), &json);
}

/* A client that has no connection and no policy yet. */
static void begin(void)
{
    armoriq_client *own = test_client(service.url, ", \"agent_id\": \"agent-1\"");
    armoriq_session *session = test_session(own, "a@b.co", NULL);
    test_plan(session, PLAN);
    EXPECT(session, "data__drop", deep_args, NULL, ARMORIQ_BLOCK, NULL, "policy");
    armoriq_session_free(session);
    armoriq_client_free(own);
}

static void from_file(void)
{
    armoriq_client *own = NULL;
    armoriq_status status = armoriq_client_from_config(ARMORIQ_ABI_VERSION, "deep.yaml", &own, NULL);
    CHECK_STATUS(ARMORIQ_ERR_CONFIGURATION, status);
}

static void ask(void)
{
    char *json = NULL;
    ok(armoriq_client_list_mcps(client, NULL, &json), &json);
}

static void submit(void)
{
    armoriq_completion done;
    CHECK_STATUS(ARMORIQ_OK, armoriq_submit_check(sdk, queue, 1, "data__fetch", deep_args, NULL, NULL, NULL));
    CHECK_STATUS(ARMORIQ_OK, armoriq_queue_next(queue, 60000, &done, NULL));
    CHECK(done.verdict == ARMORIQ_ALLOW);
    armoriq_string_free(done.json);
}

static const struct call {
    const char *name;
    void (*run)(void);
} calls[] = {
    {"policy_evaluate, policy_explain", evaluate},
    {"policy_check", check_policy},
    {"check, local", check_local},
    {"check, sdk", check_sdk},
    {"check, proxy", check_proxy},
    {"check_batch", batch},
    {"start_plan", plan},
    {"session_tools", tools},
    {"report, dispatch", report},
    {"invoke, invoke_with_policy", invoke},
    {"the first calls of a client", begin},
    {"client_from_config", from_file},
    {"list_mcps", ask},
    {"submit_check", submit},
};

static void *run(void *call)
{
    ((const struct call *)call)->run();
    return NULL;
}

/* Runs a call on a thread with so much stack; how much of it was ever touched, with what the C library has in it. */
static size_t run_on(const struct call *call, size_t size)
{
    size_t guard = 1 << 16, untouched = 0;
    unsigned char *area =
        mmap(NULL, size + guard, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    pthread_attr_t attributes;
    pthread_t thread;
    REQUIRE(area != MAP_FAILED);
    memset(area + guard, PAINT, size);
    REQUIRE(mprotect(area, guard, PROT_NONE) == 0);
    pthread_attr_init(&attributes);
    REQUIRE(pthread_attr_setstack(&attributes, area + guard, size) == 0);
    REQUIRE(pthread_create(&thread, &attributes, run, (void *)call) == 0);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attributes);
    while (untouched < size && area[guard + untouched] == PAINT) untouched++;
    munmap(area, size + guard);
    return size - untouched;
}

static void prepare(struct service *made)
{
    char body[2048];
    service_json(made, "/iap/sdk/enforce", 200, "{\"allowed\": true}");
    service_json(made, "/policy/bundles/current", 200, SERVICE_BUNDLE);
    service_json(made, "/iap/trust/reanchor", 200, "{\"trustId\": \"t\"}");
    service_json(made, "/iap/audit", 201, "{}");
    snprintf(body, sizeof body, "{\"data\": [%s]}", nested(126));
    service_json(made, "/mcp/my-servers", 200, body);
    snprintf(body, sizeof body, "{\"result\": %s, \"allowed\": true}", nested(127));
    service_json(made, "/invoke", 200, body);
}

static void write_deep_yaml(void)
{
    FILE *file = fopen("deep.yaml", "w");
    int i;
    REQUIRE(file != NULL);
    fprintf(file, "version: v1\nidentity: ");
    for (i = 0; i < 200; i++) fputc('[', file);
    for (i = 0; i < 200; i++) fputc(']', file);
    fputc('\n', file);
    fclose(file);
}

int main(void)
{
    size_t i;
    make_inputs();
    write_deep_yaml();
    service = elsewhere_start(prepare);
    client = test_client(service.url, ", \"agent_id\": \"agent-1\"");
    local = test_session(client, "a@b.co", NULL);
    sdk = test_session(client, "a@b.co", "{\"mode\": \"sdk\"}");
    proxy = test_session(client, "a@b.co", "{\"mode\": \"proxy\"}");
    REQUIRE(armoriq_queue_new(4, &queue, NULL) == ARMORIQ_OK);
    test_plan(local, PLAN);
    test_plan(sdk, PLAN);
    test_plan(proxy, PLAN);
    for (i = 0; i < sizeof calls / sizeof *calls; i++) {
        size_t used = run_on(&calls[i], 8 << 20);
        printf("%6.1f KiB  %s\n", (double)used / 1024, calls[i].name);
        if (used > STACK) {
            test_fail(__FILE__, __LINE__, "more stack than the header says", calls[i].name);
        } else {
            run_on(&calls[i], STACK);
        }
    }
    armoriq_queue_free(queue);
    armoriq_session_free(proxy);
    armoriq_session_free(sdk);
    armoriq_session_free(local);
    armoriq_client_free(client);
    elsewhere_stop(&service);
    remove("deep.yaml");
    return test_result();
}
