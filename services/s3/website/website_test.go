package website

import (
	"testing"

	api "moln.dev/moln/api/s3"
)

func TestRoutingRules(t *testing.T) {
	rules := []api.RoutingRule{
		{Condition: &api.Condition{KeyPrefixEquals: new("docs/")}, Redirect: &api.Redirect{ReplaceKeyPrefixWith: new("documents/")}},
		{Condition: &api.Condition{HttpErrorCodeReturnedEquals: new("404"), KeyPrefixEquals: new("x/")}, Redirect: &api.Redirect{HostName: new("h"), ReplaceKeyWith: new("k")}},
	}
	if r := Rule(rules, "docs/a", 0); r != &rules[0] {
		t.Errorf("%+v", r)
	}
	var to Redirection
	if to.Of(&rules[0], "docs/a"); to.Key != "documents/a" || to.Status != 301 {
		t.Errorf("%+v", to)
	}
	if r := Rule(rules, "x/a", 404); r != &rules[1] || Rule(rules, "x/a", 403) != nil || Rule(rules, "x/a", 0) != nil {
		t.Errorf("%+v", r)
	}
}
