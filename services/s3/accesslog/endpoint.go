package accesslog

import (
	"net/http"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
)

// Watch notes what an endpoint answers that is no operation of the API, as
// websites and forms. aim tells, once it has answered, which bucket, key and
// operation the request was about.
func (l *Logger) Watch(e service.Endpoint, aim func(r *http.Request) (bucket, key, operation string)) service.Endpoint {
	serve := e.Serve
	e.Serve = func(w http.ResponseWriter, r *http.Request, c *service.Call) {
		seen := &counted{ResponseWriter: w, status: http.StatusOK}
		serve(seen, r, c)
		bucket, key, operation := aim(r)
		b := l.logged(bucket)
		if b == nil {
			return
		}
		line := entryOf(c, b, service.Answer{Status: seen.status, Bytes: seen.sent, Took: l.clock.Now().Sub(c.Now), Header: w.Header()})
		line.Operation, line.Key = operation, key
		l.add(b, &line)
	}
	return e
}

// Deleted notes one of the objects that a DeleteObjects is about: each has a
// line of its own beside the request's.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/LogFormat.html
func (l *Logger) Deleted(c *service.Call, name string, id *api.ObjectIdentifier, refused error) {
	b := l.logged(name)
	if b == nil || c.HTTP == nil {
		return
	}
	a := service.Answer{Status: http.StatusNoContent}
	if f := fault.As(refused); f != nil {
		a.Status, a.Code = f.Status, f.Code
	}
	e := entryOf(c, b, a)
	e.Operation, e.Key, e.Version, e.Request = "BATCH.DELETE.OBJECT", smithy.Val(id.Key), smithy.Val(id.VersionId), ""
	e.Size = -1
	l.add(b, &e)
}

// counted notes the status and the length of an answer.
type counted struct {
	http.ResponseWriter
	status int
	sent   int64
}

// WriteHeader implements http.ResponseWriter.
func (w *counted) WriteHeader(status int) {
	if status >= http.StatusOK {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *counted) Write(b []byte) (int, error) {
	n, err := w.ResponseWriter.Write(b)
	w.sent += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (w *counted) Unwrap() http.ResponseWriter { return w.ResponseWriter }
