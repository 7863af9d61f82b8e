import hashlib
import json
from urllib.parse import urlsplit

import requests
from boto3.s3.transfer import TransferConfig
from botocore import UNSIGNED

from harness import ACCOUNT, REGION, Refused, client, contains, document, equal, get, lacks, refused, test, unique

MIB = 1 << 20


def bucket(**kwargs):
    name = unique("bucket")
    s3 = client("s3")
    s3.create_bucket(Bucket=name, **kwargs)
    return s3, name


@test
def bucket_lifecycle():
    s3, b = bucket()
    s3.head_bucket(Bucket=b)
    contains([x["Name"] for x in s3.list_buckets()["Buckets"]], b)
    equal(s3.get_bucket_location(Bucket=b)["LocationConstraint"], None)
    s3.put_object(Bucket=b, Key="k", Body=b"x")
    refused("BucketNotEmpty", 409, s3.delete_bucket, Bucket=b)
    s3.delete_object(Bucket=b, Key="k")
    s3.delete_bucket(Bucket=b)
    refused("404", 404, s3.head_bucket, Bucket=b)
    refused("NoSuchBucket", 404, s3.list_objects_v2, Bucket=b)


@test
def put_get_head():
    s3, b = bucket()
    body = b"hello, moln\n" * 1000
    put = s3.put_object(Bucket=b, Key="a b/ü+c.txt", Body=body, ContentType="text/plain; charset=utf-8", CacheControl="max-age=60", Metadata={"who": "ada"})
    equal(put["ETag"], '"' + hashlib.md5(body).hexdigest() + '"')
    got = s3.get_object(Bucket=b, Key="a b/ü+c.txt")
    equal(got["Body"].read(), body)
    equal(got["ContentType"], "text/plain; charset=utf-8")
    head = s3.head_object(Bucket=b, Key="a b/ü+c.txt")
    equal((head["ContentLength"], head["Metadata"], head["CacheControl"], head["ETag"]), (len(body), {"who": "ada"}, "max-age=60", put["ETag"]))
    part = s3.get_object(Bucket=b, Key="a b/ü+c.txt", Range="bytes=7-10")
    equal((part["Body"].read(), part["ContentRange"], part["ResponseMetadata"]["HTTPStatusCode"]), (b"moln", f"bytes 7-10/{len(body)}", 206))
    refused("NoSuchKey", 404, s3.get_object, Bucket=b, Key="none")
    refused("404", 404, s3.head_object, Bucket=b, Key="none")
    refused("InvalidRange", 416, s3.get_object, Bucket=b, Key="a b/ü+c.txt", Range="bytes=99999999-")


@test
def checksums():
    s3, b = bucket()
    for algorithm in ("CRC32", "CRC32C", "SHA1", "SHA256", "CRC64NVME"):
        try:
            put = s3.put_object(Bucket=b, Key=algorithm, Body=b"123456789", ChecksumAlgorithm=algorithm)
        except Exception as e:  # the pure Python client computes CRC32, SHA1 and SHA256
            if type(e).__name__ == "MissingDependencyException":
                continue
            raise
        field = "Checksum" + algorithm
        got = s3.get_object(Bucket=b, Key=algorithm, ChecksumMode="ENABLED")
        equal(got["Body"].read(), b"123456789")
        equal(got[field], put[field])
    refused("BadDigest", 400, s3.put_object, Bucket=b, Key="bad", Body=b"1", ChecksumCRC32="AAAAAA==")
    refused("404", 404, s3.head_object, Bucket=b, Key="bad")


@test
def conditional():
    s3, b = bucket()
    etag = s3.put_object(Bucket=b, Key="k", Body=b"1", IfNoneMatch="*")["ETag"]
    refused("PreconditionFailed", 412, s3.put_object, Bucket=b, Key="k", Body=b"2", IfNoneMatch="*")
    refused("PreconditionFailed", 412, s3.put_object, Bucket=b, Key="k", Body=b"2", IfMatch='"0"')
    s3.put_object(Bucket=b, Key="k", Body=b"2", IfMatch=etag)
    refused("304", 304, s3.get_object, Bucket=b, Key="k", IfNoneMatch=s3.head_object(Bucket=b, Key="k")["ETag"])


