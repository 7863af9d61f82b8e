package apigateway

import (
	"net/http/httptest"
	"testing"

	api "moln.dev/moln/api/apigateway"
)

// BenchmarkMock measures the data plane without a function: routing, templates,
// and the reads of the stage.
func BenchmarkMock(b *testing.B) {
	h := withAPI(&testing.T{}, nil)
	r := h.resource("/notes/{id}")
	h.method(r, "GET", api.PutMethodInput{}, api.PutIntegrationInput{Type: new("MOCK"), RequestTemplates: map[string]string{"application/json": `{"statusCode":200}`}})
	must(h, api.PutMethodResponse, &api.PutMethodResponseInput{RestApiId: h.id, ResourceId: r, HttpMethod: new("GET"), StatusCode: new("200")})
	must(h, api.PutIntegrationResponse, &api.PutIntegrationResponseInput{RestApiId: h.id, ResourceId: r, HttpMethod: new("GET"), StatusCode: new("200"), ResponseTemplates: map[string]string{"application/json": `{"id":"$input.params('id')"}`}})
	h.deploy()
	e := h.def.Endpoints[0]
	b.ReportAllocs()
	for b.Loop() {
		req := httptest.NewRequest("GET", "http://"+*h.id+".execute-api.us-east-1.amazonaws.com/dev/notes/7", nil)
		w := httptest.NewRecorder()
		e.Serve(w, req, h.call())
		if w.Code != 200 {
			b.Fatal(w.Code, w.Body.String())
		}
	}
}
