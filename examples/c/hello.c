#include <armoriq.h>
#include <stdio.h>

int main(void)
{
    armoriq_client *client = NULL;
    armoriq_session *session = NULL;
    armoriq_verdict verdict = ARMORIQ_BLOCK;
    char *json = NULL;

    if (armoriq_client_new(ARMORIQ_ABI_VERSION, NULL, &client, &json)) goto done;
    armoriq_string_free(json);
    if (armoriq_client_start_session(client, "{\"mode\": \"sdk\"}", &session, &json)) goto done;
    armoriq_string_free(json);
    if (armoriq_session_start_plan(session, "[{\"name\": \"bank__pay\", \"args\": {}}]", NULL, &json)) goto done;
    armoriq_string_free(json);
    if (armoriq_session_check(session, "bank__pay", "{\"amount\": 20}", NULL, &verdict, &json)) goto done;
    if (verdict == ARMORIQ_ALLOW) puts("go ahead");
done:
    puts(json ? json : "");
    armoriq_string_free(json);
    armoriq_session_free(session);
    armoriq_client_free(client);
    return verdict == ARMORIQ_ALLOW ? 0 : 1;
}
