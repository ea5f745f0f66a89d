"""An MCP server of the official Python SDK over streamable HTTP, for tests of calls through the proxy.

It listens on a free port of this machine and prints its URL once it does. The tools are in order; an error, and what
the server was sent, can be provoked.
"""

import asyncio
import socket
from typing import TypedDict

import uvicorn
from mcp.server.mcpserver import Context, MCPServer

server = MCPServer("tools-mcp")

# The calls that changed something, in order: what was refused must not be among them.
changes: list[str] = []


class Receipt(TypedDict):
    amount: float
    currency: str


@server.tool()
def add(a: int, b: int) -> int:
    """The sum of two numbers."""
    return a + b


@server.tool()
def charge(amount: float, currency: str) -> Receipt:
    """Pretends to charge a card, and says how much."""
    changes.append(f"charge {amount:g}")
    return Receipt(amount=amount, currency=currency)


@server.tool()
def erase() -> str:
    """Pretends to erase everything."""
    changes.append("erase")
    return "erased"


@server.tool()
def history() -> str:
    """The changes so far."""
    return ", ".join(changes)


@server.tool()
def fail() -> str:
    """Always fails."""
    raise RuntimeError("this tool always fails")


@server.tool()
def authorization(context: Context) -> str:
    """The Authorization header that came with the call; empty where there was none."""
    return (context.headers or {}).get("authorization", "")


async def main() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(server.streamable_http_app(), log_level="warning", lifespan="on")
    serving = uvicorn.Server(config)
    task = asyncio.create_task(serving.serve(sockets=[listener]))
    while not serving.started and not task.done():
        await asyncio.sleep(0.01)
    if serving.started:
        print(f"http://127.0.0.1:{listener.getsockname()[1]}/mcp", flush=True)
    await task


asyncio.run(main())
