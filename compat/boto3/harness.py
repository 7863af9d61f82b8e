"""Runs test functions one by one and counts them; nothing here knows AWS
beyond making a client."""

import io
import json
import os
import sys
import time
import traceback
import uuid
import zipfile

import boto3
import botocore.config
import botocore.exceptions
import requests

ENDPOINT = os.environ["AWS_ENDPOINT_URL"]
REGION = "us-east-1"
ACCOUNT = "000000000000"

_tests = []


def test(f):
    """Registers f as a test."""
    _tests.append(f)
    return f


def lacks(what):
    """Marks a test of something that moln refuses for now: it has to fail, with
    an error of AWS's kind, until the mark is taken away."""

    def mark(f):
        f.lacks = what
        return f

    return mark


def main():
    wanted = sys.argv[1:]
    passed, failed = 0, 0
    for f in _tests:
        name = f.__module__.removeprefix("smoke_") + "." + f.__name__
        if wanted and not any(w in name for w in wanted):
            continue
        began = time.monotonic()
        lacking = getattr(f, "lacks", None)
        try:
            f()
            if lacking:
                raise AssertionError(f"moln has {lacking} now: take the mark away")
        except Exception as e:
            if lacking and isinstance(e, (botocore.exceptions.ClientError, Refused)):
                print(f"lack {name}: {lacking}")
                continue
            failed += 1
            lines = str(e).strip().splitlines()
            frame = traceback.extract_tb(e.__traceback__)
            at = [x for x in frame if os.path.dirname(__file__) in x.filename and "harness" not in x.filename][-1:]
            where = f"{os.path.basename(at[0].filename)}:{at[0].lineno}: {at[0].line}" if at else ""
            print(f"FAIL {name}: {type(e).__name__}: {lines[0] if lines else ''}  [{where}]")
        else:
            passed += 1
            print(f"ok   {name} ({time.monotonic() - began:.2f} s)")
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)


def client(service, key=None, **config):
    """A client with the root key, or with key: (id, secret) or with a token."""
    args = {}
    if key:
        args = dict(zip(("aws_access_key_id", "aws_secret_access_key", "aws_session_token"), key))
    conf = botocore.config.Config(region_name=REGION, retries={"total_max_attempts": 1}, **config)
    return boto3.client(service, endpoint_url=ENDPOINT, config=conf, **args)


def unique(prefix):
    return f"{prefix}-{uuid.uuid4().hex[:10]}"


class Refused(Exception):
    """A plain request was refused."""


def equal(got, want):
    if got != want:
        raise AssertionError(f"got {got!r}, want {want!r}")


def contains(text, part):
    if part not in text:
        raise AssertionError(f"{part!r} is not in {text!r}")


def refused(code, status, f, *args, **kwargs):
    """Wants f to fail with an AWS error, and returns its message."""
    try:
        f(*args, **kwargs)
    except botocore.exceptions.ClientError as e:
        got = (e.response["Error"]["Code"], e.response["ResponseMetadata"]["HTTPStatusCode"])
        equal(got, (code, status))
        return e.response["Error"].get("Message", "")
    raise AssertionError(f"it succeeded; want {code}")


def until(condition, what, seconds=30):
    """Waits for condition() to be true, and returns its value."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"after {seconds} s still not: {what}")
        time.sleep(0.1)


def zipped(**files):
    """A zip of files, whose names have an underscore for the dot."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        for name, text in files.items():
            stem, _, ending = name.rpartition("_")
            z.writestr(f"{stem}.{ending}", text)
    return out.getvalue()


def document(action, resource="*", effect="Allow", **more):
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": effect, "Action": action, "Resource": resource, **more}]})


def trust(**principal):
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal}]})


def get(path, host=None, **kwargs):
    """A plain request to the endpoint, under a host name of AWS's."""
    headers = kwargs.pop("headers", {})
    if host:
        headers["Host"] = host
    return requests.request(kwargs.pop("method", "GET"), ENDPOINT + path, headers=headers, timeout=30, **kwargs)


def mailbox(address):
    """The newest message to address."""
    answer = requests.get(ENDPOINT + "/_moln/mailbox.json", timeout=10)
    answer.raise_for_status()
    messages = answer.json()
    if isinstance(messages, dict):
        messages = next(v for v in messages.values() if isinstance(v, list))
    found = [m for m in messages if address in json.dumps(m)]
    return max(found, key=lambda m: m["Number"]) if found else None
