package apigateway

import (
	"context"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"testing"
	"time"

	api "moln.dev/moln/api/apigateway"
	"moln.dev/moln/platform/functions"
)

func TestTableListsEveryOperationOnce(t *testing.T) {
	h := newHarness(t)
	seen := map[string]int{}
	for _, op := range h.def.Operations {
		_, o := op.Of()
		seen[o.Name]++
	}
	for _, o := range api.Schema.Operations {
		if seen[o.Name] != 1 {
			t.Errorf("%s is listed %d times", o.Name, seen[o.Name])
		}
	}
}

func TestResourcesHaveTheirOwnNames(t *testing.T) {
	h := withAPI(t, nil)
	h.resource("/notes/{id}")
	notes := must(h, api.GetResources, &api.GetResourcesInput{RestApiId: h.id})
	if len(notes.Items) != 3 {
		t.Fatalf("%d resources", len(notes.Items))
	}
	refused(h, api.CreateResource, &api.CreateResourceInput{RestApiId: h.id, ParentId: h.root, PathPart: new("notes")}, "ConflictException", "Another resource with the same parent already has this name: notes")
	refused(h, api.CreateResource, &api.CreateResourceInput{RestApiId: h.id, ParentId: h.root, PathPart: new("a b")}, "BadRequestException", "path part only allow")
	refused(h, api.CreateResource, &api.CreateResourceInput{RestApiId: h.id, ParentId: new("nope"), PathPart: new("a")}, "NotFoundException", "Invalid Resource identifier specified")
	proxy := h.resource("/{proxy+}")
	refused(h, api.CreateResource, &api.CreateResourceInput{RestApiId: h.id, ParentId: proxy, PathPart: new("a")}, "BadRequestException", "greedy path variable: {proxy+}")
	refused(h, api.GetRestApi, &api.GetRestApiInput{RestApiId: new("nope")}, "NotFoundException", "Invalid API identifier specified 000000000000:nope")
}

func TestWhatIsNotHonouredIsRefused(t *testing.T) {
	h := withAPI(t, nil)
	put := func(edit func(*api.PutMethodInput)) *api.PutMethodInput {
		in := &api.PutMethodInput{RestApiId: h.id, ResourceId: h.root, HttpMethod: new("GET"), AuthorizationType: new("NONE")}
		edit(in)
		return in
	}
	refused(h, api.PutMethod, put(func(in *api.PutMethodInput) { in.AuthorizationType = new("AWS_IAM") }), "BadRequestException", "AWS_IAM")
	refused(h, api.PutMethod, put(func(in *api.PutMethodInput) { in.ApiKeyRequired = new(true) }), "BadRequestException", "ApiKeyRequired")
	refused(h, api.PutMethod, put(func(in *api.PutMethodInput) { in.AuthorizationType = new("CUSTOM") }), "BadRequestException", "Invalid authorizer ID specified")
	must(h, api.PutMethod, put(func(*api.PutMethodInput) {}))
	refused(h, api.PutMethod, put(func(*api.PutMethodInput) {}), "ConflictException", "Method already exists for this resource")
	integrate := func(i api.PutIntegrationInput, message string) {
		i.RestApiId, i.ResourceId, i.HttpMethod = h.id, h.root, new("GET")
		refused(h, api.PutIntegration, &i, "BadRequestException", message)
	}
	integrate(api.PutIntegrationInput{Type: new("HTTP_PROXY"), Uri: new("http://example.com")}, "HTTP_PROXY")
	integrate(api.PutIntegrationInput{Type: new("AWS_PROXY"), IntegrationHttpMethod: new("POST"), Uri: new("arn:aws:apigateway:us-east-1:sqs:path/000000000000/q")}, "only supports Lambda")
	integrate(api.PutIntegrationInput{Type: new("MOCK"), RequestTemplates: map[string]string{"application/json": "#if($a)"}}, "#if without #end")
	integrate(api.PutIntegrationInput{Type: new("MOCK"), TimeoutInMillis: new(int32(40))}, "Timeout should be between 50 ms and 29000 ms")
	refused(h, api.CreateDeployment, &api.CreateDeploymentInput{RestApiId: h.id}, "BadRequestException", "No integration defined for method")
}

func TestDeploymentsAreFrozen(t *testing.T) {
	h := withAPI(t, nil)
	h.method(h.root, "GET", api.PutMethodInput{}, api.PutIntegrationInput{})
	h.deploy()
	h.wants(h.send("GET", "", ""), 200, "ok")
	must(h, api.DeleteMethod, &api.DeleteMethodInput{RestApiId: h.id, ResourceId: h.root, HttpMethod: new("GET")})
	h.method(h.root, "POST", api.PutMethodInput{}, api.PutIntegrationInput{})
	h.wants(h.send("GET", "/", ""), 200, "ok")
	h.wants(h.send("POST", "/", ""), 403, `{"message":"Missing Authentication Token"}`)
	h.deploy()
	h.wants(h.send("GET", "/", ""), 403, `{"message":"Missing Authentication Token"}`)
	h.wants(h.send("POST", "/", ""), 200, "ok")
	st := must(h, api.GetStage, &api.GetStageInput{RestApiId: h.id, StageName: new("dev")})
	refused(h, api.DeleteDeployment, &api.DeleteDeploymentInput{RestApiId: h.id, DeploymentId: st.DeploymentId}, "BadRequestException", "Active stages pointing to this deployment must be moved or deleted")
	must(h, api.DeleteStage, &api.DeleteStageInput{RestApiId: h.id, StageName: new("dev")})
	h.wants(h.send("POST", "/", ""), 403, `{"message":"Forbidden"}`)
	must(h, api.DeleteRestApi, &api.DeleteRestApiInput{RestApiId: h.id})
}

