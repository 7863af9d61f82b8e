package sched

import (
	"errors"
	"fmt"
	"time"
	"unicode/utf8"
)

// Limits.
const (
	KindBytesMax    = 128
	KeyBytesMax     = 1024
	PayloadBytesMax = 2 << 20
	// ConcurrencyMax bounds Options.Concurrency.
	ConcurrencyMax = 1024
	// DeadLetterRetention is how long dead letters are listed.
	DeadLetterRetention = 14 * 24 * time.Hour
	// DeadLetterAttemptsMax is how often Options.DeadLetter is tried before the
	// letter is only listed.
	DeadLetterAttemptsMax = 10
	// causeBytesMax is where the text of an error is cut when it is stored.
	causeBytesMax = 2048
)

// What Options leave zero.
const (
	ConcurrencyDefault = 8
	LeaseDefault       = 30 * time.Second
	backoffFirst       = time.Second
	backoffMost        = 5 * time.Minute
)

// Errors. Use errors.Is.
var (
	// ErrLeaseLost: the job is done, cancelled, or run by another node.
	ErrLeaseLost = errors.New("sched: lease lost")
	// ErrUnknownKind: no handler was registered for the kind.
	ErrUnknownKind = errors.New("sched: unknown kind of job")
	// ErrInvalid: a job beyond the limits.
	ErrInvalid = errors.New("sched: invalid job")
	// ErrExists: a job with the dead letter's key waits already.
	ErrExists = errors.New("sched: job exists")
	// ErrNotFound: no such dead letter.
	ErrNotFound = errors.New("sched: not found")
	// ErrStopping is the cause of a handler's cancelled context when the
	// scheduler stops. The run does not count.
	ErrStopping = errors.New("sched: stopping")
)

// Job is what to do later.
type Job struct {
	Kind string
	// Key, if not empty, makes the job the only one of its kind with that key.
	// While it waits, enqueuing the key again changes nothing, or, with
	// Replace, gives it this payload and RunAt and starts its attempts anew.
	// While it runs, this job is run after it (the last one enqueued, if
	// several are).
	Key     string
	Replace bool
	Payload []byte
	// RunAt is when to run; the zero time and the past are now.
	RunAt time.Time
}

func (j Job) check() error {
	switch {
	case len(j.Kind) == 0 || len(j.Kind) > KindBytesMax:
		return fmt.Errorf("%w: kind of %d bytes", ErrInvalid, len(j.Kind))
	case len(j.Key) > KeyBytesMax:
		return fmt.Errorf("%w: %s: key of %d bytes", ErrInvalid, j.Kind, len(j.Key))
	case len(j.Payload) > PayloadBytesMax:
		return fmt.Errorf("%w: %s: payload of %d bytes", ErrInvalid, j.Kind, len(j.Payload))
	case !utf8.ValidString(j.Kind) || !utf8.ValidString(j.Key):
		return fmt.Errorf("%w: kind %q or key %q is not UTF-8", ErrInvalid, j.Kind, j.Key)
	case j.Replace && j.Key == "":
		return fmt.Errorf("%w: %s: Replace without a key", ErrInvalid, j.Kind)
	}
	return nil
}

// permanent and again are what a handler can say besides nil and a
// plain error.
type (
	permanent struct{ error }
	again     struct{ delay time.Duration }
)

func (e permanent) Unwrap() error { return e.error }
func (e again) Error() string     { return fmt.Sprintf("sched: run again after %v", e.delay) }

// Permanent, returned by a handler, is a failure with err which no further
// attempt could mend: the job becomes a dead letter.
func Permanent(err error) error { return permanent{err} }

// Again, returned by a handler, is a success after which the job stays and
// runs again after d, its attempts counted anew.
func Again(d time.Duration) error { return again{d} }

// Backoff is the default of Options.Backoff: one second after the first
// attempt, then twice the one before, at most five minutes.
func Backoff(attempt int) time.Duration {
	if attempt < 1 {
		attempt = 1
	}
	if attempt > 20 {
		return backoffMost
	}
	return min(backoffFirst<<(attempt-1), backoffMost)
}

// state is a job as stored, without its payload. Times are microseconds.
type state struct {
	Kind     string `json:"kind"`
	Key      string `json:"key,omitempty"`
	Due      int64  `json:"due"` // as in the index
	RunAt    int64  `json:"runAt"`
	Enqueued int64  `json:"enqueued"`
	Attempt  int    `json:"attempt,omitempty"`
	// Lease is the token of who runs it; empty while it waits.
	Lease string `json:"lease,omitempty"`
	// Cause is how the last attempt failed.
	Cause string `json:"cause,omitempty"`
	// Dying: no attempt is left, only Options.DeadLetter is to be called;
	// DeadAttempt counts that.
	Dying       bool    `json:"dying,omitempty"`
	DeadAttempt int     `json:"deadAttempt,omitempty"`
	Follow      *follow `json:"follow,omitempty"`
}

// follow is a job that was enqueued under the key of one that runs.
type follow struct {
	RunAt    int64 `json:"runAt"`
	Enqueued int64 `json:"enqueued"`
}

// fate is what becomes of a job after a run.
type fate uint8

const (
	fateDone    fate = iota
	fateWait         // keep it, as verdict.state says
	fateDead         // list it as a dead letter
	fateRelease      // as if this run had not begun
)

type verdict struct {
	fate  fate
	state state
}

// judge decides what becomes of a job whose run ended with err.
func judge(st state, err error, o Options, now time.Time) verdict {
	st.Lease = ""
	if st.Dying {
		return judgeDying(st, err, o, now)
	}
	if err == nil {
		return verdict{fateDone, st}
	}
	var once again
	if errors.As(err, &once) {
		st.Attempt, st.Cause = 0, ""
		st.RunAt = dueAfter(now, once.delay)
		st.Due = st.RunAt
		return verdict{fateWait, st}
	}
	st.Cause = cut(err.Error())
	var lasting permanent
	if errors.As(err, &lasting) || o.exhausted(st.Attempt) {
		return condemn(st, o, now)
	}
	st.Due = dueAfter(now, o.Backoff(st.Attempt))
	return verdict{fateWait, st}
}

// condemn ends the attempts: the hook's turn, or straight to the list.
func condemn(st state, o Options, now time.Time) verdict {
	if o.DeadLetter == nil {
		return verdict{fateDead, st}
	}
	st.Dying, st.Due = true, dueAfter(now, 0)
	return verdict{fateWait, st}
}

// judgeDying decides after Options.DeadLetter returned err.
func judgeDying(st state, err error, o Options, now time.Time) verdict {
	if err == nil {
		return verdict{fateDone, st}
	}
	if o.DeadLetter == nil {
		return verdict{fateDead, st}
	}
	if st.DeadAttempt >= DeadLetterAttemptsMax {
		st.Cause = cut(st.Cause + "; dead letter not delivered: " + err.Error())
		return verdict{fateDead, st}
	}
	st.Due = dueAfter(now, o.Backoff(st.DeadAttempt))
	return verdict{fateWait, st}
}

func cut(s string) string { return s[:min(len(s), causeBytesMax)] }

// dueAfter is when to run what is to wait for d: rounded up, so that nothing is
// due before its time, but now is now.
func dueAfter(now time.Time, d time.Duration) int64 {
	us := now.UnixMicro()
	if d <= 0 {
		return us
	}
	t := now.Add(d)
	if us = t.UnixMicro(); t.Nanosecond()%int(time.Microsecond) != 0 {
		us++
	}
	return us
}

func fromMicros(us int64) time.Time { return time.UnixMicro(us).UTC() }
