"""Functions with queues, topics and buses: event source mappings, dead letters,
destinations."""

import json
import re

from harness import ACCOUNT, REGION, client, contains, document, equal, get, refused, test, trust, unique, until, zipped

RUNTIME = "python3.11"

# It gives back what it was given, and fails on what it is told to.
HANDLER = """
import json
import re
def handler(event, context):
    if "Records" not in event:
        if event.get("fail"):
            raise ValueError("told to fail")
        return {"ok": event}
    print("batch", json.dumps([r["body"] for r in event["Records"]]))
    for r in event["Records"]:
        print("record", json.dumps(r))
    return {"batchItemFailures": [{"itemIdentifier": r["messageId"]} for r in event["Records"] if "bad" in r["body"]]}
"""

LOGS = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
POLLS = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]


def role(*actions):
    iam, name = client("iam"), unique("role")
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust(Service="lambda.amazonaws.com"))["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=document(LOGS + list(actions)))
    return arn


def function(*actions, **more):
    lam, name = client("lambda", read_timeout=60), unique("function")
    lam.create_function(FunctionName=name, Runtime=RUNTIME, Handler="main.handler", Role=role(*actions), Code={"ZipFile": zipped(main_py=HANDLER)}, Timeout=5, **more)
    lam.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    return lam, name


def queue(name=None, **attributes):
    sqs = client("sqs", read_timeout=60)
    url = sqs.create_queue(QueueName=name or unique("queue"), Attributes=attributes)["QueueUrl"]
    return sqs, url, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def received(sqs, url, what, seconds=30):
    """The next message of a queue, which is deleted."""

    def one():
        for m in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=2, MessageAttributeNames=["All"], MessageSystemAttributeNames=["All"]).get("Messages", []):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=m["ReceiptHandle"])
            return m

    return until(one, what, seconds)


def lines(f, begin):
    """What a function has printed after a word."""
    logs = client("logs")
    try:
        found = logs.filter_log_events(logGroupName="/aws/lambda/" + f)["events"]
    except logs.exceptions.ResourceNotFoundException:
        return []
    return [json.loads(e["message"][len(begin) :]) for e in found if e["message"].startswith(begin)]


def mapped(lam, f, arn, **more):
    m = lam.create_event_source_mapping(FunctionName=f, EventSourceArn=arn, **more)
    until(lambda: lam.get_event_source_mapping(UUID=m["UUID"])["State"] == "Enabled", "the mapping is enabled")
    return m


def empty(sqs, url):
    a = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return a["ApproximateNumberOfMessages"] == "0" and a["ApproximateNumberOfMessagesNotVisible"] == "0"


@test
def queue_mapping():
    lam, f = function(*POLLS)
    sqs, dead, dead_arn = queue()
    _, url, arn = queue(VisibilityTimeout="5", RedrivePolicy=json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 2}))
    m = mapped(lam, f, arn, FunctionResponseTypes=["ReportBatchItemFailures"])
    equal((m["BatchSize"], m["StateTransitionReason"], "StartingPosition" in m, m["State"]), (10, "USER_INITIATED", False, "Creating"))
    sqs.send_message(QueueUrl=url, MessageBody="hello", MessageAttributes={"Title": {"DataType": "String", "StringValue": "x"}})
    sqs.send_message(QueueUrl=url, MessageBody="bad one")
    record = until(lambda: [r for r in lines(f, "record ") if r["body"] == "hello"], "the function was given the message")[0]
    equal((record["eventSource"], record["eventSourceARN"], record["awsRegion"]), ("aws:sqs", arn, REGION))
    equal(record["messageAttributes"], {"Title": {"stringValue": "x", "stringListValues": [], "binaryListValues": [], "dataType": "String"}})
    equal(record["md5OfBody"], "5d41402abc4b2a76b9719d911017c592")
    equal(sorted(set(record["attributes"]) - {"AWSTraceHeader"}), ["ApproximateFirstReceiveTimestamp", "ApproximateReceiveCount", "SenderId", "SentTimestamp"])
    letter = received(sqs, dead, "what fails twice is in the dead-letter queue")
    equal((letter["Body"], letter["Attributes"]["DeadLetterQueueSourceArn"]), ("bad one", arn))
    until(lambda: empty(sqs, url), "the queue is empty")
    lam.delete_event_source_mapping(UUID=m["UUID"])
    until(lambda: not lam.list_event_source_mappings(FunctionName=f)["EventSourceMappings"], "the mapping is gone")
    sqs.send_message(QueueUrl=url, MessageBody="later")
    equal(received(sqs, url, "nobody polls any more")["Body"], "later")


