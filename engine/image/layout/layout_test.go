package layout

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"moln.dev/moln/engine/image"
)

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "sha256:" + hex.EncodeToString(sum[:])
}

const (
	config = `{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}`
	layer  = "the layer"
)

// oci are the files of a layout with one image.
func oci() map[string]string {
	manifest := `{"schemaVersion":2,"mediaType":"` + image.OCIManifest + `","config":{"mediaType":"x","digest":"` + digest(config) + `","size":1},"layers":[{"mediaType":"y","digest":"` + digest(layer) + `","size":9}]}`
	files := map[string]string{
		"oci-layout": `{"imageLayoutVersion":"1.0.0"}`,
		"index.json": `{"schemaVersion":2,"manifests":[{"mediaType":"` + image.OCIManifest + `","digest":"` + digest(manifest) + `","size":1}]}`,
	}
	for _, text := range []string{manifest, config, layer} {
		files["blobs/sha256/"+strings.TrimPrefix(digest(text), "sha256:")] = text
	}
	return files
}

func pack(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for name, text := range files {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(text)), Mode: 0o600}); err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(w, text)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func write(t testing.TB, files map[string]string) (dir, file string) {
	t.Helper()
	dir, file = t.TempDir(), filepath.Join(t.TempDir(), "image.tar")
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(file, pack(t, files), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, file
}

func TestOpen(t *testing.T) {
	dir, file := write(t, oci())
	_, docker := write(t, map[string]string{
		"manifest.json": `[{"Config":"abc.json","RepoTags":["a:b"],"Layers":["l/layer.tar"]}]`, "abc.json": config, "l/layer.tar": layer,
	})
	for _, name := range []string{dir, file, docker} {
		l, err := Open(name)
		if err != nil {
			t.Fatal(err)
		}
		m, raw, err := l.Manifest(l.Top)
		if err != nil || digest(string(raw)) != l.Top.Digest || m.Config.Digest != digest(config) || len(m.Layers) != 1 {
			t.Fatalf("%s: %+v, %v", name, m, err)
		}
		body, size, err := l.Blob(m.Layers[0].Digest)
		if err != nil || size != int64(len(layer)) {
			t.Fatalf("%s: %d, %v", name, size, err)
		}
		if text, err := io.ReadAll(body); err != nil || string(text) != layer {
			t.Errorf("%s: %q, %v", name, text, err)
		}
		if _, _, err := l.Blob(digest("no")); !os.IsNotExist(err) && !strings.Contains(err.Error(), "not exist") {
			t.Errorf("%s: %v", name, err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestOpenSeveral(t *testing.T) {
	files := oci()
	one := `{"mediaType":"` + image.OCIManifest + `","digest":"` + digest("a") + `","size":1}`
	files["index.json"] = `{"schemaVersion":2,"manifests":[` + one + `,` + one + `]}`
	dir, _ := write(t, files)
	l, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if m, _, err := l.Manifest(l.Top); err != nil || len(m.Manifests) != 2 {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, tt := range []struct {
		files map[string]string
		want  string
	}{
		{map[string]string{"a": "b"}, "it is no image"},
		{map[string]string{"index.json": "x"}, "not JSON"},
		{map[string]string{"manifest.json": "[]"}, "does not list one image"},
		{map[string]string{"manifest.json": `[{"Config":"../../etc/passwd"}]`}, "passwd"},
	} {
		dir, file := write(t, tt.files)
		for _, name := range []string{dir, file} {
			if _, err := Open(name); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v: %v, want %s", tt.files, err, tt.want)
			}
		}
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(pack(f, oci()))
	f.Add(pack(f, map[string]string{"manifest.json": `[{"Config":"c","Layers":["l"]}]`, "c": config, "l": layer}))
	f.Fuzz(func(t *testing.T, raw []byte) {
		name := filepath.Join(t.TempDir(), "x.tar")
		if err := os.WriteFile(name, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		l, err := Open(name)
		if err != nil {
			return
		}
		defer l.Close()
		if !image.IsDigest(l.Top.Digest) {
			t.Errorf("the top is %q", l.Top.Digest)
		}
		_, _, _ = l.Manifest(l.Top)
	})
}
