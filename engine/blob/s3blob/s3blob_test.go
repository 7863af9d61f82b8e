package s3blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"moln.dev/moln/engine/blob"
	"moln.dev/moln/engine/blob/blobtest"
	"moln.dev/moln/engine/blob/driver"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/ident"
)

func openFake(t testing.TB) (*fakeS3, driver.Driver) {
	t.Helper()
	f, endpoint := newFakeS3(t)
	d, err := Open(context.Background(), Config{Endpoint: endpoint, Region: "us-east-1", Bucket: fakeBucket, Prefix: "/a/b/"})
	if err != nil {
		t.Fatal(err)
	}
	return f, d
}

func TestFake(t *testing.T) {
	blobtest.Run(t, func(t testing.TB) driver.Driver {
		_, d := openFake(t)
		return d
	})
}

// TestStore runs the suite on a real store. MOLN_TEST_S3 is
// http://ACCESSKEY:SECRETKEY@HOST:PORT/BUCKET; the bucket exists.
func TestStore(t *testing.T) {
	at := os.Getenv("MOLN_TEST_S3")
	if at == "" {
		t.Skip("MOLN_TEST_S3 names no S3 endpoint: the driver has been tested on its fake only")
	}
	u, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	secret, _ := u.User.Password()
	count := 0
	blobtest.Run(t, func(t testing.TB) driver.Driver {
		count++
		d, err := Open(context.Background(), Config{
			Endpoint: u.Scheme + "://" + u.Host, Region: "us-east-1", Bucket: strings.Trim(u.Path, "/"),
			Prefix:    fmt.Sprintf("blobtest-%d-%d", time.Now().UnixNano(), count),
			AccessKey: u.User.Username(), SecretKey: secret,
		})
		if err != nil {
			t.Fatal(err)
		}
		return d
	})
}

func TestLargeBlobsAreUploadedInParts(t *testing.T) {
	f, d := openFake(t)
	s := blob.New(d, ident.New(nil, clock.System())).Scope("s")
	data := bytes.Repeat([]byte("0123456789abcdef"), (2*PartBytesFirst+100)/16)
	ref, err := s.Put(t.Context(), bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(t.Context(), ref); err != nil {
		t.Error(err)
	}
	if _, ok := f.objects["a/b/s/"+ref.ID]; !ok {
		t.Error("the object has another name")
	}
	w, err := s.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if len(f.uploads) != 1 {
		t.Fatalf("%d uploads under way, want 1", len(f.uploads))
	}
	if err := w.Abort(); err != nil || len(f.uploads) != 0 {
		t.Errorf("Abort: %v, %d uploads left", err, len(f.uploads))
	}
}

func TestOpenRefuses(t *testing.T) {
	_, endpoint := newFakeS3(t)
	if _, err := Open(t.Context(), Config{Endpoint: endpoint, Region: "us-east-1", Bucket: "another"}); !errors.Is(err, ErrBucket) {
		t.Errorf("Open of a missing bucket: %v", err)
	}
	for _, bad := range []string{"", "localhost:9000", "ftp://h", "://"} {
		if _, err := Open(t.Context(), Config{Endpoint: bad, Bucket: "b"}); err == nil {
			t.Errorf("Open of endpoint %q succeeded", bad)
		}
	}
}
