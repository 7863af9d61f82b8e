package code

import (
	"runtime"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/services/lambda/fn"
)

// hostArchitecture is what functions run on, in Lambda's words; "" where Lambda
// has none.
func hostArchitecture() string {
	switch runtime.GOARCH {
	case "amd64":
		return api.ArchitectureX8664
	case "arm64":
		return api.ArchitectureArm64
	}
	return ""
}

// CheckMachine says whether a version can run on this host. Its architecture is
// what it says, and may be another's as long as it needs nothing of it: text for
// interpreters runs anywhere, and so does what comes for both machines. What is
// wrong by the function's own word is found when it runs, as on AWS.
func CheckMachine(g *fn.Config) error {
	return checkMachine(g, hostArchitecture())
}

func checkMachine(g *fn.Config, host string) error {
	if len(g.Architectures) != 1 || g.Architectures[0] == host || host == "" {
		return nil
	}
	parts := []fn.Code{g.Code}
	for _, l := range g.Layers {
		parts = append(parts, l.Code)
	}
	for _, p := range parts {
		if host == api.ArchitectureX8664 && p.ARM && !p.X86 || host == api.ArchitectureArm64 && p.X86 && !p.ARM {
			return fn.Invalid("moln does not support Architectures [%s] for this code: it holds programs for that machine only, and functions run on this host's own. Build it for %s.", g.Architectures[0], host)
		}
	}
	return nil
}
