// Package accesslog is S3's server access logs: the configuration of buckets
// whose requests are logged, and the objects that tell of them, which the
// logging service writes into target buckets.
//
// As at AWS the logs are best effort: lines wait in memory for up to a minute,
// and those of a process that is killed are lost. Batches that cannot be
// written, because the target is gone or does not allow it any more, are
// dropped. A change of the configuration takes up to a minute to be known to
// other nodes.
package accesslog

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/ident"
	"moln.dev/moln/engine/observe"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/naming"
	"moln.dev/moln/services/s3/op"
	"moln.dev/moln/services/s3/s3err"
	"moln.dev/moln/services/s3/store"
)

// principal is who writes logs.
const principal = "logging.s3.amazonaws.com"

// Limits of what waits in memory.
const (
	flushEvery    = time.Minute
	batchBytesMax = 4 << 20  // of one bucket, then it is written
	heldBytesMax  = 32 << 20 // of all; what comes after is not logged
)

// Logger keeps the configurations and writes logs. It is safe for concurrent
// use.
type Logger struct {
	store   *store.Store
	clock   clock.Clock
	ids     *ident.Source
	log     *slog.Logger
	system  func(account, region string) *service.Call
	dropped *observe.CounterVec
	full    chan struct{}

	mu      sync.Mutex
	targets map[string]*store.Bucket // logged buckets by name
	held    map[batch]*strings.Builder
	bytes   int
}

// batch is what comes into one object.
type batch struct {
	bucket string
	day    string // of the events, where keys are by them
}

// New returns a Logger.
func New(d service.Deps, st *store.Store) *Logger {
	return &Logger{
		store: st, clock: d.Clock, ids: d.Ident, log: d.Log, system: d.System, full: make(chan struct{}, 1), held: map[batch]*strings.Builder{},
		dropped: d.Meter.Counter("moln_s3_access_log_lines_dropped_total", "lines of access logs that were not written", "reason"),
	}
}

// Operations are those of the configuration.
func (l *Logger) Operations() []service.Operation {
	return service.Table[*Logger]{
		service.Partial(api.PutBucketLogging, op.Verified((*Logger).put), "grants on the logs are refused: the target's owner has them; a target that does not let the logging service write is refused at once"),
		service.Full(api.GetBucketLogging, (*Logger).get),
	}.Bind(l)
}

func (l *Logger) get(ctx context.Context, _ *service.Call, in *api.GetBucketLoggingInput) (*api.GetBucketLoggingOutput, error) {
	b, err := l.store.Bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	return &api.GetBucketLoggingOutput{LoggingEnabled: b.Logging}, nil
}

func (l *Logger) put(ctx context.Context, _ *service.Call, in *api.PutBucketLoggingInput) (*api.PutBucketLoggingOutput, error) {
	if in.BucketLoggingStatus == nil {
		return nil, s3err.MalformedXML()
	}
	conf, name := in.BucketLoggingStatus.LoggingEnabled, smithy.Val(in.Bucket)
	b, err := l.store.Bucket(ctx, name)
	if err != nil {
		return nil, err
	}
	if conf != nil {
		if err := check(conf); err != nil {
			return nil, err
		}
		if err := l.mayWrite(ctx, b, conf); err != nil {
			return nil, err
		}
		if err := l.store.NoteLogged(ctx, name); err != nil {
			return nil, err
		}
	}
	if err := l.store.ChangeBucket(ctx, name, func(b *store.Bucket) error {
		b.Logging = conf
		return nil
	}); err != nil {
		return nil, err
	}
	return nil, l.Refresh(ctx)
}

