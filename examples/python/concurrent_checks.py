"""One thread and its event loop: two hundred checks at once, a wait for an approval, and a call that is given up.

Prints `still ticking` while it waits for the approval: the loop does not block.
"""

import asyncio
import collections

from armoriq import Client
from armoriq_asyncio import AsyncSession, Calls

TOOLS = ["data-mcp__fetch_sales", "data-mcp__drop_table"]
PAYMENT = "payments-mcp__pay_vendor"


async def tick():
    """Stands for all else that the event loop does meanwhile."""
    for _ in range(5):
        await asyncio.sleep(0.01)
    print("still ticking", flush=True)


async def many_checks(session, calls):
    tasks = [asyncio.create_task(session.check(TOOLS[n % 2], {"n": n})) for n in range(200)]
    # Each task runs up to its first wait.
    await asyncio.sleep(0)
    print(f"{calls.in_flight} calls in flight")
    count = collections.Counter()
    for n, decision in enumerate(await asyncio.gather(*tasks)):
        # A service that cannot answer such a burst in time blocks the rest of it, and `cause` says so.
        outcome = "UNANSWERED" if decision.details["cause"] == "unavailable" else decision.verdict.name
        count[TOOLS[n % 2], outcome] += 1
    for (tool, outcome), times in sorted(count.items()):
        print(f"{tool} {outcome}: {times}")


async def hold(session, amount):
    payment = await session.check(PAYMENT, {"amount": amount})
    print(f"{PAYMENT} {payment.verdict.name}")
    return payment.delegation_id


async def main():
    with Client() as client, client.for_user("alice@example.com") as alice, alice.start_session(mode="sdk") as blocking:
        async with Calls() as calls:
            session = AsyncSession(blocking, calls)
            await session.start_plan([{"name": name, "args": {}} for name in [*TOOLS, PAYMENT]], goal="A busy day")
            await many_checks(session, calls)

            delegation_id = await hold(session, 250)
            status, _ = await asyncio.gather(
                session.await_approval(delegation_id, timeout_ms=60000, interval_ms=200), tick()
            )
            print(status)

            # Nobody approves this one.
            delegation_id = await hold(session, 500)
            try:
                await asyncio.wait_for(session.await_approval(delegation_id, timeout_ms=60000), timeout=0.2)
            except asyncio.TimeoutError:
                print("given up")
            print(f"{calls.in_flight} calls in flight")


if __name__ == "__main__":
    asyncio.run(main())