@test
def listing():
    s3, b = bucket()
    for key in ("a", "b/1", "b/2", "b/3/x", "c", "d/1"):
        s3.put_object(Bucket=b, Key=key, Body=b"x")
    page = s3.list_objects_v2(Bucket=b, Delimiter="/")
    equal([o["Key"] for o in page["Contents"]], ["a", "c"])
    equal([p["Prefix"] for p in page["CommonPrefixes"]], ["b/", "d/"])
    keys = [o["Key"] for p in s3.get_paginator("list_objects_v2").paginate(Bucket=b, Prefix="b/", PaginationConfig={"PageSize": 1}) for o in p["Contents"]]
    equal(keys, ["b/1", "b/2", "b/3/x"])
    equal([o["Key"] for o in s3.list_objects(Bucket=b, Marker="b/3/x")["Contents"]], ["c", "d/1"])
    out = s3.delete_objects(Bucket=b, Delete={"Objects": [{"Key": "a"}, {"Key": "none"}]})
    equal(sorted(d["Key"] for d in out["Deleted"]), ["a", "none"])
    equal(s3.list_objects_v2(Bucket=b)["KeyCount"], 5)


@test
def copy_and_tags():
    s3, b = bucket()
    s3.put_object(Bucket=b, Key="from", Body=b"body", Metadata={"a": "1"}, Tagging="x=1&y=2")
    s3.copy_object(Bucket=b, Key="to", CopySource={"Bucket": b, "Key": "from"})
    got = s3.get_object(Bucket=b, Key="to")
    equal((got["Body"].read(), got["Metadata"]), (b"body", {"a": "1"}))
    equal(s3.get_object_tagging(Bucket=b, Key="to")["TagSet"], [{"Key": "x", "Value": "1"}, {"Key": "y", "Value": "2"}])
    s3.copy_object(Bucket=b, Key="to", CopySource={"Bucket": b, "Key": "from"}, MetadataDirective="REPLACE", Metadata={"b": "2"})
    equal(s3.head_object(Bucket=b, Key="to")["Metadata"], {"b": "2"})
    refused("NoSuchKey", 404, s3.copy_object, Bucket=b, Key="to", CopySource={"Bucket": b, "Key": "none"})


@test
def multipart():
    s3, b = bucket()
    parts = [bytes([65 + i]) * (5 * MIB if i < 2 else 100) for i in range(3)]
    upload = s3.create_multipart_upload(Bucket=b, Key="big", ContentType="text/plain")["UploadId"]
    done = [{"PartNumber": n, "ETag": s3.upload_part(Bucket=b, Key="big", UploadId=upload, PartNumber=n, Body=p)["ETag"]} for n, p in enumerate(parts, 1)]
    equal([p["PartNumber"] for p in s3.list_parts(Bucket=b, Key="big", UploadId=upload)["Parts"]], [1, 2, 3])
    equal([u["UploadId"] for u in s3.list_multipart_uploads(Bucket=b)["Uploads"]], [upload])
    refused("404", 404, s3.head_object, Bucket=b, Key="big")
    etag = s3.complete_multipart_upload(Bucket=b, Key="big", UploadId=upload, MultipartUpload={"Parts": done})["ETag"]
    digest = hashlib.md5(b"".join(hashlib.md5(p).digest() for p in parts)).hexdigest()
    equal(etag, f'"{digest}-3"')
    equal(s3.get_object(Bucket=b, Key="big")["Body"].read(), b"".join(parts))
    refused("NoSuchUpload", 404, s3.list_parts, Bucket=b, Key="big", UploadId="none")
    # A part that is too small, and an upload that is given up.
    upload = s3.create_multipart_upload(Bucket=b, Key="small")["UploadId"]
    done = [{"PartNumber": n, "ETag": s3.upload_part(Bucket=b, Key="small", UploadId=upload, PartNumber=n, Body=b"x")["ETag"]} for n in (1, 2)]
    refused("EntityTooSmall", 400, s3.complete_multipart_upload, Bucket=b, Key="small", UploadId=upload, MultipartUpload={"Parts": done})
    s3.abort_multipart_upload(Bucket=b, Key="small", UploadId=upload)
    equal(s3.list_multipart_uploads(Bucket=b).get("Uploads"), None)


@test
def transfer_manager():
    import io

    s3, b = bucket()
    body = hashlib.sha256(b"seed").digest() * (12 * MIB // 32)
    config = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB, max_concurrency=4)
    s3.upload_fileobj(io.BytesIO(body), b, "big", Config=config)
    out = io.BytesIO()
    s3.download_fileobj(b, "big", out, Config=config)
    equal(hashlib.sha256(out.getvalue()).hexdigest(), hashlib.sha256(body).hexdigest())


