/* The audit trail gets its fields as they are: names that look like secrets, long durations. */
#include "service.h"

#define TOOL "a_tool_with_a_very_long_name_and_digits_0123456789"
#define SERVER "22222222-2222-4222-8222-222222222222"

int main(void)
{
    struct service *service = service_start();
    armoriq_client *client = test_client(service->url, "");
    armoriq_session *session = test_session(client, "a@b.co", "{\"mode\": \"sdk\"}");
    const char *sent;
    char *json = NULL;

    service_json(service, "/iap/sdk/token", 201, SERVICE_TOKEN);
    service_json(service, "/iap/audit", 201, "{}");
    test_plan(session, "[{\"name\": \"" SERVER "__" TOOL "\"}]");
    EXPECT_JSON("{\"delivered\":true}",
                armoriq_session_report(session, SERVER "__" TOOL, "{\"card\": \"4111\"}", "{\"secret\": \"s3\"}",
                                       "{\"duration_ms\": 12345678}", &json));
    sent = service_last(service, "/iap/audit");
    CHECK_CONTAINS(sent, "\"action\":\"" TOOL "\",\"tool\":\"" TOOL "\",\"mcp\":\"" SERVER "\"");
    CHECK_CONTAINS(sent, "\"duration_ms\":12345678,");
    /* Arguments and results stay here. */
    CHECK_CONTAINS(sent, "\"input\":{}");
    CHECK(strstr(sent, "4111") == NULL && strstr(sent, "s3") == NULL);

    service_json(service, "/iap/audit", 503, "{}");
    CHECK_STATUS(ARMORIQ_OK, armoriq_session_report(session, SERVER "__" TOOL, NULL, NULL, NULL, &json));
    CHECK_MEMBER(json, "delivered", "false");
    armoriq_string_free(json);

    armoriq_session_free(session);
    armoriq_client_free(client);
    service_stop(service);
    free(service);
    return test_result();
}
