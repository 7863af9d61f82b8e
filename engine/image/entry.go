package image

import (
	"archive/tar"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"
)

const (
	// Whiteouts: entries that take away what lower layers have.
	whiteout       = ".wh."
	whiteoutOpaque = ".wh..wh..opq"
	linksMax       = 40 // symbolic links followed for one name, as Linux does
	nameBytesMax   = 4096
	depthMax       = 256 // of directories in each other; each one is looked at
)

// unpacker writes entries below root. Two fences hold them there (I1): names are
// resolved here, link by link, as if root were the root of all; and os.Root
// leaves its directory for nobody.
type unpacker struct {
	root  *os.Root
	left  Limits
	plain int64                // bytes of layers that may still come
	names int                  // bytes of names that may
	work  int                  // looks at the file system that may still be taken
	own   map[string]bool      // what the layer at hand has made, and what that is in
	modes map[string]directory // set at the end: a directory may be closed to us
}

type directory struct {
	mode fs.FileMode
	when time.Time
}

func (u *unpacker) entry(h *tar.Header, body io.Reader) error {
	if len(h.Name) > nameBytesMax || strings.ContainsRune(h.Name, 0) {
		return bad("the name is too long or holds a NUL")
	}
	name := path.Clean("/" + h.Name)
	if strings.Count(name, "/") > depthMax {
		return bad("the name is too deep")
	}
	if name == "/" || h.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	parent, err := u.resolve(path.Dir(name))
	if err != nil {
		return err
	}
	base := path.Base(name)
	if strings.HasPrefix(base, whiteout) {
		return u.remove(parent, base)
	}
	at := path.Join(parent, base)
	if at == "." || at == ".." {
		return bad("the name is no name")
	}
	switch h.Typeflag {
	case tar.TypeDir, tar.TypeReg, tar.TypeSymlink, tar.TypeLink:
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		return nil // I2
	default:
		return bad("its type %q is not supported", h.Typeflag)
	}
	if err := u.makeParents(parent); err != nil {
		return err
	}
	u.claim(at)
	if h.Typeflag == tar.TypeDir {
		return u.makeDir(at, h)
	}
	if err := u.clear(at); err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeSymlink:
		if h.Linkname == "" || len(h.Linkname) > nameBytesMax {
			return bad("its target is empty or too long")
		}
		return u.root.Symlink(h.Linkname, at)
	case tar.TypeLink:
		return u.link(at, h.Linkname)
	}
	return u.file(at, h, body)
}

// spend takes looks at the file system from what an image may cost.
func (u *unpacker) spend(looks int) error {
	if u.work -= looks; u.work < 0 {
		return bad("the image is too much work to unpack")
	}
	return nil
}

// claim marks a place, with the directories above it, as of this layer.
func (u *unpacker) claim(at string) {
	for ; at != "." && !u.own[at]; at = path.Dir(at) {
		u.own[at] = true
	}
}

// resolve gives the place that a directory's name stands for, below the root
// and free of links. What does not exist yet is taken as it is named.
func (u *unpacker) resolve(name string) (string, error) {
	rest := strings.Split(strings.Trim(path.Clean("/"+name), "/"), "/")
	at := "."
	for links := 0; len(rest) > 0; {
		part := rest[0]
		rest = rest[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			at = path.Dir(at) // of "." it is "."
			continue
		}
		if err := u.spend(1); err != nil {
			return "", err
		}
		next := path.Join(at, part)
		st, err := u.root.Lstat(next)
		if errors.Is(err, fs.ErrNotExist) {
			at = next
			continue
		}
		if err != nil {
			return "", err
		}
		if st.Mode()&fs.ModeSymlink == 0 {
			at = next
			continue
		}
		if links++; links > linksMax {
			return "", bad("too many links lead to it")
		}
		target, err := u.root.Readlink(next)
		if err != nil {
			return "", err
		}
		if path.IsAbs(target) {
			at = "."
		}
		rest = slices.Concat(strings.Split(target, "/"), rest)
	}
	return at, nil
}

// makeParents makes a resolved directory with those above it; a file in the way
// is an image that was not made as images are.
func (u *unpacker) makeParents(dir string) error {
	if dir == "." {
		return nil
	}
	err := u.root.MkdirAll(dir, 0o755)
	if st, statErr := u.root.Lstat(dir); err != nil && (statErr != nil || !st.IsDir()) {
		return bad("%q is not a directory", dir)
	}
	return err
}

