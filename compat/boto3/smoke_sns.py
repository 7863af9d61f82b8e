import base64
import http.server
import json
import queue
import threading

import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

import smoke_lambda
from harness import ACCOUNT, REGION, client, contains, equal, mailbox, refused, test, unique, until


def topic(**attributes):
    sns, name = client("sns"), unique("topic") + (".fifo" if attributes.get("FifoTopic") == "true" else "")
    arn = sns.create_topic(Name=name, Attributes=attributes)["TopicArn"]
    equal(arn, f"arn:aws:sns:{REGION}:{ACCOUNT}:{name}")
    return sns, arn


def inbox(arn, fifo=False, allow=True):
    """A queue that lets the topic send to it, with its ARN and a way to read it."""
    sqs, name = client("sqs"), unique("queue") + (".fifo" if fifo else "")
    url = sqs.create_queue(QueueName=name, Attributes={"FifoQueue": "true"} if fifo else {})["QueueUrl"]
    own = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
    if allow:
        policy = {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": own, "Condition": {"ArnEquals": {"aws:SourceArn": arn}}}],
        }
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})

    def read(n):
        out = []

        def more():
            for m in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1, MessageAttributeNames=["All"], AttributeNames=["All"]).get("Messages", []):
                sqs.delete_message(QueueUrl=url, ReceiptHandle=m["ReceiptHandle"])
                out.append(m)
            return len(out) >= n

        until(more, f"{n} messages in {name}")
        equal(len(out), n)
        return out

    return own, read


def verify(message):
    """Checks the signature as a receiver does: with the certificate that it names."""
    cert = x509.load_pem_x509_certificate(requests.get(message["SigningCertURL"], timeout=10).content)
    names = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
    if message["Type"] != "Notification":
        names = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    text = "".join(f"{n}\n{message[n]}\n" for n in names if n in message)
    digest = hashes.SHA1() if message["SignatureVersion"] == "1" else hashes.SHA256()
    cert.public_key().verify(base64.b64decode(message["Signature"]), text.encode(), padding.PKCS1v15(), digest)


class Receiver:
    """A web server on this machine that keeps what it is posted."""

    def __init__(self):
        got = self.got = queue.Queue()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                got.put((self.headers, body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/in"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def next(self):
        return self.got.get(timeout=30)


@test
def topic_to_queue():
    sns, arn = topic()
    queue_arn, read = inbox(arn)
    raw_arn, read_raw = inbox(arn)
    sub = sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue_arn)["SubscriptionArn"]
    sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=raw_arn, Attributes={"RawMessageDelivery": "true", "FilterPolicy": '{"kind":["b",{"prefix":"c"}]}'})
    published = sns.publish(TopicArn=arn, Message="one", Subject="S", MessageAttributes={"kind": {"DataType": "String", "StringValue": "a"}})
    [got] = read(1)
    body = json.loads(got["Body"])
    equal((body["Message"], body["Subject"], body["MessageId"], body["MessageAttributes"]), ("one", "S", published["MessageId"], {"kind": {"Type": "String", "Value": "a"}}))
    verify(body)
    batch = [{"Id": k, "Message": k, "MessageAttributes": {"kind": {"DataType": "String", "StringValue": k}}} for k in ("a", "b", "cc")]
    equal(len(sns.publish_batch(TopicArn=arn, PublishBatchRequestEntries=batch)["Successful"]), 3)
    equal(sorted(m["Body"] for m in read_raw(2)), ["b", "cc"])
    equal(sorted(json.loads(m["Body"])["Message"] for m in read(3)), ["a", "b", "cc"])
    sns.unsubscribe(SubscriptionArn=sub)
    refused("NotFound", 404, sns.get_subscription_attributes, SubscriptionArn=sub)
    sns.delete_topic(TopicArn=arn)
    refused("NotFound", 404, sns.publish, TopicArn=arn, Message="x")


@test
def a_queue_decides_who_may_send():
    sns, arn = topic()
    closed, read = inbox(arn, allow=False)
    dead, read_dead = inbox(arn)
    sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=closed, Attributes={"RedrivePolicy": json.dumps({"deadLetterTargetArn": dead})})
    sns.publish(TopicArn=arn, Message="unwanted")
    equal([json.loads(m["Body"])["Message"] for m in read_dead(1)], ["unwanted"])
    read(0)


