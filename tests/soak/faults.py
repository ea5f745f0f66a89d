"""What goes wrong between a service and its client: each kind by its name in FAULTS.

What is done to an answer never turns a refusal into an allow that holds together: over plain HTTP a lie cannot be told
from the truth. Bytes are overwritten by ones that JSON and HTTP must not have, and not by random ones, which might be
digits of a policy.
"""

import asyncio
import random
import socket
import struct

# Longer than any call of the soak waits for one answer.
SILENCE = 4.0


class Reply:
    """An answer of armoriq-local, whose connection a fault may write to as it likes."""

    def __init__(self, writer, head, body):
        self.writer = writer
        self.head = head
        self.body = body

    @classmethod
    async def read(cls, reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        return cls(writer, head, await read_body(reader, head))

    def whole(self):
        return self.head + self.body

    def with_body(self, body, status=None, more=b""):
        """The message with another body, whose length it has."""
        first, *lines = self.head.removesuffix(b"\r\n\r\n").split(b"\r\n")
        lines = [line for line in lines if not line.lower().startswith((b"content-length:", b"transfer-encoding:"))]
        first = b"HTTP/1.1 " + status if status else first
        lines.append(b"content-length: %d" % len(body))
        return b"\r\n".join([first, *lines]) + b"\r\n" + more + b"\r\n" + body

    async def send(self, data):
        self.writer.write(data)
        await self.writer.drain()

    def reset(self):
        """Ends the connection with RST instead of FIN."""
        linger = struct.pack("ii", 1, 0)
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.writer.transport.abort()


async def read_body(reader, head):
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return await reader.readexactly(int(value))
        if name.lower() == b"transfer-encoding":
            return await read_chunks(reader)
    return b""


async def read_chunks(reader):
    body = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readuntil(b"\r\n")
    return body


# Each sends what it makes of the answer, and says whether the connection may be used again.
FAULTS = {}


def fault(function):
    FAULTS[function.__name__] = function
    return function


def part(data):
    """Some of it, never all."""
    return data[: random.randrange(len(data))] if data else data


def garbled(data):
    """A few bytes that are in no JSON text and in no header, in the place of others."""
    data = bytearray(data)
    for _ in range(random.randint(1, 4)):
        data[random.randrange(len(data))] = random.choice(b"\x00\x01\xff")
    return bytes(data)


@fault
async def delayed(reply):
    await asyncio.sleep(random.uniform(0.05, 1.5))
    await reply.send(reply.whole())
    return True


@fault
async def trickled(reply):
    data = reply.whole()
    step = len(data) // random.randint(2, 12) + 1
    for at in range(0, len(data), step):
        await reply.send(data[at : at + step])
        await asyncio.sleep(0.1)
    return True


@fault
async def unanswered(reply):
    await asyncio.sleep(SILENCE)


@fault
async def closed_before(reply):
    pass


@fault
async def reset_before(reply):
    reply.reset()


@fault
async def closed_in_header(reply):
    await reply.send(part(reply.head))


@fault
async def reset_in_header(reply):
    await reply.send(part(reply.head))
    reply.reset()


@fault
async def closed_in_body(reply):
    await reply.send(reply.head + part(reply.body))


@fault
async def reset_in_body(reply):
    await reply.send(reply.head + part(reply.body))
    reply.reset()


@fault
async def half_closed(reply):
    await reply.send(reply.head + part(reply.body))
    reply.writer.write_eof()
    await asyncio.sleep(1)


def chunked(reply, chunks):
    head = reply.with_body(b"").replace(b"content-length: 0", b"transfer-encoding: chunked")
    return head + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)


@fault
async def cut_between_chunks(reply):
    middle = len(reply.body) // 2
    await reply.send(chunked(reply, filter(None, [reply.body[:middle], reply.body[middle:]])))


@fault
async def bad_chunk(reply):
    await reply.send(chunked(reply, filter(None, [part(reply.body)])) + b"zz\r\n" + reply.body)


@fault
async def garbled_header(reply):
    await reply.send(garbled(reply.head) + reply.body)


@fault
async def garbled_body(reply):
    await reply.send(reply.head + (garbled(reply.body) if reply.body else b""))
    return True


@fault
async def garbage_before(reply):
    await reply.send(random.randbytes(random.randint(1, 64)) + reply.whole())


@fault
async def truncated(reply):
    """Shorter, and with the length that it has."""
    await reply.send(reply.with_body(part(reply.body)))
    return True


@fault
async def too_short(reply):
    """The length says more than there is, although the text is all there."""
    await reply.send(reply.with_body(reply.body + b" ")[:-1])
    await asyncio.sleep(SILENCE)


@fault
async def too_long(reply):
    """The length says less than there is: what is left over is no answer to the next request."""
    whole = reply.with_body(part(reply.body))
    await reply.send(whole + reply.body)
    return True


@fault
async def body_twice(reply):
    await reply.send(reply.with_body(reply.body * 2))
    return True


@fault
async def answer_twice(reply):
    """The second one is no answer to the next request."""
    await reply.send(reply.whole() * 2)
    return True


@fault
async def in_a_list(reply):
    await reply.send(reply.with_body(b"[" + reply.body + b"]"))
    return True


@fault
async def html(reply):
    await reply.send(reply.with_body(b"<html><body>Please log in</body></html>", b"200 OK"))
    return True


@fault
async def empty(reply):
    await reply.send(reply.with_body(b"", b"200 OK"))
    return True


def other_status(name, status, more=b""):
    """The answer as it was, an allow too. Only a list of denied tools is left out: that, with an error, is a refusal."""

    async def send(reply):
        await reply.send(reply.with_body(reply.body.replace(b'"denied_tools"', b'"tools"'), status, more))
        return True

    FAULTS[name] = send


other_status("status_401", b"401 Unauthorized")
other_status("status_404", b"404 Not Found")
other_status("status_429", b"429 Too Many Requests", b"retry-after: 1\r\n")
other_status("status_500", b"500 Internal Server Error")
other_status("status_503", b"503 Service Unavailable")
other_status("redirect_here", b"302 Found", b"location: /\r\n")
other_status("redirect_away", b"307 Temporary Redirect", b"location: http://127.0.0.1:9/\r\n")


async def lie(reply):
    """Not one of them: a test of the soak uses it."""
    await reply.send(reply.with_body(b'{"allowed":true,"action":"allow"}', b"200 OK"))
    return True
