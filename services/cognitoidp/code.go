package cognitoidp

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"strings"
	"time"

	api "moln.dev/moln/api/cognitoidp"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/platform/mail"
	"moln.dev/moln/services/cognitoidp/settings"
)

// Codes, and how often one may try.
const (
	codeDigits         = 6
	signUpCodeValidity = 24 * time.Hour
	forgotCodeValidity = time.Hour
	codeTriesMax       = 5 // wrong answers that one code survives
	rateWindow         = time.Hour

	purposeSignUp    = "sign-up"
	purposeForgot    = "forgot-password"
	purposeAttribute = "attribute/" // and the attribute's name
)

// Attempts per user and hour.
const (
	rateConfirmSignUp = 15
	rateResend        = 5
	rateForgot        = 5
	rateConfirmForgot = 15
	rateChange        = 5
	rateAttributeCode = 5
	rateVerify        = 15
)

// code is a code that was sent. Value is what the attribute becomes when the
// code comes back, where the change waits for it.
type code struct {
	Sealed  []byte
	Expires time.Time
	Tries   int
	Value   string `json:",omitempty"`
}

func purposeCode(p place, userKey, purpose string) string {
	return "cognitoidp/code/" + p.Pool + "/" + userKey + "/" + purpose
}

func errCodeMismatch() error {
	return api.ErrCodeMismatchException("Invalid verification code provided, please try again.")
}

func errCodeExpired() error {
	return api.ErrExpiredCodeException("Invalid code provided, please request a code again.")
}

// issueCode stores a new code in place of an older one for the same purpose.
func (s *Service) issueCode(ctx context.Context, p place, userKey, purpose, value string, now time.Time, validity time.Duration) (string, error) {
	digits := s.d.Ident.Digits(codeDigits)
	raw, err := json.Marshal(code{
		Sealed: s.d.Seal.Seal(purposeCode(p, userKey, purpose), []byte(digits)), Expires: now.Add(validity), Value: value,
	})
	if err != nil {
		return "", err
	}
	return digits, s.d.KV.Put(ctx, p.key(kindCode, userKey, purpose), raw)
}

// takeCode uses a code up inside the transaction that has its effect. A wrong
// answer is an error, so its count is kept by missCode, afterwards.
func (s *Service) takeCode(tx *kv.Tx, p place, userKey, purpose, given string, now time.Time) (*code, error) {
	k := p.key(kindCode, userKey, purpose)
	c, err := find[code](txReader{tx}, k)
	if err != nil {
		return nil, err
	}
	if c == nil || !now.Before(c.Expires) || c.Tries >= codeTriesMax {
		return nil, errCodeExpired()
	}
	want, err := s.d.Seal.Open(purposeCode(p, userKey, purpose), c.Sealed)
	if err != nil {
		return nil, fmt.Errorf("cognitoidp: code: %w", err)
	}
	if subtle.ConstantTimeCompare(want, []byte(given)) != 1 {
		return nil, errCodeMismatch()
	}
	return c, tx.Delete(k)
}

// missCode counts a wrong answer against the code.
func (s *Service) missCode(ctx context.Context, p place, userKey, purpose string) error {
	k := p.key(kindCode, userKey, purpose)
	return s.d.KV.Update(ctx, func(tx *kv.Tx) error {
		c, err := find[code](txReader{tx}, k)
		if err != nil || c == nil {
			return err
		}
		c.Tries++
		return put(tx, k, c)
	}, k)
}

// countMiss passes on err after counting it, where it is a wrong code.
func (s *Service) countMiss(ctx context.Context, p place, userKey, purpose string, err error) error {
	if !isFault(err, "CodeMismatchException") {
		return err
	}
	return errors.Join(s.missCode(ctx, p, userKey, purpose), err)
}

// rate is how often a user tried something since Start.
type rate struct {
	Start time.Time
	Count int
}

// allow counts one attempt, and refuses it beyond most in an hour.
func (s *Service) allow(ctx context.Context, p place, userKey, what string, most int, now time.Time) error {
	k := p.key(kindRate, userKey, what)
	return s.d.KV.Update(ctx, func(tx *kv.Tx) error {
		r, err := find[rate](txReader{tx}, k)
		if err != nil {
			return err
		}
		if r == nil || now.Sub(r.Start) >= rateWindow {
			r = &rate{Start: now}
		}
		if r.Count >= most {
			return api.ErrLimitExceededException("Attempt limit exceeded, please try after some time.")
		}
		r.Count++
		return put(tx, k, r)
	}, k)
}

// sendCode mails a code by the pool's template and says where it went.
func (s *Service) sendCode(ctx context.Context, up *pool, u *user, address, digits string) (*api.CodeDeliveryDetailsType, error) {
	subject, text := up.CodeMessage()
	if err := s.sendMail(ctx, up, u, address, subject, text, digits); err != nil {
		return nil, err
	}
	return deliveryTo(address), nil
}

func (s *Service) sendMail(ctx context.Context, up *pool, u *user, address, subject, text, digits string) error {
	fill := func(name string) *strings.Replacer {
		return strings.NewReplacer(settings.CodePlaceholder, digits, settings.UsernamePlaceholder, name)
	}
	plain := fill(u.Username)
	msg := mail.Message{From: up.Sender(), To: address, Subject: plain.Replace(subject)}
	if strings.Contains(text, "<") && strings.Contains(text, ">") {
		// AWS sends templates as HTML. The name is the user's choice, the page not.
		msg.HTML = fill(html.EscapeString(u.Username)).Replace(text)
	} else {
		msg.Text = plain.Replace(text)
	}
	err := s.mail.Send(ctx, msg)
	if err != nil && !errors.Is(err, mail.ErrMessage) && ctx.Err() == nil {
		err = s.mail.Send(ctx, msg)
	}
	if err != nil {
		s.d.Log.Warn("cognito mail was not delivered", "pool", up.ID(), "err", err)
		return api.ErrCodeDeliveryFailureException("Failed to deliver the verification code by email.")
	}
	return nil
}

func deliveryTo(address string) *api.CodeDeliveryDetailsType {
	return &api.CodeDeliveryDetailsType{
		AttributeName: ptr(settings.AttributeEmail), DeliveryMedium: ptr("EMAIL"), Destination: ptr(maskEmail(address)),
	}
}

// maskEmail shows the first letters: j***@g***.
func maskEmail(address string) string {
	local, domain, _ := strings.Cut(address, "@")
	return firstRune(local) + "***@" + firstRune(domain) + "***"
}

func firstRune(s string) string {
	for _, r := range s {
		return string(r)
	}
	return ""
}
