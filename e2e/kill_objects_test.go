package e2e

import (
	"context"
	"encoding/xml"
	"fmt"
	"html"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// uploaders is how many clients upload objects when the process dies: half
	// of them at once, half in parts.
	uploaders    = 32
	uploadBucket = "killed"
	// partFirstBytes is the least size of a part that is not the last.
	partFirstBytes = 5 << 20
	// bigEvery is how often an upload has two parts.
	bigEvery = 6
)

// uploadBytes are the sizes of objects: beside their record, inline, and blobs
// of one and of several blocks.
var uploadBytes = [...]int{10, 3000, 20_000, 60_000, 300_000}

// TestKillObjects ends moln with SIGKILL while 32 clients upload objects, half
// of them in parts, and starts it again: every acknowledged object is there,
// with its bytes and the checksum that was acknowledged; what else is listed can
// be read whole, and was being written; and a scrub finds nothing wrong.
func TestKillObjects(t *testing.T) {
	onEachStore(t, killUploads)
}

func killUploads(t *testing.T, args ...string) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, seed))
	p := start(t, args...)
	if a, err := newClient(p.endpoint).do(t.Context(), "s3", http.MethodPut, "/"+uploadBucket, nil, nil); err != nil || a.err() != nil {
		t.Fatal(err, a.err())
	}
	all := &uploads{acked: map[string]upload{}, begun: map[string]int{}}
	for round := range rounds(t) {
		after := killAfterMin + time.Duration(rng.Int64N(int64(killAfterMax-killAfterMin)))
		before := len(all.acked)
		all.untilKilled(t, p, round, after)
		began := time.Now()
		p = start(t, args...)
		took := time.Since(began)
		all.verify(t, newClient(p.endpoint))
		scrubbed(t, p)
		t.Logf("round %d: killed after %v, acknowledged %d uploads, ready again after %v", round, after.Round(time.Millisecond), len(all.acked)-before, took.Round(time.Millisecond))
		if t.Failed() {
			return
		}
	}
	if len(all.acked) < uploaders {
		t.Errorf("%d uploads were acknowledged in all, so little was tested", len(all.acked))
	}
}

// upload is what the server acknowledged.
type upload struct {
	bytes          int
	etag, checksum string // as the answer had them
}

// uploads is what is known of all of them.
type uploads struct {
	mu    sync.Mutex
	acked map[string]upload
	begun map[string]int // key -> bytes, of those that no answer came for
	// cut, if not nil, is called before the process dies.
	cut func(*process)
	// most, if not zero, is how many bytes may be sent in a round: the process
	// dies when they are.
	most int64
}

func (u *uploads) untilKilled(t *testing.T, p *process, round int, after time.Duration) {
	t.Helper()
	c := newClient(p.endpoint)
	var writers sync.WaitGroup
	var sent atomic.Int64
	enough := make(chan struct{})
	for i := range uploaders {
		writers.Go(func() {
			for n := 0; ; n++ {
				key := fmt.Sprintf("r%d/w%d/%d", round, i, n)
				size := uploadBytes[(i+n)%len(uploadBytes)]
				send := put
				if i%2 == 0 {
					send = putParts
					if (n+i)%bigEvery == bigEvery-1 {
						size += partFirstBytes
					}
				}
				if now := sent.Add(int64(size)); u.most > 0 && now > u.most {
					if now-int64(size) <= u.most {
						close(enough)
					}
					return
				}
				u.mu.Lock()
				u.begun[key] = size
				u.mu.Unlock()
				done, a, err := send(t.Context(), c, key, size)
				if err != nil {
					return // nobody knows
				}
				if err := a.err(); err != nil {
					t.Errorf("%s: %v", key, err)
					return
				}
				u.mu.Lock()
				delete(u.begun, key)
				u.acked[key] = done
				u.mu.Unlock()
			}
		})
	}
	select {
	case <-time.After(after):
	case <-enough:
	case <-p.exited:
		t.Errorf("moln ended by itself: %v\n%s", p.err, p.stderr)
	}
	if u.cut != nil {
		u.cut(p)
	}
	p.kill()
	writers.Wait()
}

func put(ctx context.Context, c *client, key string, size int) (upload, answer, error) {
	a, err := c.do(ctx, "s3", http.MethodPut, "/"+uploadBucket+"/"+key, nil, content(key, 0, size))
	return upload{size, a.header.Get("Etag"), a.header.Get("X-Amz-Checksum-Crc64nvme")}, a, err
}

