package inside

import (
	"encoding/binary"
	"errors"
	"fmt"
)

var errCut = errors.New("the message is cut short")

// coder writes a message's fields, or reads them in the same order. The first
// failure makes it read nothing more.
type coder struct {
	data    []byte // written, or left to read
	reading bool
	failed  error
}

func (c *coder) unsigned(v *uint64) {
	if !c.reading {
		c.data = binary.AppendUvarint(c.data, *v)
		return
	}
	if c.failed != nil {
		return
	}
	value, n := binary.Uvarint(c.data)
	if n <= 0 {
		c.failed = errCut
		return
	}
	*v, c.data = value, c.data[n:]
}

// number codes whole numbers of any kind, as they are in 64 bits.
func number[T ~int | ~int64 | ~uint8](c *coder, v *T) {
	wide := uint64(int64(*v)<<1) ^ uint64(int64(*v)>>63)
	c.unsigned(&wide)
	if c.reading {
		*v = T(int64(wide>>1) ^ -int64(wide&1))
	}
}

func (c *coder) flag(v *bool) {
	var n uint64
	if *v {
		n = 1
	}
	c.unsigned(&n)
	*v = n == 1
}

func (c *coder) bytes(v *[]byte) {
	size := c.size(len(*v))
	if !c.reading {
		c.data = append(c.data, *v...)
		return
	}
	if size > 0 {
		*v, c.data = c.data[:size:size], c.data[size:]
	}
}

func (c *coder) text(v *string) {
	size := c.size(len(*v))
	if !c.reading {
		c.data = append(c.data, *v...)
		return
	}
	*v, c.data = string(c.data[:size]), c.data[size:]
}

// size codes a length, of things of at least one byte each.
func (c *coder) size(n int) int {
	size := uint64(n)
	c.unsigned(&size)
	if c.failed == nil && c.reading && size > uint64(len(c.data)) {
		c.failed = errCut
	}
	if c.failed != nil {
		return 0
	}
	return int(size)
}

func list[T any](c *coder, v *[]T, each func(*T)) {
	size := c.size(len(*v))
	if c.reading {
		*v = nil
		if size > 0 {
			*v = make([]T, size)
		}
	}
	for i := range *v {
		each(&(*v)[i])
	}
}

func optional[T any](c *coder, v **T, fields func(*T)) {
	there := *v != nil
	c.flag(&there)
	if !there {
		return
	}
	if c.reading {
		*v = new(T)
	}
	fields(*v)
}

// Encode makes the bytes of a message with a blob behind it.
func Encode(m Message, blob []byte) ([]byte, error) {
	c := &coder{data: make([]byte, messageHeader, messageHeader+512+len(blob))}
	m.fields(c)
	size := len(c.data) - messageHeader
	if size > messageBytesMax || len(blob) > messageBytesMax {
		return nil, fmt.Errorf("a message of %d+%d bytes", size, len(blob))
	}
	binary.LittleEndian.PutUint32(c.data, uint32(size))
	binary.LittleEndian.PutUint32(c.data[4:], uint32(len(blob)))
	return append(c.data, blob...), nil
}

// Decode reads a message, of which header is the beginning and rest gives more.
func Decode(header []byte, rest func(n int) ([]byte, error), m Message) (blob []byte, err error) {
	if len(header) < messageHeader {
		return nil, errCut
	}
	size := int(binary.LittleEndian.Uint32(header))
	blobSize := int(binary.LittleEndian.Uint32(header[4:]))
	if size > messageBytesMax || blobSize > messageBytesMax {
		return nil, fmt.Errorf("a message of %d+%d bytes", size, blobSize)
	}
	data, err := rest(size + blobSize)
	if err != nil {
		return nil, err
	}
	c := &coder{data: data[:size], reading: true}
	m.fields(c)
	if c.failed == nil && len(c.data) > 0 {
		return nil, fmt.Errorf("%d bytes too many in a message", len(c.data))
	}
	return data[size:], c.failed
}

// HeaderBytes is how long the beginning of a message is.
const HeaderBytes = messageHeader
