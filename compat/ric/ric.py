"""Calls one function on each runtime interface client named on the command
line, and on moln's own bootstraps, and compares."""

import base64
import io
import json
import os
import stat
import sys
import time
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "boto3"))

from harness import ACCOUNT, REGION, client, contains, document, equal, main, test, trust, unique  # noqa: E402

BUILT = os.path.join(os.environ["MOLN_DEPS"], "ric")
PAYLOAD_MAX = 6 * 1024 * 1024
MEMORY_MB = 512
TIMEOUT_S = 3
lam = client("lambda", read_timeout=60)

# Which bootstrap of moln's does what the client does, and the words of errors:
# of the function's own, and of the language's.
CLIENTS = {
    "node3": ("nodejs20.x", "index.handler", "Bad", "string"),
    "node4": ("nodejs24.x", "index.handler", "Bad", "string"),
    "python": ("python3.11", "index.handler", "Bad", "ZeroDivisionError"),
    "java": ("java25", "example.Handler", "example.Handler$Bad", "java.lang.AssertionError"),
    "go": (None, "bootstrap", "Bad", "string"),
    "rust": (None, "bootstrap", None, None),
}
SOURCES = {"node": ["index.js"], "python": ["index.py"], "java": ["example"], "ruby": ["index.rb"]}


