/* Options, environment, armoriq.yaml: what a client ends up with, and the errors of what is wrong. */
#include "test.h"

#include <unistd.h>

#define FILE_NAME "test-armoriq.yaml"
#define SECRET "ak_live_0000secret0000"

static const char *const IDENTITY = "identity:\n  api_key: " SECRET "\n  user_id: u\n  agent_id: a\n";

static void write_config(const char *text)
{
    FILE *file = fopen(FILE_NAME, "w");
    REQUIRE(file != NULL);
    REQUIRE(fputs(text, file) >= 0);
    REQUIRE(fclose(file) == 0);
}

/* What the client knows; the caller frees it. */
static char *info_of(armoriq_client *client)
{
    char *json = NULL;
    CHECK_STATUS(ARMORIQ_OK, armoriq_client_info(client, &json));
    CHECK_LACKS(json, "ak_");
    armoriq_client_free(client);
    return json;
}

static char *info_with(const char *options)
{
    armoriq_client *client = NULL;
    char *json = NULL;
    if (armoriq_client_new(ARMORIQ_ABI_VERSION, options, &client, &json) != ARMORIQ_OK) test_fail(__FILE__, __LINE__, options, json);
    armoriq_string_free(json);
    return info_of(client);
}

static char *info_from(const char *yaml)
{
    armoriq_client *client = NULL;
    char *json = NULL;
    write_config(yaml);
    if (armoriq_client_from_config(ARMORIQ_ABI_VERSION, FILE_NAME, &client, &json) != ARMORIQ_OK) test_fail(__FILE__, __LINE__, yaml, json);
    armoriq_string_free(json);
    return info_of(client);
}

/* An error of configuration with each of two parts in its message, and no key. */
static void check_refused(int line, armoriq_status status, armoriq_client *client, char *json, const char *one, const char *two)
{
    test_status(__FILE__, line, "configuration", ARMORIQ_ERR_CONFIGURATION, status);
    CHECK(client == NULL);
    test_error(__FILE__, line, status, json);
    test_contains(__FILE__, line, json, one, 1);
    test_contains(__FILE__, line, json, two, 1);
    armoriq_string_free(json);
    armoriq_client_free(client);
}

static void refuses_options(int line, const char *options, const char *one, const char *two)
{
    armoriq_client *client = (armoriq_client *)-1;
    char *json = NULL;
    armoriq_status status = armoriq_client_new(ARMORIQ_ABI_VERSION, options, &client, &json);
    check_refused(line, status, client, json, one, two);
}

static void refuses_file(int line, const char *yaml, const char *one, const char *two)
{
    armoriq_client *client = (armoriq_client *)-1;
    char *json = NULL;
    armoriq_status status;
    write_config(yaml);
    status = armoriq_client_from_config(ARMORIQ_ABI_VERSION, FILE_NAME, &client, &json);
    check_refused(line, status, client, json, one, two);
}

#define REFUSES_OPTIONS(options, one, two) refuses_options(__LINE__, (options), (one), (two))
#define REFUSES_FILE(yaml, one, two) refuses_file(__LINE__, (yaml), (one), (two))

static void keys(void)
{
    REFUSES_OPTIONS(NULL, "API key is required for Customer SDK. Set ARMORIQ_API_KEY environment variable",
                    "https://platform.armoriq.ai/dashboard/api/keys");
    REFUSES_OPTIONS("{\"api_key\": \"\"}", "API key is required", "No profile default@api.armoriq.ai is saved in ");
    REFUSES_OPTIONS("{\"api_key\": \"sk_0000secret0000\"}",
                    "Invalid API key format. API keys must start with 'ak_live_', 'ak_claw_', or 'ak_test_'.", "keys");
    setenv("ARMORIQ_API_KEY", SECRET, 1);
    armoriq_string_free(info_with(NULL));
    setenv("ARMORIQ_API_KEY", "wrong-" SECRET, 1);
    REFUSES_OPTIONS(NULL, "Invalid API key format.", "keys");
    /* The option wins. */
    armoriq_string_free(info_with("{\"api_key\": \"" SECRET "\"}"));
    unsetenv("ARMORIQ_API_KEY");
    setenv("ARMORIQ_PROFILE", "mine", 1);
    REFUSES_OPTIONS(NULL, "ARMORIQ_PROFILE names mine, which is not saved in ", "credentials.json");
    unsetenv("ARMORIQ_PROFILE");
}

