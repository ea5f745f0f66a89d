"""The library through ctypes: what the comparison needs of it, in the shape of the official SDK."""

import ctypes
import json

OK, ALLOW, HOLD = 0, 1, 2
_Text, _Handle, _Json = ctypes.c_char_p, ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p)


class ArmorIQError(Exception):
    def __init__(self, error):
        super().__init__(error["message"])
        self.code = error["code"]
        self.message = error["message"]
        self.attributes = {name: value for name, value in error.items() if name not in ("code", "message")}


class RawJson(str):
    """JSON that is passed as it was written."""


class Library:
    def __init__(self, path):
        self._library = ctypes.CDLL(path)
        self._library.armoriq_string_free.argtypes = [ctypes.c_void_p]
        self._library.armoriq_string_free.restype = None

    def call(self, name, *arguments):
        """Calls a function whose last parameter is the JSON; gives that, or raises its error."""
        function = getattr(self._library, name)
        function.restype = ctypes.c_int32
        out = ctypes.c_void_p()
        status = function(*arguments, ctypes.byref(out))
        result = json.loads(ctypes.string_at(out.value).decode())
        self._library.armoriq_string_free(out)
        if status != OK:
            raise ArmorIQError(result)
        return result

    def free(self, name, handle):
        function = getattr(self._library, name)
        function.restype = None
        function(handle)

    def abi_version(self):
        self._library.armoriq_abi_version.restype = ctypes.c_uint32
        return ctypes.c_uint32(self._library.armoriq_abi_version())


def _json(value):
    return _Text((value if isinstance(value, RawJson) else json.dumps(value)).encode())


class Client:
    def __init__(self, library, **options):
        self.library, self.handle = library, _Handle()
        library.call("armoriq_client_new", library.abi_version(), _json(options), ctypes.byref(self.handle))

    def method(self, name, **params):
        return self.library.call(f"armoriq_client_{name}", self.handle, _json(params))

    def close(self):
        self.library.call("armoriq_client_close", self.handle, ctypes.c_uint32(1000))
        self.library.free("armoriq_client_free", self.handle)

    def start_session(self, user_email, **options):
        scope, session = _Handle(), _Handle()
        self.library.call("armoriq_for_user", self.handle, _Text(user_email.encode()), ctypes.byref(scope))
        self.library.call("armoriq_user_start_session", scope, _json(options), ctypes.byref(session))
        self.library.free("armoriq_user_scope_free", scope)
        return Session(self.library, session)


class Session:
    def __init__(self, library, handle):
        self.library, self.handle = library, handle

    def start_plan(self, tool_calls, goal=None):
        goal = None if goal is None else _Text(goal.encode())
        return self.library.call("armoriq_session_start_plan", self.handle, _json(tool_calls), goal)

    def check(self, tool, args, **options):
        verdict = ctypes.c_int32(-1)
        decision = self.library.call(
            "armoriq_session_check",
            self.handle,
            _Text(tool.encode()),
            _json(args),
            _json(options),
            ctypes.byref(verdict),
        )
        actions = {ALLOW: "allow", HOLD: "hold", 0: "block"}
        assert decision["action"] == actions[verdict.value], (decision, verdict.value)
        return decision

    def report(self, tool, args, result, **options):
        arguments = (_Text(tool.encode()), _json(args), _json(result), _json(options))
        return self.library.call("armoriq_session_report", self.handle, *arguments)

    def dispatch(self, tool, args, **options):
        arguments = (_Text(tool.encode()), _json(args), _json(options))
        return self.library.call("armoriq_session_dispatch", self.handle, *arguments)

    def await_approval(self, delegation_id, **options):
        arguments = (_Text(delegation_id.encode()), _json(options))
        return self.library.call("armoriq_session_await_approval", self.handle, *arguments)

    def reset(self):
        return self.library.call("armoriq_session_reset", self.handle)

    @property
    def last_plan_start(self):
        return self.library.call("armoriq_session_info", self.handle)["last_plan_start"]
