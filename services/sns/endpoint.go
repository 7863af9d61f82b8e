package sns

import (
	"net/http"
	"net/url"
	"strings"

	api "moln.dev/moln/api/sns"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/wire"
	"moln.dev/moln/wire/awsquery"
)

// endpoints are what messages link to: the certificate of their signatures, and
// the pages that confirm and end subscriptions. They are asked for by people and
// programs that have no keys.
func (s *Service) endpoints() []service.Endpoint {
	return []service.Endpoint{
		{
			Name:  "sns/certificate",
			Match: func(r *http.Request, _ string) bool { return isCertificatePath(r.URL.Path) },
			Serve: s.serveCertificate,
		},
		{Name: "sns/links", Match: isLink, Serve: s.serveLink},
	}
}

func (s *Service) serveCertificate(w http.ResponseWriter, r *http.Request, c *service.Call) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
		return
	}
	key, err := s.signer(r.Context())
	if err != nil {
		c.Log.Error("sns: the signing key", "err", err)
		http.Error(w, "Internal Server Error", http.StatusInternalServerError)
		return
	}
	if r.URL.Path != certificatePath(key.ID()) {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/x-pem-file")
	w.Header().Set("Cache-Control", "public, max-age=86400")
	_, _ = w.Write(key.Certificate()) // the client has gone
}

// isLink recognises a link out of a message: no key signs it.
func isLink(r *http.Request, _ string) bool {
	if r.Method != http.MethodGet || r.URL.Path != "/" || r.Header.Get("Authorization") != "" {
		return false
	}
	if !strings.Contains(r.URL.RawQuery, "Action=ConfirmSubscription") && !strings.Contains(r.URL.RawQuery, "Action=Unsubscribe") {
		return false
	}
	q := r.URL.Query()
	return q.Get("X-Amz-Signature") == "" && (q.Get("Action") == "ConfirmSubscription" && q.Has("Token") || q.Get("Action") == "Unsubscribe" && q.Has("SubscriptionArn"))
}

func (s *Service) serveLink(w http.ResponseWriter, r *http.Request, c *service.Call) {
	var res wire.Response
	codec := awsquery.Codec{}
	out, op, err := s.followLink(r, c)
	if err == nil {
		err = codec.Encode(&api.Schema, op, out, c.RequestID, &res)
	}
	if err != nil {
		f := fault.As(err)
		if f == nil {
			c.Log.Error("sns: a link", "err", err)
			f = api.ErrInternalErrorException("We encountered an internal error. Please try again.")
		}
		res = wire.Response{}
		if err := codec.EncodeFault(&api.Schema, op, f, c.RequestID, &res); err != nil {
			http.Error(w, "Internal Server Error", http.StatusInternalServerError)
			return
		}
	}
	for name, values := range res.Header {
		w.Header()[name] = values
	}
	if res.Status == 0 {
		res.Status = http.StatusOK
	}
	w.WriteHeader(res.Status)
	_, _ = w.Write(res.Body) // the client has gone
}

// followLink does what a link is for.
func (s *Service) followLink(r *http.Request, c *service.Call) (out any, op *smithy.Operation, err error) {
	q := r.URL.Query()
	if q.Get("Action") == "ConfirmSubscription" {
		_, op = api.ConfirmSubscription.Of()
		arn, err := s.confirmLink(r, q)
		return &api.ConfirmSubscriptionOutput{SubscriptionArn: &arn}, op, err
	}
	_, op = api.Unsubscribe.Of()
	return &api.UnsubscribeOutput{}, op, s.unsubscribeLink(r, c, q.Get("SubscriptionArn"))
}

// confirmLink confirms; where the subscription is, the topic's ARN says.
func (s *Service) confirmLink(r *http.Request, q url.Values) (string, error) {
	a, err := parts("Topic", q.Get("TopicArn"))
	if err != nil || a.Region == "" || a.Account == "" {
		return "", invalid("Topic")
	}
	id := topicID{place{a.Account, a.Region}, a.Resource}
	arn, err := s.confirm(r.Context(), id.place, q.Get("Token"), confirming{})
	if fault.Is(err, "InvalidParameter") {
		if _, missing := s.store.topic(r.Context(), id); missing != nil {
			return "", invalid("Topic")
		}
	}
	return arn, err
}

// unsubscribeLink ends a subscription for whoever has the link, unless it was
// confirmed by somebody who wanted a signature for that. The endpoint is told.
func (s *Service) unsubscribeLink(r *http.Request, c *service.Call, text string) error {
	here := *c
	if a, err := parts("SubscriptionArn", text); err == nil {
		here.Region = a.Region
	}
	id, name, err := parseSubscription(&here, text)
	if err != nil {
		return err
	}
	sub, err := s.store.subscription(r.Context(), id, name)
	if fault.Is(err, "NotFound") {
		return nil
	}
	if err != nil {
		return err
	}
	if sub.Locked {
		return errNotOwner(c.Caller, "Unsubscribe", text)
	}
	here.Now = s.deps.Clock.Now()
	return s.remove(r.Context(), &here, id, name, !sub.Pending && (sub.web() || sub.mail()))
}
