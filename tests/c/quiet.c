/* The library prints nothing, whatever happens: what there is to say goes to the caller or to the logger. */
#include "service.h"

static struct service *service;

static void go_wrong(void)
{
    armoriq_client *client = NULL;
    armoriq_session *session;
    armoriq_verdict verdict;
    char *json;

    (void)!armoriq_client_new(ARMORIQ_ABI_VERSION, NULL, &client, NULL);
    (void)!armoriq_client_new(ARMORIQ_ABI_VERSION, "{", &client, NULL);
    (void)!armoriq_client_from_config(ARMORIQ_ABI_VERSION, "none.yaml", &client, NULL);
    (void)!armoriq_policy_evaluate("{}", "{}", NULL);
    setenv("ARMORIQ_MCP_CREDENTIALS", "not json", 1);
    client = test_client(service->url, ", \"agent_id\": \"agent-1\", \"timeout_ms\": 300, \"max_retries\": 0");
    session = test_session(client, "a@b.co", NULL);
    service_set(service, "/iap/public-key", SERVICE_CLOSES, 0, "", "");
    service_json(service, "/policy/bundles/current", 200, "<html>");
    (void)!armoriq_session_start_plan(session, "[{\"name\": \"data__fetch\"}]", NULL, NULL);
    (void)!armoriq_session_check(session, "data__fetch", "{}", NULL, &verdict, NULL);
    (void)!armoriq_session_check(session, "\xff", "{}", NULL, &verdict, &json);
    armoriq_string_free(json);
    service_set(service, "/iap/audit", SERVICE_STALLS, 0, "", "");
    (void)!armoriq_session_report(session, "data__fetch", "{}", "{}", NULL, NULL);
    service_set(service, "/delegation/d/status", SERVICE_CLOSES, 0, "", "");
    (void)!armoriq_session_await_approval(session, "d", "{\"timeout_ms\": 50, \"interval_ms\": 20}", NULL);
    armoriq_session_free(session);
    armoriq_session_free(session);
    armoriq_client_free(client);
    (void)!armoriq_client_info(client, NULL);
}

int main(void)
{
    char said[4096];
    FILE *file = tmpfile();
    int out = dup(1), err = dup(2);
    size_t length;

    service = service_start();
    REQUIRE(file != NULL && out >= 0 && err >= 0);
    fflush(stdout);
    dup2(fileno(file), 1);
    dup2(fileno(file), 2);
    go_wrong();
    fflush(stdout);
    dup2(out, 1);
    dup2(err, 2);
    rewind(file);
    length = fread(said, 1, sizeof said - 1, file);
    said[length] = '\0';
    if (length) test_fail(__FILE__, __LINE__, "the library printed", said);
    fclose(file);
    service_stop(service);
    free(service);
    return test_result();
}
