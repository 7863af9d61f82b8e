package archive

import (
	"archive/zip"
	"bytes"
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"
)

// TestLinksThroughLinksStayInside: each target lies in the package as text, but
// not where the links before it lead.
func TestLinksThroughLinksStayInside(t *testing.T) {
	long := [][2]string{{"a/b/c0", "../.."}}
	for i := range 20 {
		long = append(long, [2]string{"a/b/c" + strconv.Itoa(i+1), "c" + strconv.Itoa(i)})
	}
	for name, links := range map[string][][2]string{
		"target through a link":  {{"deep/er/top", "../.."}, {"out", "deep/er/top/../../secret"}},
		"entry through a link":   {{"p/q", ".."}, {"p/q/p/out", "../../secret"}},
		"the later link first":   {{"out", "deep/er/top/../../secret"}, {"deep/er/top", "../.."}},
		"more links than Go has": append(long, [2]string{"out", "a/b/c20/../secret"}),
	} {
		dir := t.TempDir() + "/package"
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(dir+"/../secret", []byte("secret"), 0o600); err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		w := zip.NewWriter(&b)
		for _, l := range links {
			h := &zip.FileHeader{Name: l[0]}
			h.SetMode(os.ModeSymlink | 0o777)
			e, err := w.CreateHeader(h)
			if err != nil {
				t.Fatal(err)
			}
			e.Write([]byte(l[1]))
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		_, err := Unpack(bytes.NewReader(b.Bytes()), int64(b.Len()), dir)
		var bad Fault
		if !errors.As(err, &bad) {
			read, _ := os.ReadFile(dir + "/out")
			t.Errorf("%s: %v, want a Fault; through the link: %q", name, err, strings.TrimSpace(string(read)))
		}
	}
}
