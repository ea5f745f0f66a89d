/*
 * What the tests of the library's life in its process share: a service in a process of its own, so that this one has no
 * thread that the library did not start, and what the system says of this process.
 */
#ifndef PROCESS_H
#define PROCESS_H

#define _GNU_SOURCE
#include "fork.h"
#include "service.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>

/* The service of service.h, elsewhere. */
struct elsewhere {
    pid_t process;
    char url[64];
};

/*
 * Starts it in a child, while this process has one thread; `prepare` sets its answers. It ends with this process. Its
 * connections are not this process's, so that a limit on descriptors or memory is not its either.
 */
HELPER struct elsewhere elsewhere_start(void (*prepare)(struct service *))
{
    struct elsewhere made;
    int ready[2];
    memset(&made, 0, sizeof made);
    REQUIRE(pipe(ready) == 0);
    made.process = test_fork();
    if (made.process == 0) {
        struct service *service;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        service = service_start();
        prepare(service);
        REQUIRE(write(ready[1], service->url, sizeof service->url) == (ssize_t)sizeof service->url);
        for (;;) pause();
    }
    close(ready[1]);
    REQUIRE(read(ready[0], made.url, sizeof made.url) == (ssize_t)sizeof made.url);
    close(ready[0]);
    return made;
}

HELPER void elsewhere_stop(struct elsewhere *service)
{
    kill(service->process, SIGKILL);
    waitpid(service->process, NULL, 0);
}

/* How many entries a folder of /proc has. */
HELPER int process_count(const char *path)
{
    DIR *folder = opendir(path);
    struct dirent *entry;
    int count = 0;
    REQUIRE(folder != NULL);
    while ((entry = readdir(folder))) count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

HELPER int process_threads(void)
{
    return process_count("/proc/self/task");
}

/* Descriptors, without the one that counts them. */
HELPER int process_descriptors(void)
{
    return process_count("/proc/self/fd") - 1;
}

/* The whole of a file of /proc, in memory that the next call uses again. */
HELPER const char *process_read(const char *path)
{
    static char text[1 << 18];
    FILE *file = fopen(path, "r");
    size_t length;
    if (!file) return "";
    length = fread(text, 1, sizeof text - 1, file);
    text[length] = '\0';
    fclose(file);
    return text;
}

/* Waits until this process has so many threads: one that was told to end takes a moment. Ends the program otherwise. */
HELPER void process_wait_for_threads(int count)
{
    double start = test_seconds();
    while (process_threads() != count && test_seconds() - start < 60) test_sleep_ms(2);
    REQUIRE(process_threads() == count);
}

/* Waits for a child that is to end soon: its status as waitpid() gives it, or -1 for one that had to be killed. */
HELPER int process_end(pid_t child, int limit_ms)
{
    double start = test_seconds();
    int status = 0;
    pid_t ended;
    while ((ended = waitpid(child, &status, WNOHANG)) == 0 && test_seconds() - start < test_patient(limit_ms) / 1e3) {
        test_sleep_ms(1);
    }
    if (ended == child) return status;
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    return -1;
}

#endif
