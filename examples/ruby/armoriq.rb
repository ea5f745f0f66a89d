# frozen_string_literal: true

require "json"

# A small layer over libarmoriq's C ABI. Require armoriq/ffi or armoriq/fiddle: they load this, and bring the way in.
module Armoriq
  ABI_VERSION = 0 << 16 | 1
  OK = 0
  LIBRARY = File.join([ENV["ARMORIQ_LIB_DIR"], "libarmoriq.so"].compact)

  # What a function of the library refused or failed with.
  class Error < StandardError
    attr_reader :code, :details

    def initialize(details)
      @code = details.fetch(:code)
      @details = details
      super(details.fetch(:message))
    end
  end

  # What a check decided. Make the call only if it is allowed.
  class Decision
    VERDICTS = {1 => :allow, 2 => :hold}.freeze

    attr_reader :verdict, :details

    def initialize(verdict, details)
      @verdict = VERDICTS.fetch(verdict, :block)
      @details = details
    end

    def allowed? = verdict == :allow
    def held? = verdict == :hold
    def reason = details[:reason]
    def delegation_id = details[:delegation_id]
  end

  # Owns a handle: freed at the end of a block, by close, or with the object.
  class Handle
    def self.releaser(free, handle) = proc { Native.public_send(free, handle) }

    # Yields what it opens and closes it afterwards; without a block, returns it.
    def self.open(...)
      opened = new(...)
      return opened unless block_given?

      begin
        yield opened
      ensure
        opened.close
      end
    end

    def initialize(make, *arguments)
      @handle, = Armoriq.call(make, *arguments, out: :handle)
      ObjectSpace.define_finalizer(self, Handle.releaser(self.class::FREE, @handle))
    end

    # A handle that was freed is known as such, so that the finalizer may do it again.
    def close = Native.public_send(self.class::FREE, @handle)

    protected

    attr_reader :handle
  end

  # One turn of an agent.
  class Session < Handle
    FREE = :armoriq_session_free

    def start_plan(tool_calls, goal: nil)
      Armoriq.call(:armoriq_session_start_plan, @handle, JSON.generate(tool_calls), goal).last
    end

    def check(tool, args)
      Decision.new(*Armoriq.call(:armoriq_session_check, @handle, tool, JSON.generate(args), nil, out: :verdict))
    end

    def await_approval(delegation_id, **options)
      Armoriq.call(:armoriq_session_await_approval, @handle, delegation_id, JSON.generate(options)).last[:status]
    end
  end

  # One end user.
  class UserScope < Handle
    FREE = :armoriq_user_scope_free

    def start_session(**options, &block)
      Session.open(:armoriq_user_start_session, @handle, JSON.generate(options), &block)
    end
  end

  # One per process and API key. Options that are not given come from the environment.
  class Client < Handle
    FREE = :armoriq_client_free

    def initialize(**options) = super(:armoriq_client_new, ABI_VERSION, JSON.generate(options))

    def for_user(email, &block) = UserScope.open(:armoriq_for_user, @handle, email, &block)
  end

  # Calls a function whose last parameter is the JSON; returns what it put out before that, if anything, and the JSON.
  def self.call(function, *arguments, out: nil)
    status, value, text = Native.call(function, arguments, out)
    answer = JSON.parse(text, symbolize_names: true)
    raise Error, answer unless status == OK

    [value, answer]
  end
end
