package host

import (
	"context"
	"time"

	"moln.dev/moln/engine/sandbox"
	"moln.dev/moln/engine/sandbox/nssandbox"
)

const probeTimeout = 15 * time.Second

// namespaceDriver returns the driver, or why it cannot be used here.
func namespaceDriver() (sandbox.Driver, string) {
	d, err := nssandbox.New()
	if err != nil {
		return nil, err.Error()
	}
	ctx, cancel := context.WithTimeout(context.Background(), probeTimeout)
	defer cancel()
	if c := d.Probe(ctx); !c.Usable {
		_ = d.Close()
		return nil, probeText(c)
	}
	return d, ""
}