@test
def versioning():
    s3, b = bucket()
    s3.put_bucket_versioning(Bucket=b, VersioningConfiguration={"Status": "Enabled"})
    equal(s3.get_bucket_versioning(Bucket=b)["Status"], "Enabled")
    first = s3.put_object(Bucket=b, Key="k", Body=b"1")["VersionId"]
    second = s3.put_object(Bucket=b, Key="k", Body=b"2")["VersionId"]
    marker = s3.delete_object(Bucket=b, Key="k")
    equal(marker["DeleteMarker"], True)
    refused("NoSuchKey", 404, s3.get_object, Bucket=b, Key="k")
    equal(s3.get_object(Bucket=b, Key="k", VersionId=first)["Body"].read(), b"1")
    listed = s3.list_object_versions(Bucket=b)
    equal([v["VersionId"] for v in listed["Versions"]], [second, first])
    equal([m["VersionId"] for m in listed["DeleteMarkers"]], [marker["VersionId"]])
    s3.delete_object(Bucket=b, Key="k", VersionId=marker["VersionId"])
    equal(s3.get_object(Bucket=b, Key="k")["Body"].read(), b"2")


@test
def presigned():
    _, b = bucket()
    # By itself boto3 presigns with version 2, which new buckets of AWS refuse.
    s3 = client("s3", signature_version="s3v4")
    url = s3.generate_presigned_url("put_object", Params={"Bucket": b, "Key": "k"}, ExpiresIn=60)
    equal(requests.put(url, data=b"by link", timeout=30).status_code, 200)
    url = s3.generate_presigned_url("get_object", Params={"Bucket": b, "Key": "k"}, ExpiresIn=60)
    equal(requests.get(url, timeout=30).content, b"by link")
    changed = requests.get(url.replace("/k?", "/other?"), timeout=30)
    equal(changed.status_code, 403)
    contains(changed.text, "<Code>SignatureDoesNotMatch</Code>")


@test
def presigned_post():
    _, b = bucket()
    s3 = client("s3", signature_version="s3v4")
    post = s3.generate_presigned_post(b, "up/${filename}", Conditions=[["content-length-range", 1, 100]], ExpiresIn=60)
    answer = requests.post(post["url"], data=post["fields"], files={"file": ("f.txt", b"posted")}, timeout=30)
    if answer.status_code in (405, 501):
        raise Refused(answer.text)
    equal(answer.status_code, 204)
    equal(s3.get_object(Bucket=b, Key="up/f.txt")["Body"].read(), b"posted")
    answer = requests.post(post["url"], data=post["fields"], files={"file": ("f.txt", b"x" * 101)}, timeout=30)
    contains(answer.text, "<Code>EntityTooLarge</Code>")


@test
def access_point():
    s3, b = bucket()
    control = client("s3control")
    # The client puts the account in front of the endpoint's host name, which an
    # address does not take.
    def direct(request, **_):
        request.headers["Host"] = urlsplit(request.url).netloc
        request.url = request.url.replace(ACCOUNT + ".", "", 1)

    control.meta.events.register("before-send", direct)
    name = unique("point")
    made = control.create_access_point(AccountId=ACCOUNT, Name=name, Bucket=b)
    alias, arn = made["Alias"], made["AccessPointArn"]
    equal(control.get_access_point(AccountId=ACCOUNT, Name=name)["Bucket"], b)
    contains([p["Name"] for p in control.list_access_points(AccountId=ACCOUNT, Bucket=b)["AccessPointList"]], name)
    s3.put_object(Bucket=alias, Key="k", Body=b"through")
    equal(s3.get_object(Bucket=b, Key="k")["Body"].read(), b"through")
    equal([o["Key"] for o in s3.list_objects_v2(Bucket=alias)["Contents"]], ["k"])
    control.put_access_point_policy(AccountId=ACCOUNT, Name=name, Policy=document("s3:GetObject", arn + "/object/*", effect="Deny", Principal="*"))
    refused("AccessDenied", 403, s3.get_object, Bucket=alias, Key="k")
    equal(s3.get_object(Bucket=b, Key="k")["Body"].read(), b"through")
    refused("BucketHasAccessPointsAttached", 400, s3.delete_bucket, Bucket=empty(s3, b))
    control.delete_access_point(AccountId=ACCOUNT, Name=name)
    s3.delete_bucket(Bucket=b)


