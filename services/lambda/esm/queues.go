package esm

import (
	"context"
	"errors"
	"sync"
	"time"

	"moln.dev/moln/aws/arn"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/lambda/esm/queue"
	"moln.dev/moln/services/lambda/fn"
	"moln.dev/moln/services/lambda/run"
)

// Limits of provisioned pollers of queues.
//
// Source: services-sqs-parameters; ProvisionedPollerConfig.
const (
	pollersLeast      = 2
	pollersMinMost    = 200
	pollersMaxMost    = 10_000
	pollersMaxDefault = 200
	fifoSuffix        = ".fifo"
)

// checkQueue holds what a queue's mapping may not say at all.
func (r *request) checkQueue() error {
	for name, set := range map[string]bool{
		"ParallelizationFactor": r.parallel != nil, "MaximumRecordAgeInSeconds": r.age != nil, "MaximumRetryAttempts": r.retries != nil,
		"TumblingWindowInSeconds": r.tumbling != nil, "BisectBatchOnFunctionError": r.bisect != nil,
		"DestinationConfig": r.destinations != nil && r.destinations.OnFailure != nil && smithy.Val(r.destinations.OnFailure.Destination) != "",
		"PollerGroupName":   r.pollers != nil && smithy.Val(r.pollers.PollerGroupName) != "",
	} {
		if set {
			return unsupported(name)
		}
	}
	return checkFilters(r.filters)
}

// queueDefaults are a queue's settings where nothing is said.
func queueDefaults() Settings { return Settings{BatchSize: queueBatchDefault} }

// applyQueue makes settings what the request says of queues alone.
func (r *request) applyQueue(s *Settings) {
	if r.scaling != nil {
		s.Concurrency = smithy.Val(r.scaling.MaximumConcurrency)
	}
	if p := r.pollers; p != nil {
		if p.MinimumPollers == nil && p.MaximumPollers == nil {
			s.PollersMin, s.PollersMax = 0, 0
			return
		}
		if s.PollersMax == 0 {
			s.PollersMin, s.PollersMax = pollersLeast, max(pollersMaxDefault, smithy.Val(p.MinimumPollers))
		}
		set(&s.PollersMin, p.MinimumPollers)
		set(&s.PollersMax, p.MaximumPollers)
	}
}

// checkFit holds how a queue's settings must fit together.
func (s *Settings) checkFit(k kind) error {
	switch {
	case !k.isQueue():
		return nil
	case k == fifoQueue && s.BatchSize > fifoBatchMax:
		return fn.OutOfRange("batchSize", s.BatchSize, 1, fifoBatchMax)
	case k == fifoQueue && s.WindowS > 0:
		return fn.Invalid("Batching window is not supported for FIFO queues")
	case s.BatchSize > queueBatchDefault && s.WindowS == 0:
		return fn.Invalid("Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10")
	case s.PollersMax > 0 && s.Concurrency > 0:
		return fn.Invalid("Provisioned mode for SQS ESM does not support maximum concurrency feature. Use MaximumPollers as the control mechanism and remove maximum concurrency.")
	case s.PollersMax > 0 && (s.PollersMin < pollersLeast || s.PollersMin > pollersMinMost || s.PollersMax < s.PollersMin || s.PollersMax > pollersMaxMost):
		return fn.Invalid("MinimumPollers should be between [%d, %d] and MaximumPollers should be between [MinimumPollers, %d]", pollersLeast, pollersMinMost, pollersMaxMost)
	}
	return nil
}

// queueReadable makes sure that a queue is there, that the function's role may
// poll it, and that it hides messages for as long as the function may take.
func (s *Service) queueReadable(ctx context.Context, role *service.Call, m *Mapping) error {
	a, err := arn.Parse(m.Source)
	if err != nil || a.Region != m.Region {
		return noQueue("The specified queue does not exist.")
	}
	owner := s.deps.System(a.Account, a.Region).As(identity.Root(a.Account))
	visible, err := queue.Check(ctx, owner, role, a)
	var refused *queue.Refused
	switch f := fault.As(err); {
	case errors.As(err, &refused):
		return fn.Invalid("The function execution role does not have permissions to call %s on SQS", refused.Operation)
	case f != nil && f.Status == 501:
		return fn.Unsupported("%s as an event source: it does not have that service", m.Source)
	case f != nil:
		return noQueue(f.Message)
	case err != nil:
		return err
	}
	_, v, err := s.runner.Target(ctx, m.ref())
	if err != nil {
		return err
	}
	if visible < v.Timeout() {
		return fn.Invalid("Queue visibility timeout: %d seconds is less than Function timeout: %d seconds", int(visible/time.Second), v.TimeoutS)
	}
	return nil
}

