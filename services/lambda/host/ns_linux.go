package host

import "moln.dev/moln/engine/sandbox/nssandbox"

func namespaceDriver() (closer, error) { return nssandbox.New() }
