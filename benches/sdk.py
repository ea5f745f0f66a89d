"""Measures session.check of the official SDK in local mode, with the call and the policy that check.c measures.

Prints the median of one check in nanoseconds of the thread's own time.
"""

import os
import statistics
import time

from armoriq_sdk import ArmorIQClient
from armoriq_sdk.session import SessionOptions

USER = "alice@example.com"
TOOL = "pay-mcp__pay_vendor"
ARGS = {
    "amount": 1250.5,
    "currency": "EUR",
    "to": "vendor-4711@example.com",
    "note": "invoice 2026-1187 the 3rd",
}
ROUNDS, CHECKS = 41, 50


def main():
    client = ArmorIQClient(
        api_key=os.environ["ARMORIQ_API_KEY"],
        backend_endpoint=os.environ["ARMORIQ_BACKEND_URL"],
        proxy_endpoint=os.environ["PROXY_ENDPOINT"],
        iap_endpoint=os.environ["IAP_ENDPOINT"],
        agent_id="bench-10",
    )
    session = client.for_user(USER).start_session(SessionOptions(mode="local"))
    session.start_plan([{"name": TOOL, "args": {}}], "measure")

    def one():
        start = time.thread_time_ns()
        for _ in range(CHECKS):
            decision = session.check(TOOL, ARGS, user_email=USER)
            assert decision.allowed, decision
        return (time.thread_time_ns() - start) / CHECKS

    one()
    print(f"sdk {statistics.median(one() for _ in range(ROUNDS)):.0f} 0 0")


main()
