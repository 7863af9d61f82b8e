import json
import time
from decimal import Decimal

import boto3

from harness import ENDPOINT, REGION, client, equal, refused, test, unique


def table(range_key=None, **more):
    ddb, name = client("dynamodb"), unique("table")
    names = ["pk"] + ([range_key] if range_key else [])
    ddb.create_table(
        TableName=name, BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": n, "KeyType": k} for n, k in zip(names, ("HASH", "RANGE"))],
        AttributeDefinitions=[{"AttributeName": n, "AttributeType": "S"} for n in names] + more.pop("attributes", []), **more)
    ddb.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})
    return ddb, name


@test
def table_lifecycle():
    ddb, t = table()
    got = ddb.describe_table(TableName=t)["Table"]
    equal((got["TableStatus"], got["TableArn"]), ("ACTIVE", f"arn:aws:dynamodb:{REGION}:000000000000:table/{t}"))
    equal(t in ddb.list_tables()["TableNames"], True)
    refused("ResourceInUseException", 400, ddb.create_table, TableName=t, BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}], AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}])
    ddb.delete_table(TableName=t)
    ddb.get_waiter("table_not_exists").wait(TableName=t, WaiterConfig={"Delay": 1})
    refused("ResourceNotFoundException", 400, ddb.get_item, TableName=t, Key={"pk": {"S": "a"}})


@test
def items():
    ddb, t = table()
    item = {
        "pk": {"S": "a"}, "n": {"N": "1.50"}, "b": {"B": b"\x00\xff"}, "t": {"BOOL": True}, "z": {"NULL": True},
        "l": {"L": [{"S": "x"}, {"N": "2"}]}, "m": {"M": {"k": {"S": "v"}}}, "ss": {"SS": ["p", "q"]}, "ns": {"NS": ["1", "2"]},
    }
    ddb.put_item(TableName=t, Item=item)
    got = ddb.get_item(TableName=t, Key={"pk": {"S": "a"}}, ConsistentRead=True)["Item"]
    got["ns"]["NS"].sort()
    got["ss"]["SS"].sort()
    equal(got, {**item, "n": {"N": "1.5"}})
    equal(ddb.get_item(TableName=t, Key={"pk": {"S": "a"}}, ProjectionExpression="m.k, l[1]")["Item"], {"m": {"M": {"k": {"S": "v"}}}, "l": {"L": [{"N": "2"}]}})
    equal("Item" in ddb.get_item(TableName=t, Key={"pk": {"S": "none"}}), False)
    old = ddb.delete_item(TableName=t, Key={"pk": {"S": "a"}}, ReturnValues="ALL_OLD")["Attributes"]
    equal(old["pk"], {"S": "a"})
    refused("ValidationException", 400, ddb.put_item, TableName=t, Item={"n": {"N": "1"}})
    refused("ValidationException", 400, ddb.put_item, TableName=t, Item={"pk": {"S": ""}})


@test
def conditions():
    ddb, t = table()
    key = {"pk": {"S": "a"}}
    ddb.put_item(TableName=t, Item={**key, "n": {"N": "1"}}, ConditionExpression="attribute_not_exists(pk)")
    refused("ConditionalCheckFailedException", 400, ddb.put_item, TableName=t, Item=key, ConditionExpression="attribute_not_exists(pk)")
    out = ddb.update_item(
        TableName=t, Key=key, UpdateExpression="SET #n = #n + :one, tags = list_append(if_not_exists(tags, :empty), :tag) ADD hits :one",
        ConditionExpression="#n BETWEEN :one AND :ten", ExpressionAttributeNames={"#n": "n"},
        ExpressionAttributeValues={":one": {"N": "1"}, ":ten": {"N": "10"}, ":empty": {"L": []}, ":tag": {"L": [{"S": "x"}]}}, ReturnValues="ALL_NEW")
    equal(out["Attributes"], {**key, "n": {"N": "2"}, "hits": {"N": "1"}, "tags": {"L": [{"S": "x"}]}})
    refused("ConditionalCheckFailedException", 400, ddb.update_item, TableName=t, Key=key, UpdateExpression="REMOVE tags", ConditionExpression="n = :x", ExpressionAttributeValues={":x": {"N": "99"}})
    refused("ValidationException", 400, ddb.update_item, TableName=t, Key=key, UpdateExpression="SET n = :missing")


