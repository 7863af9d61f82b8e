import time

from harness import ACCOUNT, REGION, client, equal, refused, test, unique


@test
def groups_streams_events():
    logs, group = client("logs"), "/" + unique("group")
    logs.create_log_group(logGroupName=group, tags={"a": "1"})
    refused("ResourceAlreadyExistsException", 400, logs.create_log_group, logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="s")
    now = int(time.time() * 1000)
    logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=[{"timestamp": now - 2000 + i, "message": f"line {i} {'ERROR' if i == 5 else 'ok'}"} for i in range(10)])
    got = logs.get_log_events(logGroupName=group, logStreamName="s", startFromHead=True, limit=4)
    equal([e["message"].split()[1] for e in got["events"]], ["0", "1", "2", "3"])
    more = logs.get_log_events(logGroupName=group, logStreamName="s", startFromHead=True, nextToken=got["nextForwardToken"])
    equal(len(more["events"]), 6)
    found = logs.filter_log_events(logGroupName=group, filterPattern="ERROR")["events"]
    equal([e["message"] for e in found], ["line 5 ERROR"])
    logs.put_retention_policy(logGroupName=group, retentionInDays=7)
    listed = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"][0]
    equal((listed["retentionInDays"], listed["arn"]), (7, f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}:*"))
    refused("InvalidParameterException", 400, logs.put_retention_policy, logGroupName=group, retentionInDays=8)
    equal(logs.list_tags_for_resource(resourceArn=listed["logGroupArn"])["tags"], {"a": "1"})
    old = logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=[{"timestamp": now - 20 * 86400_000, "message": "old"}])
    equal("tooOldLogEventEndIndex" in old["rejectedLogEventsInfo"] or "expiredLogEventEndIndex" in old["rejectedLogEventsInfo"], True)
    logs.delete_log_group(logGroupName=group)
    refused("ResourceNotFoundException", 400, logs.describe_log_streams, logGroupName=group)
