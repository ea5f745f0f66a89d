/* What a program may do with the header before it calls anything, in C and in C++. */
#include <armoriq.h>

static void log_line(void *user_data, int32_t level, const char *target, const char *message)
{
    (void)user_data;
    (void)level;
    (void)target;
    (void)message;
}

int uses(void);

/* Constants are constants: in the preprocessor, as case labels, as array sizes. */
#if ARMORIQ_ABI_VERSION >> 16 != 0 || ARMORIQ_VERSION_MAJOR < 0
#error "the ABI's major version is 0"
#endif

int uses(void)
{
    static const char version[] = ARMORIQ_VERSION;
    armoriq_client *client = NULL;
    armoriq_verdict verdict = ARMORIQ_BLOCK;
    char *json = NULL;
    armoriq_log_fn log = log_line;
    armoriq_status status = armoriq_set_logger(3, log, NULL, &json);

    switch (status) {
    case ARMORIQ_OK:
        break;
    case ARMORIQ_ERR_INVALID_ARGUMENT:
    default:
        armoriq_string_free(json);
        return 1;
    }
    status = armoriq_client_new(ARMORIQ_ABI_VERSION, NULL, &client, &json);
    armoriq_string_free(json);
    armoriq_client_free(client);
    switch (verdict) {
    case ARMORIQ_ALLOW:
    case ARMORIQ_HOLD:
        return 1;
    case ARMORIQ_BLOCK:
    default:
        return status == ARMORIQ_OK && sizeof version > 1;
    }
}
