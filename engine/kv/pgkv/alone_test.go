package pgkv_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"moln.dev/moln/engine/kv"
)

// TestFailsAlone has the server refuse some of the writes that wait at the same
// moment: the others must not fail with them.
func TestFailsAlone(t *testing.T) {
	ctx := context.Background()
	location := harness(server(t)).New(t)
	db := open(t, location)
	conn, err := pgx.Connect(ctx, location)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, `ALTER TABLE moln_kv ADD CHECK (value <> 'bad')`); err != nil {
		t.Fatal(err)
	}

	const workers, rounds = 48, 10
	var wg sync.WaitGroup
	var refused atomic.Int64
	for w := range workers {
		wg.Go(func() {
			for i := range rounds {
				value := "good"
				if (w+i)%16 == 0 {
					value = "bad"
				}
				key := fmt.Appendf(nil, "%d.%d", w, i)
				err := db.Put(ctx, key, []byte(value))
				if (err != nil) != (value == "bad") {
					t.Errorf("put of a %s value: %v", value, err)
				}
				if err != nil {
					refused.Add(1)
				}
				_, err = db.Get(ctx, key)
				if (err != nil) != (value == "bad") || err != nil && err != kv.ErrNotFound {
					t.Errorf("get of a %s value: %v", value, err)
				}
			}
		})
	}
	wg.Wait()
	if refused.Load() == 0 {
		t.Error("nothing was refused: nothing was tested")
	}
}
