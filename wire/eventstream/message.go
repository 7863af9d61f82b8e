package eventstream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"
)

// ContentType is the media type of a stream.
const ContentType = "application/vnd.amazon.eventstream"

// Limits of a message, as the format's specification sets them.
const (
	PayloadMax      = 24 << 20
	headersMax      = 128 << 10
	headerNameMax   = 255
	headerValueMax  = 1<<15 - 1
	preludeBytes    = 12
	checksumBytes   = 4
	overheadBytes   = preludeBytes + checksumBytes
	uuidBytes       = 16
	lengthBytes     = 2 // of a variable value's length
	messageBytesMax = overheadBytes + headersMax + PayloadMax
)

// Errors of the framing.
var (
	ErrMalformed = errors.New("eventstream: malformed message")
	ErrChecksum  = errors.New("eventstream: checksum does not match")
	ErrTooLarge  = errors.New("eventstream: message is too large")
)

// Header is one header. Value is a bool, int8, int16, int32, int64, []byte,
// string, time.Time (of milliseconds) or UUID.
type Header struct {
	Name  string
	Value any
}

// UUID is the value of a header of that type.
type UUID [uuidBytes]byte

// Message is one message.
type Message struct {
	Headers []Header
	Payload []byte
}

// Text returns the string value of a header, "" where there is none.
func (m *Message) Text(name string) string {
	for _, h := range m.Headers {
		if h.Name == name {
			s, _ := h.Value.(string)
			return s
		}
	}
	return ""
}

// types of header values.
const (
	typeTrue byte = iota
	typeFalse
	typeInt8
	typeInt16
	typeInt32
	typeInt64
	typeBytes
	typeString
	typeTime
	typeUUID
)

// Append writes a message behind dst.
func (m *Message) Append(dst []byte) ([]byte, error) {
	start := len(dst)
	dst = append(dst, make([]byte, preludeBytes)...)
	var err error
	for _, h := range m.Headers {
		if dst, err = h.append(dst); err != nil {
			return nil, err
		}
	}
	headers := len(dst) - start - preludeBytes
	if headers > headersMax || len(m.Payload) > PayloadMax {
		return nil, ErrTooLarge
	}
	dst = append(dst, m.Payload...)
	prelude := dst[start:]
	binary.BigEndian.PutUint32(prelude, uint32(len(prelude)+checksumBytes))
	binary.BigEndian.PutUint32(prelude[4:], uint32(headers))
	binary.BigEndian.PutUint32(prelude[8:], crc32.ChecksumIEEE(prelude[:8]))
	return binary.BigEndian.AppendUint32(dst, crc32.ChecksumIEEE(dst[start:])), nil
}

func (h *Header) append(dst []byte) ([]byte, error) {
	if h.Name == "" || len(h.Name) > headerNameMax {
		return nil, fmt.Errorf("%w: a header's name has %d bytes", ErrMalformed, len(h.Name))
	}
	dst = append(append(dst, byte(len(h.Name))), h.Name...)
	switch v := h.Value.(type) {
	case bool:
		if v {
			return append(dst, typeTrue), nil
		}
		return append(dst, typeFalse), nil
	case int8:
		return append(dst, typeInt8, byte(v)), nil
	case int16:
		return binary.BigEndian.AppendUint16(append(dst, typeInt16), uint16(v)), nil
	case int32:
		return binary.BigEndian.AppendUint32(append(dst, typeInt32), uint32(v)), nil
	case int64:
		return binary.BigEndian.AppendUint64(append(dst, typeInt64), uint64(v)), nil
	case []byte:
		return appendVariable(append(dst, typeBytes), h.Name, v)
	case string:
		return appendVariable(append(dst, typeString), h.Name, v)
	case time.Time:
		return binary.BigEndian.AppendUint64(append(dst, typeTime), uint64(v.UnixMilli())), nil
	case UUID:
		return append(append(dst, typeUUID), v[:]...), nil
	}
	return nil, fmt.Errorf("eventstream: header %s has a value of type %T", h.Name, h.Value)
}

