package oci

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func TestIdentify(t *testing.T) {
	for _, tt := range []struct {
		name, output string
		want         Runtime
		refused      bool
	}{
		{"crun", "crun version 1.8.1\ncommit: f8a0\nspec: 1.0.0\n", Runtime{Crun, "/x", "crun 1.8.1"}, false},
		{"runc", "runc version 1.1.5+ds1\ncommit: 1\n", Runtime{Runc, "/x", "runc 1.1.5+ds1"}, false},
		{"runsc", "runsc version release-20260831.0\nspec: 1.2.1\n", Runtime{Runsc, "/x", "runsc release-20260831.0"}, false},
		{"runsc built by hand", "runsc version VERSION_MISSING\nspec: 1.2.1\n", Runtime{Runsc, "/x", "runsc"}, false},
		{"another", "youki version: 0.5.7\n", Runtime{Runc, "/x", "youki 0.5.7"}, false},
		{"kata", "kata-runtime  : 3.2.0\n   commit   : abc\n", Runtime{}, true},
		{"silent", "\n", Runtime{}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Identify("/x", tt.output)
			if got != tt.want || (err != nil) != tt.refused {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestRun(t *testing.T) {
	p := Places{"/b/crun", "/s", "/b", "/b/log", "/b/pid"}
	for kind, want := range map[Kind]string{
		Crun:  "/b/crun --root /s --log /b/log --log-format json --cgroup-manager disabled run --detach --bundle /b --pid-file /b/pid --preserve-fds 2 guest",
		Runc:  "/b/crun --root /s --log /b/log --log-format json run --detach --bundle /b --pid-file /b/pid --preserve-fds 2 guest",
		Runsc: "run --detach --bundle /b --pid-file /b/pid --pass-fd 3:3 --pass-fd 4:4 guest",
	} {
		if got := strings.Join(Runtime{Kind: kind}.Run(p, 2), " "); !strings.HasSuffix(got, want) {
			t.Errorf("%s: %s", kind, got)
		}
	}
}

func TestReason(t *testing.T) {
	for _, tt := range []struct{ name, log, want string }{
		{"none", "", "no reason given"},
		{"last error", `{"level":"warning","msg":"w"}` + "\n" + `{"level":"error","msg":"one"}` + "\n" + `{"msg":"two","level":"error","time":"x"}` + "\n", "two"},
		{"not only JSON", "text\n" + `{"level":"error","msg":"one"}` + "\n[", "one"},
	} {
		if got := Reason([]byte(tt.log)); got != tt.want {
			t.Errorf("%s: %q", tt.name, got)
		}
	}
}

func FuzzReason(f *testing.F) {
	f.Add([]byte(`{"level":"error","msg":"one"}`))
	f.Fuzz(func(t *testing.T, log []byte) {
		if Reason(log) == "" {
			t.Error("no reason at all")
		}
	})
}

// What a guest must not have is spelled out in every bundle.
func TestConfigGivesNothingAway(t *testing.T) {
	text, err := Runtime{Kind: Runc}.Config(Guest{
		Root: "/r", Dev: "/r/dev", Args: []string{"/bin/true"}, Dir: "/", User: 1000, OpenFiles: 10, Processes: 20, DataBytes: 30, Arch: "amd64",
	})
	if err != nil {
		t.Fatal(err)
	}
	var c config
	if err := json.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	if len(c.Process.Capabilities) != 5 {
		t.Errorf("capabilities %v", c.Process.Capabilities)
	}
	for set, list := range c.Process.Capabilities {
		if list == nil || len(list) > 0 {
			t.Errorf("%s capabilities %v", set, list)
		}
	}
	if !c.Process.NoNewRights || !c.Root.ReadOnly || c.Process.User != (user{1000, 1000}) {
		t.Errorf("%s", text)
	}
	if !slices.Contains(c.Process.Limits, limit{"RLIMIT_NPROC", 20, 20}) || !slices.Contains(c.Process.Limits, limit{"RLIMIT_DATA", 30, 30}) {
		t.Errorf("limits %v", c.Process.Limits)
	}
	refused := map[string]int{}
	for _, r := range c.Linux.Seccomp.Rules {
		for _, name := range r.Names {
			if r.Action != "SCMP_ACT_ERRNO" || r.Errno == 0 {
				t.Errorf("%s: %+v", name, r)
			}
			refused[name]++
		}
	}
	for name, rules := range map[string]int{"mount": 1, "ptrace": 1, "unshare": 1, "clone3": 1, "clone": len(namespaceFlags), "socket": 14, "iopl": 1} {
		if refused[name] != rules {
			t.Errorf("%s: %d rules, want %d", name, refused[name], rules)
		}
	}
	if _, err := (Runtime{}).Config(Guest{Arch: "mips"}); err == nil {
		t.Error("a filter for an unknown architecture")
	}
}