// check judges a configuration by itself.
func check(conf *api.LoggingEnabled) error {
	if conf.TargetBucket == nil || conf.TargetPrefix == nil {
		return s3err.MalformedXML()
	}
	if len(conf.TargetGrants) > 0 {
		return s3err.NotImplemented("moln gives access logs to their bucket's owner alone")
	}
	f := conf.TargetObjectKeyFormat
	if f == nil {
		return nil
	}
	if (f.SimplePrefix == nil) == (f.PartitionedPrefix == nil) {
		return s3err.MalformedXML()
	}
	if p := f.PartitionedPrefix; p != nil {
		switch smithy.Val(p.PartitionDateSource) {
		case "EventTime", "DeliveryTime":
		default:
			return s3err.MalformedXML()
		}
	}
	return nil
}

// mayWrite checks that the target takes the logs of a bucket.
func (l *Logger) mayWrite(ctx context.Context, b *store.Bucket, conf *api.LoggingEnabled) error {
	bad := func(message string) error { return fault.New("InvalidTargetBucketForLogging", 400, "%s", message) }
	to, err := l.store.Bucket(ctx, *conf.TargetBucket)
	switch {
	case store.IsNoSuchBucket(err):
		return bad("The target bucket for logging does not exist")
	case err != nil:
		return err
	case to.Account != b.Account:
		return bad("The owner for the bucket to be logged and the target bucket must be the same.")
	case to.Region != b.Region:
		return fault.New("CrossLocationLoggingProhibited", 403, "Cross S3 location logging not allowed. ")
	}
	err = op.Ask{Bucket: to, Action: "s3:PutObject", Key: *conf.TargetPrefix + "log"}.Judge(ctx, l.self(b))
	if fault.As(err) != nil {
		return bad("You must give the log-delivery group WRITE and READ_ACP permissions to the target bucket")
	}
	return err
}

// self is a call of the logging service's about a bucket.
func (l *Logger) self(b *store.Bucket) *service.Call {
	c := l.system(b.Account, b.Region).As(identity.Service(principal, b.Account, naming.BucketARN(b.Name)))
	c.RequestID = l.ids.RequestID()
	return c
}

// Refresh reads which buckets are logged.
func (l *Logger) Refresh(ctx context.Context) error {
	targets := map[string]*store.Bucket{}
	if err := l.store.Logged(ctx, func(b *store.Bucket) { targets[b.Name] = b }); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.targets = targets
	return nil
}

// logged is the bucket of a name, if it is logged.
func (l *Logger) logged(name string) *store.Bucket {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.targets[name]
}

// Answered notes a request. It stores nothing yet.
func (l *Logger) Answered(c *service.Call, model *smithy.Operation, in any, a service.Answer) {
	if in == nil || c.HTTP == nil {
		return
	}
	at := op.AimOf(in)
	b := l.logged(at.Bucket)
	if b == nil {
		return
	}
	e := entryOf(c, b, a)
	e.Operation, e.Key, e.Version = Operation(model.Name, c.HTTP.Request.Method), at.Key, smithy.Val(at.Version)
	if strings.HasPrefix(e.Operation, "REST.PUT.OBJECT") && in != nil && model.Name == "PutObject" {
		e.Size = c.HTTP.Request.ContentLength
		if c.HTTP.DecodedLength > 0 {
			e.Size = c.HTTP.DecodedLength
		}
	}
	if p := op.PointOf(c); p != nil {
		e.Point = p.ARN()
	}
	l.add(b, &e)
}

func (l *Logger) add(b *store.Bucket, e *Entry) {
	k := batch{bucket: b.Name}
	if p := partition(b.Logging); p != nil && *p.PartitionDateSource == "EventTime" {
		k.day = e.Time.UTC().Format(dayForm)
	}
	line := e.Line()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.bytes+len(line) > heldBytesMax {
		l.dropped.With("full").Inc()
		return
	}
	into := l.held[k]
	if into == nil {
		into = new(strings.Builder)
		l.held[k] = into
	}
	into.WriteString(line)
	l.bytes += len(line)
	if into.Len() >= batchBytesMax {
		select {
		case l.full <- struct{}{}:
		default:
		}
	}
}

