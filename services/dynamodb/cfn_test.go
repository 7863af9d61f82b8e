package dynamodb

import (
	"context"
	"encoding/json"
	"testing"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/platform/service"
)

func TestTableResourceWithStream(t *testing.T) {
	b := newBench(t)
	rt := b.s.Definition().Resources[0]
	properties := func(stream string) any {
		t.Helper()
		p := rt.New()
		text := `{"TableName": "notes", "BillingMode": "PAY_PER_REQUEST",
			"AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
			"KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]` + stream + `}`
		if err := json.Unmarshal([]byte(text), p); err != nil {
			t.Fatal(err)
		}
		return p
	}
	latest := func() any {
		t.Helper()
		d := must(b, api.DescribeTable, &api.DescribeTableInput{TableName: new("notes")}).Table
		if d.StreamSpecification == nil {
			return nil
		}
		return *d.LatestStreamArn
	}
	keys := properties(`, "StreamSpecification": {"StreamViewType": "KEYS_ONLY"}`)
	images := properties(`, "StreamSpecification": {"StreamViewType": "NEW_IMAGE"}`)
	none := properties("")
	r := &service.Resource{Type: rt.Name, LogicalID: "Notes", StackName: "stack", Token: "T", Properties: keys}
	if err := rt.Create(context.Background(), b.caller(), r); err != nil {
		t.Fatal(err)
	}
	before := r.Attributes["StreamArn"]
	if before == nil || before != latest() {
		t.Fatalf("created with %v, the table has %v", before, latest())
	}
	for _, step := range []struct{ old, new any }{{keys, images}, {keys, images}, {images, none}, {none, none}, {none, keys}} {
		r.Old, r.Properties = step.old, step.new
		if err := rt.Update(context.Background(), b.caller(), r); err != nil {
			t.Fatal(err)
		}
		if got := r.Attributes["StreamArn"]; got != latest() || (got != nil) != (step.new != none) {
			t.Errorf("updated to %v, the table has %v", got, latest())
		}
	}
	if r.Attributes["StreamArn"] == before {
		t.Error("the stream is still the first")
	}
}
