package main

import (
	"archive/zip"
	"bytes"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"moln.dev/moln/bench/load"
	"moln.dev/moln/bench/target"
)

const (
	coldRuns = 20
	// spareWait lets the pool boot the next environment; there is no way to
	// ask whether it has.
	spareWait = 250 * time.Millisecond

	lambdaPart = "lambda"
	// burstSize is how many cold requests come at once.
	burstSize = 100
	// functionsDeployed is how many functions there are in the end.
	functionsDeployed = 200
	// idleEnvironments is of how many the memory is read.
	idleEnvironments = 10
	// frozenAfter is when an environment that is not used is surely frozen.
	frozenAfter = 500 * time.Millisecond
)

// lambdaWorkers are the connections through which functions are invoked.
var lambdaWorkers = []int{1, 8, 32}

// hello is a function of a few bytes in one language.
type hello struct {
	name, runtime, file, handler, source, comment string
	// startVariable makes the pool boot a process for this function alone.
	startVariable, startValue string
}

func hellos() []hello {
	return []hello{
		{"node", "nodejs20.x", "index.js", "index.handler", "exports.handler = async () => 'hi'\n", "//", "NODE_OPTIONS", "--no-deprecation"},
		{"python", "python3.11", "index.py", "index.handler", "def handler(event, context):\n    return 'hi'\n", "#", "PYTHONUNBUFFERED", "1"},
	}
}

// custom is the function that brings its own runtime; what is read behind the end
// of its program changes nothing.
func (b *bench) custom() (hello, error) {
	program := filepath.Join(b.scratch, "hello")
	build := exec.CommandContext(b.ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, "./bench/functions/hello")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return hello{}, fmt.Errorf("%w: %s", err, out)
	}
	source, err := os.ReadFile(program)
	return hello{name: "custom", runtime: "provided.al2023", file: "bootstrap", handler: "bootstrap", source: string(source)}, err
}

// lambda measures functions: what starting a language and talking to it costs by
// itself, the same inside moln without its API, and through the API: with an
// environment that waits, and with none (which includes assuming the role and
// opening the code).
func (b *bench) lambda() error {
	if err := b.floors(); err != nil {
		return err
	}
	if err := b.inside(); err != nil {
		return err
	}
	s, err := b.moln("lambda")
	if err != nil {
		return err
	}
	defer s.Stop()
	role, err := b.makeRole(s)
	if err != nil {
		return err
	}
	own, err := b.custom()
	if err != nil {
		return err
	}
	all := append(hellos(), own)
	if err := b.warm(s, role, all); err != nil {
		return err
	}
	for _, h := range all {
		if h.startVariable == "" {
			if err := b.cold(s, role, h, "cold "+h.runtime, nil); err != nil {
				return err
			}
			continue
		}
		if err := b.cold(s, role, h, "cold, pooled "+h.runtime, nil); err != nil {
			return err
		}
		if err := b.cold(s, role, h, "cold, own process "+h.runtime, object{"Variables": object{h.startVariable: h.startValue}}); err != nil {
			return err
		}
	}
	return b.many(role)
}

// warm compares invocations of functions that are ready with requests that ask
// for nothing.
func (b *bench) warm(s *target.Server, role string, all []hello) error {
	peer, stop, err := b.offline(all[0])
	if err != nil {
		return err
	}
	defer stop()
	bare := make([]*target.Server, len(all))
	for i, h := range all {
		if err := b.makeFunction(s, "hello-"+h.name, role, h, nil); err != nil {
			return err
		}
		if bare[i], err = b.bareServer(h.name); err != nil {
			return err
		}
		defer bare[i].Stop()
	}
	for _, workers := range lambdaWorkers {
		list := []contender{httpCase("floor: sts GetCallerIdentity", s, workers, []target.Request{identityRequest()})}
		for i, h := range all {
			floor := httpCase("floor: net/http and a bare "+h.name, bare[i], workers, []target.Request{invocation("hello-" + h.name)})
			if _, err := floor.run(load.Limit{Time: b.period}); err != nil { // processes for all
				return err
			}
			list = append(list, floor)
			one := httpCase("warm "+h.runtime, s, workers, []target.Request{invocation("hello-" + h.name)})
			if _, err := one.run(load.Limit{Time: b.period}); err != nil { // environments for all
				return err
			}
			list = append(list, one)
		}
		if peer != nil {
			list = append(list, httpCase("serverless-offline: warm "+all[0].runtime, peer, workers, []target.Request{invocation("bench-dev-hello")}))
		}
		if err := b.compare(lambdaPart, list); err != nil {
			return err
		}
	}
	return nil
}

