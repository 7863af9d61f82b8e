package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"

	"moln.dev/moln/bench/target"
)

const (
	manyPart = "s3-large"
	fewKeys  = 1000
)

// manyObjects compares a bucket of many objects with one of a thousand: a page
// of the listing, reads, and memory.
func (b *bench) manyObjects() error {
	var servers []named
	keys := []int{fewKeys, b.objects1k * fewKeys}
	for _, n := range keys {
		s, err := b.moln(fmt.Sprint(manyPart, n))
		if err != nil {
			return err
		}
		defer s.Stop()
		if err := b.fillList(s, n); err != nil {
			return err
		}
		servers = append(servers, named{fmt.Sprintf("%d objects", n), s})
	}
	for _, workers := range []int{1, 16} {
		var list []contender
		for i, s := range servers {
			list = append(list,
				objectCase(s, fmt.Sprintf("LIST of %d", min(listPage, keys[i])), workers, listRequests(keys[i]), nil),
				objectCase(s, "GET", workers, getRequests(keys[i]), nil))
		}
		if err := b.compare(manyPart, list); err != nil {
			return err
		}
	}
	for _, s := range servers {
		m, err := memory(s.Pid())
		if err != nil {
			return err
		}
		b.report.value(manyPart, s.name+": memory", m["Rss"], "MB", figure(m["Anonymous"])+" MB of it anonymous")
	}
	return nil
}

// getRequests read objects anywhere in the listed bucket.
func getRequests(keys int) []target.Request {
	const different = 20_000
	r := rand.New(rand.NewPCG(3, 4))
	out := make([]target.Request, different)
	for i := range out {
		out[i] = target.Request{Service: "s3", Method: http.MethodGet, Path: listPath(r.IntN(keys))}
	}
	return out
}
