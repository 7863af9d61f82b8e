import os
import time

calls = 0


class Bad(Exception):
    pass


def handler(event, context):
    global calls
    calls += 1
    do = event["do"]
    if do == "echo":
        return event.get("value")
    if do == "count":
        return calls
    if do == "size":
        return len(event["value"])
    if do == "big":
        return "x" * event["bytes"]
    if do == "log":
        print("logged " + event["value"])
        return None
    if do == "handled":
        raise Bad("told to fail")
    if do == "thrown":
        return 1 / 0
    if do == "exit":
        os._exit(3)
    if do == "sleep":
        time.sleep(60)
    custom = context.client_context.custom["k"] if context.client_context else None
    return {
        "request": context.aws_request_id, "name": context.function_name, "version": context.function_version,
        "arn": context.invoked_function_arn, "memory": int(context.memory_limit_in_mb), "group": context.log_group_name,
        "stream": context.log_stream_name, "left": context.get_remaining_time_in_millis(), "custom": custom,
        "region": os.environ["AWS_REGION"], "own": os.environ["OWN"], "trace": os.environ.get("_X_AMZN_TRACE_ID"),
    }
