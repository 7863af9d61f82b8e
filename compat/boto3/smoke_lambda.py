import base64
import json
import time

import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from harness import ACCOUNT, ENDPOINT, REGION, client, contains, document, equal, refused, test, trust, unique, until, zipped

RUNTIME = "python3.11"

HANDLER = """
import json, os
def handler(event, context):
    print("seen", event.get("name"))
    if event.get("fail"):
        raise ValueError("told to fail")
    return {"hello": event.get("name"), "env": os.environ.get("COLOUR"), "arn": context.invoked_function_arn, "id": context.aws_request_id}
"""


def role(service="lambda.amazonaws.com"):
    """A role which that service may assume, and which may write logs."""
    iam, name = client("iam"), unique("role")
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust(Service=service))["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="logs", PolicyDocument=document(["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]))
    return arn


def function(code=HANDLER, **more):
    lam, name = client("lambda", read_timeout=60), unique("function")
    lam.create_function(FunctionName=name, Runtime=RUNTIME, Handler="main.handler", Role=role(), Code={"ZipFile": zipped(main_py=code)}, Timeout=10, **more)
    lam.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    return lam, name


def invoke(lam, function_name, **event):
    out = lam.invoke(FunctionName=function_name, Payload=json.dumps(event), LogType="Tail")
    return out, json.loads(out["Payload"].read())


