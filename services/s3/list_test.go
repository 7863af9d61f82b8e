package s3

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// An answer tells versions and delete markers in one order: by key, the newest
// of a key first.
func TestVersionsAndMarkersAreInOneOrder(t *testing.T) {
	g := newGate(t)
	put := func(target, body string) {
		g.want(200, "", request{who: "owner", method: "PUT", target: target, body: body})
	}
	put("/box", "")
	put("/box?versioning", `<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>`)
	put("/box/a", "1")
	g.want(204, "", request{who: "owner", method: "DELETE", target: "/box/a"})
	put("/box/a", "2")
	g.want(204, "", request{who: "owner", method: "DELETE", target: "/box/b"})
	put("/box/c", "3")
	put("/box/d/e", "4")
	entry := regexp.MustCompile(`<(Version|DeleteMarker)><?.*?<Key>(.*?)</Key>`)
	list := func(query string) []string {
		var out []string
		body := g.want(200, "", request{who: "owner", method: "GET", target: "/box?versions" + query})
		for _, m := range entry.FindAllStringSubmatch(body, -1) {
			out = append(out, m[1]+" "+m[2])
		}
		if strings.Contains(query, "delimiter") != strings.Contains(body, "<CommonPrefixes><Prefix>d/</Prefix></CommonPrefixes>") {
			t.Errorf("%s: prefixes of %s", query, body)
		}
		return out
	}
	for query, want := range map[string]string{
		"":                     "[Version a DeleteMarker a Version a DeleteMarker b Version c Version d/e]",
		"&delimiter=%2F":       "[Version a DeleteMarker a Version a DeleteMarker b Version c]",
		"&max-keys=2":          "[Version a DeleteMarker a]",
		"&prefix=b":            "[DeleteMarker b]",
		"&prefix=c":            "[Version c]",
		"&prefix=none":         "[]",
		"&key-marker=a":        "[DeleteMarker b Version c Version d/e]",
		"&max-keys=1&prefix=a": "[Version a]",
	} {
		if got := fmt.Sprint(list(query)); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
}