/* A key that cannot verify anything is found out at once, not by the first check. */
static void iap_public_key(void)
{
    REFUSES_OPTIONS("{\"api_key\": \"" SECRET "\", \"iap_public_key\": \"no key\"}", "iap_public_key", "Ed25519");
    setenv("ARMORIQ_IAP_PUBLIC_KEY", "{\"kty\": \"OKP\"}", 1);
    REFUSES_OPTIONS("{\"api_key\": \"" SECRET "\"}", "iap_public_key", "Ed25519");
    unsetenv("ARMORIQ_IAP_PUBLIC_KEY");
}

static void endpoints(void)
{
    char *json = info_with("{\"api_key\": \"" SECRET "\"}");
    CHECK_MEMBER(json, "backend", "\"https://api.armoriq.ai\"");
    CHECK_MEMBER(json, "proxy", "\"https://proxy.armoriq.ai\"");
    CHECK_MEMBER(json, "iap", "\"https://iap.armoriq.ai\"");
    CHECK_MEMBER(json, "timeout_ms", "30000");
    CHECK_MEMBER(json, "max_retries", "3");
    CHECK_MEMBER(json, "context_id", "\"default\"");
    CHECK_MEMBER(json, "version", "\"" ARMORIQ_VERSION "\"");
    armoriq_string_free(json);

    json = info_with("{\"api_key\": \"" SECRET "\", \"use_production\": false, \"timeout_ms\": 1500, \"max_retries\": 0, "
                     "\"user_id\": \"u\", \"agent_id\": \"b\xc3\xb6t\", \"context_id\": \"c\"}");
    CHECK_MEMBER(json, "backend", "\"http://127.0.0.1:3000\"");
    CHECK_MEMBER(json, "proxy", "\"http://127.0.0.1:3001\"");
    CHECK_MEMBER(json, "iap", "\"http://127.0.0.1:8080\"");
    CHECK_MEMBER(json, "timeout_ms", "1500");
    CHECK_MEMBER(json, "max_retries", "0");
    CHECK_MEMBER(json, "user_id", "\"u\"");
    CHECK_MEMBER(json, "agent_id", "\"b\xc3\xb6t\"");
    CHECK_MEMBER(json, "context_id", "\"c\"");
    armoriq_string_free(json);

    /* A backend that is no known environment has no pair. */
    json = info_with("{\"api_key\": \"" SECRET "\", \"backend_endpoint\": \"http://127.0.0.1:9/\"}");
    CHECK_MEMBER(json, "backend", "\"http://127.0.0.1:9\"");
    CHECK_MEMBER(json, "proxy", "null");
    CHECK_MEMBER(json, "iap", "null");
    armoriq_string_free(json);

    setenv("ARMORIQ_BACKEND_URL", "http://127.0.0.1:9", 1);
    setenv("PROXY_ENDPOINT", "http://127.0.0.1:10", 1);
    json = info_with("{\"api_key\": \"" SECRET "\"}");
    CHECK_MEMBER(json, "backend", "\"http://127.0.0.1:9\"");
    CHECK_MEMBER(json, "proxy", "\"http://127.0.0.1:10\"");
    CHECK_MEMBER(json, "iap", "null");
    armoriq_string_free(json);
    unsetenv("ARMORIQ_BACKEND_URL");
    unsetenv("PROXY_ENDPOINT");
    setenv("ARMORIQ_ENV", " Local ", 1);
    json = info_with("{\"api_key\": \"" SECRET "\"}");
    CHECK_MEMBER(json, "backend", "\"http://127.0.0.1:3000\"");
    armoriq_string_free(json);
    unsetenv("ARMORIQ_ENV");
}

