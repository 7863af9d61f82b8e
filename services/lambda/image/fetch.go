package image

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"sync"
)

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// fetch asks a handler of this process and streams its answer: nothing goes over
// a network, and nothing is held in memory.
func fetch(h http.Handler, r *http.Request) (io.ReadCloser, error) {
	read, write := io.Pipe()
	w := &answer{header: http.Header{}, body: write, status: make(chan int, 1)}
	go func() {
		defer func() {
			if broken := recover(); broken != nil {
				_ = write.CloseWithError(fmt.Errorf("image: the answer broke off: %v", broken))
			}
			w.WriteHeader(http.StatusOK) // what a silent handler means
			_ = write.Close()
		}()
		h.ServeHTTP(w, r)
	}()
	status := <-w.status
	if status == http.StatusOK {
		return read, nil
	}
	text, _ := io.ReadAll(io.LimitReader(read, 1<<10))
	_ = read.Close()
	return nil, fmt.Errorf("image: %s answered %d %s", r.URL.Path, status, text)
}

// answer is the handler's side.
type answer struct {
	header http.Header
	body   *io.PipeWriter
	once   sync.Once
	status chan int
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) { a.once.Do(func() { a.status <- status }) }

func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(p)
}
