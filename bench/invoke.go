package main

import (
	"archive/zip"
	"bytes"
	"fmt"
	"net/url"
	"time"

	"moln.dev/moln/bench/load"
	"moln.dev/moln/bench/target"
)

const (
	coldRuns = 20
	// spareWait lets the pool boot the next environment; there is no way to
	// ask whether it has.
	spareWait = 250 * time.Millisecond
)

// hello is a function of a few bytes in one language.
type hello struct {
	runtime, file, handler, source, comment string
	// startVariable makes the pool boot a process for this function alone.
	startVariable, startValue string
}

func hellos() []hello {
	return []hello{
		{"nodejs20.x", "index.js", "index.handler", "exports.handler = async () => 'hi'\n", "//", "NODE_OPTIONS", "--no-deprecation"},
		{"python3.11", "index.py", "index.handler", "def handler(event, context):\n    return 'hi'\n", "#", "PYTHONUNBUFFERED", "1"},
	}
}

// invoke measures requests to the Lambda API until the function's answer: with
// an environment that waits, and with none (which includes assuming the role
// and opening the code).
func (b *bench) invoke() error {
	s, err := b.moln("invoke")
	if err != nil {
		return err
	}
	defer s.Stop()
	role, err := b.makeRole(s)
	if err != nil {
		return err
	}
	var warm []contender
	for _, h := range hellos() {
		name := "hello-" + h.file[len("index."):]
		if err := b.makeFunction(s, name, role, h, nil); err != nil {
			return err
		}
		if err := s.Send(b.ctx, invocation(name), nil); err != nil {
			return err
		}
		for _, workers := range []int{1, 4} {
			warm = append(warm, httpCase("warm "+h.runtime, s, workers, []target.Request{invocation(name)}))
		}
	}
	warm = append(warm, httpCase("floor: sts GetCallerIdentity", s, 1, []target.Request{identityRequest()}))
	if err := b.compare("invoke", warm); err != nil {
		return err
	}
	for _, h := range hellos() {
		if err := b.cold(s, role, h, "cold, pooled "+h.runtime, nil); err != nil {
			return err
		}
		if err := b.cold(s, role, h, "cold, own process "+h.runtime, object{"Variables": object{h.startVariable: h.startValue}}); err != nil {
			return err
		}
	}
	return nil
}

// cold gives the function new code before each invocation.
func (b *bench) cold(s *target.Server, role string, h hello, title string, env object) error {
	name := "cold-" + h.file[len("index."):]
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
	b.report.add("invoke", title, 1, load.Summarize(took, sum))
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
	w, err := z.Create(name)
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
