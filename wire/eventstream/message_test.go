package eventstream

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The first three are of the vectors that AWS's SDKs share.
func TestVectors(t *testing.T) {
	for name, tc := range map[string]struct {
		message Message
		hex     string
	}{
		"empty":   {Message{}, "000000100000000005c248eb7d98c8ff"},
		"payload": {Message{Payload: []byte("{'foo':'bar'}")}, "0000001d00000000fd528c5a7b27666f6f273a27626172277dc3653936"},
		"header": {
			Message{Headers: []Header{{"content-type", "application/json"}}, Payload: []byte("{'foo':'bar'}")},
			"0000003d0000002007fd83960c636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e7b27666f6f273a27626172277d8d9c08b1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := tc.message.Append(nil)
			if err != nil || hex.EncodeToString(got) != tc.hex {
				t.Errorf("%x %v", got, err)
			}
		})
	}
}

func TestEveryHeaderType(t *testing.T) {
	want := &Message{Payload: []byte("body"), Headers: []Header{
		{"yes", true}, {"no", false}, {"one", int8(-1)}, {"two", int16(-2)}, {"four", int32(-4)}, {"eight", int64(-8)},
		{"bytes", []byte{0, 1}}, {"text", "ü"}, {"time", time.UnixMilli(1700000000123).UTC()}, {"id", UUID{1, 2, 3}},
	}}
	raw, err := want.Append([]byte("before"))
	if err != nil {
		t.Fatal(err)
	}
	r := bytes.NewReader(raw[len("before"):])
	got, err := Read(r)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	if _, err := Read(r); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
	if got.Text("text") != "ü" || got.Text("yes") != "" || got.Text("none") != "" {
		t.Error("Text")
	}
}

func TestRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		message Message
		err     error
	}{
		"no name":     {Message{Headers: []Header{{"", "x"}}}, ErrMalformed},
		"long name":   {Message{Headers: []Header{{strings.Repeat("x", 256), "x"}}}, ErrMalformed},
		"long value":  {Message{Headers: []Header{{"x", strings.Repeat("x", 1<<15)}}}, ErrTooLarge},
		"long body":   {Message{Payload: make([]byte, PayloadMax+1)}, ErrTooLarge},
		"other types": {Message{Headers: []Header{{"x", 1.5}}}, nil},
	} {
		if _, err := tc.message.Append(nil); err == nil || (tc.err != nil && !errors.Is(err, tc.err)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDamaged(t *testing.T) {
	m := &Message{Headers: []Header{{"a", "b"}}, Payload: []byte("body")}
	raw, err := m.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw {
		bad := bytes.Clone(raw)
		bad[i] ^= 1
		if _, err := Read(bytes.NewReader(bad)); !errors.Is(err, ErrChecksum) {
			t.Errorf("byte %d: %v", i, err)
		}
		if _, err := Read(bytes.NewReader(raw[:i])); i > 0 && err != io.ErrUnexpectedEOF {
			t.Errorf("cut at %d: %v", i, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, m := range []Message{{}, {Payload: []byte("x")}, {Headers: []Header{{"a", "b"}, {"c", true}, {"d", UUID{}}}}} {
		raw, _ := m.Append(nil)
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Read(bytes.NewReader(data))
		if err != nil {
			return
		}
		raw, err := m.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Read(bytes.NewReader(raw))
		if diff := cmp.Diff(m, again, cmp.Transformer("nil", func(b []byte) string { return string(b) })); err != nil || diff != "" {
			t.Error(err, diff)
		}
	})
}
