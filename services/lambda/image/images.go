package image

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	ecr "moln.dev/moln/api/ecr"
	"moln.dev/moln/engine/clock"
	engine "moln.dev/moln/engine/image"
	"moln.dev/moln/engine/whole"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/lambda/fn"
)

// limits of an unpacked image: "Container image code package size", AWS Lambda
// quotas; entries bound what a file system has to bear.
var limits = engine.Limits{Bytes: 10 << 30, Entries: 1_000_000}

const (
	rootDir    = "root"        // of an image's directory
	configFile = "config.json" // beside it
	sweepAfter = time.Hour     // a younger directory may be on its way in
)

// Images keeps unpacked images. Safe for concurrent use.
type Images struct {
	deps service.Deps
	dir  string

	mu    sync.Mutex
	locks map[string]*sync.Mutex // one unpacking at a time, by digest
}

// New keeps images below the service's directory.
func New(d service.Deps) *Images {
	return &Images{deps: d, dir: filepath.Join(d.DataDir, "images"), locks: map[string]*sync.Mutex{}}
}

func (m *Images) path(digest string) string {
	return filepath.Join(m.dir, strings.TrimPrefix(digest, "sha256:"))
}

func (m *Images) lock(digest string) (unlock func()) {
	m.mu.Lock()
	l := m.locks[digest]
	if l == nil {
		l = new(sync.Mutex)
		m.locks[digest] = l
	}
	m.mu.Unlock()
	l.Lock()
	return l.Unlock
}

// Open returns the directory that is the root of an image, and its
// configuration. Where it is not there it is fetched and unpacked, as Lambda for
// the function r.
func (m *Images) Open(ctx context.Context, r fn.Ref, image *fn.Image) (string, *engine.Config, error) {
	dir := m.path(image.Digest)
	unlock := m.lock(image.Digest)
	defer unlock()
	raw, err := os.ReadFile(filepath.Join(dir, configFile))
	if errors.Is(err, os.ErrNotExist) {
		raw, err = m.make(ctx, m.lambda(r), image, dir)
	}
	if err != nil {
		return "", nil, err
	}
	// It is in use: Sweep goes by the time.
	now := clock.System().Now()
	if err := os.Chtimes(dir, now, now); err != nil {
		return "", nil, err
	}
	config, err := engine.ParseConfig(raw)
	return filepath.Join(dir, rootDir), config, err
}

// make fetches and unpacks an image. The directory appears whole, by a rename.
func (m *Images) make(ctx context.Context, c *service.Call, image *fn.Image, dir string) ([]byte, error) {
	found, err := get(ctx, c, sourceOf(image), ecr.ImageIdentifier{ImageDigest: &image.Digest})
	if err != nil {
		return nil, err
	}
	manifest, err := engine.Parse([]byte(*found.ImageManifest), *found.ImageManifestMediaType)
	if err != nil {
		return nil, err
	}
	if manifest.IsIndex() {
		return nil, engine.Error("an index stands where an image is wanted")
	}
	raw, err := m.config(ctx, c, image, manifest)
	if err != nil {
		return nil, err
	}
	config, err := engine.ParseConfig(raw)
	if err != nil {
		return nil, err
	}
	if err := runnable(config); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(m.dir, 0o755); err != nil {
		return nil, err
	}
	open := func(d engine.Descriptor) (io.ReadCloser, error) { return m.layer(ctx, c, image, d.Digest) }
	return raw, whole.Make(m.dir, dir, func(temp string) error {
		root := filepath.Join(temp, rootDir)
		if err := errors.Join(os.Mkdir(root, 0o755), os.WriteFile(filepath.Join(temp, configFile), raw, 0o600)); err != nil {
			return err
		}
		return engine.Unpack(ctx, root, manifest, config, open, limits)
	})
}

// runnable says whether an image is for this host. Images that name no platform
// are taken at their word.
func runnable(c *engine.Config) error {
	switch {
	case c.OS != "" && c.OS != "linux":
		return engine.Error("the image is for " + c.OS + ", not for linux")
	case c.Architecture != "" && c.Architecture != runtime.GOARCH:
		return engine.Error("the image is for the architecture " + c.Architecture + ", not for " + runtime.GOARCH)
	}
	return nil
}

// config fetches an image's configuration and checks its digest.
func (m *Images) config(ctx context.Context, c *service.Call, image *fn.Image, manifest *engine.Manifest) ([]byte, error) {
	body, err := m.layer(ctx, c, image, manifest.Config.Digest)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	raw, err := io.ReadAll(io.LimitReader(body, engine.ConfigBytesMax+1))
	if err == nil && digestOf(raw) != manifest.Config.Digest {
		err = engine.Error("the configuration's bytes are not those of its digest")
	}
	return raw, err
}

// layer fetches content of an image's repository.
func (m *Images) layer(ctx context.Context, c *service.Call, image *fn.Image, digest string) (io.ReadCloser, error) {
	out, err := service.Invoke(ctx, c, ecr.GetDownloadUrlForLayer, &ecr.GetDownloadUrlForLayerInput{
		RegistryId: &image.Account, RepositoryName: &image.Repository, LayerDigest: &digest,
	})
	if err != nil {
		return nil, err
	}
	if m.deps.Site.Handler == nil {
		return nil, errors.New("image: moln does not know itself")
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, *out.DownloadUrl, nil)
	if err != nil {
		return nil, err
	}
	return fetch(m.deps.Site.Handler, r)
}

// Sweep removes images that no version is made of, and what a crash left behind,
// if they are old enough. now is real time, as files have it.
func (m *Images) Sweep(alive map[string]bool, now time.Time) error {
	entries, err := os.ReadDir(m.dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		st, err := e.Info()
		if err != nil || alive["sha256:"+e.Name()] || now.Sub(st.ModTime()) < sweepAfter {
			continue
		}
		if err := m.remove(e.Name()); err != nil {
			return err
		}
	}
	return nil
}

// remove takes a directory out of the way before it is emptied, so that nobody
// finds half of it.
func (m *Images) remove(name string) error {
	unlock := m.lock("sha256:" + name)
	defer unlock()
	gone := filepath.Join(m.dir, "gone-"+name)
	if err := os.Rename(filepath.Join(m.dir, name), gone); err != nil {
		return err
	}
	return os.RemoveAll(gone)
}
