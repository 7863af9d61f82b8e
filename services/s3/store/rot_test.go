package store

import (
	"context"
	"io"

	"moln.dev/moln/engine/blob/driver"
)

// rot is a driver of blobs that can be damaged.
type rot struct {
	driver.Driver
	at     int64 // of every blob that is long enough: the byte that is flipped
	rotten bool
	opened int
}

func (d *rot) damage(at int64) { d.at, d.rotten = at, true }

func (d *rot) Open(ctx context.Context, key driver.Key, offset, length int64) (io.ReadCloser, error) {
	d.opened++
	r, err := d.Driver.Open(ctx, key, offset, length)
	if err != nil || !d.rotten {
		return r, err
	}
	return &rotten{r, d.at - offset}, nil
}

type rotten struct {
	io.ReadCloser
	left int64 // until the byte
}

func (r *rotten) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if r.left >= 0 && r.left < int64(n) {
		p[r.left] ^= 1
	}
	r.left -= int64(n)
	return n, err
}
