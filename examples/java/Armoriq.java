import com.google.gson.Gson;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.lang.ref.Cleaner;
import java.lang.ref.Reference;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** A small layer over libarmoriq's C ABI, by java.lang.foreign. Handles are closed, or freed with their object. */
final class Armoriq {
    private static final int ABI_VERSION = 0 << 16 | 1;
    private static final int OK = 0;

    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;
    private static final MemoryLayout POINTER = ValueLayout.ADDRESS;
    private static final Linker LINKER = Linker.nativeLinker();
    private static final SymbolLookup LIBRARY = SymbolLookup.libraryLookup(
            Path.of(System.getenv().getOrDefault("ARMORIQ_LIB_DIR", "")).resolve("libarmoriq.so").toString(),
            Arena.global());

    private static final MethodHandle STRING_FREE = freeing("armoriq_string_free");
    private static final MethodHandle CLIENT_NEW = function("armoriq_client_new", INT, POINTER, POINTER, POINTER);
    private static final MethodHandle CLIENT_FREE = freeing("armoriq_client_free");
    private static final MethodHandle FOR_USER = function("armoriq_for_user", POINTER, POINTER, POINTER, POINTER);
    private static final MethodHandle USER_SCOPE_FREE = freeing("armoriq_user_scope_free");
    private static final MethodHandle START_SESSION =
            function("armoriq_user_start_session", POINTER, POINTER, POINTER, POINTER);
    private static final MethodHandle SESSION_FREE = freeing("armoriq_session_free");
    private static final MethodHandle START_PLAN =
            function("armoriq_session_start_plan", POINTER, POINTER, POINTER, POINTER);
    private static final MethodHandle CHECK =
            function("armoriq_session_check", POINTER, POINTER, POINTER, POINTER, POINTER, POINTER);
    private static final MethodHandle AWAIT_APPROVAL =
            function("armoriq_session_await_approval", POINTER, POINTER, POINTER, POINTER);

    private static final Cleaner CLEANER = Cleaner.create();
    private static final Gson GSON = new Gson();

    private Armoriq() {}

    private static MethodHandle function(String name, MemoryLayout... parameters) {
        return LINKER.downcallHandle(LIBRARY.find(name).orElseThrow(), FunctionDescriptor.of(INT, parameters));
    }

    private static MethodHandle freeing(String name) {
        return LINKER.downcallHandle(LIBRARY.find(name).orElseThrow(), FunctionDescriptor.ofVoid(POINTER));
    }

    /** Calls a function that returns nothing and throws nothing. */
    private static void free(MethodHandle function, MemorySegment owned) {
        try {
            function.invokeExact(owned);
        } catch (Throwable e) {
            throw new AssertionError(e);
        }
    }

    /**
     * Calls a function whose last parameter is the JSON; returns that, or throws it. A handle's object is among the
     * arguments, not its pointer alone: it must not be cleaned up before the function has its handle.
     */
    private static JsonElement call(Arena arena, MethodHandle function, Object... arguments) throws ArmoriqException {
        MemorySegment out = arena.allocate(POINTER);
        List<Object> all = new ArrayList<>();
        for (Object argument : arguments) {
            all.add(argument instanceof Handle owner ? owner.handle : argument);
        }
        all.add(out);
        int status;
        try {
            status = (int) function.invokeWithArguments(all);
        } catch (Throwable e) {
            throw new AssertionError(e);
        } finally {
            Reference.reachabilityFence(arguments);
        }
        MemorySegment text = out.get(ValueLayout.ADDRESS, 0).reinterpret(Long.MAX_VALUE);
        if (text.address() == 0) {
            throw new OutOfMemoryError("no memory for the answer");
        }
        JsonElement answer;
        try {
            answer = JsonParser.parseString(text.getString(0));
        } finally {
            free(STRING_FREE, text);
        }
        if (status != OK) {
            throw new ArmoriqException(answer.getAsJsonObject());
        }
        return answer;
    }

