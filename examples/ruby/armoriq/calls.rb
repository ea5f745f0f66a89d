# frozen_string_literal: true

require "io/wait"

module Armoriq
  # The calls of one event loop, each made in a fiber: while one waits for its call the others go on, in one thread.
  # Require armoriq/ffi or armoriq/fiddle before this.
  class Calls < Handle
    FREE = :armoriq_queue_free

    def initialize(capacity: 1024)
      super(:armoriq_queue_new, capacity)
      # The descriptor stays the queue's to close.
      @ready = IO.for_fd(Native.armoriq_queue_fd(@handle), autoclose: false)
      @waiting = {}
      @last = 0
    end

    # How many calls were submitted and have not ended.
    def in_flight = @waiting.size

    # Starts a fiber, which runs until it waits for a call, and returns it.
    def start(&work) = Fiber.new(&work).tap(&:resume)

    # Goes on with each fiber as its call ends, until none waits. A block is a fiber, too, and what it returns is
    # returned. Other threads run meanwhile.
    def run(&work)
      result = nil
      start { result = work.call } if work
      until @waiting.empty?
        @ready.wait_readable
        while (number, *ended = Native.take(@handle))
          @waiting.delete(number).first.resume(*ended)
        end
      end
      result
    end

    # Ends the call that a fiber waits for, where that raises ARMORIQ_ERR_CANCELLED.
    def cancel(fiber)
      _, call = @waiting.each_value.find { |waiting, _| waiting == fiber }
      Armoriq.call(:armoriq_call_cancel, call) if call
    end

    def check(session, tool, args)
      Decision.new(*submit(:armoriq_submit_check, [session.handle], tool, JSON.generate(args), nil))
    end

    def start_plan(session, tool_calls, **goal) = run_method(session, "start_plan", tool_calls: tool_calls, **goal)

    def await_approval(session, delegation_id, **options)
      run_method(session, "await_approval", delegation_id: delegation_id, **options)[:status]
    end

    private

    def run_method(session, method, **params)
      submit(:armoriq_submit, [nil, session.handle], method, JSON.generate(params)).last
    end

    # Submits a call and gives way until it has ended: its verdict and its JSON.
    def submit(function, owners, *arguments)
      number = @last += 1
      call, = Armoriq.call(function, *owners, @handle, number, *arguments, out: :handle)
      @waiting[number] = [Fiber.current, call]
      status, verdict, text = Fiber.yield
      answer = JSON.parse(text, symbolize_names: true)
      raise Error, answer unless status == OK

      [verdict, answer]
    ensure
      Native.armoriq_call_free(call)
    end
  end
end
