/*
 * The library in a process that loads it by hand: loaded and unloaded a hundred times, unloaded with a client still at
 * work, and two copies of it at once.
 */
#include "process.h"

#include <dlfcn.h>
#include <malloc.h>

static struct elsewhere service;

/* What this program uses of one copy. */
struct library {
    void *handle;
    const char *(*version)(void);
    armoriq_status (*client_new)(uint32_t, const char *, armoriq_client **, char **);
    armoriq_status (*client_info)(armoriq_client *, char **);
    void (*client_free)(armoriq_client *);
    armoriq_status (*start_session)(armoriq_client *, const char *, armoriq_session **, char **);
    armoriq_status (*start_plan)(armoriq_session *, const char *, const char *, char **);
    armoriq_status (*check)(armoriq_session *, const char *, const char *, const char *, armoriq_verdict *, char **);
    armoriq_status (*session_info)(armoriq_session *, char **);
    void (*session_free)(armoriq_session *);
    armoriq_status (*queue_new)(uint32_t, armoriq_queue **, char **);
    armoriq_status (*queue_next)(armoriq_queue *, uint32_t, armoriq_completion *, char **);
    void (*queue_free)(armoriq_queue *);
    armoriq_status (*submit_check)(armoriq_session *, armoriq_queue *, uint64_t, const char *, const char *,
                                   const char *, armoriq_call **, char **);
    void (*string_free)(char *);
};

/* ISO C has no cast from an object's address to a function's. */
static void find(void *handle, const char *name, void *function)
{
    void *found = dlsym(handle, name);
    if (!found) test_fail(__FILE__, __LINE__, name, dlerror());
    REQUIRE(found != NULL);
    memcpy(function, &found, sizeof found);
}

static struct library load(const char *path)
{
    struct library made;
    made.handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!made.handle) test_fail(__FILE__, __LINE__, "dlopen", dlerror());
    REQUIRE(made.handle != NULL);
    find(made.handle, "armoriq_version", &made.version);
    find(made.handle, "armoriq_client_new", &made.client_new);
    find(made.handle, "armoriq_client_info", &made.client_info);
    find(made.handle, "armoriq_client_free", &made.client_free);
    find(made.handle, "armoriq_client_start_session", &made.start_session);
    find(made.handle, "armoriq_session_start_plan", &made.start_plan);
    find(made.handle, "armoriq_session_check", &made.check);
    find(made.handle, "armoriq_session_info", &made.session_info);
    find(made.handle, "armoriq_session_free", &made.session_free);
    find(made.handle, "armoriq_queue_new", &made.queue_new);
    find(made.handle, "armoriq_queue_next", &made.queue_next);
    find(made.handle, "armoriq_queue_free", &made.queue_free);
    find(made.handle, "armoriq_submit_check", &made.submit_check);
    find(made.handle, "armoriq_string_free", &made.string_free);
    return made;
}

static armoriq_client *client_of(const struct library *library)
{
    armoriq_client *client = NULL;
    char options[512];
    snprintf(options, sizeof options,
             "{\"api_key\": \"" TEST_KEY "\", \"agent_id\": \"agent-1\", \"backend_endpoint\": \"%s\", "
             "\"proxy_endpoint\": \"%s\", \"iap_endpoint\": \"%s\"}",
             service.url, service.url, service.url);
    REQUIRE(library->client_new(ARMORIQ_ABI_VERSION, options, &client, NULL) == ARMORIQ_OK);
    return client;
}

static armoriq_session *session_of(const struct library *library, armoriq_client *client, const char *options)
{
    armoriq_session *session = NULL;
    REQUIRE(library->start_session(client, options, &session, NULL) == ARMORIQ_OK);
    REQUIRE(library->start_plan(session, "[{\"name\": \"data__fetch\"}, {\"name\": \"data__drop\"}]", "test", NULL) ==
            ARMORIQ_OK);
    return session;
}

