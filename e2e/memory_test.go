package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"moln.dev/moln/aws/sigv4"
)

const (
	// largeBytesDefault is how large the streamed objects are;
	// MOLN_LARGE_BYTES asks for more.
	largeBytesDefault = 192 << 20
	// largePartBytes is the size of the parts of the one in parts.
	largePartBytes = 64 << 20
	// largeMemoryMax is how much more memory moln may have held while objects
	// of any size passed through it.
	largeMemoryMax = 96 << 20
)

// TestLargeObjects puts and gets an object that is much larger than the memory moln
// may use, whole and in parts, and looks at the most that it ever held.
func TestLargeObjects(t *testing.T) {
	total := int64(largeBytesDefault)
	if text := os.Getenv("MOLN_LARGE_BYTES"); text != "" {
		var err error
		if total, err = strconv.ParseInt(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	p := start(t, "--data-dir", t.TempDir())
	c := newClient(p.endpoint)
	c.http.Timeout = 0
	mustPut(t, c, "/streams", nil)
	before := peakMemory(t, p)
	measure := func(what string, do func()) {
		began := time.Now()
		do()
		took := time.Since(began)
		t.Logf("%s of %d MiB: %v, %.0f MB/s; most memory so far %d MiB, before %d MiB", what, total>>20, took.Round(time.Millisecond), float64(total)/1e6/took.Seconds(), peakMemory(t, p)>>20, before>>20)
	}
	measure("PUT", func() { c.stream(t, http.MethodPut, "/streams/whole", total) })
	measure("GET", func() { c.stream(t, http.MethodGet, "/streams/whole", total) })
	measure("upload in parts", func() {
		a, err := c.do(t.Context(), "s3", http.MethodPost, "/streams/parts?uploads=", nil, nil)
		if err != nil || a.err() != nil {
			t.Fatal(err, a.err())
		}
		id, parts := element(string(a.body), "UploadId"), ""
		for number, left := 1, total; left > 0; number++ {
			size := min(left, largePartBytes)
			etag := c.stream(t, http.MethodPut, fmt.Sprintf("/streams/parts?partNumber=%d&uploadId=%s", number, id), size)
			parts += fmt.Sprintf("<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>", number, etag)
			left -= size
		}
		a, err = c.do(t.Context(), "s3", http.MethodPost, "/streams/parts?uploadId="+id, nil, []byte("<CompleteMultipartUpload>"+parts+"</CompleteMultipartUpload>"))
		if err != nil || a.err() != nil {
			t.Fatal(err, a.err())
		}
	})
	measure("GET of parts", func() { c.stream(t, http.MethodGet, "/streams/parts", total) })
	if more := peakMemory(t, p) - before; more > largeMemoryMax {
		t.Errorf("moln held %d MiB more than before, at most %d MiB are allowed", more>>20, largeMemoryMax>>20)
	}
}

// stream puts or gets zeros, as many as are asked for, and returns the ETag.
func (c *client) stream(t *testing.T, method, path string, size int64) string {
	t.Helper()
	var body io.Reader
	if method == http.MethodPut {
		body = io.LimitReader(zeros{}, size)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, c.endpoint+path, body)
	if err != nil {
		t.Fatal(err)
	}
	if body != nil {
		req.ContentLength = size
	}
	sigv4.Sign(req, c.creds, region, "s3", "UNSIGNED-PAYLOAD", time.Now())
	resp, err := c.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	n, err := io.Copy(io.Discard, resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || method == http.MethodGet && n != size {
		t.Fatalf("%s %s: %s, %d bytes, %v", method, path, resp.Status, n, err)
	}
	return resp.Header.Get("Etag")
}

type zeros struct{}

// Read implements io.Reader.
func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// peakMemory is the most resident memory that a process has had.
func peakMemory(t *testing.T, p *process) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Skip(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}
