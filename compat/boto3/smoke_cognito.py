import base64
import json
import re

from pycognito import Cognito

from harness import ACCOUNT, ENDPOINT, REGION, client, contains, document, equal, get, mailbox, refused, test, unique, until

PASSWORD = "Correct-Horse-9"


def pool(flows=("ALLOW_USER_PASSWORD_AUTH", "ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"), **more):
    idp = client("cognito-idp")
    created = idp.create_user_pool(PoolName=unique("pool"), UsernameAttributes=["email"], AutoVerifiedAttributes=["email"], **more)["UserPool"]
    app = idp.create_user_pool_client(UserPoolId=created["Id"], ClientName="web", ExplicitAuthFlows=list(flows))["UserPoolClient"]
    return idp, created["Id"], app["ClientId"]


def member(idp, app):
    """A user who signed up and confirmed with the code that was mailed."""
    email = unique("ada") + "@example.com"
    idp.sign_up(ClientId=app, Username=email, Password=PASSWORD, UserAttributes=[{"Name": "email", "Value": email}])
    message = until(lambda: mailbox(email), "a mail to " + email)
    code = re.search(r"\b\d{6}\b", message.get("Text") or message.get("Body") or json.dumps(message)).group()
    idp.confirm_sign_up(ClientId=app, Username=email, ConfirmationCode=code)
    return email


def claims(token):
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


def sign_in(idp, app, email, password=PASSWORD):
    return idp.initiate_auth(ClientId=app, AuthFlow="USER_PASSWORD_AUTH", AuthParameters={"USERNAME": email, "PASSWORD": password})["AuthenticationResult"]


@test
def sign_up_and_in():
    idp, p, app = pool()
    email = unique("early") + "@example.com"
    refused("InvalidPasswordException", 400, idp.sign_up, ClientId=app, Username=email, Password="short", UserAttributes=[])
    idp.sign_up(ClientId=app, Username=email, Password=PASSWORD, UserAttributes=[{"Name": "email", "Value": email}])
    refused("UserNotConfirmedException", 400, sign_in, idp, app, email)
    refused("CodeMismatchException", 400, idp.confirm_sign_up, ClientId=app, Username=email, ConfirmationCode="000000")
    refused("UsernameExistsException", 400, idp.sign_up, ClientId=app, Username=email, Password=PASSWORD, UserAttributes=[{"Name": "email", "Value": email}])
    email = member(idp, app)
    tokens = sign_in(idp, app, email)
    ident, access = claims(tokens["IdToken"]), claims(tokens["AccessToken"])
    equal((ident["aud"], ident["email"], ident["email_verified"], ident["token_use"]), (app, email, True, "id"))
    equal((access["client_id"], access["token_use"], access["sub"]), (app, "access", ident["sub"]))
    contains(ident["iss"], p)
    attributes = {a["Name"]: a["Value"] for a in idp.get_user(AccessToken=tokens["AccessToken"])["UserAttributes"]}
    equal((attributes["email"], attributes["email_verified"]), (email, "true"))
    refused("NotAuthorizedException", 400, sign_in, idp, app, email, "Wrong-Horse-9")


@test
def signed_by_published_keys():
    import jwt

    idp, p, app = pool()
    token = sign_in(idp, app, member(idp, app))["IdToken"]
    keys = get(f"/{p}/.well-known/jwks.json", f"cognito-idp.{REGION}.amazonaws.com")
    equal(keys.status_code, 200)
    kid = jwt.get_unverified_header(token)["kid"]
    key = next(k for k in keys.json()["keys"] if k["kid"] == kid)
    equal((key["alg"], key["use"]), ("RS256", "sig"))
    verified = jwt.decode(token, jwt.PyJWK(key).key, algorithms=["RS256"], audience=app)
    equal(verified["cognito:username"], verified["sub"])


@test
def srp_sign_in():
    idp, p, app = pool()
    email = member(idp, app)

    def cognito():
        user = Cognito(p, app, username=email, user_pool_region=REGION)
        user.client = idp
        user.check_token = lambda renew=True: False
        user.verify_token = lambda token, id_name, token_use: setattr(user, id_name, token)
        return user

    user = cognito()
    user.authenticate(password=PASSWORD)
    equal(claims(user.id_token)["email"], email)
    refused("NotAuthorizedException", 400, cognito().authenticate, password="Wrong-Horse-9")


@test
def refresh_and_sign_out():
    idp, _, app = pool()
    tokens = sign_in(idp, app, member(idp, app))
    ask = dict(ClientId=app, AuthFlow="REFRESH_TOKEN_AUTH", AuthParameters={"REFRESH_TOKEN": tokens["RefreshToken"]})
    fresh = idp.initiate_auth(**ask)["AuthenticationResult"]
    equal("RefreshToken" in fresh, False)
    idp.global_sign_out(AccessToken=fresh["AccessToken"])
    refused("NotAuthorizedException", 400, idp.initiate_auth, **ask)
    refused("NotAuthorizedException", 400, idp.get_user, AccessToken=tokens["AccessToken"])


