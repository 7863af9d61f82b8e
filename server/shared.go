package server

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"moln.dev/moln/engine/blob"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/seal"
)

// Keys of the server's own records in the store. They are what all nodes on one
// store must agree about, so a node that cannot is refused when it starts, and
// not when it first fails to read what another wrote.
var (
	sealedKey = []byte("server/sealed")
	rootKey   = []byte("server/root")
	caKey     = []byte("server/ca")
	blobsKey  = []byte("server/blobs")
	clockKey  = []byte("server/clock")
)

// Purposes of the server's own sealed records.
const (
	sealedPurpose = "server/sealed"
	rootPurpose   = "server/root"
	caPurpose     = "server/ca"
)

const (
	// sealedText is what the proof of the seal key says when it is opened.
	sealedText = "moln"
	// sealedUnproved is the proof of stores that were made without one.
	sealedUnproved = 1
	// blobsScope holds the blob by which a blob store is recognised.
	blobsScope = "server"
	blobsText  = "The server's store names this object: a store without it is not the store's.\n"
)

// sharedStore says whether other processes may use the same store.
func (c *Config) sharedStore() bool {
	return strings.HasPrefix(c.Store, "postgres:") || strings.HasPrefix(c.Store, "postgresql:")
}

// sealKeyHint ends errors about the seal key.
const sealKeyHint = "all nodes of a store need the same key: copy seal.key from the data directory of a node that works (or from a backup) to this one's, or give it with --seal-key-file FILE or the file's text in MOLN_SEAL_KEY"

// openSeal opens the key that secrets are sealed with, and makes one for a new
// store. A store that holds sealed values is refused without its own key: any
// other would open none of them.
func (s *Server) openSeal(ctx context.Context) (*seal.Sealer, error) {
	_, err := s.db.Get(ctx, sealedKey)
	fresh := errors.Is(err, kv.ErrNotFound)
	if err != nil && !fresh {
		return nil, err
	}
	sealer, where, err := s.readSealKey(fresh)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w; the store holds secrets sealed with a key that is not in %s: %s", err, where, sealKeyHint)
	}
	if err != nil {
		return nil, err
	}
	if err := proveSeal(ctx, s.db, sealer); err != nil {
		return nil, fmt.Errorf("the key in %s is not the one that this store's secrets are sealed with (%w): %s", where, err, sealKeyHint)
	}
	return sealer, nil
}

// readSealKey reads the key from where the configuration says, and says where.
func (s *Server) readSealKey(fresh bool) (*seal.Sealer, string, error) {
	if s.cfg.SealKey != "" {
		sealer, err := seal.Parse([]byte(s.cfg.SealKey))
		return sealer, "MOLN_SEAL_KEY", err
	}
	file := s.cfg.SealKeyFile
	if file == "" {
		file = filepath.Join(s.dir(), "seal.key")
	}
	read := seal.Open
	if fresh {
		read = seal.OpenOrCreate
	}
	sealer, err := read(file)
	return sealer, file, err
}

// proveSeal opens the store's proof with the key, or leaves one in a store that
// has none. After a rotation the proof needs the newest key as well.
func proveSeal(ctx context.Context, db *kv.DB, sealer *seal.Sealer) error {
	return db.Update(ctx, func(tx *kv.Tx) error {
		proof, err := tx.Get(sealedKey)
		switch {
		case err == nil && !(len(proof) == 1 && proof[0] == sealedUnproved):
			if _, err := sealer.Open(sealedPurpose, proof); err != nil {
				return err
			}
			if !sealer.Stale(proof) {
				return nil
			}
		case err != nil && !errors.Is(err, kv.ErrNotFound):
			return err
		}
		return tx.Put(sealedKey, sealer.Seal(sealedPurpose, []byte(sealedText)))
	})
}

// openSealed gives the record of a key, or keeps what make makes; which of two
// nodes that start at once makes it, all get the same. made says that it was
// this one.
func (s *Server) openSealed(ctx context.Context, key []byte, purpose string, out any, make func() (any, error)) (made bool, err error) {
	err = s.db.Update(ctx, func(tx *kv.Tx) error {
		made = false
		sealed, err := tx.Get(key)
		if errors.Is(err, kv.ErrNotFound) {
			v, err := make()
			if err != nil {
				return err
			}
			plain, err := json.Marshal(v)
			if err != nil {
				return err
			}
			made = true
			if err := json.Unmarshal(plain, out); err != nil {
				return err
			}
			return tx.Put(key, s.sealer.Seal(purpose, plain))
		}
		if err != nil {
			return err
		}
		plain, err := s.sealer.Open(purpose, sealed)
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		return json.Unmarshal(plain, out)
	})
	return made && err == nil, err
}

