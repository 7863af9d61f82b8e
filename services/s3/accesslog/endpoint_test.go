package accesslog

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/s3err"
	"moln.dev/moln/services/s3/store"
)

func TestWatch(t *testing.T) {
	b := &store.Bucket{Name: "box", Account: "111122223333", Logging: &api.LoggingEnabled{}}
	l := &Logger{clock: clock.System(), full: make(chan struct{}, 1), held: map[batch]*strings.Builder{}, targets: map[string]*store.Bucket{"box": b}}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	call := func(r *http.Request) *service.Call {
		return &service.Call{Now: at, RequestID: "id", HTTP: &service.HTTP{Request: r, Header: http.Header{}}}
	}
	for _, bucket := range []string{"box", "other"} {
		e := l.Watch(service.Endpoint{Serve: func(w http.ResponseWriter, _ *http.Request, _ *service.Call) {
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write([]byte("gone"))
		}}, func(r *http.Request) (string, string, string) {
			return bucket, "a/b", "WEBSITE." + r.Method + ".OBJECT"
		})
		r := httptest.NewRequest("GET", "/a/b", nil)
		e.Serve(httptest.NewRecorder(), r, call(r))
	}
	r := httptest.NewRequest("POST", "/box?delete", nil)
	l.Deleted(call(r), "box", &api.ObjectIdentifier{Key: new("k"), VersionId: new("v")}, nil)
	l.Deleted(call(r), "box", &api.ObjectIdentifier{Key: new("k2")}, s3err.AccessDenied())
	l.Deleted(call(r), "other", &api.ObjectIdentifier{Key: new("k")}, nil)
	got := l.held[batch{bucket: "box"}].String()
	if strings.Count(got, "\n") != 3 || len(l.held) != 1 {
		t.Fatal(got)
	}
	for _, want := range []string{
		` WEBSITE.GET.OBJECT a/b "GET /a/b HTTP/1.1" 404 Not+Found 4 `,
		` BATCH.DELETE.OBJECT k "-" 204 - - - `, ` BATCH.DELETE.OBJECT k2 "-" 403 AccessDenied - - `,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
}