// cold gives the function new code before each invocation.
func (b *bench) cold(s *target.Server, role string, h hello, title string, env object) error {
	name := "cold-" + h.name
	if env != nil {
		name += "-own"
	}
	if err := b.makeFunction(s, name, role, h, env); err != nil {
		return err
	}
	conn, err := load.Dial(s.Addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	var took []time.Duration
	for i := range coldRuns + 1 {
		code, err := pack(h.file, fmt.Sprintf("%s%s %d\n", h.source, h.comment, i))
		if err != nil {
			return err
		}
		if err := s.Send(b.ctx, target.REST("lambda", "PUT", "/2015-03-31/functions/"+name+"/code", object{"ZipFile": code}), nil); err != nil {
			return err
		}
		if err := b.awaitFunction(s, name); err != nil {
			return err
		}
		time.Sleep(spareWait)
		raw, err := invocation(name).Bytes(s.Addr)
		if err != nil {
			return err
		}
		began := time.Now()
		if _, err := conn.Do(raw); err != nil {
			return err
		}
		if i > 0 { // the first one makes the pool know the runtime
			took = append(took, time.Since(began))
		}
	}
	var sum time.Duration
	for _, d := range took {
		sum += d
	}
	b.report.add(lambdaPart, title, 1, load.Summarize(took, sum))
	return nil
}

func invocation(name string) target.Request {
	r := target.REST("lambda", "POST", "/2015-03-31/functions/"+name+"/invocations", object{})
	return r
}

// makeRole makes a role that functions take on, which may read the bench table.
func (b *bench) makeRole(s *target.Server) (string, error) {
	const trust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	const may = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["dynamodb:GetItem","logs:*"],"Resource":"*"}]}`
	for _, form := range []url.Values{
		{"Action": {"CreateRole"}, "RoleName": {"bench"}, "AssumeRolePolicyDocument": {trust}},
		{"Action": {"PutRolePolicy"}, "RoleName": {"bench"}, "PolicyName": {"bench"}, "PolicyDocument": {may}},
	} {
		form.Set("Version", "2010-05-08")
		err := s.Send(b.ctx, target.Request{
			Service: "iam", Body: []byte(form.Encode()),
			Header: map[string]string{"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"},
		}, nil)
		if err != nil {
			return "", err
		}
	}
	return "arn:aws:iam::" + target.Account + ":role/bench", nil
}

// makeFunction creates a function and waits until it is active.
func (b *bench) makeFunction(s *target.Server, name, role string, h hello, env object) error {
	code, err := pack(h.file, h.source)
	if err != nil {
		return err
	}
	in := object{
		"FunctionName": name, "Runtime": h.runtime, "Handler": h.handler, "Role": role, "Code": object{"ZipFile": code}, "MemorySize": 256,
	}
	if env != nil {
		in["Environment"] = env
	}
	if err := s.Send(b.ctx, target.REST("lambda", "POST", "/2015-03-31/functions", in), nil); err != nil {
		return err
	}
	return b.awaitFunction(s, name)
}

func (b *bench) awaitFunction(s *target.Server, name string) error {
	return b.await(activeWait, func() (bool, error) {
		var out struct{ State, LastUpdateStatus string }
		err := s.Send(b.ctx, target.REST("lambda", "GET", "/2015-03-31/functions/"+name+"/configuration", nil), &out)
		return out.State == "Active" && out.LastUpdateStatus == "Successful", err
	})
}

// pack makes a zip of one file.
func pack(name, source string) ([]byte, error) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	header := &zip.FileHeader{Name: name, Method: zip.Deflate}
	header.SetMode(0o755)
	w, err := z.CreateHeader(header)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write([]byte(source)); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
