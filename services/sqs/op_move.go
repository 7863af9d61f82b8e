package sqs

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"time"

	api "moln.dev/moln/api/sqs"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/sched"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/sqs/message"
	"moln.dev/moln/services/sqs/queue"
	"moln.dev/moln/services/sqs/store"
)

// Limits of moving messages
// (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html).
const (
	perSecondMax = 500
	tasksListed  = 10
)

const (
	moveKind     = "sqs/move"
	movesAtOnce  = 8
	moveHides    = time.Minute // what is being moved
	noSource     = "CouldNotDetermineMessageSource"
	noQueueThere = "AWS.SimpleQueueService.NonExistentQueue"
)

func noResource(parameter string) error {
	return api.ErrResourceNotFoundException("The resource that you specified for the %s parameter doesn't exist.", parameter)
}

// named reads the ARN of a queue that a request names, which is to be in its
// account and region.
func named(c *service.Call, parameter, s string) (queue.Key, error) {
	k, ok := queue.ParseARN(s)
	if !ok {
		return k, queue.Invalid("You must use this format to specify the %s: arn:<partition>:<service>:<region>:<account-id>:<resource-id>", parameter)
	}
	if k.Region != c.Region {
		return k, noResource(parameter)
	}
	return k, nil
}

func (s *Service) byARN(ctx context.Context, c *service.Call, parameter, arn string) (*queue.Queue, error) {
	k, err := named(c, parameter, arn)
	if err != nil {
		return nil, err
	}
	q, err := s.store.Queue(ctx, k)
	if errors.Is(err, store.ErrAbsent) {
		return nil, noResource(parameter)
	}
	return q, err
}

// taskHandle is what a task's handle says.
type taskHandle struct {
	TaskID    string `json:"taskId"`
	SourceARN string `json:"sourceArn"`
}

func (h taskHandle) String() string {
	raw, _ := json.Marshal(h) // texts never fail
	return base64.StdEncoding.EncodeToString(raw)
}

func parseTaskHandle(s string) (taskHandle, bool) {
	var h taskHandle
	raw, err := base64.StdEncoding.DecodeString(s)
	if err != nil || json.Unmarshal(raw, &h) != nil || h.TaskID == "" {
		return h, false
	}
	_, ok := queue.ParseARN(h.SourceARN)
	return h, ok
}

func (s *Service) startMessageMoveTask(ctx context.Context, c *service.Call, in *api.StartMessageMoveTaskInput) (*api.StartMessageMoveTaskOutput, error) {
	from, err := s.byARN(ctx, c, "SourceArn", *in.SourceArn)
	if err != nil {
		return nil, err
	}
	if n := in.MaxNumberOfMessagesPerSecond; n != nil && (*n < 1 || *n > perSecondMax) {
		return nil, queue.Invalid("Value %d for parameter MaxNumberOfMessagesPerSecond is invalid. Reason: Must be between 1 and %d, if provided.", *n, perSecondMax)
	}
	sources, err := s.store.Sources(ctx, from.Key, "", 1)
	if err != nil {
		return nil, err
	}
	if len(sources) == 0 {
		return nil, queue.Invalid("Source queue must be configured as a Dead Letter Queue.")
	}
	if to := smithy.Val(in.DestinationArn); to != "" {
		q, err := s.byARN(ctx, c, "DestinationArn", to)
		if err != nil {
			return nil, err
		}
		if q.Fifo() != from.Fifo() || q.Key == from.Key {
			return nil, queue.Invalid("Value %s for parameter DestinationArn is invalid. Reason: The destination must be another queue of the same type as the source.", to)
		}
	}
	n, err := s.store.Count(ctx, from)
	if err != nil {
		return nil, err
	}
	t := &store.Task{
		ID: s.deps.Ident.Sortable(), Source: from.ARN(), Destination: smithy.Val(in.DestinationArn), PerSecond: int(smithy.Val(in.MaxNumberOfMessagesPerSecond)),
		Status: store.TaskRunning, Started: c.Now.UnixMilli(), ToMove: int64(n.Visible),
	}
	h := taskHandle{t.ID, t.Source}
	err = s.store.StartTask(ctx, from.Key, t, func(tx *kv.Tx) error {
		return s.deps.Sched.EnqueueTx(tx, sched.Job{Kind: moveKind, Key: t.ID, Payload: []byte(h.String())})
	})
	switch {
	case errors.Is(err, store.ErrBusy):
		return nil, queue.Invalid("There is already a task running. Only one active task is allowed for a source queue arn at a given time.")
	case errors.Is(err, store.ErrAbsent):
		return nil, noResource("SourceArn")
	case err != nil:
		return nil, err
	}
	return &api.StartMessageMoveTaskOutput{TaskHandle: new(h.String())}, nil
}

func (s *Service) cancelMessageMoveTask(ctx context.Context, c *service.Call, in *api.CancelMessageMoveTaskInput) (*api.CancelMessageMoveTaskOutput, error) {
	h, ok := parseTaskHandle(*in.TaskHandle)
	if !ok {
		return nil, queue.Invalid("Value for parameter TaskHandle is invalid.")
	}
	from, err := s.byARN(ctx, c, "SourceArn", h.SourceARN)
	if err != nil {
		return nil, err
	}
	t, err := s.store.ChangeTask(ctx, from.Key, h.TaskID, func(t *store.Task) error {
		if t.Status != store.TaskRunning {
			return queue.Invalid("Only active tasks can be cancelled.")
		}
		t.Status = store.TaskCancelling
		return nil
	})
	if errors.Is(err, store.ErrAbsent) {
		return nil, api.ErrResourceNotFoundException("Task does not exist.")
	}
	if err != nil {
		return nil, err
	}
	return &api.CancelMessageMoveTaskOutput{ApproximateNumberOfMessagesMoved: &t.Moved}, nil
}

