import json

from harness import client, contains, equal, lacks, refused, test, unique, until


def ended(cfn, stack, seconds=60):
    """The stack, when nothing is in progress any more."""
    def look():
        s = cfn.describe_stacks(StackName=stack)["Stacks"][0]
        return None if s["StackStatus"].endswith("_IN_PROGRESS") else s
    return until(look, f"{stack} is done", seconds)


@test
def bucket_and_table():
    cfn, name = client("cloudformation"), unique("stack")
    bucket = unique("cfn")
    template = {
        "Parameters": {"BucketName": {"Type": "String"}},
        "Resources": {
            "Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": {"Ref": "BucketName"}}},
            "Table": {"Type": "AWS::DynamoDB::Table", "DependsOn": "Bucket", "Properties": {"BillingMode": "PAY_PER_REQUEST", "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}], "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]}},
        },
        "Outputs": {"TableName": {"Value": {"Ref": "Table"}, "Export": {"Name": {"Fn::Sub": "${AWS::StackName}-table"}}}, "TableArn": {"Value": {"Fn::GetAtt": ["Table", "Arn"]}}, "Site": {"Value": {"Fn::Sub": "s3://${Bucket}/x"}}},
    }
    made = cfn.create_stack(StackName=name, TemplateBody=json.dumps(template), Parameters=[{"ParameterKey": "BucketName", "ParameterValue": bucket}])["StackId"]
    stack = ended(cfn, made)
    equal((stack["StackStatus"], stack.get("StackStatusReason")), ("CREATE_COMPLETE", None))
    outputs = {o["OutputKey"]: o["OutputValue"] for o in stack["Outputs"]}
    equal(outputs["Site"], f"s3://{bucket}/x")
    client("s3").head_bucket(Bucket=bucket)
    equal(client("dynamodb").describe_table(TableName=outputs["TableName"])["Table"]["TableArn"], outputs["TableArn"])
    equal(sorted(r["ResourceStatus"] for r in cfn.describe_stack_resources(StackName=name)["StackResources"]), ["CREATE_COMPLETE"] * 2)
    refused("AlreadyExistsException", 400, cfn.create_stack, StackName=name, TemplateBody=json.dumps(template), Parameters=[{"ParameterKey": "BucketName", "ParameterValue": bucket}])
    refused("ValidationError", 400, cfn.update_stack, StackName=name, UsePreviousTemplate=True, Parameters=[{"ParameterKey": "BucketName", "UsePreviousValue": True}])
    cfn.delete_stack(StackName=name)
    equal(ended(cfn, made)["StackStatus"], "DELETE_COMPLETE")
    refused("404", 404, client("s3").head_bucket, Bucket=bucket)
    refused("ResourceNotFoundException", 400, client("dynamodb").describe_table, TableName=outputs["TableName"])
    refused("ValidationError", 400, cfn.describe_stacks, StackName=name)


@test
def unknown_type_rolls_back():
    cfn, name = client("cloudformation"), unique("stack")
    group = "/" + unique("group")
    template = {"Resources": {
        "Group": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": group}},
        "Thing": {"Type": "AWS::NotAReal::Thing", "DependsOn": "Group"}}}
    try:
        cfn.create_stack(StackName=name, TemplateBody=json.dumps(template))
    except cfn.exceptions.ClientError as e:
        # AWS refuses the template itself; to roll back is as good, to accept is not.
        contains(str(e), "AWS::NotAReal::Thing")
        return
    stack = ended(cfn, name)
    equal(stack["StackStatus"], "ROLLBACK_COMPLETE")
    reasons = " ".join(e.get("ResourceStatusReason", "") for e in cfn.describe_stack_events(StackName=name)["StackEvents"])
    contains(reasons + stack.get("StackStatusReason", ""), "AWS::NotAReal::Thing")
    equal(client("logs").describe_log_groups(logGroupNamePrefix=group)["logGroups"], [])
    cfn.delete_stack(StackName=name)


@test
def change_set():
    cfn, name = client("cloudformation"), unique("stack")
    group = "/" + unique("group")

    def template(days):
        return json.dumps({"Resources": {"Group": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": group, "RetentionInDays": days}}}})

    def deploy(kind, body):
        change = unique("change")
        cfn.create_change_set(StackName=name, ChangeSetName=change, ChangeSetType=kind, TemplateBody=body)
        seen = until(lambda: [c for c in [cfn.describe_change_set(StackName=name, ChangeSetName=change)] if c["Status"] in ("CREATE_COMPLETE", "FAILED")], "the change set")[0]
        if seen["Status"] == "FAILED":
            return seen, None
        cfn.execute_change_set(StackName=name, ChangeSetName=change)
        return seen, ended(cfn, name)

    seen, stack = deploy("CREATE", template(7))
    equal([c["ResourceChange"]["Action"] for c in seen["Changes"]], ["Add"])
    equal(stack["StackStatus"], "CREATE_COMPLETE")
    seen, stack = deploy("UPDATE", template(14))
    equal([(c["ResourceChange"]["Action"], c["ResourceChange"]["Replacement"]) for c in seen["Changes"]], [("Modify", "False")])
    equal(stack["StackStatus"], "UPDATE_COMPLETE")
    equal(client("logs").describe_log_groups(logGroupNamePrefix=group)["logGroups"][0]["retentionInDays"], 14)
    seen, _ = deploy("UPDATE", template(14))
    contains(seen["StatusReason"], "didn't contain changes")
    cfn.delete_stack(StackName=name)


@test
@lacks("the SAM transform")
def serverless_transform():
    """A SAM template: a function behind an API, deployed and called."""
    from harness import get, REGION
    cfn, name = client("cloudformation"), unique("stack")
    template = {
        "Transform": "AWS::Serverless-2016-10-31",
        "Resources": {"Hello": {"Type": "AWS::Serverless::Function", "Properties": {
            "Runtime": "python3.11", "Handler": "index.handler",
            "InlineCode": "def handler(event, context):\n    return {'statusCode': 200, 'body': 'hello ' + event['path']}\n",
            "Events": {"Get": {"Type": "Api", "Properties": {"Path": "/hello", "Method": "get"}}}}}},
        "Outputs": {"Api": {"Value": {"Ref": "ServerlessRestApi"}}},
    }
    cfn.create_stack(StackName=name, TemplateBody=json.dumps(template), Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"])
    stack = ended(cfn, name)
    reasons = [e["ResourceStatusReason"] for e in cfn.describe_stack_events(StackName=name)["StackEvents"] if e.get("ResourceStatus") == "CREATE_FAILED"]
    equal((stack["StackStatus"], reasons), ("CREATE_COMPLETE", []))
    api = stack["Outputs"][0]["OutputValue"]
    answer = get("/Prod/hello", f"{api}.execute-api.{REGION}.amazonaws.com")
    equal((answer.status_code, answer.text), (200, "hello /hello"))
    cfn.delete_stack(StackName=name)


@test
def template_refusals():
    cfn = client("cloudformation")
    refused("ValidationError", 400, cfn.validate_template, TemplateBody="{")
    body = json.dumps({"Resources": {"Q": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": {"Ref": "Nobody"}}}}})
    contains(refused("ValidationError", 400, cfn.create_stack, StackName=unique("stack"), TemplateBody=body), "Nobody")
    equal(cfn.validate_template(TemplateBody=json.dumps({"Description": "d", "Resources": {"G": {"Type": "AWS::Logs::LogGroup"}}}))["Description"], "d")
    refused("InsufficientCapabilitiesException", 400, cfn.create_stack, StackName=unique("stack"), TemplateBody=json.dumps({"Resources": {"R": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []}}}}}))
