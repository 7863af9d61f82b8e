package runtimeapi

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"testing"
)

// What is not the Runtime API's own is answered elsewhere, for as long as it
// takes, and told when its client is gone.
func TestOther(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone, release := make(chan bool, 1), make(chan bool)
	s := New(Events{
		Ready: func() {}, Answered: func(Answer) {}, InitError: func(Answer) {},
		Other: func(ctx context.Context, q Request) Response {
			switch q.Path {
			case "/2020-01-01/echo":
				return Response{Status: 200, Body: append([]byte(q.Method+" "+q.Header["x-name"]+" "), q.Body...), Header: []string{"X-Id", "7"}}
			case "/2020-01-01/wait":
				<-release
				return ErrorResponse(403, "Kind", "text")
			}
			<-ctx.Done()
			gone <- true
			return Response{}
		},
	})
	go s.Serve(l)
	t.Cleanup(func() { _ = l.Close(); s.Close() })
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	br := bufio.NewReader(conn)
	answer := func() string {
		t.Helper()
		response, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatal(err)
		}
		body := make([]byte, response.ContentLength)
		if _, err := br.Read(body); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(response.StatusCode, " ", response.Header.Get("X-Id"), " ", string(body))
	}
	fmt.Fprint(conn, "POST /2020-01-01/echo?a=b HTTP/1.1\r\nX-Name: n\r\nContent-Length: 2\r\n\r\nhi")
	if got := answer(); got != "200 7 POST n hi" {
		t.Error(got)
	}
	// Pipelined behind one that waits.
	fmt.Fprint(conn, "GET /2020-01-01/wait HTTP/1.1\r\n\r\nGET /ping HTTP/1.1\r\n\r\n")
	release <- true
	if got := answer(); got != "403  {\"errorMessage\":\"text\",\"errorType\":\"Kind\"}\n" {
		t.Error(got)
	}
	if got := answer(); got != "200  pong" {
		t.Error(got)
	}
	fmt.Fprint(conn, "GET /2020-01-01/forever HTTP/1.1\r\n\r\n")
	_ = conn.Close()
	<-gone
}
