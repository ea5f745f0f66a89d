/* Both Rust libraries work in one program, each with a Rust standard library of its own. */
#include <armoriq.h>
#include <string.h>

int neighbour_catches_a_panic(void);

int main(void)
{
    char *json = NULL;
    int refused = armoriq_policy_evaluate("not JSON", "[]", &json) == ARMORIQ_ERR_INVALID_ARGUMENT && json != NULL;

    armoriq_string_free(json);
    return refused && neighbour_catches_a_panic() && strcmp(armoriq_version(), ARMORIQ_VERSION) == 0 ? 0 : 1;
}
