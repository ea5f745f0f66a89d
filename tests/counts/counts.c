/*
 * What run.sh counts: each row is a function of its own, so that callgrind can tell them apart. It counts inside them
 * only, and every row does its work once before, for what is made on first use.
 *
 *   counts instructions     under callgrind
 *   counts allocations      with count_malloc.c preloaded; prints a line
 */
#include "../../benches/subject.h"

#include <dlfcn.h>

enum { TIMES = 200 };

#define ROW __attribute__((noinline)) void

ROW row_check(armoriq_session *session)
{
    int i;
    for (i = 0; i < TIMES; i++) check(session, ARGS_100);
}

ROW row_check_4k(armoriq_session *session)
{
    int i;
    for (i = 0; i < TIMES; i++) check(session, args_4k());
}

ROW row_statements_1(armoriq_session *session)
{
    int i;
    for (i = 0; i < TIMES; i++) check(session, ARGS_100);
}

ROW row_statements_1000(armoriq_session *session)
{
    int i;
    for (i = 0; i < TIMES; i++) check(session, ARGS_100);
}

ROW row_refusal(armoriq_session *session)
{
    int i;
    for (i = 0; i < TIMES; i++) refused(session, "{\"amount\":5000.5}");
}

/* One that the service decides: what it costs this process. */
ROW row_asked(armoriq_session *session)
{
    int i;
    for (i = 0; i < TIMES; i++) check(session, ARGS_100);
}

ROW row_tools(armoriq_session *session)
{
    int i;
    for (i = 0; i < TIMES; i++) ask_about_tools(session);
}

ROW row_session(armoriq_client *client)
{
    int i;
    for (i = 0; i < TIMES; i++) start_and_free(client);
}

static void instructions(armoriq_client *client, armoriq_session *one, armoriq_session *ten, armoriq_session *thousand)
{
    armoriq_session *asking = session_with(client, "{\"mode\": \"sdk\"}");

    check(one, ARGS_100);
    check(ten, ARGS_100);
    check(thousand, ARGS_100);
    check(ten, args_4k());
    refused(ten, "{\"amount\":5000.5}");
    check(asking, ARGS_100);
    start_and_free(client);
    ask_about_tools(thousand);

    row_check(ten);
    row_check_4k(ten);
    row_statements_1(one);
    row_statements_1000(thousand);
    row_refusal(ten);
    row_asked(asking);
    row_session(client);
    row_tools(thousand);
}

static void allocations(armoriq_session *session)
{
    unsigned long (*count)(void), before;
    *(void **)&count = dlsym(RTLD_DEFAULT, "count_malloc");
    if (!count) fail("count_malloc is not preloaded", NULL);
    check(session, ARGS_100);
    before = count();
    row_check(session);
    printf("allocations %.2f\n", (double)(count() - before) / TIMES);
}

int main(int argc, char **argv)
{
    armoriq_client *one = client_of(1), *ten = client_of(10), *thousand = client_of(1000);
    if (argc == 2 && strcmp(argv[1], "allocations") == 0) {
        allocations(session_of(ten));
    } else {
        instructions(ten, session_of(one), session_of(ten), session_of(thousand));
    }
    return 0;
}