def packed(root, names=None):
    """A zip of a directory, or of some names in it, with the files' modes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as z:
        for name in names or [n for n in sorted(os.listdir(root)) if n != ".sum"]:
            top = os.path.join(root, name)
            files = [top] if os.path.isfile(top) else [os.path.join(d, f) for d, _, fs in os.walk(top) for f in fs]
            for file in files:
                info = zipfile.ZipInfo(os.path.relpath(file, root))
                info.external_attr = (stat.S_IFREG | os.stat(file).st_mode & 0o777) << 16
                with open(file, "rb") as f:
                    z.writestr(info, f.read(), zipfile.ZIP_DEFLATED, 1)
    return out.getvalue()


def role():
    iam, name = client("iam"), unique("role")
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust(Service="lambda.amazonaws.com"))["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="logs", PolicyDocument=document(["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]))
    return arn


ROLE = role()


class Function:
    """One function, made at its first use."""

    def __init__(self, runtime, handler, code):
        self.runtime, self.handler, self.code, self.name = runtime, handler, code, None

    def make(self):
        if self.name:
            return
        self.name = unique("ric")
        lam.create_function(FunctionName=self.name, Runtime=self.runtime, Handler=self.handler, Role=ROLE, Code={"ZipFile": self.code()},
                            Timeout=TIMEOUT_S, MemorySize=MEMORY_MB, Environment={"Variables": {"OWN": "mine"}})
        lam.get_waiter("function_active_v2").wait(FunctionName=self.name, WaiterConfig={"Delay": 1})

    def call(self, do, context=None, **event):
        self.make()
        more = {"ClientContext": base64.b64encode(json.dumps(context).encode()).decode()} if context else {}
        out = lam.invoke(FunctionName=self.name, Payload=json.dumps(dict(event, do=do)), LogType="Tail", **more)
        body = json.loads(out["Payload"].read())
        return out.get("FunctionError"), body, base64.b64decode(out["LogResult"]).decode(), out

    def raw(self, event):
        self.make()
        out = lam.invoke(FunctionName=self.name, Payload=json.dumps(event))
        return out.get("FunctionError"), out["Payload"].read().decode()

    def fine(self, do, **event):
        failed, body, tail, _ = self.call(do, **event)
        if failed:
            raise AssertionError(f"{do} failed: {json.dumps(body)[:300]} {tail[-600:]}")
        return body, tail


def starts_cold_then_warm(f, _):
    body, tail = f.fine("count")
    equal(body, 1)
    contains(tail, "Init Duration: ")
    body, tail = f.fine("count")
    equal((body, "Init Duration" in tail), (2, False))


def echoes(f, _):
    for value in [{"a": [1, 2.5, "ö€\U0001f600", None, True]}, "text", 7, [], False, None, {}]:
        body, _ = f.fine("echo", value=value)
        if value == {"a": [1, 2.5, "ö€\U0001f600", None, True]} or value is not None:
            equal(body, value)


def logs(f, _):
    _, tail = f.fine("log", value="ünder")
    contains(tail, "logged ünder")
    contains(tail, "REPORT RequestId: ")


def tells_the_context(f, _):
    app = {"installation_id": "i", "app_title": "t", "app_version_name": "1", "app_version_code": "1", "app_package_name": "p"}
    failed, c, _, out = f.call("context", context={"custom": {"k": "v"}, "client": app, "env": {"platform": "x"}})
    equal((failed, c if failed else None), (None, None))
    equal((c["request"], c["name"], c["version"]), (out["ResponseMetadata"]["RequestId"], f.name, "$LATEST"))
    equal((c["arn"], c["group"]), (f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{f.name}", "/aws/lambda/" + f.name))
    equal((c["memory"], c["custom"], c["region"], c["own"]), (MEMORY_MB, "v", REGION, "mine"))
    equal((c["stream"][:8], 0 < c["left"] <= TIMEOUT_S * 1000), (time.strftime("%Y/%m/", time.gmtime()), True))
    equal((c["trace"] or "").startswith("Root="), True)
    body, _ = f.fine("context")
    equal(body.get("custom"), None)


def fails(f, want, do):
    failed, body, tail, out = f.call(do)
    equal((failed, out["StatusCode"]), ("Unhandled", 200))
    equal(bool(body["errorType"] and body["errorMessage"]), True)
    if want:
        equal(body["errorType"], want)


def tells_its_own_error(f, words):
    fails(f, words[0], "handled")
    contains(f.call("handled")[1]["errorMessage"], "told to fail")
    f.fine("echo", value=1)


def tells_any_error(f, words):
    fails(f, words[1], "thrown")
    f.fine("echo", value=1)


def takes_6_mb(f, _):
    n = PAYLOAD_MAX - len(json.dumps({"do": "size", "value": ""}))
    body, _ = f.fine("size", value="x" * n)
    equal(body, n)


def answers_6_mb(f, _):
    body, _ = f.fine("big", bytes=PAYLOAD_MAX - 2)
    equal(len(body), PAYLOAD_MAX - 2)


def answers_too_much(f, _):
    failed, body, _, _ = f.call("big", bytes=PAYLOAD_MAX + 1000)
    equal((failed, body["errorType"]), ("Unhandled", "Function.ResponseSizeTooLarge"))
    f.fine("echo", value=1)


def times_out(f, _):
    failed, body, tail, _ = f.call("sleep")
    equal((failed, body["errorType"]), ("Unhandled", "Sandbox.Timedout"))
    contains(body["errorMessage"], f"Task timed out after {TIMEOUT_S}.00 seconds")
    contains(tail, "Status: timeout")
    equal(f.fine("count")[0], 1)


def exits(f, _):
    failed, body, _, _ = f.call("exit")
    equal((failed, body["errorType"]), ("Unhandled", "Runtime.ExitError"))
    contains(body["errorMessage"], "exit status 3")
    equal(f.fine("count")[0], 1)


CASES = [starts_cold_then_warm, echoes, logs, tells_the_context, tells_its_own_error, tells_any_error, takes_6_mb, answers_6_mb, answers_too_much, times_out, exits]


def register(name, f, words):
    for case in CASES:
        def run(case=case):
            case(f, words)

        run.__name__, run.__module__ = case.__name__, name
        test(run)


def compare(name, ric, own):
    """Errors have the same fields, of the same types, and the same values where
    those are the function's."""

    def errors():
        for do in ("handled", "thrown"):
            a, b = ric.call(do)[1], own.call(do)[1]
            equal({k: type(v).__name__ for k, v in b.items()}, {k: type(v).__name__ for k, v in a.items()})
            equal((b["errorType"], b["errorMessage"]), (a["errorType"], a["errorMessage"]))

    def values():
        for value in [1e21, 0.1, 12345678901234567890, "\u2028\x00\"\\/", {"b": 1, "a": {"c": None}}, [[]]]:
            equal(own.fine("echo", value=value)[0], ric.fine("echo", value=value)[0])

    for f in (errors, values):
        f.__module__ = name
        f.__name__ = "same_" + f.__name__
        test(f)



