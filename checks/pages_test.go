package checks

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"moln.dev/moln/platform/service"
)

var update = flag.Bool("update", false, "write docs/services anew")

// TestCoveragePages: docs/services says what the tables say. Write the pages
// anew with: go test ./checks -run CoveragePages -update
func TestCoveragePages(t *testing.T) {
	dir := filepath.Join("..", "docs", "services")
	if *update {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range openServer(t).Definitions() {
		page := coverage(d)
		if page == "" {
			continue
		}
		file := filepath.Join(dir, d.Schema.Name+".md")
		if *update {
			if err := os.WriteFile(file, []byte(page), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		have, err := os.ReadFile(file)
		if err != nil || string(have) != page {
			t.Errorf("%s is stale; run go test ./checks -run CoveragePages -update", file)
		}
	}
}

// coverage prints a service's page; services that are not there have none.
func coverage(d service.Definition) string {
	rows := map[service.Level][]string{}
	reasons := map[string][]string{}
	for _, op := range d.Operations {
		_, model := op.Of()
		switch op.Level {
		case service.LevelFull:
			rows[op.Level] = append(rows[op.Level], model.Name)
		case service.LevelPartial:
			rows[op.Level] = append(rows[op.Level], fmt.Sprintf("| %s | %s |", model.Name, op.Note))
		default:
			reasons[op.Note] = append(reasons[op.Note], model.Name)
		}
	}
	if len(rows[service.LevelFull])+len(rows[service.LevelPartial]) == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\nAPI version %s. %d of %d operations are there. This page is made from the operation table.\n",
		d.Schema.ID, d.Schema.Version, len(rows[service.LevelFull])+len(rows[service.LevelPartial]), len(d.Operations))
	if full := rows[service.LevelFull]; len(full) > 0 {
		fmt.Fprintf(&b, "\n## Full\n\n%s.\n", strings.Join(full, ", "))
	}
	if partial := rows[service.LevelPartial]; len(partial) > 0 {
		fmt.Fprintf(&b, "\n## Partial\n\n| operation | what is missing |\n|---|---|\n%s\n", strings.Join(partial, "\n"))
	}
	if len(reasons) > 0 {
		b.WriteString("\n## Not there\n")
		for _, why := range slices.Sorted(maps.Keys(reasons)) {
			fmt.Fprintf(&b, "\n- %s: %s.\n", why, strings.Join(reasons[why], ", "))
		}
	}
	if len(d.Resources) > 0 {
		b.WriteString("\n## CloudFormation\n\n")
		for _, r := range d.Resources {
			fmt.Fprintf(&b, "- `%s`\n", r.Name)
		}
	}
	return b.String()
}
