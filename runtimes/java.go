package runtimes

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"time"

	"moln.dev/moln/engine/sandbox"
)

// javaSources are the Java bootstrap, in Java 8. The host's own compiler makes
// it ready, once for all versions: there are no binaries in this tree.
//
//go:embed java/src
var javaSources embed.FS

const (
	javaRoot       = "java/src"
	javaJar        = "bootstrap.jar"
	javaRelease    = "8"
	compileTimeout = 2 * time.Minute
	// javaHeapPercent leaves room for classes, code and threads.
	javaHeapPercent = 80
	// javaModular is the first version that closes its own classes to others.
	javaModular = 9
)

// errNoCompiler is a host without any JDK.
var errNoCompiler = errors.New("no Java compiler (javac) on this host")

func (i Interpreter) launchJava(l *Launch) {
	jar := RuntimeDir + "/java/" + javaJar
	l.Mounts = append(append([]sandbox.Mount{}, i.Mounts...), sandbox.Mount{Source: i.Support, Target: path.Dir(jar), ReadOnly: true})
	l.Assignable = false // a JVM reads its environment and its limits when it starts
	l.HeapPercent = javaHeapPercent
	// A JVM cannot change its working directory.
	l.Command = []string{"/bin/sh", "-c", `cd "$0" && exec "$@"`, sandbox.PathRef(TaskRoot), i.Path, "-Xmx" + heapArgument, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"}
	if i.number(0) >= javaModular {
		l.Command = append(l.Command, "--add-opens=java.base/java.io=ALL-UNNAMED")
	}
	l.Command = append(l.Command, "-Dmoln.task="+sandbox.PathRef(TaskRoot), "-cp", sandbox.PathRef(jar), "moln.runtime.Main")
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// buildJava compiles the bootstrap into a directory below cacheDir, unless it is
// there, with the first of the compilers that can.
func buildJava(ctx context.Context, cacheDir string, jvms []Interpreter) (string, error) {
	names, sum, err := javaFiles()
	if err != nil {
		return "", err
	}
	final := filepath.Join(cacheDir, "java-"+sum)
	if exists(filepath.Join(final, javaJar)) {
		return final, nil
	}
	if err := os.MkdirAll(cacheDir, 0o755); err != nil {
		return "", err
	}
	temp, err := os.MkdirTemp(cacheDir, "build-*")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(temp)
	if err := os.CopyFS(filepath.Join(temp, "src"), javaSources); err != nil {
		return "", err
	}
	if err := compile(ctx, temp, names, jvms); err != nil {
		return "", err
	}
	out := filepath.Join(temp, "out")
	if err := os.Mkdir(out, 0o755); err != nil {
		return "", err
	}
	if err := jar(filepath.Join(temp, "classes"), filepath.Join(out, javaJar)); err != nil {
		return "", err
	}
	if err := os.Rename(out, final); err != nil && !exists(filepath.Join(final, javaJar)) {
		return "", err
	}
	return final, nil
}

// javaFiles are the sources' names, and a hash of all.
func javaFiles() (names []string, sum string, err error) {
	hash := sha256.New()
	err = fs.WalkDir(javaSources, javaRoot, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := javaSources.ReadFile(name)
		fmt.Fprintf(hash, "%s %d\n%s", name, len(data), data)
		names = append(names, name)
		return err
	})
	return names, hex.EncodeToString(hash.Sum(nil)[:6]), err
}

// compile tries every JDK: old ones lack --release, and new ones will not know
// the release for ever.
func compile(ctx context.Context, dir string, names []string, jvms []Interpreter) error {
	ctx, cancel := context.WithTimeout(ctx, compileTimeout)
	defer cancel()
	failed := errNoCompiler
	for _, jvm := range jvms {
		javac := filepath.Join(filepath.Dir(jvm.Path), "javac")
		if jvm.Language != Java || !exists(javac) {
			continue
		}
		args := []string{"--release", javaRelease}
		if jvm.number(0) < javaModular {
			args = []string{"-source", javaRelease, "-target", javaRelease}
		}
		args = append(args, "-Xlint:-options", "-encoding", "UTF-8", "-d", filepath.Join(dir, "classes"))
		if err := os.MkdirAll(filepath.Join(dir, "classes"), 0o755); err != nil {
			return err
		}
		for _, name := range names {
			args = append(args, filepath.Join(dir, "src", name))
		}
		out, err := exec.CommandContext(ctx, javac, args...).CombinedOutput()
		if err == nil {
			return nil
		}
		failed = fmt.Errorf("%s: %w: %s", javac, err, bytes.TrimSpace(out))
	}
	return failed
}

// jar packs a directory of classes, uncompressed: it is read at every start.
func jar(dir, name string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	w := zip.NewWriter(f)
	err = filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		entry, err := w.CreateHeader(&zip.FileHeader{Name: filepath.ToSlash(strings.TrimPrefix(file, dir+"/")), Method: zip.Store})
		if err != nil {
			return err
		}
		_, err = entry.Write(data)
		return err
	})
	if err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return f.Close()
}
