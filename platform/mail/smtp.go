package mail

import (
	"context"
	"fmt"
	"time"

	gomail "github.com/wneessen/go-mail"
)

// deliverTimeout bounds one delivery, from dialing to the server's answer.
const deliverTimeout = 10 * time.Second

// TLS is how the connection to the SMTP server is protected.
type TLS string

// Ways of protection. Empty means TLSStart.
const (
	TLSStart    TLS = "starttls" // STARTTLS, or no delivery
	TLSImplicit TLS = "tls"      // TLS from the first byte
	TLSNone     TLS = "none"     // plain text, for a relay on the same machine
)

// SMTP is the server that mail is handed to.
type SMTP struct {
	Host string
	Port int // zero: 587, or 465 for TLSImplicit
	TLS  TLS
	// Username and Password; none where Username is empty.
	Username, Password string
	// From replaces every message's sender where set: a server accepts mail
	// only from addresses that it knows.
	From string
}

type relay struct {
	cfg  SMTP
	opts []gomail.Option
}

func newSMTP(cfg SMTP) (*relay, error) {
	s := &relay{cfg: cfg, opts: []gomail.Option{gomail.WithTimeout(deliverTimeout)}}
	switch cfg.TLS {
	case "", TLSStart:
		s.opts = append(s.opts, gomail.WithTLSPortPolicy(gomail.TLSMandatory))
	case TLSImplicit:
		s.opts = append(s.opts, gomail.WithSSLPort(false))
	case TLSNone:
		s.opts = append(s.opts, gomail.WithTLSPolicy(gomail.NoTLS))
	default:
		return nil, fmt.Errorf("mail: TLS mode %q is none of starttls, tls, none", cfg.TLS)
	}
	if cfg.Port != 0 {
		s.opts = append(s.opts, gomail.WithPort(cfg.Port))
	}
	if cfg.Username != "" {
		s.opts = append(s.opts, gomail.WithUsername(cfg.Username), gomail.WithPassword(cfg.Password),
			gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover))
	}
	_, err := gomail.NewClient(cfg.Host, s.opts...)
	if err != nil {
		return nil, fmt.Errorf("mail: SMTP server: %w", err)
	}
	return s, nil
}

// deliver hands msg over on a connection of its own: codes are rare, and idle
// connections die unnoticed.
func (s *relay) deliver(ctx context.Context, msg Message, at time.Time) error {
	m := gomail.NewMsg()
	from := msg.From
	if s.cfg.From != "" {
		from = s.cfg.From
	}
	if err := m.From(from); err != nil {
		return fmt.Errorf("%w: sender: %w", ErrMessage, err)
	}
	if err := m.To(msg.To); err != nil {
		return fmt.Errorf("%w: recipient: %w", ErrMessage, err)
	}
	m.Subject(msg.Subject)
	m.SetDateWithValue(at)
	m.SetMessageID()
	switch {
	case msg.Text == "":
		m.SetBodyString(gomail.TypeTextHTML, msg.HTML)
	default:
		m.SetBodyString(gomail.TypeTextPlain, msg.Text)
		if msg.HTML != "" {
			m.AddAlternativeString(gomail.TypeTextHTML, msg.HTML)
		}
	}
	client, err := gomail.NewClient(s.cfg.Host, s.opts...)
	if err != nil {
		return fmt.Errorf("mail: SMTP server: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, deliverTimeout)
	defer cancel()
	if err := client.DialAndSendWithContext(ctx, m); err != nil {
		return fmt.Errorf("mail: deliver: %w", err)
	}
	return nil
}
