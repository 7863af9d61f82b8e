package sqs

import (
	"context"
	"net/url"
	"strings"

	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/sqs/queue"
)

// forgives lets requests through that say in their path which queue they mean,
// as clients of the query protocol may; keyOf refuses those that do not say it.
// And it lets through what is there and not of the model's values, such as an
// attribute of messages where the model has those of queues: the handlers know
// what AWS takes, and its words for the rest.
func forgives(v smithy.Violation) bool {
	return !v.Null || v.Path == "queueUrl" || v.Path == "QueueUrl"
}

// keyOf says which queue a request is about.
func keyOf(c *service.Call, given *string) (queue.Key, error) {
	switch {
	case smithy.Val(given) != "":
		return queue.ParseURL(*given, c.Region)
	case c.HTTP != nil && len(c.HTTP.Request.URL.Path) > 1:
		return queue.ParseURL(c.HTTP.Request.URL.Path, c.Region)
	}
	return queue.Key{}, queue.Missing("QueueUrl")
}

// find gives the queue that a request is about, which is shared and not to be
// changed.
func (s *Service) find(ctx context.Context, c *service.Call, given *string) (*queue.Queue, error) {
	k, err := keyOf(c, given)
	if err != nil {
		return nil, err
	}
	return s.queue(ctx, c, k)
}

func (s *Service) queue(ctx context.Context, c *service.Call, k queue.Key) (*queue.Queue, error) {
	q, err := s.store.Queue(ctx, k)
	return q, absent(c, err)
}

// urlOf is a queue's URL at the address that the caller has used, so that it is
// one that he can reach. Without one it is moln's own.
func (s *Service) urlOf(c *service.Call, k queue.Key) *string {
	base := s.deps.Site.Endpoint
	if c.HTTP == nil {
		return new(k.URL(base))
	}
	r := c.HTTP.Request
	if host := strings.ToLower(r.Host); strings.HasSuffix(host, ".amazonaws.com") {
		return new(k.URL("https://sqs." + c.Region + ".amazonaws.com"))
	}
	if u, err := url.Parse(base); err == nil && r.Host != "" && u.Host != r.Host {
		scheme := "http"
		if r.TLS != nil {
			scheme = "https"
		}
		base = scheme + "://" + r.Host
	}
	return new(k.URL(base))
}
