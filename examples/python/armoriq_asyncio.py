"""Calls that coroutines await, above armoriq.py: the event loop watches the descriptor of a completion queue.

No thread waits and the loop never blocks. Cancelling a task cancels the call that it awaits.
"""

import asyncio
import ctypes
import itertools
import json

from armoriq import OK, ArmorIQError, Completion, Decision, Verdict, _call, _Handle, _json, _library, _text


class Calls(_Handle):
    """The calls that the running event loop has in flight: one for each loop, by `async with Calls() as calls`."""

    _free = _library.armoriq_queue_free

    def __init__(self, capacity=1024):
        super().__init__(_library.armoriq_queue_new, capacity)
        self._loop = asyncio.get_running_loop()
        self._descriptor = _library.armoriq_queue_fd(self._handle)
        self._numbers = itertools.count()
        self._waiting = {}
        # Who comes while the queue is full waits for a place.
        self._places = asyncio.Semaphore(capacity)
        self._loop.add_reader(self._descriptor, self._take)

    async def __aenter__(self):
        return self

    async def __aexit__(self, *exception):
        # Out of the loop first: the descriptor is the queue's. Freeing that cancels what is in flight.
        self._loop.remove_reader(self._descriptor)
        self.close()
        for future in self._waiting.values():
            future.cancel()

    @property
    def in_flight(self):
        """How many calls were submitted and have not ended."""
        return len(self._waiting)

    async def submit(self, function, owners, *arguments):
        """Submits a call and awaits its end: the verdict and the JSON."""
        await self._places.acquire()
        number, future, call = next(self._numbers), self._loop.create_future(), ctypes.c_void_p()
        self._waiting[number] = future
        try:
            _call(function, *owners, self._handle, number, *arguments, ctypes.byref(call))
        except ArmorIQError:
            # It was refused: no completion comes.
            del self._waiting[number]
            self._places.release()
            raise
        try:
            status, verdict, result = await future
        except asyncio.CancelledError:
            # Its completion is in the queue when this returns.
            _call(_library.armoriq_call_cancel, call)
            self._take()
            raise
        finally:
            _library.armoriq_call_free(call)
        if status != OK:
            raise ArmorIQError(result)
        return verdict, result

    def _take(self):
        """Takes the completions that are there; the loop calls it when there are some."""
        done = Completion()
        while _library.armoriq_queue_next(self._handle, 0, ctypes.byref(done), None) == OK:
            try:
                # There is no text where there is no memory for it.
                result = json.loads(ctypes.string_at(done.json)) if done.json else {}
            finally:
                _library.armoriq_string_free(done.json)
            self._places.release()
            future = self._waiting.pop(done.user_data)
            # Nobody waits any more where the task was cancelled.
            if not future.done():
                future.set_result((done.status, done.verdict, result))


class AsyncSession:
    """A session whose calls are awaited. The session is the caller's to close."""

    def __init__(self, session, calls):
        self._session = session
        self._calls = calls

    async def check(self, tool, args):
        verdict, details = await self._calls.submit(
            _library.armoriq_submit_check, [self._session._handle], _text(tool), _json(args), None
        )
        return Decision(Verdict(verdict), details)

    async def start_plan(self, tool_calls, goal=None):
        return await self._run("start_plan", tool_calls=tool_calls, goal=goal)

    async def await_approval(self, delegation_id, **options):
        answer = await self._run("await_approval", delegation_id=delegation_id, **options)
        return answer["status"]

    async def _run(self, method, **params):
        _, result = await self._calls.submit(
            _library.armoriq_submit, [None, self._session._handle], method.encode(), _json(params)
        )
        return result