func (s *Service) listMessageMoveTasks(ctx context.Context, c *service.Call, in *api.ListMessageMoveTasksInput) (*api.ListMessageMoveTasksOutput, error) {
	from, err := s.byARN(ctx, c, "SourceArn", *in.SourceArn)
	if err != nil {
		return nil, err
	}
	limit := 1
	if n := in.MaxResults; n != nil {
		if limit = int(*n); limit < 1 || limit > tasksListed {
			return nil, queue.Invalid("Value %d for parameter MaxResults is invalid. Reason: Must be between 1 and %d, if provided.", limit, tasksListed)
		}
	}
	all, err := s.store.Tasks(ctx, from.Key)
	if err != nil {
		return nil, err
	}
	out := &api.ListMessageMoveTasksOutput{}
	slices.Reverse(all)
	for _, t := range all[:min(limit, len(all))] {
		e := api.ListMessageMoveTasksResultEntry{
			Status: &t.Status, SourceArn: &t.Source, DestinationArn: filled(t.Destination), FailureReason: filled(t.Failure),
			ApproximateNumberOfMessagesMoved: &t.Moved, ApproximateNumberOfMessagesToMove: &t.ToMove, StartedTimestamp: &t.Started,
		}
		if t.PerSecond > 0 {
			e.MaxNumberOfMessagesPerSecond = new(int32(t.PerSecond))
		}
		if t.Status == store.TaskRunning {
			e.TaskHandle = new(taskHandle{t.ID, t.Source}.String())
		}
		out.Results = append(out.Results, e)
	}
	return out, nil
}

// move carries a task out, from wherever it stands.
func (s *Service) move(ctx context.Context, r sched.Run) error {
	h, ok := parseTaskHandle(string(r.Payload))
	if !ok {
		return sched.Permanent(errPayload)
	}
	k, _ := queue.ParseARN(h.SourceARN)
	for {
		n, t, err := s.moveSome(ctx, k, h.TaskID)
		if errors.Is(err, store.ErrAbsent) {
			return nil // the queue was deleted, and the task with it
		}
		if err != nil || n == 0 {
			return err
		}
		rate := perSecondMax
		if t.PerSecond > 0 {
			rate = t.PerSecond
		}
		if err := clock.Sleep(ctx, s.deps.Clock, time.Duration(n)*time.Second/time.Duration(rate)); err != nil {
			return context.Cause(ctx)
		}
	}
}

// moveSome moves some messages. Where it moves none, the task is over.
func (s *Service) moveSome(ctx context.Context, k queue.Key, id string) (int, *store.Task, error) {
	var over bool
	t, err := s.store.ChangeTask(ctx, k, id, func(t *store.Task) error {
		if t.Status == store.TaskCancelling {
			t.Status = store.TaskCancelled
		}
		over = !t.Active()
		return nil
	})
	if err != nil || over {
		return 0, t, err
	}
	from, err := s.store.Queue(ctx, k)
	if err != nil {
		return 0, t, err
	}
	most := batchMax
	if t.PerSecond > 0 {
		most = min(most, t.PerSecond)
	}
	got, _, err := s.store.Receive(ctx, from, store.Want{Max: most, Visibility: moveHides, Keep: true})
	if err != nil {
		return 0, t, err
	}
	if len(got) == 0 {
		return 0, t, s.endTask(ctx, k, id, store.TaskCompleted, "")
	}
	var to []*queue.Queue
	for i := range got {
		q, failure, err := s.target(ctx, from, t, got[i].Source)
		if err != nil {
			return 0, t, err
		}
		if failure != "" {
			s.release(ctx, from, got)
			return 0, t, s.endTask(ctx, k, id, store.TaskFailed, failure)
		}
		to = append(to, q)
	}
	return len(got), t, s.store.Transfer(ctx, from, got, to, id)
}

// target is where a task moves a message, or why it cannot.
func (s *Service) target(ctx context.Context, from *queue.Queue, t *store.Task, source string) (q *queue.Queue, failure string, err error) {
	if t.Destination != "" {
		source = t.Destination
	}
	k, ok := queue.ParseARN(source)
	if !ok || k.Fifo() != from.Fifo() {
		return nil, noSource, nil
	}
	q, err = s.store.Queue(ctx, k)
	if errors.Is(err, store.ErrAbsent) {
		return nil, noQueueThere, nil
	}
	return q, "", err
}

// release makes messages visible that are not moved after all. At the worst they
// are hidden for a while.
func (s *Service) release(ctx context.Context, q *queue.Queue, got []store.Received) {
	for _, r := range got {
		if err := s.store.Hide(ctx, q, message.Handle{Queue: q.Raw(), Place: r.Place, Token: r.Token}, 0); err != nil {
			s.deps.Log.Debug("release a message", "queue", q.Name, "error", err)
		}
	}
}

func (s *Service) endTask(ctx context.Context, k queue.Key, id, status, failure string) error {
	_, err := s.store.ChangeTask(ctx, k, id, func(t *store.Task) error {
		if t.Active() {
			t.Status, t.Failure = status, failure
		}
		return nil
	})
	return err
}