@test
def query_and_scan():
    index = {"IndexName": "by-kind", "KeySchema": [{"AttributeName": "kind", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}], "Projection": {"ProjectionType": "ALL"}}
    ddb, t = table("sk", GlobalSecondaryIndexes=[index], attributes=[{"AttributeName": "kind", "AttributeType": "S"}])
    for i in range(10):
        ddb.put_item(TableName=t, Item={"pk": {"S": "p"}, "sk": {"S": f"s{i}"}, "kind": {"S": "even" if i % 2 == 0 else "odd"}, "n": {"N": str(i)}})
    ask = dict(TableName=t, KeyConditionExpression="pk = :p AND begins_with(sk, :s)", ExpressionAttributeValues={":p": {"S": "p"}, ":s": {"S": "s"}})
    got = ddb.query(**ask, ScanIndexForward=False, Limit=3)
    equal([i["sk"]["S"] for i in got["Items"]], ["s9", "s8", "s7"])
    more = ddb.query(**ask, ScanIndexForward=False, ExclusiveStartKey=got["LastEvaluatedKey"])
    equal(len(more["Items"]), 7)
    ask["ExpressionAttributeValues"][":n"] = {"N": "7"}
    got = ddb.query(**ask, FilterExpression="n >= :n")
    equal((got["Count"], got["ScannedCount"]), (3, 10))
    odd = ddb.query(TableName=t, IndexName="by-kind", KeyConditionExpression="kind = :k", ExpressionAttributeValues={":k": {"S": "odd"}})
    equal([i["n"]["N"] for i in odd["Items"]], ["1", "3", "5", "7", "9"])
    pages = ddb.get_paginator("scan").paginate(TableName=t, PaginationConfig={"PageSize": 4})
    equal(sorted(i["sk"]["S"] for p in pages for i in p["Items"]), [f"s{i}" for i in range(10)])
    refused("ValidationException", 400, ddb.query, TableName=t, KeyConditionExpression="sk = :s", ExpressionAttributeValues={":s": {"S": "s"}})


@test
def batches_and_transactions():
    ddb, t = table()
    ddb.batch_write_item(RequestItems={t: [{"PutRequest": {"Item": {"pk": {"S": str(i)}}}} for i in range(25)]})
    got = ddb.batch_get_item(RequestItems={t: {"Keys": [{"pk": {"S": str(i)}} for i in range(30)]}})
    equal((len(got["Responses"][t]), got["UnprocessedKeys"]), (25, {}))
    refused("ValidationException", 400, ddb.batch_write_item, RequestItems={t: [{"PutRequest": {"Item": {"pk": {"S": str(i)}}}} for i in range(26)]})
    ddb.transact_write_items(TransactItems=[
        {"Put": {"TableName": t, "Item": {"pk": {"S": "x"}}, "ConditionExpression": "attribute_not_exists(pk)"}},
        {"Delete": {"TableName": t, "Key": {"pk": {"S": "0"}}}}])
    try:
        ddb.transact_write_items(TransactItems=[
            {"Put": {"TableName": t, "Item": {"pk": {"S": "y"}}}},
            {"ConditionCheck": {"TableName": t, "Key": {"pk": {"S": "0"}}, "ConditionExpression": "attribute_exists(pk)"}}])
        raise AssertionError("the transaction was not cancelled")
    except ddb.exceptions.TransactionCanceledException as e:
        equal([r["Code"] for r in e.response["CancellationReasons"]], ["None", "ConditionalCheckFailed"])
    equal("Item" in ddb.get_item(TableName=t, Key={"pk": {"S": "y"}}), False)


