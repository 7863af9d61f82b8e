package s3blob

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeS3 answers the few requests that the driver makes, without checking
// signatures. It is how the driver's own logic is tested where no store is at
// hand; what real stores do is for MOLN_TEST_S3.
type fakeS3 struct {
	mu      sync.Mutex
	objects map[string]fakeObject
	uploads map[string]map[int][]byte
}

type fakeObject struct {
	data     []byte
	modified time.Time
}

func newFakeS3(t testing.TB) (*fakeS3, string) {
	f := &fakeS3{objects: make(map[string]fakeObject), uploads: make(map[string]map[int][]byte)}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return f, server.URL
}

const fakeBucket = "bucket"

func (f *fakeS3) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	f.mu.Lock()
	defer f.mu.Unlock()
	bucket, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	q := r.URL.Query()
	switch {
	case bucket != fakeBucket:
		fail(w, http.StatusNotFound, "NoSuchBucket")
	case name == "" && r.Method == http.MethodHead:
	case name == "" && q.Has("location"):
		answer(w, "<LocationConstraint/>")
	case name == "":
		f.list(w, q.Get("prefix"))
	case r.Method == http.MethodPost || q.Has("uploadId"):
		f.multipart(w, r, name, body)
	case r.Method == http.MethodPut:
		f.objects[name] = fakeObject{body, time.Now()}
		w.Header().Set("ETag", `"e"`)
	case r.Method == http.MethodDelete:
		delete(f.objects, name)
		w.WriteHeader(http.StatusNoContent)
	default:
		o, ok := f.objects[name]
		if !ok {
			fail(w, http.StatusNotFound, "NoSuchKey")
			return
		}
		w.Header().Set("ETag", `"e"`)
		http.ServeContent(w, r, "", o.modified, bytes.NewReader(o.data))
	}
}

func (f *fakeS3) multipart(w http.ResponseWriter, r *http.Request, name string, body []byte) {
	q := r.URL.Query()
	id := q.Get("uploadId")
	parts := f.uploads[id]
	switch {
	case q.Has("uploads"):
		id = fmt.Sprintf("u%d", len(f.uploads)+1)
		f.uploads[id] = make(map[int][]byte)
		answer(w, "<InitiateMultipartUploadResult><UploadId>"+id+"</UploadId></InitiateMultipartUploadResult>")
	case parts == nil:
		fail(w, http.StatusNotFound, "NoSuchUpload")
	case r.Method == http.MethodPut:
		n, _ := strconv.Atoi(q.Get("partNumber"))
		parts[n] = body
		w.Header().Set("ETag", fmt.Sprintf(`"e%d"`, n))
	case r.Method == http.MethodDelete:
		delete(f.uploads, id)
		w.WriteHeader(http.StatusNoContent)
	default:
		var data []byte
		for n := 1; n <= len(parts); n++ {
			data = append(data, parts[n]...)
		}
		delete(f.uploads, id)
		f.objects[name] = fakeObject{data, time.Now()}
		answer(w, `<CompleteMultipartUploadResult><Bucket>bucket</Bucket><Key>`+name+`</Key><ETag>"e"</ETag></CompleteMultipartUploadResult>`)
	}
}

func (f *fakeS3) list(w http.ResponseWriter, prefix string) {
	type content struct {
		Key          string
		Size         int
		LastModified string
		ETag         string
	}
	var out struct {
		XMLName  xml.Name `xml:"ListBucketResult"`
		Contents []content
	}
	for name, o := range f.objects {
		if strings.HasPrefix(name, prefix) {
			out.Contents = append(out.Contents, content{name, len(o.data), o.modified.UTC().Format(time.RFC3339Nano), `"e"`})
		}
	}
	slices.SortFunc(out.Contents, func(a, b content) int { return strings.Compare(a.Key, b.Key) })
	text, _ := xml.Marshal(out)
	answer(w, string(text))
}

func answer(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "application/xml")
	_, _ = io.WriteString(w, text)
}

func fail(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, "<Error><Code>"+code+"</Code></Error>")
}