// rootRecord is the root user's key as the store keeps it.
type rootRecord struct{ Access, Secret string }

// openRoot takes the root key from the store, where none was given.
func (s *Server) openRoot(ctx context.Context) error {
	if s.cfg.RootAccessKey != "" {
		return nil
	}
	var root rootRecord
	made, err := s.openSealed(ctx, rootKey, rootPurpose, &root, func() (any, error) {
		return rootRecord{"AKIA" + s.ident.Upper32(accessKeyRandom), s.ident.Alnum(secretKeyLength)}, nil
	})
	if err != nil {
		return fmt.Errorf("root key: %w", err)
	}
	s.cfg.RootAccessKey, s.cfg.RootSecretKey, s.rootMade = root.Access, root.Secret, made
	return nil
}

// caRecord is the certificate authority as the store keeps it, in PEM.
type caRecord struct{ Cert, Key []byte }

// openCA opens moln's certificate authority. It lies in the data directory; on
// a shared store all nodes get the one of the first, since clients that trust a
// node must trust the others.
func (s *Server) openCA(ctx context.Context) error {
	if s.cfg.sharedStore() {
		var shared caRecord
		_, err := s.openSealed(ctx, caKey, caPurpose, &shared, s.ownCA)
		if err != nil {
			return fmt.Errorf("certificate authority: %w", err)
		}
		if block, _ := pem.Decode(shared.Cert); block == nil {
			return errors.New("certificate authority: the store's record holds no certificate")
		}
		if err := writeFile(s.caKeyFile(), shared.Key, 0o600); err != nil {
			return err
		}
		if err := writeFile(s.CAFile(), shared.Cert, 0o644); err != nil {
			return err
		}
	}
	var err error
	s.ca, err = openAuthority(s.dir())
	return err
}

func (s *Server) caKeyFile() string { return filepath.Join(s.dir(), "ca-key.pem") }

// ownCA reads the authority of this data directory, made if need be.
func (s *Server) ownCA() (any, error) {
	if _, err := openAuthority(s.dir()); err != nil {
		return nil, err
	}
	cert, err := os.ReadFile(s.CAFile())
	if err != nil {
		return nil, err
	}
	key, err := os.ReadFile(s.caKeyFile())
	return caRecord{cert, key}, err
}

// tieBlobs makes sure that the blob store is the one whose blobs the store
// names: with another, objects of before could not be read, and those of other
// nodes neither.
func (s *Server) tieBlobs(ctx context.Context) error {
	blobs := s.blobs.Scope(blobsScope)
	text, err := s.db.Get(ctx, blobsKey)
	if errors.Is(err, kv.ErrNotFound) {
		text, err = s.markBlobs(ctx, blobs)
	}
	if err != nil {
		return err
	}
	ref, err := blob.ParseRef(string(text))
	if err != nil {
		return fmt.Errorf("the store's record of its blob store: %w", err)
	}
	if err := blobs.Verify(ctx, ref); errors.Is(err, blob.ErrNotFound) {
		return fmt.Errorf("%s is not where this store's object bytes are: give --blobs (or --data-dir) as the store was started with before; nodes that share a store share --blobs s3://… as well", s.blobsPlace())
	} else if err != nil {
		return fmt.Errorf("the blob store: %w", err)
	}
	return nil
}

// markBlobs puts the mark into the blob store and its name into the store; of
// two nodes that start at once one is first.
func (s *Server) markBlobs(ctx context.Context, blobs *blob.Store) (text []byte, err error) {
	ref, err := blobs.Put(ctx, strings.NewReader(blobsText))
	if err != nil {
		return nil, err
	}
	err = s.db.Update(ctx, func(tx *kv.Tx) error {
		if text, err = tx.Get(blobsKey); !errors.Is(err, kv.ErrNotFound) {
			return err
		}
		text = []byte(ref.String())
		return tx.Put(blobsKey, text)
	})
	if err == nil && string(text) != ref.String() {
		_ = blobs.Delete(ctx, ref) // garbage of a few bytes where it fails
	}
	return text, err
}

// blobsPlace is where object bytes are, without its query.
func (s *Server) blobsPlace() string {
	if place, _, _ := strings.Cut(s.cfg.Blobs, "?"); place != "" {
		return place
	}
	return filepath.Join(s.cfg.DataDir, "blobs")
}
