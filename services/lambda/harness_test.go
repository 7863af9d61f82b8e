package lambda

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	kms "moln.dev/moln/api/kms"
	api "moln.dev/moln/api/lambda"
	logs "moln.dev/moln/api/logs"
	s3 "moln.dev/moln/api/s3"
	"moln.dev/moln/api/sqs"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/blob"
	"moln.dev/moln/engine/blob/memblob"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/ident"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/memkv"
	"moln.dev/moln/engine/observe"
	"moln.dev/moln/engine/sandbox/crew"
	"moln.dev/moln/engine/sandbox/nssandbox"
	"moln.dev/moln/engine/sched"
	"moln.dev/moln/engine/seal"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/runtimes"
)

const (
	account  = "123456789012"
	region   = "eu-west-1"
	goodRole = "arn:aws:iam::123456789012:role/good"
)

func TestMain(m *testing.M) {
	nssandbox.Main()
	crew.Main()
	os.Exit(m.Run())
}

// finder asks the host once for all tests.
var finder = sync.OnceValue(func() *runtimes.Finder { return runtimes.HostFinder("", runtimes.UserCacheDir()) })

// world stands for everything around the service: the gateway, IAM, S3 and
// CloudWatch Logs.
type world struct {
	t     testing.TB
	s     *Service
	ops   map[string]service.Operation
	clock *clock.Virtual
	sched *sched.Scheduler
	site  *http.ServeMux

	validator *smithy.Validator

	mu       sync.Mutex
	objects  map[string][]byte
	streams  map[string][]string // group/stream -> messages
	groups   map[string]bool
	denyLogs bool
	denied   map[string]bool // actions that IAM denies
	judged   []service.Check
	assumed  int
	kms      fakeKMS
	letters  []*sqs.SendMessageInput // what the queue "dead" has got
	refuse   int                     // how many more it does not take
}

