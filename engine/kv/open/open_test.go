package open

import (
	"context"
	"errors"
	"testing"
)

func TestOpen(t *testing.T) {
	ctx := context.Background()
	for _, url := range []string{"mem:", "pebble:" + t.TempDir(), "pebble://" + t.TempDir()} {
		db, err := Open(ctx, url)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		if err := db.Put(ctx, []byte("k"), nil); err != nil {
			t.Errorf("%s: %v", url, err)
		}
		if err := db.Close(); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
	for _, url := range []string{"", "mem", "redis://x", "/some/dir"} {
		if _, err := Open(ctx, url); !errors.Is(err, ErrUnknown) {
			t.Errorf("%q: %v, want ErrUnknown", url, err)
		}
	}
	for _, url := range []string{"pebble:", "postgres://127.0.0.1:1/none?connect_timeout=1"} {
		if _, err := Open(ctx, url); err == nil {
			t.Errorf("%q opened", url)
		}
	}
}
