// Package archive opens functions' packages: zip files from strangers, checked
// for their paths, links and sizes before anything trusts them. It also makes
// packages of the source text that templates hold.
//
// It stores nothing and knows no function.
package archive

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
)

// Limits of a package.
const (
	// UnpackedMax is what all entries together may hold.
	UnpackedMax  = 262_144_000
	entriesMax   = 100_000
	linkBytesMax = 4 << 10
	pathBytesMax = 1 << 10
)

// What may be wrong with any package. ErrEmpty and ErrBig are for callers who
// can tell before they look inside.
var (
	errUnzip = Fault("Could not unzip uploaded file. Please check your file, then try to upload again.")
	ErrEmpty = Fault("Uploaded file must be a non-empty zip")
	ErrBig   = Fault(fmt.Sprintf("Unzipped size must be smaller than %d bytes", UnpackedMax))
)

// Fault says what is wrong with a package, in Lambda's words.
type Fault string

func (e Fault) Error() string { return string(e) }

// Content is what a package turned out to hold.
type Content struct {
	Bytes    int64 // unpacked
	Machines Machines
}

// Unpack checks a package and, where dir is not "", writes it there. Every byte
// is read, so that a damaged package is refused and not met later. Its error is
// a Fault where the package is to blame.
func Unpack(r io.ReaderAt, size int64, dir string) (Content, error) {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return Content{}, errUnzip
	}
	if len(z.File) == 0 {
		return Content{}, ErrEmpty
	}
	if len(z.File) > entriesMax {
		return Content{}, Fault(fmt.Sprintf("The package has %d entries, more than %d.", len(z.File), entriesMax))
	}
	u := unpacker{dir: dir, left: UnpackedMax}
	if dir != "" {
		if u.root, err = os.OpenRoot(dir); err != nil {
			return Content{}, err
		}
		defer u.root.Close()
	}
	for _, f := range z.File {
		if err := u.entry(f); err != nil {
			return Content{}, err
		}
	}
	for _, link := range u.links {
		if err := u.link(link); err != nil {
			return Content{}, err
		}
	}
	for _, link := range u.links {
		if err := u.stays(link); err != nil {
			return Content{}, err
		}
	}
	return Content{Bytes: UnpackedMax - u.left, Machines: u.machines}, nil
}

// unpacker writes entries below root, which cannot be left (os.Root). Links
// come last, so that no entry is written through one.
type unpacker struct {
	dir      string
	root     *os.Root
	left     int64
	links    []*zip.File
	machines Machines
}

func (u *unpacker) entry(f *zip.File) error {
	name, err := entryName(f.Name)
	if err != nil {
		return err
	}
	mode := f.Mode()
	switch {
	case name == ".":
		return nil
	case mode.IsDir() || strings.HasSuffix(f.Name, "/"):
		return u.mkdir(name)
	case mode&os.ModeSymlink != 0:
		u.links = append(u.links, f)
		return nil
	case !mode.IsRegular():
		return Fault(fmt.Sprintf("The package entry %q is neither a file, a directory nor a link.", f.Name))
	}
	return u.file(f, name)
}

// entryName makes a clean relative path of an entry's name, or refuses it.
func entryName(name string) (string, error) {
	name = strings.ReplaceAll(name, "\\", "/")
	clean := path.Clean(name)
	if name == "" || len(name) > pathBytesMax || strings.ContainsRune(name, 0) || path.IsAbs(name) || clean == ".." || strings.HasPrefix(clean, "../") {
		return "", Fault(fmt.Sprintf("The package entry %.100q does not lie in the package.", name))
	}
	return clean, nil
}

func (u *unpacker) mkdir(name string) error {
	if u.root == nil {
		return nil
	}
	return u.damaged(u.root.MkdirAll(name, 0o755))
}

// runnable says that a file may be started as a program. It is written under
// syscall.ForkLock: a process that is started meanwhile would inherit the open
// file, until it is itself another program, and Linux starts no program that
// anybody has open for writing.
func runnable(mode os.FileMode) bool { return mode&0o111 != 0 }

func (u *unpacker) file(f *zip.File, name string) error {
	in, err := f.Open()
	if err != nil {
		return errUnzip
	}
	defer in.Close()
	var out io.Writer = io.Discard
	if u.root != nil {
		if err := u.mkdir(path.Dir(name)); err != nil {
			return err
		}
		if runnable(f.Mode()) {
			syscall.ForkLock.RLock()
			defer syscall.ForkLock.RUnlock()
		}
		file, err := u.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
		if err != nil {
			return u.damaged(err)
		}
		defer file.Close()
		out = file
	}
	head := &header{to: out}
	n, err := io.Copy(head, io.LimitReader(in, u.left+1))
	u.machines.add(head.first())
	if u.left -= n; u.left < 0 {
		return ErrBig
	}
	if err != nil {
		return unpackError(err)
	}
	return u.finish(out, f.Mode())
}

// finish takes a file's permissions from the package: readable by
// the sandbox's user, writable by nobody.
func (u *unpacker) finish(out io.Writer, mode os.FileMode) error {
	file, ok := out.(*os.File)
	if !ok {
		return nil
	}
	perm := os.FileMode(0o444)
	if mode&0o111 != 0 {
		perm = 0o555
	}
	return file.Chmod(perm)
}

// link makes a symbolic link whose target lies in the package.
func (u *unpacker) link(f *zip.File) error {
	name, err := entryName(f.Name)
	if err != nil {
		return err
	}
	in, err := f.Open()
	if err != nil {
		return errUnzip
	}
	defer in.Close()
	data, err := io.ReadAll(io.LimitReader(in, linkBytesMax+1))
	if err != nil {
		return unpackError(err)
	}
	target := string(data)
	inside := path.Join(path.Dir(name), target)
	if len(data) > linkBytesMax || target == "" || path.IsAbs(target) || inside == ".." || strings.HasPrefix(inside, "../") {
		return leadsOut(f)
	}
	if u.root == nil {
		return nil
	}
	if err := u.mkdir(path.Dir(name)); err != nil {
		return err
	}
	return u.damaged(u.root.Symlink(filepath.FromSlash(target), name))
}

func leadsOut(f *zip.File) error {
	return Fault(fmt.Sprintf("The package link %.100q leads out of the package.", f.Name))
}

// stays follows a link once all are there: links through links may leave where
// each by itself does not. Links to nothing stay; those that take too many steps
// to follow are not followed any further, and refused.
func (u *unpacker) stays(f *zip.File) error {
	if u.root == nil {
		return nil
	}
	name, err := entryName(f.Name)
	if err != nil {
		return err
	}
	if _, err = u.root.Stat(name); escapes(err) || errors.Is(err, syscall.ELOOP) {
		return leadsOut(f)
	}
	return nil
}

// damaged tells a package that contradicts itself from a disk that is full.
func (u *unpacker) damaged(err error) error {
	var p *os.PathError
	var l *os.LinkError
	if err == nil {
		return nil
	}
	if errors.Is(err, os.ErrExist) || errors.Is(err, os.ErrInvalid) || (errors.As(err, &p) && isPathFault(p.Err)) || (errors.As(err, &l) && isPathFault(l.Err)) {
		return errUnzip
	}
	return err
}

// unpackError tells damage in the package from failures of this host.
func unpackError(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return err
	}
	return errUnzip
}
