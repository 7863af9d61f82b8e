# frozen_string_literal: true

$calls = 0

class Bad < StandardError; end

def handler(event:, context:)
  $calls += 1
  case event['do']
  when 'echo' then event['value']
  when 'count' then $calls
  when 'size' then event['value'].size
  when 'big' then 'x' * event['bytes']
  when 'log' then puts("logged #{event['value']}")
  when 'handled' then raise Bad, 'told to fail'
  when 'thrown' then raise ArgumentError, 'wrong'
  when 'exit' then exit!(3)
  when 'sleep' then sleep(60)
  else
    {
      request: context.aws_request_id, name: context.function_name, version: context.function_version, arn: context.invoked_function_arn,
      memory: context.memory_limit_in_mb.to_i, group: context.log_group_name, stream: context.log_stream_name,
      left: context.get_remaining_time_in_millis, custom: context.client_context && context.client_context['custom']['k'],
      region: ENV['AWS_REGION'], own: ENV['OWN'], trace: ENV['_X_AMZN_TRACE_ID']
    }
  end
end