def empty(s3, b):
    for o in s3.list_objects_v2(Bucket=b).get("Contents", []):
        s3.delete_object(Bucket=b, Key=o["Key"])
    return b


@test
def access_control_lists():
    s3, b = bucket(ObjectOwnership="ObjectWriter")
    nobody = client("s3", signature_version=UNSIGNED)
    refused("AccessDenied", 403, s3.put_object, Bucket=b, Key="k", Body=b"x", ACL="public-read")
    s3.delete_public_access_block(Bucket=b)
    s3.put_object(Bucket=b, Key="k", Body=b"x", ACL="public-read")
    equal(nobody.get_object(Bucket=b, Key="k")["Body"].read(), b"x")
    contains([g["Grantee"].get("URI") for g in s3.get_object_acl(Bucket=b, Key="k")["Grants"]], "http://acs.amazonaws.com/groups/global/AllUsers")
    s3.put_object_acl(Bucket=b, Key="k", ACL="private")
    refused("AccessDenied", 403, nobody.get_object, Bucket=b, Key="k")


@test
def bucket_policy():
    s3, b = bucket()
    nobody = client("s3", signature_version=UNSIGNED)
    s3.put_object(Bucket=b, Key="k", Body=b"x")
    refused("AccessDenied", 403, nobody.get_object, Bucket=b, Key="k")
    policy = document("s3:GetObject", f"arn:aws:s3:::{b}/*", Principal="*")
    # New buckets block public policies, as AWS's do.
    refused("AccessDenied", 403, s3.put_bucket_policy, Bucket=b, Policy=policy)
    s3.delete_public_access_block(Bucket=b)
    s3.put_bucket_policy(Bucket=b, Policy=policy)
    equal(json.loads(s3.get_bucket_policy(Bucket=b)["Policy"]), json.loads(policy))
    equal(nobody.get_object(Bucket=b, Key="k")["Body"].read(), b"x")
    refused("AccessDenied", 403, nobody.put_object, Bucket=b, Key="k", Body=b"y")
    refused("MalformedPolicy", 400, s3.put_bucket_policy, Bucket=b, Policy="{")
    s3.delete_bucket_policy(Bucket=b)
    refused("NoSuchBucketPolicy", 404, s3.get_bucket_policy, Bucket=b)
    refused("AccessDenied", 403, nobody.get_object, Bucket=b, Key="k")


@test
def website():
    s3, b = bucket()
    s3.put_bucket_website(Bucket=b, WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}, "ErrorDocument": {"Key": "error.html"}})
    s3.put_object(Bucket=b, Key="index.html", Body=b"<h1>home</h1>", ContentType="text/html")
    s3.put_object(Bucket=b, Key="docs/index.html", Body=b"docs", ContentType="text/html")
    s3.put_object(Bucket=b, Key="error.html", Body=b"lost", ContentType="text/html")
    host = f"{b}.s3-website-{REGION}.amazonaws.com"
    equal(get("/", host).status_code, 403)
    s3.delete_public_access_block(Bucket=b)
    s3.put_bucket_policy(Bucket=b, Policy=document("s3:GetObject", f"arn:aws:s3:::{b}/*", Principal="*"))
    home = get("/", host)
    equal((home.status_code, home.text, home.headers["Content-Type"]), (200, "<h1>home</h1>", "text/html"))
    equal(get("/docs/", host).text, "docs")
    moved = get("/docs", host, allow_redirects=False)
    equal((moved.status_code, moved.headers["Location"]), (302, "/docs/"))


