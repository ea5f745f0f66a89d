"""Forks of Python: os.fork while other threads are in calls, multiprocessing by each start method, and a queue."""

import asyncio
import contextlib
import ctypes
import functools
import multiprocessing
import os
import select
import signal
import sys
import threading
import time
import traceback

from agent import EXPECTED, Agent
from armoriq import OK, ArmorIQError, Completion, Verdict, _call, _Handle, _library
from armoriq_asyncio import AsyncSession, Calls

PATIENCE = 120


@functools.cache
def agent():
    """This process's: a forked child has its parent's, any other makes its own."""
    return Agent()


def fork(work):
    """Runs the work in a child, which then ends as any program does: with finalizers and atexit."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        try:
            work()
        except Exception:
            traceback.print_exc()
            sys.exit(1)
        sys.exit()
    return child


def wait(child):
    """Waits for a child, in which nothing may have failed."""
    until = time.monotonic() + PATIENCE
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            assert code == 0, f"the child ended with {code}"
            return
        if time.monotonic() > until:
            os.kill(child, signal.SIGKILL)
            raise AssertionError("the child hangs")
        time.sleep(0.02)


def in_threads(count, work):
    """Runs the work in threads, and raises what one of them raised."""
    raised = []

    def run():
        try:
            work()
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if raised:
        raise raised[0]


def fork_while_threads_call():
    stopping = threading.Event()
    beside = []

    def call():
        try:
            while not stopping.is_set():
                agent().verify()
        except BaseException as error:
            beside.append(error)

    threads = [threading.Thread(target=call) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(5):
            # A child with a child of its own, and with threads.
            child = fork(lambda: (wait(fork(agent().verify)), in_threads(2, agent().verify)))
            agent().verify()
            wait(child)
    finally:
        stopping.set()
        for thread in threads:
            thread.join()
    assert not beside, beside
    agent().verify()


def leave_while_threads_call():
    def call():
        # The end of the process takes the handles away from it.
        with contextlib.suppress(ArmorIQError):
            while True:
                agent().verify()

    def leave():
        for _ in range(3):
            threading.Thread(target=call, daemon=True).start()
        agent().verify()

    for _ in range(3):
        wait(fork(leave))


def task(_):
    in_threads(2, agent().verify)
    return os.getpid()


def multiprocess(method):
    agent().verify()
    context = multiprocessing.get_context(method)
    processes = [context.Process(target=task, args=(n,)) for n in range(2)]
    for process in processes:
        process.start()
    agent().verify()
    for process in processes:
        process.join(PATIENCE)
        assert process.exitcode == 0, process.exitcode
    with context.Pool(2) as pool:
        assert os.getpid() not in pool.map_async(task, range(4), chunksize=1).get(PATIENCE)
        pool.close()
        pool.join()
    agent().verify()


class Queue(_Handle):
    _free = _library.armoriq_queue_free

    def descriptor(self):
        return _library.armoriq_queue_fd(self._handle)

    def submit(self, number):
        session = agent().sessions["sdk"]._handle
        _call(
            _library.armoriq_submit_check, session, self._handle, number, b"data-mcp__fetch_sales", b"{}", None, None
        )

    def take(self, number):
        assert select.select([self.descriptor()], [], [], PATIENCE)[0], "nothing comes"
        done = Completion()
        assert _library.armoriq_queue_next(self._handle, 0, ctypes.byref(done), None) == OK
        _library.armoriq_string_free(done.json)
        assert (done.user_data, done.status, done.verdict) == (number, OK, Verdict.ALLOW), done


def queue_in_the_child():
    queue = Queue(_library.armoriq_queue_new, 8)
    descriptor = queue.descriptor()

    def use():
        assert queue.descriptor() not in (-1, descriptor)
        queue.submit(2)
        queue.take(2)
        # What the parent has in flight never comes.
        assert not select.select([queue.descriptor()], [], [], 0.2)[0]

    queue.submit(1)
    child = fork(use)
    queue.take(1)
    wait(child)
    assert queue.descriptor() == descriptor
    queue.submit(3)
    queue.take(3)


def event_loop_in_the_child():
    async def many():
        async with Calls() as calls:
            session = AsyncSession(agent().sessions["sdk"], calls)
            await session.start_plan([{"name": tool, "args": {}} for tool, _ in EXPECTED["sdk"]])
            decisions = await asyncio.gather(*(session.check("data-mcp__fetch_sales", {"n": n}) for n in range(20)))
            assert all(decision.allowed for decision in decisions), decisions

    def run():
        asyncio.run(many())

    run()
    child = fork(run)
    run()
    wait(child)


def main():
    for test in (fork_while_threads_call, leave_while_threads_call, queue_in_the_child, event_loop_in_the_child):
        test()
        print(f"ok {test.__name__}")
    for method in ("fork", "forkserver", "spawn"):
        multiprocess(method)
        print(f"ok multiprocessing {method}")


if __name__ == "__main__":
    main()
