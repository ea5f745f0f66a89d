// A small layer over libarmoriq's C ABI, by koffi.
import koffi from 'koffi';
import path from 'node:path';
import {promisify} from 'node:util';

const ABI_VERSION = (0 << 16) | 1;
const OK = 0;

const library = koffi.load(path.join(process.env.ARMORIQ_LIB_DIR ?? '', 'libarmoriq.so'));

koffi.opaque('armoriq_client');
koffi.opaque('armoriq_user_scope');
koffi.opaque('armoriq_session');
const stringFree = library.func('void armoriq_string_free(void *)');
// A text that the library returns: koffi copies it, then frees it.
koffi.disposable('text', 'str', stringFree);

const native = {
  clientNew: library.func('int32_t armoriq_client_new(uint32_t, str, _Out_ armoriq_client **, _Out_ text *)'),
  clientFree: library.func('void armoriq_client_free(armoriq_client *)'),
  forUser: library.func('int32_t armoriq_for_user(armoriq_client *, str, _Out_ armoriq_user_scope **, _Out_ text *)'),
  userScopeFree: library.func('void armoriq_user_scope_free(armoriq_user_scope *)'),
  startSession: library.func(
    'int32_t armoriq_user_start_session(armoriq_user_scope *, str, _Out_ armoriq_session **, _Out_ text *)',
  ),
  startPlan: library.func('int32_t armoriq_session_start_plan(armoriq_session *, str, str, _Out_ text *)'),
  check: library.func('int32_t armoriq_session_check(armoriq_session *, str, str, str, _Out_ int32_t *, _Out_ text *)'),
  awaitApproval: library.func('int32_t armoriq_session_await_approval(armoriq_session *, str, str, _Out_ text *)'),
  sessionFree: library.func('void armoriq_session_free(armoriq_session *)'),
};

/** What a function of the library refused or failed with; `details` has what is known beside the message. */
export class ArmorIQError extends Error {
  constructor(details) {
    super(details.message);
    this.name = 'ArmorIQError';
    this.code = details.code;
    this.details = details;
  }
}

/** Turns a status and the JSON that came with it into a value or an exception. */
function answer(status, text) {
  const value = JSON.parse(text);
  if (status !== OK) throw new ArmorIQError(value);
  return value;
}

/** What C gets. A NUL would end a text there: the library would only see, and decide about, what stands before it. */
function bare(arg) {
  if (typeof arg === 'string' && arg.includes('\0')) throw new TypeError('a text must not hold a NUL');
  return arg instanceof Handle ? arg.handle : arg;
}

/** Calls a function that never blocks. */
function call(func, ...args) {
  const json = [null];
  return answer(func(...args.map(bare), json), json[0]);
}

/** The arguments of the calls that run: an object must not be forgotten before the function has its handle. */
const running = new Set();

/** Calls a function that may wait for the network, on another thread. */
async function callAsync(func, ...args) {
  const json = [null];
  running.add(args);
  try {
    const status = await promisify(func.async)(...args.map(bare), json);
    return answer(status, json[0]);
  } finally {
    running.delete(args);
  }
}

const forgotten = new FinalizationRegistry(({free, handle}) => free(handle));

/** Owns a handle: freed by close(), by `using`, or some time after the object was forgotten. */
class Handle {
  #free;

  constructor(free, make, ...args) {
    const out = [null];
    call(make, ...args, out);
    this.handle = out[0];
    this.#free = free;
    forgotten.register(this, {free, handle: this.handle}, this);
  }

  close() {
    forgotten.unregister(this);
    this.#free(this.handle);
  }

  [Symbol.dispose ?? Symbol.for('dispose')]() {
    this.close();
  }
}

/** One per process and API key. Options that are not given come from the environment. */
export class Client extends Handle {
  constructor(options = {}) {
    super(native.clientFree, native.clientNew, ABI_VERSION, JSON.stringify(options));
  }

  forUser(email) {
    return new UserScope(this, email);
  }
}

/** One end user. Made by Client.forUser(). */
class UserScope extends Handle {
  constructor(client, email) {
    super(native.userScopeFree, native.forUser, client, email);
  }

  startSession(options = {}) {
    return new Session(this, options);
  }
}

/** One turn of an agent. Made by UserScope.startSession(). */
class Session extends Handle {
  constructor(user, options) {
    super(native.sessionFree, native.startSession, user, JSON.stringify(options));
  }

  startPlan(toolCalls, goal = null) {
    return callAsync(native.startPlan, this, JSON.stringify(toolCalls), goal);
  }

  /** The decision, with its verdict: 'allow', 'hold' or 'block'. Make the call only on 'allow'. */
  async check(tool, args) {
    const verdict = [0];
    const decision = await callAsync(native.check, this, tool, JSON.stringify(args), null, verdict);
    return {...decision, verdict: {1: 'allow', 2: 'hold'}[verdict[0]] ?? 'block'};
  }

  async awaitApproval(delegationId, options = {}) {
    const {status} = await callAsync(native.awaitApproval, this, delegationId, JSON.stringify(options));
    return status;
  }
}
