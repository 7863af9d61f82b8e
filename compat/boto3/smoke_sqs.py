import concurrent.futures
import json
import time

from harness import ACCOUNT, ENDPOINT, REGION, client, equal, refused, test, unique


def queue(suffix="", **attributes):
    sqs, name = client("sqs"), unique("queue") + suffix
    url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    equal(url, f"{ENDPOINT}/{ACCOUNT}/{name}")
    return sqs, url, f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"


def receive(sqs, url, **more):
    return sqs.receive_message(QueueUrl=url, **{"MaxNumberOfMessages": 10, "AttributeNames": ["All"], "MessageAttributeNames": ["All"], **more}).get("Messages", [])


def bodies(messages):
    return [m["Body"] for m in messages]


@test
def send_receive_delete():
    sqs, url, _ = queue(VisibilityTimeout="1")
    sent = sqs.send_message(
        QueueUrl=url,
        MessageBody="hello",
        MessageAttributes={
            "text": {"DataType": "String", "StringValue": "ü"},
            "number": {"DataType": "Number.int", "StringValue": "-1.5e3"},
            "bytes": {"DataType": "Binary", "BinaryValue": b"\0\1"},
        },
        MessageSystemAttributes={"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-5759e988-bd862e3fe1be46a994272793"}},
    )  # the client compares the digests
    m = receive(sqs, url)[0]
    equal((m["MessageId"], m["Body"], m["MD5OfBody"]), (sent["MessageId"], "hello", sent["MD5OfMessageBody"]))
    equal(m["MessageAttributes"]["bytes"]["BinaryValue"], b"\0\1")
    equal((m["Attributes"]["AWSTraceHeader"], m["Attributes"]["ApproximateReceiveCount"]), ("Root=1-5759e988-bd862e3fe1be46a994272793", "1"))
    equal(receive(sqs, url), [])
    again = receive(sqs, url, WaitTimeSeconds=5)[0]
    equal(again["Attributes"]["ApproximateReceiveCount"], "2")
    sqs.delete_message(QueueUrl=url, ReceiptHandle=again["ReceiptHandle"])
    counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    equal([counts["ApproximateNumberOfMessages" + s] for s in ("", "NotVisible", "Delayed")], ["0", "0", "0"])
    sqs.send_message(QueueUrl=url, MessageBody="one name")
    equal(list(receive(sqs, url, AttributeNames=["ApproximateReceiveCount"])[0]["Attributes"]), ["ApproximateReceiveCount"])
    refused("InvalidAttributeName", 400, sqs.receive_message, QueueUrl=url, AttributeNames=["Foo"])
    refused("InvalidAttributeName", 400, sqs.get_queue_attributes, QueueUrl=url, AttributeNames=["Foo"])
    refused("InvalidAttributeName", 400, sqs.set_queue_attributes, QueueUrl=url, Attributes={"Foo": "1"})
    refused("ReceiptHandleIsInvalid", 400, sqs.delete_message, QueueUrl=url, ReceiptHandle="x")
    refused("AWS.SimpleQueueService.NonExistentQueue", 400, sqs.get_queue_url, QueueName=unique("none"))
    refused("MissingParameter", 400, sqs.send_message, QueueUrl=url, MessageBody="")


@test
def batches():
    sqs, url, _ = queue(MaximumMessageSize="1024")
    out = sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": str(i), "MessageBody": str(i) * (2000 if i == 3 else 1)} for i in range(10)])
    equal(sorted(e["Id"] for e in out["Successful"]), list("012456789"))
    equal([(e["Id"], e["Code"], e["SenderFault"]) for e in out["Failed"]], [("3", "InvalidParameterValue", True)])
    got = receive(sqs, url)
    equal(sorted(bodies(got)), list("012456789"))
    entries = [{"Id": m["Body"], "ReceiptHandle": m["ReceiptHandle"]} for m in got]
    sqs.change_message_visibility_batch(QueueUrl=url, Entries=[{**e, "VisibilityTimeout": 0} for e in entries])
    got = receive(sqs, url)
    out = sqs.delete_message_batch(QueueUrl=url, Entries=[{"Id": m["Body"], "ReceiptHandle": m["ReceiptHandle"]} for m in got] + [{"Id": "bad", "ReceiptHandle": "x"}])
    equal((len(out["Successful"]), [(e["Id"], e["Code"]) for e in out["Failed"]]), (9, [("bad", "ReceiptHandleIsInvalid")]))
    refused("AWS.SimpleQueueService.EmptyBatchRequest", 400, sqs.send_message_batch, QueueUrl=url, Entries=[])
    refused("AWS.SimpleQueueService.TooManyEntriesInBatchRequest", 400, sqs.send_message_batch, QueueUrl=url, Entries=[{"Id": str(i), "MessageBody": "x"} for i in range(11)])
    refused("AWS.SimpleQueueService.BatchEntryIdsNotDistinct", 400, sqs.send_message_batch, QueueUrl=url, Entries=[{"Id": "a", "MessageBody": "x"}] * 2)
    refused("AWS.SimpleQueueService.InvalidBatchEntryId", 400, sqs.send_message_batch, QueueUrl=url, Entries=[{"Id": "a b", "MessageBody": "x"}])
    refused("AWS.SimpleQueueService.BatchRequestTooLong", 400, sqs.send_message_batch, QueueUrl=url, Entries=[{"Id": str(i), "MessageBody": "x" * 600_000} for i in range(2)])


