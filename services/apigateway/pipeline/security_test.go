package pipeline

import (
	"fmt"
	"strings"
	"testing"

	api "moln.dev/moln/api/apigateway"
)

// TestCacheKeysDoNotCollide: values come from queries, which may hold any byte.
func TestCacheKeysDoNotCollide(t *testing.T) {
	for _, pair := range [][2][]string{
		{{"a\x00b", "c"}, {"a", "b\x00c"}},
		{{"a", ""}, {"", "a"}},
		{{"1:a"}, {"", "a"}},
	} {
		if cacheKey(pair[0]) == cacheKey(pair[1]) {
			t.Errorf("%q and %q share %q", pair[0], pair[1], cacheKey(pair[0]))
		}
	}
}

// TestSchemaBombsAreRefused: each of these is small, and would take the compiler
// or the validator more time or memory than there is.
func TestSchemaBombsAreRefused(t *testing.T) {
	double := `{"definitions":{"d40":{"type":"string"}`
	for i := range 40 {
		double += fmt.Sprintf(`,"d%d":{"allOf":[{"$ref":"#/definitions/d%d"},{"$ref":"#/definitions/d%d"}]}`, i, i+1, i+1)
	}
	other := []api.Model{{Name: new("Other"), Schema: new(`{"$ref":"` + modelURL("api", "M") + `"}`)}}
	for name, tt := range map[string]struct{ schema, want string }{
		"deep":         {strings.Repeat(`{"not":`, 9000) + "{}" + strings.Repeat("}", 9000), "nests deeper"},
		"deep lists":   {`{"enum":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + "}", "nests deeper"},
		"wide":         {`{"enum":[` + strings.Repeat("{},", schemaNodesMax) + "{}]}", "parts"},
		"doubling":     {double + `},"$ref":"#/definitions/d0"}`, "would have to meet"},
		"itself":       {`{"$ref":"#"}`, errSchemaLoop.Error()},
		"a circle":     {`{"definitions":{"a":{"not":{"$ref":"#/definitions/b"}},"b":{"anyOf":[{"$ref":"#/definitions/a"}]}}}`, errSchemaLoop.Error()},
		"by a sibling": {`{"$ref":"` + modelURL("api", "Other") + `"}`, errSchemaLoop.Error()},
		"a file":       {`{"$ref":"file:///etc/passwd"}`, "no such model"},
		"another host": {`{"$ref":"http://127.0.0.1/x.json"}`, "no such model"},
	} {
		err := CheckModel("api", other, &api.Model{Name: new("M"), Schema: &tt.schema})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", name, err, tt.want)
		}
	}
	tree := `{"definitions":{"node":{"type":"object","properties":{"id":{"type":"string"},"next":{"$ref":"#/definitions/node"},"all":{"type":"array","items":{"$ref":"#"}}}}},"$ref":"#/definitions/node"}`
	if err := CheckModel("api", nil, &api.Model{Name: new("Tree"), Schema: &tree}); err != nil {
		t.Errorf("a recursive type: %v", err)
	}
}
