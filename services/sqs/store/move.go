package store

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
	"moln.dev/moln/services/sqs/message"
	"moln.dev/moln/services/sqs/queue"
)

// Task moves messages out of a dead-letter queue.
type Task struct {
	ID          string `json:"id"`
	Source      string `json:"source"` // ARNs
	Destination string `json:"destination,omitempty"`
	PerSecond   int    `json:"perSecond,omitempty"`
	Status      string `json:"status"`
	Failure     string `json:"failure,omitempty"`
	Started     int64  `json:"started"` // milliseconds
	Moved       int64  `json:"moved"`
	ToMove      int64  `json:"toMove"`
}

// States of a task.
const (
	TaskRunning    = "RUNNING"
	TaskCancelling = "CANCELLING"
	TaskCancelled  = "CANCELLED"
	TaskCompleted  = "COMPLETED"
	TaskFailed     = "FAILED"
)

// Active says that a task is not over.
func (t *Task) Active() bool { return t.Status == TaskRunning || t.Status == TaskCancelling }

// tasksKept is how many tasks of a queue are listed
// (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ListMessageMoveTasks.html).
const tasksKept = 10

func taskKey(k queue.Key, id string) []byte { return key(k, kindTask, k.Name, id) }

// ErrBusy: a queue has an active task already.
var ErrBusy = errors.New("store: a task moves messages of the queue")

// StartTask stores a task; enqueue is to see to it that it is carried out. Tasks
// have ids that ascend.
func (s *Store) StartTask(ctx context.Context, k queue.Key, t *Task, enqueue func(tx *kv.Tx) error) error {
	raw, err := json.Marshal(t)
	if err != nil {
		return err
	}
	all := key(k, kindTask, k.Name)
	return s.db.Update(ctx, func(tx *kv.Tx) error {
		if _, err := tx.Get(queueKey(k)); err != nil { // and so it is not deleted meanwhile
			return err
		}
		items, err := tx.Scan(kv.Range{Start: all, End: tuple.End(all), Limit: 2 * tasksKept})
		if err != nil {
			return err
		}
		for i, it := range items {
			var have Task
			if err := json.Unmarshal(it.Value, &have); err != nil {
				return err
			}
			if have.Active() {
				return ErrBusy
			}
			if len(items)-i >= tasksKept {
				if err := tx.Delete(it.Key); err != nil {
					return err
				}
			}
		}
		if err := tx.Put(taskKey(k, t.ID), raw); err != nil {
			return err
		}
		return enqueue(tx)
	}, queueKey(k))
}

// Tasks gives a queue's tasks, the oldest first.
func (s *Store) Tasks(ctx context.Context, k queue.Key) ([]Task, error) {
	all := key(k, kindTask, k.Name)
	items, err := s.db.Scan(ctx, kv.Range{Start: all, End: tuple.End(all), Limit: 2 * tasksKept})
	if err != nil {
		return nil, err
	}
	out := make([]Task, len(items))
	for i, it := range items {
		if err := json.Unmarshal(it.Value, &out[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// ChangeTask rewrites a task, or is ErrAbsent.
func (s *Store) ChangeTask(ctx context.Context, k queue.Key, id string, change func(t *Task) error) (*Task, error) {
	var t *Task
	err := s.db.Update(ctx, func(tx *kv.Tx) error {
		raw, err := tx.Get(taskKey(k, id))
		if err != nil {
			return err
		}
		t = new(Task)
		if err := json.Unmarshal(raw, t); err != nil {
			return err
		}
		if err := change(t); err != nil {
			return err
		}
		if raw, err = json.Marshal(t); err != nil {
			return err
		}
		return tx.Put(taskKey(k, id), raw)
	}, taskKey(k, id))
	return t, err
}

// Transfer moves messages that were received, each to the queue of its index,
// where they are new, and counts them at the task. Those that have gone elsewhere
// meanwhile are left out.
func (s *Store) Transfer(ctx context.Context, from *queue.Queue, got []Received, to []*queue.Queue, task string) error {
	now := s.clk.Now()
	k := keysOf(from)
	var locks [][]byte
	for _, r := range got {
		if locks = append(locks, k.state(r.Place)); from.Fifo() {
			locks = append(locks, k.group(r.Group))
		}
	}
	moved := int64(0)
	var left, joined tracks
	err := s.db.Update(ctx, func(tx *kv.Tx) error {
		moved = 0
		for i, r := range got {
			ok, err := s.transferOne(tx, k, r, to[i], now, &left, &joined)
			if err != nil {
				return err
			}
			if ok {
				moved++
			}
		}
		raw, err := tx.Get(taskKey(k.at, task))
		if err != nil {
			return err
		}
		var t Task
		if err := json.Unmarshal(raw, &t); err != nil {
			return err
		}
		t.Moved += moved
		if raw, err = json.Marshal(t); err != nil {
			return err
		}
		return tx.Put(taskKey(k.at, task), raw)
	}, locks...)
	h, leave := s.enter(from)
	defer leave()
	left.tell(h)
	for _, q := range to {
		s.buried(q, 1)
	}
	return err
}

func (s *Store) transferOne(tx *kv.Tx, k keys, r Received, to *queue.Queue, now time.Time, left, joined *tracks) (bool, error) {
	st, ok, err := stateOf(tx, k, r.Place)
	if err != nil || !ok || st.Token != r.Token {
		return false, err
	}
	if k.at.Fifo() {
		h := message.Handle{Place: r.Place, Token: r.Token}
		err = removeFifo(tx, k, h, message.Nanos(now), left)
		if errors.Is(err, ErrExpired) {
			return false, nil
		}
	} else {
		err = k.drop(tx, r.Place, &st)
	}
	if err != nil {
		return false, err
	}
	m := *r.Message
	m.Place, m.Sent, m.Source = s.Place(now), now.UnixMilli(), ""
	if to.Fifo() {
		return true, s.join(tx, keysOf(to), &m, state{}, joined)
	}
	return true, s.arrive(tx, to, &m, state{Group: m.Group}, now)
}