@test
def long_polling_wakes():
    sqs, url, _ = queue()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        began = time.monotonic()
        waiting = pool.submit(receive, client("sqs"), url, WaitTimeSeconds=20)
        time.sleep(1)
        sqs.send_message(QueueUrl=url, MessageBody="now")
        equal(bodies(waiting.result()), ["now"])
        assert time.monotonic() - began < 3, time.monotonic() - began
        waiting = pool.submit(receive, client("sqs"), url, WaitTimeSeconds=20)
        time.sleep(0.2)
        sqs.send_message(QueueUrl=url, MessageBody="later", DelaySeconds=1)
        equal(bodies(waiting.result()), ["later"])


@test
def fifo():
    sqs, url, _ = queue(".fifo", FifoQueue="true", ContentBasedDeduplication="true")
    numbers = [sqs.send_message(QueueUrl=url, MessageBody=b, MessageGroupId=b[0])["SequenceNumber"] for b in ("a1", "b1", "a2", "b2")]
    equal(numbers, sorted(numbers))
    same = sqs.send_message(QueueUrl=url, MessageBody="a1", MessageGroupId="a")
    equal(same["SequenceNumber"], numbers[0])
    first = receive(sqs, url, MaxNumberOfMessages=1)
    equal(bodies(first), ["a1"])
    equal(bodies(receive(sqs, url)), ["b1", "b2"])
    sqs.delete_message(QueueUrl=url, ReceiptHandle=first[0]["ReceiptHandle"])
    equal(bodies(receive(sqs, url)), ["a2"])
    refused("MissingParameter", 400, sqs.send_message, QueueUrl=url, MessageBody="x")
    refused("InvalidParameterValue", 400, sqs.send_message, QueueUrl=url, MessageBody="x", MessageGroupId="g", DelaySeconds=1)


@test
def dead_letters_and_back():
    _, dead, arn = queue()
    sqs, url, _ = queue(VisibilityTimeout="0", RedrivePolicy=json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 2}))
    sqs.send_message(QueueUrl=url, MessageBody="bad")
    equal([len(receive(sqs, url)) for _ in range(3)], [1, 1, 0])
    equal(sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"], [url])
    sqs.start_message_move_task(SourceArn=arn)
    for _ in range(100):
        task = sqs.list_message_move_tasks(SourceArn=arn)["Results"][0]
        if task["Status"] == "COMPLETED":
            break
        time.sleep(0.1)
    equal((task["Status"], task["ApproximateNumberOfMessagesMoved"]), ("COMPLETED", 1))
    equal(bodies(receive(sqs, url)), ["bad"])


@test
def attributes_tags_permissions():
    sqs, url, arn = queue(DelaySeconds="7")
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "5", "ReceiveMessageWaitTimeSeconds": "1"})
    got = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    equal((got["QueueArn"], got["DelaySeconds"], got["VisibilityTimeout"], got["MaximumMessageSize"], got["SqsManagedSseEnabled"]), (arn, "7", "5", "1048576", "true"))
    refused("InvalidAttributeValue", 400, sqs.set_queue_attributes, QueueUrl=url, Attributes={"DelaySeconds": "901"})
    refused("InvalidAttributeName", 400, sqs.set_queue_attributes, QueueUrl=url, Attributes={"FifoQueue": "true"})
    refused("QueueAlreadyExists", 400, sqs.create_queue, QueueName=url.rsplit("/", 1)[1], Attributes={"DelaySeconds": "8"})
    sqs.tag_queue(QueueUrl=url, Tags={"a": "1", "b": "2"})
    sqs.untag_queue(QueueUrl=url, TagKeys=["a"])
    equal(sqs.list_queue_tags(QueueUrl=url)["Tags"], {"b": "2"})
    sqs.add_permission(QueueUrl=url, Label="other", AWSAccountIds=["111111111111"], Actions=["SendMessage"])
    policy = json.loads(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]["Policy"])
    equal(policy["Statement"][0]["Action"], "SQS:SendMessage")
    sqs.remove_permission(QueueUrl=url, Label="other")
    sqs.purge_queue(QueueUrl=url)
    refused("AWS.SimpleQueueService.PurgeQueueInProgress", 403, sqs.purge_queue, QueueUrl=url)
    equal(url in sqs.list_queues(QueueNamePrefix=url.rsplit("/", 1)[1])["QueueUrls"], True)
    sqs.delete_queue(QueueUrl=url)
    refused("AWS.SimpleQueueService.QueueDeletedRecently", 400, sqs.create_queue, QueueName=url.rsplit("/", 1)[1])


