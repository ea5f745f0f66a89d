/* What the process has: descriptors, threads, and bytes that were allocated and not freed. */
#ifndef MEASURE_H
#define MEASURE_H

#include "count.h"

#include <dirent.h>
#include <malloc.h>
#include <unistd.h>

struct holdings {
    long descriptors, threads, bytes;
};

HELPER long entries(const char *folder)
{
    DIR *open = opendir(folder);
    long count = 0;
    REQUIRE(open != NULL);
    while (readdir(open)) count++;
    closedir(open);
    return count;
}

HELPER struct holdings measure(void)
{
    struct holdings now;
    struct mallinfo2 info = mallinfo2();
    now.descriptors = entries("/proc/self/fd");
    now.threads = entries("/proc/self/task");
    now.bytes = (long)(info.uordblks + info.hblkhd);
    return now;
}

/*
 * What is left once the library's own threads have ended, which nobody waits for: measures until there is no more than
 * `expected` and it stays the same, for so long at most.
 */
HELPER struct holdings settle(const struct holdings *expected, double seconds)
{
    double until = test_seconds() + seconds;
    struct holdings now = measure(), before;
    int same = 0, more;
    do {
        test_sleep_ms(20);
        before = now;
        now = measure();
        same = memcmp(&now, &before, sizeof now) == 0 ? same + 1 : 0;
        more = expected && (now.descriptors > expected->descriptors || now.threads > expected->threads);
    } while ((same < 5 || more) && test_seconds() < until);
    return now;
}

/* Says what is open, for whoever looks for a leak. */
HELPER void show_descriptors(void)
{
    int descriptor;
    for (descriptor = 0; descriptor < 1024; descriptor++) {
        char path[64], target[256];
        ssize_t length;
        snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
        length = readlink(path, target, sizeof target);
        if (length > 0) fprintf(stderr, "open: %d %.*s\n", descriptor, (int)length, target);
    }
}

HELPER int compare_longs(const void *a, const void *b)
{
    long left = *(const long *)a, right = *(const long *)b;
    return (left > right) - (left < right);
}

HELPER long median(const long *numbers, int count)
{
    long sorted[64];
    REQUIRE(count > 0 && count <= 64);
    memcpy(sorted, numbers, (size_t)count * sizeof *numbers);
    qsort(sorted, (size_t)count, sizeof *sorted, compare_longs);
    return (sorted[(count - 1) / 2] + sorted[count / 2]) / 2;
}

#endif
