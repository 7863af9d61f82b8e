package pool

import (
	"time"

	"moln.dev/moln/engine/pool/runtimeapi"
	"moln.dev/moln/engine/sandbox"
)

// Outcome is how an invocation ended.
type Outcome int

const (
	// Succeeded: Payload is the response.
	Succeeded Outcome = iota
	// Failed: the function reported an error; Payload is its body, ErrorType
	// its sanitized type.
	Failed
	// ResponseTooLarge: PayloadBytes is the size of the refused response.
	ResponseTooLarge
	// TimedOut: the deadline passed.
	TimedOut
	// Exited: the process ended before it answered; see Exit.
	Exited
	// OutOfMemory: the memory limit ended the process.
	OutOfMemory
	// InitFailed: the runtime reported an error before its first next; Payload
	// and ErrorType as for Failed.
	InitFailed
	// InitTimedOut: the first next did not come in time.
	InitTimedOut
	// InitExited: the process ended before its first next; see Exit.
	InitExited
	// ExtensionFailed: an extension did not start, failed or ended, before the
	// function answered; see ErrorType and Reason.
	ExtensionFailed
)

var outcomeNames = [...]string{
	"succeeded", "failed", "response too large", "timed out", "exited", "out of memory",
	"init failed", "init timed out", "init exited", "extension failed",
}

func (o Outcome) String() string { return outcomeNames[o] }

// Healthy says whether the environment may serve again.
func (o Outcome) Healthy() bool { return o == Succeeded || o == Failed || o == ResponseTooLarge }

// Invocation is one event for a function.
type Invocation struct {
	RequestID string
	Payload   []byte
	Deadline  time.Time // of real time; zero where Timeout says it
	// Timeout counts from when the function could have begun: the time that a
	// new environment takes to start is not the invocation's.
	Timeout         time.Duration
	FunctionARN     string
	TraceID         string
	ClientContext   string // JSON
	CognitoIdentity string // JSON
	TenantID        string
	// Sink takes the response piece by piece; the Result then holds the error that
	// the runtime reported behind it, if any. An error instead of a response does
	// not go there. Nil: the response is collected.
	//
	// What blocks the Sink blocks the function, until its deadline. A Sink must
	// be unblocked by whoever made it once Invoke has returned: a runtime that
	// was stopped may have left a Write behind.
	Sink runtimeapi.Sink
	// Begun, if not nil, is called when init is over and the function gets the
	// event; not where it never does.
	Begun func()
	// Answered, if not nil, is told the answer as soon as there is one, where
	// extensions, or what a handler left behind a streamed response, may keep
	// Invoke from returning. Figures are not in it yet.
	Answered func(Result)
}

// Result is what became of an invocation.
type Result struct {
	Outcome     Outcome
	Payload     []byte
	ContentType string
	ErrorType   string
	Streamed    bool
	// PayloadBytes is the size of the response, wherever it went.
	PayloadBytes int64
	Exit         sandbox.ExitState
	// Reason says how an extension ended, where one failed.
	Reason string
	// Cold says that this invocation waited for init, which took
	// InitDuration.
	Cold         bool
	InitDuration time.Duration
	Duration     time.Duration
	// ResponseLatency is the part of Duration until the response was there.
	ResponseLatency time.Duration
	// RuntimeDuration is the part of Duration until the runtime was done; what
	// follows is the extensions'. 0 where it never was.
	RuntimeDuration time.Duration
	// PeakMemoryBytes is sampled, at most twice a second.
	PeakMemoryBytes int64
	// LogTail is the last LogTailBytes of the invocation's log.
	LogTail string
}

// Truncated says that the response broke off without a word from the runtime.
func (r *Result) Truncated() bool {
	return r.Outcome == Failed && r.ErrorType == runtimeapi.TypeTruncated
}
