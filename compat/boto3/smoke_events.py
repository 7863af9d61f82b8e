import json
import time

import requests

from harness import ACCOUNT, ENDPOINT, REGION, client, document, equal, refused, test, trust, unique, until, zipped

ECHO = "import json\ndef handler(event, context):\n    print('GOT ' + json.dumps(event, sort_keys=True))\n    return event\n"


def rule_arn(name, bus=None):
    return f"arn:aws:events:{REGION}:{ACCOUNT}:rule/" + (f"{bus}/{name}" if bus else name)


def queue_for(name):
    """A queue that EventBridge may send to, its URL and its ARN."""
    sqs = client("sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
    policy = document("sqs:SendMessage", arn, Principal={"Service": "events.amazonaws.com"})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    return url, arn


def receive(url, n=1):
    """n messages of a queue."""
    sqs, got = client("sqs"), []

    def more():
        for m in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]).get("Messages", []):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=m["ReceiptHandle"])
            got.append(m)
        return len(got) >= n

    until(more, f"{n} messages, got {len(got)}")
    return got


def advance(duration):
    requests.post(ENDPOINT + "/_moln/clock", params={"advance": duration}, timeout=30).raise_for_status()


@test
def buses_rules_targets():
    events, bus, name = client("events"), unique("bus"), unique("rule")
    arn = events.create_event_bus(Name=bus, Tags=[{"Key": "a", "Value": "1"}])["EventBusArn"]
    equal(arn, f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/{bus}")
    refused("ResourceAlreadyExistsException", 400, events.create_event_bus, Name=bus)
    equal("default" in [b["Name"] for b in events.list_event_buses()["EventBuses"]], True)
    equal(events.put_rule(Name=name, EventBusName=bus, EventPattern='{"source": ["s"]}')["RuleArn"], rule_arn(name, bus))
    equal(events.describe_rule(Name=name, EventBusName=arn)["State"], "ENABLED")
    refused("InvalidEventPatternException", 400, events.put_rule, Name=name, EventBusName=bus, EventPattern='{"source": "s"}')
    refused("ValidationException", 400, events.put_rule, Name=name, ScheduleExpression="rate(1 minutes)")
    refused("ResourceNotFoundException", 400, events.put_targets, Rule="none", Targets=[{"Id": "1", "Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:q"}])
    refused("ValidationException", 400, events.delete_event_bus, Name=bus)
    events.delete_rule(Name=name, EventBusName=bus)
    events.delete_event_bus(Name=bus)
    refused("ResourceNotFoundException", 400, events.describe_event_bus, Name=bus)


@test
def an_event_reaches_a_queue_and_what_cannot_be_delivered_its_dead_letters():
    events, name, source = client("events"), unique("rule"), unique("source")
    url, arn = queue_for(unique("queue"))
    letters_url, letters = queue_for(unique("letters"))
    events.put_rule(Name=name, EventPattern=json.dumps({"source": [source], "detail": {"n": [{"numeric": [">", 1]}]}}))
    events.put_targets(Rule=name, Targets=[
        {"Id": "all", "Arn": arn},
        {"Id": "some", "Arn": arn, "InputTransformer": {"InputPathsMap": {"n": "$.detail.n"}, "InputTemplate": '{"n": <n>, "rule": "<aws.events.rule-name>"}'}},
        {"Id": "none", "Arn": arn + "-gone", "DeadLetterConfig": {"Arn": letters}},
    ])
    out = events.put_events(Entries=[
        {"Source": source, "DetailType": "t", "Detail": '{"n": 1}'},
        {"Source": source, "DetailType": "t", "Detail": '{"n": 2}', "Resources": ["r"]},
        {"Source": "aws.mine", "DetailType": "t", "Detail": "{}"},
    ])
    equal((out["FailedEntryCount"], out["Entries"][2]["ErrorCode"]), (1, "NotAuthorizedForSourceException"))
    bodies = [json.loads(m["Body"]) for m in receive(url, 2)]
    whole = [b for b in bodies if "detail" in b][0]
    equal((whole["id"], whole["detail"], whole["resources"], whole["account"]), (out["Entries"][1]["EventId"], {"n": 2}, ["r"], ACCOUNT))
    equal([b for b in bodies if "detail" not in b], [{"n": 2, "rule": name}])
    dead = receive(letters_url)[0]["MessageAttributes"]
    equal((dead["RULE_ARN"]["StringValue"], dead["TARGET_ARN"]["StringValue"]), (rule_arn(name), arn + "-gone"))
    equal(dead["ERROR_CODE"]["StringValue"] in ("NO_RESOURCE", "NO_PERMISSIONS"), True)


@test
def a_queue_whose_policy_does_not_let_events_in_gets_none():
    events, sqs, name, source = client("events"), client("sqs"), unique("rule"), unique("source")
    shut = sqs.create_queue(QueueName=unique("shut"))["QueueUrl"]
    letters_url, letters = queue_for(unique("letters"))
    events.put_rule(Name=name, EventPattern=json.dumps({"source": [source]}))
    events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{shut.split('/')[-1]}", "DeadLetterConfig": {"Arn": letters}}])
    events.put_events(Entries=[{"Source": source, "DetailType": "t", "Detail": "{}"}])
    equal(receive(letters_url)[0]["MessageAttributes"]["ERROR_CODE"]["StringValue"], "NO_PERMISSIONS")
    equal(sqs.receive_message(QueueUrl=shut).get("Messages", []), [])


@test
def an_event_reaches_a_function_a_topic_and_another_bus():
    events, iam, fn, logs, sns = client("events"), client("iam"), client("lambda"), client("logs"), client("sns")
    name, source, bus, role, topic = unique("rule"), unique("source"), unique("bus"), unique("role"), unique("topic")
    roles = {}
    for who, action in (("lambda", "logs:*"), ("events", "events:PutEvents")):
        roles[who] = iam.create_role(RoleName=f"{role}-{who}", AssumeRolePolicyDocument=trust(Service=f"{who}.amazonaws.com"))["Role"]["Arn"]
        iam.put_role_policy(RoleName=f"{role}-{who}", PolicyName="p", PolicyDocument=document(action))
    function = fn.create_function(FunctionName=name, Runtime="python3.11", Handler="m.handler", Role=roles["lambda"], Code={"ZipFile": zipped(m_py=ECHO)})["FunctionArn"]
    fn.get_waiter("function_active_v2").wait(FunctionName=name)
    fn.add_permission(FunctionName=name, StatementId="e", Action="lambda:InvokeFunction", Principal="events.amazonaws.com", SourceArn=rule_arn(name))
    url, queue = queue_for(unique("queue"))
    there = sns.create_topic(Name=topic)["TopicArn"]
    sns.set_topic_attributes(TopicArn=there, AttributeName="Policy", AttributeValue=document("sns:Publish", there, Principal={"Service": "events.amazonaws.com"}))
    topic_url = client("sqs").create_queue(QueueName=topic)["QueueUrl"]
    topic_queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{topic}"
    client("sqs").set_queue_attributes(QueueUrl=topic_url, Attributes={"Policy": document("sqs:SendMessage", topic_queue, Principal={"Service": "sns.amazonaws.com"})})
    sns.subscribe(TopicArn=there, Protocol="sqs", Endpoint=topic_queue)
    other = events.create_event_bus(Name=bus)["EventBusArn"]
    events.put_rule(Name=name, EventBusName=bus, EventPattern=json.dumps({"source": [source]}))
    events.put_targets(Rule=name, EventBusName=bus, Targets=[{"Id": "q", "Arn": queue}])
    events.put_rule(Name=name, EventPattern=json.dumps({"source": [{"prefix": source}]}))
    refused("ValidationException", 400, events.put_targets, Rule=name, Targets=[{"Id": "b", "Arn": other}])
    events.put_targets(Rule=name, Targets=[{"Id": "f", "Arn": function}, {"Id": "t", "Arn": there}, {"Id": "b", "Arn": other, "RoleArn": roles["events"]}])
    id = events.put_events(Entries=[{"Source": source, "DetailType": "t", "Detail": "{}"}])["Entries"][0]["EventId"]
    equal(json.loads(receive(url)[0]["Body"])["id"], id)
    equal(json.loads(json.loads(receive(topic_url)[0]["Body"])["Message"])["id"], id)
    until(lambda: [e for e in logs.filter_log_events(logGroupName=f"/aws/lambda/{name}", filterPattern="GOT")["events"] if id in e["message"]] if logs.describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{name}")["logGroups"] else None, "the function was invoked")


@test
def an_event_reaches_a_log_group_that_lets_it_in():
    events, logs, name, source = client("events"), client("logs"), unique("rule"), unique("source")
    group = "/aws/events/" + name
    logs.create_log_group(logGroupName=group)
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}"
    letters_url, letters = queue_for(unique("letters"))
    events.put_rule(Name=name, EventPattern=json.dumps({"source": [source]}))
    events.put_targets(Rule=name, Targets=[{"Id": "l", "Arn": arn, "DeadLetterConfig": {"Arn": letters}}])
    events.put_events(Entries=[{"Source": source, "DetailType": "t", "Detail": "{}"}])
    equal(receive(letters_url)[0]["MessageAttributes"]["ERROR_CODE"]["StringValue"], "NO_PERMISSIONS")
    logs.put_resource_policy(policyName=name, policyDocument=document(["logs:CreateLogStream", "logs:PutLogEvents"], arn + ":*", Principal={"Service": "events.amazonaws.com"}))
    id = events.put_events(Entries=[{"Source": source, "DetailType": "t", "Detail": "{}"}])["Entries"][0]["EventId"]
    got = until(lambda: logs.filter_log_events(logGroupName=group)["events"], "the group has the event")
    equal(json.loads(got[0]["message"])["id"], id)
    logs.delete_resource_policy(policyName=name)


@test
def an_archive_is_replayed():
    events, name, source = client("events"), unique("rule"), unique("source")
    url, queue = queue_for(unique("queue"))
    bus = events.create_event_bus(Name=name)["EventBusArn"]
    archive = events.create_archive(ArchiveName=name, EventSourceArn=bus, EventPattern=json.dumps({"source": [source]}))["ArchiveArn"]
    id = events.put_events(Entries=[{"Source": source, "DetailType": "t", "Detail": "{}", "EventBusName": name}])["Entries"][0]["EventId"]
    equal(events.describe_archive(ArchiveName=name)["EventCount"], 1)
    events.put_rule(Name=name, EventBusName=name, EventPattern=json.dumps({"source": [source]}))
    events.put_targets(Rule=name, EventBusName=name, Targets=[{"Id": "q", "Arn": queue}])
    events.start_replay(ReplayName=name, EventSourceArn=archive, EventStartTime=0, EventEndTime=4102444800, Destination={"Arn": bus})
    body = json.loads(receive(url)[0]["Body"])
    equal((body["id"], body["replay-name"]), (id, name))
    until(lambda: events.describe_replay(ReplayName=name)["State"] == "COMPLETED", "the replay is complete")


@test
def a_schedule_fires_by_the_accounts_clock():
    events, name = client("events"), unique("rule")
    url, queue = queue_for(unique("queue"))
    events.put_rule(Name=name, ScheduleExpression="rate(1 minute)")
    events.put_targets(Rule=name, Targets=[{"Id": "q", "Arn": queue}])
    advance("1m")
    got = json.loads(receive(url)[0]["Body"])
    equal((got["detail-type"], got["source"], got["resources"], got["detail"]), ("Scheduled Event", "aws.events", [rule_arn(name)], {}))
    events.remove_targets(Rule=name, Ids=["q"])
    events.delete_rule(Name=name)


@test
def a_bucket_tells_eventbridge_of_its_objects():
    events, s3, name, bucket = client("events"), client("s3"), unique("rule"), unique("bucket")
    url, queue = queue_for(unique("queue"))
    s3.create_bucket(Bucket=bucket)
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}})
    events.put_rule(Name=name, EventPattern=json.dumps({"source": ["aws.s3"], "detail-type": ["Object Created"], "detail": {"bucket": {"name": [bucket]}}}))
    events.put_targets(Rule=name, Targets=[{"Id": "q", "Arn": queue, "InputPath": "$.detail.object.key"}])
    s3.put_object(Bucket=bucket, Key="a key", Body=b"x")
    equal(receive(url)[0]["Body"], '"a key"')


