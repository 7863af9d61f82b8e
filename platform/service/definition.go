package service

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"time"

	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/bell"
	"moln.dev/moln/engine/blob"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/ident"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/observe"
	"moln.dev/moln/engine/sched"
	"moln.dev/moln/engine/seal"
	"moln.dev/moln/platform/functions"
)

// Deps is what a service is made from: engine handles already scoped to it.
type Deps struct {
	// KV holds only this service's keys. A service puts account and region
	// first in its own keys.
	KV    *kv.DB
	Blobs *blob.Store
	Clock clock.Clock
	Ident *ident.Source
	Sched *sched.Scheduler
	Seal  *seal.Sealer
	Log   *slog.Logger
	Meter *observe.Registry
	// Bell wakes what waits in this process for another service. The topic of a
	// table's stream is its ARN: it is rung after each change that it records.
	Bell *bell.Bell
	// Functions invokes functions for triggers, integrations, notifications.
	Functions *functions.Broker
	// System makes a Call for background work (workers, scheduled jobs), with
	// moln's own backend behind it; the caller sets Caller by Call.As.
	System func(account, region string) *Call
	// Site tells where this moln is reached.
	Site Site
	// DataDir is a directory of the service's own for files that are not state
	// (unpacked code, sockets); empty in tests that need none.
	DataDir string
}

// Site is how clients reach this moln.
type Site struct {
	// Endpoint is the base URL: "http://127.0.0.1:4566".
	Endpoint string
	// Port is the listener's port, for host-style URLs (x.localhost:PORT).
	Port string
	// WebsiteDomains are host names at and below which buckets of the same name
	// are served as websites.
	WebsiteDomains []string
	// CAPEM is moln's own certificate authority, for functions that call AWS
	// host names over TLS.
	CAPEM []byte
	// Handler serves moln itself; listeners inside function sandboxes use it.
	Handler http.Handler
	// AWSHost says that moln stands in for a host of AWS's.
	AWSHost func(host string) bool
	// ServeTLS answers TLS for *.amazonaws.com on l with moln's certificates
	// until l is closed.
	ServeTLS func(l net.Listener) error
}

// Definition is a service, as everything around it sees it.
type Definition struct {
	Schema     *smithy.Service
	Operations []Operation
	// Authorize says which actions on which resources a request needs. Nil:
	// the operation's Actions on "*". It may look things up, but decides
	// nothing.
	Authorize func(ctx context.Context, c *Call, op *smithy.Operation, in any) ([]Check, error)
	// Invalid words what is wrong with a request that breaks the model's
	// constraints, where the service says it in its own way; v is never empty
	// and may be reordered. The request is refused in any case: nil means the
	// model's own text. Nil: always the model's own text.
	Invalid func(op *smithy.Operation, in any, v []smithy.Violation) error
	// Forgives tells violations of constraints that the model has and AWS does
	// not hold callers to; nil: none.
	Forgives  func(v smithy.Violation) bool
	Resources []ResourceType
	Endpoints []Endpoint
	Workers   []Worker
	// Scrub checks what the service keeps in bytes. Nil: its blobs are checked
	// without saying what they belong to.
	Scrub Scrub
	// Usage tells what an account used from one day to another, both included
	// (2006-01-02), in AWS's units, as a value that JSON can tell. Nil: the
	// service does not count it.
	Usage func(ctx context.Context, account, from, to string) (any, error)
	// Answered is told of each request of a client's to an operation, once it
	// was answered, well or not; in is nil where it was not understood. It must
	// not wait for anything. Nil: nobody is told.
	Answered func(c *Call, op *smithy.Operation, in any, a Answer)
	// BodyCRC32 adds X-Amz-Crc32 to answers, which DynamoDB's clients check.
	BodyCRC32 bool
	// CORS lets browsers call the API directly (Cognito); S3 answers its own.
	CORS bool
}

// Answer is how a request was answered.
type Answer struct {
	Status int
	Code   string // of the error; empty: none
	Bytes  int64  // of the body
	Took   time.Duration
	Header http.Header // to be read only
}

// Check is one action on one resource, and what conditions may ask about it.
type Check struct {
	Action   string
	Resource string // ARN or "*"
	// Account owns the resource; empty: the call's account.
	Account string
	// Context gives the service's condition keys (lower case). May be nil.
	Context policy.Keys
	// More gives further condition keys, below Context. It is asked at most once,
	// and only when a statement asks about a key of the service's own, so what
	// it costs is not paid for callers without such statements. May be nil.
	More func() (policy.Keys, error)
	// Policy is the resource's policy, compiled; nil: it has none.
	Policy *policy.Policy
	// Grants is what an access control list grants beside Policy, compiled;
	// nil: nothing.
	Grants *policy.Policy
	// PolicyMandatory: without an Allow in Policy nobody gets in (trust
	// policies, key policies).
	PolicyMandatory bool
	// Fault replaces the access-denied fault where a service has its own text.
	Fault func(d policy.Decision) error
}

// Endpoint is a data plane: HTTP that is not an AWS API, such as a deployed
// API's stages, a bucket's website, a user pool's key set.
type Endpoint struct {
	Name string
	// Match says whether the request is this endpoint's. Host has no port and
	// is lower case. It is asked before API routing and must be cheap.
	Match func(r *http.Request, host string) bool
	// Streams: Serve holds no body in memory, whatever its size. Bodies of others
	// count against what all requests together may hold.
	Streams bool
	// Serve answers. c has an anonymous caller; it authenticates by itself.
	Serve func(w http.ResponseWriter, r *http.Request, c *Call)
}

// Worker is background work that runs as long as the server does.
type Worker struct {
	Name string
	Run  func(ctx context.Context) error
}
