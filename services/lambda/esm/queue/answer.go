package queue

import (
	"bytes"
	"encoding/json"
)

// failures reads a response to a batch that may report failures of single
// messages: the indexes of those that failed. All of them did where the response
// is not as AWS documents.
//
// Source: services-sqs-errorhandling, "Implementing partial batch responses".
func failures(payload []byte, batch []message) map[int]bool {
	payload = bytes.TrimSpace(payload)
	if len(payload) == 0 || string(payload) == "null" {
		return nil
	}
	var body struct {
		Failures json.RawMessage `json:"batchItemFailures"`
	}
	if payload[0] != '{' || json.Unmarshal(payload, &body) != nil {
		return all(batch)
	}
	if len(body.Failures) == 0 || string(body.Failures) == "null" {
		return nil
	}
	var list []struct {
		ID *string `json:"itemIdentifier"`
	}
	if json.Unmarshal(body.Failures, &list) != nil {
		return all(batch)
	}
	at := make(map[string]int, len(batch))
	for i := range batch {
		at[batch[i].id] = i
	}
	out := map[int]bool{}
	for _, e := range list {
		if e.ID == nil {
			return all(batch)
		}
		i, ok := at[*e.ID]
		if !ok {
			return all(batch)
		}
		out[i] = true
	}
	return out
}

func all(batch []message) map[int]bool {
	out := make(map[int]bool, len(batch))
	for i := range batch {
		out[i] = true
	}
	return out
}