@test
def kms_key():
    kms = client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    sqs, url, _ = queue(KmsMasterKeyId=key)
    sqs.send_message(QueueUrl=url, MessageBody="secret")
    equal(bodies(receive(sqs, url)), ["secret"])
    kms.disable_key(KeyId=key)
    sqs, url, _ = queue(KmsMasterKeyId=key)
    refused("KMS.DisabledException", 400, sqs.send_message, QueueUrl=url, MessageBody="secret")
    sqs, url, _ = queue(KmsMasterKeyId="alias/aws/sqs")
    sqs.send_message(QueueUrl=url, MessageBody="managed")
    equal(bodies(receive(sqs, url)), ["managed"])


@test
def query_protocol():
    """What clients spoke before 2023, and some still do."""
    import botocore.auth
    import botocore.awsrequest
    import botocore.credentials
    import requests

    _, url, _ = queue()

    def call(action, path="/", **params):
        body = "&".join(f"{k}={requests.utils.quote(v, safe='')}" for k, v in {"Action": action, "Version": "2012-11-05", **params}.items())
        req = botocore.awsrequest.AWSRequest("POST", ENDPOINT + path, data=body, headers={"Content-Type": "application/x-www-form-urlencoded"})
        botocore.auth.SigV4Auth(botocore.credentials.Credentials("test", "test"), "sqs", REGION).add_auth(req)
        return requests.post(ENDPOINT + path, data=body, headers=dict(req.headers), timeout=10)

    r = call("SendMessage", QueueUrl=url, MessageBody="old", **{"MessageAttribute.1.Name": "n", "MessageAttribute.1.Value.DataType": "String", "MessageAttribute.1.Value.StringValue": "v"})
    equal((r.status_code, "<MD5OfMessageBody>149603e6c03516362a8da23f624db945</MD5OfMessageBody>" in r.text), (200, True))
    r = call("ReceiveMessage", path=url.removeprefix(ENDPOINT), **{"AttributeName.1": "All", "MessageAttributeName.1": "All"})
    equal((r.status_code, "<Body>old</Body>" in r.text, "<Name>SenderId</Name>" in r.text, "<StringValue>v</StringValue>" in r.text), (200, True, True, True))
    r = call("GetQueueUrl", QueueName=unique("none"))
    equal((r.status_code, "<Code>AWS.SimpleQueueService.NonExistentQueue</Code>" in r.text, "for this wsdl version" in r.text), (400, True, True))


@test
def of_a_stack():
    cfn, name = client("cloudformation"), unique("stack")
    template = {
        "Resources": {
            "Dead": {"Type": "AWS::SQS::Queue"},
            "Jobs": {
                "Type": "AWS::SQS::Queue",
                "Properties": {
                    "QueueName": name + ".fifo", "FifoQueue": True, "ContentBasedDeduplication": True, "VisibilityTimeout": 60,
                    "Tags": [{"Key": "a", "Value": "1"}],
                },
            },
            "Plain": {"Type": "AWS::SQS::Queue", "Properties": {"RedrivePolicy": {"deadLetterTargetArn": {"Fn::GetAtt": ["Dead", "Arn"]}, "maxReceiveCount": 3}}},
            "Policy": {
                "Type": "AWS::SQS::QueuePolicy",
                "Properties": {
                    "Queues": [{"Ref": "Plain"}],
                    "PolicyDocument": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": {"Fn::GetAtt": ["Plain", "Arn"]}}]},
                },
            },
        },
        "Outputs": {"Url": {"Value": {"Ref": "Jobs"}}, "Plain": {"Value": {"Ref": "Plain"}}, "Name": {"Value": {"Fn::GetAtt": ["Jobs", "QueueName"]}}},
    }
    cfn.create_stack(StackName=name, TemplateBody=json.dumps(template))
    cfn.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    out = {o["OutputKey"]: o["OutputValue"] for o in cfn.describe_stacks(StackName=name)["Stacks"][0]["Outputs"]}
    equal(out["Name"], name + ".fifo")
    sqs = client("sqs")
    equal(sqs.get_queue_attributes(QueueUrl=out["Url"], AttributeNames=["VisibilityTimeout", "FifoQueue"])["Attributes"], {"VisibilityTimeout": "60", "FifoQueue": "true"})
    equal(set(sqs.get_queue_attributes(QueueUrl=out["Plain"], AttributeNames=["Policy", "RedrivePolicy"])["Attributes"]), {"Policy", "RedrivePolicy"})
    del template["Resources"]["Jobs"]["Properties"]["VisibilityTimeout"], template["Resources"]["Policy"]
    cfn.update_stack(StackName=name, TemplateBody=json.dumps(template))
    cfn.get_waiter("stack_update_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    equal(sqs.get_queue_attributes(QueueUrl=out["Url"], AttributeNames=["VisibilityTimeout"])["Attributes"], {"VisibilityTimeout": "30"})
    equal("Attributes" in sqs.get_queue_attributes(QueueUrl=out["Plain"], AttributeNames=["Policy"]), False)
    cfn.delete_stack(StackName=name)
    cfn.get_waiter("stack_delete_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    refused("AWS.SimpleQueueService.NonExistentQueue", 400, sqs.get_queue_url, QueueName=name + ".fifo")
