package store

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"time"

	"moln.dev/moln/services/sqs/message"
)

// Message is what was sent.
type Message struct {
	Place message.Place `json:"-"`
	Meta
	// Payload is the attributes and the body as whoever sends them makes them,
	// encrypted or not.
	Payload []byte `json:"-"`
}

// Meta is what is known of a message beside what it says.
type Meta struct {
	Sent             int64  `json:"sent"` // milliseconds since 1970
	Sender           string `json:"sender,omitempty"`
	BodyDigest       string `json:"md5"`
	AttributesDigest string `json:"md5a,omitempty"`
	Group            string `json:"group,omitempty"`
	Dedup            string `json:"dedup,omitempty"`
	Trace            string `json:"trace,omitempty"`
	// Source is the ARN of the queue that the message was a dead letter of.
	Source string `json:"source,omitempty"`
	// Sealed and Wrapped say how the payload is encrypted: by moln's own key, or
	// by a data key of KMS that is wrapped here.
	Sealed  bool   `json:"sealed,omitempty"`
	Wrapped []byte `json:"wrapped,omitempty"`
	KeyARN  string `json:"key,omitempty"`
	KeyFor  string `json:"keyFor,omitempty"` // ARN of the queue that the key was made for
	// Sealing is what a payload that is encrypted is bound to: the message's first
	// id, which it keeps when it is moved.
	Sealing string `json:"sealing,omitempty"`
}

const recordVersion = 1

var errRecord = errors.New("store: a record of a queue is damaged")

func encodeMessage(m *Message) ([]byte, error) {
	meta, err := json.Marshal(m.Meta)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, 1+binary.MaxVarintLen32+len(meta)+len(m.Payload))
	out = binary.AppendUvarint(append(out, recordVersion), uint64(len(meta)))
	return append(append(out, meta...), m.Payload...), nil
}

func decodeMessage(p message.Place, raw []byte) (*Message, error) {
	if len(raw) < 2 || raw[0] != recordVersion {
		return nil, errRecord
	}
	size, n := binary.Uvarint(raw[1:])
	if n <= 0 || size > uint64(len(raw)-1-n) {
		return nil, errRecord
	}
	rest := raw[1+n:]
	m := &Message{Place: p, Payload: rest[size:]}
	return m, json.Unmarshal(rest[:size], &m.Meta)
}

// state is what happened to a message.
type state struct {
	Due      uint64 // visible from then on; in nanoseconds, as places are
	Received int    // how often
	First    int64  // milliseconds; when it was received first
	Last     int64  // and when last
	Token    [8]byte
	Group    string // of FIFO queues, and of standard ones that have them
}

const stateHead = 1 + 8 + 4 + 8 + 8 + 8

func encodeState(s *state) []byte {
	out := append(make([]byte, 0, stateHead+len(s.Group)), recordVersion)
	out = binary.BigEndian.AppendUint64(out, s.Due)
	out = binary.BigEndian.AppendUint32(out, uint32(s.Received))
	out = binary.BigEndian.AppendUint64(out, uint64(s.First))
	out = binary.BigEndian.AppendUint64(out, uint64(s.Last))
	return append(append(out, s.Token[:]...), s.Group...)
}

func decodeState(raw []byte) (state, error) {
	var s state
	if len(raw) < stateHead || raw[0] != recordVersion {
		return s, errRecord
	}
	s.Due = binary.BigEndian.Uint64(raw[1:])
	s.Received = int(binary.BigEndian.Uint32(raw[9:]))
	s.First = int64(binary.BigEndian.Uint64(raw[13:]))
	s.Last = int64(binary.BigEndian.Uint64(raw[21:]))
	copy(s.Token[:], raw[29:])
	s.Group = string(raw[stateHead:])
	return s, nil
}

// Received is a message as somebody got it.
type Received struct {
	*Message
	Token [8]byte
	Count int
	First int64 // milliseconds
}

// take makes the state of a message that is received now, until due.
func (s *state) take(now time.Time, due uint64, token [8]byte) {
	s.Received++
	s.Due, s.Token, s.Last = due, token, now.UnixMilli()
	if s.First == 0 {
		s.First = s.Last
	}
}
