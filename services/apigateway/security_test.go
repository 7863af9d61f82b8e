package apigateway

import (
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	api "moln.dev/moln/api/apigateway"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/platform/service"
)

// TestRolesAreOnlyPassedByWhoMayPassThem: without iam:PassRole, whoever may
// write an API could act as any role that API Gateway may assume.
func TestRolesAreOnlyPassedByWhoMayPassThem(t *testing.T) {
	const role = "arn:aws:iam::000000000000:role/admin"
	h := withAPI(t, nil)
	id := h.authorizer(api.CreateAuthorizerInput{Type: new("TOKEN"), AuthorizerUri: new(functionURI)})
	h.method(h.root, "GET", api.PutMethodInput{}, api.PutIntegrationInput{})
	if len(h.backend.judged) != 0 {
		t.Fatalf("judged %v where no role was named", h.backend.judged)
	}
	h.backend.judge = func(service.Check) error { return fault.New("AccessDeniedException", 403, "no") }
	patch := func(path string) []api.PatchOperation {
		return []api.PatchOperation{{Op: new("replace"), Path: &path, Value: new(role)}}
	}
	refused(h, api.PutIntegration, &api.PutIntegrationInput{
		RestApiId: h.id, ResourceId: h.root, HttpMethod: new("GET"), Type: new("AWS_PROXY"), IntegrationHttpMethod: new("POST"), Uri: new(functionURI), Credentials: new(role),
	}, "AccessDeniedException", "no")
	refused(h, api.CreateAuthorizer, &api.CreateAuthorizerInput{
		RestApiId: h.id, Name: new("other"), Type: new("TOKEN"), AuthorizerUri: new(functionURI), AuthorizerCredentials: new(role),
	}, "AccessDeniedException", "no")
	for _, path := range []string{"/credentials", "credentials"} {
		refused(h, api.UpdateIntegration, &api.UpdateIntegrationInput{
			RestApiId: h.id, ResourceId: h.root, HttpMethod: new("GET"), PatchOperations: patch(path),
		}, "AccessDeniedException", "no")
	}
	refused(h, api.UpdateAuthorizer, &api.UpdateAuthorizerInput{RestApiId: h.id, AuthorizerId: id, PatchOperations: patch("/authorizerCredentials")}, "AccessDeniedException", "no")
	for _, check := range h.backend.judged {
		if check.Action != "iam:PassRole" || check.Resource != role || strings.Join(check.Context["iam:passedtoservice"], "") != servicePrincipal {
			t.Errorf("judged %+v", check)
		}
	}
	i := must(h, api.GetIntegration, &api.GetIntegrationInput{RestApiId: h.id, ResourceId: h.root, HttpMethod: new("GET")})
	if i.Credentials != nil {
		t.Errorf("the refused role is kept: %s", *i.Credentials)
	}
}

// TestHalfABodyIsNotServed: a connection that breaks in the middle of a body
// must not invoke anything with what had come.
func TestHalfABodyIsNotServed(t *testing.T) {
	h := withAPI(t, nil)
	h.method(h.root, "POST", api.PutMethodInput{}, api.PutIntegrationInput{})
	h.deploy()
	r := httptest.NewRequest("POST", "http://"+*h.id+".execute-api.us-east-1.amazonaws.com/dev/", io.MultiReader(strings.NewReader(`{"delete":`), iotest.ErrReader(io.ErrUnexpectedEOF)))
	h.wants(h.exchange(r), 400, `{"message":"Bad Request"}`)
	if len(h.lambda.requests) != 0 {
		t.Errorf("invoked with %s", h.lambda.requests[0].Payload)
	}
}
