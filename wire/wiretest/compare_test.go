package wiretest

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/wire"
)

// exceptions are the vectors that a server does not owe, with the reason.
func exceptions() map[string]string {
	const compression = "compresses the request and gives no body: decompressing is the gateway's"
	return map[string]string{
		"SDKAppliedContentEncoding_awsJson1_1":                    compression,
		"SDKAppliedContentEncoding_awsJson1_0":                    compression,
		"SDKAppliedContentEncoding_awsQuery":                      compression,
		"SDKAppliedContentEncoding_restJson1":                     compression,
		"SDKAppliedContentEncoding_restXml":                       compression,
		"SDKAppendsGzipAndIgnoresHttpProvidedEncoding_awsJson1_1": compression,
		"SDKAppendsGzipAndIgnoresHttpProvidedEncoding_awsJson1_0": compression,
		"SDKAppendsGzipAndIgnoresHttpProvidedEncoding_awsQuery":   compression,
		"SDKAppendedGzipAfterProvidedEncoding_restJson1":          compression,
		"SDKAppendedGzipAfterProvidedEncoding_restXml":            compression,
	}
}

// settle removes what the wire cannot tell apart: an empty payload structure
// from none, an empty list in the query or a header from none, the case of
// header names.
func settle(svc *smithy.Service, id smithy.ShapeID, x any) any {
	top, ok := x.(map[string]any)
	if !ok {
		return x
	}
	sh := svc.Shape(id)
	out := map[string]any{}
	for i := range sh.Members {
		m := &sh.Members[i]
		v, ok := top[m.Name]
		if !ok {
			continue
		}
		switch m.Location {
		case smithy.InPrefixHeaders:
			lower := map[string]any{}
			for k, e := range v.(map[string]any) {
				lower[strings.ToLower(k)] = e
			}
			v = lower
		case smithy.InQuery, smithy.InHeader, smithy.InQueryMap, smithy.InPayload:
		case smithy.InBody:
			out[m.Name] = jsonDocs(svc, m, v)
			continue
		default:
			out[m.Name] = v
			continue
		}
		if m.Location == smithy.InQueryMap {
			v = unnamed(sh, v.(map[string]any))
		}
		v = jsonDocs(svc, m, v)
		if !emptyCollection(v) {
			out[m.Name] = v
		}
	}
	return out
}

// unnamed leaves the parameters to a query map that no other member names.
func unnamed(sh *smithy.Shape, in map[string]any) map[string]any {
	out := maps.Clone(in)
	for i := range sh.Members {
		if sh.Members[i].Location == smithy.InQuery {
			delete(out, sh.Members[i].WireName)
		}
	}
	return out
}

// jsonDocs replaces text that is JSON by trait with what it says.
func jsonDocs(svc *smithy.Service, m *smithy.Member, x any) any {
	if s, ok := x.(string); ok && m.Has(smithy.JSONValue) {
		var doc any
		if json.Unmarshal([]byte(s), &doc) == nil {
			return doc
		}
	}
	return x
}

func emptyCollection(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	case string:
		return v == ""
	}
	return false
}

func compareResponse(t *testing.T, s *suite, v *vector, m *model, resp *wire.Response) {
	t.Helper()
	want := v.Response
	if want.StatusCode != 0 && resp.Status != want.StatusCode {
		t.Errorf("status %d, want %d", resp.Status, want.StatusCode)
	}
	compareHeaders(t, s, want.Headers, resp.Header)
	body := resp.Body
	if resp.Stream != nil {
		b, err := io.ReadAll(resp.Stream)
		if err != nil {
			t.Fatal(err)
		}
		body = b
	}
	switch protocolOf(s) {
	case smithy.AWSJSON10, smithy.AWSJSON11, smithy.RESTJSON1:
		compareJSON(t, v, want.Body, string(body))
	default:
		compareXML(t, v, m, want.Body, string(body))
	}
}

func compareHeaders(t *testing.T, s *suite, want map[string]string, got http.Header) {
	t.Helper()
	for k, w := range want {
		g := got.Get(k)
		switch strings.ToLower(k) {
		case "content-length":
			continue // net/http's
		case "content-type":
			g, _, _ = strings.Cut(g, ";")
		case "x-amzn-errortype":
			g, w = errorName(g), errorName(w)
		}
		if strings.ReplaceAll(g, ", ", ",") != strings.ReplaceAll(w, ", ", ",") {
			t.Errorf("header %s: %q, want %q", k, g, w)
		}
	}
}

// errorName is an error's name without the namespace and URI that servers may
// put around it.
func errorName(s string) string {
	if i := strings.IndexByte(s, '#'); i >= 0 {
		s = s[i+1:]
	}
	s, _, _ = strings.Cut(s, ":")
	return s
}

func compareJSON(t *testing.T, v *vector, want, got string) {
	t.Helper()
	if strings.TrimSpace(want) == "" && (got == "" || got == "{}") {
		return
	}
	var w, g any
	if json.Unmarshal([]byte(want), &w) != nil {
		if want != got {
			t.Errorf("body %q, want %q", got, want)
		}
		return
	}
	if err := json.Unmarshal([]byte(got), &g); err != nil && got != "" {
		t.Fatalf("body is no JSON: %v\n%s", err, got)
	}
	if diff := cmp.Diff(settleJSON(v, clean(w)), settleJSON(v, g)); diff != "" {
		t.Errorf("body (-want +got):\n%s\n%s", diff, got)
	}
}

// settleJSON takes the error's name, which clients find in one of several
// places, out of a fault's body.
func settleJSON(v *vector, x any) any {
	top, ok := x.(map[string]any)
	if x == nil {
		return map[string]any{}
	}
	if !ok || v.ErrorCode == "" {
		return x
	}
	for _, k := range []string{"__type", "code"} {
		delete(top, k)
	}
	return top
}

func compareXML(t *testing.T, v *vector, m *model, want, got string) {
	t.Helper()
	t.Skip("no XML yet")
}
