# frozen_string_literal: true

# The Ruby bootstrap: it loads the handler and runs it for each event of the
# Runtime API. One kept-open socket, the standard library only; the answer to one
# event and the request for the next leave in one write.
#
# Started with MOLN_POOL=1 it first asks which function it is.

require 'json'
require 'logger'
require 'socket'
require 'stringio'

module MolnRuntime
  API = '/2018-06-01/runtime/'
  JSON_TYPE = 'application/json'
  STACK_MAX = 100
  # Error classes told by their own name in the error's type header.
  PLAIN = %w[ArgumentError NoMethodError Exception StandardError NameError LoadError SystemExit SystemStackError].freeze

  # Plain HTTP/1.1 over one socket, responses in the order of requests.
  class Channel
    def initialize(address)
      @address = address
      host, _, port = address.rpartition(':')
      @socket = TCPSocket.new(host, port.to_i)
      @socket.setsockopt(Socket::IPPROTO_TCP, Socket::TCP_NODELAY, 1)
      @socket.binmode
    end

    def get(target)
      "GET #{target} HTTP/1.1\r\nHost: #{@address}\r\n\r\n".b
    end

    def post(target, body, headers)
      head = "POST #{target} HTTP/1.1\r\nHost: #{@address}\r\nContent-Length: #{body.bytesize}\r\n".b
      headers.each { |name, value| head << "#{name}: #{value}\r\n".b }
      (head << "\r\n".b) << body.b
    end

    def send(data)
      @socket.write(data)
      @socket.flush
    end

    def receive
      gone unless @socket.gets("\n")
      headers = {}
      while (line = @socket.gets("\n")&.chomp)
        break if line.empty?

        name, _, value = line.partition(':')
        headers[name.downcase] = value.strip.force_encoding(Encoding::UTF_8)
      end
      size = headers['content-length'].to_i
      body = size.positive? ? @socket.read(size) : ''.b
      gone if body.nil? || body.bytesize < size
      [headers, body]
    end

    # The platform is gone: there is nobody to tell.
    def gone
      exit!(1)
    end
  end

  # Log records in frames, so that one message stays one event.
  class Sink < Logger::LogDevice
    HEAD = [0xa55a0003].pack('L>').freeze

    def initialize(file)
      @file = file
      @lock = Mutex.new
    end

    def write(message)
      text = message.to_s.b
      now = Process.clock_gettime(Process::CLOCK_REALTIME, :microsecond)
      @lock.synchronize { @file.write(HEAD + [text.bytesize].pack('L>') + [now].pack('Q>') + text) }
      text.bytesize
    end

    def reopen(*) = self

    def close; end
  end

  class Formatter < Logger::Formatter
    FORM = "%s, [%s #%s #%d] %5s -- %s: %s\n"

    def call(severity, time, progname, message)
      format(FORM, severity[0], time.utc.strftime('%Y-%m-%dT%H:%M:%S.%6N'), MolnRuntime.request_id, $$, severity, progname, msg2str(message))
    end
  end

  # Loggers of standard output and error write records.
  module LoggerPatch
    def initialize(logdev, *args, **options)
      if logdev.nil? || logdev == $stdout || logdev == $stderr
        logdev = MolnRuntime.sink
        options[:formatter] ||= Formatter.new
      end
      super(logdev, *args, **options)
    end
  end

  # What a handler is told about its invocation.
  class LambdaContext
    attr_reader :aws_request_id, :invoked_function_arn, :log_group_name, :log_stream_name, :function_name,
                :memory_limit_in_mb, :function_version, :identity, :tenant_id, :client_context, :deadline_ms

    def initialize(headers)
      @deadline_ms = headers['lambda-runtime-deadline-ms'].to_i
      @aws_request_id = headers['lambda-runtime-aws-request-id']
      @invoked_function_arn = headers['lambda-runtime-invoked-function-arn']
      @log_group_name = ENV['AWS_LAMBDA_LOG_GROUP_NAME']
      @log_stream_name = ENV['AWS_LAMBDA_LOG_STREAM_NAME']
      @function_name = ENV['AWS_LAMBDA_FUNCTION_NAME']
      @memory_limit_in_mb = ENV['AWS_LAMBDA_FUNCTION_MEMORY_SIZE']
      @function_version = ENV['AWS_LAMBDA_FUNCTION_VERSION']
      @identity = parsed(headers['lambda-runtime-cognito-identity'])
      @client_context = parsed(headers['lambda-runtime-client-context'])
      tenant = headers['lambda-runtime-aws-tenant-id'].to_s
      @tenant_id = tenant unless tenant.empty?
    end

    def get_remaining_time_in_millis
      [@deadline_ms - Process.clock_gettime(Process::CLOCK_REALTIME, :millisecond), 0].max
    end

    private

    def parsed(text)
      JSON.parse(text) unless text.to_s.empty?
    end
  end

  class << self
    attr_reader :sink, :request_id

    def start
      $stdout.sync = true
      $stderr.sync = true
      open_log
      @channel = Channel.new(ENV.fetch('AWS_LAMBDA_RUNTIME_API'))
      root, handler = ENV['MOLN_POOL'] == '1' ? assigned : [ENV['LAMBDA_TASK_ROOT'] || '/var/task', ENV['_HANDLER']]
      Dir.chdir(root)
      $LOAD_PATH.unshift(root, '/opt/ruby/lib')
      load_handler(handler)
      serve
    end

    private

    def open_log
      fd = ENV.delete('_LAMBDA_TELEMETRY_LOG_FD')
      return unless fd

      file = IO.new(fd.to_i, 'wb')
      file.sync = true
      @sink = Sink.new(file)
      sink = @sink
      Logger.prepend(LoggerPatch)
      Kernel.module_eval do
        define_method(:puts) do |*list|
          text = list.flatten.map { |one| one.to_s.encode('UTF-8') }.join("\n")
          text += "\n" unless text.end_with?("\n")
          sink.write(text)
          nil
        end
      end
    rescue Errno::EBADF
      @sink = nil
    end

    # Waits to be told which function this is.
    def assigned
      @channel.send(@channel.get('/moln/assign'))
      order = JSON.parse(@channel.receive[1])
      ENV.delete('MOLN_POOL')
      order['env'].each { |name, value| ENV[name] = value }
      Gem.clear_paths if defined?(Gem)
      [order['taskRoot'], order['handler']]
    end

    def load_handler(spec)
      parts = spec.to_s.split('.')
      unless [2, 3].include?(parts.size)
        raise ArgumentError, "Invalid handler #{parts}, must be of form FILENAME.METHOD or FILENAME.CLASS.METHOD where FILENAME corresponds with an existing Ruby source file FILENAME.rb, CLASS is an optional module/class namespace and METHOD is a callable method. If using CLASS, METHOD must be a class-level method."
      end
      @method = parts.pop
      @class = parts[1]
      require parts[0]
    rescue Exception => e # rubocop:disable Lint/RescueException
      body = failure(e, 'Init')
      log_error('Init error when loading handler ', body)
      @channel.send(@channel.post("#{API}init/error", JSON.generate(body), error_headers(e, 'Init')))
      @channel.receive
      exit!(1)
    end

    def serve
      @channel.send(@channel.get("#{API}invocation/next"))
      loop do
        headers, body = @channel.receive
        @request_id = headers['lambda-runtime-aws-request-id']
        trace = headers['lambda-runtime-trace-id']
        ENV['_X_AMZN_TRACE_ID'] = trace
        answer = run(headers, body)
        if @last
          @channel.send(answer)
          @channel.receive
          exit!(1)
        end
        @channel.send(answer + @channel.get("#{API}invocation/next"))
        @channel.receive
      end
    end

    # Runs the handler once, and makes the request that tells what came of it.
    def run(headers, body)
      target = "#{API}invocation/#{@request_id}/"
      result, type = call(headers, body.force_encoding(Encoding::UTF_8))
      @channel.post("#{target}response", result, 'Content-Type' => type)
    rescue NameError => e
      failed(target, e, 'Critical exception from handler', true)
    rescue StandardError => e
      failed(target, e, 'Error raised from handler method', false)
    rescue Exception => e # rubocop:disable Lint/RescueException
      failed(target, e, 'Critical exception from handler', true)
    end

    def call(headers, body)
      event = headers.fetch('content-type', JSON_TYPE).start_with?(JSON_TYPE) ? JSON.parse(body) : body
      context = LambdaContext.new(headers)
      result = if @class
                 Kernel.const_get(@class).send(@method, event: event, context: context)
               else
                 TOPLEVEL_BINDING.receiver.send(@method, event: event, context: context)
               end
      case result
      when StringIO, IO then [result.read, 'application/unknown']
      else [result.to_json, JSON_TYPE]
      end
    end

    def failed(target, error, message, last)
      body = failure(error, 'Function')
      log_error(message, body)
      @last = last
      @channel.post("#{target}error", JSON.generate(body), error_headers(error, 'Function'))
    end

    # The stack ends where ours begins.
    def failure(error, kind)
      own = File.expand_path(__FILE__)
      stack = (error.backtrace || []).first(STACK_MAX).take_while { |line| !line.start_with?(own) }
      { errorMessage: error.message.dup.force_encoding(Encoding::UTF_8).scrub, errorType: "#{kind}<#{error.class}>", stackTrace: stack }
    end

    def error_headers(error, kind)
      name = PLAIN.include?(error.class.to_s) ? "#{kind}<#{error.class}>" : 'Function<UserException>'
      { 'Content-Type' => JSON_TYPE, 'Lambda-Runtime-Function-Error-Type' => name }
    end

    def log_error(message, body)
      Kernel.instance_method(:puts).bind_call(self, message)
      Kernel.instance_method(:puts).bind_call(self, JSON.pretty_generate(body))
    end
  end
end

MolnRuntime.start
