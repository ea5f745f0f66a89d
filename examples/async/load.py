"""A thousand clients of epoll.c at once, and ten more that give up.

usage: load.py SOCKET CONTROL_PLANE

The process CONTROL_PLANE is stopped until all of the requests are in flight: it takes no luck to see them there.
"""

import asyncio
import collections
import os
import pathlib
import signal
import sys
import time

CLIENTS = 1000
GIVING_UP = 10
TOOLS = ["data-mcp__fetch_sales", "data-mcp__drop_table"]


async def ask(path, request):
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(f"{request}\n".encode())
    return reader, writer


async def answer(reader, writer):
    line = (await reader.readline()).decode()
    writer.close()
    return line.partition(" ")


async def in_flight(path, wanted):
    while True:
        count, _, _ = await answer(*await ask(path, "in-flight"))
        if int(count) == wanted:
            print(f"{wanted} in flight")
            return
        await asyncio.sleep(0.05)


def stop(process):
    """A thread that runs on another core goes on until it learns of the signal."""
    os.kill(process, signal.SIGSTOP)
    threads = pathlib.Path(f"/proc/{process}/task")
    while any(") T " not in stat.read_text() for stat in threads.glob("*/stat")):
        time.sleep(0.001)


async def main(path, control_plane):
    stop(control_plane)
    try:
        clients = [await ask(path, f'{TOOLS[n % 2]} {{"n": {n}}}') for n in range(CLIENTS)]
        leaving = [await ask(path, TOOLS[0]) for _ in range(GIVING_UP)]
        await in_flight(path, CLIENTS + GIVING_UP)
        for _, writer in leaving:
            writer.close()
        await in_flight(path, CLIENTS)
    finally:
        os.kill(control_plane, signal.SIGCONT)

    count = collections.Counter()
    for n, client in enumerate(clients):
        verdict, _, decision = await answer(*client)
        # A service that cannot answer such a burst within 10 s blocks the rest of it: the decision's cause says so.
        outcome = "UNANSWERED" if '"cause":"unavailable"' in decision else verdict
        count[TOOLS[n % 2], outcome] += 1
    for (tool, outcome), times in sorted(count.items()):
        print(f"{tool} {outcome}: {times}")


asyncio.run(asyncio.wait_for(main(sys.argv[1], int(sys.argv[2])), 60))