@test
def resource_interface():
    _, t = table()
    tbl = boto3.resource("dynamodb", endpoint_url=ENDPOINT, region_name=REGION).Table(t)
    tbl.put_item(Item={"pk": "a", "price": Decimal("19.99"), "tags": {"x", "y"}})
    equal(tbl.get_item(Key={"pk": "a"})["Item"], {"pk": "a", "price": Decimal("19.99"), "tags": {"x", "y"}})
    with tbl.batch_writer() as w:
        for i in range(40):
            w.put_item(Item={"pk": f"i{i}"})
    equal(tbl.scan(Select="COUNT")["Count"], 41)


@test
def streams():
    ddb, t = table(StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"})
    streams = client("dynamodbstreams")
    arn = ddb.describe_table(TableName=t)["Table"]["LatestStreamArn"]
    equal([s["StreamArn"] for s in streams.list_streams(TableName=t)["Streams"]], [arn])
    shard = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"][0]["ShardId"]

    def iterator(kind, **more):
        return streams.get_shard_iterator(StreamArn=arn, ShardId=shard, ShardIteratorType=kind, **more)["ShardIterator"]

    latest = iterator("LATEST")
    equal(streams.get_records(ShardIterator=latest)["Records"], [])
    ddb.put_item(TableName=t, Item={"pk": {"S": "a"}, "b": {"B": b"\x00\xff"}, "n": {"N": "1"}})
    ddb.put_item(TableName=t, Item={"pk": {"S": "a"}, "b": {"B": b"\x00\xff"}, "n": {"N": "1.0"}})
    ddb.update_item(TableName=t, Key={"pk": {"S": "a"}}, UpdateExpression="SET n = n + :x", ExpressionAttributeValues={":x": {"N": "1"}})
    ddb.delete_item(TableName=t, Key={"pk": {"S": "a"}})
    got = streams.get_records(ShardIterator=latest)
    equal([r["eventName"] for r in got["Records"]], ["INSERT", "MODIFY", "REMOVE"])
    change = got["Records"][1]["dynamodb"]
    equal((change["Keys"], change["OldImage"]["n"], change["NewImage"]["n"], change["NewImage"]["b"]), ({"pk": {"S": "a"}}, {"N": "1"}, {"N": "2"}, {"B": b"\x00\xff"}))
    numbers = [r["dynamodb"]["SequenceNumber"] for r in got["Records"]]
    equal((numbers == sorted(numbers), len({r["eventID"] for r in got["Records"]})), (True, 3))
    rest = streams.get_records(ShardIterator=iterator("AFTER_SEQUENCE_NUMBER", SequenceNumber=numbers[0]), Limit=1)
    equal([r["dynamodb"]["SequenceNumber"] for r in rest["Records"]], numbers[1:2])
    equal(streams.get_records(ShardIterator=got["NextShardIterator"])["Records"], [])
    ddb.update_table(TableName=t, StreamSpecification={"StreamEnabled": False})
    equal(streams.describe_stream(StreamArn=arn)["StreamDescription"]["StreamStatus"], "DISABLED")
    equal("NextShardIterator" in streams.get_records(ShardIterator=iterator("TRIM_HORIZON")), False)
    refused("ValidationException", 400, ddb.update_table, TableName=t, StreamSpecification={"StreamEnabled": False})
    refused("ResourceNotFoundException", 400, streams.describe_stream, StreamArn=arn[:-3] + "999")


def ready(ddb, name):
    ddb.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})


def items(ddb, name):
    return {i["pk"]["S"]: i for p in ddb.get_paginator("scan").paginate(TableName=name) for i in p["Items"]}


def eventually(what, get, seconds=30):
    for _ in range(seconds * 5):
        got = get()
        if got not in ("CREATING", "IN_PROGRESS"):
            return equal(got, what)
        time.sleep(0.2)
    raise AssertionError(f"never {what}")


