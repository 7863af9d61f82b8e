// Package layout reads images from files: an OCI layout, as a directory or a
// tar, and the archive that `docker save` writes, old and new. It gives manifests
// and blobs by digest, as a registry takes them, and writes nothing.
package layout

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"moln.dev/moln/engine/image"
)

const (
	indexFile    = "index.json"
	dockerFile   = "manifest.json" // of old archives
	entriesMax   = 100_000
	documentsMax = image.ManifestBytesMax

	ociConfig = "application/vnd.oci.image.config.v1+json"
	ociLayer  = "application/vnd.oci.image.layer.v1.tar"
)

// Layout is a set of images. Close it.
type Layout struct {
	// Top is the one image or index that the layout holds, or an index of all.
	Top image.Descriptor

	closers []io.Closer
	open    func(name string) (io.ReadCloser, int64, error) // of the source's files
	names   map[string]string                               // of blobs, by digest, where they are not in blobs/
	made    map[string][]byte                               // what the source does not have as bytes
}

// Open reads what name is: a directory or a tar.
func Open(name string) (*Layout, error) {
	st, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	l := &Layout{names: map[string]string{}, made: map[string][]byte{}}
	if st.IsDir() {
		err = l.useDirectory(name)
	} else {
		err = l.useTar(name)
	}
	if err == nil {
		err = l.find()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, err), l.Close())
	}
	return l, nil
}

// Close closes the source.
func (l *Layout) Close() error {
	var all []error
	for _, c := range l.closers {
		all = append(all, c.Close())
	}
	return errors.Join(all...)
}

func (l *Layout) useDirectory(name string) error {
	root, err := os.OpenRoot(name)
	if err != nil {
		return err
	}
	l.closers = append(l.closers, root)
	l.open = func(name string) (io.ReadCloser, int64, error) {
		f, err := root.Open(name)
		if err != nil {
			return nil, 0, err
		}
		st, err := f.Stat()
		if err != nil || !st.Mode().IsRegular() {
			return nil, 0, errors.Join(fmt.Errorf("%s is no file", name), err, f.Close())
		}
		return f, st.Size(), nil
	}
	return nil
}

// useTar finds where the entries of a tar are, without reading them.
func (l *Layout) useTar(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	l.closers = append(l.closers, f)
	type span struct{ at, size int64 }
	entries := map[string]span{}
	t := tar.NewReader(f)
	for {
		h, err := t.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("it is no tar of images (is it compressed?): %w", err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		at, err := f.Seek(0, io.SeekCurrent)
		if err != nil {
			return err
		}
		if entries[path.Clean(h.Name)] = (span{at, h.Size}); len(entries) > entriesMax {
			return fmt.Errorf("it has more than %d entries", entriesMax)
		}
	}
	l.open = func(name string) (io.ReadCloser, int64, error) {
		e, ok := entries[path.Clean(name)]
		if !ok {
			return nil, 0, fmt.Errorf("%s: %w", name, os.ErrNotExist)
		}
		return io.NopCloser(io.NewSectionReader(f, e.at, e.size)), e.size, nil
	}
	return nil
}

// document reads a small file.
func (l *Layout) document(name string) ([]byte, error) {
	body, _, err := l.open(name)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	raw, err := io.ReadAll(io.LimitReader(body, documentsMax+1))
	if err == nil && len(raw) > documentsMax {
		err = fmt.Errorf("%s has more than %d bytes", name, documentsMax)
	}
	return raw, err
}

// find finds the top of the layout.
func (l *Layout) find() error {
	raw, err := l.document(indexFile)
	if errors.Is(err, os.ErrNotExist) {
		return l.findDocker()
	}
	if err != nil {
		return err
	}
	index, err := image.Parse(raw, image.OCIIndex)
	if err != nil {
		return err
	}
	if len(index.Manifests) == 1 {
		l.Top = index.Manifests[0]
		return nil
	}
	l.Top = l.make(raw, image.OCIIndex)
	return nil
}

// make keeps bytes that the source does not have as a file.
func (l *Layout) make(raw []byte, mediaType string) image.Descriptor {
	sum := sha256.Sum256(raw)
	d := image.Descriptor{MediaType: mediaType, Digest: "sha256:" + hex.EncodeToString(sum[:]), Size: int64(len(raw))}
	l.made[d.Digest] = raw
	return d
}

// findDocker makes a manifest for the archives of older Docker, which have a
// configuration and layers without one.
func (l *Layout) findDocker() error {
	raw, err := l.document(dockerFile)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("it has neither %s nor %s: it is no image", indexFile, dockerFile)
	}
	if err != nil {
		return err
	}
	var list []struct {
		Config string
		Layers []string
	}
	if err := json.Unmarshal(raw, &list); err != nil || len(list) != 1 {
		return fmt.Errorf("%s does not list one image", dockerFile)
	}
	config, err := l.adopt(list[0].Config, ociConfig)
	if err != nil {
		return err
	}
	m := image.Manifest{SchemaVersion: 2, MediaType: image.OCIManifest, Config: &config}
	for _, name := range list[0].Layers {
		d, err := l.adopt(name, ociLayer)
		if err != nil {
			return err
		}
		m.Layers = append(m.Layers, d)
	}
	if raw, err = json.Marshal(m); err == nil {
		l.Top = l.make(raw, m.MediaType)
	}
	return err
}

// adopt gives a file its digest.
func (l *Layout) adopt(name, mediaType string) (image.Descriptor, error) {
	body, size, err := l.open(name)
	if err != nil {
		return image.Descriptor{}, err
	}
	defer body.Close()
	var magic [2]byte
	n, err := io.ReadFull(body, magic[:])
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return image.Descriptor{}, err
	}
	if mediaType == ociLayer && magic == [2]byte{0x1f, 0x8b} {
		mediaType += "+gzip"
	}
	hash := sha256.New()
	_, _ = hash.Write(magic[:n])
	if _, err := io.Copy(hash, body); err != nil {
		return image.Descriptor{}, err
	}
	d := image.Descriptor{MediaType: mediaType, Digest: "sha256:" + hex.EncodeToString(hash.Sum(nil)), Size: size}
	l.names[d.Digest] = name
	return d, nil
}

// Blob gives the bytes of a digest; os.ErrNotExist where it is not there. Whoever
// takes them checks that they are its.
func (l *Layout) Blob(digest string) (io.ReadCloser, int64, error) {
	if raw, ok := l.made[digest]; ok {
		return io.NopCloser(bytes.NewReader(raw)), int64(len(raw)), nil
	}
	if !image.IsDigest(digest) {
		return nil, 0, fmt.Errorf("%.100q is no digest", digest)
	}
	name := l.names[digest]
	if name == "" {
		name = "blobs/sha256/" + strings.TrimPrefix(digest, "sha256:")
	}
	return l.open(name)
}

// Manifest reads a manifest of the layout, and its bytes.
func (l *Layout) Manifest(d image.Descriptor) (*image.Manifest, []byte, error) {
	body, _, err := l.Blob(d.Digest)
	if err != nil {
		return nil, nil, err
	}
	defer body.Close()
	raw, err := io.ReadAll(io.LimitReader(body, image.ManifestBytesMax+1))
	if err != nil {
		return nil, nil, err
	}
	m, err := image.Parse(raw, d.MediaType)
	return m, raw, err
}
