package ocisandbox

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"time"

	"moln.dev/moln/engine/sandbox"
	"moln.dev/moln/engine/sandbox/nssandbox"
	"moln.dev/moln/engine/sandbox/oci"
)

const versionTimeout = 5 * time.Second

// Driver starts guests through one runtime.
type Driver struct {
	*nssandbox.Driver
	runtime oci.Runtime
}

var _ sandbox.Driver = (*Driver)(nil)

// New finds the runtime by name, on PATH, or by path, and asks for its version.
// nssandbox.Main must be called first thing in main.
func New(name string) (*Driver, error) {
	r, err := Find(name)
	if err != nil {
		return nil, err
	}
	d, err := nssandbox.NewOCI(r)
	if err != nil {
		return nil, err
	}
	return &Driver{d, r}, nil
}

// Find looks for a runtime without making a driver.
func Find(name string) (oci.Runtime, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return oci.Runtime{}, fmt.Errorf("ocisandbox: no OCI runtime %q: %w", name, err)
	}
	if path, err = filepath.Abs(path); err != nil {
		return oci.Runtime{}, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), versionTimeout)
	defer cancel()
	output, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		return oci.Runtime{}, fmt.Errorf("ocisandbox: %s --version: %w", path, err)
	}
	return oci.Identify(path, string(output))
}

// Runtime is what the driver starts guests with.
func (d *Driver) Runtime() oci.Runtime { return d.runtime }
