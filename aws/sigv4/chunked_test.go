package sigv4

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

// encodeChunks writes an aws-chunked body, signed where mode says so.
func encodeChunks(c Chunked, chunks []string, trailers [][2]string) string {
	var b strings.Builder
	signed := c.PayloadHash != StreamingUnsignedTrailer
	previous := ""
	var key *macKey
	if signed {
		previous, key = c.Signed.Signature, deriveKey(c.Signed.scopeOf(c.Secret))
	}
	for _, data := range append(chunks, "") {
		fmt.Fprintf(&b, "%x", len(data))
		if signed {
			previous = signHex(key, c.Signed.stringToSign(algorithm+"-PAYLOAD", previous, EmptyPayloadHash, hashHex(data)))
			b.WriteString(";chunk-signature=" + previous)
		}
		b.WriteString("\r\n" + data)
		if data != "" {
			b.WriteString("\r\n")
		}
	}
	canonical := ""
	for _, t := range trailers {
		b.WriteString(t[0] + ":" + t[1] + "\r\n")
		canonical += t[0] + ":" + t[1] + "\n"
	}
	if c.PayloadHash == StreamingSignedTrailer {
		b.WriteString(trailerSignature + ":" + signHex(key, c.Signed.stringToSign(algorithm+"-TRAILER", previous, hashHex(canonical))) + "\r\n")
	}
	return b.String() + "\r\n"
}

