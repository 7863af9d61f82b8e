package store

import (
	"io"
	"sync"

	"moln.dev/moln/engine/blob"
)

// The sums of a body take longer than all else that is done with it, MD5 first
// of all. So those of a large one are made beside the reading, on a copy, which
// costs little against them: one upload then uses two processors.
const (
	// asideBytesMin is where that is worth it.
	asideBytesMin = 512 << 10
	// asidePieces bounds how far the sums may be behind.
	asidePieces = 4
)

// aside gives what is written to it to another goroutine's writer.
type aside struct {
	pool        *sync.Pool // of pieces
	full, empty chan []byte
	made        int
	done        chan struct{}
}

// sumAside begins; wait must follow.
func sumAside(to io.Writer, pool *sync.Pool) *aside {
	a := &aside{pool: pool, full: make(chan []byte, asidePieces), empty: make(chan []byte, asidePieces), done: make(chan struct{})}
	go func() {
		defer close(a.done)
		for piece := range a.full {
			_, _ = to.Write(piece) // a hash never fails
			a.empty <- piece
		}
	}()
	return a
}

// Write implements io.Writer.
func (a *aside) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		piece := a.room()
		n := copy(piece[:cap(piece)], rest)
		a.full <- piece[:n]
		rest = rest[n:]
	}
	return len(p), nil
}

func (a *aside) room() []byte {
	select {
	case piece := <-a.empty:
		return piece
	default:
	}
	if a.made < asidePieces {
		a.made++
		if piece, ok := a.pool.Get().(*[blob.BlockBytes]byte); ok {
			return piece[:]
		}
		return make([]byte, blob.BlockBytes)
	}
	return <-a.empty
}

// wait returns when all that was written is summed.
func (a *aside) wait() {
	close(a.full)
	<-a.done
	for range a.made {
		piece := <-a.empty
		a.pool.Put((*[blob.BlockBytes]byte)(piece[:blob.BlockBytes]))
	}
}
