package image

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
)

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// layer makes a tar of lines "dir NAME", "file NAME TEXT", "link NAME TARGET",
// "hard NAME TARGET", "device NAME".
func layer(t testing.TB, lines ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, line := range lines {
		f := strings.SplitN(line, " ", 3)
		h := &tar.Header{Name: f[1], Mode: 0o755, ModTime: time.Unix(1e9, 0)}
		text := ""
		switch f[0] {
		case "dir":
			h.Typeflag = tar.TypeDir
		case "file":
			h.Typeflag, text, h.Mode = tar.TypeReg, f[2], 0o6755
		case "link":
			h.Typeflag, h.Linkname = tar.TypeSymlink, f[2]
		case "hard":
			h.Typeflag, h.Linkname = tar.TypeLink, f[2]
		case "device":
			h.Typeflag, h.Devmajor, h.Devminor = tar.TypeChar, 1, 3
		}
		h.Size = int64(len(text))
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		_, _ = w.Write([]byte(text))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gzipped(t testing.TB, plain []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(plain)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// stack is an image whose layers are as they come.
func stack(layers ...[]byte) (*Manifest, *Config, func(Descriptor) (io.ReadCloser, error)) {
	m, c, have := &Manifest{}, &Config{}, map[string][]byte{}
	for _, l := range layers {
		m.Layers = append(m.Layers, Descriptor{Digest: digestOf(l), Size: int64(len(l))})
		c.RootFS.DiffIDs = append(c.RootFS.DiffIDs, digestOf(l))
		have[digestOf(l)] = l
	}
	return m, c, func(d Descriptor) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(have[d.Digest])), nil }
}

var generous = Limits{Bytes: 1 << 20, Entries: 1000}

// tree lists what is below dir: "name", "name=text", "name->target", "name/".
func tree(t testing.TB, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(dir, name)
		if err != nil || rel == "." {
			return err
		}
		switch {
		case d.IsDir():
			rel += "/"
		case d.Type()&fs.ModeSymlink != 0:
			target, _ := os.Readlink(name)
			rel += "->" + target
		case d.Type().IsRegular():
			text, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			rel += "=" + string(text)
		default:
			rel += "?"
		}
		out = append(out, rel)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestUnpack(t *testing.T) {
	for _, tt := range []struct {
		name   string
		layers [][]byte
		want   []string
		wrong  string
	}{
		{"files, directories, links", [][]byte{layer(t, "dir a", "file a/f one", "link l a/f", "hard h a/f", "device dev/null")},
			[]string{"a/", "a/f=one", "h=one", "l->a/f"}, ""},
		{"parents are made", [][]byte{layer(t, "file x/y/z 1")}, []string{"x/", "x/y/", "x/y/z=1"}, ""},
		{"a later layer replaces", [][]byte{layer(t, "file f 1", "dir d", "file d/x 1", "link l f"), layer(t, "file f 2", "file d 2", "file l 2")},
			[]string{"d=2", "f=2", "l=2"}, ""},
		{"a file becomes a directory", [][]byte{layer(t, "file f 1"), layer(t, "dir f", "file f/x 2")}, []string{"f/", "f/x=2"}, ""},
		{"whiteout", [][]byte{layer(t, "file a 1", "dir d", "file d/x 1", "file d/y 1"), layer(t, "file .wh.a ", "file d/.wh.x ")},
			[]string{"d/", "d/y=1"}, ""},
		{"whiteout of a tree", [][]byte{layer(t, "file d/x 1", "file e 1"), layer(t, "file .wh.d ")}, []string{"e=1"}, ""},
		{"whiteouts spare their own layer", [][]byte{layer(t, "file d/x 1"), layer(t, "file d/x 2", "file d/.wh.x ")}, []string{"d/", "d/x=2"}, ""},
		{"opaque", [][]byte{layer(t, "file d/x 1", "file d/s/y 1"), layer(t, "file d/s/z 2", "file d/.wh..wh..opq ")},
			[]string{"d/", "d/s/", "d/s/z=2"}, ""},
		{"opaque first", [][]byte{layer(t, "file d/x 1"), layer(t, "file d/.wh..wh..opq ", "file d/n 2")}, []string{"d/", "d/n=2"}, ""},
		{"whiteout of what is not there", [][]byte{layer(t, "file no/.wh.x ", "file no/.wh..wh..opq ", "file .wh... ")}, nil, ""},
		{"through a link", [][]byte{layer(t, "dir usr/lib", "link lib usr/lib", "link var/run /run"), layer(t, "file lib/f 1", "file var/run/p 1")},
			[]string{"lib->usr/lib", "run/", "run/p=1", "usr/", "usr/lib/", "usr/lib/f=1", "var/", "var/run->/run"}, ""},
		{"names that climb stay", [][]byte{layer(t, "file ../../f 1", "file /g 2", "file a/../../../h 3")}, []string{"f=1", "g=2", "h=3"}, ""},
		{"links that climb stay", [][]byte{layer(t, "link up ../../..", "file up/f 1", "link abs /../..", "file abs/g 2")},
			[]string{"abs->/../..", "f=1", "g=2", "up->../../.."}, ""},
		{"a whiteout through a link stays", [][]byte{layer(t, "file f 1", "link up ../.."), layer(t, "file up/.wh.f ")}, []string{"up->../.."}, ""},
		{"hard link that climbs", [][]byte{layer(t, "hard h ../../../etc/passwd")}, nil, "is no file of the image"},
		{"hard link through a link", [][]byte{layer(t, "link up ../../../..", "hard h up/etc/passwd")}, nil, "is no file of the image"},
		{"hard link to a link", [][]byte{layer(t, "link l /etc/passwd", "hard h l")}, []string{"h->/etc/passwd", "l->/etc/passwd"}, ""},
		{"links in a circle", [][]byte{layer(t, "link a b", "link b a", "file a/f 1")}, nil, "too many links"},
		{"a file in the way", [][]byte{layer(t, "file a 1", "file a/b 2")}, nil, "not a directory"},
		{"too large", [][]byte{layer(t, "file a "+strings.Repeat("x", 600<<10)), layer(t, "file a "+strings.Repeat("x", 600<<10))}, nil, "too large"},
		{"name too long", [][]byte{layer(t, "file "+strings.Repeat("x", 300)+" 1")}, nil, "file name too long"},
		{"no tar", [][]byte{bytes.Repeat([]byte("x"), 1024)}, nil, "the layer is damaged"},
		{"cut short", [][]byte{layer(t, "file a "+strings.Repeat("x", 2000))[:1024]}, nil, "the layer is damaged"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			outer := t.TempDir()
			dir := filepath.Join(outer, "a", "b")
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			m, c, open := stack(tt.layers...)
			err := Unpack(t.Context(), dir, m, c, open, generous)
			if tt.wrong != "" {
				if err == nil || !IsBad(err) || !strings.Contains(err.Error(), tt.wrong) {
					t.Errorf("got %v, want %s", err, tt.wrong)
				}
			} else if err != nil {
				t.Error(err)
			} else if diff := cmp.Diff(tt.want, tree(t, dir)); diff != "" {
				t.Error(diff)
			}
			if got := tree(t, outer); len(got) < 2 || got[0] != "a/" || got[1] != "a/b/" {
				t.Errorf("outside: %v", got)
			}
		})
	}
}

func TestUnpackedModes(t *testing.T) {
	dir := t.TempDir()
	m, c, open := stack(layer(t, "dir d", "file d/f 1"))
	if err := Unpack(t.Context(), dir, m, c, open, generous); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"d", "d/f"} {
		st, err := os.Lstat(filepath.Join(dir, name))
		if err != nil || st.Mode()&^fs.ModeDir != 0o755 || st.ModTime().Unix() != 1e9 {
			t.Errorf("%s: %v %v, %v", name, st.Mode(), st.ModTime(), err)
		}
	}
}

