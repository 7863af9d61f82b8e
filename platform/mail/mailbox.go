package mail

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	netmail "net/mail"
	"strings"
	"time"

	"moln.dev/moln/engine/kv"
)

// MailboxMessagesMax is how many messages are kept; older ones are dropped.
const MailboxMessagesMax = 500

// State is how a kept message fared.
type State string

// States of kept messages.
const (
	StateKept      State = "kept" // no SMTP server is configured
	StateDelivered State = "delivered"
	StateFailed    State = "failed"
)

// Kept is a message in the mailbox.
type Kept struct {
	Number uint64 // counts up, from 1
	At     time.Time
	State  State
	Error  string `json:",omitempty"` // where State is StateFailed
	Message
}

// Keys: counterKey holds the number of the last message, 8 bytes big-endian;
// messageByte and such a number hold a message as JSON.
const (
	counterByte = 'c'
	messageByte = 'm'
)

type mailbox struct{ db *kv.DB }

func counterKey() []byte { return []byte{counterByte} }

func messageKey(n uint64) []byte { return binary.BigEndian.AppendUint64([]byte{messageByte}, n) }

// add keeps k under the next number and drops what is too old.
func (b mailbox) add(ctx context.Context, k Kept) error {
	err := b.db.Update(ctx, func(tx *kv.Tx) error {
		last, err := tx.Get(counterKey())
		switch {
		case errors.Is(err, kv.ErrNotFound):
			last = make([]byte, 8)
		case err != nil:
			return err
		case len(last) != 8:
			return fmt.Errorf("counter of %d bytes", len(last))
		}
		k.Number = binary.BigEndian.Uint64(last) + 1
		value, err := json.Marshal(k)
		if err != nil {
			return err
		}
		if k.Number > MailboxMessagesMax {
			if err := tx.Delete(messageKey(k.Number - MailboxMessagesMax)); err != nil {
				return err
			}
		}
		if err := tx.Put(counterKey(), binary.BigEndian.AppendUint64(nil, k.Number)); err != nil {
			return err
		}
		return tx.Put(messageKey(k.Number), value)
	}, counterKey())
	if err != nil {
		return fmt.Errorf("mail: keep message: %w", err)
	}
	return nil
}

func (b mailbox) list(ctx context.Context, to string) ([]Kept, error) {
	r := kv.Prefix([]byte{messageByte})
	r.Reverse = true
	out := []Kept{}
	err := b.db.Each(ctx, r, func(it kv.Item) (bool, error) {
		var k Kept
		if err := json.Unmarshal(it.Value, &k); err != nil {
			return false, err
		}
		if to == "" || sameAddress(k.To, to) {
			out = append(out, k)
		}
		return true, nil
	})
	if err != nil {
		return nil, fmt.Errorf("mail: list mailbox: %w", err)
	}
	return out, nil
}

// clear keeps the counter, so that numbers are not given twice.
func (b mailbox) clear(ctx context.Context) error {
	var batch kv.Batch
	batch.DeleteRange([]byte{messageByte}, []byte{messageByte + 1})
	if err := b.db.Apply(ctx, &batch); err != nil {
		return fmt.Errorf("mail: clear mailbox: %w", err)
	}
	return nil
}

func sameAddress(a, b string) bool { return strings.EqualFold(bareAddress(a), bareAddress(b)) }

func bareAddress(s string) string {
	if a, err := netmail.ParseAddress(s); err == nil {
		return a.Address
	}
	return s
}