func newWorld(t testing.TB, opts Options) *world {
	t.Helper()
	w := &world{
		t: t, clock: clock.NewVirtual(clock.System()), objects: map[string][]byte{}, streams: map[string][]string{},
		groups: map[string]bool{}, denied: map[string]bool{}, ops: map[string]service.Operation{}, site: http.NewServeMux(), validator: new(smithy.Validator),
	}
	ids := ident.NewSeeded(1, w.clock)
	key := make([]byte, seal.KeyBytes)
	sealer, err := seal.New(key)
	if err != nil {
		t.Fatal(err)
	}
	db := kv.New(memkv.New())
	log := slog.New(slog.NewTextHandler(testWriter{t}, nil))
	w.sched = sched.New(db.Scope([]byte("sched/")), w.clock, ids, log)
	d := service.Deps{
		KV: db.Scope([]byte("lambda/")), Blobs: blob.New(memblob.New(), ids).Scope("lambda"), Clock: w.clock, Ident: ids, Seal: sealer,
		Log: log, Meter: observe.NewRegistry(), Sched: w.sched, DataDir: t.TempDir() + "/made/when/needed",
		Site: service.Site{Endpoint: "http://127.0.0.1:4566", Handler: w.site},
		System: func(account, region string) *service.Call {
			return service.NewCall(w, service.Call{Account: account, Region: region, Now: w.clock.Now(), Log: log, RequestID: ids.UUID()})
		},
	}
	w.s = New(d, opts)
	w.s.host.Finder = finder()
	t.Cleanup(func() {
		if err := w.s.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, op := range w.s.Definition().Operations {
		_, o := op.Of()
		w.ops[o.Name] = op
	}
	return w
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	if testing.Verbose() {
		fmt.Fprintf(os.Stderr, "%s", p)
	}
	return len(p), nil
}

func (w *world) call() *service.Call {
	return service.NewCall(w, service.Call{
		Caller:  identity.Principal{Principal: policy.Principal{Kind: policy.Root, AccountID: account, ARN: "arn:aws:iam::" + account + ":root"}},
		Account: account, Region: region, Now: w.clock.Now(), Log: slog.New(slog.DiscardHandler), RequestID: w.s.deps.Ident.UUID(),
	})
}

// do calls an operation as the gateway does once it has decoded the request.
func do[In, Out any](w *world, op smithy.Op[In, Out], in *In) (*Out, error) {
	w.t.Helper()
	return doContext(context.Background(), w, w.call(), op, in)
}

func doContext[In, Out any](ctx context.Context, w *world, c *service.Call, op smithy.Op[In, Out], in *In) (*Out, error) {
	return service.Invoke(ctx, c, op, in)
}

func must[In, Out any](w *world, op smithy.Op[In, Out], in *In) *Out {
	w.t.Helper()
	out, err := do(w, op, in)
	if err != nil {
		_, o := op.Of()
		w.t.Fatalf("%s: %v", o.Name, err)
	}
	return out
}

// Dispatch implements service.Backend.
func (w *world) Dispatch(ctx context.Context, c *service.Call, d smithy.Descriptor, in any) (any, error) {
	schema, o := d.Of()
	if schema == &kms.Schema {
		return w.kms.dispatch(c, in)
	}
	switch in := in.(type) {
	case *s3.GetObjectInput:
		return w.getObject(in)
	case *s3.HeadBucketInput:
		return &s3.HeadBucketOutput{}, nil
	case *s3.PutObjectInput:
		return &s3.PutObjectOutput{}, w.putObject(in)
	case *sqs.GetQueueAttributesInput, *sqs.SendMessageInput:
		return w.queue(c, in)
	case *logs.CreateLogGroupInput, *logs.CreateLogStreamInput, *logs.PutLogEventsInput:
		return w.log(c, in)
	}
	if schema != &api.Schema {
		return nil, fault.New("NotImplemented", 501, "there is no %s", schema.EndpointPrefix)
	}
	op := w.ops[o.Name]
	if op.Call == nil {
		return nil, fault.New("NotImplemented", 501, "%s", op.Note)
	}
	if v := w.validator.Validate(schema, o.Input, in); len(v) > 0 {
		if err := w.s.Definition().Invalid(o, in, v); err != nil {
			return nil, err
		}
		return nil, fault.New("ValidationException", 400, "%s", smithy.Message(v))
	}
	checks, err := w.s.authorize(ctx, c, o, in)
	if err != nil {
		return nil, err
	}
	for _, check := range checks {
		if err := w.Judge(ctx, c, check); err != nil {
			return nil, err
		}
	}
	return op.Call(ctx, c, in)
}

// Judge implements service.Backend: everything that is not denied by name is
// allowed to accounts' own principals; services need the resource's policy.
func (w *world) Judge(_ context.Context, c *service.Call, check service.Check) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.judged = append(w.judged, check)
	set := policy.Set{Resource: check.Policy}
	if c.Caller.Kind == policy.AssumedRole || c.Caller.Kind == policy.User {
		all, _ := policy.Parse([]byte(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`), policy.Identity)
		set.Identity = []*policy.Policy{all}
	}
	keys := policy.Keys{"aws:sourcearn": {c.Caller.SourceARN}, "aws:sourceaccount": {c.Caller.SourceAccount}}
	owner := account
	if check.Account != "" {
		owner = check.Account
	}
	for k, v := range check.Context {
		keys[k] = v
	}
	d := policy.Evaluate(policy.Request{
		Principal: c.Caller.Principal, Action: check.Action, Resource: check.Resource, ResourceAccount: owner, Context: keys,
	}, set)
	if !d.Allowed && check.Fault != nil {
		return check.Fault(d)
	}
	if w.denied[check.Action] || !d.Allowed {
		return fault.New("AccessDeniedException", 403, "%s", d.Message(c.Caller.ARN, check.Action, check.Resource))
	}
	return nil
}

// Assume implements service.Backend.
func (w *world) Assume(_ context.Context, c *service.Call, a service.Assume) (service.Session, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.Caller.Service != "lambda.amazonaws.com" || a.RoleARN != goodRole {
		return service.Session{}, fault.New("AccessDenied", 403, "no")
	}
	w.assumed++
	return service.Session{
		Principal:   identity.Principal{Principal: policy.Principal{Kind: policy.AssumedRole, AccountID: account, RoleARN: a.RoleARN}},
		AccessKeyID: fmt.Sprintf("ASIA%d", w.assumed), SecretAccessKey: "secret", SessionToken: "token",
		Expires: w.clock.Now().Add(a.Duration),
	}, nil
}

func (w *world) getObject(in *s3.GetObjectInput) (any, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	data, ok := w.objects[*in.Bucket+"/"+*in.Key]
	if !ok {
		return nil, fault.New("NoSuchKey", 404, "The specified key does not exist.")
	}
	return &s3.GetObjectOutput{Body: bytes.NewReader(data), ContentLength: new(int64(len(data)))}, nil
}

func (w *world) putObject(in *s3.PutObjectInput) error {
	data, err := io.ReadAll(in.Body)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.objects[*in.Bucket+"/"+*in.Key] = data
	return nil
}

// log is a small CloudWatch Logs that insists on groups and streams.
func (w *world) log(c *service.Call, in any) (any, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.Caller.RoleARN != goodRole || w.denyLogs {
		return nil, fault.New("AccessDeniedException", 400, "denied")
	}
	switch in := in.(type) {
	case *logs.CreateLogGroupInput:
		w.groups[*in.LogGroupName] = true
		return &logs.CreateLogGroupOutput{}, nil
	case *logs.CreateLogStreamInput:
		if !w.groups[*in.LogGroupName] {
			return nil, fault.New("ResourceNotFoundException", 400, "The specified log group does not exist.")
		}
		w.streams[*in.LogGroupName+" "+*in.LogStreamName] = []string{}
		return &logs.CreateLogStreamOutput{}, nil
	case *logs.PutLogEventsInput:
		key := *in.LogGroupName + " " + *in.LogStreamName
		if w.streams[key] == nil {
			return nil, fault.New("ResourceNotFoundException", 400, "The specified log stream does not exist.")
		}
		for _, e := range in.LogEvents {
			w.streams[key] = append(w.streams[key], *e.Message)
		}
		return &logs.PutLogEventsOutput{}, nil
	}
	return nil, errors.New("what?")
}

// written is every message in a group, or "" while there is none.
func (w *world) written(group string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var b strings.Builder
	for key, messages := range w.streams {
		if strings.HasPrefix(key, group+" ") {
			b.WriteString(strings.Join(messages, ""))
		}
	}
	return b.String()
}

func (w *world) await(what string, ok func() bool) {
	w.t.Helper()
	limit := time.Now().Add(10 * time.Second)
	for !ok() {
		if time.Now().After(limit) {
			w.t.Fatalf("waited too long for %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// zipOf makes a package of names and contents.
func zipOf(t testing.TB, files ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		f, err := z.Create(files[i])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(f, files[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// node makes a Node function of one file.
func (w *world) node(name, source string, change ...func(*api.CreateFunctionInput)) *api.FunctionConfiguration {
	w.t.Helper()
	in := &api.CreateFunctionInput{
		FunctionName: &name, Runtime: new("nodejs20.x"), Role: new(goodRole), Handler: new("index.handler"),
		Code: &api.FunctionCode{ZipFile: zipOf(w.t, "index.js", source)},
	}
	for _, f := range change {
		f(in)
	}
	return must(w, api.CreateFunction, in)
}

// invoke runs a function and decodes its answer.
func (w *world) invoke(name, payload string) (*api.InvokeOutput, map[string]any) {
	w.t.Helper()
	out := must(w, api.Invoke, &api.InvokeInput{FunctionName: &name, Payload: []byte(payload), LogType: new("Tail")})
	var v map[string]any
	if err := json.Unmarshal(out.Payload, &v); err != nil {
		w.t.Fatalf("answer %s: %v", out.Payload, err)
	}
	return out, v
}
