package main

import (
	"os"
	"os/exec"
	"path/filepath"

	"moln.dev/moln/bench/target"
)

// Versions of the peers. They are downloaded by name when a run asks for them,
// and are no part of moln.
const (
	dynaliteVersion      = "4.0.0"
	dynamoDBLocalVersion = "2.5.4"
	motoVersion          = "5.2.5"
)

// peerServer is another implementation of DynamoDB's API. dynalite does not sync
// before it answers, so it promises less than moln after a power cut; DynamoDB
// Local commits through SQLite with that library's defaults.
type peerServer struct {
	name  string
	start func(*bench) (*target.Server, error)
}

func peers() []peerServer {
	return []peerServer{{"dynalite", startDynalite}, {"dynamodb-local", startDynamoDBLocal}}
}

func startDynalite(b *bench) (*target.Server, error) {
	dir := filepath.Join(b.deps, "dynalite-"+dynaliteVersion)
	program := filepath.Join(dir, "node_modules", "dynalite", "cli.js")
	if err := b.download(program, dir, "npm", "install", "--prefix", dir, "--no-audit", "--no-fund", "dynalite@"+dynaliteVersion); err != nil {
		return nil, err
	}
	data, err := b.dir("dynalite")
	if err != nil {
		return nil, err
	}
	return target.Start(b.ctx, target.Launch{
		Command: []string{"node", program, "--host", "{host}", "--port", "{port}", "--path", filepath.Join(data, "db"), "--createTableMs", "0"},
		Ready:   "/", AnyStatus: true,
	})
}

const pom = `<project><modelVersion>4.0.0</modelVersion><groupId>bench</groupId><artifactId>bench</artifactId><version>1</version>
<dependencies><dependency><groupId>com.amazonaws</groupId><artifactId>DynamoDBLocal</artifactId><version>` + dynamoDBLocalVersion + `</version></dependency></dependencies></project>
`

func startDynamoDBLocal(b *bench) (*target.Server, error) {
	dir := filepath.Join(b.deps, "dynamodb-local-"+dynamoDBLocalVersion)
	lib := filepath.Join(dir, "lib")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "pom.xml")
	if err := os.WriteFile(file, []byte(pom), 0o644); err != nil {
		return nil, err
	}
	if err := b.download(filepath.Join(lib, "DynamoDBLocal-"+dynamoDBLocalVersion+".jar"), dir, "mvn", "-q", "-f", file, "dependency:copy-dependencies", "-DoutputDirectory="+lib); err != nil {
		return nil, err
	}
	data, err := b.dir("dynamodb-local")
	if err != nil {
		return nil, err
	}
	return target.Start(b.ctx, target.Launch{
		Command: []string{"java", "-Djava.library.path=" + lib, "-cp", filepath.Join(lib, "*"), "com.amazonaws.services.dynamodbv2.local.main.ServerRunner",
			"-dbPath", data, "-port", "{port}", "-sharedDb", "-disableTelemetry"},
		Ready: "/", AnyStatus: true,
	})
}

// startMoto starts moto's server, which keeps everything in memory.
func startMoto(b *bench) (*target.Server, error) {
	dir := filepath.Join(b.deps, "moto-"+motoVersion)
	program := filepath.Join(dir, "bin", "moto_server")
	python := filepath.Join(dir, "bin", "python")
	if err := b.download(python, dir, "python3", "-m", "venv", dir); err != nil {
		return nil, err
	}
	if err := b.download(program, dir, python, "-m", "pip", "install", "--quiet", "moto[server,dynamodb]=="+motoVersion); err != nil {
		return nil, err
	}
	return target.Start(b.ctx, target.Launch{Command: []string{program, "-H", "{host}", "-p", "{port}"}, Ready: "/moto-api/data.json"})
}

// download runs a package manager unless what it brings is there.
func (b *bench) download(want, dir string, command ...string) error {
	if _, err := os.Stat(want); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	cmd := exec.CommandContext(b.ctx, command[0], command[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return err
	}
	_, err := os.Stat(want)
	return err
}

// Versions of what runs functions on a developer's machine.
const (
	serverlessVersion = "3.40.0"
	offlineVersion    = "13.9.0"
)

// offline starts serverless-offline with one function, in worker threads of its
// own process; nil where it is not asked for. stop is never nil.
func (b *bench) offline(h hello) (s *target.Server, stop func(), err error) {
	stop = func() {}
	if !b.peer("serverless-offline") {
		return nil, stop, nil
	}
	dir := filepath.Join(b.deps, "serverless-offline-"+offlineVersion)
	program := filepath.Join(dir, "node_modules", "serverless", "bin", "serverless.js")
	if err := b.download(program, dir, "npm", "install", "--prefix", dir, "--no-audit", "--no-fund", "serverless@"+serverlessVersion, "serverless-offline@"+offlineVersion); err != nil {
		return nil, stop, err
	}
	const service = "service: bench\nprovider: {name: aws, runtime: nodejs20.x}\nplugins: [serverless-offline]\nfunctions: {hello: {handler: index.handler}}\n"
	for name, text := range map[string]string{"serverless.yml": service, h.file: h.source} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return nil, stop, err
		}
	}
	s, err = target.Start(b.ctx, target.Launch{
		Command: []string{"node", program, "offline", "start", "--host", "{host}", "--lambdaPort", "{port}", "--httpPort", "0", "--albPort", "0"},
		Dir:     dir, Env: []string{"SLS_TELEMETRY_DISABLED=1", "SLS_NOTIFICATIONS_MODE=off"}, Ready: "/", AnyStatus: true,
	})
	if err != nil {
		return nil, stop, err
	}
	return s, s.Stop, nil
}