static void check(const struct library *library, armoriq_session *session, const char *tool, armoriq_verdict expected)
{
    armoriq_verdict verdict = 77;
    char *json = NULL;
    CHECK(library->check(session, tool, "{}", NULL, &verdict, &json) == ARMORIQ_OK);
    if (verdict != expected) test_fail(__FILE__, __LINE__, tool, json);
    library->string_free(json);
}

/* Calls on this thread, and on the library's own. */
static void use(const struct library *library)
{
    armoriq_client *client = client_of(library);
    armoriq_session *sdk = session_of(library, client, "{\"mode\": \"sdk\"}");
    armoriq_session *local = session_of(library, client, NULL);
    armoriq_queue *queue = NULL;
    armoriq_completion done;
    CHECK(library->queue_new(4, &queue, NULL) == ARMORIQ_OK);
    CHECK(library->submit_check(sdk, queue, 1, "data__fetch", "{}", NULL, NULL, NULL) == ARMORIQ_OK);
    check(library, sdk, "data__fetch", ARMORIQ_ALLOW);
    check(library, local, "data__fetch", ARMORIQ_ALLOW);
    check(library, local, "data__drop", ARMORIQ_BLOCK);
    CHECK(library->queue_next(queue, 60000, &done, NULL) == ARMORIQ_OK && done.verdict == ARMORIQ_ALLOW);
    library->string_free(done.json);
    library->queue_free(queue);
    library->session_free(local);
    library->session_free(sdk);
    library->client_free(client);
}

static int mappings(void)
{
    const char *at = process_read("/proc/self/maps");
    int count = 0;
    for (; *at; at++) count += *at == '\n';
    return count;
}

/*
 * Bytes that are allocated, where the C library's own allocator is in place to say so. run.sh switches off the lists of
 * free blocks that each thread keeps: they count as allocated.
 */
static size_t bytes(void)
{
#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__)
    return mallinfo2().uordblks;
#else
    return 0;
#endif
}

static void once(const char *path)
{
    struct library library = load(path);
    use(&library);
    CHECK(dlclose(library.handle) == 0);
    process_wait_for_threads(1);
}

/* Round after round the process has no more of anything. The first ones make what is made once. */
static void load_and_unload(const char *path)
{
    int rounds = test_scaled(100), round, descriptors, maps;
    size_t used;
    for (round = 0; round < 10; round++) once(path);
    descriptors = process_descriptors();
    maps = mappings();
    used = bytes();
    for (round = 0; round < rounds; round++) once(path);
    CHECK(process_descriptors() == descriptors);
    /* The allocator may take an area more from the system, or give one back. */
    CHECK(mappings() <= maps + 3);
    if (bytes() > used + 8192) {
        char detail[64];
        snprintf(detail, sizeof detail, "%ld in %d rounds", (long)(bytes() - used), rounds);
        test_fail(__FILE__, __LINE__, "bytes are lost", detail);
    }
}

/* What dlclose() does: nothing. Threads of the library may be in its code, and what it gave out goes on working. */
static void stays_when_unloaded(const char *path)
{
    struct library library = load(path), again;
    armoriq_client *client = client_of(&library);
    armoriq_session *session = session_of(&library, client, NULL);
    void *still;
    CHECK(process_threads() == 2);
    CHECK(dlclose(library.handle) == 0);
    still = dlopen(path, RTLD_NOW | RTLD_NOLOAD);
    REQUIRE(still != NULL);
    check(&library, session, "data__fetch", ARMORIQ_ALLOW);
    again = load(path);
    CHECK(again.version == library.version);
    check(&again, session, "data__drop", ARMORIQ_BLOCK);
    again.session_free(session);
    again.client_free(client);
    process_wait_for_threads(1);
    dlclose(again.handle);
    dlclose(still);
}

