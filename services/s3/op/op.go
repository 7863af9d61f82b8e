// Package op has what the families of S3's operations share: whom a request is
// about, what it needs to be allowed, how it finds a version, and what its
// answers have in common. It stores nothing.
package op

import (
	"context"
	"io"
	"reflect"

	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/checksum"
	"moln.dev/moln/services/s3/cors"
	"moln.dev/moln/services/s3/store"
)

// verifyDocument checks the digests of a request whose body was read whole.
func verifyDocument(c *service.Call) error {
	if c.HTTP == nil || c.HTTP.Body == nil {
		return nil
	}
	e, err := checksum.Expected(c.HTTP.Request.Header)
	if err != nil || (e.MD5 == "" && len(e.Sums) == 0 && len(e.Trailers) == 0) {
		return err
	}
	d := checksum.NewDigester(e.Algorithms()...)
	if _, err := io.Copy(d, c.HTTP.Body); err != nil {
		return err
	}
	return d.Check(e, c.HTTP.Trailer)
}

// SetSums sets the members of an answer that tell checksums: out points to a
// struct with a member Checksum… for each algorithm.
func SetSums(sums checksum.Values, out any) {
	v := reflect.ValueOf(out).Elem()
	for alg, sum := range sums {
		if f := v.FieldByName("Checksum" + alg); f.IsValid() {
			f.Set(reflect.ValueOf(&sum))
		}
	}
}

// GivenSums are the checksums that the members of a request tell.
func GivenSums(in any) checksum.Values {
	v := reflect.ValueOf(in).Elem()
	out := checksum.Values{}
	for _, alg := range checksum.All() {
		if p, _ := v.FieldByName("Checksum" + alg).Interface().(*string); p != nil {
			out[alg] = *p
		}
	}
	return out
}

// SumNames are the algorithms of an object's checksums.
func SumNames(sums checksum.Values) []string {
	if len(sums) == 1 {
		for alg := range sums {
			return []string{alg}
		}
	}
	var out []string
	for _, alg := range checksum.All() {
		if _, ok := sums[alg]; ok {
			out = append(out, alg)
		}
	}
	return out
}

// AllowOrigin adds the CORS headers to the answer of an ordinary request, be it
// an error or not.
func AllowOrigin(c *service.Call, b *store.Bucket) {
	if c.HTTP == nil || len(b.CORS) == 0 {
		return
	}
	r := cors.Request{Origin: c.HTTP.Request.Header.Get("Origin"), Method: c.HTTP.Request.Method}
	if r.Origin == "" {
		return
	}
	if rule := cors.Rule(b.CORS, r); rule != nil {
		cors.Set(c.HTTP.Header, rule, r)
	}
}

// Verified checks the digests of a request document before its handler sees it.
func Verified[S, In, Out any](h service.Handler[S, In, Out]) service.Handler[S, In, Out] {
	return func(s S, ctx context.Context, c *service.Call, in *In) (*Out, error) {
		if err := verifyDocument(c); err != nil {
			return nil, err
		}
		return h(s, ctx, c, in)
	}
}