@test
def fifo_keeps_order():
    sns, arn = topic(FifoTopic="true", ContentBasedDeduplication="true")
    queue_arn, read = inbox(arn, fifo=True)
    sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue_arn, Attributes={"RawMessageDelivery": "true"})
    first = sns.publish(TopicArn=arn, Message="0", MessageGroupId="g")
    equal(sns.publish(TopicArn=arn, Message="0", MessageGroupId="g")["MessageId"], first["MessageId"])
    for i in range(1, 20):
        sns.publish(TopicArn=arn, Message=str(i), MessageGroupId="g")
    equal([m["Body"] for m in read(20)], [str(i) for i in range(20)])


@test
def topic_to_function():
    lam, f = smoke_lambda.function("""
import json
def handler(event, context):
    print("EVENT", json.dumps(event))
""")
    sns, arn = topic()
    function_arn = lam.get_function(FunctionName=f)["Configuration"]["FunctionArn"]
    lam.add_permission(FunctionName=f, StatementId="sns", Action="lambda:InvokeFunction", Principal="sns.amazonaws.com", SourceArn=arn)
    sub = sns.subscribe(TopicArn=arn, Protocol="lambda", Endpoint=function_arn)["SubscriptionArn"]
    sns.publish(TopicArn=arn, Message="hello")
    logs = client("logs")

    def seen():
        try:
            lines = logs.filter_log_events(logGroupName=f"/aws/lambda/{f}", filterPattern="EVENT")["events"]
        except logs.exceptions.ResourceNotFoundException:
            return None
        return lines and lines[0]["message"]

    record = json.loads(until(seen, "the function was invoked").split("EVENT ", 1)[1])["Records"][0]
    equal((record["EventSource"], record["EventSubscriptionArn"], record["Sns"]["Message"], record["Sns"]["Subject"]), ("aws:sns", sub, "hello", None))


@test
def topic_to_web_server():
    receiver = Receiver()
    sns, arn = topic(SignatureVersion="2")
    equal(sns.subscribe(TopicArn=arn, Protocol="http", Endpoint=receiver.url)["SubscriptionArn"], "pending confirmation")
    headers, body = receiver.next()
    ask = json.loads(body)
    equal((headers["x-amz-sns-message-type"], ask["Type"]), ("SubscriptionConfirmation", "SubscriptionConfirmation"))
    verify(ask)
    contains(requests.get(ask["SubscribeURL"], timeout=10).text, "<SubscriptionArn>" + arn)
    sns.publish(TopicArn=arn, Message="hé\n<b>", Subject="S")
    headers, body = receiver.next()
    message = json.loads(body)
    equal((message["Message"], headers["x-amz-sns-message-id"], headers["x-amz-sns-topic-arn"]), ("hé\n<b>", message["MessageId"], arn))
    verify(message)
    equal(requests.get(message["UnsubscribeURL"], timeout=10).status_code, 200)
    equal(json.loads(receiver.next()[1])["Type"], "UnsubscribeConfirmation")


@test
def topic_to_mailbox():
    sns, arn = topic(DisplayName="Shop")
    address = unique("ada") + "@example.com"
    sns.subscribe(TopicArn=arn, Protocol="email", Endpoint=address)
    ask = until(lambda: mailbox(address), "a mail asks for confirmation")
    link = next(w for w in ask["Text"].split() if w.startswith("http"))
    equal(requests.get(link, timeout=10).status_code, 200)
    sns.publish(TopicArn=arn, Message="Hello", Subject="News")
    contains(until(lambda: (m := mailbox(address))["Subject"] == "News" and m, "the news")["Text"], "Hello")