STAMP = "1970-01-12T13:46:40.123Z"
EVENTS = {
    "rest": {"httpMethod": "POST", "path": "/a", "body": "b", "headers": {"X-Y": "z"}, "isBase64Encoded": False, "resource": "/{p+}",
             "requestContext": {"stage": "dev", "identity": {"sourceIp": "1.2.3.4"}, "authorizer": {"claims": {"sub": "u"}}}},
    "http": {"version": "2.0", "rawPath": "/p", "cookies": ["a=b"], "isBase64Encoded": True, "requestContext": {"http": {"method": "GET"}, "timeEpoch": 1}},
    "queue": {"Records": [{"messageId": "m", "body": "b", "eventSourceARN": "arn:q", "attributes": {"SentTimestamp": "5"},
                           "messageAttributes": {"a": {"stringValue": "v", "dataType": "String", "binaryListValues": []}}}]},
    "topic": {"Records": [{"EventSource": "aws:sns", "Sns": {"Message": "m", "TopicArn": "arn:t", "Timestamp": STAMP, "MessageAttributes": {"a": {"Type": "String", "Value": "v"}}}}]},
    "bucket": {"Records": [{"eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "us-east-1", "eventTime": STAMP, "eventName": "ObjectCreated:Put",
                            "userIdentity": {"principalId": "P"}, "requestParameters": {"sourceIPAddress": "1.2.3.4"},
                            "responseElements": {"x-amz-request-id": "R", "x-amz-id-2": "I"},
                            "s3": {"s3SchemaVersion": "1.0", "configurationId": "c", "bucket": {"name": "b", "ownerIdentity": {"principalId": "O"}, "arn": "arn:b"},
                                   "object": {"key": "a+b%20c", "size": 7, "eTag": "e", "sequencer": "s"}}}]},
    "table": {"Records": [{"eventID": "1", "eventName": "INSERT", "eventSourceARN": "arn:t", "dynamodb": {
        "ApproximateCreationDateTime": 1000000.5, "Keys": {"id": {"S": "k"}}, "StreamViewType": "NEW_IMAGE", "SequenceNumber": "1", "SizeBytes": 3,
        "NewImage": {"n": {"N": "4"}, "m": {"M": {"x": {"BOOL": True}}}, "l": {"L": [{"NULL": True}]}, "ss": {"SS": ["p", "q"]}, "b": {"B": "aGk="}}}}]},
    "stream": {"Records": [{"eventID": "e", "eventSourceARN": "arn:k", "kinesis": {"data": "aGk=", "approximateArrivalTimestamp": 1000000.25, "partitionKey": "p"}}]},
    "rule": {"detail-type": "Scheduled", "detail": {"k": "v"}, "time": "2020-01-02T03:04:05Z", "resources": ["arn:r"], "source": "aws.events"},
    "signUp": {"version": "1", "triggerSource": "PreSignUp_SignUp", "userName": "u", "callerContext": {"clientId": "c"}, "request": {"userAttributes": {"email": "e"}}},
    "all": {"text": 5, "small": 1, "large": 12345678901, "fraction": 1, "flag": True, "nested": [{"a": 1}], "words": "one", "bytes": "aGk=", "date": 1600000000000,
            "day": [2020, 1, 2], "aName": "n", "letter": "x", "any": {"a": [1.5]}, "open": 0.5, "hidden": "changed", "unknown": 1},
    "map": [1, 2],
    "record": 7,
    "noRecord": {"x": 1, "label": "l"},
}


def compare_events(package):
    """AWS's event classes, and beans, come out as with AWS's own serializer."""

    for name, event in EVENTS.items():
        ric = Function("provided.al2023", "example.Events::" + name, package)
        own = Function("java25", "example.Events::" + name, package)

        def same(event=event, ric=ric, own=own):
            equal(own.raw(event), ric.raw(event))

        same.__module__, same.__name__ = "java_events", name
        test(same)


def runs(runtime):
    """Whether this host has something for the runtime."""
    try:
        f = Function(runtime, "x.y", lambda: packed(HERE, ["index.js"]))
        f.make()
        return True
    except lam.exceptions.InvalidParameterValueException as e:
        print(f"SKIPPED moln's own {runtime}: {e}")
        return False


for name in sys.argv[1:]:
    runtime, handler, bad, thrown = CLIENTS[name]
    ric = Function("provided.al2023", handler, lambda name=name: packed(os.path.join(BUILT, name)))
    register(name, ric, (bad, thrown))
    if runtime and runs(runtime):
        language = name.rstrip("34")
        where = HERE if language != "java" else os.path.join(BUILT, name)
        own = Function(runtime, handler, lambda where=where, language=language: packed(where, SOURCES[language]))
        register("own_" + name, own, (bad, thrown))
        compare(name + "_own", ric, own)
        if name == "java":
            compare_events(lambda: packed(os.path.join(BUILT, "java")))
if runs("ruby3.4"):
    register("own_ruby", Function("ruby3.4", "index.handler", lambda: packed(HERE, SOURCES["ruby"])), ("Function<Bad>", "Function<ArgumentError>"))
sys.argv[1:] = []
main()
