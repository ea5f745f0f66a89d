"""A control plane that cannot be relied on: armoriq-local behind a proxy that breaks its answers, and that kills it.

Times of calm and of storm take turns. In a storm answers are broken in the ways of faults.py; and once in each,
armoriq-local is killed and started anew with the same ports and data, or connections are refused, or nothing is
answered at all, for a while. A person beside it answers some of the held calls, and its MCP server counts the calls that
came through.

It prints the addresses of the proxies as armoriq-local does, and its counts on SIGTERM. With --lie it breaks no answer
and says that calls are allowed which are not, so that a test can see whether the soak notices.
"""

import argparse
import asyncio
import collections
import json
import os
import random
import signal

from faults import FAULTS, SILENCE, Reply, closed_before, lie, read_body, reset_before

# What may end a connection, on either side.
BROKEN = (OSError, EOFError, asyncio.LimitOverrunError)
LIMIT = 1 << 20
CALM = (5.0, 8.0)
STORM = (2.0, 4.0)
# The share of the answers that a storm breaks.
SHARE = 0.35


# --- The control plane, and what stands before it ------------------------------------------------------------------


class Plane:
    """armoriq-local: started, killed, and started anew where it was."""

    def __init__(self, program, config, data):
        self.command = [program, "serve", "--config", config, "--data", data]
        self.addresses = {}
        self.process = None
        self.starts = 0

    async def start(self):
        options = {"backend": "--listen", "proxy": "--proxy", "iap": "--iap"}
        where = [text for name, (host, port) in self.addresses.items() for text in (options[name], f"{host}:{port}")]
        self.process = await asyncio.create_subprocess_exec(
            *self.command,
            *(where or ["--listen", "127.0.0.1:0"]),
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "ARMORIQ_LOCAL_LOG": "error"},
        )
        line = await self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"armoriq-local ended with {await self.process.wait()}")
        self.addresses = {name: split(url) for name, url in json.loads(line).items()}
        self.starts += 1

    async def kill(self):
        if self.process.returncode is None:
            self.process.kill()
            await self.process.wait()


def split(url):
    host, _, port = url.removeprefix("http://").rpartition(":")
    return host, int(port)


class Deck:
    """Draws from all kinds evenly: each comes before any comes again."""

    def __init__(self, kinds):
        self.kinds = list(kinds)
        self.left = []

    def draw(self):
        if not self.left:
            self.left = random.sample(self.kinds, len(self.kinds))
        return self.left.pop()


class Gate:
    """The proxies before the three services."""

    def __init__(self, plane, counts, lies):
        self.plane = plane
        self.counts = counts
        self.faults = Deck([] if lies else FAULTS)
        self.lies = lies
        self.share = 0.0
        self.silent = False
        self.ports = {}
        self.servers = []
        # The loop itself does not keep the tasks of connections that were lost.
        self.connections = {}

    async def open(self):
        self.close()
        for name in self.plane.addresses:

            def serve(reader, writer, name=name):
                return self.serve(name, reader, writer)

            server = await asyncio.start_server(serve, "127.0.0.1", self.ports.get(name, 0), limit=LIMIT)
            self.ports[name] = server.sockets[0].getsockname()[1]
            self.servers.append(server)

    def close(self):
        """Refuses connections from now on, and drops those that there are."""
        for server in self.servers:
            server.close()
        self.servers.clear()
        self.drop()

    def drop(self):
        for writer in list(self.connections):
            writer.transport.abort()

    async def serve(self, name, reader, writer):
        self.connections[writer] = asyncio.current_task()
        upstream = None
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                request = head + await read_body(reader, head)
                self.counts["exchanges"] += 1
                if self.silent:
                    self.counts["blackholed"] += 1
                    await asyncio.sleep(SILENCE)
                    break
                fault = self.pick(request)
                if fault in (closed_before, reset_before) and random.random() < 0.5:
                    # The request is lost, and not only its answer.
                    await fault(Reply(writer, b"", b""))
                    break
                upstream = upstream or await asyncio.open_connection(*self.plane.addresses[name], limit=LIMIT)
                upstream[1].write(request)
                reply = await Reply.read(upstream[0], writer)
                if fault is lie and b'"allowed":false' not in reply.body:
                    fault = None
                if not fault:
                    await reply.send(reply.whole())
                elif not await fault(reply):
                    break
        except BROKEN:
            pass
        finally:
            del self.connections[writer]
            for closing in [writer, *([upstream[1]] if upstream else [])]:
                closing.close()

    def pick(self, request):
        if self.lies:
            return lie if b"/iap/sdk/enforce" in request else None
        if random.random() >= self.share:
            return None
        name = self.faults.draw()
        self.counts["faults"][name] += 1
        return FAULTS[name]


