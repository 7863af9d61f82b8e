package apigateway

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	api "moln.dev/moln/api/apigateway"
	"moln.dev/moln/platform/functions"
)

func (h *harness) authorizer(in api.CreateAuthorizerInput) *string {
	h.t.Helper()
	in.RestApiId, in.Name = h.id, new("auth")
	return must(h, api.CreateAuthorizer, &in).Id
}

func TestCognitoAuthorizer(t *testing.T) {
	h := withAPI(t, nil)
	id := h.authorizer(api.CreateAuthorizerInput{Type: new(authCognito), ProviderARNs: []string{poolARN}, IdentitySource: new("method.request.header.Authorization")})
	h.method(h.root, "GET", api.PutMethodInput{AuthorizationType: new(authCognito), AuthorizerId: id}, api.PutIntegrationInput{})
	h.method(h.resource("/scoped"), "GET", api.PutMethodInput{AuthorizationType: new(authCognito), AuthorizerId: id, AuthorizationScopes: []string{"notes/read"}}, api.PutIntegrationInput{})
	h.deploy()
	const unauthorized = `{"message":"Unauthorized"}`
	h.wants(h.send("GET", "/", ""), 401, unauthorized)
	h.wants(h.send("GET", "/", "", "Authorization", "bad"), 401, unauthorized)
	h.wants(h.send("GET", "/", "", "Authorization", "access"), 401, unauthorized)
	h.wants(h.send("GET", "/", "", "Authorization", "expired"), 401, `{"message":"The incoming token has expired"}`)
	h.wants(h.send("GET", "/scoped", "", "Authorization", "good"), 401, unauthorized)
	if len(h.lambda.requests) != 0 {
		t.Fatal("the function ran for a caller without a token")
	}
	h.wants(h.send("GET", "/scoped", "", "Authorization", "access"), 200, "ok")
	h.wants(h.send("GET", "/", "", "Authorization", "Bearer good"), 200, "ok")
	var e struct {
		RequestContext struct {
			Authorizer struct{ Claims map[string]string }
		}
	}
	if err := json.Unmarshal(h.lambda.requests[1].Payload, &e); err != nil {
		t.Fatal(err)
	}
	claims := e.RequestContext.Authorizer.Claims
	for k, want := range map[string]string{"sub": "u1", "cognito:groups": "a,b", "email_verified": "true", "exp": "Mon Nov 03 04:05:06 UTC 2025"} {
		if claims[k] != want {
			t.Errorf("claim %s = %q, want %q", k, claims[k], want)
		}
	}
}

func TestLambdaAuthorizerKeepsPoliciesNotDecisions(t *testing.T) {
	h := withAPI(t, nil)
	id := h.authorizer(api.CreateAuthorizerInput{Type: new("TOKEN"), AuthorizerUri: new(strings.Replace(functionURI, "notes", "auth", 1)), IdentityValidationExpression: new("[a-z]+")})
	for _, path := range []string{"/a", "/b", "/c"} {
		h.method(h.resource(path), "GET", api.PutMethodInput{AuthorizationType: new(authCustom), AuthorizerId: id}, api.PutIntegrationInput{})
	}
	h.deploy()
	asked := 0
	answer := func(token string) functions.Response {
		asked++
		arn := "arn:aws:execute-api:us-east-1:000000000000:" + *h.id + "/dev/GET/"
		switch token {
		case "throw":
			return functions.Response{FunctionError: "Unhandled", Payload: []byte(`{"errorMessage":"Unauthorized"}`)}
		case "crash":
			return functions.Response{FunctionError: "Unhandled", Payload: []byte(`{"errorMessage":"boom"}`)}
		case "shape":
			return functions.Response{Payload: []byte(`{"principalId":"u"}`)}
		}
		return functions.Response{Payload: []byte(`{"principalId":"u","context":{"n":1,"b":true},"policyDocument":{"Version":"2012-10-17","Statement":[` +
			`{"Effect":"Allow","Action":"execute-api:Invoke","Resource":"` + arn + `a"},{"Effect":"Deny","Action":"execute-api:Invoke","Resource":"` + arn + `c"}]}}`)}
	}
	h.lambda.answer = func(_ context.Context, req functions.Request) (functions.Response, error) {
		if strings.HasSuffix(req.FunctionARN, ":auth") {
			var e struct{ Type, AuthorizationToken, MethodArn string }
			if err := json.Unmarshal(req.Payload, &e); err != nil || e.Type != "TOKEN" || !strings.HasPrefix(e.MethodArn, "arn:aws:execute-api:") {
				t.Errorf("event %s, %v", req.Payload, err)
			}
			return answer(e.AuthorizationToken), nil
		}
		return functions.Response{Payload: []byte(`{"body":"ok"}`)}, nil
	}
	const unauthorized = `{"message":"Unauthorized"}`
	h.wants(h.send("GET", "/a", ""), 401, unauthorized)
	h.wants(h.send("GET", "/a", "", "Authorization", "NOT"), 401, unauthorized)
	if asked != 0 {
		t.Error("the authorizer was asked without a valid token")
	}
	h.wants(h.send("GET", "/a", "", "Authorization", "tok"), 200, "ok")
	h.wants(h.send("GET", "/b", "", "Authorization", "tok"), 403, `{"Message":"User is not authorized to access this resource"}`)
	h.wants(h.send("GET", "/c", "", "Authorization", "tok"), 403, `{"Message":"User is not authorized to access this resource with an explicit deny"}`)
	if asked != 1 {
		t.Errorf("asked %d times for one token", asked)
	}
	if p := string(h.lambda.requests[1].Payload); !strings.Contains(p, `"authorizer":{"principalId":"u","integrationLatency":0,"n":"1","b":"true"}`) {
		t.Errorf("event %s", p)
	}
	h.clk.Advance(301 * time.Second)
	h.wants(h.send("GET", "/a", "", "Authorization", "tok"), 200, "ok")
	if asked != 2 {
		t.Errorf("asked %d times after the TTL", asked)
	}
	h.wants(h.send("GET", "/a", "", "Authorization", "throw"), 401, unauthorized)
	h.wants(h.send("GET", "/a", "", "Authorization", "crash"), 500, `{"message":null}`)
	h.wants(h.send("GET", "/a", "", "Authorization", "shape"), 500, `{"message":null}`)
}

