/* The version macros, the constants, and the functions that say the same at run time. */
#include "test.h"

static void numbers_are_as_documented(void)
{
    static const struct {
        armoriq_status status;
        int number;
        const char *name;
    } codes[] = {
        {ARMORIQ_OK, 0, "ARMORIQ_OK"},
        {ARMORIQ_ERR_INVALID_ARGUMENT, 1, "ARMORIQ_ERR_INVALID_ARGUMENT"},
        {ARMORIQ_ERR_INVALID_HANDLE, 2, "ARMORIQ_ERR_INVALID_HANDLE"},
        {ARMORIQ_ERR_ABI_MISMATCH, 3, "ARMORIQ_ERR_ABI_MISMATCH"},
        {ARMORIQ_ERR_INVALID_STATE, 4, "ARMORIQ_ERR_INVALID_STATE"},
        {ARMORIQ_ERR_CONFIGURATION, 10, "ARMORIQ_ERR_CONFIGURATION"},
        {ARMORIQ_ERR_INVALID_TOKEN, 20, "ARMORIQ_ERR_INVALID_TOKEN"},
        {ARMORIQ_ERR_TOKEN_EXPIRED, 21, "ARMORIQ_ERR_TOKEN_EXPIRED"},
        {ARMORIQ_ERR_TOKEN_REVOKED, 22, "ARMORIQ_ERR_TOKEN_REVOKED"},
        {ARMORIQ_ERR_INTENT_MISMATCH, 30, "ARMORIQ_ERR_INTENT_MISMATCH"},
        {ARMORIQ_ERR_INTENT_REANCHOR, 31, "ARMORIQ_ERR_INTENT_REANCHOR"},
        {ARMORIQ_ERR_POLICY_BLOCKED, 40, "ARMORIQ_ERR_POLICY_BLOCKED"},
        {ARMORIQ_ERR_POLICY_HOLD, 41, "ARMORIQ_ERR_POLICY_HOLD"},
        {ARMORIQ_ERR_DELEGATION, 50, "ARMORIQ_ERR_DELEGATION"},
        {ARMORIQ_ERR_MCP_INVOCATION, 60, "ARMORIQ_ERR_MCP_INVOCATION"},
        {ARMORIQ_ERR_SERVICE, 70, "ARMORIQ_ERR_SERVICE"},
        {ARMORIQ_ERR_TIMEOUT, 71, "ARMORIQ_ERR_TIMEOUT"},
        {ARMORIQ_ERR_CANCELLED, 72, "ARMORIQ_ERR_CANCELLED"},
        {ARMORIQ_ERR_QUEUE_FULL, 73, "ARMORIQ_ERR_QUEUE_FULL"},
        {ARMORIQ_ERR_CLOSED, 74, "ARMORIQ_ERR_CLOSED"},
        {ARMORIQ_ERR_INTERNAL, 90, "ARMORIQ_ERR_INTERNAL"},
    };
    size_t i;
    int number, known = 0;
    for (i = 0; i < sizeof codes / sizeof *codes; i++) {
        CHECK(codes[i].status == codes[i].number);
        CHECK(strcmp(armoriq_status_name(codes[i].status), codes[i].name) == 0);
    }
    for (number = -100; number <= 1000; number++) {
        known += strcmp(armoriq_status_name(number), "ARMORIQ_ERR_UNKNOWN") != 0;
    }
    CHECK(known == (int)(sizeof codes / sizeof *codes));
    CHECK(strcmp(armoriq_status_name(INT32_MIN), "ARMORIQ_ERR_UNKNOWN") == 0);
    CHECK(strcmp(armoriq_status_name(INT32_MAX), "ARMORIQ_ERR_UNKNOWN") == 0);
    CHECK(ARMORIQ_BLOCK == 0 && ARMORIQ_ALLOW == 1 && ARMORIQ_HOLD == 2);
}

static void header_and_library_agree(void)
{
    char version[32];
    snprintf(version, sizeof version, "%d.%d.%d", ARMORIQ_VERSION_MAJOR, ARMORIQ_VERSION_MINOR, ARMORIQ_VERSION_PATCH);
    CHECK(strcmp(ARMORIQ_VERSION, version) == 0);
    CHECK(strcmp(armoriq_version(), ARMORIQ_VERSION) == 0);
    CHECK(armoriq_version() == armoriq_version());
    CHECK(armoriq_abi_version() == ARMORIQ_ABI_VERSION);
    CHECK(armoriq_abi_version() == (0u << 16 | 1u));
}

/* A program says which ABI it was built for: another major, or a minor above the library's, is refused. */
static void abi_versions_are_compared(void)
{
    static const uint32_t refused[] = {ARMORIQ_ABI_VERSION + 1, 1u << 16, 1u << 16 | 1u, 0xFFFFFFFFu};
    const char *options = "{\"api_key\": \"" TEST_KEY "\"}";
    armoriq_client *client;
    size_t i;
    for (i = 0; i < sizeof refused / sizeof *refused; i++) {
        client = (armoriq_client *)-1;
        CHECK_ERROR(ARMORIQ_ERR_ABI_MISMATCH, armoriq_client_new(refused[i], options, &client, &json));
        CHECK(client == NULL);
        client = (armoriq_client *)-1;
        CHECK_ERROR(ARMORIQ_ERR_ABI_MISMATCH, armoriq_client_from_config(refused[i], "none.yaml", &client, &json));
        CHECK(client == NULL);
    }
    CHECK_STATUS(ARMORIQ_OK, armoriq_client_new(ARMORIQ_ABI_VERSION, options, &client, NULL));
    armoriq_client_free(client);
}

int main(void)
{
    numbers_are_as_documented();
    header_and_library_agree();
    abi_versions_are_compared();
    armoriq_string_free(NULL);
    return test_result();
}
