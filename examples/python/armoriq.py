"""A small layer over libarmoriq's C ABI, by ctypes alone.

Handles are context managers, and are freed with their object at the latest. What fails raises ArmorIQError.
"""

import ctypes
import enum
import json
import os
import weakref
from ctypes import POINTER, c_char_p, c_int32, c_int64, c_uint32, c_uint64, c_void_p
from dataclasses import dataclass

ABI_VERSION = 0 << 16 | 1
OK = 0


class ArmorIQError(Exception):
    """What a function of the library refused or failed with; `details` has what is known beside the message."""

    def __init__(self, details):
        super().__init__(f"{details['code']}: {details['message']}")
        self.code = details["code"]
        self.message = details["message"]
        self.details = details


class Verdict(enum.IntEnum):
    BLOCK = 0
    ALLOW = 1
    HOLD = 2

    @classmethod
    def _missing_(cls, value):
        return cls.BLOCK


class Completion(ctypes.Structure):
    """The end of a submitted call."""

    _fields_ = [("user_data", c_uint64), ("status", c_int32), ("verdict", c_int32), ("json", c_void_p)]


@dataclass(frozen=True)
class Decision:
    verdict: Verdict
    details: dict

    @property
    def allowed(self):
        return self.verdict is Verdict.ALLOW

    @property
    def reason(self):
        return self.details["reason"]

    @property
    def delegation_id(self):
        return self.details["delegation_id"]


def _load():
    library = ctypes.CDLL(os.path.join(os.environ.get("ARMORIQ_LIB_DIR", ""), "libarmoriq.so"))

    def declare(name, *parameters, result=c_int32):
        function = getattr(library, name)
        function.argtypes, function.restype = parameters, result

    # A text that the library returns is a void pointer here: ctypes would turn a c_char_p into bytes at once, and the
    # pointer to free would be lost.
    out = POINTER(c_void_p)
    declare("armoriq_string_free", c_void_p, result=None)
    declare("armoriq_client_new", c_uint32, c_char_p, out, out)
    declare("armoriq_client_free", c_void_p, result=None)
    declare("armoriq_for_user", c_void_p, c_char_p, out, out)
    declare("armoriq_user_start_session", c_void_p, c_char_p, out, out)
    declare("armoriq_user_scope_free", c_void_p, result=None)
    declare("armoriq_session_start_plan", c_void_p, c_char_p, c_char_p, out)
    declare("armoriq_session_check", c_void_p, c_char_p, c_char_p, c_char_p, POINTER(c_int32), out)
    declare("armoriq_session_await_approval", c_void_p, c_char_p, c_char_p, out)
    declare("armoriq_session_free", c_void_p, result=None)
    declare("armoriq_queue_new", c_uint32, out, out)
    declare("armoriq_queue_fd", c_void_p, result=c_int64)
    declare("armoriq_queue_next", c_void_p, c_uint32, POINTER(Completion), out)
    declare("armoriq_queue_free", c_void_p, result=None)
    declare("armoriq_submit_check", c_void_p, c_void_p, c_uint64, c_char_p, c_char_p, c_char_p, out, out)
    declare("armoriq_submit", c_void_p, c_void_p, c_void_p, c_uint64, c_char_p, c_char_p, out, out)
    declare("armoriq_call_cancel", c_void_p, out)
    declare("armoriq_call_free", c_void_p, result=None)
    return library


_library = _load()


def _call(function, *arguments):
    """Calls a function whose last parameter is the JSON; returns that, or raises it."""
    out = c_void_p()
    try:
        status = function(*arguments, ctypes.byref(out))
        if not out:
            raise MemoryError
        result = json.loads(ctypes.string_at(out.value))
    finally:
        _library.armoriq_string_free(out)
    if status != OK:
        raise ArmorIQError(result)
    return result


def _json(value):
    return json.dumps(value).encode()


def _text(value):
    """A text for C, which a NUL would end: the library would only see, and decide about, what stands before it."""
    if "\0" in value:
        raise ValueError("a text must not hold a NUL")
    return value.encode()


class _Handle:
    """Owns a handle: freed by close(), by the end of a with block, or with the object."""

    def __init__(self, make, *arguments):
        handle = c_void_p()
        _call(make, *arguments, ctypes.byref(handle))
        self._handle = handle
        self.close = weakref.finalize(self, self._free, handle)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


class Session(_Handle):
    """One turn of an agent. Made by UserScope.start_session()."""

    _free = _library.armoriq_session_free

    def start_plan(self, tool_calls, goal=None):
        goal = None if goal is None else _text(goal)
        return _call(_library.armoriq_session_start_plan, self._handle, _json(tool_calls), goal)

    def check(self, tool, args):
        verdict = c_int32()
        details = _call(
            _library.armoriq_session_check, self._handle, _text(tool), _json(args), None, ctypes.byref(verdict)
        )
        return Decision(Verdict(verdict.value), details)

    def await_approval(self, delegation_id, **options):
        answer = _call(
            _library.armoriq_session_await_approval, self._handle, _text(delegation_id), _json(options)
        )
        return answer["status"]


class UserScope(_Handle):
    """One end user. Made by Client.for_user()."""

    _free = _library.armoriq_user_scope_free

    def start_session(self, **options):
        return Session(_library.armoriq_user_start_session, self._handle, _json(options))


class Client(_Handle):
    """One per process and API key. Options that are not given come from the environment."""

    _free = _library.armoriq_client_free

    def __init__(self, **options):
        super().__init__(_library.armoriq_client_new, ABI_VERSION, _json(options))

    def for_user(self, email):
        return UserScope(_library.armoriq_for_user, self._handle, _text(email))
