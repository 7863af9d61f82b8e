package main

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"moln.dev/moln/aws/smithy"
)

const modelsDir = "../models"

// packages builds every service's package.
func packages(t *testing.T) []*pkg {
	t.Helper()
	var all []*pkg
	for _, s := range sources {
		p, err := loadPackage(modelsDir, s)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

// readTree reads every file below dir.
func readTree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		files[name] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestCommittedCodeIsFresh(t *testing.T) {
	dir := t.TempDir()
	if err := writeAPI(modelsDir, dir); err != nil {
		t.Fatal(err)
	}
	want, got := readTree(t, dir), readTree(t, "../api")
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got[name] != want[name] {
			t.Errorf("api/%s is not what gen writes; run `go run ./gen api`", name)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("api/%s is not generated", name)
		}
	}
}

func TestModelsAreAsListed(t *testing.T) {
	manifest, err := os.ReadFile(modelsDir + "/MANIFEST")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for name, data := range readTree(t, modelsDir) {
		if name != "MANIFEST" && name != "overrides.json" {
			files[name] = []byte(data)
		}
	}
	if want := hashes(files); !strings.HasSuffix(string(manifest), want) {
		t.Error("models/MANIFEST does not list the files of models/; corrections belong in overrides.json")
	}
}

// TestEverySignedOperationHasActions: an operation that is authorized by
// signature names its actions, or a rule says why it has none.
func TestEverySignedOperationHasActions(t *testing.T) {
	for _, p := range packages(t) {
		iam, err := loadIAM(modelsDir, p.source.iam)
		if err != nil {
			t.Fatal(err)
		}
		for i := range p.table.Operations {
			op := &p.table.Operations[i]
			if op.Auth != smithy.AuthSigV4 {
				if op.Actions != nil {
					t.Errorf("%s.%s is unsigned and has actions", p.source.name, op.Name)
				}
				continue
			}
			actions, why, err := actionsOf(p.source.name, p.source.iam, op, iam)
			if err != nil || len(actions) == 0 && why == "" {
				t.Errorf("%s.%s: no action and no reason: %v", p.source.name, op.Name, err)
			}
		}
	}
}

// TestRulesHaveTargets: a rule for an operation that is gone, or an action that
// the IAM data does not know, is a mistake.
func TestRulesHaveTargets(t *testing.T) {
	byName := map[string]*pkg{}
	for _, p := range packages(t) {
		byName[p.source.name] = p
	}
	for service, of := range rules {
		p := byName[service]
		iam, err := loadIAM(modelsDir, p.source.iam)
		if err != nil {
			t.Fatal(err)
		}
		for name, r := range of {
			if p.table.Operation(name) == nil {
				t.Errorf("rule for %s.%s, which does not exist", service, name)
			}
			for _, action := range r.actions {
				prefix, verb, _ := strings.Cut(action, ":")
				if _, ok := iam.Actions[verb]; prefix == p.source.iam && !ok {
					t.Errorf("rule for %s.%s names %s, which does not exist", service, name, action)
				}
			}
		}
	}
	for service, names := range newer {
		iam, err := loadIAM(modelsDir, byName[service].source.iam)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if byName[service].table.Operation(name) == nil {
				t.Errorf("newer lists %s.%s, which does not exist", service, name)
			}
			if _, known := iam.Actions[name]; known {
				t.Errorf("newer lists %s.%s, which the IAM data knows by now", service, name)
			}
		}
	}
}

func TestUnsignedOperations(t *testing.T) {
	want := map[string]int{"cognitoidp": 34, "cognitoidentity": 4, "sts": 2}
	for _, p := range packages(t) {
		n := 0
		for i := range p.table.Operations {
			if p.table.Operations[i].Auth == smithy.AuthNone {
				n++
			}
		}
		if n != want[p.source.name] {
			t.Errorf("%s has %d unsigned operations, want %d", p.source.name, n, want[p.source.name])
		}
	}
}

// TestPatternsCompile lists the patterns that Go cannot express: values of
// those shapes are not checked against them.
func TestPatternsCompile(t *testing.T) {
	skipped := []string{"lambda.CollectionName", "scheduler.Source", "ssm.StringDateTime"}
	var got []string
	for _, p := range packages(t) {
		for _, sh := range p.table.Shapes {
			if sh.Constraints == nil || sh.Constraints.Pattern == "" {
				continue
			}
			if _, err := smithy.CompilePattern(sh.Constraints.Pattern); err != nil {
				got = append(got, p.source.name+"."+sh.Name)
			}
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, skipped) {
		t.Errorf("patterns that do not compile:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(skipped, "\n"))
	}
}

// TestTablesAreStaticData: a table that the compiler could not lay out would
// be built by an init function at every start.
func TestTablesAreStaticData(t *testing.T) {
	list := exec.Command("go", "list", "-export", "-f", "{{.Export}}", "../api/...")
	list.Stderr = os.Stderr
	archives, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	for archive := range strings.Lines(string(archives)) {
		symbols, err := exec.Command("go", "tool", "nm", "-size", strings.TrimSpace(archive)).Output()
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(symbols)) {
			f := strings.Fields(line)
			if len(f) < 4 || f[2] != "T" || !strings.HasSuffix(f[3], ".init") {
				continue
			}
			// An init function of a byte only returns.
			if f[1] != "1" {
				t.Errorf("%s has %s bytes of init code", f[3], f[1])
			}
		}
	}
}

func TestOverridesHaveReasons(t *testing.T) {
	overrides, err := loadOverrides(modelsDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range overrides {
		known := slices.ContainsFunc(sources, func(s source) bool { return s.name == o.Service })
		if o.Why == "" || !known {
			t.Errorf("override of %q without a service or a reason", o.Service)
		}
	}
}

func TestOrderedMerges(t *testing.T) {
	m := new(Model)
	for _, text := range []string{
		`{"shapes":{"B":{"type":"structure","members":{"X":{"shape":"S"},"A":{"shape":"S"}}},"A":{"type":"list"}}}`,
		`{"shapes":{"B":{"locationName":"Root","members":{"A":{"queryName":"Q"},"N":{"shape":"S"}}}}}`,
	} {
		if err := json.Unmarshal([]byte(text), m); err != nil {
			t.Fatal(err)
		}
	}
	got, err := marshalPlain(m.Shapes)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"B":{"type":"structure","members":{"X":{"shape":"S"},"A":{"shape":"S","queryName":"Q"},"N":{"shape":"S"}},"locationName":"Root"},"A":{"type":"list"}}`
	if !bytes.Equal(got, []byte(want)) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestNames(t *testing.T) {
	for _, tt := range [][2]string{
		{camel("PAY_PER_REQUEST"), "PayPerRequest"}, {camel("nodejs20.x"), "Nodejs20X"}, {camel("ACTIVE"), "Active"},
		{camel("s3:ObjectCreated:*"), "S3ObjectCreatedStar"}, {camel("CreateComplete"), "CreateComplete"}, {camel(""), ""},
		{exported("restApiId"), "RestApiId"}, {exported("__string"), "String"}, {exported("x-amz-1"), "Xamz1"},
	} {
		if tt[0] != tt[1] {
			t.Errorf("got %s, want %s", tt[0], tt[1])
		}
	}
}
