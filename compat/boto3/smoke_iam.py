import json

from harness import ACCOUNT, client, contains, document, equal, refused, test, trust, unique


def user(policy=None):
    """A user with a key, and its name."""
    iam, name = client("iam"), unique("user")
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    if policy:
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=policy)
    return iam, name, (key["AccessKeyId"], key["SecretAccessKey"])


@test
def caller_identity():
    equal(client("sts").get_caller_identity()["Arn"], f"arn:aws:iam::{ACCOUNT}:root")
    _, name, key = user()
    got = client("sts", key).get_caller_identity()
    equal((got["Account"], got["Arn"], got["UserId"][:4]), (ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/{name}", "AIDA"))


@test
def denied_then_allowed():
    iam, name, key = user()
    logs = client("logs", key)
    message = refused("AccessDeniedException", 400, logs.describe_log_groups)
    contains(message, f"User: arn:aws:iam::{ACCOUNT}:user/{name} is not authorized to perform: logs:DescribeLogGroups on resource: ")
    contains(message, "because no identity-based policy allows the logs:DescribeLogGroups action")
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document("logs:Describe*"))
    logs.describe_log_groups()
    iam.put_user_policy(UserName=name, PolicyName="no", PolicyDocument=document("logs:*", effect="Deny"))
    contains(refused("AccessDeniedException", 400, logs.describe_log_groups), "with an explicit deny in an identity-based policy")
    iam.delete_user_policy(UserName=name, PolicyName="no")
    logs.describe_log_groups()
    iam.update_access_key(UserName=name, AccessKeyId=key[0], Status="Inactive")
    refused("UnrecognizedClientException", 400, logs.describe_log_groups)


@test
def groups_and_managed_policies():
    iam, name, key = user()
    group = unique("group")
    iam.create_group(GroupName=group)
    iam.add_user_to_group(GroupName=group, UserName=name)
    arn = iam.create_policy(PolicyName=unique("policy"), PolicyDocument=document("iam:ListUsers"))["Policy"]["Arn"]
    iam.attach_group_policy(GroupName=group, PolicyArn=arn)
    client("iam", key).list_users()
    refused("DeleteConflict", 409, iam.delete_policy, PolicyArn=arn)
    iam.detach_group_policy(GroupName=group, PolicyArn=arn)
    refused("AccessDenied", 403, client("iam", key).list_users)
    iam.delete_policy(PolicyArn=arn)
    refused("NoSuchEntity", 404, iam.get_policy, PolicyArn=arn)
    refused("MalformedPolicyDocument", 400, iam.put_user_policy, UserName=name, PolicyName="p", PolicyDocument="{}")


@test
def boundary():
    iam, name, key = user(document("*"))
    limit = iam.create_policy(PolicyName=unique("limit"), PolicyDocument=document("logs:*"))["Policy"]["Arn"]
    iam.put_user_permissions_boundary(UserName=name, PermissionsBoundary=limit)
    client("logs", key).describe_log_groups()
    contains(refused("AccessDenied", 403, client("iam", key).list_users), "permissions boundary")


@test
def assume_role():
    iam, name, key = user()
    role = unique("role")
    arn = iam.create_role(RoleName=role, AssumeRolePolicyDocument=trust(AWS=f"arn:aws:iam::{ACCOUNT}:user/{name}"))["Role"]["Arn"]
    iam.put_role_policy(RoleName=role, PolicyName="p", PolicyDocument=document(["logs:*", "iam:ListUsers"]))
    got = client("sts", key).assume_role(RoleArn=arn, RoleSessionName="session", Policy=document("logs:*"))
    equal(got["AssumedRoleUser"]["Arn"], f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/session")
    c = got["Credentials"]
    session = (c["AccessKeyId"], c["SecretAccessKey"], c["SessionToken"])
    client("logs", session).describe_log_groups()
    contains(refused("AccessDenied", 403, client("iam", session).list_users), "session policy")
    equal(client("sts", session).get_caller_identity()["Arn"], f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/session")
    # Another user, whom neither the role nor a policy of its own lets.
    _, _, stranger = user()
    refused("AccessDenied", 403, client("sts", stranger).assume_role, RoleArn=arn, RoleSessionName="session")


@test
def role_documents():
    iam = client("iam")
    role = unique("role")
    iam.create_role(RoleName=role, Path="/app/", AssumeRolePolicyDocument=trust(Service="lambda.amazonaws.com"), Tags=[{"Key": "a", "Value": "1"}])
    got = iam.get_role(RoleName=role)["Role"]
    equal((got["Arn"], got["Tags"]), (f"arn:aws:iam::{ACCOUNT}:role/app/{role}", [{"Key": "a", "Value": "1"}]))
    equal(got["AssumeRolePolicyDocument"], json.loads(trust(Service="lambda.amazonaws.com")))
    refused("EntityAlreadyExists", 409, iam.create_role, RoleName=role, AssumeRolePolicyDocument=trust(Service="lambda.amazonaws.com"))
    iam.delete_role(RoleName=role)
    refused("NoSuchEntity", 404, iam.get_role, RoleName=role)
