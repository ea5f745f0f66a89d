"""Runs the program of program.py with both sides, and compares the outcomes, the requests and the service's record.

usage: compare.py LIBRARY     with the control plane of tests/mcp/run.sh in the environment

Each difference has to be one of differences.py, and each of those has to occur.
"""

import difflib
import os
import re
import sys
import tempfile
from pathlib import Path

BACKEND, PROXY, IAP, KEY = (
    os.environ[name] for name in ("ARMORIQ_BACKEND_URL", "PROXY_ENDPOINT", "IAP_ENDPOINT", "ARMORIQ_API_KEY")
)
# Both sides read the environment: neither may find settings there.
for name in [name for name in os.environ if name.startswith("ARMORIQ_") or name.endswith("_ENDPOINT")]:
    del os.environ[name]
os.environ["ARMORIQ_OBSERVABILITY"] = "off"
home = tempfile.TemporaryDirectory()
os.environ["HOME"] = home.name

import libarmoriq  # noqa: E402
from differences import DIFFERENCES  # noqa: E402
from program import PROGRAMS, SERVER  # noqa: E402
from recorder import Recorder  # noqa: E402
from run import Run, Service  # noqa: E402
from sides import Official, Ours  # noqa: E402

NOTHING = "nothing"
DOCUMENT = Path(__file__).parents[2] / "docs/differences.md"


def run_both(library):
    """Yields for each program what both sides came to."""
    service, current = Service(BACKEND), {}
    seen = lambda *exchange: current["run"].seen(*exchange)
    options = {
        "api_key": KEY,
        "backend_endpoint": Recorder("", BACKEND, seen).url,
        "proxy_endpoint": Recorder("proxy:", PROXY, seen).url,
        "iap_endpoint": IAP,
        "agent_id": "mcp-bot",
        "mcp_credentials": {SERVER: {"authType": "bearer", "token": "tök"}},
    }
    for name, program in PROGRAMS.items():
        outcomes = []
        for side in (Official, lambda options: Ours(library, options)):
            client = side(options)
            run = current["run"] = Run(client.name, service)
            program(run, client)
            # What it does in the background is not to be taken for the next one's.
            client.close()
            outcomes.append(run.finish())
        yield name, *outcomes


def differing(official, ours, path=""):
    """The paths at which two values differ, with both values there."""
    if isinstance(official, dict) and isinstance(ours, dict):
        for key in [*official, *(key for key in ours if key not in official)]:
            yield from differing(official.get(key, NOTHING), ours.get(key, NOTHING), f"{path}.{key}")
    elif isinstance(official, list) and isinstance(ours, list) and len(official) == len(ours):
        for index, pair in enumerate(zip(official, ours)):
            yield from differing(*pair, f"{path}[{index}]")
    elif type(official) is not type(ours) or official != ours:
        yield path, official, ours


def aligned(official, ours, key):
    """Pairs of the items of two lists that have the same key, in order; None where an item has no partner."""
    matcher = difflib.SequenceMatcher(None, [key(item) for item in official], [key(item) for item in ours], False)
    for kind, start, end, our_start, our_end in matcher.get_opcodes():
        if kind == "equal":
            yield from zip(official[start:end], ours[our_start:our_end])
        else:
            yield from ((item, None) for item in official[start:end])
            yield from ((None, item) for item in ours[our_start:our_end])


def differing_lists(official, ours, key):
    for theirs, our in aligned(official, ours, key):
        if theirs is None or our is None:
            present = lambda item: NOTHING if item is None else "sent"
            yield f" {key(theirs or our)}", present(theirs), present(our)
        else:
            yield from differing(theirs, our, f" {key(theirs)}")


def differences_of(official, ours):
    """All differences of a program: the step, the path in it, and both values."""
    (official_steps, official_rows), (our_steps, our_rows) = official, ours
    assert list(official_steps) == list(our_steps)
    for step, (outcome, requests) in official_steps.items():
        our_outcome, our_requests = our_steps[step]
        for path, *values in differing(outcome, our_outcome):
            yield step, path.lstrip("."), *values
        target = lambda request: request["target"]
        for path, *values in differing_lists(requests, our_requests, target):
            yield step, "request" + path, *values
    kind = lambda row: f"{row['kind']} {row.get('mcp')}__{row.get('tool')} {row.get('action') or row.get('status')}"
    for path, *values in differing_lists(official_rows, our_rows, kind):
        yield "the service's audit", "row" + path, *values


def explains(difference, program, step, path, official, ours):
    wanted = (difference.programs, program), (difference.steps, step), (difference.path, path)
    if not all(re.fullmatch(pattern, text) for pattern, text in wanted):
        return False
    values = (difference.official, official), (difference.library, ours)
    return all(pattern is None or re.fullmatch(pattern, str(value), re.DOTALL) for pattern, value in values)


def main():
    library = libarmoriq.Library(sys.argv[1])
    sections = re.findall(r"^## (.+)$", DOCUMENT.read_text(), re.MULTILINE)
    occurred, passed, failures = set(), 0, 0
    for program, official, ours in run_both(library):
        steps, rows = official
        assert rows, "the service has no record of the program"
        unexplained = set()
        for found in differences_of(official, ours):
            explaining = [item for item in DIFFERENCES if explains(item, program, *found)]
            occurred.update(explaining)
            if not explaining:
                step, path, theirs, our = found
                unexplained.add(step)
                print(f"FAIL {program}: {step}: {path}\n  official: {theirs}\n  library:  {our}")
        # A step counts once, and so does the record.
        failures += len(unexplained)
        passed += len(steps) + 1 - len(unexplained)
    for difference in DIFFERENCES:
        wrong = []
        if difference not in occurred:
            wrong.append("no longer occurs")
        if difference.section not in sections:
            wrong.append(f"is in no section of {DOCUMENT.name}")
        if wrong:
            print(f"FAIL {difference}: {' and '.join(wrong)}")
        passed, failures = passed + (not wrong), failures + bool(wrong)
    print(f"{passed} passed, {failures} failed")
    sys.exit(failures > 0)


main()