// Worker writes logs every minute, when there is much to write, and when the
// server ends.
func (l *Logger) Worker() service.Worker {
	return service.Worker{Name: "access-logs", Run: func(ctx context.Context) error {
		for {
			if err := l.Refresh(ctx); err != nil && ctx.Err() == nil {
				l.log.Error("s3: read which buckets are logged", "error", err)
			}
			select {
			case <-ctx.Done():
				l.Flush(context.WithoutCancel(ctx))
				return nil
			case <-l.full:
			case <-l.clock.After(flushEvery):
			}
			l.Flush(ctx)
		}
	}}
}

// Flush writes what waits.
func (l *Logger) Flush(ctx context.Context) {
	l.mu.Lock()
	held := l.held
	l.held, l.bytes = map[batch]*strings.Builder{}, 0
	l.mu.Unlock()
	for k, lines := range held {
		if err := l.write(ctx, k, lines.String()); err != nil {
			l.dropped.With("refused").Add(uint64(strings.Count(lines.String(), "\n")))
			l.log.Warn("s3: write an access log", "bucket", k.bucket, "error", err)
		}
	}
}

func (l *Logger) write(ctx context.Context, k batch, lines string) error {
	b, err := l.store.Bucket(ctx, k.bucket)
	if err != nil {
		return err
	}
	if b.Logging == nil {
		return nil // turned off meanwhile
	}
	_, err = service.Invoke(ctx, l.self(b), api.PutObject, &api.PutObjectInput{
		Bucket: b.Logging.TargetBucket, Key: new(keyOf(b, k.day, l.clock.Now().UTC(), strings.ToUpper(l.ids.Hex(uniqueBytes)))),
		Body: strings.NewReader(lines), ContentType: new("text/plain"),
	})
	return err
}

// uniqueBytes is half the digits that end a log's key.
const uniqueBytes = 8

const dayForm = "2006-01-02"

func partition(conf *api.LoggingEnabled) *api.PartitionedPrefix {
	if conf == nil || conf.TargetObjectKeyFormat == nil {
		return nil
	}
	return conf.TargetObjectKeyFormat.PartitionedPrefix
}

// keyOf is the key of a log: of a day's events, if day is set.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/ServerLogs.html#server-log-keyname-format
func keyOf(b *store.Bucket, day string, now time.Time, unique string) string {
	stamp := now.Format("2006-01-02-15-04-05")
	prefix := *b.Logging.TargetPrefix
	if partition(b.Logging) == nil {
		return prefix + stamp + "-" + unique
	}
	if day != "" {
		stamp = day + "-00-00-00"
	}
	return prefix + b.Account + "/" + b.Region + "/" + b.Name + "/" + strings.ReplaceAll(stamp[:len(dayForm)], "-", "/") + "/" + stamp + "-" + unique
}

// entryOf is what a request and its answer tell, whatever it was.
func entryOf(c *service.Call, b *store.Bucket, a service.Answer) Entry {
	r := c.HTTP.Request
	e := Entry{
		Owner: naming.OwnerID(b.Account), Bucket: b.Name, Time: c.Now, Requester: c.Caller.ARN, RequestID: c.RequestID, HostID: c.RequestID,
		Request: r.Method + " " + r.URL.RequestURI() + " " + r.Proto, Status: a.Status, Code: a.Code,
		Sent: a.Bytes, Size: sizeOf(a.Header), Total: a.Took, Turnaround: a.Took,
		Referer: r.Referer(), UserAgent: r.UserAgent(), Host: r.Host,
	}
	if e.Sent == 0 {
		e.Sent = -1
	}
	if a.Code == "" && a.Status >= http.StatusBadRequest {
		e.Code = http.StatusText(a.Status)
	}
	e.RemoteIP, e.Auth, e.Signature = remote(r), "", ""
	if c.Caller.AccessKeyID != "" {
		e.Signature, e.Auth = "SigV4", "AuthHeader"
		if c.HTTP.Presigned {
			e.Auth = "QueryString"
		}
	}
	setTLS(&e, r)
	return e
}
