package write

import (
	"strings"
	"time"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/services/s3/store"
	"moln.dev/moln/services/s3/tagging"
)

// Attributes are what PutObject, CopyObject and CreateMultipartUpload say about
// an object besides its bytes.
type Attributes struct {
	Key                           string
	Meta                          map[string]string
	Headers                       map[string]*string
	Tagging                       *string
	Class                         *string
	LockMode, LockHold, LockEvent *string
	LockUntil                     *time.Time
	Now                           time.Time
}

// NewObject checks attributes and makes the record of an object without a body.
func NewObject(a Attributes) (*store.Object, error) {
	if err := store.CheckKey(a.Key); err != nil {
		return nil, err
	}
	if err := store.CheckMeta(a.Meta); err != nil {
		return nil, err
	}
	aging, err := a.aging()
	if err != nil {
		return nil, err
	}
	o := &store.Object{Key: a.Key, Meta: a.Meta, Headers: map[string]string{}, Aging: aging}
	for name, v := range a.Headers {
		if smithy.Val(v) != "" {
			o.Headers[name] = *v
		}
	}
	if o.Headers[store.HeaderContentType] == "" {
		o.Headers[store.HeaderContentType] = store.DefaultContentType
	}
	// The transfer's own framing is no property of the object.
	if v := stripChunked(o.Headers[store.HeaderContentEncoding]); v != "" {
		o.Headers[store.HeaderContentEncoding] = v
	} else {
		delete(o.Headers, store.HeaderContentEncoding)
	}
	if v := o.Headers[store.HeaderRedirect]; v != "" && !validRedirect(v) {
		return nil, fault.New("InvalidRedirectLocation", 400, "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.")
	}
	o.Tags, err = tagging.Parse(a.Tagging)
	return o, err
}

func validRedirect(v string) bool {
	return strings.HasPrefix(v, "/") || strings.HasPrefix(v, "http://") || strings.HasPrefix(v, "https://")
}

func stripChunked(encoding string) string {
	var kept []string
	for item := range strings.SplitSeq(encoding, ",") {
		if item = strings.TrimSpace(item); item != "" && !strings.EqualFold(item, "aws-chunked") {
			kept = append(kept, item)
		}
	}
	return strings.Join(kept, ",")
}
