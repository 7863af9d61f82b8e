package runtimeapi

import (
	"bufio"
	"context"
	"strings"
)

// Request is one for another API that shares the address. Header names are in
// lower case.
type Request struct {
	Method, Path string
	Header       map[string]string
	Body         []byte
}

// Response answers a Request. Header holds pairs of names and values.
type Response struct {
	Status int
	Header []string
	Body   []byte
}

// ErrorResponse is a refusal in the words of these APIs.
func ErrorResponse(status int, kind, message string) Response {
	return Response{Status: status, Body: errorBody(kind, message)}
}

// foreign says whether r is for Events.Other: what has a version in its path that
// is not the Runtime API's.
func (s *Server) foreign(r *request) bool {
	const version = "/20"
	return s.events.Other != nil && strings.HasPrefix(r.target, version) && !strings.HasPrefix(r.target, "/2018-06-01/")
}

// serveOther has Other answer r. While it does, the connection is watched, as for
// a runtime that is parked; false says that it broke.
func (s *Server) serveOther(c *conn, br *bufio.Reader, r *request) bool {
	path, _, _ := strings.Cut(r.target, "?")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		response := ErrorResponse(413, "RequestEntityTooLarge", "Exceeded maximum allowed payload size.")
		if !r.tooLarge() {
			response = s.events.Other(ctx, Request{Method: r.method, Path: path, Header: r.header, Body: r.body})
		}
		if ctx.Err() != nil {
			return
		}
		headers := append([]string{"Content-Type", jsonType}, response.Header...)
		_, _ = c.Write(append(appendHead(nil, response.Status, len(response.Body), headers...), response.Body...))
	}()
	if r.close { // nothing more is read, and it ends when we return
		go func() {
			if _, err := br.Peek(1); err != nil {
				cancel()
			}
		}()
		<-answered
		return true
	}
	_, err := br.Peek(1)
	if err != nil {
		cancel()
	}
	<-answered
	return err == nil
}