@test
def fifo_mapping():
    lam, f = function(*POLLS)
    sqs, url, arn = queue(unique("q") + ".fifo", FifoQueue="true", ContentBasedDeduplication="true", VisibilityTimeout="5")
    mapped(lam, f, arn, BatchSize=3)
    for n in range(12):
        sqs.send_message(QueueUrl=url, MessageBody=f"{'ab'[n % 2]}{n:02}", MessageGroupId="ab"[n % 2])
    until(lambda: empty(sqs, url), "the queue is empty")
    until(lambda: sum(len(b) for b in lines(f, "batch ")) == 12, "all were printed")
    records = sorted(lines(f, "record "), key=lambda r: int(r["attributes"]["SequenceNumber"]))
    equal([r["body"] for r in records], [f"{'ab'[n % 2]}{n:02}" for n in range(12)])
    equal(all(len(b) <= 3 for b in lines(f, "batch ")), True)


@test
def filters_delete_what_they_do_not_want():
    lam, f = function(*POLLS)
    sqs, url, arn = queue()
    pattern = json.dumps({"body": {"kind": ["order"], "amount": [{"numeric": [">", 10]}]}})
    m = mapped(lam, f, arn, FilterCriteria={"Filters": [{"Pattern": pattern}]}, BatchSize=100, MaximumBatchingWindowInSeconds=1)
    equal(lam.get_event_source_mapping(UUID=m["UUID"])["FilterCriteria"], {"Filters": [{"Pattern": pattern}]})
    for body in ('{"kind":"order","amount":11}', '{"kind":"order","amount":9}', "order", '{"kind":"other"}', '{"kind":"order","amount":12}'):
        sqs.send_message(QueueUrl=url, MessageBody=body)
    until(lambda: empty(sqs, url), "the queue is empty")
    until(lambda: sum(len(b) for b in lines(f, "batch ")) >= 2, "the function was given two")
    equal(sorted(json.loads(r["body"])["amount"] for r in lines(f, "record ")), [11, 12])


@test
def mapping_refusals():
    lam, f = function(*POLLS)
    _, _, short = queue(VisibilityTimeout="4")
    _, _, fifo = queue(unique("q") + ".fifo", FifoQueue="true")
    _, _, arn = queue()

    def no(want, f=f, **more):
        contains(refused("InvalidParameterValueException", 400, lam.create_event_source_mapping, FunctionName=f, **more), want)

    no("Queue visibility timeout: 4 seconds is less than Function timeout: 5 seconds", EventSourceArn=short)
    no("Batching window is not supported for FIFO queues", EventSourceArn=fifo, MaximumBatchingWindowInSeconds=1)
    no("Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10", EventSourceArn=arn, BatchSize=11)
    no("Unsupported StartingPosition", EventSourceArn=arn, StartingPosition="LATEST")
    no("AWS.SimpleQueueService.NonExistentQueue", EventSourceArn=f"arn:aws:sqs:{REGION}:{ACCOUNT}:{unique('none')}")
    _, plain = function()
    no("execution role does not have permissions to call ReceiveMessage on SQS", plain, EventSourceArn=arn)


