package cors

import (
	"testing"

	api "moln.dev/moln/api/s3"
)

func TestCORSRules(t *testing.T) {
	rules := []api.CORSRule{
		{AllowedOrigins: []string{"https://*.example.com"}, AllowedMethods: []string{"PUT"}, AllowedHeaders: []string{"x-amz-*", "Content-Type"}},
		{AllowedOrigins: []string{"*"}, AllowedMethods: []string{"GET"}},
	}
	for i, tt := range []struct {
		r    Request
		want int
	}{
		{Request{"https://a.example.com", "PUT", []string{"content-type", "X-Amz-Date"}}, 0},
		{Request{"https://a.example.com", "PUT", []string{"authorization"}}, -1},
		{Request{"https://example.com", "PUT", nil}, -1},
		{Request{"https://example.com", "GET", nil}, 1},
		{Request{"https://example.com", "GET", []string{"x-y"}}, -1},
		{Request{"https://a.example.com", "DELETE", nil}, -1},
	} {
		got := Rule(rules, tt.r)
		if (tt.want < 0) != (got == nil) || (got != nil && got != &rules[tt.want]) {
			t.Errorf("%d: %+v", i, got)
		}
	}
}
