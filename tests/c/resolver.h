/*
 * What a program's own getaddrinfo() gives, which the library then finds in place of the system's: every name is this
 * machine's.
 */
#ifndef RESOLVER_H
#define RESOLVER_H

#include "test.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>

static struct sockaddr_in resolver_loopback;

HELPER int resolver_find(struct addrinfo **result)
{
    struct addrinfo *found = calloc(1, sizeof *found);
    if (!found) return EAI_MEMORY;
    resolver_loopback.sin_family = AF_INET;
    resolver_loopback.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    found->ai_family = AF_INET;
    found->ai_socktype = SOCK_STREAM;
    found->ai_addrlen = sizeof resolver_loopback;
    found->ai_addr = (struct sockaddr *)&resolver_loopback;
    *result = found;
    return 0;
}

void freeaddrinfo(struct addrinfo *found)
{
    free(found);
}

#endif