@test
def dead_letters():
    sqs, url, arn = queue()
    lam, f = function("sqs:SendMessage", "sns:Publish", DeadLetterConfig={"TargetArn": arn})
    equal(lam.get_function_configuration(FunctionName=f)["DeadLetterConfig"], {"TargetArn": arn})
    lam.put_function_event_invoke_config(FunctionName=f, MaximumRetryAttempts=0)
    sent = lam.invoke(FunctionName=f, InvocationType="Event", Payload=b'{"fail": 1}')["ResponseMetadata"]["RequestId"]
    m = received(sqs, url, "the dead letter")
    equal(json.loads(m["Body"]), {"fail": 1})
    equal({k: (v["DataType"], v["StringValue"]) for k, v in m["MessageAttributes"].items()},
          {"RequestID": ("String", sent), "ErrorCode": ("Number", "200"), "ErrorMessage": ("String", "told to fail")})
    sns = client("sns")
    topic = sns.create_topic(Name=unique("topic"))["TopicArn"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": document("sqs:SendMessage", arn, Principal={"Service": "sns.amazonaws.com"})})
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    lam.update_function_configuration(FunctionName=f, DeadLetterConfig={"TargetArn": topic})
    lam.invoke(FunctionName=f, InvocationType="Event", Payload=b'{"fail": 2}')
    told = json.loads(received(sqs, url, "the dead letter by way of a topic")["Body"])
    equal((told["TopicArn"], json.loads(told["Message"]), told["MessageAttributes"]["ErrorMessage"]["Value"]), (topic, {"fail": 2}, "told to fail"))
    lam.update_function_configuration(FunctionName=f, DeadLetterConfig={"TargetArn": ""})
    equal("DeadLetterConfig" in lam.get_function_configuration(FunctionName=f), False)
    plain, other = function()
    said = refused("InvalidParameterValueException", 400, plain.update_function_configuration, FunctionName=other, DeadLetterConfig={"TargetArn": arn})
    equal(said, "The provided execution role does not have permissions to call SendMessage on SQS")


@test
def destinations():
    sqs, url, arn = queue()
    events, bus = client("events"), unique("bus")
    bus_arn = events.create_event_bus(Name=bus)["EventBusArn"]
    events.put_rule(Name="all", EventBusName=bus, EventPattern=json.dumps({"source": ["lambda"]}))
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": document("sqs:SendMessage", arn, Principal={"Service": "events.amazonaws.com"})})
    equal(events.put_targets(Rule="all", EventBusName=bus, Targets=[{"Id": "q", "Arn": arn}])["FailedEntryCount"], 0)
    lam, f = function("sqs:SendMessage", "events:PutEvents")
    lam.put_function_event_invoke_config(FunctionName=f, MaximumRetryAttempts=0, DestinationConfig={"OnSuccess": {"Destination": bus_arn}, "OnFailure": {"Destination": arn}})
    lam.invoke(FunctionName=f, InvocationType="Event", Payload=b'{"n": 1}')
    event = json.loads(received(sqs, url, "the event of the success")["Body"])
    equal((event["source"], event["detail-type"], event["detail"]["requestPayload"], event["detail"]["responsePayload"]),
          ("lambda", "Lambda Function Invocation Result - Success", {"n": 1}, {"ok": {"n": 1}}))
    function_arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{f}:$LATEST"
    equal((event["resources"], event["detail"]["requestContext"]["functionArn"]), ([bus_arn, function_arn] if event["resources"][0] == bus_arn else [function_arn, bus_arn], function_arn))
    lam.invoke(FunctionName=f, InvocationType="Event", Payload=b'{"fail": 1}')
    record = json.loads(received(sqs, url, "the record of the failure")["Body"])
    equal((record["requestContext"]["condition"], record["responseContext"]["functionError"], record["responsePayload"]["errorMessage"]), ("RetriesExhausted", "Unhandled", "told to fail"))
    _, _, fifo = queue(unique("q") + ".fifo", FifoQueue="true")
    contains(refused("InvalidParameterValueException", 400, lam.put_function_event_invoke_config, FunctionName=f, DestinationConfig={"OnFailure": {"Destination": fifo}}), "The provided destination config")


# It sends each message that it gets back to its queue or topic, with the header
# that AWS's SDKs send from inside of functions.
ROUND = """
const crypto = require("crypto");
const h = (k, s) => crypto.createHmac("sha256", k).update(s).digest();
const hex = (s) => crypto.createHash("sha256").update(s).digest("hex");
exports.handler = async (event) => {
  const env = process.env, url = new URL(env.AWS_ENDPOINT_URL), service = env.QUEUE ? "sqs" : "sns";
  const body = env.QUEUE ? JSON.stringify({QueueUrl: env.QUEUE, MessageBody: "again"}) : "Action=Publish&Version=2010-03-31&Message=again&TopicArn=" + encodeURIComponent(env.TOPIC);
  const at = new Date().toISOString().replace(/[-:]|\\.\\d+/g, ""), scope = at.slice(0, 8) + "/" + env.AWS_REGION + "/" + service + "/aws4_request";
  const headers = {"content-type": env.QUEUE ? "application/x-amz-json-1.0" : "application/x-www-form-urlencoded", host: url.host, "x-amz-date": at, "x-amz-security-token": env.AWS_SESSION_TOKEN};
  if (env.QUEUE) headers["x-amz-target"] = "AmazonSQS.SendMessage";
  const names = Object.keys(headers).join(";");
  const canonical = ["POST", "/", "", ...Object.entries(headers).map(([k, v]) => k + ":" + v), "", names, hex(body)].join("\\n");
  const key = [env.AWS_REGION, service, "aws4_request"].reduce(h, h("AWS4" + env.AWS_SECRET_ACCESS_KEY, at.slice(0, 8)));
  const signature = h(key, ["AWS4-HMAC-SHA256", at, scope, hex(canonical)].join("\\n")).toString("hex");
  headers.authorization = "AWS4-HMAC-SHA256 Credential=" + env.AWS_ACCESS_KEY_ID + "/" + scope + ", SignedHeaders=" + names + ", Signature=" + signature;
  headers["x-amzn-trace-id"] = env._X_AMZN_TRACE_ID;
  delete headers.host;
  const r = await fetch(url, {method: "POST", headers, body});
  if (!r.ok) throw new Error(await r.text());
  console.log("round");
};
"""


def rounds(f):
    logs = client("logs")
    return sum("round" in e["message"] for e in logs.filter_log_events(logGroupName="/aws/lambda/" + f)["events"])


def going_round(*actions, **env):
    lam, name = client("lambda"), unique("function")
    arn = lam.create_function(FunctionName=name, Runtime="nodejs20.x", Handler="index.handler", Role=role(*actions), Timeout=5,
                              Code={"ZipFile": zipped(index_js=ROUND)}, Environment={"Variables": env})["FunctionArn"]
    return lam, name, arn


@test
def loops_through_queues_end():
    sqs, url, arn = queue(VisibilityTimeout="5")
    _, dead, dead_arn = queue()
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 1})})
    lam, name, _ = going_round("sqs:SendMessage", *POLLS, QUEUE=url)
    mapped(lam, name, arn)
    sqs.send_message(QueueUrl=url, MessageBody="first")
    equal(received(sqs, dead, "the message of the seventeenth round")["Body"], "again")
    until(lambda: rounds(name) >= 16, "sixteen rounds")
    equal(rounds(name), 16)


