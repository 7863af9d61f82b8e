package fault

import (
	"errors"
	"fmt"
	"testing"
)

func TestFinal(t *testing.T) {
	for status, want := range map[int]bool{400: true, 403: true, 404: true, 429: false, 500: false, 501: true, 503: false} {
		if got := Final(fmt.Errorf("wrapped: %w", New("Code", status, "message"))); got != want {
			t.Errorf("%d: %v, want %v", status, got, want)
		}
	}
	if Final(nil) || Final(errors.New("ours")) {
		t.Error("what is no fault may pass")
	}
}
