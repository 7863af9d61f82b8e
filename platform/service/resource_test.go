package service

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTagsGone(t *testing.T) {
	type tags = []struct{ Key, Value string }
	r := &Resource{Tags: map[string]string{"stack": "1"}}
	got := r.TagsGone(tags{{"kept", "2"}}, tags{{"kept", "1"}, {"stack", "own"}, {"gone", ""}})
	if d := cmp.Diff([]string{"gone"}, got); d != "" {
		t.Error(d)
	}
}

func TestDocument(t *testing.T) {
	for _, c := range []struct {
		property any
		want     *string
	}{
		{nil, nil}, {"", new("")}, {`{"a": 1}`, new(`{"a": 1}`)}, {map[string]any{"a": []any{1.0, "b"}}, new(`{"a":[1,"b"]}`)},
	} {
		got, err := Document(c.property)
		if d := cmp.Diff(c.want, got); d != "" || err != nil {
			t.Errorf("%v: %v, %s", c.property, err, d)
		}
	}
	if _, err := Document(func() {}); err == nil {
		t.Error("a function is a document")
	}
}
