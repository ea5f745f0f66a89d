/*
 * Measures what asking a service costs: a check in sdk mode beside libcurl, and beside reqwest alone, which send the very
 * same request over connections that are kept, to the same service on loopback. Rounds of the one and the other take turns. Then the
 * service dies, and what a check costs is what a caller pays for a service that is down.
 */
#define _GNU_SOURCE
#include "../tests/c/service.h"

#include "measure.h"

#include <curl/curl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>

extern void *floor_post_new(const char *url, const char *headers, const char *body);
extern int64_t floor_post(const void *post);

enum { CALLS = 200, ROUNDS = 101, THREADS = 8 };

#define AGENT ", \"agent_id\": \"bench\""
static const char ARGS[] = "{\"amount\":1250.5,\"currency\":\"EUR\",\"to\":\"vendor-4711@example.com\"}";
static const char ALLOW[] =
    "{\"allowed\":true,\"action\":\"allow\",\"reason\":\"rule pay\",\"matchedPolicy\":\"Payments\"}";

static pid_t service_process;

enum cores { ALL, FIRST, OTHERS };

/*
 * The cores for this thread and those that it starts. A caller on the first and a service on the others always wake
 * each other on another core: left to chance, two that share one take a third of the time.
 */
static void use(enum cores which)
{
    static cpu_set_t all;
    cpu_set_t cores;
    int first = 0;
    if (CPU_COUNT(&all) == 0) REQUIRE(sched_getaffinity(0, sizeof all, &all) == 0);
    while (!CPU_ISSET(first, &all)) first++;
    cores = all;
    if (which == OTHERS && CPU_COUNT(&all) > 1) CPU_CLR(first, &cores);
    if (which == FIRST) {
        CPU_ZERO(&cores);
        CPU_SET(first, &cores);
    }
    REQUIRE(sched_setaffinity(0, sizeof cores, &cores) == 0);
}

/* A service in a process of its own; it ends with this one. */
static const char *start_service(enum cores which)
{
    char *url = calloc(1, 64);
    int pipes[2];
    ssize_t length;
    REQUIRE(url != NULL && pipe(pipes) == 0);
    service_process = fork();
    if (service_process == 0) {
        struct service *service;
        use(which);
        service = service_start();
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        service_json(service, "/iap/sdk/enforce", 200, ALLOW);
        REQUIRE(write(pipes[1], service->url, strlen(service->url)) > 0);
        for (;;) pause();
    }
    length = read(pipes[0], url, 63);
    REQUIRE(length > 0);
    return url;
}

/* --- The two that are compared ---------------------------------------------------------------------------------- */

static armoriq_session *session_of(armoriq_client *client)
{
    armoriq_session *session = test_session(client, "alice@example.com", "{\"mode\": \"sdk\"}");
    REQUIRE(armoriq_session_start_plan(session, "[{\"name\": \"pay-mcp__pay_vendor\", \"args\": {}}]", NULL, NULL) ==
            ARMORIQ_OK);
    return session;
}

static void check(void *session)
{
    armoriq_verdict verdict;
    char *json;
    CHECK(armoriq_session_check(session, "pay-mcp__pay_vendor", ARGS, NULL, &verdict, &json) == ARMORIQ_OK);
    REQUIRE(verdict == ARMORIQ_ALLOW);
    armoriq_string_free(json);
}

/* The request that a check sends: the service of this process tells. */
struct request {
    struct curl_slist *headers;
    char header_lines[4096];
    char body[16384];
};

static struct request recorded(void)
{
    static char last[16384];
    struct request request = {NULL, "", ""};
    struct service *service = service_start();
    char *line, *body;
    service_json(service, "/iap/sdk/enforce", 200, ALLOW);
    check(session_of(test_client(service->url, AGENT)));
    strcpy(last, service_last(service, "/iap/sdk/enforce"));
    service_stop(service);
    body = strstr(last, "\r\n\r\n");
    REQUIRE(body != NULL);
    *body = '\0';
    strcpy(request.body, body + 4);
    for (line = strtok(strstr(last, "\r\n"), "\r\n"); line; line = strtok(NULL, "\r\n")) {
        if (strncmp(line, "host:", 5) == 0) continue;
        /* libcurl's own would be Content-Length, which the service does not look for. */
        request.headers = curl_slist_append(request.headers, line);
        if (strncmp(line, "content-length:", 15) == 0) continue;
        strcat(strcat(request.header_lines, line), "\n");
    }
    return request;
}

struct answer {
    char text[1024];
    size_t length;
};

static size_t collect(char *data, size_t size, size_t count, void *to)
{
    struct answer *answer = to;
    if (answer->length + size * count >= sizeof answer->text) return 0;
    memcpy(answer->text + answer->length, data, size * count);
    answer->length += size * count;
    return size * count;
}

