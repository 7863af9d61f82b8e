package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"moln.dev/moln/bench/load"
	"moln.dev/moln/bench/target"
)

const profileBucket = "profile"

// objectPuts are writes of different objects of one size.
func objectPuts(size, keys int) []target.Request {
	body := make([]byte, size)
	rand.NewChaCha8([32]byte{1}).Read(body)
	out := make([]target.Request, keys)
	for i := range out {
		out[i] = target.Request{Service: "s3", Method: http.MethodPut, Path: fmt.Sprintf("/%s/%06d", profileBucket, i), Body: body}
	}
	return out
}

func objectGets(keys int) []target.Request {
	out := make([]target.Request, keys)
	for i := range out {
		out[i] = target.Request{Service: "s3", Method: http.MethodGet, Path: fmt.Sprintf("/%s/%06d", profileBucket, i)}
	}
	return out
}

func makeBucket(b *testing.B, s *target.Server) {
	b.Helper()
	if err := s.Send(context.Background(), target.Request{Service: "s3", Method: http.MethodPut, Path: "/" + profileBucket}, nil); err != nil {
		b.Fatal(err)
	}
}

func headsOf(b *testing.B, s *target.Server, requests []target.Request) [][]byte {
	b.Helper()
	out := make([][]byte, len(requests))
	for i, r := range requests {
		var err error
		if out[i], err = r.Head(s.Addr); err != nil {
			b.Fatal(err)
		}
	}
	return out
}

// driveObjects is drive for bodies of any size, over conns connections.
func driveObjects(b *testing.B, s *target.Server, conns int, t load.Traffic) {
	defer profile(b)()
	b.ReportAllocs()
	b.ResetTimer()
	before := processorTime(b)
	r, err := t.Run(s.Addr, min(conns, b.N), load.Limit{Time: time.Minute, Ops: b.N})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(r.PerSecond, "ops/s")
	b.ReportMetric(float64((processorTime(b)-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
}

func benchmarkPut(b *testing.B, size, keys, conns int) {
	_, s := inProcess(b)
	makeBucket(b, s)
	puts := objectPuts(size, keys)
	b.SetBytes(int64(size))
	driveObjects(b, s, conns, load.Traffic{Requests: headsOf(b, s, puts), Body: puts[0].Body, Discard: true})
}

func benchmarkGet(b *testing.B, size, keys, conns int) {
	_, s := inProcess(b)
	makeBucket(b, s)
	puts := objectPuts(size, keys)
	fill := load.Traffic{Requests: headsOf(b, s, puts), Body: puts[0].Body, Discard: true}
	if _, err := fill.Run(s.Addr, min(keys, driveWorkers), load.Limit{Time: time.Minute, Ops: keys}); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(size))
	driveObjects(b, s, conns, load.Traffic{Requests: headsOf(b, s, objectGets(keys)), Discard: true})
}

func BenchmarkPutObject1KB(b *testing.B)  { benchmarkPut(b, 1<<10, 1024, driveWorkers) }
func BenchmarkPutObject1MB(b *testing.B)  { benchmarkPut(b, 1<<20, 64, 16) }
func BenchmarkPutObject64MB(b *testing.B) { benchmarkPut(b, 64<<20, 4, 2) }
func BenchmarkGetObject1KB(b *testing.B)  { benchmarkGet(b, 1<<10, 1024, driveWorkers) }
func BenchmarkGetObject1MB(b *testing.B)  { benchmarkGet(b, 1<<20, 64, 16) }
func BenchmarkGetObject64MB(b *testing.B) { benchmarkGet(b, 64<<20, 2, 2) }

// BenchmarkListObjects lists pages of 1,000 of 2,000 keys.
func BenchmarkListObjects(b *testing.B) {
	_, s := inProcess(b)
	makeBucket(b, s)
	puts := objectPuts(1<<10, 2000)
	fill := load.Traffic{Requests: headsOf(b, s, puts), Body: puts[0].Body, Discard: true}
	if _, err := fill.Run(s.Addr, driveWorkers, load.Limit{Time: time.Minute, Ops: len(puts)}); err != nil {
		b.Fatal(err)
	}
	list := []target.Request{{Service: "s3", Method: http.MethodGet, Path: "/" + profileBucket + "?list-type=2"}}
	driveObjects(b, s, driveWorkers, load.Traffic{Requests: headsOf(b, s, list), Discard: true})
}