@test
def forgotten_password():
    idp, _, app = pool()
    email = member(idp, app)
    before = mailbox(email)["Number"]
    idp.forgot_password(ClientId=app, Username=email)
    message = until(lambda: [m for m in [mailbox(email)] if m["Number"] > before], "a second mail")[0]
    code = re.search(r"\b\d{6}\b", message.get("Text") or json.dumps(message)).group()
    idp.confirm_forgot_password(ClientId=app, Username=email, ConfirmationCode=code, Password="New-Horse-10")
    sign_in(idp, app, email, "New-Horse-10")
    refused("NotAuthorizedException", 400, sign_in, idp, app, email)


@test
def made_by_admin():
    idp, p, app = pool(flows=("ALLOW_ADMIN_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"))
    email = unique("eve") + "@example.com"
    idp.admin_create_user(UserPoolId=p, Username=email, TemporaryPassword="Temp-Horse-1", MessageAction="SUPPRESS", UserAttributes=[{"Name": "email", "Value": email}])
    equal(idp.admin_get_user(UserPoolId=p, Username=email)["UserStatus"], "FORCE_CHANGE_PASSWORD")
    step = idp.admin_initiate_auth(UserPoolId=p, ClientId=app, AuthFlow="ADMIN_USER_PASSWORD_AUTH", AuthParameters={"USERNAME": email, "PASSWORD": "Temp-Horse-1"})
    equal(step["ChallengeName"], "NEW_PASSWORD_REQUIRED")
    done = idp.admin_respond_to_auth_challenge(UserPoolId=p, ClientId=app, ChallengeName="NEW_PASSWORD_REQUIRED", Session=step["Session"], ChallengeResponses={"USERNAME": email, "NEW_PASSWORD": PASSWORD})
    equal("AccessToken" in done["AuthenticationResult"], True)
    idp.create_group(UserPoolId=p, GroupName="staff")
    idp.admin_add_user_to_group(UserPoolId=p, Username=email, GroupName="staff")
    again = idp.admin_initiate_auth(UserPoolId=p, ClientId=app, AuthFlow="ADMIN_USER_PASSWORD_AUTH", AuthParameters={"USERNAME": email, "PASSWORD": PASSWORD})
    equal(claims(again["AuthenticationResult"]["AccessToken"])["cognito:groups"], ["staff"])
    equal([u["Attributes"] != [] for u in idp.list_users(UserPoolId=p, Filter=f'email = "{email}"')["Users"]], [True])
    refused("InvalidParameterException", 400, sign_in, idp, app, email)
    idp.admin_delete_user(UserPoolId=p, Username=email)
    refused("UserNotFoundException", 400, idp.admin_get_user, UserPoolId=p, Username=email)
    idp.delete_user_pool(UserPoolId=p)
    refused("ResourceNotFoundException", 400, idp.describe_user_pool, UserPoolId=p)


@test
def identity_pool_credentials():
    idp, p, app = pool()
    identity, iam = client("cognito-identity"), client("iam")
    provider = f"cognito-idp.{REGION}.amazonaws.com/{p}"
    ip = identity.create_identity_pool(IdentityPoolName=unique("ip"), AllowUnauthenticatedIdentities=False, CognitoIdentityProviders=[{"ProviderName": provider, "ClientId": app, "ServerSideTokenCheck": False}])["IdentityPoolId"]
    role = unique("federated")
    trusted = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Federated": "cognito-identity.amazonaws.com"}, "Action": "sts:AssumeRoleWithWebIdentity", "Condition": {"StringEquals": {"cognito-identity.amazonaws.com:aud": ip}, "ForAnyValue:StringLike": {"cognito-identity.amazonaws.com:amr": "authenticated"}}}]}
    arn = iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps(trusted))["Role"]["Arn"]
    iam.put_role_policy(RoleName=role, PolicyName="p", PolicyDocument=document("logs:DescribeLogGroups"))
    identity.set_identity_pool_roles(IdentityPoolId=ip, Roles={"authenticated": arn})
    token = sign_in(idp, app, member(idp, app))["IdToken"]
    logins = {provider: token}
    who = identity.get_id(IdentityPoolId=ip, Logins=logins)["IdentityId"]
    equal(identity.get_id(IdentityPoolId=ip, Logins=logins)["IdentityId"], who)
    got = identity.get_credentials_for_identity(IdentityId=who, Logins=logins)["Credentials"]
    key = (got["AccessKeyId"], got["SecretKey"], got["SessionToken"])
    contains(client("sts", key).get_caller_identity()["Arn"], f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/")
    client("logs", key).describe_log_groups()
    refused("AccessDenied", 403, client("iam", key).list_users)
    refused("NotAuthorizedException", 400, identity.get_id, IdentityPoolId=ip)
    refused("NotAuthorizedException", 400, identity.get_id, IdentityPoolId=ip, Logins={provider: token[:-6] + "AAAAAA"})
