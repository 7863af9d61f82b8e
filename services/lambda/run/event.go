package run

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	api "moln.dev/moln/api/lambda"
)

// Limits of an event.
const (
	syncBytesMax    = 6 << 20
	asyncBytesMax   = 1 << 20
	contextBytesMax = 3583
)

// hexSeconds is a time as X-Ray writes it.
func hexSeconds(t time.Time) string { return fmt.Sprintf("%08x", uint32(t.Unix())) }

// Normalise checks an event and its client context. No payload is an empty
// object.
func (inv *Invocation) Normalise(clientContext string, async bool) error {
	limit := syncBytesMax
	if async {
		limit = asyncBytesMax
	}
	if len(inv.Payload) > limit {
		return api.ErrRequestTooLargeException("Request must be smaller than %d bytes for the InvokeFunction operation", limit)
	}
	if len(bytes.TrimSpace(inv.Payload)) == 0 {
		inv.Payload = []byte("{}")
	}
	if !json.Valid(inv.Payload) {
		var v any
		return api.ErrInvalidRequestContentException("Could not parse request body into json: Could not parse payload into json: %v", json.Unmarshal(inv.Payload, &v))
	}
	if clientContext == "" || async {
		return nil
	}
	if len(clientContext) > contextBytesMax {
		return api.ErrInvalidRequestContentException("Client context must be no more than %d bytes when base64-encoded.", contextBytesMax)
	}
	raw, err := base64.StdEncoding.DecodeString(clientContext)
	if err != nil || !json.Valid(raw) {
		return api.ErrInvalidRequestContentException("Client context must be a valid Base64-encoded JSON object.")
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, raw); err != nil {
		return err
	}
	inv.clientContext = compact.String()
	return nil
}
