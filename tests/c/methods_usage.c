/* Token usage and the tool inventory: the result says what happened, and the inventory goes out in the background. */
#include "fork.h"
#include "service.h"

static struct service *service;

#define UUID "3f2b8c1e-5a0d-4e8f-9b1a-2c3d4e5f6a7b"
#define BATCH                                                                                                            \
    "{\"generation\": \"" UUID "\", \"batchId\": \"" UUID "\", \"snapshots\": [{\"sessionId\": \"s\", \"revision\": 1, " \
    "\"usageDate\": \"2026-01-02\", \"usageHour\": 3, \"entries\": [{\"model\": \"m\", \"inputTokens\": 1}]}]}"

static void stream(armoriq_client *client)
{
    const char *path = "/dashboard/token-usage/stream";
    char *json = NULL;

    service_json(service, path, 200, "{\"generation\": \"" UUID "\"}");
    EXPECT_JSON("{\"ok\":true,\"status\":200,\"value\":{\"generation\":\"" UUID "\"}}",
                armoriq_client_initialize_usage_stream(client, NULL, &json));
    service_json(service, path, 200, "[]");
    EXPECT_JSON("{\"ok\":false,\"status\":200,\"retryable\":false,\"reason\":\"the stream response has no generation\"}",
                armoriq_client_initialize_usage_stream(client, "{}", &json));
    service_set(service, path, SERVICE_ANSWERS, 503, "Retry-After: 2\r\n", "down for " TEST_KEY);
    EXPECT_JSON("{\"ok\":false,\"status\":503,\"retryable\":true,\"reason\":\"down for [redacted]\",\"retry_after_ms\":2000}",
                armoriq_client_initialize_usage_stream(client, NULL, &json));
    service_json(service, path, 302, "");
    EXPECT_JSON("{\"ok\":false,\"status\":302,\"retryable\":false,\"reason\":\"HTTP 302\"}",
                armoriq_client_initialize_usage_stream(client, NULL, &json));
    CHECK(service_count(service, path) == 1);
    service_set(service, path, SERVICE_STALLS, 200, "", "");
    CHECK_STATUS(ARMORIQ_OK, armoriq_client_initialize_usage_stream(client, "{\"timeout_ms\": 100}", &json));
    CHECK_MEMBER(json, "unreachable", "true");
    CHECK_MEMBER(json, "retryable", "true");
    CHECK_MEMBER(json, "status", "missing");
    armoriq_string_free(json);
    EXPECT_JSON("{\"ok\":false,\"retryable\":false,\"reason\":\"generation and resetId must be UUIDs\"}",
                armoriq_client_reset_usage_stream(client, "{\"generation\": \"" UUID "\"}", &json));
}

static void batch_and_run(armoriq_client *client)
{
    const char *path = "/dashboard/token-usage/runs/" UUID;

    service_json(service, "/dashboard/token-usage/batch", 200,
                 "{\"results\": [{\"sessionId\": \"s\", \"usageDate\": \"2026-01-02\", \"usageHour\": 4, \"status\": \"applied\"}]}");
    EXPECT_JSON("{\"ok\":false,\"status\":200,\"retryable\":false,\"reason\":\"the acknowledgement does not match the "
                "snapshots sent\"}",
                armoriq_client_record_token_usage_batch(client, "{\"batch\": " BATCH "}", &json));
    EXPECT_JSON("{\"ok\":false,\"retryable\":false,\"reason\":\"generation and batchId must be UUIDs\"}",
                armoriq_client_record_token_usage_batch(client, "{\"batch\": []}", &json));
    service_json(service, path, 200, "{\"applied\": true, \"run\": {\"runId\": \"" UUID "\"}}");
    EXPECT_JSON("{\"ok\":true,\"status\":200,\"value\":{\"applied\":true,\"run\":{\"runId\":\"" UUID "\"}}}",
                armoriq_client_report_usage_run(client, "{\"run_id\": \"" UUID "\", \"report\": {\"a\": 1.0}}", &json));
    CHECK_CONTAINS(service_last(service, path), "PUT ");
    CHECK_CONTAINS(service_last(service, path), "{\"a\":1.0}");
    EXPECT_JSON("{\"ok\":false,\"retryable\":false,\"reason\":\"report must be an object\"}",
                armoriq_client_report_usage_run(client, "{\"run_id\": \"" UUID "\", \"report\": [1]}", &json));
}