func TestUnpackVerifies(t *testing.T) {
	plain := layer(t, "file f 1")
	packed := gzipped(t, plain)
	enc, _ := zstd.NewWriter(nil)
	small := enc.EncodeAll(plain, nil)
	for _, tt := range []struct {
		name   string
		stored []byte
		digest string
		diff   string
		ok     bool
	}{
		{"gzip", packed, digestOf(packed), digestOf(plain), true},
		{"zstd", small, digestOf(small), digestOf(plain), true},
		{"other bytes", append(bytes.Clone(packed), 0), digestOf(packed), digestOf(plain), false},
		{"wrong digest", packed, digestOf(plain), digestOf(plain), false},
		{"wrong diff id", packed, digestOf(packed), digestOf(packed), false},
		{"cut short", packed[:len(packed)-9], digestOf(packed[:len(packed)-9]), digestOf(plain), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := &Manifest{Layers: []Descriptor{{Digest: tt.digest, Size: int64(len(tt.stored))}}}
			c := &Config{}
			c.RootFS.DiffIDs = []string{tt.diff}
			open := func(Descriptor) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(tt.stored)), nil }
			err := Unpack(t.Context(), t.TempDir(), m, c, open, generous)
			if tt.ok != (err == nil) || (err != nil && !IsBad(err)) {
				t.Error(err)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	m, c, open := stack(plain)
	if err := Unpack(ctx, t.TempDir(), m, c, open, generous); err == nil || IsBad(err) {
		t.Errorf("cancelled: %v", err)
	}
}

// Each entry is innocent; together they are made to waste time or memory.
func TestUnpackBudgets(t *testing.T) {
	deep := strings.Repeat("a/", depthMax)
	var emptied []string
	for range 50 {
		emptied = append(emptied, "file d/"+whiteoutOpaque+" x")
	}
	skipped := layer(t, "file "+whiteout+"x "+strings.Repeat("x", 100<<10))
	for _, tc := range []struct {
		name, want string
		layers     [][]byte
		change     func(*unpacker)
	}{
		{"a name that is too deep", "too deep", [][]byte{layer(t, "dir "+deep+"a")}, nil},
		{"a name that is deep", "", [][]byte{layer(t, "dir "+deep)}, nil},
		{"names", "names in the image are too long", [][]byte{layer(t, "dir a", "dir bb"), layer(t, "dir ccc")}, func(u *unpacker) { u.names = 5 }},
		{"links", "too much work", [][]byte{layer(t, "link l "+deep, "dir l/l/x", "dir l/l/x", "dir l/l/x")}, func(u *unpacker) { u.work = 700 }},
		{"opaque directories", "too much work", [][]byte{layer(t, append([]string{"file d/1 x", "file d/2 x"}, emptied...)...)}, func(u *unpacker) { u.work = 140 }},
		// Content that is never written counts by what is read.
		{"skipped content", "damaged", [][]byte{skipped, skipped, skipped}, func(u *unpacker) { u.plain = 250 << 10 }},
		{"less skipped content", "", [][]byte{skipped, skipped}, func(u *unpacker) { u.plain = 250 << 10 }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m, c, open := stack(tc.layers...)
			root, err := os.OpenRoot(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			defer root.Close()
			u := newUnpacker(root, generous, len(m.Layers))
			if tc.change != nil {
				tc.change(u)
			}
			for i, d := range m.Layers {
				if err == nil {
					err = u.layer(t.Context(), d, c.RootFS.DiffIDs[i], open)
				}
			}
			if (tc.want == "") != (err == nil) || err != nil && (!IsBad(err) || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("%v, want %q", err, tc.want)
			}
		})
	}
}

func TestParse(t *testing.T) {
	d := digestOf(nil)
	config := `"config":{"mediaType":"x","digest":"` + d + `","size":2}`
	for _, tt := range []struct {
		name, raw, mediaType, want, wrong string
	}{
		{"OCI without a type", `{"schemaVersion":2,` + config + `}`, "", OCIManifest, ""},
		{"index without a type", `{"schemaVersion":2,"manifests":[]}`, "", OCIIndex, ""},
		{"Docker", `{"schemaVersion":2,"mediaType":"` + DockerManifest + `",` + config + `}`, "", DockerManifest, ""},
		{"the header's type", `{"schemaVersion":2,` + config + `}`, DockerManifest, DockerManifest, ""},
		{"two types", `{"schemaVersion":2,"mediaType":"` + OCIManifest + `",` + config + `}`, DockerManifest, "", "was sent as"},
		{"schema 1", `{"schemaVersion":1}`, "", "", "schema version 1"},
		{"another type", `{"schemaVersion":2}`, "text/plain", "", "not supported"},
		{"no configuration", `{"schemaVersion":2}`, OCIManifest, "", "no configuration"},
		{"both", `{"schemaVersion":2,"manifests":[],` + config + `}`, OCIIndex, "", "has a configuration"},
		{"bad digest", `{"schemaVersion":2,"config":{"digest":"sha256:../../x"}}`, OCIManifest, "", "is no digest"},
		{"bad size", `{"schemaVersion":2,"config":{"digest":"` + d + `","size":-1}}`, OCIManifest, "", "size -1"},
		{"no JSON", `x`, "", "", "not JSON"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, err := Parse([]byte(tt.raw), tt.mediaType)
			if tt.wrong != "" {
				if err == nil || !IsBad(err) || !strings.Contains(err.Error(), tt.wrong) {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil || m.MediaType != tt.want {
				t.Errorf("got %+v, %v", m, err)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"schemaVersion":2,"manifests":[{"digest":"`+digestOf(nil)+`"}]}`), OCIIndex)
	f.Add([]byte(`{"architecture":"amd64","config":{"Cmd":["x"]},"rootfs":{"diff_ids":["`+digestOf(nil)+`"]}}`), "")
	f.Fuzz(func(t *testing.T, raw []byte, mediaType string) {
		if m, err := Parse(raw, mediaType); err == nil {
			for _, d := range append(m.Layers, m.Manifests...) {
				if !IsDigest(d.Digest) || d.Size < 0 {
					t.Errorf("passed: %+v", d)
				}
			}
		}
		if c, err := ParseConfig(raw); err == nil {
			for _, id := range c.RootFS.DiffIDs {
				if !IsDigest(id) {
					t.Errorf("passed: %q", id)
				}
			}
		}
	})
}

// FuzzUnpack: whatever a layer says, nothing outside its directory changes (I1),
// and there are only directories, files and links in it (I2).
func FuzzUnpack(f *testing.F) {
	f.Add(layer(f, "dir a", "file a/f one", "link l ../../..", "file l/x 1", "hard h a/f", "file a/.wh.f "))
	f.Add(layer(f, "link a /..", "file a/../a/.wh..wh..opq ", "device n"))
	f.Add(gzipped(f, layer(f, "file f 1")))
	f.Fuzz(func(t *testing.T, raw []byte) {
		outer := t.TempDir()
		dir := filepath.Join(outer, "a", "b")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(outer, "f"), []byte("safe"), 0o600); err != nil {
			t.Fatal(err)
		}
		m, c, open := stack(raw)
		_ = Unpack(t.Context(), dir, m, c, open, Limits{Bytes: 1 << 16, Entries: 50})
		var rest []string
		for _, name := range tree(t, outer) {
			if strings.HasSuffix(name, "?") {
				t.Errorf("made %s", name)
			}
			if !strings.HasPrefix(name, "a/b/") {
				rest = append(rest, name)
			}
		}
		if diff := cmp.Diff([]string{"a/", "f=safe"}, rest); diff != "" {
			t.Error(diff)
		}
	})
}
