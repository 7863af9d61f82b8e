package esm

import (
	"encoding/json"
	"time"
)

// windowGrace is how long after its end a tumbling window waits for records that
// were being written.
const windowGrace = time.Second

// window is a tumbling window with what the function has made of its records.
type window struct {
	Start time.Time       `json:"start"`
	End   time.Time       `json:"end"`
	State json.RawMessage `json:"state"`
}

// windowOf is the new window that a time is in.
func windowOf(at time.Time, seconds int32) *window {
	size := int64(seconds)
	start := at.Unix() - at.Unix()%size
	return &window{Start: time.Unix(start, 0).UTC(), End: time.Unix(start+size, 0).UTC(), State: json.RawMessage("{}")}
}

// over says that nothing more comes into the window: a later record waits, or
// none does and the shard was read to its end after the window's.
func (w *window) over(next *entry, ended bool, caughtUp time.Time) bool {
	if next != nil {
		return !next.At.Before(w.End)
	}
	return ended || !caughtUp.Before(w.End.Add(windowGrace))
}