func (u *unpacker) makeDir(at string, h *tar.Header) error {
	st, err := u.root.Lstat(at)
	if err == nil && !st.IsDir() {
		if err := u.root.Remove(at); err != nil {
			return err
		}
	}
	if err := u.root.Mkdir(at, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	u.modes[at] = directory{fs.FileMode(h.Mode&0o777) | 0o700, modified(h)}
	return nil
}

// clear takes away what is at a place where a file or link is to be.
func (u *unpacker) clear(at string) error {
	st, err := u.root.Lstat(at)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if st.IsDir() {
		if err := u.spend(len(u.modes) / memoryPerLook); err != nil {
			return err
		}
		u.forget(at)
	}
	return u.root.RemoveAll(at)
}

// memoryPerLook is how many directories are gone through in memory in the time
// of one look.
const memoryPerLook = 16

func (u *unpacker) forget(dir string) {
	for at := range u.modes {
		if at == dir || strings.HasPrefix(at, dir+"/") {
			delete(u.modes, at)
		}
	}
}

// link makes a hard link to a file of this image.
func (u *unpacker) link(at, target string) error {
	if target == "" || len(target) > nameBytesMax {
		return bad("its target is empty or too long")
	}
	target = path.Clean("/" + target)
	dir, err := u.resolve(path.Dir(target))
	if err != nil {
		return err
	}
	from := path.Join(dir, path.Base(target))
	st, err := u.root.Lstat(from)
	if err != nil || st.IsDir() {
		return bad("its target %.200q is no file of the image", target)
	}
	if st.Mode()&fs.ModeSymlink != 0 {
		link, err := u.root.Readlink(from)
		if err != nil {
			return err
		}
		return u.root.Symlink(link, at)
	}
	return u.root.Link(from, at)
}

func (u *unpacker) file(at string, h *tar.Header, body io.Reader) error {
	if u.left.Bytes -= h.Size; h.Size < 0 || u.left.Bytes < 0 {
		return bad("the unpacked image is too large")
	}
	f, err := u.root.OpenFile(at, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := io.Copy(f, body); err != nil {
		return err
	}
	if err := f.Chmod(fs.FileMode(h.Mode&0o777) | 0o400); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return u.root.Chtimes(at, modified(h), modified(h))
}

// timeMax is later than any honest file; not every file system could keep it.
const timeMax = 1 << 32

func modified(h *tar.Header) time.Time {
	if s := h.ModTime.Unix(); s < 0 || s > timeMax {
		return time.Unix(0, 0)
	}
	return h.ModTime
}

// remove does what a whiteout says: it takes away what lower layers have, and
// nothing of its own layer.
func (u *unpacker) remove(parent, base string) error {
	if base != whiteoutOpaque {
		name := strings.TrimPrefix(base, whiteout)
		at := path.Join(parent, name)
		if name == "" || name == "." || name == ".." || u.own[at] {
			return nil
		}
		return u.clear(at)
	}
	dir, err := u.root.Open(parent)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	names, err := dir.Readdirnames(-1)
	_ = dir.Close()
	if err != nil {
		return bad("%q is not a directory", parent)
	}
	if err := u.spend(len(names)); err != nil {
		return err
	}
	for _, name := range names {
		if err := u.removeLower(path.Join(parent, name)); err != nil {
			return err
		}
	}
	return nil
}

// removeLower takes away a tree but for what the layer at hand has put into it.
func (u *unpacker) removeLower(at string) error {
	if !u.own[at] {
		return u.clear(at)
	}
	st, err := u.root.Lstat(at)
	if err != nil || !st.IsDir() {
		return err
	}
	dir, err := u.root.Open(at)
	if err != nil {
		return err
	}
	names, err := dir.Readdirnames(-1)
	_ = dir.Close()
	if err == nil {
		err = u.spend(len(names))
	}
	for _, name := range names {
		if err == nil {
			err = u.removeLower(path.Join(at, name))
		}
	}
	return err
}

// finish gives directories their modes and times, the deepest first.
func (u *unpacker) finish() error {
	names := make([]string, 0, len(u.modes))
	for name := range u.modes {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return strings.Compare(b, a) })
	for _, name := range names {
		d := u.modes[name]
		if err := u.root.Chmod(name, d.mode); err != nil {
			return err
		}
		if err := u.root.Chtimes(name, d.when, d.when); err != nil {
			return err
		}
	}
	return u.root.Chmod(".", 0o755)
}
