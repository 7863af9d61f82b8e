package image

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"moln.dev/moln/aws/policy"
	engine "moln.dev/moln/engine/image"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/lambda/fn"
)

const own = "127.0.0.1:4566"

func TestParse(t *testing.T) {
	digest := digestOf(nil)
	here := source{account: "111122223333", region: "eu-west-1"}
	at := func(s source) source { s.account, s.region = here.account, here.region; return s }
	for _, tt := range []struct {
		uri  string
		want source
		ok   bool
	}{
		{own + "/app:one", at(source{repository: "app", tag: "one"}), true},
		{own + "/team/app", at(source{repository: "team/app", tag: "latest"}), true},
		{own + "/app@" + digest, at(source{repository: "app", digest: digest}), true},
		{own + "/app:one@" + digest, at(source{repository: "app", tag: "one", digest: digest}), true},
		{"123456789012.dkr.ecr.us-east-1.amazonaws.com/app:one", source{"123456789012", "us-east-1", "app", "one", ""}, true},
		{"123456789012.dkr.ecr.us-east-1.localhost:4566/app:one", source{"123456789012", "us-east-1", "app", "one", ""}, true},
		{"localhost:5000/app:one", at(source{repository: "app", tag: "one"}), true},
		{"docker.io/library/app:one", source{}, false},
		{"app:one", source{}, false},
		{"public.ecr.aws/lambda/python:3.13", source{}, false},
		{own + "/UP:one", source{}, false},
		{own + "/app:", source{}, false},
		{own + "/app@sha256:short", source{}, false},
		{own + "/../app:one", source{}, false},
		{own + "/", source{}, false},
		{"", source{}, false},
	} {
		got, ok := parse(tt.uri, own, here.account, here.region)
		if ok != tt.ok || (ok && got != tt.want) {
			t.Errorf("%s: %+v, %v", tt.uri, got, ok)
		}
	}
	if _, ok := parse("/app:one", "", here.account, here.region); ok {
		t.Error("a moln that does not know its address took an empty host for it")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(own + "/app:one@" + digestOf(nil))
	f.Add("123456789012.dkr.ecr.us-east-1.amazonaws.com/team/app")
	f.Fuzz(func(t *testing.T, uri string) {
		s, ok := parse(uri, own, "111122223333", "eu-west-1")
		if !ok {
			return
		}
		if strings.ContainsAny(s.repository, ":@ ") || strings.Contains(s.repository, "..") || (s.tag == "" && s.digest == "") {
			t.Errorf("%q: %+v", uri, s)
		}
		pinned := withDigest(uri, digestOf([]byte("x")))
		again, ok := parse(pinned, own, "111122223333", "eu-west-1")
		if !ok || again.repository != s.repository || again.digest != digestOf([]byte("x")) {
			t.Errorf("%q pinned is %q: %+v, %v", uri, pinned, again, ok)
		}
	})
}

func TestWithStatement(t *testing.T) {
	other := `{"Effect":"Allow","Principal":"*","Action":"ecr:BatchGetImage"}`
	for name, before := range map[string]string{
		"no policy": "", "one statement": `{"Version":"2012-10-17","Statement":` + other + `}`, "a list": `{"Version":"2012-10-17","Statement":[` + other + `]}`,
		"with an old one": `{"Statement":[{"Sid":"` + statementID + `","Effect":"Allow","Principal":"*","Action":"ecr:*"},` + other + `]}`,
	} {
		got, err := withStatement(before, "aws", "eu-west-1", "111122223333")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := policy.Parse([]byte(got), policy.ResourceImplied); err != nil {
			t.Errorf("%s: %s: %v", name, got, err)
		}
		var doc struct{ Statement []struct{ Sid string } }
		want := 2
		if before == "" {
			want = 1
		}
		if err := json.Unmarshal([]byte(got), &doc); err != nil || len(doc.Statement) != want || doc.Statement[want-1].Sid != statementID {
			t.Errorf("%s: %s, %v", name, got, err)
		}
		if !strings.Contains(got, "arn:aws:lambda:eu-west-1:111122223333:function:*") {
			t.Errorf("%s: %s", name, got)
		}
	}
	if _, err := withStatement("{", "aws", "eu-west-1", "1"); err == nil {
		t.Error("took what is no policy")
	}
}

func TestLaunch(t *testing.T) {
	c := &engine.Config{}
	c.Config.Entrypoint, c.Config.Cmd, c.Config.WorkingDir = []string{"/entry"}, []string{"app.handler"}, "/var/task"
	c.Config.Env = []string{"PATH=/own", "EMPTY=", "=bad", "alone"}
	for _, tt := range []struct {
		name    string
		image   fn.Image
		config  *engine.Config
		command []string
		dir     string
		handler string
	}{
		{"the image's own", fn.Image{}, c, []string{"/entry", "app.handler"}, "/var/task", "app.handler"},
		{"another command", fn.Image{Command: []string{"other", "x"}}, c, []string{"/entry", "other", "x"}, "/var/task", "other"},
		{"another entry", fn.Image{EntryPoint: []string{"/b"}}, c, []string{"/b", "app.handler"}, "/var/task", "app.handler"},
		{"another directory", fn.Image{WorkingDirectory: "work"}, c, []string{"/entry", "app.handler"}, "/work", "app.handler"},
		{"nothing", fn.Image{}, &engine.Config{}, []string{""}, "/", ""},
	} {
		l, dir := Launch(&tt.image, tt.config)
		if diff := cmp.Diff(tt.command, l.Command); diff != "" || dir != tt.dir || Handler(&tt.image, tt.config) != tt.handler || l.Assignable {
			t.Errorf("%s: %v in %s", tt.name, l, dir)
		}
	}
	l, _ := Launch(&fn.Image{}, c)
	if _, bad := l.Env[""]; l.Env["PATH"] != "/own" || bad || l.Env["LAMBDA_TASK_ROOT"] != "/var/task" {
		t.Errorf("environment %v", l.Env)
	}
}

func TestFetch(t *testing.T) {
	big := strings.Repeat("x", 1<<20)
	mux := http.NewServeMux()
	mux.HandleFunc("/whole", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, big) })
	mux.HandleFunc("/silent", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/broken", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half")
		panic(http.ErrAbortHandler)
	})
	mux.HandleFunc("/refused", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) })
	for _, tt := range []struct {
		path, want, wrong string
	}{{"/whole", big, ""}, {"/silent", "", ""}, {"/broken", "half", "broke off"}, {"/refused", "", "403 no"}} {
		body, err := fetch(mux, httptest.NewRequest("GET", tt.path, nil))
		var text []byte
		if err == nil {
			text, err = io.ReadAll(body)
			_ = body.Close()
		}
		if string(text) != tt.want || (err == nil) != (tt.wrong == "") || (err != nil && !strings.Contains(err.Error(), tt.wrong)) {
			t.Errorf("%s: %d bytes, %v", tt.path, len(text), err)
		}
	}
	// Who does not read on does not hold the handler for ever.
	body, err := fetch(mux, httptest.NewRequest("GET", "/whole", nil))
	if err != nil || body.Close() != nil {
		t.Error(err)
	}
}