func TestProxyEvent(t *testing.T) {
	h := withAPI(t, nil)
	h.method(h.resource("/notes/{id}"), "GET", api.PutMethodInput{}, api.PutIntegrationInput{})
	h.deploy()
	h.send("GET", "/notes/a%20b?x=1&x=2", "", "X-One", "v")
	req := h.lambda.requests[0]
	if want := "arn:aws:execute-api:us-east-1:000000000000:" + *h.id + "/dev/GET/notes/*"; req.Caller.SourceARN != want || req.Caller.Service != "apigateway.amazonaws.com" {
		t.Errorf("invoked as %q for %q, want %q", req.Caller.Service, req.Caller.SourceARN, want)
	}
	if req.FunctionARN != functionARN {
		t.Errorf("function %q", req.FunctionARN)
	}
	var e map[string]any
	if err := json.Unmarshal(req.Payload, &e); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]any{
		"resource": "/notes/{id}", "path": "/notes/a%20b", "httpMethod": "GET", "body": nil, "isBase64Encoded": false, "stageVariables": nil,
	} {
		if got, ok := e[path]; !ok || got != want {
			t.Errorf("%s = %v (%v), want %v", path, got, ok, want)
		}
	}
	if got := e["pathParameters"].(map[string]any)["id"]; got != "a b" {
		t.Errorf("id = %q", got)
	}
	if got := e["queryStringParameters"].(map[string]any)["x"]; got != "2" {
		t.Errorf("x = %v", got)
	}
	if got := e["multiValueQueryStringParameters"].(map[string]any)["x"].([]any); len(got) != 2 {
		t.Errorf("all x = %v", got)
	}
	c := e["requestContext"].(map[string]any)
	if c["path"] != "/dev/notes/a%20b" || c["stage"] != "dev" || c["requestTime"] != "03/Nov/2026:04:05:06 +0000" || c["apiId"] != *h.id {
		t.Errorf("requestContext = %v", c)
	}
	if id := c["identity"].(map[string]any); id["sourceIp"] != "192.0.2.1" || len(id) != 12 {
		t.Errorf("identity = %v", id)
	}
	if _, ok := c["authorizer"]; ok {
		t.Error("authorizer without one")
	}
}

func TestProxyResponses(t *testing.T) {
	h := withAPI(t, func(in *api.CreateRestApiInput) { in.BinaryMediaTypes = []string{"image/png"} })
	h.method(h.root, "ANY", api.PutMethodInput{}, api.PutIntegrationInput{TimeoutInMillis: new(int32(1000))})
	h.deploy()
	const internal = `{"message":"Internal server error"}`
	cases := []struct {
		payload, functionError, accept string
		status                         int
		body                           string
	}{
		{payload: `{"statusCode":"201","body":"x","headers":{"A":1}}`, status: 201, body: "x"},
		{payload: `{"body":null}`, status: 200, body: ""},
		{payload: `"text"`, status: 502, body: internal},
		{payload: `null`, status: 502, body: internal},
		{payload: `{"statusCode":"abc"}`, status: 502, body: internal},
		{payload: `{"statusCode":200,"body":{"a":1}}`, status: 502, body: internal},
		{payload: `{"statusCode":200,"more":1}`, status: 502, body: internal},
		{payload: `{"errorMessage":"boom"}`, functionError: "Unhandled", status: 502, body: internal},
		{payload: `{"body":"aGk=","isBase64Encoded":true}`, status: 200, body: "aGk="},
		{payload: `{"body":"aGk=","isBase64Encoded":true}`, accept: "image/png,*/*", status: 200, body: "hi"},
		{payload: `{"body":"aGk=","isBase64Encoded":true}`, accept: "*/*,image/png", status: 200, body: "aGk="},
	}
	for _, c := range cases {
		h.lambda.answer = func(context.Context, functions.Request) (functions.Response, error) {
			return functions.Response{Payload: []byte(c.payload), FunctionError: c.functionError}, nil
		}
		h.wants(h.send("GET", "/", "", "Accept", c.accept), c.status, c.body)
	}
	h.lambda.answer = func(context.Context, functions.Request) (functions.Response, error) {
		return functions.Response{}, errors.New("no such function")
	}
	h.wants(h.send("GET", "/", ""), 500, internal)
	h.lambda.answer = func(ctx context.Context, _ functions.Request) (functions.Response, error) {
		h.clk.Advance(2 * time.Second)
		<-ctx.Done()
		return functions.Response{}, ctx.Err()
	}
	a := h.send("GET", "/", "")
	h.wants(a, 504, `{"message":"Endpoint request timed out"}`)
	if got := a.header.Get("X-Amzn-Errortype"); got != "InternalServerErrorException" {
		t.Errorf("error type %q", got)
	}
}

func TestPathForms(t *testing.T) {
	h := withAPI(t, nil)
	h.method(h.resource("/notes"), "GET", api.PutMethodInput{}, api.PutIntegrationInput{})
	h.deploy()
	for _, url := range []string{
		"http://127.0.0.1:4566/_aws/execute-api/" + *h.id + "/dev/notes",
		"http://127.0.0.1:4566/restapis/" + *h.id + "/dev/_user_request_/notes",
		"http://" + *h.id + ".execute-api.localhost:4566/dev/notes/",
	} {
		h.wants(h.exchange(httptest.NewRequest("GET", url, nil)), 200, "ok")
	}
	for _, path := range []string{"/restapis", "/restapis/" + *h.id + "/resources/x/methods/GET", "/restapis/" + *h.id + "/stages/dev"} {
		if r := httptest.NewRequest("GET", path, nil); h.def.Endpoints[0].Match(r, "127.0.0.1") {
			t.Errorf("%s is taken from the control plane", path)
		}
	}
}
