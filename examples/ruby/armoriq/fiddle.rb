# frozen_string_literal: true

require "fiddle/import"
require_relative "../armoriq"

module Armoriq
  # The C ABI by Fiddle, which comes with Ruby. Other threads of Ruby go on while a function blocks.
  module Native
    extend Fiddle::Importer
    dlload LIBRARY

    extern "int armoriq_client_new(unsigned int, const char *, void **, char **)"
    extern "int armoriq_for_user(void *, const char *, void **, char **)"
    extern "int armoriq_user_start_session(void *, const char *, void **, char **)"
    extern "int armoriq_session_start_plan(void *, const char *, const char *, char **)"
    extern "int armoriq_session_check(void *, const char *, const char *, const char *, int *, char **)"
    extern "int armoriq_session_await_approval(void *, const char *, const char *, char **)"
    extern "int armoriq_queue_new(unsigned int, void **, char **)"
    extern "int armoriq_submit_check(void *, void *, unsigned long long, const char *, const char *, const char *, " \
           "void **, char **)"
    extern "int armoriq_submit(void *, void *, void *, unsigned long long, const char *, const char *, " \
           "void **, char **)"
    extern "int armoriq_call_cancel(void *, char **)"
    extern "long long armoriq_queue_fd(void *)"
    extern "int armoriq_queue_next(void *, unsigned int, void *, char **)"
    extern "void armoriq_queue_free(void *)"
    extern "void armoriq_call_free(void *)"
    extern "void armoriq_string_free(char *)"
    extern "void armoriq_client_free(void *)"
    extern "void armoriq_user_scope_free(void *)"
    extern "void armoriq_session_free(void *)"

    # The end of a submitted call.
    Completion = struct(["unsigned long long user_data", "int status", "int verdict", "void *json"])

    # The status, what came out before the JSON, and the JSON as text.
    def self.call(function, arguments, out)
      # The library would only see, and decide about, what stands before a NUL. The ffi gem refuses one by itself.
      raise ArgumentError, "string contains null byte" if arguments.grep(String).any? { |text| text.include?("\0") }

      value = Fiddle::Pointer.malloc(Fiddle::SIZEOF_VOIDP, Fiddle::RUBY_FREE) if out
      json = Fiddle::Pointer.malloc(Fiddle::SIZEOF_VOIDP, Fiddle::RUBY_FREE)
      status = public_send(function, *arguments, *value, json)
      text = json.ptr
      value = out == :verdict ? value[0, Fiddle::SIZEOF_INT].unpack1("l") : value&.ptr
      [status, value, text.to_s.force_encoding(Encoding::UTF_8)]
    ensure
      armoriq_string_free(text)
    end

    # The next completion of a queue, as its user_data, status, verdict and JSON as text; nil where none waits.
    def self.take(queue)
      done = Completion.malloc(Fiddle::RUBY_FREE)
      return unless armoriq_queue_next(queue, 0, done, nil) == OK

      text = done.json
      [done.user_data, done.status, done.verdict, text.to_s.force_encoding(Encoding::UTF_8)]
    ensure
      armoriq_string_free(text)
    end
  end
end
