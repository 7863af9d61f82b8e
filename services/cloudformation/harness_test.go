package cloudformation

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	api "moln.dev/moln/api/cloudformation"
	"moln.dev/moln/api/s3"
	"moln.dev/moln/api/secretsmanager"
	"moln.dev/moln/api/ssm"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/ident"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/memkv"
	"moln.dev/moln/platform/functions"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/service"
)

// world is a server with nothing but CloudFormation and a resource type whose
// resources live in a map.
type world struct {
	t    *testing.T
	db   *kv.DB
	clk  clock.Clock
	deps service.Deps
	svc  *Service
	ops  map[string]service.Operation
	stop func()

	mu      sync.Mutex
	things  map[string]thing // by physical id
	log     []string
	fail    map[string]string // "create A" -> message
	block   map[string]bool   // "create A": wait until the process dies
	half    map[string]bool   // "create A": make it, and do not say so
	assumed []string
	objects map[string]string // S3: "bucket/key"
	denied  map[string]bool
}

type thing struct {
	Name, Value string
	Tags        []map[string]string
	Nested      *struct{ Deep string }
}

func newWorld(t *testing.T) *world {
	w := &world{
		t: t, db: kv.New(memkv.New()), clk: clock.System(), things: map[string]thing{}, fail: map[string]string{},
		block: map[string]bool{}, half: map[string]bool{}, denied: map[string]bool{}, objects: map[string]string{},
	}
	t.Cleanup(func() { w.kill() })
	w.boot()
	return w
}

