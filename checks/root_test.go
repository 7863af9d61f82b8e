package checks

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// rootNames are what the repository has at its top; a new name there is a decision.
var rootNames = []string{
	".ci", ".gitignore", "AGENTS.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "README.md",
	"api", "aws", "bench", "checks", "cmd", "compat", "docs", "e2e", "engine", "examples", "gen", "go.mod", "go.sum",
	"models", "platform", "runtimes", "server", "services", "wire",
}

// TestRoot keeps what tests and tools leave lying about out of the repository.
func TestRoot(t *testing.T) {
	out, err := exec.Command("git", "-C", "..", "ls-tree", "--name-only", "HEAD").Output()
	if err != nil {
		t.Skip("not a git checkout")
	}
	for name := range strings.Lines(string(out)) {
		if name = strings.TrimSpace(name); !slices.Contains(rootNames, name) {
			t.Errorf("%s is at the top of the repository and not in rootNames", name)
		}
	}
}
