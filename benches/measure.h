/*
 * What the measuring programs share. Each prints a line for each measure: its name, what was measured, what it is
 * compared with (0 for nothing), and the ratio.
 */
#ifndef MEASURE_H
#define MEASURE_H

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* In nanoseconds. */
static inline double now(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static inline int ascending(const void *one, const void *other)
{
    double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

/* The value that a part of all are below: 0.5 for the median. Sorts them. */
static inline double quantile(double *values, int count, double part)
{
    qsort(values, (size_t)count, sizeof *values, ascending);
    return values[(int)((count - 1) * part + 0.5)];
}

static inline void report(const char *name, double measured, double base, double ratio)
{
    printf("%s %.2f %.2f %.3f\n", name, measured, base, ratio);
    fflush(stdout);
}

#endif
