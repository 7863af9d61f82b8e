package pebblekv

import (
	"testing"

	"moln.dev/moln/engine/kv/driver"
	"moln.dev/moln/engine/space"
)

func TestWhatMattersOnAFullDisk(t *testing.T) {
	large := make([]byte, smallBatchBytes)
	for name, tt := range map[string]struct {
		batch driver.Batch
		want  space.Level
	}{
		"nothing":           {driver.Batch{}, space.Vital},
		"a record":          {driver.Batch{Points: []driver.Write{{Key: []byte("k"), Value: large}}}, space.Record},
		"a time":            {driver.Batch{Points: []driver.Write{{Key: []byte("k"), Value: []byte("v")}}}, space.Small},
		"deleted":           {driver.Batch{Points: []driver.Write{{Key: []byte("k"), Delete: true}, {Key: []byte("g"), Value: []byte("v")}}}, space.Vital},
		"deleted as ranges": {driver.Batch{Ranges: []driver.KeyRange{{}}}, space.Vital},
	} {
		if got := levelOf(&tt.batch); got != tt.want {
			t.Errorf("%s: level %d, want %d", name, got, tt.want)
		}
	}
}