static void transcript(armoriq_client *client)
{
    char *json = NULL;
    const char *path = "/dashboard/token-usage";
    const char *params = "{\"transcript_path\": \"transcript.jsonl\", \"product\": \"p\", \"session_id\": \"s\", \"armored\": true}";
    FILE *file = fopen("transcript.jsonl", "w");

    REQUIRE(file != NULL);
    fputs("{\"cwd\": \"/r\", \"timestamp\": \"2026-01-01T10:00:00Z\", \"model\": \"a\", \"usage\": {\"input_tokens\": 3}}\n"
          "not json\n"
          "{\"timestamp\": \"2026-01-01T11:00:00Z\", \"model\": \"b\", \"usage\": {\"output_tokens\": 4}}", file);
    fclose(file);
    service_json(service, path, 200, "{\"recorded\": 1}");
    EXPECT_JSON("{\"ok\":true,\"recorded\":2,\"reason\":null}", armoriq_client_capture_transcript_tokens(client, params, &json));
    CHECK(service_count(service, path) == 2);
    CHECK_CONTAINS(service_last(service, path),
                   "{\"product\":\"p\",\"sessionId\":\"s\",\"entries\":[{\"model\":\"b\",\"inputTokens\":0,\"outputTokens\":4,"
                   "\"cacheReadTokens\":0,\"cacheWriteTokens\":0}],\"usageDate\":\"2026-01-01\",\"usageHour\":11,\"repo\":"
                   "\"/r\",\"armored\":true}");
    service_json(service, path, 422, "{\"message\": [\"bad\", \"hour\", \"bad\"]}");
    EXPECT_JSON("{\"ok\":false,\"recorded\":2,\"reason\":\"bad; hour\"}",
                armoriq_client_capture_transcript_tokens(client, params, &json));
    service_set(service, path, SERVICE_CLOSES, 200, "", "");
    CHECK_STATUS(ARMORIQ_OK, armoriq_client_capture_transcript_tokens(client, params, &json));
    CHECK_MEMBER(json, "ok", "false");
    CHECK_MEMBER(json, "recorded", "2");
    armoriq_string_free(json);
    /* A service that does not answer is not asked for every hour. */
    CHECK(service_count(service, path) == 1);
    EXPECT_JSON("{\"ok\":true,\"recorded\":0}",
                armoriq_client_capture_transcript_tokens(
                    client, "{\"transcript_path\": \"/dev/zero\", \"product\": \"p\", \"session_id\": \"s\"}", &json));
}

/* Nobody waits for the push; closing the client does. */
static void inventory(void)
{
    const char *path = "/iap/sdk/tools";
    armoriq_client *client = test_client(service->url, ", \"agent_id\": \"bot\"");
    char *json = NULL;

    service_json(service, path, 200, "{}");
    CHECK_STATUS(ARMORIQ_OK, armoriq_client_declare_tools(
        client,
        "{\"tools\": [{\"name\": \"pay\", \"input_schema\": {\"type\": \"object\"}}, \"crm__look\"], \"mcp_servers\": "
        "[{\"name\": \"m\", \"url\": \"http://m\", \"tools\": [{\"name\": \"t\", \"inputSchema\": {}}]}]}", &json));
    CHECK_MEMBER(json, "tools", "1");
    CHECK_MEMBER(json, "mcp_servers", "2");
    CHECK_MEMBER(json, "push", "\"scheduled\"");
    armoriq_string_free(json);
    EXPECT_JSON("{\"pending\":0}", armoriq_client_close(client, 10000, &json));
    CHECK(service_count(service, path) == 1);
    CHECK_CONTAINS(service_last(service, path), "{\"contract\":2,\"agent\":\"bot\",\"sdk\":\"c@");
    CHECK_CONTAINS(service_last(service, path),
                   "\"schemaHash\":\"sha256:a2c799262a3ce3c19ef5cdd983bf3d12b43ab3c426227091b909dcb7054738c0\"");
    CHECK_ERROR(ARMORIQ_ERR_CLOSED, armoriq_client_declare_tools(client, NULL, &json));
    armoriq_client_free(client);
}

/* A push of the parent's is nothing that a child waits for: servers declare their tools and then fork. */
static void inventory_and_fork(void)
{
    armoriq_client *client = test_client(service->url, ", \"agent_id\": \"bot\", \"timeout_ms\": 2000");
    pid_t child;

    service_set(service, "/iap/sdk/tools", SERVICE_STALLS, 200, "", "");
    CHECK_STATUS(ARMORIQ_OK, armoriq_client_declare_tools(client, "{\"tools\": [\"t\"]}", NULL));
    while (service_count(service, "/iap/sdk/tools") == 0) test_sleep_ms(5);
    child = test_fork();
    if (child == 0) {
        EXPECT_JSON("{\"pending\":0}", armoriq_client_close(client, 0, &json));
        test_leave();
    }
    test_wait(child);
    EXPECT_JSON("{\"pending\":1}", armoriq_client_close(client, 0, &json));
    armoriq_client_free(client);
}

int main(void)
{
    armoriq_client *client;
    service = service_start();
    client = test_client(service->url, ", \"max_retries\": 0");
    stream(client);
    batch_and_run(client);
    transcript(client);
    inventory();
    inventory_and_fork();
    armoriq_client_free(client);
    service_stop(service);
    free(service);
    return test_result();
}
