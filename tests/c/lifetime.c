/*
 * The library in a process that loads and unloads it: dlopen and dlclose a hundred times, two copies at once, no thread
 * before the first request and few after it, none of which takes the host's signals or the processor's time.
 */
#define _GNU_SOURCE
#include "service.h"

#include <dirent.h>
#include <dlfcn.h>
#include <signal.h>

static struct service *service;
static volatile sig_atomic_t signals, signals_elsewhere;
static pthread_t main_thread;

typedef armoriq_status new_function(uint32_t, const char *, armoriq_client **, char **);
typedef armoriq_status method_function(armoriq_client *, char **);
typedef armoriq_status list_function(armoriq_client *, const char *, char **);
typedef void free_function(armoriq_client *);
typedef void free_text_function(char *);

/* A function of the library at `handle`: ISO C has no cast from an object's address to a function's. */
static void find(void *handle, const char *name, void *function)
{
    void *found = dlsym(handle, name);
    REQUIRE(found != NULL);
    memcpy(function, &found, sizeof found);
}

/* How many threads this process has. */
static int threads(void)
{
    DIR *folder = opendir("/proc/self/task");
    struct dirent *entry;
    int count = 0;
    REQUIRE(folder != NULL);
    while ((entry = readdir(folder))) count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

/* Makes a client of the library at `path`, asks the service for the list of servers with it, and unloads it. */
static void *use(const char *path, int close)
{
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    new_function *make;
    method_function *info;
    list_function *list;
    free_function *release;
    free_text_function *free_text;
    armoriq_client *client = NULL;
    char options[512], *json = NULL;

    if (!handle) test_fail(__FILE__, __LINE__, "dlopen", dlerror());
    REQUIRE(handle != NULL);
    find(handle, "armoriq_client_new", &make);
    find(handle, "armoriq_client_info", &info);
    find(handle, "armoriq_client_list_mcps", &list);
    find(handle, "armoriq_client_free", &release);
    find(handle, "armoriq_string_free", &free_text);
    snprintf(options, sizeof options,
             "{\"api_key\": \"" TEST_KEY "\", \"backend_endpoint\": \"%s\", \"proxy_endpoint\": \"%s\", "
             "\"iap_endpoint\": \"%s\", \"max_retries\": 0}",
             service->url, service->url, service->url);
    CHECK(make(ARMORIQ_ABI_VERSION, options, &client, NULL) == ARMORIQ_OK);
    CHECK(info(client, &json) == ARMORIQ_OK);
    free_text(json);
    CHECK(list(client, NULL, &json) != ARMORIQ_ERR_INTERNAL && json != NULL);
    free_text(json);
    release(client);
    CHECK(info(client, NULL) == ARMORIQ_ERR_INVALID_HANDLE);
    if (!close) return handle;
    CHECK(dlclose(handle) == 0);
    return NULL;
}

static void on_signal(int number)
{
    (void)number;
    signals++;
    if (!pthread_equal(pthread_self(), main_thread)) signals_elsewhere++;
}

/* The library's threads block every signal: what is sent to the process comes to the host's own thread. */
static void signals_stay_with_the_host(void)
{
    struct sigaction action;
    int i;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    main_thread = pthread_self();
    REQUIRE(sigaction(SIGUSR1, &action, NULL) == 0);
    for (i = 0; i < 2000; i++) kill(getpid(), SIGUSR1);
    CHECK(signals > 0 && signals_elsewhere == 0);
}

/* A copy of the library under another name. */
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

int main(void)
{
    Dl_info own;
    void *first, *second;
    int round, before;
    clock_t used;
    sigset_t usr1;

    /* The service's threads are not to take the signals either. */
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &usr1, NULL);
    service = service_start();
    before = threads();
    REQUIRE(dladdr(dlsym(RTLD_DEFAULT, "armoriq_version"), &own) != 0);
    {
        armoriq_client *client = test_client(service->url, "");
        CHECK(threads() == before);
        armoriq_client_free(client);
    }
    first = use(own.dli_fname, 0);
    /* Those of the service come and go with its connections; the library's are two at most. */
    CHECK(threads() - before - service->connections <= 2);
    copy(own.dli_fname, "./copy.so");
    second = use("./copy.so", 0);
    CHECK(first != second);
    CHECK(threads() - before - service->connections <= 4);

    used = clock();
    test_sleep_ms(500);
    CHECK((double)(clock() - used) / CLOCKS_PER_SEC < 0.1 * test_patient(1));

    pthread_sigmask(SIG_UNBLOCK, &usr1, NULL);
    signals_stay_with_the_host();
    pthread_sigmask(SIG_BLOCK, &usr1, NULL);
    dlclose(second);
    dlclose(first);
    for (round = 0; round < test_scaled(100); round++) use("./copy.so", 1);
    service_stop(service);
    remove("./copy.so");
    return test_result();
}