@test
def loops_through_topics_end():
    sns = client("sns")
    topic = sns.create_topic(Name=unique("topic"))["TopicArn"]
    sqs, dead, dead_arn = queue()
    lam, name, arn = going_round("sns:Publish", "sqs:SendMessage", TOPIC=topic)
    lam.update_function_configuration(FunctionName=name, DeadLetterConfig={"TargetArn": dead_arn})
    lam.add_permission(FunctionName=name, StatementId="s", Action="lambda:InvokeFunction", Principal="sns.amazonaws.com", SourceArn=topic)
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=arn)
    sns.publish(TopicArn=topic, Message="first")
    letter = received(sqs, dead, "the event of the seventeenth round")
    equal(json.loads(letter["Body"])["Records"][0]["Sns"]["Message"], "again")
    contains(letter["MessageAttributes"]["ErrorMessage"]["StringValue"], "recursive loop")
    until(lambda: rounds(name) >= 16, "sixteen rounds")
    equal(rounds(name), 16)


@test
def filters_under_a_key():
    lam, f = function(*POLLS)
    sqs, url, arn = queue()
    kms = client("kms")
    statements = [
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "kms:*", "Resource": "*"},
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "kms:Decrypt", "Resource": "*", "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}}},
    ]
    key = kms.create_key(Policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))["KeyMetadata"]["Arn"]
    pattern = json.dumps({"body": {"n": [1]}})
    m = mapped(lam, f, arn, KMSKeyArn=key, FilterCriteria={"Filters": [{"Pattern": pattern}]})
    shown = lam.get_event_source_mapping(UUID=m["UUID"])
    equal((shown["KMSKeyArn"], shown["FilterCriteria"]), (key, {"Filters": [{"Pattern": pattern}]}))
    for n in (1, 2):
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"n": n}))
    until(lambda: empty(sqs, url), "the queue is empty")
    until(lambda: lines(f, "batch "), "the function was given one")
    equal([r["body"] for r in lines(f, "record ")], ['{"n": 1}'])
    iam, user = client("iam"), unique("user")
    iam.create_user(UserName=user)
    iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=document("lambda:*"))
    access = iam.create_access_key(UserName=user)["AccessKey"]
    other = client("lambda", (access["AccessKeyId"], access["SecretAccessKey"])).get_event_source_mapping(UUID=m["UUID"])
    equal(("FilterCriteria" in other, other["FilterCriteriaError"]["ErrorCode"]), (False, "KMSAccessDeniedException"))
    # A key that does not let Lambda in: nothing is polled, and the mapping says why.
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps({"Version": "2012-10-17", "Statement": statements[:1]}))
    lam.update_event_source_mapping(UUID=m["UUID"], BatchSize=5)
    contains(until(lambda: lam.get_event_source_mapping(UUID=m["UUID"]).get("LastProcessingResult"), "a problem"), "KMS Exception: AccessDenied")
    equal(lam.delete_event_source_mapping(UUID=m["UUID"])["State"], "Deleting")
    until(lambda: not lam.list_event_source_mappings(FunctionName=f)["EventSourceMappings"], "the mapping is gone")


