// Package mail is outgoing e-mail: every message is kept in a local mailbox that
// people and tests can read, and handed to an SMTP server when one is
// configured.
//
// It queues nothing and retries nothing: Send returns what the server said, and
// the caller decides whether to try again. It receives no mail, knows no
// templates and makes no promises about spam folders.
//
// The mailbox shows verification codes, so whoever reads it can take over any
// account that is confirmed by e-mail. Its handler therefore answers only
// loopback clients that ask for a loopback host, unless Config.Allow says
// otherwise.
package mail

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	netmail "net/mail"
	"strings"
	"time"

	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/kv"
)

// Limits of a message.
const (
	SubjectBytesMax = 998 // a header line of RFC 5322
	BodyBytesMax    = 256 << 10
)

// ErrMessage: the message cannot be sent by anybody, however often it is tried.
var ErrMessage = errors.New("mail: bad message")

// Message is one e-mail to one recipient. Text, HTML or both are set.
type Message struct {
	From, To, Subject string
	Text, HTML        string
}

// Sender is what services need of this package.
type Sender interface {
	// Send keeps msg and, where a server is configured, delivers it. An error
	// that is ErrMessage is the message's fault.
	Send(ctx context.Context, msg Message) error
}

// Config says how mail leaves.
type Config struct {
	// SMTP is nil where mail is only kept.
	SMTP *SMTP
	// Allow decides who may use the mailbox's handler; nil: loopback clients
	// that name a loopback host.
	Allow func(r *http.Request) bool
}

// Mailer is the Sender over a mailbox and an optional SMTP server. It is safe
// for concurrent use.
type Mailer struct {
	box     mailbox
	clk     clock.Clock
	deliver func(ctx context.Context, msg Message, at time.Time) error // nil: kept only
	allow   func(r *http.Request) bool
}

var _ Sender = (*Mailer)(nil)

// New returns a Mailer whose mailbox is all of db.
func New(db *kv.DB, clk clock.Clock, cfg Config) (*Mailer, error) {
	m := &Mailer{box: mailbox{db}, clk: clk, allow: cfg.Allow}
	if m.allow == nil {
		m.allow = isLocal
	}
	if cfg.SMTP != nil {
		s, err := newSMTP(*cfg.SMTP)
		if err != nil {
			return nil, err
		}
		m.deliver = s.deliver
	}
	return m, nil
}

// Send implements Sender. The kept message says how delivery went.
func (m *Mailer) Send(ctx context.Context, msg Message) error {
	if err := msg.check(); err != nil {
		return err
	}
	kept := Kept{Message: msg, At: m.clk.Now().UTC(), State: StateKept}
	var sendErr error
	if m.deliver != nil {
		kept.State = StateDelivered
		if sendErr = m.deliver(ctx, msg, kept.At); sendErr != nil {
			kept.State, kept.Error = StateFailed, sendErr.Error()
		}
	}
	return errors.Join(sendErr, m.box.add(ctx, kept))
}

// List returns kept messages, newest first; to, if not empty, selects those to
// one address.
func (m *Mailer) List(ctx context.Context, to string) ([]Kept, error) { return m.box.list(ctx, to) }

// Clear empties the mailbox.
func (m *Mailer) Clear(ctx context.Context) error { return m.box.clear(ctx) }

func (m Message) check() error {
	for name, address := range map[string]string{"sender": m.From, "recipient": m.To} {
		if _, err := netmail.ParseAddress(address); err != nil || strings.ContainsAny(address, "\r\n") {
			return fmt.Errorf("%w: %s is no address", ErrMessage, name)
		}
	}
	switch {
	case strings.ContainsAny(m.Subject, "\r\n") || len(m.Subject) > SubjectBytesMax:
		return fmt.Errorf("%w: subject", ErrMessage)
	case m.Text == "" && m.HTML == "":
		return fmt.Errorf("%w: empty", ErrMessage)
	case len(m.Text)+len(m.HTML) > BodyBytesMax:
		return fmt.Errorf("%w: body of %d bytes", ErrMessage, len(m.Text)+len(m.HTML))
	}
	return nil
}