func TestSweep(t *testing.T) {
	m := New(service.Deps{DataDir: t.TempDir()})
	now := time.Now()
	if err := m.Sweep(nil, now); err != nil {
		t.Fatalf("without a directory: %v", err)
	}
	old, kept, young := digestOf([]byte("old")), digestOf([]byte("kept")), digestOf([]byte("young"))
	for name, age := range map[string]time.Duration{m.path(old): 2 * sweepAfter, m.path(kept): 2 * sweepAfter, m.path(young): 0, filepath.Join(m.dir, "unpack-1"): 2 * sweepAfter, filepath.Join(m.dir, "gone-1"): 2 * sweepAfter} {
		if err := os.MkdirAll(filepath.Join(name, rootDir), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(name, now.Add(-age), now.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Sweep(map[string]bool{kept: true}, now); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(m.dir)
	var got []string
	for _, e := range entries {
		got = append(got, "sha256:"+e.Name())
	}
	want := []string{kept, young}
	if kept > young {
		want = []string{young, kept}
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func TestExtensions(t *testing.T) {
	root := t.TempDir()
	if got := Extensions(root); got != nil {
		t.Errorf("got %v of none", got)
	}
	if err := os.MkdirAll(filepath.Join(root, "opt/extensions/dir"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "opt/extensions/one"), nil, 0o755); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"one"}, Extensions(root)); diff != "" {
		t.Error(diff)
	}
	out := t.TempDir()
	if err := os.Symlink(filepath.Join(root, "opt"), filepath.Join(out, "opt")); err != nil {
		t.Fatal(err)
	}
	if got := Extensions(out); got != nil {
		t.Errorf("a link led out: %v", got)
	}
}