// docUpload is the documentation's chunked upload: 65 KiB of "a".
func docUpload(t testing.TB, payload string, headers ...string) *Signed {
	t.Helper()
	now := at(t, "20130524T000000Z")
	r := httptest.NewRequest("PUT", "/examplebucket/chunkObject.txt", nil)
	r.Host = "s3.amazonaws.com"
	r.ContentLength = 66824
	r.Header.Set("Content-Encoding", "aws-chunked")
	r.Header.Set("X-Amz-Decoded-Content-Length", "66560")
	r.Header.Set("X-Amz-Storage-Class", "REDUCED_REDUNDANCY")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	if payload == StreamingSigned {
		r.Header.Set("Content-Length", "66824")
	}
	Sign(r, docCreds(), "us-east-1", "s3", payload, now)
	s, err := Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func docBody(first, second, last, tail string) string {
	return "10000;chunk-signature=" + first + "\r\n" + strings.Repeat("a", 65536) + "\r\n" +
		"400;chunk-signature=" + second + "\r\n" + strings.Repeat("a", 1024) + "\r\n" +
		"0;chunk-signature=" + last + "\r\n" + tail
}

func TestDocumentedChunks(t *testing.T) {
	s := docUpload(t, StreamingSigned)
	if want := "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"; s.Signature != want {
		t.Fatalf("seed %s, want %s", s.Signature, want)
	}
	body := docBody("ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648", "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497", "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9", "\r\n")
	r := NewChunkedReader(strings.NewReader(body), Chunked{Signed: s, Secret: docSecret, PayloadHash: StreamingSigned, DecodedLength: 66560})
	got, err := io.ReadAll(r)
	if err != nil || len(got) != 66560 {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestDocumentedTrailer(t *testing.T) {
	s := docUpload(t, StreamingSignedTrailer, "X-Amz-Trailer", "x-amz-checksum-crc32c")
	if want := "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"; s.Signature != want {
		t.Fatalf("seed %s, want %s", s.Signature, want)
	}
	for _, tail := range []string{
		"x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n",
		"x-amz-checksum-crc32c:sOO8/Q==\n\r\nx-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n",
	} {
		body := docBody("b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2", "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7", "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992", tail)
		r := NewChunkedReader(strings.NewReader(body), Chunked{Signed: s, Secret: docSecret, PayloadHash: StreamingSignedTrailer, DecodedLength: 66560, Trailers: []string{"X-Amz-Checksum-Crc32c"}})
		got, err := io.ReadAll(r)
		if err != nil || len(got) != 66560 || r.Trailer("X-Amz-Checksum-CRC32C") != "sOO8/Q==" {
			t.Errorf("%d bytes, trailer %q, %v", len(got), r.Trailer("x-amz-checksum-crc32c"), err)
		}
	}
}

func TestChunkedRefuses(t *testing.T) {
	big := strings.Repeat("x", MinChunkBytes)
	const sum = "x-amz-checksum-crc32"
	tests := []struct {
		name     string
		mode     string
		chunks   []string
		length   int64
		announce []string
		trailer  [][2]string
		change   func(string) string
		want     Kind
	}{
		{name: "fine", mode: StreamingSigned, chunks: []string{big, "y"}, length: -1},
		{name: "empty body", mode: StreamingSigned, length: 0},
		{name: "fine unsigned", mode: StreamingUnsignedTrailer, chunks: []string{big, "y"}, length: MinChunkBytes + 1, announce: []string{sum}, trailer: [][2]string{{sum, "AA=="}}},
		{name: "data changed", mode: StreamingSigned, chunks: []string{big, "y"}, length: -1, change: func(s string) string { return strings.Replace(s, "xx", "xz", 1) }, want: KindMismatch},
		{name: "chunk dropped", mode: StreamingSigned, chunks: []string{big, big, "y"}, length: -1, change: func(s string) string { return s[strings.Index(s, big)+len(big)+2:] }, want: KindMismatch},
		{name: "signature dropped", mode: StreamingSigned, chunks: []string{"y"}, length: -1, change: func(string) string { return "1\r\ny\r\n0\r\n\r\n" }, want: KindInvalidChunk},
		{name: "truncated in data", mode: StreamingSigned, chunks: []string{big}, length: -1, change: func(s string) string { return s[:200] }, want: KindIncompleteBody},
		{name: "truncated before the last chunk", mode: StreamingUnsignedTrailer, length: -1, change: func(string) string { return "1\r\ny\r\n" }, want: KindIncompleteBody},
		{name: "empty", mode: StreamingUnsignedTrailer, length: -1, change: func(string) string { return "" }, want: KindIncompleteBody},
		{name: "short of announced length", mode: StreamingSigned, chunks: []string{"y"}, length: 2, want: KindIncompleteBody},
		{name: "over announced length", mode: StreamingSigned, chunks: []string{"yyy"}, length: 2, want: KindIncompleteBody},
		{name: "small chunk in the middle", mode: StreamingSigned, chunks: []string{"y", "z"}, length: -1, want: KindInvalidChunkSize},
		{name: "not hex", mode: StreamingUnsignedTrailer, length: -1, change: func(string) string { return "xyz\r\n" }, want: KindInvalidChunk},
		{name: "negative", mode: StreamingUnsignedTrailer, length: -1, change: func(string) string { return "-1\r\n" }, want: KindInvalidChunk},
		{name: "no size", mode: StreamingUnsignedTrailer, length: -1, change: func(string) string { return "\r\n" }, want: KindInvalidChunk},
		{name: "huge", mode: StreamingUnsignedTrailer, length: -1, change: func(string) string { return "ffffffffff\r\n" }, want: KindInvalidChunk},
		{name: "long line", mode: StreamingUnsignedTrailer, length: -1, change: func(string) string { return strings.Repeat("0", 100000) }, want: KindInvalidChunk},
		{name: "extension", mode: StreamingUnsignedTrailer, length: -1, change: func(string) string { return "0;foo=bar\r\n" }, want: KindInvalidChunk},
		{name: "data longer than size", mode: StreamingUnsignedTrailer, length: -1, change: func(string) string { return "1\r\nyy\r\n0\r\n\r\n" }, want: KindInvalidChunk},
		{name: "text after the end", mode: StreamingSigned, chunks: []string{"y"}, length: -1, change: func(s string) string { return s + "GET /\r\n" }, want: KindMalformedTrailer},
		{name: "many lines after the end", mode: StreamingSigned, chunks: []string{"y"}, length: -1, change: func(s string) string { return s + strings.Repeat("\n", 100) }, want: KindMalformedTrailer},
		{name: "trailer missing", mode: StreamingUnsignedTrailer, chunks: []string{"y"}, length: -1, announce: []string{sum}, want: KindMalformedTrailer},
		{name: "trailer unannounced", mode: StreamingUnsignedTrailer, chunks: []string{"y"}, length: -1, trailer: [][2]string{{sum, "AA=="}}, want: KindMalformedTrailer},
		{name: "trailer changed", mode: StreamingSignedTrailer, chunks: []string{"y"}, length: -1, announce: []string{sum}, trailer: [][2]string{{sum, "AA=="}}, change: func(s string) string { return strings.Replace(s, "AA==", "AB==", 1) }, want: KindMismatch},
		{name: "trailer signature dropped", mode: StreamingSignedTrailer, chunks: []string{"y"}, length: -1, announce: []string{sum}, trailer: [][2]string{{sum, "AA=="}}, change: func(s string) string { return s[:strings.Index(s, trailerSignature)] }, want: KindMismatch},
		{name: "trailer after its signature", mode: StreamingSignedTrailer, chunks: []string{"y"}, length: -1, announce: []string{sum, "b"}, trailer: [][2]string{{sum, "AA=="}}, change: func(s string) string { return s + "b:c\r\n" }, want: KindMalformedTrailer},
		{name: "another mode", mode: UnsignedPayload, length: -1, change: func(string) string { return "0\r\n\r\n" }, want: KindInvalidChunk},
	}
	for _, tt := range tests {
		c := Chunked{Signed: docUpload(t, StreamingSigned), Secret: docSecret, PayloadHash: tt.mode, DecodedLength: tt.length, Trailers: tt.announce}
		body := encodeChunks(c, tt.chunks, tt.trailer)
		if tt.change != nil {
			body = tt.change(body)
		}
		r := NewChunkedReader(strings.NewReader(body), c)
		got, err := io.ReadAll(r)
		if kindOf(err) != tt.want || (err == nil) != (tt.want == 0) {
			t.Errorf("%s: %v after %d bytes", tt.name, err, len(got))
			continue
		}
		if err != nil && r.Trailer(sum) != "" {
			t.Errorf("%s: a trailer of a refused body", tt.name)
		}
		if err == nil && string(got) != strings.Join(tt.chunks, "") {
			t.Errorf("%s: data differs", tt.name)
		}
	}
}

func TestChunkedPassesReadErrors(t *testing.T) {
	broken := errors.New("broken")
	r := NewChunkedReader(iotest.ErrReader(broken), Chunked{PayloadHash: StreamingUnsignedTrailer, DecodedLength: -1})
	if _, err := io.ReadAll(r); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

func TestChunkedRoundTrip(t *testing.T) {
	s := docUpload(t, StreamingSigned)
	rapid.Check(t, func(rt *rapid.T) {
		var chunks []string
		for i := range rapid.IntRange(0, 4).Draw(rt, "chunks") {
			chunks = append(chunks, strings.Repeat(string(rune('a'+i)), MinChunkBytes+rapid.IntRange(0, 40000).Draw(rt, "size")))
		}
		c := Chunked{Signed: s, Secret: docSecret, PayloadHash: rapid.SampledFrom([]string{StreamingSigned, StreamingSignedTrailer, StreamingUnsignedTrailer}).Draw(rt, "mode"), DecodedLength: -1}
		var trailers [][2]string
		if c.PayloadHash != StreamingSigned {
			c.Trailers, trailers = []string{"x-amz-checksum-sha1"}, [][2]string{{"x-amz-checksum-sha1", "v"}}
		}
		var in io.Reader = strings.NewReader(encodeChunks(c, chunks, trailers))
		if rapid.Bool().Draw(rt, "half") {
			in = iotest.HalfReader(in)
		}
		got, err := io.ReadAll(NewChunkedReader(in, c))
		if err != nil || string(got) != strings.Join(chunks, "") {
			rt.Fatalf("%d bytes, %v", len(got), err)
		}
	})
}

func TestPayloadReader(t *testing.T) {
	if _, err := io.ReadAll(NewPayloadReader(strings.NewReader("abc"), hashHex("abc"))); err != nil {
		t.Error(err)
	}
	_, err := io.ReadAll(NewPayloadReader(strings.NewReader("abd"), hashHex("abc")))
	if kindOf(err) != KindPayloadMismatch {
		t.Errorf("got %v", err)
	}
}

func FuzzChunkedReader(f *testing.F) {
	f.Add([]byte("1\r\ny\r\n0\r\nx-amz-checksum-crc32:AA==\r\n\r\n"), true)
	f.Add([]byte("0;chunk-signature=ab\r\n\r\n"), false)
	s := &Signed{Signature: "seed", Date: "20130524", Region: "r", Service: "s3"}
	f.Fuzz(func(t *testing.T, body []byte, unsigned bool) {
		c := Chunked{Signed: s, Secret: "secret", PayloadHash: StreamingSigned, DecodedLength: -1}
		if unsigned {
			c.PayloadHash, c.Trailers = StreamingUnsignedTrailer, []string{"x-amz-checksum-crc32"}
		}
		got, err := io.ReadAll(NewChunkedReader(bytes.NewReader(body), c))
		if err == nil && !unsigned {
			t.Fatal("verified chunks nobody signed")
		}
		if err != nil && kindOf(err) == 0 {
			t.Fatalf("error without kind: %v", err)
		}
		if len(got) > len(body) {
			t.Fatalf("%d bytes out of %d", len(got), len(body))
		}
	})
}
