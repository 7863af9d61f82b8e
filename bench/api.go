package main

import (
	_ "embed"
	"encoding/json"
	"fmt"

	"moln.dev/moln/bench/target"
)

//go:embed functions/item.js
var itemFunction string

// apiWorkers are the connections of the loaded case: each keeps an environment.
const apiWorkers = 4

// api measures a deployed REST API whose Node function reads one item, beside
// what it is made of: the function without the API, and the read alone.
func (b *bench) api() error {
	s, err := b.moln("api")
	if err != nil {
		return err
	}
	defer s.Stop()
	if err := b.prepareTable(s); err != nil {
		return err
	}
	role, err := b.makeRole(s)
	if err != nil {
		return err
	}
	h := hello{runtime: "nodejs20.x", file: "index.js", handler: "index.handler", source: itemFunction}
	if err := b.makeFunction(s, "item", role, h, nil); err != nil {
		return err
	}
	host, err := b.makeAPI(s)
	if err != nil {
		return err
	}
	call := target.Request{Method: "GET", Path: "/live/items/key-000007", Host: host}
	event, err := json.Marshal(object{"pathParameters": object{"key": "key-000007"}})
	if err != nil {
		return err
	}
	direct := invocation("item")
	direct.Body = event
	for _, r := range []target.Request{direct, call} { // the cold start is another part's business
		if err := s.Send(b.ctx, r, nil); err != nil {
			return err
		}
	}
	var list []contender
	for _, workers := range []int{1, apiWorkers} {
		list = append(list,
			httpCase("API -> function -> item", s, workers, []target.Request{call}),
			httpCase("function -> item", s, workers, []target.Request{direct}),
			httpCase("item", s, workers, itemRequests("GetItem")))
	}
	return b.compare("api", list)
}

// makeAPI creates GET /items/{key} in a REST API, deploys it as stage live, and
// gives the host that it answers at.
func (b *bench) makeAPI(s *target.Server) (string, error) {
	var api struct{ ID, RootResourceID string }
	var resource struct{ ID string }
	send := func(method, path string, in, out any) error {
		return s.Send(b.ctx, target.REST("apigateway", method, path, in), out)
	}
	if err := send("POST", "/restapis", object{"name": "bench"}, &api); err != nil {
		return "", err
	}
	base := "/restapis/" + api.ID
	parent := api.RootResourceID
	for _, part := range []string{"items", "{key}"} {
		if err := send("POST", base+"/resources/"+parent, object{"pathPart": part}, &resource); err != nil {
			return "", err
		}
		parent = resource.ID
	}
	method := base + "/resources/" + parent + "/methods/GET"
	function := "arn:aws:lambda:" + target.Region + ":" + target.Account + ":function:item"
	steps := []struct {
		verb, path string
		in         any
	}{
		{"PUT", method, object{"authorizationType": "NONE", "requestParameters": object{"method.request.path.key": true}}},
		{"PUT", method + "/integration", object{
			"type": "AWS_PROXY", "httpMethod": "POST",
			"uri": "arn:aws:apigateway:" + target.Region + ":lambda:path/2015-03-31/functions/" + function + "/invocations",
		}},
		{"POST", base + "/deployments", object{"stageName": "live"}},
	}
	for _, step := range steps {
		if err := send(step.verb, step.path, step.in, nil); err != nil {
			return "", err
		}
	}
	may := target.REST("lambda", "POST", "/2015-03-31/functions/item/policy", object{
		"StatementId": "api", "Action": "lambda:InvokeFunction", "Principal": "apigateway.amazonaws.com",
		"SourceArn": fmt.Sprintf("arn:aws:execute-api:%s:%s:%s/*", target.Region, target.Account, api.ID),
	})
	if err := s.Send(b.ctx, may, nil); err != nil {
		return "", err
	}
	return api.ID + ".execute-api." + target.Region + ".localhost", nil
}