static CURL *handle_at(const char *url, struct request *request)
{
    char path[128];
    CURL *handle = curl_easy_init();
    REQUIRE(handle != NULL);
    snprintf(path, sizeof path, "%s/iap/sdk/enforce", url);
    curl_easy_setopt(handle, CURLOPT_URL, path);
    curl_easy_setopt(handle, CURLOPT_HTTPHEADER, request->headers);
    curl_easy_setopt(handle, CURLOPT_POSTFIELDS, request->body);
    curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, collect);
    curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, 10000L);
    return handle;
}

static void post(void *handle)
{
    struct answer answer = {"", 0};
    curl_easy_setopt(handle, CURLOPT_WRITEDATA, &answer);
    REQUIRE(curl_easy_perform(handle) == CURLE_OK);
    REQUIRE(answer.length == sizeof ALLOW - 1);
}

static void post_by_reqwest(void *post)
{
    REQUIRE(floor_post(post) == sizeof ALLOW - 1);
}

/* --- Measuring -------------------------------------------------------------------------------------------------- */

struct work {
    void (*call)(void *subject);
    void *subject;
};

/* The median time of a call among a round's. */
static double one(struct work work)
{
    static double times[CALLS];
    int i;
    for (i = 0; i < CALLS; i++) {
        double start = now(CLOCK_MONOTONIC);
        work.call(work.subject);
        times[i] = now(CLOCK_MONOTONIC) - start;
    }
    return quantile(times, CALLS, 0.5);
}

static void *calls(void *work)
{
    const struct work *of = work;
    int i;
    for (i = 0; i < CALLS; i++) of->call(of->subject);
    return NULL;
}

/* Calls in a second on all threads. */
static double many(struct work *works)
{
    pthread_t threads[THREADS];
    double start = now(CLOCK_MONOTONIC);
    int i;
    for (i = 0; i < THREADS; i++) REQUIRE(pthread_create(&threads[i], NULL, calls, &works[i]) == 0);
    for (i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    return (double)THREADS * CALLS * 1e9 / (now(CLOCK_MONOTONIC) - start);
}

/* The time that all but one in a hundred checks take, once the service is left alone. */
static double refused(void *session)
{
    enum { CHECKS = 10000, FAULTS = 5 };
    static double times[CHECKS];
    int i;
    kill(service_process, SIGKILL);
    for (i = -FAULTS; i < CHECKS; i++) {
        armoriq_verdict verdict;
        double start = now(CLOCK_MONOTONIC);
        CHECK(armoriq_session_check(session, "pay-mcp__pay_vendor", ARGS, NULL, &verdict, NULL) == ARMORIQ_OK);
        if (i >= 0) times[i] = now(CLOCK_MONOTONIC) - start;
        REQUIRE(verdict == ARMORIQ_BLOCK);
    }
    return quantile(times, CHECKS, 0.99);
}

static double ours[ROUNDS], theirs[ROUNDS], ratios[ROUNDS];

static void compare(const char *name, struct work check, struct work base)
{
    int i;
    one(check);
    one(base);
    for (i = 0; i < ROUNDS; i++) {
        ours[i] = one(check);
        theirs[i] = one(base);
        ratios[i] = ours[i] / theirs[i];
    }
    report(name, quantile(ours, ROUNDS, 0.5), quantile(theirs, ROUNDS, 0.5), quantile(ratios, ROUNDS, 0.5));
}

int main(void)
{
    struct work checks[THREADS], posts[THREADS], by_reqwest;
    char path[128];
    const char *url;
    struct request request;
    armoriq_client *client;
    int i;

    use(ALL);
    REQUIRE(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
    request = recorded();
    for (i = 0; i < THREADS; i++) {
        checks[i].call = check;
        posts[i].call = post;
    }

    url = start_service(OTHERS);
    use(FIRST);
    checks[0].subject = session_of(test_client(url, AGENT));
    posts[0].subject = handle_at(url, &request);
    snprintf(path, sizeof path, "%s/iap/sdk/enforce", url);
    by_reqwest.call = post_by_reqwest;
    by_reqwest.subject = floor_post_new(path, request.header_lines, request.body);
    REQUIRE(by_reqwest.subject != NULL);
    compare("curl", checks[0], posts[0]);
    compare("reqwest", checks[0], by_reqwest);

    use(ALL);
    url = start_service(ALL);
    client = test_client(url, AGENT);
    for (i = 0; i < THREADS; i++) {
        checks[i].subject = session_of(client);
        posts[i].subject = handle_at(url, &request);
    }
    many(checks);
    many(posts);
    for (i = 0; i < ROUNDS; i++) {
        ours[i] = many(checks);
        theirs[i] = many(posts);
        ratios[i] = ours[i] / theirs[i];
    }
    report("curl_threads", quantile(ours, ROUNDS, 0.5), quantile(theirs, ROUNDS, 0.5),
           quantile(ratios, ROUNDS, 0.5));
    report("refused", refused(checks[0].subject), 0, 0);
    return test_result();
}
