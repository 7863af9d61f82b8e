import json

from harness import ACCOUNT, REGION, client, contains, equal, get, lacks, refused, test, unique
from smoke_lambda import function


def api():
    gw = client("apigateway", read_timeout=60)
    rest = gw.create_rest_api(name=unique("api"))["id"]
    root = gw.get_resources(restApiId=rest)["items"][0]["id"]
    return gw, rest, root


def host(rest):
    return f"{rest}.execute-api.{REGION}.amazonaws.com"


def mock(gw, rest, resource, method="GET", template='{"hello": "$input.params(\'name\')"}', **more):
    gw.put_method(restApiId=rest, resourceId=resource, httpMethod=method, authorizationType="NONE", **more)
    gw.put_integration(restApiId=rest, resourceId=resource, httpMethod=method, type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'})
    gw.put_method_response(restApiId=rest, resourceId=resource, httpMethod=method, statusCode="200", responseParameters={"method.response.header.X-Kind": True})
    gw.put_integration_response(restApiId=rest, resourceId=resource, httpMethod=method, statusCode="200", responseTemplates={"application/json": template}, responseParameters={"method.response.header.X-Kind": "'mock'"})


@test
def mock_integration():
    gw, rest, root = api()
    child = gw.create_resource(restApiId=rest, parentId=root, pathPart="hello")["id"]
    mock(gw, rest, child)
    gw.create_deployment(restApiId=rest, stageName="v1")
    answer = get("/v1/hello?name=ada", host(rest))
    equal((answer.status_code, answer.json(), answer.headers.get("X-Kind")), (200, {"hello": "ada"}, "mock"))
    equal(bool(answer.headers.get("x-amzn-RequestId")), True)
    lost = get("/v1/nowhere", host(rest))
    equal((lost.status_code, lost.json(), lost.headers.get("x-amzn-ErrorType")), (403, {"message": "Missing Authentication Token"}, "MissingAuthenticationTokenException"))
    equal(get("/v2/hello", host(rest)).status_code, 403)
    # What was deployed stays as it was until the next deployment.
    gw.delete_method(restApiId=rest, resourceId=child, httpMethod="GET")
    equal(get("/v1/hello?name=ada", host(rest)).status_code, 200)
    gw.delete_rest_api(restApiId=rest)
    refused("NotFoundException", 404, gw.get_rest_api, restApiId=rest)


@test
def lambda_proxy():
    lam, f = function("""
import json, base64
def handler(event, context):
    if event["path"] == "/broken":
        return {"oops": 1}
    return {"statusCode": 201, "headers": {"X-Who": "moln"}, "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"]}, "body": json.dumps({k: event[k] for k in ("httpMethod", "path", "resource", "queryStringParameters", "pathParameters", "body", "stageVariables")} | {"account": event["requestContext"]["accountId"], "stage": event["requestContext"]["stage"]})}
""")
    gw, rest, root = api()
    proxy = gw.create_resource(restApiId=rest, parentId=root, pathPart="{proxy+}")["id"]
    gw.put_method(restApiId=rest, resourceId=proxy, httpMethod="ANY", authorizationType="NONE")
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{f}"
    gw.put_integration(restApiId=rest, resourceId=proxy, httpMethod="ANY", type="AWS_PROXY", integrationHttpMethod="POST", uri=f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{arn}/invocations")
    gw.create_deployment(restApiId=rest, stageName="v1", variables={"colour": "blue"})
    # Without a permission for API Gateway the function may not be invoked.
    equal(get("/v1/a", host(rest)).status_code, 500)
    lam.add_permission(FunctionName=f, StatementId="gw", Action="lambda:InvokeFunction", Principal="apigateway.amazonaws.com", SourceArn=f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{rest}/*/*/*")
    answer = get("/v1/a/b?x=1&x=2", host(rest), method="PUT", data="payload", headers={"Content-Type": "text/plain"})
    equal((answer.status_code, answer.headers.get("X-Who")), (201, "moln"))
    contains(answer.headers["Set-Cookie"], "a=1")
    contains(answer.headers["Set-Cookie"], "b=2")
    equal(answer.json(), {
        "httpMethod": "PUT", "path": "/a/b", "resource": "/{proxy+}", "queryStringParameters": {"x": "2"}, "pathParameters": {"proxy": "a/b"},
        "body": "payload", "stageVariables": {"colour": "blue"}, "account": ACCOUNT, "stage": "v1"})
    broken = get("/v1/broken", host(rest))
    equal((broken.status_code, broken.json()), (502, {"message": "Internal server error"}))


@test
@lacks("API keys and usage plans")
def api_keys():
    gw, rest, root = api()
    mock(gw, rest, root, template='{"ok": true}', apiKeyRequired=True)
    gw.create_deployment(restApiId=rest, stageName="v1")
    refusal = get("/v1", host(rest))
    equal((refusal.status_code, refusal.json()), (403, {"message": "Forbidden"}))
    key = gw.create_api_key(name=unique("key"), enabled=True)
    plan = gw.create_usage_plan(name=unique("plan"), apiStages=[{"apiId": rest, "stage": "v1"}])["id"]
    gw.create_usage_plan_key(usagePlanId=plan, keyId=key["id"], keyType="API_KEY")
    answer = get("/v1", host(rest), headers={"x-api-key": key["value"]})
    equal((answer.status_code, answer.json()), (200, {"ok": True}))


@test
def lambda_authorizer():
    lam, f = function("""
def handler(event, context):
    if event["authorizationToken"] == "error":
        raise Exception("Unauthorized")
    effect = "Allow" if event["authorizationToken"] == "open" else "Deny"
    return {"principalId": "ada", "context": {"team": "red"}, "policyDocument": {"Version": "2012-10-17", "Statement": [{"Action": "execute-api:Invoke", "Effect": effect, "Resource": event["methodArn"]}]}}
""")
    gw, rest, root = api()
    lam.add_permission(FunctionName=f, StatementId="gw", Action="lambda:InvokeFunction", Principal="apigateway.amazonaws.com")
    uri = f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/arn:aws:lambda:{REGION}:{ACCOUNT}:function:{f}/invocations"
    authorizer = gw.create_authorizer(restApiId=rest, name="a", type="TOKEN", authorizerUri=uri, identitySource="method.request.header.Authorization", authorizerResultTtlInSeconds=0)["id"]
    mock(gw, rest, root, template='{"who": "$context.authorizer.principalId", "team": "$context.authorizer.team"}')
    gw.update_method(restApiId=rest, resourceId=root, httpMethod="GET", patchOperations=[{"op": "replace", "path": "/authorizationType", "value": "CUSTOM"}, {"op": "replace", "path": "/authorizerId", "value": authorizer}])
    gw.create_deployment(restApiId=rest, stageName="v1")
    equal(get("/v1", host(rest), headers={"Authorization": "open"}).json(), {"who": "ada", "team": "red"})
    denied = get("/v1", host(rest), headers={"Authorization": "shut"})
    equal((denied.status_code, denied.json()), (403, {"Message": "User is not authorized to access this resource with an explicit deny"}))
    equal(get("/v1", host(rest), headers={"Authorization": "error"}).status_code, 401)
    missing = get("/v1", host(rest))
    equal((missing.status_code, missing.json()), (401, {"message": "Unauthorized"}))


@test
def validation_and_model():
    gw, rest, root = api()
    gw.create_model(restApiId=rest, name="Note", contentType="application/json", schema=json.dumps({"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}}))
    validator = gw.create_request_validator(restApiId=rest, name="body", validateRequestBody=True)["id"]
    mock(gw, rest, root, method="POST", template='{"ok": true}', requestModels={"application/json": "Note"}, requestValidatorId=validator)
    gw.create_deployment(restApiId=rest, stageName="v1")
    good = get("/v1", host(rest), method="POST", json={"text": "x"})
    equal((good.status_code, good.json()), (200, {"ok": True}))
    bad = get("/v1", host(rest), method="POST", json={"text": 1})
    equal((bad.status_code, bad.json()), (400, {"message": "Invalid request body"}))


@test
@lacks("OpenAPI import")
def openapi_import():
    gw = client("apigateway", read_timeout=60)
    definition = {"openapi": "3.0.1", "info": {"title": unique("api"), "version": "1"}, "paths": {"/ping": {"get": {
        "responses": {"200": {"description": "ok"}},
        "x-amazon-apigateway-integration": {"type": "mock", "requestTemplates": {"application/json": '{"statusCode": 200}'}, "responses": {"default": {"statusCode": "200", "responseTemplates": {"application/json": '{"pong": true}'}}}}}}}}
    rest = gw.import_rest_api(body=json.dumps(definition))["id"]
    equal(sorted(r["path"] for r in gw.get_resources(restApiId=rest)["items"]), ["/", "/ping"])
    gw.create_deployment(restApiId=rest, stageName="v1")
    equal(get("/v1/ping", host(rest)).json(), {"pong": True})