func TestResourcePolicy(t *testing.T) {
	h := withAPI(t, func(in *api.CreateRestApiInput) {
		in.Policy = new(`{"Version":"2012-10-17","Statement":[
			{"Effect":"Allow","Principal":"*","Action":"execute-api:Invoke","Resource":"execute-api:/*/GET/*","Condition":{"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}}},
			{"Effect":"Deny","Principal":"*","Action":"execute-api:Invoke","Resource":"execute-api:/dev/*/secret"}]}`)
	})
	for _, path := range []string{"/open", "/secret"} {
		h.method(h.resource(path), "ANY", api.PutMethodInput{}, api.PutIntegrationInput{})
	}
	h.deploy()
	h.wants(h.send("GET", "/open", ""), 200, "ok")
	const denied = `{"Message":"User: anonymous is not authorized to perform: execute-api:Invoke on resource: arn:aws:execute-api:us-east-1:********0000:`
	h.wants(h.send("POST", "/open", ""), 403, denied+*h.id+`/dev/POST/open"}`)
	h.wants(h.send("GET", "/secret", ""), 403, denied+*h.id+`/dev/GET/secret with an explicit deny"}`)
}

func TestPreflightAndMappings(t *testing.T) {
	h := withAPI(t, nil)
	r := h.resource("/notes")
	h.method(r, "OPTIONS", api.PutMethodInput{}, api.PutIntegrationInput{
		Type: new("MOCK"), RequestTemplates: map[string]string{"application/json": "{statusCode:200}"}, ContentHandling: new("CONVERT_TO_TEXT"),
	})
	response := func(verb, status string, pattern *string, params map[string]string, templates map[string]string) {
		declared := map[string]bool{}
		for k := range params {
			declared[k] = true
		}
		must(h, api.PutMethodResponse, &api.PutMethodResponseInput{RestApiId: h.id, ResourceId: r, HttpMethod: &verb, StatusCode: &status, ResponseParameters: declared})
		must(h, api.PutIntegrationResponse, &api.PutIntegrationResponseInput{
			RestApiId: h.id, ResourceId: r, HttpMethod: &verb, StatusCode: &status, SelectionPattern: pattern, ResponseParameters: params, ResponseTemplates: templates,
		})
	}
	response("OPTIONS", "200", nil, map[string]string{"method.response.header.Access-Control-Allow-Methods": "'OPTIONS,GET'", "method.response.header.Access-Control-Allow-Origin": "'https://one'"},
		map[string]string{"application/json": "#set($origin = $input.params(\"Origin\"))\n#if($origin == \"\") #set($origin = $input.params(\"origin\")) #end\n#if($origin.matches(\"https://t.*\")) #set($context.responseOverride.header.Access-Control-Allow-Origin = $origin) #end"})
	h.method(r, "POST", api.PutMethodInput{}, api.PutIntegrationInput{
		Type: new("AWS"), IntegrationHttpMethod: new("POST"), Uri: new(functionURI), PassthroughBehavior: new("NEVER"),
		RequestTemplates: map[string]string{"application/json": `{"verb":"$context.httpMethod","x":$input.json('$.x'),"q":"$input.params('q')"}`},
	})
	response("POST", "200", nil, map[string]string{"method.response.header.X-Id": "integration.response.body.id"}, map[string]string{"application/json": `{"got":"$input.path('$.id')"}`})
	response("POST", "404", new(`.*not found.*`), nil, map[string]string{"application/json": `{"why":$input.json('$.errorMessage')}`})
	h.deploy()
	a := h.send("OPTIONS", "/notes", "", "Origin", "https://two")
	if a.status != 200 || a.header.Get("Access-Control-Allow-Origin") != "https://two" || a.header.Get("Access-Control-Allow-Methods") != "OPTIONS,GET" {
		t.Errorf("preflight: %d %v", a.status, a.header)
	}
	if a = h.send("OPTIONS", "/notes", ""); a.header.Get("Access-Control-Allow-Origin") != "https://one" {
		t.Errorf("preflight without an origin: %v", a.header)
	}
	h.lambda.answer = func(_ context.Context, req functions.Request) (functions.Response, error) {
		if string(req.Payload) != `{"verb":"POST","x":{"y":1},"q":"z"}` {
			t.Errorf("payload %s", req.Payload)
		}
		return functions.Response{Payload: []byte(`{"id":"n1"}`)}, nil
	}
	a = h.send("POST", "/notes?q=z", `{"x": {"y": 1}}`)
	h.wants(a, 200, `{"got":"n1"}`)
	if a.header.Get("X-Id") != "n1" {
		t.Errorf("headers %v", a.header)
	}
	h.lambda.answer = func(context.Context, functions.Request) (functions.Response, error) {
		return functions.Response{FunctionError: "Unhandled", Payload: []byte(`{"errorMessage":"note not found"}`)}, nil
	}
	h.wants(h.send("POST", "/notes?q=z", `{}`), 404, `{"why":"note not found"}`)
	h.wants(h.send("POST", "/notes", `x`, "Content-Type", "text/plain"), 415, `{"message":"Unsupported Media Type"}`)
}

