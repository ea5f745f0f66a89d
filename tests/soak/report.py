"""Judges what the soak and its injector counted, prints it as a table and writes it as JSON.

usage: report.py SOAK_JSON INJECTOR_JSON SECONDS SEED OUTPUT [--broken]

It fails where something is there that must not be, and also where too little was seen to mean anything. With --broken,
for a soak that leaks, loses and is lied to on purpose, it fails unless all of that was noticed.
"""

import json
import sys

# What must be 0, and how the table calls it.
NEVER = {
    "wrong_verdicts": "wrong verdicts",
    "lost_completions": "lost completions",
    "repeated_completions": "repeated completions",
    "unaccounted_completions": "completions unaccounted for",
    "wrong_results": "wrong results of other calls",
    "unexpected_statuses": "statuses that no fault explains",
    "internal_errors": "internal errors (panics)",
    "secrets_shown": "API keys in texts and log lines",
    "overdue_calls": "calls that took 15 s longer than their time limit",
    "forbidden_tool_calls": "forbidden calls that reached a tool",
    "leaked_descriptors": "leaked file descriptors",
    "leaked_threads": "leaked threads",
    "leaked_bytes": "leaked bytes",
}
# What is kept for each thread may still grow after the warm-up. What leaks with the calls is far above it.
BYTES_ALLOWED = 4096

# A service that fails is asked again after 30 s at the most, and that time may pass in the next storm.
SILENCE_ALLOWED = 60

# What there must be in each minute, at least.
ENOUGH = {
    "calls": (2000, "calls"),
    "decisions": (1500, "decisions"),
    "local_decisions": (500, "decisions of local mode"),
    "exchanges": (500, "exchanges with the service"),
    "allowed": (200, "allowed"),
    "blocked": (200, "blocked by policy or plan"),
    "held": (10, "held for approval"),
    "approvals_used": (0.5, "approvals used"),
    "blocked_by_a_fault": (20, "blocked because of a fault"),
    "failed_by_a_fault": (20, "other calls that failed because of a fault"),
    "submitted": (100, "submitted"),
    "cancelled": (5, "cancelled, by a cancel or a close"),
    "clients": (5, "clients made and freed"),
    "sessions": (20, "sessions made and freed"),
    "tool_calls": (0.5, "calls that reached a tool"),
    "injected_faults": (60, "answers broken"),
    "restarts": (1, "armoriq-local killed and restarted"),
    "refuse": (0.5, "times of refused connections"),
    "black_hole": (0.5, "times without answers"),
}


def allowed(name):
    return BYTES_ALLOWED if name == "leaked_bytes" else 0


def main():
    soak, injector, seconds, seed, output = sys.argv[1:6]
    broken = sys.argv[6:] == ["--broken"]
    with open(soak) as first, open(injector) as second:
        # The first line of the injector's are its addresses.
        figures, injected = json.load(first), json.loads(second.read().splitlines()[-1])
    outages = injected.pop("outages")
    figures |= {"seconds": float(seconds), "seed": int(seed), **injected, **outages}
    figures["restarts"] = outages.get("restart", 0)
    figures["injected_faults"] = sum(injected["faults"].values())
    ends = ("completed", "dropped_with_their_queue", "lost_completions")
    figures["unaccounted_completions"] = abs(figures["submitted"] - sum(figures[end] for end in ends))
    with open(output, "w") as file:
        json.dump(figures, file, indent=2)

    if broken:
        noticed = ["wrong_verdicts", "lost_completions", "leaked_descriptors", "leaked_threads", "leaked_bytes"]
        missed = [name for name in noticed if figures[name] <= allowed(name)]
        return f"not noticed: {', '.join(missed)}" if missed else None

    faults = []
    print(f"soak: {seconds} s, seed {seed}")
    for name, (least, text) in ENOUGH.items():
        number = figures.get(name, 0)
        print(f"  {number:>9}  {text}")
        if number < int(least * float(seconds) / 60):
            faults.append(f"too little to mean anything: {number} {text}")
    faults += [f"never injected: {name}" for name, number in figures["faults"].items() if not number]
    print(f"  {figures['slowest_seconds']:>9.1f}  seconds that the slowest call took")
    silence = figures["longest_silence"]
    print(f"  {silence:>9.1f}  seconds in which no check got an answer of the service, at most")
    if silence > SILENCE_ALLOWED:
        faults.append(f"{silence} seconds without an answer")
    print(f"  {figures['bytes_of_a_client']:>9}  bytes at most in a shared client with its sessions and caches")
    for name, text in NEVER.items():
        number = figures[name]
        print(f"  {number:>9}  {text}")
        if number > allowed(name):
            faults.append(f"{number} {text}")
    return "\n".join(faults) or None


sys.exit(main())
