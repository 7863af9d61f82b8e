package main

import (
	"testing"
	"time"
)

// TestSpan is how far a clock can be told to move.
func TestSpan(t *testing.T) {
	for text, want := range map[string]time.Duration{"90s": 90 * time.Second, "31d": 31 * 24 * time.Hour, "1d12h": 36 * time.Hour, "0": 0} {
		var got span
		if err := got.UnmarshalText([]byte(text)); err != nil || time.Duration(got) != want {
			t.Errorf("%s: %v, %v", text, time.Duration(got), err)
		}
	}
	for _, text := range []string{"", "d", "-1d", "1.5d", "31", "1h2d"} {
		if err := new(span).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