static void copy(const char *from, const char *to)
{
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    static char buffer[65536];
    size_t length;
    REQUIRE(in != NULL && out != NULL);
    while ((length = fread(buffer, 1, sizeof buffer, in))) REQUIRE(fwrite(buffer, 1, length, out) == length);
    fclose(in);
    REQUIRE(fclose(out) == 0);
}

/* --- two copies --------------------------------------------------------------------------------------------------- */

static void *use_often(void *library)
{
    int round;
    for (round = 0; round < test_scaled(50); round++) use(library);
    return NULL;
}

/* A handle of `own` means nothing to `other`. */
static void refuses(const struct library *own, const struct library *other)
{
    armoriq_client *client = client_of(own);
    armoriq_session *session = session_of(own, client, NULL), *made = (armoriq_session *)client;
    armoriq_queue *queue = NULL;
    armoriq_completion done;
    armoriq_verdict verdict = ARMORIQ_ALLOW;
    char *json = NULL;
    CHECK(own->queue_new(4, &queue, NULL) == ARMORIQ_OK);
    CHECK(other->client_info(client, &json) == ARMORIQ_ERR_INVALID_HANDLE);
    CHECK_MEMBER(json, "code", "\"ARMORIQ_ERR_INVALID_HANDLE\"");
    other->string_free(json);
    CHECK(other->session_info(session, NULL) == ARMORIQ_ERR_INVALID_HANDLE);
    CHECK(other->start_session(client, NULL, &made, NULL) == ARMORIQ_ERR_INVALID_HANDLE && made == NULL);
    CHECK(other->check(session, "data__fetch", "{}", NULL, &verdict, NULL) == ARMORIQ_ERR_INVALID_HANDLE);
    CHECK(verdict == ARMORIQ_BLOCK);
    CHECK(other->queue_next(queue, 0, &done, NULL) == ARMORIQ_ERR_INVALID_HANDLE);
    CHECK(own->submit_check(session, queue, 1, "data__fetch", "{}", NULL, NULL, NULL) == ARMORIQ_OK);
    CHECK(other->submit_check(session, queue, 1, "data__fetch", "{}", NULL, NULL, NULL) == ARMORIQ_ERR_INVALID_HANDLE);
    /* What the other copy is told to free is not its own, and stays. */
    other->session_free(session);
    other->queue_free(queue);
    other->client_free(client);
    check(own, session, "data__fetch", ARMORIQ_ALLOW);
    CHECK(own->queue_next(queue, 60000, &done, NULL) == ARMORIQ_OK);
    own->string_free(done.json);
    own->queue_free(queue);
    own->session_free(session);
    own->client_free(client);
}

static void two_at_once(const char *path, const char *copied)
{
    struct library first = load(path), second = load(copied);
    pthread_t threads[2];
    CHECK(first.version != second.version);
    REQUIRE(pthread_create(&threads[0], NULL, use_often, &first) == 0);
    REQUIRE(pthread_create(&threads[1], NULL, use_often, &second) == 0);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    refuses(&first, &second);
    refuses(&second, &first);
    process_wait_for_threads(1);
    dlclose(second.handle);
    dlclose(first.handle);
}

static void prepare(struct service *made)
{
    service_json(made, "/iap/sdk/enforce", 200, "{\"allowed\": true, \"reason\": \"fine\"}");
    service_json(made, "/policy/bundles/current", 200, SERVICE_BUNDLE);
}

int main(void)
{
    Dl_info own;
    const char *(*linked)(void) = armoriq_version;
    void *address;
    memcpy(&address, &linked, sizeof address);
    REQUIRE(dladdr(address, &own) != 0);
    service = elsewhere_start(prepare);
    /* Not what this program is linked with, which stays in any case. */
    copy(own.dli_fname, "./one.so");
    copy(own.dli_fname, "./other.so");
    load_and_unload("./one.so");
    stays_when_unloaded("./one.so");
    two_at_once("./one.so", "./other.so");
    remove("./one.so");
    remove("./other.so");
    elsewhere_stop(&service);
    return test_result();
}