async def weather(gate):
    """Calm and storm, and an outage in each storm."""
    outages = Deck([restart, restart, refuse, black_hole])
    while True:
        gate.share = 0.0
        await asyncio.sleep(random.uniform(*CALM))
        gate.share = SHARE
        storm = random.uniform(*STORM)
        await asyncio.sleep(storm / 2)
        outage = outages.draw()
        gate.counts["outages"][outage.__name__] += 1
        await outage(gate)
        await asyncio.sleep(storm / 2)


async def restart(gate):
    await gate.plane.kill()
    gate.drop()
    await asyncio.sleep(random.uniform(0, 0.5))
    await insist(gate.plane.start)


async def refuse(gate):
    gate.close()
    await asyncio.sleep(random.uniform(0.2, 1))
    await insist(gate.open)


async def black_hole(gate):
    gate.silent = True
    await asyncio.sleep(random.uniform(0.5, 1.5))
    gate.silent = False


async def insist(start):
    """Somebody's connection may have the port for a while."""
    for _ in range(20):
        try:
            return await start()
        except (OSError, RuntimeError):
            await asyncio.sleep(0.3)
    return await start()


# --- The person, and the MCP server --------------------------------------------------------------------------------


async def person(gate):
    """Answers some of the held calls, and leaves the others to expire."""
    seen = set()
    while True:
        await asyncio.sleep(0.3)
        try:
            waiting = await admin(gate.plane, "GET", "/local/delegations?status=pending")
            for delegation in waiting["delegations"]:
                identity = delegation["delegationId"]
                if identity in seen:
                    continue
                seen.add(identity)
                answer = random.choice(["approve", "approve", "reject", None])
                if answer:
                    await admin(gate.plane, "POST", f"/local/delegations/{identity}/{answer}")
                    gate.counts["answers"][answer] += 1
        except (*BROKEN, KeyError, json.JSONDecodeError):
            # It is being restarted, or the call expired meanwhile.
            pass


async def admin(plane, method, path):
    reader, writer = await asyncio.open_connection(*plane.addresses["backend"], limit=LIMIT * 16)
    try:
        body = "" if method == "GET" else '{"as": "bob@example.com"}'
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nConnection: close\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        return json.loads(await read_body(reader, head))
    finally:
        writer.close()


class Tools:
    """The MCP server behind the control plane. No call of a tool that the policy blocks may come to it."""

    def __init__(self, counts):
        self.counts = counts

    async def serve(self, reader, writer):
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                body = await read_body(reader, head)
                writer.write(self.answer(head, body))
                await writer.drain()
        except BROKEN:
            pass
        finally:
            writer.close()

    def answer(self, head, body):
        if not head.startswith(b"POST"):
            return b"HTTP/1.1 405 Method Not Allowed\r\ncontent-length: 0\r\n\r\n"
        call = json.loads(body)
        if "id" not in call:
            return b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n"
        result = {}
        if call["method"] == "initialize":
            version = call["params"]["protocolVersion"]
            server = {"name": "soak", "version": "1"}
            result = {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": server}
        elif call["method"] == "tools/call":
            tool = call["params"]["name"]
            self.counts["tool_calls"] += 1
            self.counts["forbidden_tool_calls"] += tool in ("drop_table", "wipe_cache", "export_contacts")
            result = {"content": [{"type": "text", "text": "done"}]}
        text = json.dumps({"jsonrpc": "2.0", "id": call["id"], "result": result}).encode()
        return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(text), text)


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--local", required=True, help="the armoriq-local program")
    parser.add_argument("--config", required=True)
    parser.add_argument("--work", required=True, help="a folder for its data and its configuration")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--lie", action="store_true")
    options = parser.parse_args()
    random.seed(options.seed)

    counter = collections.Counter
    counts = {"exchanges": 0, "blackholed": 0, "tool_calls": 0, "forbidden_tool_calls": 0}
    counts |= {"faults": counter(dict.fromkeys(FAULTS, 0)), "outages": counter(), "answers": counter()}
    tools = await asyncio.start_server(Tools(counts).serve, "127.0.0.1", 0, limit=LIMIT)
    config = os.path.join(options.work, "control-plane.yaml")
    with open(options.config) as source, open(config, "w") as target:
        url = f"http://127.0.0.1:{tools.sockets[0].getsockname()[1]}/mcp"
        target.write(source.read().replace("{{mcp}}", url))
    plane = Plane(options.local, config, os.path.join(options.work, "data"))
    gate = Gate(plane, counts, options.lie)
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    await plane.start()
    try:
        await gate.open()
        print(json.dumps({name: f"http://127.0.0.1:{port}" for name, port in gate.ports.items()}), flush=True)
        work = [asyncio.create_task(weather(gate)), asyncio.create_task(person(gate))]
        await asyncio.wait([*work, asyncio.create_task(stopped.wait())], return_when=asyncio.FIRST_COMPLETED)
        # Neither ends but by an error.
        for task in work:
            if task.done():
                task.result()
    finally:
        await plane.kill()
    print(json.dumps(counts | {"starts": plane.starts}), flush=True)
    # Connections that are still open are nobody's any more.
    os._exit(0)


asyncio.run(main())
