"""boto3's transfer manager against the moln at AWS_ENDPOINT_URL: files large and
small, in parts and not, up, down and across."""

import filecmp
import hashlib
import io
import os
import sys
import tempfile
import uuid

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

MIB = 1 << 20
PARTS = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB, max_concurrency=4)

s3 = boto3.client("s3", config=Config(retries={"max_attempts": 0}))
bucket = "transfer-" + uuid.uuid4().hex[:12]
work = tempfile.TemporaryDirectory()


def file(size):
    path = os.path.join(work.name, uuid.uuid4().hex)
    with open(path, "wb") as f:
        f.write(os.urandom(size))
    return path


def back(key, **kw):
    path = os.path.join(work.name, uuid.uuid4().hex)
    s3.download_file(bucket, key, path, Config=PARTS, **kw)
    return path


def check(name, ok):
    if not ok:
        raise AssertionError(name)


def test_small_file():
    path = file(1000)
    s3.upload_file(path, bucket, "small", ExtraArgs={"ContentType": "a/b", "Metadata": {"K": "v"}})
    check("same", filecmp.cmp(path, back("small"), shallow=False))
    head = s3.head_object(Bucket=bucket, Key="small")
    check(head, head["ContentType"] == "a/b" and head["Metadata"] == {"k": "v"})


def test_parts():
    path = file(11 * MIB + 3)
    s3.upload_file(path, bucket, "parts", Config=PARTS)
    head = s3.head_object(Bucket=bucket, Key="parts", PartNumber=3)
    check(head, head["PartsCount"] == 3 and head["ContentLength"] == MIB + 3 and head["ETag"].endswith('-3"'))
    check("same", filecmp.cmp(path, back("parts"), shallow=False))


def test_each_checksum():
    path = file(5 * MIB + 1)
    for algorithm in ["CRC32", "SHA1", "SHA256"]:
        s3.upload_file(path, bucket, algorithm, Config=PARTS, ExtraArgs={"ChecksumAlgorithm": algorithm})
        check(algorithm, filecmp.cmp(path, back(algorithm, ExtraArgs={"ChecksumMode": "ENABLED"}), shallow=False))
        head = s3.head_object(Bucket=bucket, Key=algorithm, ChecksumMode="ENABLED")
        check(head, "Checksum" + algorithm in head)


def test_copy():
    path = file(6 * MIB)
    s3.upload_file(path, bucket, "from", Config=PARTS, ExtraArgs={"Metadata": {"a": "b"}})
    s3.copy({"Bucket": bucket, "Key": "from"}, bucket, "to", Config=PARTS)
    check("same", filecmp.cmp(path, back("to"), shallow=False))
    # A copy in parts is a new object; one as a whole takes the metadata along.
    s3.copy({"Bucket": bucket, "Key": "from"}, bucket, "whole", Config=TransferConfig(multipart_threshold=64 * MIB))
    check("metadata", s3.head_object(Bucket=bucket, Key="whole")["Metadata"] == {"a": "b"})


def test_streams():
    body = os.urandom(6 * MIB)
    s3.upload_fileobj(io.BytesIO(body), bucket, "stream", Config=PARTS)
    out = io.BytesIO()
    s3.download_fileobj(bucket, "stream", out, Config=PARTS)
    check("same", hashlib.sha256(out.getvalue()).digest() == hashlib.sha256(body).digest())


def test_deep_and_unicode_keys():
    for key in ["/".join("abcdefghij" * 20), "ü ö/日本 +&%=?#.txt", "a//b/../c", "trailing/"]:
        s3.upload_fileobj(io.BytesIO(key.encode()), bucket, "keys/" + key)
        check(key, s3.get_object(Bucket=bucket, Key="keys/" + key)["Body"].read().decode() == key)
    listed = {o["Key"] for p in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="keys/", PaginationConfig={"PageSize": 2}) for o in p["Contents"]}
    check(listed, len(listed) == 4)


def main():
    s3.create_bucket(Bucket=bucket)
    passed = failed = 0
    for name, test in list(globals().items()):
        if not name.startswith("test_"):
            continue
        try:
            test()
            passed += 1
        except Exception as e:  # the count goes on
            failed += 1
            print(f"FAIL {name[5:]}: {e}"[:400].replace("\n", " "))
    b = boto3.resource("s3").Bucket(bucket)
    b.objects.delete()
    b.delete()
    print(f"{passed} passed, {failed} failed")
    sys.exit(0 if passed and not failed else 1)


main()
