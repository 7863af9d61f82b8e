def handler(event, context):
    return {"event": event, "id": context.aws_request_id}
