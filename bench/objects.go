package main

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"moln.dev/moln/bench/load"
	"moln.dev/moln/bench/target"
)

// s3Part is the name that rows of this part bear.
const s3Part = "s3"

const (
	objectBucket  = "bench"
	listBucket    = "bench-list"
	listedKeys    = 20_000
	listPage      = 1000
	multipartSize = 5 << 20 // of a part
	multiparts    = 2
)

// objectSize is a size that objects are written and read in.
type objectSize struct {
	name  string
	bytes int
	keys  int // different objects, so that connections do not meet on one
}

func objectSizes() []objectSize {
	return []objectSize{{"1 KB", 1 << 10, 8192}, {"1 MB", 1 << 20, 256}, {"64 MB", 64 << 20, 64}}
}

// content is a body that does not compress, and what requests say of it.
type content struct {
	body []byte
	sum  string // hex SHA-256
	etag string
}

func makeContent(n int) content {
	body := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(body)
	sum, tag := sha256.Sum256(body), md5.Sum(body)
	return content{body, hex.EncodeToString(sum[:]), `"` + hex.EncodeToString(tag[:]) + `"`}
}

// objects measures S3's operations on moln and its peers. Reads stand beside
// those of a plain file server.
func (b *bench) objects() error {
	servers, stop, err := b.objectServers()
	defer stop()
	if err != nil {
		return err
	}
	for _, size := range objectSizes() {
		if err := b.objectSize(servers, size, makeContent(size.bytes)); err != nil {
			return fmt.Errorf("%s: %w", size.name, err)
		}
	}
	if err := b.multiparts(servers); err != nil {
		return fmt.Errorf("multipart: %w", err)
	}
	for _, s := range servers {
		if err := b.fillList(s.Server, listedKeys); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	for _, workers := range connections {
		var list []contender
		for _, s := range servers {
			list = append(list, objectCase(s, fmt.Sprintf("LIST of %d among %d", listPage, listedKeys), workers, listRequests(listedKeys), nil))
		}
		if err := b.compare(s3Part, list); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) objectSize(servers []named, size objectSize, c content) error {
	files, err := b.fileServer(size, c)
	if err != nil {
		return err
	}
	defer files.Stop()
	var gets, puts []target.Request
	for i := range size.keys {
		path := objectPath(size, i)
		gets = append(gets, target.Request{Service: "s3", Method: http.MethodGet, Path: path})
		puts = append(puts, target.Request{Service: "s3", Method: http.MethodPut, Path: path, Body: c.body, Sum: c.sum})
	}
	for _, s := range servers {
		// Every key is there before one is read.
		heads, err := sign(s.Addr, puts, target.Request.Head)
		if err != nil {
			return err
		}
		fill := load.Traffic{Requests: heads, Body: c.body, Discard: true}
		if _, err := fill.Run(s.Addr, fillWorkers, load.Limit{Time: fillMost, Ops: len(heads)}); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	plain := make([]target.Request, len(gets))
	for i := range gets {
		plain[i] = target.Request{Method: http.MethodGet, Path: gets[i].Path}
	}
	for _, workers := range connections {
		var reads, writes []contender
		for _, s := range servers {
			reads = append(reads, objectCase(s, "GET "+size.name, workers, gets, nil))
			writes = append(writes, objectCase(s, "PUT "+size.name, workers, puts, c.body))
		}
		reads = append(reads, objectCase(named{"net/http files", files}, "GET "+size.name, workers, plain, nil))
		if err := b.compare(s3Part, reads); err != nil {
			return err
		}
		if err := b.compare(s3Part, writes); err != nil {
			return err
		}
	}
	return nil
}

func objectPath(size objectSize, i int) string {
	return fmt.Sprintf("/%s/%s/%06d", objectBucket, strings.ReplaceAll(size.name, " ", ""), i)
}

// objectCase is httpCase for large bodies, which all requests share.
func objectCase(s named, name string, workers int, requests []target.Request, body []byte) contender {
	return contender{s.name + ": " + name, workers, func(l load.Limit) (load.Result, error) {
		signed, err := sign(s.Addr, requests, target.Request.Head)
		if err != nil {
			return load.Result{}, err
		}
		traffic := load.Traffic{Requests: signed, Body: body, Discard: true}
		return counted(s.Server, func() (load.Result, error) { return traffic.Run(s.Addr, workers, l) })
	}}
}

// counted adds the server's processor time to a result.
func counted(s *target.Server, run func() (load.Result, error)) (load.Result, error) {
	before, err := s.CPU()
	if err != nil {
		return load.Result{}, err
	}
	r, err := run()
	if err != nil {
		return r, err
	}
	after, err := s.CPU()
	r.CPU = (after - before) / time.Duration(max(r.Ops, 1))
	return r, err
}

// fillList makes the bucket that is listed.
func (b *bench) fillList(s *target.Server, keys int) error {
	if err := s.Send(b.ctx, target.Request{Service: "s3", Method: http.MethodPut, Path: "/" + listBucket}, nil); err != nil {
		return err
	}
	c := makeContent(1)
	const share = 100_000 // signatures age
	for from := 0; from < keys; from += share {
		puts := make([]target.Request, min(share, keys-from))
		for i := range puts {
			puts[i] = target.Request{Service: "s3", Method: http.MethodPut, Path: listPath(from + i), Body: c.body, Sum: c.sum}
		}
		signed, err := sign(s.Addr, puts, target.Request.Head)
		if err != nil {
			return err
		}
		t := load.Traffic{Requests: signed, Body: c.body, Discard: true}
		if _, err := t.Run(s.Addr, 4*fillWorkers, load.Limit{Time: fillMost, Ops: len(puts)}); err != nil {
			return err
		}
	}
	return nil
}

func listPath(i int) string { return fmt.Sprintf("/%s/%s", listBucket, listKey(i)) }

func listKey(i int) string { return fmt.Sprintf("some/folder/%09d", i) }

// listRequests ask for pages anywhere in the bucket.
func listRequests(keys int) []target.Request {
	r := rand.New(rand.NewPCG(1, 2))
	out := make([]target.Request, 256)
	for i := range out {
		after := strings.ReplaceAll(listKey(r.IntN(max(1, keys-listPage))), "/", "%2F")
		out[i] = target.Request{Service: "s3", Method: http.MethodGet, Path: fmt.Sprintf("/%s?list-type=2&max-keys=%d&start-after=%s", listBucket, listPage, after)}
	}
	return out
}

// multiparts measures whole uploads in parts: begin, parts, completion.
func (b *bench) multiparts(servers []named) error {
	c := makeContent(multipartSize)
	for _, workers := range connections {
		var list []contender
		for _, s := range servers {
			name := fmt.Sprintf("%s: multipart of %d x %d MB", s.name, multiparts, multipartSize>>20)
			list = append(list, contender{name, workers, func(l load.Limit) (load.Result, error) {
				return counted(s.Server, func() (load.Result, error) { return uploads(s.Addr, workers, l, c) })
			}})
		}
		if err := b.compare(s3Part, list); err != nil {
			return err
		}
	}
	return nil
}

func uploads(addr string, workers int, l load.Limit, c content) (load.Result, error) {
	conns := make([]*load.Conn, workers)
	for i := range conns {
		var err error
		if conns[i], err = load.Dial(addr); err != nil {
			return load.Result{}, err
		}
		defer conns[i].Close()
	}
	return load.Loop(workers, l, func(w, i int) error {
		return upload(conns[w], addr, fmt.Sprintf("/%s/multipart/%d-%d", objectBucket, w, i%8), c)
	})
}

func upload(conn *load.Conn, addr, path string, c content) error {
	raw, err := target.Request{Service: "s3", Path: path + "?uploads="}.Bytes(addr)
	if err != nil {
		return err
	}
	answer, err := conn.Do(raw)
	if err != nil {
		return err
	}
	var begun struct {
		UploadID string `xml:"UploadId"`
	}
	if err := xml.Unmarshal(answer, &begun); err != nil || begun.UploadID == "" {
		return fmt.Errorf("no upload id in %q: %w", answer, err)
	}
	var done strings.Builder
	done.WriteString("<CompleteMultipartUpload>")
	for n := range multiparts {
		part := target.Request{Service: "s3", Method: http.MethodPut, Body: c.body, Sum: c.sum, Path: fmt.Sprintf("%s?partNumber=%d&uploadId=%s", path, n+1, begun.UploadID)}
		head, err := part.Head(addr)
		if err != nil {
			return err
		}
		if err := conn.Pass(head, c.body); err != nil {
			return err
		}
		fmt.Fprintf(&done, "<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>", n+1, strings.ReplaceAll(c.etag, `"`, "&quot;"))
	}
	done.WriteString("</CompleteMultipartUpload>")
	raw, err = target.Request{Service: "s3", Path: path + "?uploadId=" + begun.UploadID, Body: []byte(done.String())}.Bytes(addr)
	if err != nil {
		return err
	}
	answer, err = conn.Do(raw)
	if err == nil && !strings.Contains(string(answer), "CompleteMultipartUploadResult") {
		return fmt.Errorf("the upload was not completed: %s", answer)
	}
	return err
}

// fileServer serves the same bytes from files without S3.
func (b *bench) fileServer(size objectSize, c content) (*target.Server, error) {
	dir, err := b.dir("files-" + strings.ReplaceAll(size.name, " ", ""))
	if err != nil {
		return nil, err
	}
	for i := range size.keys {
		name := filepath.Join(dir, objectPath(size, i))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(name, c.body, 0o600); err != nil {
			return nil, err
		}
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return target.Start(b.ctx, target.Launch{Command: []string{self, filesCommand, dir, "{addr}"}, Ready: "/"})
}

// filesCommand makes this program the plain file server, in a process whose time
// can be measured.
const filesCommand = "files"

func serveFiles(dir, addr string) error {
	return http.ListenAndServe(addr, http.FileServer(http.Dir(dir)))
}
