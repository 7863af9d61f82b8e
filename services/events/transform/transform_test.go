package transform

import (
	"encoding/json"
	"errors"
	"runtime"
	"strings"
	"testing"
)

const event = `{"version":"0","id":"i-1","detail-type":"t","source":"s","account":"1","time":"2026-01-02T03:04:05Z","region":"r","resources":["a"],` +
	`"detail":{"id":"0a78","payload":{"acc":"0a78","n":1.50},"one":["HIGH"],"two":["A","B"],"valid":true,"quote":"a\"b<c","list":[{"k":1},{"k":2}]}}`

var facts = Facts{"arn:aws:events:r:1:rule/b/n", "n", "2026-01-02T03:04:06Z"}

func TestTemplates(t *testing.T) {
	paths := map[string]string{
		"id": "$.detail.id", "payload": "$.detail.payload", "none": "$.detail.none", "one": "$.detail.one", "two": "$.detail.two",
		"valid": "$.detail.valid", "quote": "$.detail.quote", "first": "$.detail.list[0].k", "ks": "$['detail']['list'][*].k", "all": "$",
	}
	for template, want := range map[string]string{
		`{"path": "users/<id>", "body": <payload>}`:      `{"path": "users/0a78", "body": {"acc":"0a78","n":1.50}}`,
		`"Payload of <payload> and <id>"`:                `"Payload of {acc:0a78,n:1.50} and 0a78"`,
		`{"a": <none>, "b": "x<none>"}`:                  `{"a": "", "b": "x"}`,
		`"<one> <two> <none> <valid>"`:                   `"[HIGH] [A,B]  true"`,
		`{"l": <one>}`:                                   `{"l": ["HIGH"]}`,
		"\"<one> one\"\n\"<id> two\"":                    "\"[HIGH] one\"\n\"0a78 two\"",
		`{"q": <quote>, "r": "<quote>"}`:                 `{"q": "a\"b<c", "r": "a\"b<c"}`,
		`{"f": <first>, "k": <ks>}`:                      `{"f": 1, "k": [1,2]}`,
		`<payload>`:                                      `{"acc":"0a78","n":1.50}`,
		`"<aws.events.rule-arn> <aws.events.rule-name>"`: `"arn:aws:events:r:1:rule/b/n n"`,
		`{"t": <aws.events.event.ingestion-time>}`:       `{"t": "2026-01-02T03:04:06Z"}`,
		`{"e": <aws.events.event.json>}`:                 `{"e": ` + event + `}`,
		`{"e": <aws.events.event>}`:                      `{"e": {"id":"i-1","account":"1","detailType":"t","time":"2026-01-02T03:04:05Z","source":"s","region":"r","resources":["a"],"version":"0"}}`,
		`{"x": "1 < 2 > 0", "y": "\"<id>\"", "z": "<>"}`: `{"x": "1 < 2 > 0", "y": "\"0a78\"", "z": "<>"}`,
		`"{[/Check <id>"`:                                `"{[/Check 0a78"`,
	} {
		s, err := Compile(Spec{Target: "t", Template: &template, Paths: paths})
		if err != nil {
			t.Errorf("%s: %v", template, err)
			continue
		}
		got, err := s.Apply(json.RawMessage(event), facts)
		if err != nil || string(got) != want {
			t.Errorf("%s:\n got %s, %v\nwant %s", template, got, err, want)
		}
	}
	for _, template := range []string{`{"p": "<payload>"}`, `{"p": "<one>"}`} {
		s, err := Compile(Spec{Target: "t", Template: &template, Paths: paths})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := s.Apply(json.RawMessage(event), facts); !errors.Is(err, ErrNotJSON) {
			t.Errorf("%s: %s, %v", template, got, err)
		}
	}
}

func TestPathsAndInputs(t *testing.T) {
	for path, want := range map[string]string{
		"$": event, "$.detail.id": `"0a78"`, "$.detail.list[1]": `{"k":2}`, "$.detail.none.more": "null", "$.detail.list[7]": "null",
		"$.detail-type": `"t"`, "$.detail.valid.x": "null", `$["detail"].id`: `"0a78"`,
	} {
		s, err := Compile(Spec{Path: &path})
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if got, err := s.Apply(json.RawMessage(event), facts); err != nil || string(got) != want {
			t.Errorf("%s: %s, %v", path, got, err)
		}
	}
	input := `{"fixed": 1}`
	s, err := Compile(Spec{Input: &input})
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := s.Apply(json.RawMessage(event), facts); string(got) != input {
		t.Errorf("input: %s", got)
	}
}

func TestCompileRefuses(t *testing.T) {
	for _, c := range []struct {
		spec Spec
		want string
	}{
		{Spec{Template: new(`"<unknown>"`)}, "InputTemplate for target t contains invalid placeholder unknown."},
		{Spec{Template: new(`"<aws.events.unknown>"`)}, "InputTemplate for target t contains invalid placeholder aws.events.unknown."},
		{Spec{Template: new(`x <a>`), Paths: map[string]string{"a": "$"}}, "Invalid InputTemplate for target t : [invalid character 'x' looking for beginning of value]."},
		{Spec{Template: new(`{"a": <a>`), Paths: map[string]string{"a": "$"}}, "Invalid InputTemplate for target t : [unexpected EOF]."},
		{Spec{Template: new(`{}`), Paths: map[string]string{"a": "detail"}}, "InputPathsMap for target t contains invalid path detail."},
		{Spec{Template: new(`{}`), Paths: map[string]string{"aws.x": "$"}}, "InputPathsMap for target t contains the reserved name aws.x."},
		{Spec{Path: new("detail")}, "Invalid InputPath for target t."},
		{Spec{Path: new("$.a..b")}, "Invalid InputPath for target t."},
		{Spec{Path: new("$.a[x]")}, "Invalid InputPath for target t."},
	} {
		c.spec.Target = "t"
		if _, err := Compile(c.spec); err == nil || err.Error() != c.want {
			t.Errorf("got %v\nwant %s", err, c.want)
		}
	}
}

func FuzzTemplate(f *testing.F) {
	f.Add(`{"a": <a>, "b": "<a>"}`, "$.detail.id")
	f.Add(`"<a>"`, "$['detail'].list[*].k")
	f.Add(`<aws.events.event>`, "$")
	f.Fuzz(func(t *testing.T, template, path string) {
		s, err := Compile(Spec{Target: "t", Template: &template, Paths: map[string]string{"a": path}})
		if err != nil {
			return
		}
		got, err := s.Apply(json.RawMessage(event), facts)
		if err == nil && values(got) != nil {
			t.Errorf("%q gave %q, which is not JSON", template, got)
		}
	})
}

// A template of a few bytes does not make gigabytes of an event.
func TestTemplatesHaveAnEnd(t *testing.T) {
	template := "[" + strings.Repeat("<e>,", 2000) + "0]"
	s, err := Compile(Spec{Target: "t", Template: &template, Paths: map[string]string{"e": "$.detail"}})
	if err != nil {
		t.Fatal(err)
	}
	large := json.RawMessage(`{"detail":{"x":"` + strings.Repeat("x", BytesMax/2) + `"}}`)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	out, err := s.Apply(large, facts)
	runtime.ReadMemStats(&after)
	if !errors.Is(err, ErrTooLong) {
		t.Errorf("%d bytes, %v", len(out), err)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 64*BytesMax {
		t.Errorf("%d bytes were used", used)
	}
	if out, err := s.Apply(json.RawMessage(`{"detail":1}`), facts); err != nil || len(out) != 2*2000+3 {
		t.Errorf("%d bytes, %v", len(out), err)
	}
}
