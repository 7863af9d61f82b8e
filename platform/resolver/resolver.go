// Package resolver is a name server for places that have no other: it says that
// the hosts moln stands in for are at one address, and that nothing else exists.
// It speaks DNS over TCP (RFC 7766), which resolvers use where resolv.conf says
// "options use-vc": inside a function's sandbox moln has connections, and no
// datagrams. It asks nobody, and keeps nothing.
package resolver

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	// queryBytesMax is the longest query: a name of 255 bytes, and options.
	queryBytesMax = 4 << 10
	// idleTimeout ends a connection that asks nothing.
	idleTimeout = 30 * time.Second
	// connectionsMax is how many connections are served at once; more wait.
	connectionsMax = 64
	// ttlSeconds is how long an answer may be kept.
	ttlSeconds = 60
)

// Config is the resolv.conf that leads to a server at port 53 of an address.
func Config(address string) []byte {
	return []byte("nameserver " + address + "\noptions use-vc timeout:2 attempts:2\n")
}

// Server answers queries.
type Server struct {
	// Owns says that a host, in small letters and without a final dot, is
	// moln's to stand in for.
	Owns func(host string) bool
	// Address is where such hosts are.
	Address [4]byte
}

// Serve answers on the connections of l until it is closed.
func (s *Server) Serve(l net.Listener) {
	slots := make(chan struct{}, connectionsMax)
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		slots <- struct{}{}
		go func() {
			defer func() { <-slots }()
			defer conn.Close()
			s.converse(conn)
		}()
	}
}

// converse answers the queries of one connection.
func (s *Server) converse(conn net.Conn) {
	var size [2]byte
	for {
		if conn.SetDeadline(time.Now().Add(idleTimeout)) != nil {
			return
		}
		if _, err := io.ReadFull(conn, size[:]); err != nil {
			return
		}
		n := int(binary.BigEndian.Uint16(size[:]))
		if n > queryBytesMax {
			return
		}
		query := make([]byte, n)
		if _, err := io.ReadFull(conn, query); err != nil {
			return
		}
		answer, err := s.answer(query)
		if err != nil {
			return
		}
		if _, err := conn.Write(binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(answer)), uint16(len(answer)))); err != nil {
			return
		}
		if _, err := conn.Write(answer); err != nil {
			return
		}
	}
}

var errNoQuery = errors.New("resolver: not a query")

// answer is the message that answers one; an error where none can be made.
func (s *Server) answer(query []byte) ([]byte, error) {
	var p dnsmessage.Parser
	head, err := p.Start(query)
	if err != nil {
		return nil, err
	}
	if head.Response {
		return nil, errNoQuery
	}
	reply := dnsmessage.Header{ID: head.ID, Response: true, Authoritative: true, RecursionDesired: head.RecursionDesired, OpCode: head.OpCode}
	q, err := p.Question()
	switch {
	case err != nil:
		reply.RCode = dnsmessage.RCodeFormatError
		return (&dnsmessage.Message{Header: reply}).Pack()
	case head.OpCode != 0:
		reply.RCode = dnsmessage.RCodeNotImplemented
		return (&dnsmessage.Message{Header: reply}).Pack()
	}
	out := dnsmessage.Message{Header: reply, Questions: []dnsmessage.Question{q}}
	host := strings.ToLower(strings.TrimSuffix(q.Name.String(), "."))
	switch {
	case !s.Owns(host):
		out.RCode = dnsmessage.RCodeNameError
	case q.Type == dnsmessage.TypeA && q.Class == dnsmessage.ClassINET:
		out.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: ttlSeconds}, Body: &dnsmessage.AResource{A: s.Address},
		}}
	}
	return out.Pack()
}