func TestValidatorsAndGatewayResponses(t *testing.T) {
	h := withAPI(t, nil)
	must(h, api.CreateModel, &api.CreateModelInput{RestApiId: h.id, Name: new("Note"), ContentType: new("application/json"), Schema: new(`{"$schema":"http://json-schema.org/draft-04/schema#","type":"object","required":["title"],"properties":{"title":{"type":"string"}}}`)})
	v := must(h, api.CreateRequestValidator, &api.CreateRequestValidatorInput{RestApiId: h.id, Name: new("all"), ValidateRequestBody: new(true), ValidateRequestParameters: new(true)})
	h.method(h.root, "POST", api.PutMethodInput{
		RequestValidatorId: v.Id, RequestModels: map[string]string{"application/json": "Note"}, RequestParameters: map[string]bool{"method.request.querystring.q": true, "method.request.header.H": false},
	}, api.PutIntegrationInput{})
	must(h, api.PutGatewayResponse, &api.PutGatewayResponseInput{
		RestApiId: h.id, ResponseType: new("DEFAULT_4XX"), ResponseParameters: map[string]string{"gatewayresponse.header.Access-Control-Allow-Origin": "'*'"},
	})
	h.deploy()
	a := h.send("POST", "/", `{"title":"x"}`)
	h.wants(a, 400, `{"message":"Missing required request parameters: [q]"}`)
	if a.header.Get("Access-Control-Allow-Origin") != "*" || a.header.Get("X-Amzn-Errortype") != "BadRequestException" {
		t.Errorf("headers %v", a.header)
	}
	for _, body := range []string{`{}`, ``, `{"title":1}`, `{"title"`} {
		h.wants(h.send("POST", "/?q=1", body), 400, `{"message":"Invalid request body"}`)
	}
	h.wants(h.send("POST", "/?q=1", `{"title":"x"}`), 200, "ok")
	h.wants(h.send("POST", "/?q=1", `free text`, "Content-Type", "text/plain"), 200, "ok")
	h.wants(h.send("POST", "/?q=1", strings.Repeat("x", 10<<20+1)), 413, `{"message":"Request Too Long"}`)
}
