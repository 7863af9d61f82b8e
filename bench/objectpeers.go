package main

import (
	"fmt"
	"net/http"
	"path/filepath"

	"moln.dev/moln/bench/target"
)

// Versions of the other object stores, built from the modules of their names.
// What they keep after a power cut stands in bench/README.md.
const (
	minioModule    = "github.com/minio/minio"
	minioVersion   = "v0.0.0-20260212201848-7aac2a2c5b7c"
	versityModule  = "github.com/versity/versitygw/cmd/versitygw"
	versityVersion = "v1.8.0"
)

// objectServers starts moln and the peers that were asked for, each with the
// bucket. stop is never nil.
func (b *bench) objectServers() (servers []named, stop func(), err error) {
	stop = func() {
		for _, s := range servers {
			s.Stop()
		}
	}
	s, err := b.moln(s3Part)
	if err != nil {
		return nil, stop, err
	}
	servers = append(servers, named{"moln", s})
	for _, p := range []peerServer{{"minio", startMinIO}, {"versitygw", startVersity}} {
		if !b.peer(p.name) {
			continue
		}
		s, err := p.start(b)
		if err != nil {
			return servers, stop, fmt.Errorf("%s: %w", p.name, err)
		}
		servers = append(servers, named{p.name, s})
	}
	for _, s := range servers {
		if err := s.Send(b.ctx, target.Request{Service: "s3", Method: http.MethodPut, Path: "/" + objectBucket}, nil); err != nil {
			return servers, stop, fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return servers, stop, nil
}

// goProgram builds a program from its module.
func (b *bench) goProgram(name, module, version string) (string, error) {
	dir := filepath.Join(b.deps, name+"-"+version)
	program := filepath.Join(dir, name)
	return program, b.download(program, dir, "env", "GOBIN="+dir, "CGO_ENABLED=0", "GOFLAGS=", "go", "install", module+"@"+version)
}

func startMinIO(b *bench) (*target.Server, error) {
	program, err := b.goProgram("minio", minioModule, minioVersion)
	if err != nil {
		return nil, err
	}
	data, err := b.dir("minio")
	if err != nil {
		return nil, err
	}
	return target.Start(b.ctx, target.Launch{
		Command: []string{program, "server", "--quiet", "--address", "{addr}", data}, Ready: "/minio/health/ready",
		Env: []string{"MINIO_ROOT_USER=" + target.AccessKey, "MINIO_ROOT_PASSWORD=" + target.SecretKey, "MINIO_BROWSER=off"},
	})
}

func startVersity(b *bench) (*target.Server, error) {
	program, err := b.goProgram("versitygw", versityModule, versityVersion)
	if err != nil {
		return nil, err
	}
	data, err := b.dir("versitygw")
	if err != nil {
		return nil, err
	}
	return target.Start(b.ctx, target.Launch{
		Command: []string{program, "--access", target.AccessKey, "--secret", target.SecretKey, "--port", "{addr}", "--keep-alive", "--quiet", "posix", data},
		Ready:   "/", AnyStatus: true,
	})
}
