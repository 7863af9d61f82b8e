"""Deploys app with osls, gives each function its events, and looks at what they
were given."""

import json
import os
import shutil
import subprocess
import tempfile

import harness
from harness import ENDPOINT, client, contains, equal, test, until

STACK = "events-dev"
work = tempfile.mkdtemp()
outputs = {}


def sls(*args):
    env = {**os.environ, "SLS_AWS_MONITORING_FREQUENCY": "200", "SLS_TELEMETRY_DISABLED": "1", "SLS_NOTIFICATIONS_MODE": "off", "FORCE_COLOR": "0"}
    done = subprocess.run([os.environ["MOLN_BIN"], "exec", "--endpoint", ENDPOINT, "--", os.environ["OSLS"], *args], cwd=work + "/app", env=env, capture_output=True, text=True, timeout=180)
    if done.returncode:
        raise AssertionError(f"osls {' '.join(args)}: " + " | ".join((done.stderr + done.stdout).strip().splitlines()[-6:]))
    return done.stdout + done.stderr


def got(function):
    """The events that a function has printed."""
    logs = client("logs")
    try:
        found = logs.filter_log_events(logGroupName=f"/aws/lambda/{STACK}-{function}", filterPattern='"got"')["events"]
    except logs.exceptions.ResourceNotFoundException:
        return []
    return [json.loads(e["message"].split("got ", 1)[1]) for e in found if "got {" in e["message"]]


def letter(queue):
    def one():
        return client("sqs", read_timeout=60).receive_message(QueueUrl=outputs[queue], WaitTimeSeconds=2, MessageAttributeNames=["All"]).get("Messages")

    return until(one, f"a message in {queue}")[0]


@test
def deploy():
    shutil.copytree("app", work + "/app")
    contains(sls("deploy"), "Service deployed to stack " + STACK)
    stack = client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]
    outputs.update({o["OutputKey"]: o["OutputValue"] for o in stack["Outputs"]})


@test
def sqs():
    sqs = client("sqs")
    for body in ('{"kind":"letter","n":1}', '{"kind":"parcel"}', '{"kind":"letter","n":2}'):
        sqs.send_message(QueueUrl=outputs["Letters"], MessageBody=body)
    until(lambda: sum(len(e["Records"]) for e in got("letters")) == 2, "two letters")
    equal(sorted(json.loads(r["body"])["n"] for e in got("letters") for r in e["Records"]), [1, 2])
    m = client("lambda").list_event_source_mappings(FunctionName=STACK + "-letters")["EventSourceMappings"][0]
    equal((m["BatchSize"], m["MaximumBatchingWindowInSeconds"], m["ScalingConfig"], m["FunctionResponseTypes"]), (20, 1, {"MaximumConcurrency": 2}, ["ReportBatchItemFailures"]))


@test
def sqs_fifo():
    sqs = client("sqs")
    for n in range(7):
        sqs.send_message(QueueUrl=outputs["Ordered"], MessageBody=str(n), MessageGroupId="g")
    until(lambda: sum(len(e["Records"]) for e in got("ordered")) == 7, "seven messages")
    records = sorted((r for e in got("ordered") for r in e["Records"]), key=lambda r: int(r["attributes"]["SequenceNumber"]))
    equal([r["body"] for r in records], [str(n) for n in range(7)])


@test
def sns():
    sns = client("sns")
    news = next(t["TopicArn"] for t in sns.list_topics()["Topics"] if t["TopicArn"].endswith(":news"))
    for kind in ("bad", "good"):
        sns.publish(TopicArn=news, Message=kind, Subject="s", MessageAttributes={"kind": {"DataType": "String", "StringValue": kind}})
    sns.publish(TopicArn=outputs["Papers"], Message="paper")
    until(lambda: len(got("news")) == 2, "two messages")
    records = {r["Sns"]["Message"]: r for e in got("news") for r in e["Records"]}
    equal(sorted(records), ["good", "paper"])
    equal((records["good"]["EventSource"], records["good"]["Sns"]["TopicArn"], records["good"]["Sns"]["Subject"]), ("aws:sns", news, "s"))


@test
def event_bridge():
    put = client("events").put_events(Entries=[{"EventBusName": "orders", "Source": "shop", "DetailType": "order", "Detail": json.dumps({"amount": n})} for n in (9, 11)])
    equal(put["FailedEntryCount"], 0)
    until(lambda: got("watcher"), "the order")
    equal([e["detail"] for e in got("watcher")], [{"amount": 11}])


@test
def schedule():
    rules = [r for r in client("events").list_rules()["Rules"] if r.get("ScheduleExpression") == "rate(1 minute)"]
    equal([r["State"] for r in rules], ["ENABLED"])
    if not got("ticker"):
        subprocess.run([os.environ["MOLN_BIN"], "clock", "advance", "1m", "--endpoint", ENDPOINT], check=True, capture_output=True)
    until(lambda: got("ticker"), "the clock has rung")
    equal(got("ticker")[0], {"tick": "tock"})


@test
def destinations():
    lam = client("lambda")
    lam.invoke(FunctionName=STACK + "-worker", InvocationType="Event", Payload=b'{"n":1}')
    record = json.loads(letter("Done")["Body"])
    equal((record["requestContext"]["condition"], record["responsePayload"]), ("Success", {"done": {"n": 1}}))
    lam.invoke(FunctionName=STACK + "-worker", InvocationType="Event", Payload=b'{"fail":1}')
    record = json.loads(letter("Failed")["Body"])
    equal((record["requestContext"]["condition"], record["responsePayload"]["errorMessage"]), ("RetriesExhausted", "told to fail"))


@test
def on_error():
    client("lambda").invoke(FunctionName=STACK + "-fragile", InvocationType="Event", Payload=b'{"fail":2}')
    m = letter("Told")
    equal((json.loads(m["Body"]), m["MessageAttributes"]["ErrorMessage"]["StringValue"]), ({"fail": 2}, "told to fail"))


@test
def update():
    name = work + "/app/serverless.yml"
    with open(name) as f:
        text = f.read()
    for a, b in (("          batchSize: 20\n", "          batchSize: 4\n"), ("          maximumBatchingWindow: 1\n          maximumConcurrency: 2\n          functionResponseType: ReportBatchItemFailures\n", ""), ("    onError: { Ref: Broken }\n", "")):
        contains(text, a)
        text = text.replace(a, b)
    with open(name, "w") as f:
        f.write(text)
    contains(sls("deploy"), "Service deployed to stack " + STACK)
    lam = client("lambda")
    m = lam.list_event_source_mappings(FunctionName=STACK + "-letters")["EventSourceMappings"][0]
    equal((m["BatchSize"], m["MaximumBatchingWindowInSeconds"], "ScalingConfig" in m, m["FunctionResponseTypes"], m["State"]), (4, 0, False, [], "Enabled"))
    equal("DeadLetterConfig" in lam.get_function_configuration(FunctionName=STACK + "-fragile"), False)


@test
def remove():
    contains(sls("remove"), "Service events has been successfully removed")
    left = [m["FunctionArn"] for m in client("lambda").list_event_source_mappings()["EventSourceMappings"]]
    equal([arn for arn in left if STACK in arn], [])
    shutil.rmtree(work, ignore_errors=True)


harness.main()
