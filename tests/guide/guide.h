/* What the snippets of docs/guide.md use besides armoriq.h. A real program has its own. */
#ifndef GUIDE_H
#define GUIDE_H

#include <armoriq.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Ends the program on an error. A server would log it and refuse the request. */
static inline void get(armoriq_status status, char **json)
{
    if (status != ARMORIQ_OK) {
        fprintf(stderr, "%s\n", *json ? *json : armoriq_status_name(status));
        exit(1);
    }
}

/* The same where nobody needs the result. */
static inline void must(armoriq_status status, char **json)
{
    get(status, json);
    armoriq_string_free(*json);
    *json = NULL;
}

/* Follows JSON text by one character: how deep it is nested, and whether inside of a text. */
static inline int nested(char c, int *depth, int *quoted, int *escaped)
{
    if (*quoted) {
        *quoted = *escaped || c != '"';
        *escaped = !*escaped && c == '\\';
    } else if (c == '"') {
        *quoted = 1;
    } else {
        *depth += (c == '{' || c == '[') - (c == '}' || c == ']');
    }
    return *depth;
}

/* Copies a member of a JSON object: a text without its quotes, anything else as it is written. Escapes are not
 * resolved: use your JSON library. */
static inline void member(const char *json, const char *name, char *out, size_t size)
{
    int depth = 0, quoted = 0, escaped = 0;
    size_t length = strlen(name), written = 0;
    /* Without memory there is no text. */
    const char *at = json ? json : "";

    while (*at && !(depth == 1 && !quoted && *at == '"' && !strncmp(at + 1, name, length)
                    && !strncmp(at + 1 + length, "\":", 2)))
        nested(*at++, &depth, &quoted, &escaped);
    at += *at ? length + 3 : 0;
    for (depth = 0; *at && (quoted || depth > 0 || (*at != ',' && *at != '}')); at++) {
        int is_outer_quote = *at == '"' && depth == 0 && !escaped;
        nested(*at, &depth, &quoted, &escaped);
        if (!is_outer_quote && written + 1 < size)
            out[written++] = *at;
    }
    out[written] = '\0';
}

#endif
