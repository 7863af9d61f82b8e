// Package open opens a kv store by its URL, so that only the program's flags
// know which stores there are.
package open

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/memkv"
	"moln.dev/moln/engine/kv/pebblekv"
	"moln.dev/moln/engine/kv/pgkv"
)

// ErrUnknown is returned for a URL of no store that is known.
var ErrUnknown = errors.New("open: store must be mem:, pebble:DIRECTORY or postgres://...")

// Open opens the store that url names:
//
//	mem:               in memory, gone when closed
//	pebble:DIRECTORY   in a directory, made if need be, for this process only
//	postgres://...     in PostgreSQL, shared by any number of processes
func Open(ctx context.Context, url string) (*kv.DB, error) {
	scheme, rest, ok := strings.Cut(url, ":")
	if !ok {
		return nil, fmt.Errorf("%w, not %q", ErrUnknown, url)
	}
	switch scheme {
	case "mem":
		return kv.New(memkv.New()), nil
	case "pebble":
		if rest == "" {
			return nil, errors.New("open: pebble: needs a directory")
		}
		d, err := pebblekv.Open(strings.TrimPrefix(rest, "//"), slog.Default())
		if err != nil {
			return nil, err
		}
		return kv.New(d), nil
	case "postgres", "postgresql":
		d, err := pgkv.Open(ctx, url)
		if err != nil {
			return nil, err
		}
		return kv.New(d), nil
	}
	return nil, fmt.Errorf("%w, not %s:", ErrUnknown, scheme)
}