@test
def patterns_are_tried():
    events = client("events")
    event = {"id": "1", "account": ACCOUNT, "source": "s", "time": time.strftime("%Y-%m-%dT%H:%M:%SZ"), "region": REGION, "resources": [], "detail-type": "t", "detail": {"ip": "10.0.0.7", "f": "a/b.png"}}
    for pattern, want in (({"detail": {"ip": [{"cidr": "10.0.0.0/24"}]}}, True), ({"detail": {"f": [{"wildcard": "a/*.jpg"}]}}, False), ({"$or": [{"source": ["x"]}, {"detail.f": [{"suffix": ".png"}]}]}, True)):
        equal(events.test_event_pattern(EventPattern=json.dumps(pattern), Event=json.dumps(event))["Result"], want)


@test
def a_stack_has_a_bus_and_rules():
    cfn, events, stack = client("cloudformation"), client("events"), unique("stack")
    url, queue = queue_for(unique("queue"))
    template = {"Resources": {
        "Bus": {"Type": "AWS::Events::EventBus", "Properties": {"Name": stack}},
        "Let": {"Type": "AWS::Events::EventBusPolicy", "Properties": {"EventBusName": {"Ref": "Bus"}, "StatementId": "s", "Statement": {"Effect": "Allow", "Principal": "*", "Action": "events:PutEvents", "Resource": {"Fn::GetAtt": ["Bus", "Arn"]}}}},
        "Rule": {"Type": "AWS::Events::Rule", "Properties": {"EventBusName": {"Ref": "Bus"}, "EventPattern": {"source": ["s"]}, "Targets": [{"Id": "q", "Arn": queue, "Input": '{"a": 1}'}]}},
        "Daily": {"Type": "AWS::Events::Rule", "Properties": {"ScheduleExpression": "rate(1 day)", "State": "DISABLED", "Targets": [{"Id": "q", "Arn": queue}]}},
    }, "Outputs": {"Rule": {"Value": {"Ref": "Rule"}}, "Daily": {"Value": {"Fn::GetAtt": ["Daily", "Arn"]}}}}
    cfn.create_stack(StackName=stack, TemplateBody=json.dumps(template))
    cfn.get_waiter("stack_create_complete").wait(StackName=stack, WaiterConfig={"Delay": 1})
    out = {o["OutputKey"]: o["OutputValue"] for o in cfn.describe_stacks(StackName=stack)["Stacks"][0]["Outputs"]}
    bus, _, name = out["Rule"].partition("|")
    equal((bus, out["Daily"].startswith(rule_arn(stack))), (stack, True))
    equal(json.loads(events.describe_event_bus(Name=stack)["Policy"])["Statement"][0]["Sid"], "s")
    events.put_events(Entries=[{"Source": "s", "DetailType": "t", "Detail": "{}", "EventBusName": stack}])
    equal(receive(url)[0]["Body"], '{"a": 1}')
    del template["Resources"]["Let"]
    template["Resources"]["Rule"]["Properties"]["Targets"][0] = {"Id": "p", "Arn": queue, "InputPath": "$.source"}
    cfn.update_stack(StackName=stack, TemplateBody=json.dumps(template))
    cfn.get_waiter("stack_update_complete").wait(StackName=stack, WaiterConfig={"Delay": 1})
    equal([t["Id"] for t in events.list_targets_by_rule(Rule=name, EventBusName=stack)["Targets"]], ["p"])
    equal("Policy" in events.describe_event_bus(Name=stack), False)
    cfn.delete_stack(StackName=stack)
    cfn.get_waiter("stack_delete_complete").wait(StackName=stack, WaiterConfig={"Delay": 1})
    refused("ResourceNotFoundException", 400, events.describe_event_bus, Name=stack)