// putParts uploads in one part, or in two where the first may be one.
func putParts(ctx context.Context, c *client, key string, size int) (upload, answer, error) {
	path := "/" + uploadBucket + "/" + key
	a, err := c.do(ctx, "s3", http.MethodPost, path+"?uploads=", nil, nil)
	if err != nil || a.err() != nil {
		return upload{}, a, err
	}
	id := url.QueryEscape(element(string(a.body), "UploadId"))
	body, list := content(key, 0, size), ""
	for number := 1; len(body) > 0; number++ {
		part := body
		if len(body) > partFirstBytes {
			part = body[:partFirstBytes]
		}
		body = body[len(part):]
		a, err = c.do(ctx, "s3", http.MethodPut, fmt.Sprintf("%s?partNumber=%d&uploadId=%s", path, number, id), nil, part)
		if err != nil || a.err() != nil {
			return upload{}, a, err
		}
		list += fmt.Sprintf("<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>", number, a.header.Get("Etag"))
	}
	a, err = c.do(ctx, "s3", http.MethodPost, path+"?uploadId="+id, nil, []byte("<CompleteMultipartUpload>"+list+"</CompleteMultipartUpload>"))
	if err != nil {
		return upload{}, a, err
	}
	return upload{size, html.UnescapeString(element(string(a.body), "ETag")), element(string(a.body), "ChecksumCRC64NVME")}, a, nil
}

// verify reads every acknowledged object, and looks at everything that is
// listed.
func (u *uploads) verify(t *testing.T, c *client) {
	t.Helper()
	group, ctx := errgroup.WithContext(t.Context())
	group.SetLimit(killReaders)
	for key, want := range u.acked {
		group.Go(func() error {
			if err := want.check(ctx, c, key); err != nil {
				t.Errorf("%s, which was acknowledged: %v", key, err)
			}
			return nil
		})
	}
	group.Wait()
	listed := 0
	for key := range list(t, c) {
		listed++
		if _, ok := u.acked[key]; ok {
			continue
		}
		size, ok := u.begun[key]
		if !ok {
			t.Errorf("%s is listed, and nobody wrote it", key)
			continue
		}
		if err := (upload{bytes: size}).check(t.Context(), c, key); err != nil {
			t.Errorf("%s, which is listed: %v", key, err)
		}
	}
	if listed < len(u.acked) {
		t.Errorf("%d objects are listed of %d", listed, len(u.acked))
	}
}

// check reads an object; an empty ETag is not known.
func (u upload) check(ctx context.Context, c *client, key string) error {
	a, err := c.do(ctx, "s3", http.MethodGet, "/"+uploadBucket+"/"+key, http.Header{"X-Amz-Checksum-Mode": {"ENABLED"}}, nil)
	if err == nil {
		err = a.err()
	}
	if err == nil {
		err = matches(a.body, key, []int{0}, u.bytes)
	}
	if err != nil || u.etag == "" {
		return err
	}
	if etag, sum := a.header.Get("Etag"), a.header.Get("X-Amz-Checksum-Crc64nvme"); etag != u.etag || sum != u.checksum {
		return fmt.Errorf("ETag %s, checksum %s; acknowledged were %s and %s", etag, sum, u.etag, u.checksum)
	}
	return nil
}

// list gives the keys of the bucket.
func list(t *testing.T, c *client) map[string]bool {
	t.Helper()
	keys, token := map[string]bool{}, ""
	for {
		a, err := c.do(t.Context(), "s3", http.MethodGet, "/"+uploadBucket+"?list-type=2"+token, nil, nil)
		if err == nil {
			err = a.err()
		}
		var page struct {
			Contents              []struct{ Key string }
			IsTruncated           bool
			NextContinuationToken string
		}
		if err == nil {
			err = xml.Unmarshal(a.body, &page)
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Contents {
			keys[o.Key] = true
		}
		if !page.IsTruncated {
			return keys
		}
		token = "&continuation-token=" + url.QueryEscape(page.NextContinuationToken)
	}
}

// scrubbed runs moln scrub and expects that nothing is damaged.
func scrubbed(t *testing.T, p *process) {
	t.Helper()
	out, err := exec.Command(needBinary(t), "scrub", "--endpoint", p.endpoint).CombinedOutput()
	if err != nil {
		t.Errorf("scrub: %v\n%s", err, out)
	}
}
