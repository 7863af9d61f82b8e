"""What a caller without a right to be here is told: AWS's code and status, in
the protocol of the service that was asked."""

import datetime
import json
import re

import requests
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from harness import ENDPOINT, REGION, equal, test
from smoke_iam import user

JSON10 = {"Content-Type": "application/x-amz-json-1.0"}
JSON11 = {"Content-Type": "application/x-amz-json-1.1"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}

# By protocol: signing name, method, path, headers, body.
REQUESTS = {
    "json10": ("dynamodb", "POST", "/", {**JSON10, "X-Amz-Target": "DynamoDB_20120810.ListTables"}, "{}"),
    "json11": ("logs", "POST", "/", {**JSON11, "X-Amz-Target": "Logs_20140328.DescribeLogGroups"}, "{}"),
    "rest-json": ("lambda", "GET", "/2015-03-31/functions/", {}, ""),
    "rest-xml": ("s3", "GET", "/", {}, ""),
    "query": ("iam", "POST", "/", FORM, "Action=ListUsers&Version=2010-05-08"),
}

# By protocol and kind of refusal: code and status.
EXPECTED = {
    "json10": {"unsigned": ("MissingAuthenticationTokenException", 400), "forged": ("InvalidSignatureException", 400), "late": ("InvalidSignatureException", 400), "unknown": ("UnrecognizedClientException", 400), "denied": ("AccessDeniedException", 400)},
    "json11": {"unsigned": ("MissingAuthenticationTokenException", 400), "forged": ("InvalidSignatureException", 400), "late": ("InvalidSignatureException", 400), "unknown": ("UnrecognizedClientException", 400), "denied": ("AccessDeniedException", 400)},
    "rest-json": {"unsigned": ("MissingAuthenticationTokenException", 403), "forged": ("InvalidSignatureException", 403), "late": ("InvalidSignatureException", 403), "unknown": ("UnrecognizedClientException", 403), "denied": ("AccessDeniedException", 403)},
    "rest-xml": {"unsigned": ("AccessDenied", 403), "forged": ("SignatureDoesNotMatch", 403), "late": ("RequestTimeTooSkewed", 403), "unknown": ("InvalidAccessKeyId", 403), "denied": ("AccessDenied", 403)},
    "query": {"unsigned": ("MissingAuthenticationToken", 403), "forged": ("SignatureDoesNotMatch", 403), "late": ("SignatureDoesNotMatch", 403), "unknown": ("InvalidClientTokenId", 403), "denied": ("AccessDenied", 403)},
}


def send(protocol, key=None, skew=None):
    service, method, path, headers, body = REQUESTS[protocol]
    request = AWSRequest(method=method, url=ENDPOINT + path, headers=dict(headers), data=body)
    if key:
        signer = (S3SigV4Auth if service == "s3" else SigV4Auth)(Credentials(*key), service, REGION)
        sign(signer, request, skew)
    return requests.request(method, ENDPOINT + path, headers=dict(request.headers), data=body, timeout=30)


def sign(signer, request, skew):
    """Signs as if the clock were skew ahead."""
    import botocore.auth

    real = botocore.auth.get_current_datetime
    botocore.auth.get_current_datetime = lambda *a, **k: real(*a, **k) + (skew or datetime.timedelta())
    try:
        signer.add_auth(request)
    finally:
        botocore.auth.get_current_datetime = real


def code(protocol, answer):
    if protocol in ("rest-xml", "query"):
        return re.search("<Code>(.*?)</Code>", answer.text).group(1)
    if protocol == "rest-json":
        return answer.headers["x-amzn-ErrorType"].split(":")[0]
    return json.loads(answer.text)["__type"].split("#")[-1]


def expect(kind, **kwargs):
    wrong = []
    for protocol in REQUESTS:
        answer = send(protocol, **kwargs)
        try:
            got = (code(protocol, answer), answer.status_code)
        except Exception:
            got = (answer.text[:200], answer.status_code)
        if got != EXPECTED[protocol][kind]:
            wrong.append(f"{protocol}: got {got}, want {EXPECTED[protocol][kind]}")
    equal(wrong, [])


@test
def unsigned():
    expect("unsigned")


@test
def wrong_signature():
    expect("forged", key=("test", "not the secret"))


@test
def expired_clock():
    expect("late", key=("test", "test"), skew=datetime.timedelta(hours=-1))
    expect("late", key=("test", "test"), skew=datetime.timedelta(hours=1))


@test
def unknown_key():
    expect("unknown", key=("AKIAIOSFODNN7EXAMPLE", "secret"))


@test
def denied_user():
    _, _, key = user()
    expect("denied", key=key)


@test
def let_in():
    """The same requests with a right signature are answered."""
    equal({p: send(p, key=("test", "test")).status_code for p in REQUESTS}, {p: 200 for p in REQUESTS})
