package kvtest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"moln.dev/moln/engine/kv"
)

// crashEnv tells the test binary, run again by testCrash, to be the process
// that is killed; its value is the location of the store.
const crashEnv = "MOLN_KVTEST_CRASH"

const (
	crashRounds  = 3
	crashWriters = 8
	crashTime    = 300 * time.Millisecond
)

// testCrash kills a process while it writes and checks that everything it had
// acknowledged is there, and that batches are whole.
func testCrash(t *testing.T, h Harness) {
	if location := os.Getenv(crashEnv); location != "" {
		writeForever(h, location)
	}
	location := h.New(t)
	acknowledged := make(map[string]bool)
	for round := range crashRounds {
		for _, key := range runAndKill(t, location, round) {
			acknowledged[key] = true
		}
		checkAfterCrash(t, h, location, acknowledged)
	}
	t.Logf("%d acknowledged writes, all there", len(acknowledged))
	if len(acknowledged) < crashRounds {
		t.Errorf("only %d writes acknowledged", len(acknowledged))
	}
}

// runAndKill runs a writer for a while and returns the keys it acknowledged.
func runAndKill(t *testing.T, location string, round int) []string {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$", "-test.count=1")
	cmd.Env = append(os.Environ(), crashEnv+"="+location, fmt.Sprintf("MOLN_KVTEST_ROUND=%d", round))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var keys []string
	var killer *time.Timer
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			if err != io.EOF {
				t.Fatal(err)
			}
			break // what follows the last newline was not acknowledged
		}
		if key, ok := strings.CutPrefix(line, "acknowledged "); ok {
			keys = append(keys, strings.TrimSpace(key))
		}
		if killer == nil { // the child is up
			killer = time.AfterFunc(crashTime, func() { _ = cmd.Process.Kill() })
		}
	}
	_ = cmd.Wait() // it was killed
	return keys
}

// writeForever is the process that is killed: it writes pairs, in batches and
// transactions, and prints the keys once they are durable.
func writeForever(h Harness, location string) {
	d, err := h.Open(location)
	if err != nil {
		fmt.Fprintln(os.Stderr, "child: open:", err)
		os.Exit(1)
	}
	db := kv.New(d)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for w := range crashWriters {
		wg.Go(func() {
			for i := 0; ; i++ {
				key := fmt.Sprintf("%s-%d-%06d", os.Getenv("MOLN_KVTEST_ROUND"), w, i)
				if err := writePair(db, key, i); err != nil {
					fmt.Fprintln(os.Stderr, "child: write:", err)
					os.Exit(1)
				}
				mu.Lock()
				fmt.Println("acknowledged", key)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

func writePair(db *kv.DB, key string, i int) error {
	ctx := context.Background()
	left, right, value := []byte("left/"+key), []byte("right/"+key), []byte(strings.Repeat(key, 20))
	if i%2 == 0 {
		var b kv.Batch
		b.Put(left, value)
		b.Put(right, value)
		return db.Apply(ctx, &b)
	}
	return db.Update(ctx, func(tx *kv.Tx) error {
		if err := tx.Put(left, value); err != nil {
			return err
		}
		return tx.Put(right, value)
	})
}

func checkAfterCrash(t *testing.T, h Harness, location string, acknowledged map[string]bool) {
	t.Helper()
	ctx := context.Background()
	d, err := h.Open(location)
	if err != nil {
		t.Fatalf("open after crash: %v", err)
	}
	db := kv.New(d)
	defer db.Close()
	sides := make(map[string]map[string]bool)
	for _, side := range []string{"left/", "right/"} {
		sides[side] = make(map[string]bool)
		err := db.Scope([]byte(side)).Each(ctx, kv.Range{}, func(it kv.Item) (bool, error) {
			if string(it.Value) != strings.Repeat(string(it.Key), 20) {
				t.Errorf("%s%s has another value than was written", side, it.Key)
			}
			sides[side][string(it.Key)] = true
			return true, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for key := range acknowledged {
		if !sides["left/"][key] || !sides["right/"][key] {
			t.Errorf("%s was acknowledged and is lost", key)
		}
	}
	for key := range sides["left/"] {
		if !sides["right/"][key] {
			t.Errorf("half of the batch %s is there", key)
		}
	}
	if l, r := len(sides["left/"]), len(sides["right/"]); l != r {
		t.Errorf("%d left and %d right halves", l, r)
	}
}