@test
def streams_give_up_to_queues_and_topics():
    sqs, url, arn = queue()
    sns = client("sns")
    topic = sns.create_topic(Name=unique("topic"))["TopicArn"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": document("sqs:SendMessage", arn, Principal={"Service": "sns.amazonaws.com"})})
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    ddb, table = client("dynamodb"), unique("table")
    stream = ddb.create_table(TableName=table, BillingMode="PAY_PER_REQUEST", AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                              KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}], StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"})["TableDescription"]["LatestStreamArn"]
    for destination in (arn, topic):
        lam, f = function("dynamodb:*", "sqs:SendMessage", "sns:Publish")
        lam.update_function_code(FunctionName=f, ZipFile=zipped(main_py="def handler(e, c): raise ValueError('no')"))
        m = mapped(lam, f, stream, StartingPosition="LATEST", MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": destination}})
        ddb.put_item(TableName=table, Item={"id": {"S": "1"}, "at": {"S": destination}})
        record = json.loads(received(sqs, url, "the record of the failure")["Body"])
        equal((record["requestContext"]["condition"], record["DDBStreamBatchInfo"]["streamArn"], record["responseContext"]["functionError"], "payload" in record),
              ("RetryAttemptsExhausted", stream, "Unhandled", False))
        lam.delete_event_source_mapping(UUID=m["UUID"])
    _, _, fifo = queue(unique("q") + ".fifo", FifoQueue="true")
    contains(refused("InvalidParameterValueException", 400, lam.create_event_source_mapping, FunctionName=f, EventSourceArn=stream, StartingPosition="LATEST",
                     DestinationConfig={"OnFailure": {"Destination": fifo}}), "The provided destination config")


@test
def mapping_metrics():
    lam, f = function(*POLLS)
    sqs, url, arn = queue()
    m = mapped(lam, f, arn, MetricsConfig={"Metrics": ["EventCount"]}, FilterCriteria={"Filters": [{"Pattern": json.dumps({"body": ["yes"]})}]})
    equal(m["MetricsConfig"], {"Metrics": ["EventCount"]})
    for body in ("yes", "no", "yes"):
        sqs.send_message(QueueUrl=url, MessageBody=body)
    until(lambda: empty(sqs, url), "the queue is empty")

    def counted():
        found = re.findall(r'moln_lambda_mapping_events_total\{mapping="%s",metric="(\w+)"\} (\d+)' % m["UUID"], get("/_moln/metrics").text)
        return {name: int(value) for name, value in found}

    until(lambda: counted() == {"PolledEventCount": 3, "FilteredOutEventCount": 1, "InvokedEventCount": 2, "DeletedEventCount": 3}, "the events are counted")
