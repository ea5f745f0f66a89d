/*
 * Counts what a thread allocates: preloaded, it stands before the C library's allocator. Built as a shared library of
 * its own. glibc only, which exports its functions under a second name.
 */
#include <stddef.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

/* initial-exec: the other models may allocate themselves on first use. */
static __thread unsigned long count __attribute__((tls_model("initial-exec")));

/* How often this thread has allocated, or grown what it had. */
unsigned long count_malloc(void)
{
    return count;
}

void *malloc(size_t size)
{
    count++;
    return __libc_malloc(size);
}

void *calloc(size_t amount, size_t size)
{
    count++;
    return __libc_calloc(amount, size);
}

void *realloc(void *memory, size_t size)
{
    count++;
    return __libc_realloc(memory, size);
}

void *memalign(size_t alignment, size_t size)
{
    count++;
    return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    count++;
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size)
{
    count++;
    *memory = __libc_memalign(alignment, size);
    return *memory ? 0 : 12;
}