@test
def topics_refuse():
    sns, arn = topic()
    equal(refused("InvalidParameter", 400, sns.create_topic, Name="a.fifo"), "Invalid parameter: Topic Name")
    equal(refused("InvalidParameter", 400, sns.publish, TopicArn=arn, Message=""), "Invalid parameter: Empty message")
    equal(refused("InvalidParameter", 400, sns.publish, TopicArn=arn, Message="x" * (256 * 1024 + 1)), "Invalid parameter: Message too long")
    contains(refused("InvalidParameter", 400, sns.subscribe, TopicArn=arn, Protocol="sms", Endpoint="+15551234567"), "moln does not have")
    refused("NotImplemented", 501, sns.create_platform_application, Name="a", Platform="GCM", Attributes={})
    nobody = client("iam")
    user = unique("user")
    nobody.create_user(UserName=user)
    key = nobody.create_access_key(UserName=user)["AccessKey"]
    stranger = client("sns", (key["AccessKeyId"], key["SecretAccessKey"]))
    contains(refused("AuthorizationError", 403, stranger.publish, TopicArn=arn, Message="x"), "is not authorized to perform: SNS:Publish on resource: " + arn)


TEMPLATE = """
Parameters:
  Extra: {Type: String, Default: "a"}
Resources:
  Queue: {Type: AWS::SQS::Queue}
  Other: {Type: AWS::SQS::Queue}
  Topic:
    Type: AWS::SNS::Topic
    Properties:
      DisplayName: !Ref Extra
      Subscription: [{Protocol: sqs, Endpoint: !GetAtt Queue.Arn}]
      Tags: [{Key: k, Value: !Ref Extra}]
  Subscription:
    Type: AWS::SNS::Subscription
    Properties:
      TopicArn: !Ref Topic
      Protocol: sqs
      Endpoint: !GetAtt Other.Arn
      RawMessageDelivery: true
      FilterPolicyScope: MessageBody
      FilterPolicy: {kind: {name: [!Ref Extra]}}
  Policy:
    Type: AWS::SNS::TopicPolicy
    Properties:
      Topics: [!Ref Topic]
      PolicyDocument:
        Version: "2012-10-17"
        Statement: [{Effect: Allow, Principal: {Service: s3.amazonaws.com}, Action: sns:Publish, Resource: !Ref Topic}]
Outputs:
  Topic: {Value: !Ref Topic}
  Name: {Value: !GetAtt Topic.TopicName}
  Subscription: {Value: !Ref Subscription}
"""


@test
def topics_of_a_stack():
    cfn, sns, name = client("cloudformation"), client("sns"), unique("stack")
    cfn.create_stack(StackName=name, TemplateBody=TEMPLATE)
    cfn.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    out = {o["OutputKey"]: o["OutputValue"] for o in cfn.describe_stacks(StackName=name)["Stacks"][0]["Outputs"]}
    equal(out["Topic"].rsplit(":", 1)[1], out["Name"])
    attributes = sns.get_topic_attributes(TopicArn=out["Topic"])["Attributes"]
    equal((attributes["DisplayName"], attributes["SubscriptionsConfirmed"]), ("a", "2"))
    contains(attributes["Policy"], "s3.amazonaws.com")
    got = sns.get_subscription_attributes(SubscriptionArn=out["Subscription"])["Attributes"]
    equal((got["RawMessageDelivery"], json.loads(got["FilterPolicy"]), got["FilterPolicyScope"]), ("true", {"kind": {"name": ["a"]}}, "MessageBody"))
    without = TEMPLATE.replace("      Subscription: [{Protocol: sqs, Endpoint: !GetAtt Queue.Arn}]\n", "")
    cfn.update_stack(StackName=name, TemplateBody=without, Parameters=[{"ParameterKey": "Extra", "ParameterValue": "b"}])
    cfn.get_waiter("stack_update_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    attributes = sns.get_topic_attributes(TopicArn=out["Topic"])["Attributes"]
    equal((attributes["DisplayName"], attributes["SubscriptionsConfirmed"]), ("b", "1"))
    equal(json.loads(sns.get_subscription_attributes(SubscriptionArn=out["Subscription"])["Attributes"]["FilterPolicy"]), {"kind": {"name": ["b"]}})
    equal([t["Value"] for t in sns.list_tags_for_resource(ResourceArn=out["Topic"])["Tags"] if t["Key"] == "k"], ["b"])
    cfn.delete_stack(StackName=name)
    cfn.get_waiter("stack_delete_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    refused("NotFound", 404, sns.get_topic_attributes, TopicArn=out["Topic"])