    /** A text for C, which a NUL would end: the library would only see, and decide about, what stands before it. */
    private static MemorySegment text(Arena arena, String text) {
        if (text.indexOf('\0') >= 0) {
            throw new IllegalArgumentException("a text must not hold a NUL");
        }
        return arena.allocateFrom(text);
    }

    /** What a function of the library refused or failed with; the details have what is known beside the message. */
    static final class ArmoriqException extends Exception {
        private static final long serialVersionUID = 1;

        private final transient JsonObject details;

        ArmoriqException(JsonObject details) {
            super(details.get("message").getAsString());
            this.details = details;
        }

        String code() {
            return details.get("code").getAsString();
        }

        JsonObject details() {
            return details;
        }
    }

    /** The order is that of the library's numbers. */
    enum Verdict {
        BLOCK,
        ALLOW,
        HOLD;

        static Verdict of(int number) {
            return number > 0 && number < values().length ? values()[number] : BLOCK;
        }
    }

    /** What a check decided. Make the call only on ALLOW. */
    record Decision(Verdict verdict, JsonObject details) {
        String reason() {
            return text("reason");
        }

        String delegationId() {
            return text("delegation_id");
        }

        private String text(String member) {
            return details.get(member).isJsonNull() ? null : details.get(member).getAsString();
        }
    }

    /** A call that the agent plans. */
    record ToolCall(String name, Map<String, ?> args) {}

    private abstract static class Handle implements AutoCloseable {
        private final MemorySegment handle;
        private final Cleaner.Cleanable cleanable;

        /** Makes the handle by a function that takes the first argument, a text, and where to put it. */
        Handle(MethodHandle make, MethodHandle free, Object first, String text) throws ArmoriqException {
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment out = arena.allocate(POINTER);
                call(arena, make, first, text(arena, text), out);
                MemorySegment made = out.get(ValueLayout.ADDRESS, 0);
                handle = made;
                cleanable = CLEANER.register(this, () -> Armoriq.free(free, made));
            }
        }

        @Override
        public void close() {
            cleanable.clean();
        }
    }

    /** One per process and API key. Options that are not given come from the environment. */
    static final class Client extends Handle {
        Client(Map<String, ?> options) throws ArmoriqException {
            super(CLIENT_NEW, CLIENT_FREE, ABI_VERSION, GSON.toJson(options));
        }

        UserScope forUser(String email) throws ArmoriqException {
            return new UserScope(this, email);
        }
    }

    /** One end user. */
    static final class UserScope extends Handle {
        private UserScope(Client client, String email) throws ArmoriqException {
            super(FOR_USER, USER_SCOPE_FREE, client, email);
        }

        Session startSession(Map<String, ?> options) throws ArmoriqException {
            return new Session(this, options);
        }
    }

    /** One turn of an agent. */
    static final class Session extends Handle {
        private Session(UserScope user, Map<String, ?> options) throws ArmoriqException {
            super(START_SESSION, SESSION_FREE, user, GSON.toJson(options));
        }

        void startPlan(List<ToolCall> calls, String goal) throws ArmoriqException {
            try (Arena arena = Arena.ofConfined()) {
                call(arena, START_PLAN, this, text(arena, GSON.toJson(calls)), text(arena, goal));
            }
        }

        Decision check(String tool, Map<String, ?> args) throws ArmoriqException {
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment verdict = arena.allocate(INT);
                JsonElement details = call(arena, CHECK, this, text(arena, tool),
                        text(arena, GSON.toJson(args)), MemorySegment.NULL, verdict);
                return new Decision(Verdict.of(verdict.get(INT, 0)), details.getAsJsonObject());
            }
        }

        /** Waits for "approved", "rejected", "expired" or "timeout". */
        String awaitApproval(String delegationId, Map<String, ?> options) throws ArmoriqException {
            try (Arena arena = Arena.ofConfined()) {
                JsonElement answer = call(arena, AWAIT_APPROVAL, this, text(arena, delegationId),
                        text(arena, GSON.toJson(options)));
                return answer.getAsJsonObject().get("status").getAsString();
            }
        }
    }
}
