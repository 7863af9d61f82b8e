package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/pprof"
	"strings"
	"syscall"
	"testing"
	"time"

	"moln.dev/moln/bench/load"
	"moln.dev/moln/bench/target"
	"moln.dev/moln/engine/kv/pgkv/pgtest"
	"moln.dev/moln/engine/sandbox/nssandbox"
	"moln.dev/moln/server"
)

// The benchmarks here run a server in this process, to be profiled together
// with the light client that drives it:
//
//	go test ./bench -run '^$' -bench PutItem -cpuprofile cpu.prof -o bench.test

func TestMain(m *testing.M) {
	nssandbox.Main() // sandboxes start as this program
	os.Exit(m.Run())
}

// inProcess starts a durable server, and what the parts need to prepare it.
func inProcess(tb testing.TB) (*bench, *target.Server) { return inProcessOn(tb, "") }

// inProcessOn is inProcess on a store of the machine.
func inProcessOn(tb testing.TB, store string) (*bench, *target.Server) {
	tb.Helper()
	dir := tb.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	srv, err := server.Open(ctx, server.Config{
		Listen: "127.0.0.1:0", DataDir: dir, Store: store, RootAccessKey: target.AccessKey, RootSecretKey: target.SecretKey,
	}, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		cancel()
		tb.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ctx) }()
	tb.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			tb.Error(err)
		}
	})
	return &bench{ctx: ctx, scratch: dir}, target.At(strings.TrimPrefix(srv.Endpoint(), "http://"))
}

const driveWorkers = 64

// drive sends b.N requests over several connections.
func drive(b *testing.B, s *target.Server, requests []target.Request) {
	raw, err := sign(s.Addr, requests, target.Request.Bytes)
	if err != nil {
		b.Fatal(err)
	}
	defer profile(b)()
	b.ReportAllocs()
	b.ResetTimer()
	before := processorTime(b)
	r, err := load.HTTP(s.Addr, min(driveWorkers, b.N), load.Limit{Time: time.Minute, Ops: b.N}, raw)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(r.PerSecond, "ops/s")
	b.ReportMetric(float64((processorTime(b)-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
}

// profile takes a profile of what is measured alone, where part shares asks for
// one.
func profile(b *testing.B) (stop func()) {
	name := os.Getenv(profileEnv)
	if name == "" || b.N == 1 {
		return func() {}
	}
	f, err := os.Create(name)
	if err != nil {
		b.Fatal(err)
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		b.Fatal(err)
	}
	return func() {
		pprof.StopCPUProfile()
		f.Close()
	}
}

// processorTime is what this process has used. It hardly depends on what else
// the machine does.
func processorTime(tb testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkIdentity(b *testing.B) {
	_, s := inProcess(b)
	drive(b, s, []target.Request{identityRequest()})
}

func benchmarkItem(b *testing.B, operation string) {
	p, s := inProcess(b)
	if err := p.prepareTable(s); err != nil {
		b.Fatal(err)
	}
	drive(b, s, itemRequests(operation))
}

func BenchmarkGetItem(b *testing.B) { benchmarkItem(b, "GetItem") }
func BenchmarkPutItem(b *testing.B) { benchmarkItem(b, "PutItem") }

func benchmarkPostgreSQL(b *testing.B, requests []target.Request) {
	p, s := inProcessOn(b, pgtest.Start(b))
	if err := p.prepareTable(s); err != nil {
		b.Fatal(err)
	}
	drive(b, s, requests)
}

func BenchmarkPostgreSQLGetItem(b *testing.B)    { benchmarkPostgreSQL(b, itemRequests("GetItem")) }
func BenchmarkPostgreSQLPutItem(b *testing.B)    { benchmarkPostgreSQL(b, itemRequests("PutItem")) }
func BenchmarkPostgreSQLUpdateItem(b *testing.B) { benchmarkPostgreSQL(b, updateRequests()) }

func benchmarkDynamo(b *testing.B, requests []target.Request) {
	p, s := inProcess(b)
	if err := p.prepareDynamo(s); err != nil {
		b.Fatal(err)
	}
	drive(b, s, requests)
}

func BenchmarkUpdateItem(b *testing.B)         { benchmarkDynamo(b, updateRequests()) }
func BenchmarkQuery(b *testing.B)              { benchmarkDynamo(b, queryRequests()) }
func BenchmarkBatchWriteItem(b *testing.B)     { benchmarkDynamo(b, batchRequests()) }
func BenchmarkTransactWriteItems(b *testing.B) { benchmarkDynamo(b, transactRequests()) }
func BenchmarkScan(b *testing.B) {
	benchmarkDynamo(b, []target.Request{dynamo("Scan", object{"TableName": rangeTable})})
}

func BenchmarkWarmInvoke(b *testing.B) {
	p, s := inProcess(b)
	role, err := p.makeRole(s)
	if err != nil {
		b.Fatal(err)
	}
	if err := p.makeFunction(s, "warm", role, hellos()[0], nil); err != nil {
		b.Fatal(err)
	}
	raw, err := invocation("warm").Bytes(s.Addr)
	if err != nil {
		b.Fatal(err)
	}
	for _, workers := range lambdaWorkers {
		b.Run(fmt.Sprint("x", workers), func(b *testing.B) {
			if _, err := load.HTTP(s.Addr, workers, load.Limit{Time: time.Second}, [][]byte{raw}); err != nil { // environments for all
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.ResetTimer()
			before := processorTime(b)
			r, err := load.HTTP(s.Addr, workers, load.Limit{Time: time.Minute, Ops: b.N}, [][]byte{raw})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(r.PerSecond, "ops/s")
			b.ReportMetric(float64((processorTime(b)-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
		})
	}
}
