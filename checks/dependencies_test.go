package checks

import (
	"os"
	"strings"
	"testing"
)

// dependencies are the modules that moln uses directly, why, and under which
// licence. What is not listed is not used; copyleft is never linked in.
var dependencies = map[string]struct{ why, licence string }{
	"github.com/alecthomas/kong":               {"the command line", "MIT"},
	"github.com/anishathalye/porcupine":        {"tests: linearizability", "MIT"},
	"github.com/cespare/xxhash/v2":             {"S3's checksum XXHASH64", "MIT"},
	"github.com/cockroachdb/apd/v3":            {"decimals of 38 digits", "Apache-2.0"},
	"github.com/cockroachdb/pebble/v2":         {"the embedded store", "BSD-3-Clause"},
	"github.com/emersion/go-smtp":              {"tests: a mail server", "MIT"},
	"github.com/goccy/go-yaml":                 {"templates, with positions", "MIT"},
	"github.com/google/go-cmp":                 {"tests: differences", "BSD-3-Clause"},
	"github.com/jackc/pgx/v5":                  {"PostgreSQL", "MIT"},
	"github.com/klauspost/compress":            {"layers of container images: zstd, and gzip at twice the speed", "BSD-3-Clause"},
	"github.com/minio/crc64nvme":               {"S3's checksum, in SIMD", "Apache-2.0"},
	"github.com/minio/minio-go/v7":             {"a cluster's object store", "Apache-2.0"},
	"github.com/rogpeppe/go-internal":          {"tests: scripts", "BSD-3-Clause"},
	"github.com/santhosh-tekuri/jsonschema/v6": {"API Gateway's models", "Apache-2.0"},
	"github.com/wneessen/go-mail":              {"outgoing mail", "MIT"},
	"github.com/zeebo/xxh3":                    {"S3's checksums XXHASH3 and XXHASH128", "BSD-2-Clause"},
	"golang.org/x/crypto":                      {"password hashes, sealing", "BSD-3-Clause"},
	"golang.org/x/net":                         {"the system call filter's assembler", "BSD-3-Clause"},
	"golang.org/x/sync":                        {"bounded groups", "BSD-3-Clause"},
	"golang.org/x/sys":                         {"namespaces, cgroups", "BSD-3-Clause"},
	"golang.org/x/term":                        {"whether a person is reading", "BSD-3-Clause"},
	"golang.org/x/tools":                       {"tests: script archives", "BSD-3-Clause"},
	"pgregory.net/rapid":                       {"tests: properties", "MPL-2.0"},
}

// TestDependencies: a new direct dependency is a decision, and stands here.
func TestDependencies(t *testing.T) {
	text, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 2 || !strings.HasPrefix(fields[1], "v") || strings.Contains(line, "// indirect") {
			continue
		}
		seen++
		if dependencies[fields[0]].why == "" {
			t.Errorf("%s is used directly and not listed; say why and under which licence", fields[0])
		}
	}
	if seen < 10 {
		t.Errorf("read %d direct dependencies; the file is not understood", seen)
	}
}
