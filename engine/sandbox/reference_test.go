package sandbox

import "testing"

func TestExpand(t *testing.T) {
	listen := func(a string) string { return "L(" + a + ")" }
	place := func(p string) string { return "P(" + p + ")" }
	for _, tc := range []struct{ in, want string }{
		{"plain", "plain"},
		{"A=" + ListenRef("127.0.0.1:1") + "/x", "A=L(127.0.0.1:1)/x"},
		{PathRef("/a") + ":" + PathRef("/b"), "P(/a):P(/b)"},
		{"\x00listen:open", "\x00listen:open"},
	} {
		if got := Expand(tc.in, listen, place); got != tc.want {
			t.Errorf("Expand(%q) = %q, want %q", tc.in, got, tc.want)
		}
	}
}

func TestSpecCheck(t *testing.T) {
	ok := Spec{Command: []string{"/bin/true"}}
	if err := ok.Check(); err != nil {
		t.Error(err)
	}
	for name, bad := range map[string]Spec{
		"no command":       {},
		"relative target":  {Command: ok.Command, Mounts: []Mount{{Source: "/a", Target: "b"}}},
		"target climbs":    {Command: ok.Command, Mounts: []Mount{{Source: "/a", Target: "/b/../../c"}}},
		"target is root":   {Command: ok.Command, Mounts: []Mount{{Source: "/a", Target: "/"}}},
		"relative file":    {Command: ok.Command, Files: map[string][]byte{"x": nil}},
		"listen, no net":   {Command: ok.Command, Network: NetworkNone, Listen: []string{"127.0.0.1:1"}},
		"too many pipes":   {Command: ok.Command, Pipes: PipesMax + 1},
		"files too large":  {Command: ok.Command, Files: map[string][]byte{"/x": make([]byte, FilesBytesMax+1)}},
		"too many listens": {Command: ok.Command, Listen: make([]string, ListenersMax+1)},
	} {
		if err := bad.Check(); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
