package load

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestHTTPCountsWhatTheServerAnswered(t *testing.T) {
	seen := make(chan string, 64)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		seen <- r.URL.Path + string(b)
		if r.URL.Path == "/chunked" {
			w.WriteHeader(http.StatusOK)
			w.(http.Flusher).Flush()
			io.WriteString(w, strings.Repeat("x", 5000))
		}
	}))
	defer srv.Close()
	requests := [][]byte{
		[]byte("POST /plain HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi"),
		[]byte("GET /chunked HTTP/1.1\r\nHost: h\r\n\r\n"),
	}
	r, err := HTTP(strings.TrimPrefix(srv.URL, "http://"), 2, Limit{Time: time.Minute, Ops: 8}, requests)
	if err != nil {
		t.Fatal(err)
	}
	if r.Ops != 8 || len(seen) != 8 || r.P99 < r.P50 {
		t.Errorf("%+v, the server saw %d", r, len(seen))
	}
	if got := <-seen; got != "/plainhi" && got != "/chunked" {
		t.Errorf("the server saw %q", got)
	}
}

func TestErrorAnswerFailsTheRun(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	defer srv.Close()
	_, err := HTTP(strings.TrimPrefix(srv.URL, "http://"), 1, Limit{Time: time.Second, Ops: 1}, [][]byte{[]byte("GET / HTTP/1.1\r\nHost: h\r\n\r\n")})
	if err == nil || !strings.Contains(err.Error(), "status 404") {
		t.Errorf("error %v", err)
	}
}

func TestMedianTakesEachFigureAlone(t *testing.T) {
	got := Median([]Result{{PerSecond: 1, P50: 30, P99: 5}, {PerSecond: 3, P50: 10, P99: 7}, {PerSecond: 2, P50: 20, P99: 6}})
	if got.PerSecond != 2 || got.P50 != 20 || got.P99 != 6 {
		t.Errorf("%+v", got)
	}
}
