/* Alice's agent plans four tool calls and asks before each of them.
 *
 * Build:  cc quickstart.c -larmoriq -o quickstart
 * Run:    make demo     (starts a local control plane, runs this against it, and approves the held call)
 */
#include <armoriq.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Prints what went wrong, and ends the program. It takes the address of `json`, since C may read an argument before it
 * makes the call that stands beside it. */
static void must(armoriq_status status, const char *what, char **json)
{
    if (status != ARMORIQ_OK) {
        fprintf(stderr, "%s: %s: %s\n", what, armoriq_status_name(status), *json ? *json : "");
        exit(1);
    }
    armoriq_string_free(*json);
    *json = NULL;
}

/* Copies a text member of a JSON object. A real program uses its JSON library here. */
static void text_member(const char *json, const char *name, char *out, size_t size)
{
    char key[64];
    const char *at;
    size_t length = 0;

    snprintf(key, sizeof key, "\"%s\":\"", name);
    /* Without memory there is no text. */
    at = json ? strstr(json, key) : NULL;
    for (at = at ? at + strlen(key) : ""; *at && *at != '"' && length + 1 < size; at++)
        out[length++] = *at;
    out[length] = '\0';
}

/* Prints an error object: every error is a code, a message and what else is known. */
static void print_error(const char *json)
{
    char code[64], message[256];

    text_member(json, "code", code, sizeof code);
    text_member(json, "message", message, sizeof message);
    printf("ERROR  %s: %s\n", code, message);
}

/* Asks about one call and prints the answer. Returns the verdict; a held call's delegation id goes to `delegation`. */
static armoriq_verdict ask(armoriq_session *session, const char *tool, const char *args, char *delegation, size_t size)
{
    armoriq_verdict verdict;
    const char *name;
    char *json = NULL;
    char reason[256];

    if (armoriq_session_check(session, tool, args, NULL, &verdict, &json) != ARMORIQ_OK) {
        print_error(json);
    } else {
        text_member(json, "reason", reason, sizeof reason);
        text_member(json, "delegation_id", delegation, size);
        /* A verdict that this program does not know is a block. */
        name = verdict == ARMORIQ_ALLOW ? "ALLOW" : verdict == ARMORIQ_HOLD ? "HOLD" : "BLOCK";
        printf("%-5s  %-28s %s\n", name, tool, reason);
    }
    armoriq_string_free(json);
    return verdict;
}

int main(void)
{
    armoriq_client *client = NULL, *stranger = NULL;
    armoriq_user_scope *alice = NULL;
    armoriq_session *session = NULL;
    char delegation[64], status[16];
    char *json = NULL;

    /* One client per process. The API key and the addresses come from the environment. */
    must(armoriq_client_new(ARMORIQ_ABI_VERSION, NULL, &client, &json), "client", &json);
    /* One scope per end user, one session per turn of the agent. */
    must(armoriq_for_user(client, "alice@example.com", &alice, &json), "user", &json);
    must(armoriq_user_start_session(alice, "{\"mode\": \"sdk\"}", &session, &json), "session", &json);

    must(armoriq_session_start_plan(session,
                                    "[{\"name\": \"data-mcp__fetch_sales\", \"args\": {\"quarter\": \"Q4\"}},"
                                    " {\"name\": \"payments-mcp__pay_vendor\", \"args\": {\"amount\": 250}},"
                                    " {\"name\": \"data-mcp__drop_table\", \"args\": {\"table\": \"sales\"}},"
                                    " {\"name\": \"mail-mcp__send_report\", \"args\": {}}]",
                                    "Pay the vendor and report the sales", &json),
         "plan", &json);

    ask(session, "data-mcp__fetch_sales", "{\"quarter\": \"Q4\"}", delegation, sizeof delegation);
    ask(session, "data-mcp__drop_table", "{\"table\": \"sales\"}", delegation, sizeof delegation);
    ask(session, "crm-mcp__export_contacts", "{}", delegation, sizeof delegation);
    if (ask(session, "payments-mcp__pay_vendor", "{\"amount\": 250}", delegation, sizeof delegation) == ARMORIQ_HOLD) {
        printf("       waiting for approval of %s\n", delegation);
        fflush(stdout);
        if (armoriq_session_await_approval(session, delegation, "{\"timeout_ms\": 60000, \"interval_ms\": 200}",
                                           &json) != ARMORIQ_OK)
            print_error(json);
        else
            text_member(json, "status", status, sizeof status), printf("       %s\n", status);
        armoriq_string_free(json);
    }

    /* A key that is none is refused before anything is sent. */
    json = NULL;
    if (armoriq_client_new(ARMORIQ_ABI_VERSION, "{\"api_key\": \"not-a-key\"}", &stranger, &json) != ARMORIQ_OK)
        print_error(json);
    armoriq_string_free(json);

    armoriq_session_free(session);
    armoriq_user_scope_free(alice);
    armoriq_client_free(client);
    return 0;
}
