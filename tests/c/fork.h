/* What the tests that fork share. */
#ifndef FORK_H
#define FORK_H

#include "test.h"

#include <pthread.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

/* Forks; what was printed so far is the parent's. */
HELPER pid_t test_fork(void)
{
    pid_t child;
    fflush(stdout);
    child = fork();
    REQUIRE(child >= 0);
    return child;
}

/* Ends a child. What is the parent's, a child never touches, not even to free it: a leak checker would call that lost. */
HELPER void test_leave(void)
{
    fflush(stdout);
    execlp(test_failures ? "false" : "true", "", (char *)NULL);
    _exit(1);
}

/* Waits for a child, in which nothing must have failed. */
HELPER void test_wait(pid_t child)
{
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

struct fork_busy {
    int stopping;
    void (*work)(void);
};

HELPER void *fork_keep_busy(void *argument)
{
    struct fork_busy *busy = argument;
    while (!__sync_fetch_and_add(&busy->stopping, 0)) busy->work();
    return NULL;
}

/*
 * Forks that many times while eight threads work. Not under the address sanitizer: its allocator may be locked by another
 * thread at the moment of the fork, and stays so in the child. The C library's is not.
 */
HELPER void fork_while_busy(void (*work)(void), void (*fork_once)(void), int forks)
{
#ifndef __SANITIZE_ADDRESS__
    struct fork_busy busy = {0, work};
    pthread_t threads[8];
    int i;
    for (i = 0; i < 8; i++) REQUIRE(pthread_create(&threads[i], NULL, fork_keep_busy, &busy) == 0);
    for (i = 0; i < test_scaled(forks); i++) fork_once();
    __sync_fetch_and_add(&busy.stopping, 1);
    for (i = 0; i < 8; i++) pthread_join(threads[i], NULL);
#else
    (void)work;
    (void)fork_once;
    (void)forks;
    (void)fork_keep_busy;
#endif
}

#endif