// boot starts a process over the store.
func (w *world) boot() {
	w.deps = service.Deps{
		KV: w.db, Clock: w.clk, Ident: ident.New(nil, w.clk), Functions: new(functions.Broker),
		System: func(account, region string) *service.Call {
			return service.NewCall(w, service.Call{Account: account, Region: region, Now: w.clk.Now()})
		},
	}
	w.svc = New(w.deps)
	w.svc.SetTypes([]service.ResourceType{w.thingType()})
	w.ops = map[string]service.Operation{}
	def := w.svc.Definition()
	for _, op := range def.Operations {
		_, o := op.Of()
		w.ops[o.Name] = op
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, worker := range def.Workers {
		running.Go(func() { _ = worker.Run(ctx) })
	}
	w.stop = func() {
		cancel()
		running.Wait()
	}
}

// kill stops the process.
func (w *world) kill() { w.stop() }

func (w *world) thingType() service.ResourceType {
	return service.ResourceType{
		Name: "Test::Thing", New: func() any { return new(thing) }, Replace: []string{"Name"},
		Create: func(ctx context.Context, c *service.Call, r *service.Resource) error {
			p := *r.Properties.(*thing)
			r.PhysicalID = p.Name
			if p.Name == "" {
				r.PhysicalID = r.GeneratedName(64)
			}
			if err := w.act(ctx, "create", r, p); err != nil {
				r.PhysicalID = ""
				return err
			}
			r.Attributes["Arn"] = "arn:" + r.PhysicalID
			return nil
		},
		Update: func(ctx context.Context, c *service.Call, r *service.Resource) error {
			return w.act(ctx, "update", r, *r.Properties.(*thing))
		},
		Delete: func(ctx context.Context, c *service.Call, r *service.Resource) error {
			return w.act(ctx, "delete", r, thing{})
		},
	}
}

func (w *world) act(ctx context.Context, verb string, r *service.Resource, p thing) error {
	key := verb + " " + r.LogicalID
	w.mu.Lock()
	w.log = append(w.log, key)
	message, block := w.fail[key], w.block[key]
	if w.half[key] { // it dies between making and saying so
		w.things[r.PhysicalID] = p
	}
	w.mu.Unlock()
	if block {
		<-ctx.Done()
		return ctx.Err()
	}
	if message != "" {
		return fault.New("InvalidRequest", 400, "%s", message)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if verb == "delete" {
		delete(w.things, r.PhysicalID)
		return nil
	}
	if _, there := w.things[r.PhysicalID]; there && verb == "create" {
		return fault.New("AlreadyExists", 400, "%s already exists", r.PhysicalID)
	}
	w.things[r.PhysicalID] = p
	return nil
}

// did tells how often something was done.
func (w *world) did(key string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, l := range w.log {
		if l == key {
			n++
		}
	}
	return n
}

// Dispatch, Judge and Assume make the world the backend of its calls.
func (w *world) Dispatch(ctx context.Context, c *service.Call, op smithy.Descriptor, in any) (any, error) {
	if get, ok := in.(*s3.GetObjectInput); ok {
		text, there := w.objects[*get.Bucket+"/"+*get.Key]
		if !there {
			return nil, fault.New("NoSuchKey", 404, "The specified key does not exist.")
		}
		return &s3.GetObjectOutput{Body: strings.NewReader(text)}, nil
	}
	if get, ok := in.(*ssm.GetParameterInput); ok && w.objects[*get.Name] != "" {
		return &ssm.GetParameterOutput{Parameter: &ssm.Parameter{Value: new(w.objects[*get.Name])}}, nil
	}
	if get, ok := in.(*secretsmanager.GetSecretValueInput); ok && w.objects[*get.SecretId] != "" {
		return &secretsmanager.GetSecretValueOutput{SecretString: new(w.objects[*get.SecretId])}, nil
	}
	svc, o := op.Of()
	if svc != &api.Schema {
		return nil, fault.New("ParameterNotFound", 400, "no %s here", o.Name)
	}
	return w.ops[o.Name].Call(ctx, c, in)
}

func (w *world) Judge(_ context.Context, _ *service.Call, check service.Check) error {
	if w.denied[check.Action+" "+check.Resource] {
		return fault.New("AccessDenied", 403, "not allowed: %s", check.Action)
	}
	return nil
}

func (w *world) Assume(_ context.Context, c *service.Call, a service.Assume) (service.Session, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.assumed = append(w.assumed, c.Caller.Service+" "+a.RoleARN)
	return service.Session{Principal: identity.Principal{Principal: policy.Principal{ARN: a.RoleARN, AccountID: c.Account}}}, nil
}

func (w *world) call() *service.Call {
	return service.NewCall(w, service.Call{
		Account: "123456789012", Region: "us-east-1", Now: w.clk.Now(),
		Caller: identity.Principal{Principal: policy.Principal{Kind: policy.Root, AccountID: "123456789012", ARN: "arn:aws:iam::123456789012:root"}},
	})
}

func invoke[In, Out any](w *world, op smithy.Op[In, Out], in *In) (*Out, error) {
	return service.Invoke(context.Background(), w.call(), op, in)
}

func must[In, Out any](w *world, op smithy.Op[In, Out], in *In) *Out {
	w.t.Helper()
	out, err := invoke(w, op, in)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func wantFault[In, Out any](w *world, op smithy.Op[In, Out], in *In, code, message string) {
	w.t.Helper()
	_, err := invoke(w, op, in)
	f := fault.As(err)
	if f == nil || f.Code != code || !strings.Contains(f.Message, message) {
		w.t.Errorf("got %v, want %s: %s", err, code, message)
	}
}

const waitLimit = 8 * time.Second

// wait waits for a stack's status.
func (w *world) wait(name, status string) api.Stack {
	w.t.Helper()
	deadline := time.Now().Add(waitLimit)
	last := ""
	for time.Now().Before(deadline) {
		out, err := invoke(w, api.DescribeStacks, &api.DescribeStacksInput{StackName: &name})
		if err != nil {
			w.t.Fatalf("wait for %s: %v", status, err)
		}
		st := out.Stacks[0]
		if last = *st.StackStatus; last == status {
			return st
		}
		time.Sleep(2 * time.Millisecond)
	}
	w.t.Fatalf("%s is %s, not %s\n%s", name, last, status, strings.Join(w.events(name), "\n"))
	return api.Stack{}
}

// until waits for a condition.
func (w *world) until(what string, ok func() bool) {
	w.t.Helper()
	deadline := time.Now().Add(waitLimit)
	for !ok() {
		if time.Now().After(deadline) {
			w.t.Fatal("waited in vain until " + what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// events gives "logical status reason" in the order they happened.
func (w *world) events(name string) []string {
	w.t.Helper()
	var out []string
	var token *string
	for {
		page, err := invoke(w, api.DescribeStackEvents, &api.DescribeStackEventsInput{StackName: &name, NextToken: token})
		if err != nil {
			w.t.Fatal(err)
		}
		for _, e := range page.StackEvents {
			out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s %s", *e.LogicalResourceId, *e.ResourceStatus, smithy.Val(e.ResourceStatusReason))))
		}
		if token = page.NextToken; token == nil {
			break
		}
	}
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return out
}

func (w *world) create(name, body string) string {
	w.t.Helper()
	return *must(w, api.CreateStack, &api.CreateStackInput{StackName: &name, TemplateBody: &body}).StackId
}

func (w *world) thing(id string) (thing, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	v, ok := w.things[id]
	return v, ok
}
