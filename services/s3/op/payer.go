package op

import (
	"context"
	"net/http"
	"reflect"
	"strings"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/s3err"
	"moln.dev/moln/services/s3/store"
)

const headerPayer = "x-amz-request-payer"

// Pays refuses requests that nobody would pay for: those to a bucket whose
// requesters pay from callers of other accounts who do not say that they will, and
// from callers that nobody knows. takes tells whether the operation can say so.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/RequesterPaysBuckets.html
func Pays(c *service.Call, b *store.Bucket, takes bool) error {
	if !b.RequesterPays || c.Caller.Kind == policy.Service || c.Caller.AccountID == b.Account {
		return nil
	}
	if c.Caller.Kind == policy.Anonymous || (takes && !offersToPay(c)) {
		return s3err.AccessDenied()
	}
	return nil
}

// TakesPayer reports whether the input of an operation has a word on who pays.
func TakesPayer(in any) bool {
	return reflect.ValueOf(in).Elem().FieldByName("RequestPayer").IsValid()
}

// offersToPay reads the header, or the parameter of a presigned request.
func offersToPay(c *service.Call) bool {
	if c.HTTP == nil {
		return false
	}
	if said := c.HTTP.Request.Header.Get(headerPayer); said != "" || !c.HTTP.Presigned {
		return said == api.RequestPayerRequester
	}
	for name, values := range c.HTTP.Request.URL.Query() {
		if strings.EqualFold(name, headerPayer) {
			return values[0] == api.RequestPayerRequester
		}
	}
	return false
}

// Charged lets the answers to requests that their callers pay for say so.
func Charged(st *store.Store, all []service.Operation) []service.Operation {
	for i := range all {
		all[i].Call, all[i].Reply = charging(st, all[i].Call), charging(st, all[i].Reply)
	}
	return all
}

type handler = func(ctx context.Context, c *service.Call, in any) (any, error)

// charging is a handler that tells who paid; nil for nil.
func charging(st *store.Store, call handler) handler {
	if call == nil {
		return nil
	}
	return func(ctx context.Context, c *service.Call, in any) (any, error) {
		out, err := call(ctx, c, in)
		if err != nil || !offersToPay(c) || !TakesPayer(in) {
			return out, err
		}
		b, missing := st.Bucket(ctx, AimOf(in).Bucket)
		if missing == nil && b.RequesterPays && c.Caller.AccountID != b.Account {
			c.HTTP.Header[http.CanonicalHeaderKey("x-amz-request-charged")] = []string{api.RequestPayerRequester}
		}
		return out, nil
	}
}
