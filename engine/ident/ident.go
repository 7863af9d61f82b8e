// Package ident is the only source of randomness and of identifiers: request
// ids, resource ids, tokens, secrets. By default it reads crypto/rand; with
// NewSeeded the same seed gives the same ids, for replay.
//
// It knows alphabets, not meanings: what an access key id or a queue's message
// id looks like is the business of who makes them.
package ident

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"sync"
	"time"

	"moln.dev/moln/engine/clock"
)

// Alphabets for Of. Upper32 is the one AWS uses in ids of principals and keys.
const (
	AlphabetDigits  = "0123456789"
	AlphabetLower   = "abcdefghijklmnopqrstuvwxyz0123456789"
	AlphabetAlnum   = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	AlphabetUpper32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

	// alphabetSortable is Crockford's base 32: in ASCII order, without I L O U.
	alphabetSortable = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
)

// bufferBytes is how much is read from the reader at a time.
const bufferBytes = 512

// Source gives random bytes and identifiers. It is safe for concurrent use.
// Its methods panic when the reader fails: nothing sensible can be done
// without randomness, and crypto/rand does not fail.
type Source struct {
	clk clock.Clock

	mu     sync.Mutex
	reader io.Reader
	buffer [bufferBytes]byte
	unused int // bytes at the end of buffer not handed out yet

	lastMillis uint64 // of Sortable
	lastRandom [10]byte
}

// New returns a source over reader, or over crypto/rand if reader is nil.
func New(reader io.Reader, clk clock.Clock) *Source {
	if reader == nil {
		reader = rand.Reader
	}
	return &Source{clk: clk, reader: reader}
}

// NewSeeded returns a source that gives the same values for the same seed and
// calls. It is for replay and tests: its values can be guessed.
func NewSeeded(seed uint64, clk clock.Clock) *Source {
	var key [32]byte
	for i := range 8 {
		key[i] = byte(seed >> (8 * i))
	}
	return New(mathrand.NewChaCha8(key), clk)
}

// fill fills p with random bytes. mu is held.
func (s *Source) fill(p []byte) {
	for len(p) > 0 {
		if s.unused == 0 {
			if len(p) >= bufferBytes {
				s.read(p)
				return
			}
			s.read(s.buffer[:])
			s.unused = bufferBytes
		}
		from := s.buffer[bufferBytes-s.unused:]
		n := copy(p, from)
		clear(from[:n]) // what was handed out may be a secret
		s.unused -= n
		p = p[n:]
	}
}

func (s *Source) read(p []byte) {
	if _, err := io.ReadFull(s.reader, p); err != nil {
		panic(fmt.Sprintf("ident: reading randomness: %v", err))
	}
}

// Bytes returns n random bytes.
func (s *Source) Bytes(n int) []byte {
	p := make([]byte, n)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fill(p)
	return p
}

// Hex returns n random bytes as 2n lower-case hexadecimal digits.
func (s *Source) Hex(n int) string { return hex.EncodeToString(s.Bytes(n)) }

// Alnum returns n random letters of both cases and digits.
func (s *Source) Alnum(n int) string { return s.Of(AlphabetAlnum, n) }

// Lower returns n random characters of a-z and 0-9.
func (s *Source) Lower(n int) string { return s.Of(AlphabetLower, n) }

// Upper32 returns n random characters of A-Z and 2-7.
func (s *Source) Upper32(n int) string { return s.Of(AlphabetUpper32, n) }

// Digits returns n random decimal digits; the first may be 0.
func (s *Source) Digits(n int) string { return s.Of(AlphabetDigits, n) }

// Of returns n random characters of alphabet, each as likely as the others.
// The alphabet has 1 to 256 one-byte characters.
func (s *Source) Of(alphabet string, n int) string {
	if len(alphabet) == 0 || len(alphabet) > 256 {
		panic("ident: alphabet must have 1 to 256 characters")
	}
	// Bytes from limit up are thrown away, or the first characters of the
	// alphabet would be more likely.
	limit := 256 - 256%len(alphabet)
	out := make([]byte, n)
	s.mu.Lock()
	defer s.mu.Unlock()
	var b [1]byte
	for i := range out {
		for {
			s.fill(b[:])
			if int(b[0]) < limit {
				break
			}
		}
		out[i] = alphabet[int(b[0])%len(alphabet)]
	}
	return string(out)
}

// IntN returns a random number in [0, n), each as likely as the others.
func (s *Source) IntN(n int) int {
	if n <= 0 {
		panic("ident: IntN needs a positive limit")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return int(mathrand.New(locked{s}).Uint64N(uint64(n)))
}

// locked lets math/rand draw from a source whose mu is held.
type locked struct{ s *Source }

func (l locked) Uint64() uint64 {
	var b [8]byte
	l.s.fill(b[:])
	var x uint64
	for i, v := range b {
		x |= uint64(v) << (8 * i)
	}
	return x
}

// UUID returns a random (version 4) UUID in its usual lower-case form.
func (s *Source) UUID() string {
	var b [16]byte
	s.mu.Lock()
	s.fill(b[:])
	s.mu.Unlock()
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	var out [36]byte
	hex.Encode(out[:8], b[:4])
	hex.Encode(out[9:13], b[4:6])
	hex.Encode(out[14:18], b[6:8])
	hex.Encode(out[19:23], b[8:10])
	hex.Encode(out[24:], b[10:])
	out[8], out[13], out[18], out[23] = '-', '-', '-', '-'
	return string(out[:])
}

// RequestID returns an id for one request: a UUID.
func (s *Source) RequestID() string { return s.UUID() }

// Sortable returns 26 characters that sort by the time they were made at, in
// the form of a ULID: 48 bits of milliseconds and 80 random bits. Ids of one
// Source ascend strictly, also within a millisecond and when the clock steps
// back.
func (s *Source) Sortable() string {
	now := s.clk.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	millis := sortableMillis(now)
	if millis > s.lastMillis {
		s.lastMillis = millis
		s.fill(s.lastRandom[:])
		s.lastRandom[0] &= 0x7f // room to count up
	} else {
		s.countUp()
	}
	return encodeSortable(s.lastMillis, s.lastRandom)
}

func sortableMillis(t time.Time) uint64 {
	ms := t.UnixMilli()
	if ms < 0 {
		return 0
	}
	return uint64(ms) & (1<<48 - 1)
}

// countUp adds one to lastRandom.
func (s *Source) countUp() {
	for i := len(s.lastRandom) - 1; i >= 0; i-- {
		s.lastRandom[i]++
		if s.lastRandom[i] != 0 {
			return
		}
	}
	s.lastMillis++
}

func encodeSortable(millis uint64, random [10]byte) string {
	var out [26]byte
	for i := 9; i >= 0; i-- {
		out[i] = alphabetSortable[millis&31]
		millis >>= 5
	}
	// 80 bits are two groups of 40 bits, of 8 characters each.
	for group := range 2 {
		var x uint64
		for _, b := range random[group*5 : group*5+5] {
			x = x<<8 | uint64(b)
		}
		for i := 7; i >= 0; i-- {
			out[10+group*8+i] = alphabetSortable[x&31]
			x >>= 5
		}
	}
	return string(out[:])
}
