// Package tagging checks the tags of buckets and objects, from documents and
// from headers.
package tagging

import (
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
)

// Limits of tags.
const (
	ObjectMax      = 10
	BucketMax      = 50
	tagKeyRunesMax = 128
	tagValueMax    = 256
)

// Of checks tags and gives them in the order of their keys.
func Of(in []api.Tag, limit int) ([]Tag, error) {
	if len(in) > limit {
		if limit == ObjectMax {
			return nil, fault.New("BadRequest", 400, "Object tags cannot be greater than 10")
		}
		return nil, fault.New("BadRequest", 400, "Bucket tag count cannot be greater than 50")
	}
	seen := map[string]bool{}
	var out []Tag
	for _, t := range in {
		k, v := smithy.Val(t.Key), smithy.Val(t.Value)
		switch {
		case k == "" || utf8.RuneCountInString(k) > tagKeyRunesMax || !allowed(k):
			return nil, fault.New("InvalidTag", 400, "The TagKey you have provided is invalid")
		case utf8.RuneCountInString(v) > tagValueMax || !allowed(v):
			return nil, fault.New("InvalidTag", 400, "The TagValue you have provided is invalid")
		case strings.HasPrefix(strings.ToLower(k), "aws:") && limit == ObjectMax:
			return nil, fault.New("InvalidTag", 400, "Your TagKey cannot be prefixed with aws:")
		case seen[k]:
			return nil, fault.New("InvalidTag", 400, "Cannot provide multiple Tags with the same key")
		}
		seen[k] = true
		out = append(out, Tag{k, v})
	}
	return Sorted(out), nil
}

// System reports whether a tag is AWS's own, as those that CloudFormation sets.
func System(key string) bool { return strings.HasPrefix(strings.ToLower(key), "aws:") }

// Kept refuses a client's tags that would add, change or remove those of the
// system.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketTagging.html
func Kept(have, next []Tag) error {
	for _, t := range next {
		if System(t.Key) && !slices.Contains(have, t) {
			return fault.New("InvalidTag", 400, "System tags cannot be added/updated by requester")
		}
	}
	for _, t := range have {
		if System(t.Key) && !slices.Contains(next, t) {
			return fault.New("InvalidTag", 400, "System tags cannot be removed by requester")
		}
	}
	return nil
}

// allowed reports whether a key or a value is made of letters, digits, spaces and
// + - = . _ : / @ only.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html
func allowed(s string) bool {
	for _, r := range s {
		if !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsNumber(r) && !unicode.IsSpace(r) && !strings.ContainsRune("+-=._:/@", r) {
			return false
		}
	}
	return utf8.ValidString(s)
}

// Parse reads x-amz-tagging, which is a query string.
func Parse(header *string) ([]Tag, error) {
	if smithy.Val(header) == "" {
		return nil, nil
	}
	bad := fault.New("InvalidArgument", 400, "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.")
	values, err := url.ParseQuery(*header)
	if err != nil {
		return nil, bad
	}
	var in []api.Tag
	for k, v := range values {
		if len(v) != 1 || k == "" {
			return nil, bad
		}
		in = append(in, api.Tag{Key: new(k), Value: new(v[0])})
	}
	return Of(in, ObjectMax)
}

// API is the form of answers.
func API(tags []Tag) []api.Tag {
	out := make([]api.Tag, 0, len(tags))
	for _, t := range tags {
		out = append(out, api.Tag{Key: new(t.Key), Value: new(t.Value)})
	}
	return out
}

// Tag is one tag of a bucket or an object.
type Tag struct{ Key, Value string }

// Sorted puts tags in the order of their keys.
func Sorted(tags []Tag) []Tag {
	slices.SortFunc(tags, func(a, b Tag) int { return strings.Compare(a.Key, b.Key) })
	return tags
}