// noQueue is what AWS says of a queue that is not there.
func noQueue(message string) error {
	return fn.Invalid("Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: %s", message)
}

// pollQueue polls a queue until ctx ends.
func (p *poller) pollQueue(ctx context.Context) error {
	a, err := arn.Parse(p.m.Source)
	if err != nil {
		return err
	}
	k, err := kindOf(p.m.Source)
	if err != nil {
		return err
	}
	calls := p.roleCalls()
	calls.life = queueSession
	h := queue.Host{
		Clock: p.deps.Clock, Call: calls.call, BackOff: p.backOff, Join: run.JoinTraces, Tell: &queueListener{p: p, calls: calls},
		Timeout: func(ctx context.Context) (time.Duration, error) {
			_, v, err := p.runner.Target(ctx, p.m.ref())
			if err != nil {
				return 0, err
			}
			return v.Timeout(), nil
		},
		Invoke: func(ctx context.Context, event []byte, trace string) (run.Result, error) {
			return p.invoke(context.WithoutCancel(ctx), p.deps.Ident.UUID(), event, trace)
		},
		Loops: func(trace string) bool { return run.Loops(trace, p.m.ref()) },
	}
	if len(p.filters) > 0 {
		h.Wants = p.wants
	}
	queue.New(queue.Settings{
		Queue: a, FIFO: k == fifoQueue, BatchSize: int(p.m.BatchSize), Window: time.Duration(p.m.WindowS) * time.Second, ReportFailures: p.m.ReportFailures,
		Concurrency: queue.Concurrency{Most: int(p.m.Concurrency), PollersMin: int(p.m.PollersMin), PollersMax: int(p.m.PollersMax)},
	}, h).Run(ctx)
	return context.Cause(ctx)
}

// queueListener tells a mapping's meters and result of what a queue's poller
// does.
type queueListener struct {
	p     *poller
	calls *roleCalls

	mu     sync.Mutex
	logged time.Time
}

// Polled implements queue.Listener.
func (l *queueListener) Polled(messages int) { l.p.count(countPolled, messages) }

// Filtered implements queue.Listener.
func (l *queueListener) Filtered(messages int) {
	l.p.meters.fate(fateFiltered, messages)
	l.p.count(countFiltered, messages)
}

// Refused implements queue.Listener.
func (l *queueListener) Refused(err error) {
	if !errors.Is(err, errAbandoned) {
		l.p.refused(err)
	}
}

// Answered implements queue.Listener.
func (l *queueListener) Answered(messages, failed int, age time.Duration) {
	switch {
	case failed == 0:
		l.p.meters.batch(outcomeDone)
		l.p.report(resultOK)
	case failed < messages:
		l.p.meters.batch(outcomePartial)
		l.p.report(resultOK)
	default:
		l.p.meters.batch(outcomeFailed)
		l.p.report(problem + "Function call failed")
	}
	l.p.meters.fate(fateDone, messages-failed)
	l.p.meters.age.With().Observe(age.Seconds())
	l.p.count(countInvoked, messages)
	l.p.count(countFailed, failed)
}

// Deleted implements queue.Listener.
func (l *queueListener) Deleted(messages int, err error) {
	if err == nil {
		l.p.count(countDeleted, messages)
		return
	}
	l.p.deps.Log.Warn("messages that were processed were not deleted, and come again", "mapping", l.p.m.UUID, "queue", l.p.m.Source, "error", err)
}

// Trouble implements queue.Listener.
func (l *queueListener) Trouble(err error) {
	l.calls.renew()
	f := fault.As(err)
	switch {
	case f == nil:
		l.p.trouble(err)
		return
	case f.Status == 403 || fault.Is(err, "AccessDenied") || fault.Is(err, "AccessDeniedException"):
		l.p.report(problem + "The function execution role does not have permissions to call ReceiveMessage on SQS")
	default:
		l.p.report(problem + f.Message)
	}
	l.mu.Lock()
	now := l.p.now()
	again := now.Sub(l.logged) >= troubleLog
	if again {
		l.logged = now
	}
	l.mu.Unlock()
	if again {
		l.p.deps.Log.Warn("a queue cannot be polled", "mapping", l.p.m.UUID, "queue", l.p.m.Source, "error", err)
	}
}

const (
	// queueSession is how long a session of the function's role is used.
	queueSession = time.Minute
	// troubleLog is how often one queue's trouble is logged.
	troubleLog = 10 * time.Minute
)