static void file(void)
{
    char text[512], *json;

    json = info_from(IDENTITY);
    CHECK_MEMBER(json, "user_id", "\"u\"");
    CHECK_MEMBER(json, "agent_id", "\"a\"");
    CHECK_MEMBER(json, "backend", "\"http://127.0.0.1:3000\"");
    CHECK_MEMBER(json, "proxy", "\"https://customer-proxy.armoriq.ai\"");
    armoriq_string_free(json);

    snprintf(text, sizeof text, "%senvironment: production\nproxy: {url: 'http://127.0.0.1:7', timeout: '45', max_retries: 1}\n",
             IDENTITY);
    json = info_from(text);
    CHECK_MEMBER(json, "backend", "\"https://api.armoriq.ai\"");
    CHECK_MEMBER(json, "proxy", "\"http://127.0.0.1:7\"");
    CHECK_MEMBER(json, "timeout_ms", "45000");
    CHECK_MEMBER(json, "max_retries", "1");
    armoriq_string_free(json);

    setenv("TEST_ARMORIQ_KEY", SECRET, 1);
    armoriq_string_free(info_from("identity: {api_key: $TEST_ARMORIQ_KEY, user_id: u, agent_id: a}\n"));
    armoriq_string_free(info_from("identity: {api_key: '${TEST_ARMORIQ_KEY}', user_id: u, agent_id: a}\n"));
    unsetenv("TEST_ARMORIQ_KEY");
}

static void bad_files(void)
{
    char text[512];
    armoriq_client *client = NULL;
    char *json = NULL;
    armoriq_status status = armoriq_client_from_config(ARMORIQ_ABI_VERSION, "no/such/file.yaml", &client, &json);
    check_refused(__LINE__, status, client, json, "Config file not found: ", "no/such/file.yaml");

    REFUSES_FILE("identity: {api_key: '${TEST_ARMORIQ_KEY}', user_id: u, agent_id: a}\n",
                 "API key resolved to empty value from config/environment.", "");
    REFUSES_FILE("identity: {api_key: sk_0000secret0000, user_id: u, agent_id: a}\n", "Invalid API key format.", "");
    REFUSES_FILE("", "identity", "");
    REFUSES_FILE("identity:\n  api_key: " SECRET "\n  user_id: u\n", "agent_id", "");
    REFUSES_FILE("- " SECRET "\n", "", "");

    snprintf(text, sizeof text, "%sproxi: {}\n", IDENTITY);
    REFUSES_FILE(text, "proxi", "");
    snprintf(text, sizeof text, "%s  password: " SECRET "\n", IDENTITY);
    REFUSES_FILE(text, "password", "");
    snprintf(text, sizeof text, "%senvironment: staging\n", IDENTITY);
    REFUSES_FILE(text, "environment", "");
    snprintf(text, sizeof text, "%sproxy: {timeout: 4.5}\n", IDENTITY);
    REFUSES_FILE(text, "timeout", "");
    snprintf(text, sizeof text, "%sversion: v2\n", IDENTITY);
    REFUSES_FILE(text, "version", "");
    snprintf(text, sizeof text, "%smcp_servers: [{id: x, url: u, auth: {type: bearer}}]\n", IDENTITY);
    REFUSES_FILE(text, "bearer auth requires 'token'", "");

    /* Malformed: the place of it, in lines and columns. */
    snprintf(text, sizeof text, "%sproxy: {url: [}\n", IDENTITY);
    REFUSES_FILE(text, "line 5", "column");
    REFUSES_FILE("identity:\n  api_key: " SECRET "\n bad: x\n", "line 3", "column");
    REFUSES_FILE("identity: \"\n", "line", "column");
    REFUSES_FILE("\xff\xfe", "", "");
    unlink(FILE_NAME);
}

int main(void)
{
    keys();
    iap_public_key();
    endpoints();
    file();
    bad_files();
    return test_result();
}
