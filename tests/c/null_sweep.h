/* What every function must refuse, and how. */
#ifndef NULL_SWEEP_H
#define NULL_SWEEP_H

#include "service.h"

#define EMPTY(pointer) ((void *)(pointer) == NULL)
#define NOT_SET ((void *)-1)
#define COUNT(array) (sizeof(array) / sizeof *(array))

static const char *const BAD_TEXT[] = {NULL, "\xff", "a\xc3(", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xc0\xaf"};

/* Not JSON, or not the JSON that this library takes. */
static const char *const BAD_JSON[] = {
    "\xff",
    "{\"a\": \"\xff\"}",
    "",
    " ",
    "{",
    "{\"a\": 1} x",
    "{\"a\": 1}{}",
    "{'a': 1}",
    "{\"a\": 1,}",
    "{a: 1}",
    "{\"a\": 01}",
    "{\"a\": +1}",
    "{\"a\": NaN}",
    "{\"a\": Infinity}",
    "{\"a\": \"\\ud800\"}",
    "{\"a\": \"\n\"}",
    "{\"a\": 1, \"a\": 1}",
    "{\"b\": {\"a\": 1, \"\\u0061\": 2}}",
    "nul",
};

static const char *const NOT_AN_OBJECT[] = {"[]", "1", "true", "\"text\"", "[{}]"};

/* Does a call for each text of a list, as `bad`. */
#define REFUSES(list, call)                                                                                              \
    do {                                                                                                                 \
        size_t i;                                                                                                        \
        for (i = 0; i < COUNT(list); i++) {                                                                              \
            const char *bad = (list)[i];                                                                                 \
            int failures = test_failures;                                                                                \
            CHECK_ERROR(ARMORIQ_ERR_INVALID_ARGUMENT, call);                                                             \
            if (test_failures != failures) printf("  ... with %s\n", bad ? bad : "NULL");                                \
        }                                                                                                                \
    } while (0)

/* The same for a call that gives a handle, which must be NULL afterwards. */
#define REFUSES_AND_EMPTIES(list, handle, call)                                                                          \
    do {                                                                                                                 \
        REFUSES(list, (handle = NOT_SET, call));                                                                         \
        CHECK(EMPTY(handle));                                                                                            \
    } while (0)

/* An option that is not there, and the name of it in the message. */
#define NAMES_UNKNOWN(name, call)                                                                                        \
    do {                                                                                                                 \
        char *json = NULL;                                                                                               \
        CHECK_STATUS(ARMORIQ_ERR_INVALID_ARGUMENT, call);                                                                \
        CHECK_CONTAINS(json, name);                                                                                      \
        armoriq_string_free(json);                                                                                       \
    } while (0)

#endif
