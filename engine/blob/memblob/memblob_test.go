package memblob

import (
	"testing"

	"moln.dev/moln/engine/blob/blobtest"
	"moln.dev/moln/engine/blob/driver"
)

func open(testing.TB) driver.Driver { return New() }

func TestMemory(t *testing.T) { blobtest.Run(t, open) }

func BenchmarkMemory(b *testing.B) { blobtest.Bench(b, open) }
