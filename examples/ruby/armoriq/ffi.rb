# frozen_string_literal: true

require "ffi"
require_relative "../armoriq"

module Armoriq
  # The C ABI by the ffi gem.
  module Native
    extend FFI::Library
    ffi_lib LIBRARY

    # Other threads of Ruby go on while a function blocks.
    def self.attach(name, *parameters) = attach_function(name, parameters, :int32, blocking: true)

    attach :armoriq_client_new, :uint32, :string, :pointer, :pointer
    attach :armoriq_for_user, :pointer, :string, :pointer, :pointer
    attach :armoriq_user_start_session, :pointer, :string, :pointer, :pointer
    attach :armoriq_session_start_plan, :pointer, :string, :string, :pointer
    attach :armoriq_session_check, :pointer, :string, :string, :string, :pointer, :pointer
    attach :armoriq_session_await_approval, :pointer, :string, :string, :pointer
    attach :armoriq_queue_new, :uint32, :pointer, :pointer
    attach :armoriq_submit_check, :pointer, :pointer, :uint64, :string, :string, :string, :pointer, :pointer
    attach :armoriq_submit, :pointer, :pointer, :pointer, :uint64, :string, :string, :pointer, :pointer
    attach :armoriq_call_cancel, :pointer, :pointer
    attach_function :armoriq_queue_fd, [:pointer], :int64
    attach_function :armoriq_queue_next, [:pointer, :uint32, :pointer, :pointer], :int32
    attach_function :armoriq_queue_free, [:pointer], :void
    attach_function :armoriq_call_free, [:pointer], :void
    attach_function :armoriq_string_free, [:pointer], :void
    attach_function :armoriq_client_free, [:pointer], :void
    attach_function :armoriq_user_scope_free, [:pointer], :void
    attach_function :armoriq_session_free, [:pointer], :void

    # The end of a submitted call.
    class Completion < FFI::Struct
      layout :user_data, :uint64, :status, :int32, :verdict, :int32, :json, :pointer
    end

    # The status, what came out before the JSON, and the JSON as text.
    def self.call(function, arguments, out)
      value = FFI::MemoryPointer.new(:pointer) if out
      json = FFI::MemoryPointer.new(:pointer)
      status = public_send(function, *arguments, *value, json)
      text = json.read_pointer
      value = out == :verdict ? value.read_int32 : value&.read_pointer
      [status, value, text.read_string.force_encoding(Encoding::UTF_8)]
    ensure
      armoriq_string_free(text)
    end

    # The next completion of a queue, as its user_data, status, verdict and JSON as text; nil where none waits.
    def self.take(queue)
      done = Completion.new
      return unless armoriq_queue_next(queue, 0, done, nil) == OK

      text = done[:json]
      [done[:user_data], done[:status], done[:verdict], text.read_string.force_encoding(Encoding::UTF_8)]
    ensure
      armoriq_string_free(text)
    end
  end
end
