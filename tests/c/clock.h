/*
 * The clock that the library asks for the time: in place of the C library's, for the shared library too. The time since
 * boot runs ahead as the program likes.
 */
#ifndef CLOCK_H
#define CLOCK_H

#include "test.h"

#include <sys/syscall.h>

static int seconds_ahead;

/*
 * A clock that fails, once, makes the standard library of Rust panic. A program has no other way to provoke a panic
 * from outside.
 */
static __thread int clock_fails;

extern long syscall(long number, ...);

int clock_gettime(clockid_t clock, struct timespec *time)
{
    enum { BOOT_TIME = 7 };
    int result = clock_fails ? -1 : (int)syscall(SYS_clock_gettime, clock, time);
    clock_fails = 0;
    if (result == 0 && clock == BOOT_TIME) time->tv_sec += __sync_fetch_and_add(&seconds_ahead, 0);
    return result;
}

#endif
