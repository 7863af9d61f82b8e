package server

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"moln.dev/moln/engine/blob/s3blob"
	"moln.dev/moln/engine/seal"
)

// openAt opens a server over an embedded store in dir.
func openAt(t *testing.T, dir string, change func(*Config)) (*Server, error) {
	t.Helper()
	cfg := Config{Listen: "127.0.0.1:0", DataDir: dir}
	if change != nil {
		change(&cfg)
	}
	s, err := Open(t.Context(), cfg, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err == nil {
		t.Cleanup(func() { s.Close() })
	}
	return s, err
}

func mustOpen(t *testing.T, dir string, change func(*Config)) *Server {
	t.Helper()
	s, err := openAt(t, dir, change)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRootKeyStaysWithTheStore(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, nil)
	access, secret, made := s.MadeRoot()
	if !made || !strings.HasPrefix(access, "AKIA") || len(secret) != secretKeyLength {
		t.Fatalf("first start: %s, a secret of %d characters, made %v", access, len(secret), made)
	}
	s.Close()
	s = mustOpen(t, dir, nil)
	if a, b, made := s.MadeRoot(); a != access || b != secret || made {
		t.Errorf("second start: %s, made %v; want the key of the first, %s", a, made, access)
	}
	s.Close()
	s = mustOpen(t, dir, func(c *Config) { c.RootAccessKey, c.RootSecretKey = "mine", "given" })
	if a, _, made := s.MadeRoot(); a != "mine" || made {
		t.Errorf("with a given key: %s, made %v", a, made)
	}
	s.Close()
	if _, err := openAt(t, dir, func(c *Config) { c.RootAccessKey = "mine" }); err == nil {
		t.Error("an access key without its secret was accepted")
	}
}

func TestSealKeyOfAnotherStoreIsRefused(t *testing.T) {
	dir := t.TempDir()
	mustOpen(t, dir, nil).Close()
	key, err := os.ReadFile(filepath.Join(dir, "seal.key"))
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(elsewhere, key, 0o600); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "other")
	if _, err := seal.OpenOrCreate(other); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(t.TempDir(), "missing")
	otherText, _ := os.ReadFile(other)

	for name, set := range map[string]func(*Config){
		"another file": func(c *Config) { c.SealKeyFile = other },
		"no file":      func(c *Config) { c.SealKeyFile = missing },
		"another text": func(c *Config) { c.SealKey = string(otherText) },
	} {
		_, err := openAt(t, dir, set)
		if err == nil || !strings.Contains(err.Error(), sealKeyHint) {
			t.Errorf("%s: %v, want a refusal that says what to do", name, err)
		}
	}
	if _, err := os.Stat(missing); !errors.Is(err, os.ErrNotExist) {
		t.Error("a key was made for a store that has one")
	}
	if _, err := openAt(t, dir, func(c *Config) { c.SealKey = "no key" }); !errors.Is(err, seal.ErrKey) {
		t.Errorf("a text that is no key: %v", err)
	}
	os.Remove(filepath.Join(dir, "seal.key"))
	mustOpen(t, dir, func(c *Config) { c.SealKeyFile = elsewhere }).Close()
	mustOpen(t, dir, func(c *Config) { c.SealKey = string(key) }).Close()

	// After a rotation the old key is not enough.
	if _, err := seal.Rotate(elsewhere); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, dir, func(c *Config) { c.SealKeyFile = elsewhere }).Close()
	if _, err := openAt(t, dir, func(c *Config) { c.SealKey = string(key) }); !errors.Is(err, seal.ErrUnknownKey) {
		t.Errorf("a key from before the rotation: %v", err)
	}
}

func TestBlobsOfAnotherStoreAreRefused(t *testing.T) {
	dir := t.TempDir()
	mustOpen(t, dir, nil).Close()
	blobs := filepath.Join(dir, "blobs")
	if err := os.Rename(blobs, blobs+".away"); err != nil {
		t.Fatal(err)
	}
	if _, err := openAt(t, dir, nil); err == nil || !strings.Contains(err.Error(), blobs) {
		t.Errorf("without the blobs: %v", err)
	}
	os.RemoveAll(blobs)
	if err := os.Rename(blobs+".away", blobs); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, dir, nil).Close()
}

func TestEphemeralKeepsNothingElsewhere(t *testing.T) {
	for name, set := range map[string]func(*Config){
		"store": func(c *Config) { c.Store = "postgres://127.0.0.1:1/none" },
		"blobs": func(c *Config) { c.Blobs = "s3://b/p?endpoint=http://127.0.0.1:1" },
	} {
		_, err := openAt(t, "", func(c *Config) { c.Ephemeral = true; set(c) })
		if err == nil || !strings.Contains(err.Error(), "--ephemeral") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestClockOfASharedStoreStands(t *testing.T) {
	for store, shared := range map[string]bool{"": false, "mem:": false, "pebble:x": false, "postgres://h/d": true, "postgresql://h/d": true} {
		if got := (&Config{Store: store}).sharedStore(); got != shared {
			t.Errorf("%q: shared %v, want %v", store, got, shared)
		}
	}
	s := &Server{cfg: Config{Store: "postgres://h/d"}}
	if err := s.advance(context.Background(), 1); !errors.Is(err, errSharedClock) {
		t.Errorf("advance: %v", err)
	}
}

func TestS3Config(t *testing.T) {
	want := s3blob.Config{Endpoint: "http://h:9000", Bucket: "b", AccessKey: "k", SecretKey: "s"}
	below, there := want, want
	below.Prefix, there.Region = "p/q", "eu-west-1"
	for where, want := range map[string]s3blob.Config{
		"s3://b?endpoint=http://h:9000":                          want,
		"s3://b/?endpoint=http://h:9000":                         want,
		"s3://b/p/../p/q/?endpoint=http://h:9000":                below,
		"s3://b?endpoint=http://h:9000&region=eu-west-1":         there,
		"s3://b?endpoint=http%3A%2F%2Fh%3A9000&region=eu-west-1": there,
	} {
		got, err := s3Config(where, "k", "s")
		if err != nil {
			t.Errorf("%s: %v", where, err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", where, d)
		}
	}
	for where, says := range map[string]string{
		"s3://b":                           "endpoint",
		"http://b/p?endpoint=http://h":     "s3://bucket",
		"s3:///p?endpoint=http://h":        "s3://bucket",
		"s3://b?endpoint=http://h&regio=x": "regio",
	} {
		if _, err := s3Config(where, "k", "s"); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", where, err)
		}
	}
	if _, err := s3Config("s3://b?endpoint=http://h", "", ""); err == nil || !strings.Contains(err.Error(), "MOLN_BLOBS_ACCESS_KEY") {
		t.Errorf("without keys: %v", err)
	}
}
