package store

import (
	"bytes"
	"math/rand/v2"
	"sync"
	"testing"
)

func TestAsideSumsWhatIsWritten(t *testing.T) {
	var pool sync.Pool
	random := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		want := make([]byte, random.IntN(2<<20))
		for i := range want {
			want[i] = byte(random.Uint32())
		}
		var got bytes.Buffer
		a := sumAside(&got, &pool)
		for rest := want; len(rest) > 0; {
			n := min(len(rest), 1+random.IntN(200_000))
			piece := bytes.Clone(rest[:n])
			if _, err := a.Write(piece); err != nil {
				t.Fatal(err)
			}
			clear(piece) // whoever wrote it uses it again
			rest = rest[n:]
		}
		a.wait()
		if !bytes.Equal(got.Bytes(), want) {
			t.Fatalf("%d bytes came out other than they went in", len(want))
		}
	}
}