func appendVariable[T []byte | string](dst []byte, name string, v T) ([]byte, error) {
	if len(v) > headerValueMax {
		return nil, fmt.Errorf("%w: the value of header %s has %d bytes", ErrTooLarge, name, len(v))
	}
	return append(binary.BigEndian.AppendUint16(dst, uint16(len(v))), v...), nil
}

// Read reads the next message; io.EOF at the end of the stream.
func Read(r io.Reader) (*Message, error) {
	var prelude [preludeBytes]byte
	if _, err := io.ReadFull(r, prelude[:]); err != nil {
		return nil, err
	}
	if binary.BigEndian.Uint32(prelude[8:]) != crc32.ChecksumIEEE(prelude[:8]) {
		return nil, ErrChecksum
	}
	total, headers := int64(binary.BigEndian.Uint32(prelude[:])), int64(binary.BigEndian.Uint32(prelude[4:]))
	if total > messageBytesMax || headers > headersMax {
		return nil, ErrTooLarge
	}
	if total < overheadBytes+headers {
		return nil, ErrMalformed
	}
	rest := make([]byte, total-preludeBytes)
	if _, err := io.ReadFull(r, rest); err != nil {
		return nil, unexpected(err)
	}
	sum := crc32.Update(crc32.ChecksumIEEE(prelude[:]), crc32.IEEETable, rest[:len(rest)-checksumBytes])
	if binary.BigEndian.Uint32(rest[len(rest)-checksumBytes:]) != sum {
		return nil, ErrChecksum
	}
	m := &Message{Payload: rest[headers : len(rest)-checksumBytes]}
	for in := rest[:headers]; len(in) > 0; {
		var h Header
		var err error
		if h, in, err = readHeader(in); err != nil {
			return nil, err
		}
		m.Headers = append(m.Headers, h)
	}
	return m, nil
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func readHeader(in []byte) (h Header, rest []byte, err error) {
	name, in, ok := cut(in, 1)
	if !ok || name[0] == 0 {
		return h, nil, ErrMalformed
	}
	if name, in, ok = cut(in, int(name[0])); !ok {
		return h, nil, ErrMalformed
	}
	h.Name = string(name)
	kind, in, ok := cut(in, 1)
	if !ok {
		return h, nil, ErrMalformed
	}
	h.Value, rest, ok = readValue(kind[0], in)
	if !ok {
		return h, nil, ErrMalformed
	}
	return h, rest, nil
}

// fixed are the lengths of the values that have one.
var fixed = map[byte]int{typeInt8: 1, typeInt16: 2, typeInt32: 4, typeInt64: 8, typeTime: 8, typeUUID: uuidBytes}

func readValue(kind byte, in []byte) (value any, rest []byte, ok bool) {
	n := fixed[kind]
	if kind == typeBytes || kind == typeString {
		length, after, ok := cut(in, lengthBytes)
		if !ok {
			return nil, nil, false
		}
		n, in = int(binary.BigEndian.Uint16(length)), after
	}
	v, rest, ok := cut(in, n)
	if !ok {
		return nil, nil, false
	}
	switch kind {
	case typeTrue, typeFalse:
		return kind == typeTrue, rest, true
	case typeInt8:
		return int8(v[0]), rest, true
	case typeInt16:
		return int16(binary.BigEndian.Uint16(v)), rest, true
	case typeInt32:
		return int32(binary.BigEndian.Uint32(v)), rest, true
	case typeInt64:
		return int64(binary.BigEndian.Uint64(v)), rest, true
	case typeBytes:
		return append([]byte{}, v...), rest, true
	case typeString:
		return string(v), rest, true
	case typeTime:
		return time.UnixMilli(int64(binary.BigEndian.Uint64(v))).UTC(), rest, true
	case typeUUID:
		return UUID(v), rest, true
	}
	return nil, nil, false
}

func cut(in []byte, n int) (head, rest []byte, ok bool) {
	if len(in) < n {
		return nil, nil, false
	}
	return in[:n], in[n:], true
}