@test
def backups():
    ddb, t = table()
    for i in range(30):
        ddb.put_item(TableName=t, Item={"pk": {"S": str(i)}, "v": {"N": str(i)}})
    want = items(ddb, t)
    arn = ddb.create_backup(TableName=t, BackupName="kept")["BackupDetails"]["BackupArn"]
    ddb.delete_item(TableName=t, Key={"pk": {"S": "1"}})
    eventually("AVAILABLE", lambda: ddb.describe_backup(BackupArn=arn)["BackupDescription"]["BackupDetails"]["BackupStatus"])
    equal([b["BackupArn"] for b in ddb.list_backups(TableName=t)["BackupSummaries"]], [arn])
    again = unique("again")
    made = ddb.restore_table_from_backup(TargetTableName=again, BackupArn=arn)["TableDescription"]
    equal((made["TableStatus"], made["RestoreSummary"]["SourceBackupArn"]), ("CREATING", arn))
    ready(ddb, again)
    equal(items(ddb, again), want)
    refused("TableAlreadyExistsException", 400, ddb.restore_table_from_backup, TargetTableName=t, BackupArn=arn)
    equal(ddb.delete_backup(BackupArn=arn)["BackupDescription"]["BackupDetails"]["BackupStatus"], "DELETED")
    refused("BackupNotFoundException", 400, ddb.describe_backup, BackupArn=arn)
    refused("TableNotFoundException", 400, ddb.create_backup, TableName="none", BackupName="kept")


@test
def recovery_export_import():
    ddb, t = table()
    refused("PointInTimeRecoveryUnavailableException", 400, ddb.restore_table_to_point_in_time, SourceTableName=t, TargetTableName="new", UseLatestRestorableTime=True)
    d = ddb.update_continuous_backups(TableName=t, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True, "RecoveryPeriodInDays": 7})
    d = d["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
    equal((d["PointInTimeRecoveryStatus"], d["RecoveryPeriodInDays"]), ("ENABLED", 7))
    for i in range(30):
        ddb.put_item(TableName=t, Item={"pk": {"S": str(i)}, "v": {"N": str(i)}})
    want = items(ddb, t)
    time.sleep(7)
    ddb.delete_item(TableName=t, Key={"pk": {"S": "1"}})
    again = unique("again")
    ddb.restore_table_to_point_in_time(SourceTableName=t, TargetTableName=again, UseLatestRestorableTime=True)
    ready(ddb, again)
    equal(items(ddb, again), want)

    s3, bucket, arn = client("s3"), unique("exports"), ddb.describe_table(TableName=t)["Table"]["TableArn"]
    s3.create_bucket(Bucket=bucket)
    e = ddb.export_table_to_point_in_time(TableArn=arn, S3Bucket=bucket, S3Prefix="p")["ExportDescription"]
    eventually("COMPLETED", lambda: ddb.describe_export(ExportArn=e["ExportArn"])["ExportDescription"]["ExportStatus"])
    e = ddb.describe_export(ExportArn=e["ExportArn"])["ExportDescription"]
    equal(e["ItemCount"], 29)
    summary = json.loads(s3.get_object(Bucket=bucket, Key=e["ExportManifest"])["Body"].read())
    files = [json.loads(f) for f in s3.get_object(Bucket=bucket, Key=summary["manifestFilesS3Key"])["Body"].read().splitlines()]
    equal(sum(f["itemCount"] for f in files), 29)
    equal(s3.head_object(Bucket=bucket, Key=files[0]["dataFileS3Key"])["ETag"].strip('"'), files[0]["etag"])
    imported = unique("imported")
    i = ddb.import_table(
        S3BucketSource={"S3Bucket": bucket, "S3KeyPrefix": files[0]["dataFileS3Key"].rsplit("/", 1)[0]}, InputFormat="DYNAMODB_JSON", InputCompressionType="GZIP",
        TableCreationParameters={
            "TableName": imported, "BillingMode": "PAY_PER_REQUEST", "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}]})["ImportTableDescription"]
    eventually("COMPLETED", lambda: ddb.describe_import(ImportArn=i["ImportArn"])["ImportTableDescription"]["ImportStatus"])
    equal(items(ddb, imported), items(ddb, t))
    e = ddb.export_table_to_point_in_time(TableArn=arn, S3Bucket=unique("nowhere"))["ExportDescription"]
    eventually("FAILED", lambda: ddb.describe_export(ExportArn=e["ExportArn"])["ExportDescription"]["ExportStatus"])
    equal(ddb.describe_export(ExportArn=e["ExportArn"])["ExportDescription"]["FailureCode"], "S3NoSuchBucket")
