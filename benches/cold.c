/*
 * Measures what the library costs a process that has just loaded it: the time from dlopen to a client that is ready, and
 * the memory after its first checks. Each time in a process of its own, turn by turn with what it is compared with.
 *
 *   cold LIBARMORIQ LIBARMORIQ_BENCH_CLIENT NOOP
 */
#define _GNU_SOURCE
#include <armoriq.h>

#include "measure.h"

#include <dlfcn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROUNDS = 101, CHECKS = 1000 };

static void fail(const char *what)
{
    fprintf(stderr, "%s\n", what);
    exit(1);
}

/* ISO C has no cast from an object's address to a function's. */
static void find(void *library, const char *name, void *function)
{
    void *found = dlsym(library, name);
    if (!found) fail(name);
    memcpy(function, &found, sizeof found);
}

static void *load(const char *path)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) fail(dlerror());
    return library;
}

/* --- What is done in a process of its own ----------------------------------------------------------------------- */

typedef double job(const char *path);

static armoriq_client *client_of(void *library)
{
    armoriq_status (*make)(uint32_t, const char *, armoriq_client **, char **);
    armoriq_client *client;
    find(library, "armoriq_client_new", &make);
    if (make(ARMORIQ_ABI_VERSION, "{\"agent_id\": \"bench-10\"}", &client, NULL) != ARMORIQ_OK) fail("no client");
    return client;
}

static double start(const char *path)
{
    double before = now(CLOCK_MONOTONIC);
    client_of(load(path));
    return now(CLOCK_MONOTONIC) - before;
}

static double start_of_floor(const char *path)
{
    double before = now(CLOCK_MONOTONIC);
    int (*make)(void);
    find(load(path), "floor_client_new", &make);
    if (!make()) fail("no floor");
    return now(CLOCK_MONOTONIC) - before;
}

/* What is measured of the memory: all that is in it, or RssAnon, without the pages of files, which processes share. */
static const char *kind = "VmRSS:";

/* Kilobytes of this process. */
static double resident(void)
{
    char line[256];
    double kilobytes = 0;
    FILE *status = fopen("/proc/self/status", "r");
    if (!status) fail("no /proc/self/status");
    while (fgets(line, sizeof line, status)) {
        if (strncmp(line, kind, strlen(kind)) == 0) kilobytes = atof(line + strlen(kind));
    }
    fclose(status);
    return kilobytes;
}

static double memory_without(const char *path)
{
    load(path);
    return resident();
}

static double memory_with(const char *path)
{
    void *library = load(path);
    armoriq_status (*start_session)(armoriq_client *, const char *, armoriq_session **, char **);
    armoriq_status (*plan)(armoriq_session *, const char *, const char *, char **);
    armoriq_status (*check)(armoriq_session *, const char *, const char *, const char *, armoriq_verdict *, char **);
    armoriq_session *session;
    armoriq_verdict verdict;
    int i;

    find(library, "armoriq_client_start_session", &start_session);
    find(library, "armoriq_session_start_plan", &plan);
    find(library, "armoriq_session_check", &check);
    if (start_session(client_of(library), NULL, &session, NULL) != ARMORIQ_OK) fail("no session");
    if (plan(session, "[{\"name\": \"pay-mcp__pay_vendor\"}]", NULL, NULL) != ARMORIQ_OK) fail("no plan");
    for (i = 0; i < CHECKS; i++) check(session, "pay-mcp__pay_vendor", "{\"amount\": 1}", NULL, &verdict, NULL);
    return resident();
}

/* The result of a job that a child does. */
static double alone(job *job, const char *path)
{
    int pipes[2], status;
    double result = 0;
    pid_t child;
    if (pipe(pipes) != 0 || (child = fork()) < 0) fail("no process");
    if (child == 0) {
        result = job(path);
        _exit(write(pipes[1], &result, sizeof result) != (ssize_t)sizeof result);
    }
    if (waitpid(child, &status, 0) != child || status != 0) fail("a process failed");
    if (read(pipes[0], &result, sizeof result) != (ssize_t)sizeof result) fail("no result");
    close(pipes[0]);
    close(pipes[1]);
    return result;
}

int main(int argc, char **argv)
{
    static double ours[ROUNDS], base[ROUNDS], ratios[ROUNDS];
    double total, own;
    int i;
    if (argc != 4) fail("usage: cold LIBARMORIQ LIBARMORIQ_BENCH_CLIENT NOOP");
    for (i = 0; i < ROUNDS; i++) {
        ours[i] = alone(start, argv[1]);
        base[i] = alone(start_of_floor, argv[2]);
        ratios[i] = ours[i] / base[i];
    }
    report("cold", quantile(ours, ROUNDS, 0.5), quantile(base, ROUNDS, 0.5), quantile(ratios, ROUNDS, 0.5));
    total = alone(memory_with, argv[1]) - alone(memory_without, argv[3]);
    kind = "RssAnon:";
    own = alone(memory_with, argv[1]) - alone(memory_without, argv[3]);
    report("memory", total, own, 0);
    return 0;
}
