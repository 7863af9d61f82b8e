package pgkv_test

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// lossy forwards connections to a server and now and then cuts one just when
// the server answers: what was asked has happened and the answer is lost.
type lossy struct {
	net.Listener
	server string
	active atomic.Bool
	losses atomic.Int64
}

func (l *lossy) serve() {
	for {
		client, err := l.Accept()
		if err != nil {
			return
		}
		go l.forward(client)
	}
}

func (l *lossy) forward(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", l.server)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		_, _ = io.Copy(server, client)
		server.Close()
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := server.Read(buf)
		if err != nil {
			return
		}
		if l.active.Load() && rand.IntN(20) == 0 {
			l.losses.Add(1)
			return
		}
		if _, err := client.Write(buf[:n]); err != nil {
			return
		}
	}
}

// TestLostAnswers counts up while answers are lost: a commit that is sent
// again must not happen twice.
func TestLostAnswers(t *testing.T) {
	ctx := context.Background()
	location, err := url.Parse(harness(server(t)).New(t))
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	l := &lossy{Listener: listener, server: location.Host}
	go l.serve()
	location.Host = listener.Addr().String()
	db := open(t, location.String())
	l.active.Store(true)

	const workers, rounds = 6, 50
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			key := []byte(strings.Repeat("k", w%2+1))
			for range rounds {
				if err := increment(ctx, db, key); err != nil {
					t.Errorf("increment: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	l.active.Store(false)
	sum := 0
	for _, key := range []string{"k", "kk"} {
		v, err := db.Get(ctx, []byte(key))
		if err != nil {
			t.Fatal(err)
		}
		n, err := strconv.Atoi(string(v))
		if err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	t.Logf("%d answers lost", l.losses.Load())
	if sum != workers*rounds {
		t.Errorf("counters sum up to %d, want %d", sum, workers*rounds)
	}
	if l.losses.Load() == 0 {
		t.Error("no answer was lost: nothing was tested")
	}
}
