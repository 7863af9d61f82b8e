package cloudformation

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	api "moln.dev/moln/api/cloudformation"
	"moln.dev/moln/platform/functions"
)

// lambda answers custom resource requests as a function would: by a PUT to the
// ResponseURL.
type lambda struct {
	w       *world
	answer  func(req map[string]any) map[string]any
	crashes bool
	seen    []map[string]any
}

func (l *lambda) InvokeFunction(_ context.Context, r functions.Request) (functions.Response, error) {
	var req map[string]any
	if err := json.Unmarshal(r.Payload, &req); err != nil {
		return functions.Response{}, err
	}
	l.seen = append(l.seen, req)
	if l.crashes {
		return functions.Response{FunctionError: "Unhandled", Payload: []byte(`{"errorMessage":"boom"}`)}, nil
	}
	raw, err := json.Marshal(l.answer(req))
	if err != nil {
		return functions.Response{}, err
	}
	link, err := url.Parse(req["ResponseURL"].(string))
	if err != nil {
		return functions.Response{}, err
	}
	endpoint := l.w.svc.Definition().Endpoints[0]
	put := httptest.NewRequest(http.MethodPut, link.Path, strings.NewReader(string(raw)))
	if !endpoint.Match(put, link.Hostname()) {
		l.w.t.Errorf("the endpoint does not know %s", link)
	}
	rec := httptest.NewRecorder()
	endpoint.Serve(rec, put, nil)
	if rec.Code != http.StatusOK {
		l.w.t.Errorf("PUT %s: %d %s", link, rec.Code, rec.Body)
	}
	return functions.Response{}, nil
}

const customBody = `
Parameters: {V: {Type: String, Default: one}}
Resources:
  C: {Type: Custom::Thing, Properties: {ServiceToken: 'arn:aws:lambda:us-east-1:123456789012:function:f', Count: 5, On: true, V: !Ref V}}
  A: {Type: Test::Thing, Properties: {Name: a, Value: !Sub '${C}-${C.Key}'}}
`

func TestCustomResource(t *testing.T) {
	w := newWorld(t)
	l := &lambda{w: w, answer: func(req map[string]any) map[string]any {
		id := "custom-" + req["ResourceProperties"].(map[string]any)["V"].(string)
		return map[string]any{"Status": "SUCCESS", "PhysicalResourceId": id, "Data": map[string]any{"Key": "k"}}
	}}
	w.deps.Functions.Bind(l)
	w.create("st", customBody)
	w.wait("st", "CREATE_COMPLETE")
	if got, _ := w.thing("a"); got.Value != "custom-one-k" {
		t.Errorf("A is %+v", got)
	}
	first := l.seen[0]
	props := first["ResourceProperties"].(map[string]any)
	if first["RequestType"] != "Create" || first["ResourceType"] != "Custom::Thing" || props["Count"] != "5" || props["On"] != "true" {
		t.Errorf("request %v", first)
	}
	// Another physical id makes it another resource; the old one is deleted.
	must(w, api.UpdateStack, &api.UpdateStackInput{StackName: new("st"), UsePreviousTemplate: new(true),
		Parameters: []api.Parameter{{ParameterKey: new("V"), ParameterValue: new("two")}}})
	w.wait("st", "UPDATE_COMPLETE")
	var kinds []string
	for _, req := range l.seen {
		id, _ := req["PhysicalResourceId"].(string)
		kinds = append(kinds, strings.TrimSpace(req["RequestType"].(string)+" "+id))
	}
	if want := []string{"Create", "Update custom-one", "Delete custom-one"}; !slices.Equal(kinds, want) {
		t.Errorf("requests %v, want %v", kinds, want)
	}
}

func TestCustomResourceFails(t *testing.T) {
	tests := []struct {
		name    string
		crashes bool
		want    string
	}{
		{"answers FAILED", false, "Message returned: because"},
		{"throws", true, "boom"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.deps.Functions.Bind(&lambda{w: w, crashes: tt.crashes, answer: func(map[string]any) map[string]any {
				return map[string]any{"Status": "FAILED", "Reason": "because"}
			}})
			w.create("st", customBody)
			w.wait("st", "ROLLBACK_COMPLETE")
			if !slices.ContainsFunc(w.events("st"), func(e string) bool { return strings.HasPrefix(e, "C CREATE_FAILED") && strings.Contains(e, tt.want) }) {
				t.Errorf("events\n%s", strings.Join(w.events("st"), "\n"))
			}
		})
	}
}

func TestAnswersNeedTheSecret(t *testing.T) {
	w := newWorld(t)
	endpoint := w.svc.Definition().Endpoints[0]
	rec := httptest.NewRecorder()
	endpoint.Serve(rec, httptest.NewRequest(http.MethodPut, "/_aws/cloudformation-response/guess", strings.NewReader("{}")), nil)
	if rec.Code != http.StatusForbidden {
		t.Errorf("a guess got %d", rec.Code)
	}
}

func TestNestedStack(t *testing.T) {
	w := newWorld(t)
	w.objects["bucket/inner.yml"] = "Parameters: {N: {Type: String}}\nResources: {I: {Type: Test::Thing, Properties: {Name: !Ref N}}}\nOutputs: {O: {Value: !GetAtt I.Arn}}"
	id := w.create("outer", `
Resources:
  S: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: 'https://s3.amazonaws.com/bucket/inner.yml', Parameters: {N: inner}}}
  A: {Type: Test::Thing, Properties: {Name: a, Value: !GetAtt S.Outputs.O}}
`)
	w.wait("outer", "CREATE_COMPLETE")
	if got, _ := w.thing("a"); got.Value != "arn:inner" {
		t.Errorf("A is %+v", got)
	}
	must(w, api.DeleteStack, &api.DeleteStackInput{StackName: new("outer")})
	w.wait(id, "DELETE_COMPLETE")
	if len(w.things) != 0 {
		t.Errorf("left behind: %v", w.things)
	}
}
