package esm

import (
	"bytes"
	"encoding/json"

	"moln.dev/moln/services/lambda/run"
)

// stateBytesMax is how large the state of a tumbling window may be, AWS says.
const stateBytesMax = 1 << 20

// answer is what a function's response says of the batch it was given.
type answer struct {
	// failedAt is the first record that is not done; the number of records
	// where all are.
	failedAt int
	// state is the new state of the tumbling window.
	state json.RawMessage
	// tooLarge: the state is larger than it may be.
	tooLarge bool
}

// read makes an answer of a response to records. What is not as AWS documents
// fails the whole batch.
//
// Source: services-ddb-batchfailurereporting, services-ddb-windows.
func (s *Settings) read(res run.Result, records []Record) answer {
	if res.FunctionError != "" {
		return answer{}
	}
	a := answer{failedAt: len(records)}
	if !s.ReportFailures && s.TumblingS == 0 {
		return a
	}
	payload := bytes.TrimSpace(res.Payload)
	if len(payload) == 0 {
		payload = []byte("null")
	}
	var body struct {
		Failures json.RawMessage `json:"batchItemFailures"`
		State    json.RawMessage `json:"state"`
	}
	if payload[0] != '{' && !isNull(payload) || json.Unmarshal(payload, &body) != nil {
		return answer{}
	}
	if s.TumblingS > 0 {
		a.state = body.State
		if isNull(a.state) {
			a.state = json.RawMessage("{}")
		}
		if a.state[0] != '{' {
			return answer{}
		}
		a.tooLarge = len(a.state) > stateBytesMax
	}
	if s.ReportFailures && !isNull(body.Failures) {
		a.failedAt = firstFailure(body.Failures, records)
	}
	return a
}

func isNull(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

// firstFailure is the lowest place that a list of failures names, 0 where it
// names what was not in the batch.
func firstFailure(raw json.RawMessage, records []Record) int {
	var list []struct {
		ID *string `json:"itemIdentifier"`
	}
	if json.Unmarshal(raw, &list) != nil {
		return 0
	}
	at := make(map[string]int, len(records))
	for i := range records {
		at[records[i].Sequence] = i
	}
	first := len(records)
	for _, e := range list {
		if e.ID == nil {
			return 0
		}
		i, ok := at[*e.ID]
		if !ok {
			return 0
		}
		first = min(first, i)
	}
	return first
}

// piece is a batch, or what is left of one, on its way to the function.
type piece struct {
	records []Record
	// failures counts against the retries; invokes is how often the function
	// was given the records.
	failures, invokes int
}

// after decides what comes after a piece that the function has answered: what to
// try next, in this order, and whether to give up all that is left instead.
// Splitting is no retry, AWS says.
func (s *Settings) after(p piece, a answer) (next []piece, givenUp []Record) {
	left := p.records[a.failedAt:]
	switch {
	case len(left) == 0:
		return nil, nil
	case s.Bisect && a.failedAt == 0 && len(left) > 1:
		half := len(left) / 2
		return []piece{{left[:half], p.failures, p.invokes}, {left[half:], p.failures, p.invokes}}, nil
	case s.RetriesMax >= 0 && p.failures >= int(s.RetriesMax):
		return nil, left
	}
	return []piece{{left, p.failures + 1, p.invokes}}, nil
}
