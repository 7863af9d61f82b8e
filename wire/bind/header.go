package bind

import "net/http"

// headerNameMax is the longest name of a header that headerValues makes canonical
// without allocating; those of the models are shorter.
const headerNameMax = 80

// headerValues gives a header's values as h.Values does. Most members of an input
// are headers that are not there: finding that out must not allocate, as
// http.CanonicalHeaderKey does for each name.
func headerValues(h http.Header, name string) []string {
	if len(name) > headerNameMax {
		return h.Values(name)
	}
	var room [headerNameMax]byte
	upper := true
	for i := range len(name) {
		c := name[i]
		switch {
		case upper && 'a' <= c && c <= 'z':
			c -= 'a' - 'A'
		case !upper && 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		}
		room[i] = c
		upper = c == '-'
	}
	return h[string(room[:len(name)])]
}