@test
def cors_and_settings():
    s3, b = bucket()
    refused("NoSuchCORSConfiguration", 404, s3.get_bucket_cors, Bucket=b)
    s3.put_bucket_cors(Bucket=b, CORSConfiguration={"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["https://app.example"], "MaxAgeSeconds": 60}]})
    answer = get(f"/{b}/k", method="OPTIONS", headers={"Origin": "https://app.example", "Access-Control-Request-Method": "GET"})
    equal((answer.status_code, answer.headers.get("Access-Control-Allow-Origin")), (200, "https://app.example"))
    equal(get(f"/{b}/k", method="OPTIONS", headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"}).status_code, 403)
    s3.put_bucket_tagging(Bucket=b, Tagging={"TagSet": [{"Key": "a", "Value": "1"}]})
    equal(s3.get_bucket_tagging(Bucket=b)["TagSet"], [{"Key": "a", "Value": "1"}])
    equal(s3.get_bucket_encryption(Bucket=b)["ServerSideEncryptionConfiguration"]["Rules"][0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"], "AES256")


@test
def encryption_with_kms():
    s3, kms, bucket = client("s3"), client("kms"), unique("sse")
    s3.create_bucket(Bucket=bucket)
    arn = kms.create_key()["KeyMetadata"]["Arn"]
    put = s3.put_object(Bucket=bucket, Key="o", Body=b"hello", ServerSideEncryption="aws:kms", SSEKMSKeyId=arn, BucketKeyEnabled=True)
    equal((put["ServerSideEncryption"], put["SSEKMSKeyId"], put["BucketKeyEnabled"]), ("aws:kms", arn, True))
    got = s3.get_object(Bucket=bucket, Key="o", Range="bytes=1-3")
    equal((got["Body"].read(), got["ServerSideEncryption"], got["SSEKMSKeyId"]), (b"ell", "aws:kms", arn))
    equal(s3.head_object(Bucket=bucket, Key="o")["SSEKMSKeyId"], arn)
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}, "BucketKeyEnabled": True}
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    equal(s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"], [rule])
    managed = s3.put_object(Bucket=bucket, Key="m", Body=b"managed")["SSEKMSKeyId"]
    described = kms.describe_key(KeyId="alias/aws/s3")["KeyMetadata"]
    equal((described["KeyManager"], described["Arn"]), ("AWS", managed))
    equal(s3.get_object(Bucket=bucket, Key="m")["Body"].read(), b"managed")
    s3.copy_object(Bucket=bucket, Key="c", CopySource=f"{bucket}/o", ServerSideEncryption="aws:kms:dsse", SSEKMSKeyId=arn)
    equal(s3.get_object(Bucket=bucket, Key="c")["Body"].read(), b"hello")
    single = s3.put_object(Bucket=bucket, Key="s", Body=b"x", ServerSideEncryption="aws:kms", SSEKMSKeyId=arn, BucketKeyEnabled=False)
    equal("BucketKeyEnabled" in single, False)
    kms.disable_key(KeyId=arn)
    refused("KMS.DisabledException", 400, s3.get_object, Bucket=bucket, Key="s")


@test
def encryption_with_a_customers_key():
    s3, bucket = client("s3"), unique("ssec")
    s3.create_bucket(Bucket=bucket)
    mine, other = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": b"k" * 32}, {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": b"o" * 32}
    put = s3.put_object(Bucket=bucket, Key="o", Body=b"hello", **mine)
    equal((put["SSECustomerAlgorithm"], "ServerSideEncryption" in put), ("AES256", False))
    got = s3.get_object(Bucket=bucket, Key="o", **mine)
    equal((got["Body"].read(), got["SSECustomerKeyMD5"]), (b"hello", put["SSECustomerKeyMD5"]))
    refused("InvalidRequest", 400, s3.get_object, Bucket=bucket, Key="o")
    refused("AccessDenied", 403, s3.get_object, Bucket=bucket, Key="o", **other)
    refused("400", 400, s3.head_object, Bucket=bucket, Key="o")
    equal([o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]], ["o"])
    upload = s3.create_multipart_upload(Bucket=bucket, Key="p", **mine)["UploadId"]
    refused("InvalidRequest", 400, s3.upload_part, Bucket=bucket, Key="p", UploadId=upload, PartNumber=1, Body=b"x", **other)
    part = s3.upload_part(Bucket=bucket, Key="p", UploadId=upload, PartNumber=1, Body=b"part", **mine)["ETag"]
    s3.complete_multipart_upload(Bucket=bucket, Key="p", UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part}]}, **mine)
    equal(s3.get_object(Bucket=bucket, Key="p", **mine)["Body"].read(), b"part")
    s3.copy_object(Bucket=bucket, Key="c", CopySource=f"{bucket}/p", CopySourceSSECustomerAlgorithm="AES256", CopySourceSSECustomerKey=b"k" * 32)
    equal(s3.get_object(Bucket=bucket, Key="c")["Body"].read(), b"part")