@test
def create_and_invoke():
    lam, f = function(Environment={"Variables": {"COLOUR": "blue"}})
    conf = lam.get_function(FunctionName=f)["Configuration"]
    equal((conf["FunctionArn"], conf["State"], conf["Runtime"]), (f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{f}", "Active", RUNTIME))
    out, got = invoke(lam, f, name="ada")
    equal((out["StatusCode"], "FunctionError" in out, out["ExecutedVersion"]), (200, False, "$LATEST"))
    equal((got["hello"], got["env"], got["arn"], got["id"]), ("ada", "blue", conf["FunctionArn"], out["ResponseMetadata"]["RequestId"]))
    tail = base64.b64decode(out["LogResult"]).decode()
    contains(tail, "seen ada")
    contains(tail, "REPORT RequestId: " + got["id"])
    equal(lam.invoke(FunctionName=f, InvocationType="DryRun")["StatusCode"], 204)


@test
def error_shape():
    lam, f = function()
    out, got = invoke(lam, f, fail=True)
    equal((out["StatusCode"], out["FunctionError"]), (200, "Unhandled"))
    equal((got["errorType"], got["errorMessage"]), ("ValueError", "told to fail"))
    equal(isinstance(got["stackTrace"], list), True)
    _, again = invoke(lam, f, name="still here")
    equal(again["hello"], "still here")
    refused("ResourceNotFoundException", 404, lam.invoke, FunctionName=unique("none"))
    refused("InvalidRequestContentException", 400, lam.invoke, FunctionName=f, Payload=b"{")
    _, broken = function("def handler(:\n")
    _, got = invoke(lam, broken)
    equal(got["errorType"], "Runtime.UserCodeSyntaxError")


@test
def timeout_shape():
    lam, f = function("import time\ndef handler(e, c):\n    time.sleep(30)\n")
    lam.update_function_configuration(FunctionName=f, Timeout=1)
    lam.get_waiter("function_updated_v2").wait(FunctionName=f, WaiterConfig={"Delay": 1})
    began = time.monotonic()
    out, got = invoke(lam, f)
    equal(out["FunctionError"], "Unhandled")
    took = time.monotonic() - began
    equal((took, 1 <= took < 5), (took, True))
    contains(got["errorMessage"], "Task timed out after 1.00 seconds")


@test
def logs_appear():
    lam, f = function()
    _, got = invoke(lam, f, name="grace")
    logs = client("logs")

    def lines():
        try:
            return [e["message"] for e in logs.filter_log_events(logGroupName="/aws/lambda/" + f)["events"]]
        except logs.exceptions.ResourceNotFoundException:
            return []

    text = "".join(until(lambda: [x for x in [lines()] if any("REPORT" in m for m in x)], "a REPORT line in the log group")[0])
    for part in ("START RequestId: " + got["id"], "seen grace", "END RequestId: " + got["id"], "Billed Duration"):
        contains(text, part)


@test
def update_version_alias():
    lam, f = function()
    first = lam.publish_version(FunctionName=f)["Version"]
    equal(first, "1")
    lam.update_function_code(FunctionName=f, ZipFile=zipped(main_py="def handler(e, c): return c.function_version"))
    lam.get_waiter("function_updated_v2").wait(FunctionName=f, WaiterConfig={"Delay": 1})
    second = lam.publish_version(FunctionName=f)["Version"]
    lam.create_alias(FunctionName=f, Name="live", FunctionVersion=second)
    out = lam.invoke(FunctionName=f, Qualifier="live")
    equal((out["ExecutedVersion"], json.loads(out["Payload"].read())), (second, second))
    out = lam.invoke(FunctionName=f, Qualifier=first, Payload=b'{"name":"old"}')
    equal(json.loads(out["Payload"].read())["hello"], "old")
    lam.delete_function(FunctionName=f)
    refused("ResourceNotFoundException", 404, lam.get_function, FunctionName=f)


@test
def asynchronous():
    lam, f = function()
    equal(lam.invoke(FunctionName=f, InvocationType="Event", Payload=b'{"name":"later"}')["StatusCode"], 202)
    logs = client("logs")

    def seen():
        try:
            return logs.filter_log_events(logGroupName="/aws/lambda/" + f, filterPattern='"seen later"')["events"]
        except logs.exceptions.ResourceNotFoundException:
            return None

    until(seen, "the event reached the function")


@test
def node():
    lam, name = client("lambda", read_timeout=60), unique("node")
    code = "exports.handler = async (e, c) => { console.log('seen', e.name); return { hello: e.name, node: process.version } }"
    lam.create_function(FunctionName=name, Runtime="nodejs20.x", Handler="index.handler", Role=role(), Code={"ZipFile": zipped(index_js=code)})
    lam.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    _, got = invoke(lam, name, name="alan")
    equal((got["hello"], got["node"].split(".")[0]), ("alan", "v20"))


@test
def credentials():
    """A function gets its role's credentials, and may do what the role may."""
    lam, f = function("def handler(e, c):\n    import os\n    return [os.environ.get('AWS_ACCESS_KEY_ID', ''), os.environ.get('AWS_SESSION_TOKEN', ''), os.environ.get('AWS_SECRET_ACCESS_KEY', '')]")
    _, got = invoke(lam, f)
    me = client("sts", (got[0], got[2], got[1])).get_caller_identity()["Arn"]
    contains(me, ":assumed-role/")
    refused("AccessDenied", 403, client("s3", (got[0], got[2], got[1])).list_buckets)


STREAMER = """
exports.handler = awslambda.streamifyResponse(async (event, out) => {
  out.write('first ');
  await new Promise((resolve) => setTimeout(resolve, 300));
  if (event.fail) throw new TypeError('told to fail');
  out.end('last');
});
"""


def streamer():
    lam, name = client("lambda", read_timeout=60), unique("function")
    lam.create_function(FunctionName=name, Runtime="nodejs20.x", Handler="main.handler", Role=role(), Code={"ZipFile": zipped(main_js=STREAMER)}, Timeout=10)
    return lam, name


@test
def response_stream():
    lam, f = streamer()
    out = lam.invoke_with_response_stream(FunctionName=f, Payload=b"{}", LogType="Tail")
    equal((out["StatusCode"], out["ExecutedVersion"]), (200, "$LATEST"))
    events = [(time.monotonic(), e) for e in out["EventStream"]]
    chunks = [(at, e["PayloadChunk"]["Payload"]) for at, e in events if "PayloadChunk" in e]
    equal(b"".join(c for _, c in chunks), b"first last")
    equal(chunks[-1][0] - chunks[0][0] > 0.15, True)
    end = events[-1][1]["InvokeComplete"]
    equal("ErrorCode" in end, False)
    contains(base64.b64decode(end["LogResult"]).decode(), "REPORT RequestId")
    out = lam.invoke_with_response_stream(FunctionName=f, Payload=b'{"fail":1}')
    end = list(out["EventStream"])[-1]["InvokeComplete"]
    equal((end["ErrorCode"], json.loads(end["ErrorDetails"])["errorMessage"]), ("Unhandled", "told to fail"))
    equal(lam.invoke(FunctionName=f, Payload=b"{}")["Payload"].read(), b"first last")


def through(url, path="", signer=None, **how):
    """Calls a function URL at moln's own address: not every resolver knows names below localhost."""
    host = url.split("/")[2]
    request = AWSRequest(method=how.get("method", "GET"), url=ENDPOINT + "/" + path, data=how.get("data", b""), headers={"Host": host, **how.get("headers", {})})
    if signer:
        SigV4Auth(Credentials(*signer), "lambda", REGION).add_auth(request)
    return requests.request(request.method, request.url, data=request.data, headers=dict(request.headers), timeout=30)


def open_to_all(lam, f):
    lam.add_permission(FunctionName=f, StatementId="url", Action="lambda:InvokeFunctionUrl", Principal="*", FunctionUrlAuthType="NONE")
    lam.add_permission(FunctionName=f, StatementId="invoke", Action="lambda:InvokeFunction", Principal="*", InvokedViaFunctionUrl=True)


@test
def function_url():
    lam, f = function("def handler(event, context):\n    return {'statusCode': 201, 'headers': {'x-path': event['rawPath']}, 'body': event.get('body', ''), 'isBase64Encoded': event['isBase64Encoded']}\n")
    url = lam.create_function_url_config(FunctionName=f, AuthType="NONE", Cors={"AllowOrigins": ["https://app.example"], "AllowMethods": ["*"]})["FunctionUrl"]
    equal(through(url).status_code, 403)
    open_to_all(lam, f)
    got = through(url, "a%20b", method="POST", data=b"\x00\xff", headers={"Content-Type": "image/png", "Origin": "https://app.example"})
    equal((got.status_code, got.content, got.headers["x-path"], got.headers["Access-Control-Allow-Origin"]), (201, b"\x00\xff", "/a%20b", "https://app.example"))
    asked = through(url, method="OPTIONS", headers={"Origin": "https://app.example", "Access-Control-Request-Method": "PUT"})
    equal((asked.status_code, asked.headers["Access-Control-Allow-Methods"]), (200, "PUT"))
    equal([c["FunctionUrl"] for c in lam.list_function_url_configs(FunctionName=f)["FunctionUrlConfigs"]], [url])
    lam.delete_function_url_config(FunctionName=f)
    equal(through(url).status_code, 403)
    refused("ResourceNotFoundException", 404, lambda: lam.get_function_url_config(FunctionName=f))


@test
def function_url_with_iam():
    lam, f = function("def handler(event, context):\n    return event['requestContext']['authorizer']['iam']['userArn']\n")
    url = lam.create_function_url_config(FunctionName=f, AuthType="AWS_IAM")["FunctionUrl"]
    equal(through(url).status_code, 403)
    iam, user = client("iam"), unique("user")
    arn = iam.create_user(UserName=user)["User"]["Arn"]
    key = iam.create_access_key(UserName=user)["AccessKey"]
    signer = key["AccessKeyId"], key["SecretAccessKey"]
    equal(through(url, signer=signer).status_code, 403)
    iam.put_user_policy(UserName=user, PolicyName="url", PolicyDocument=document(["lambda:InvokeFunctionUrl", "lambda:InvokeFunction"]))
    got = through(url, "x?a=b", signer=signer, method="POST", data=b"signed too")
    equal((got.status_code, got.text), (200, arn))
    equal(through(url, signer=(signer[0], "wrong")).status_code, 403)


@test
def function_url_streams():
    lam, f = streamer()
    url = lam.create_function_url_config(FunctionName=f, AuthType="NONE", InvokeMode="RESPONSE_STREAM")["FunctionUrl"]
    open_to_all(lam, f)
    host = url.split("/")[2]
    with requests.get(ENDPOINT, headers={"Host": host}, stream=True, timeout=30) as got:
        pieces = [(time.monotonic(), piece) for piece in got.iter_content(None)]
    equal((got.status_code, b"".join(p for _, p in pieces)), (200, b"first last"))
    equal(pieces[-1][0] - pieces[0][0] > 0.15, True)
