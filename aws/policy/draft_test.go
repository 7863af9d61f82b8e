package policy

import (
	"strings"
	"testing"
)

func TestDraft(t *testing.T) {
	d := Draft{Version: Version2008, ID: "mine"}
	if text, err := d.Text(); text != "" || err != nil {
		t.Errorf("nothing is %q, %v", text, err)
	}
	if err := d.Read(`{"Version":"2012-10-17","Statement":{"Sid":"a","NotAction":"x:<y>"}}`); err != nil {
		t.Fatal(err)
	}
	for _, g := range []Grant{
		{Sid: "b", Effect: Allow, Principal: map[string]any{"AWS": Alone([]string{"1"})}, Action: Alone([]string{"x:1", "x:2"}), Resource: "r"},
		{Sid: "c", Effect: Allow, Principal: "*", Action: "x:3", Resource: "r", Condition: map[string]map[string]string{"Bool": {"k": "v"}}},
	} {
		if err := d.Add(g); err != nil {
			t.Fatal(err)
		}
	}
	want := `{"Version":"2012-10-17","Id":"mine","Statement":[{"Sid":"a","NotAction":"x:<y>"},` +
		`{"Sid":"b","Effect":"Allow","Principal":{"AWS":"1"},"Action":["x:1","x:2"],"Resource":"r"},` +
		`{"Sid":"c","Effect":"Allow","Principal":"*","Action":"x:3","Resource":"r","Condition":{"Bool":{"k":"v"}}}]}`
	if got, err := d.Text(); got != want || err != nil {
		t.Errorf("got  %s, %v\nwant %s", got, err, want)
	}
	for sid, want := range map[string]int{"a": 0, "c": 2, "C": -1, "": -1} {
		if got := d.Index(func(s string) bool { return s == sid }); got != want {
			t.Errorf("%q is at %d, not %d", sid, got, want)
		}
	}
	if got := d.Index(func(s string) bool { return strings.EqualFold(s, "C") }); got != 2 {
		t.Errorf("C is at %d", got)
	}
}

func FuzzDraft(f *testing.F) {
	f.Add(`{"Version":"2012-10-17","Statement":[{"Sid":"a"}]}`)
	f.Add(`{"Statement":{"Sid":1}}`)
	f.Fuzz(func(t *testing.T, text string) {
		var d, again Draft
		if d.Read(text) != nil || len(d.Statement) == 0 {
			return
		}
		out, err := d.Text()
		if err != nil {
			return // a statement that is null
		}
		if err := again.Read(out); err != nil || len(again.Statement) != len(d.Statement) {
			t.Errorf("%q became %q: %v", text, out, err)
		}
	})
}
