package cloudformation

import (
	"context"
	"io"
	"net/url"
	"regexp"
	"strings"

	"moln.dev/moln/api/s3"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/cloudformation/stack"
)

// Sizes of templates, as AWS limits them.
const (
	maxBodyBytes     = 51_200
	maxTemplateBytes = 1_000_000
)

// templateText finds the template of a request.
func (s *Service) templateText(ctx context.Context, c *service.Call, body, link *string, usePrevious bool, st *stack.Stack, previous *stack.Target) (string, error) {
	switch {
	case body != nil && *body != "":
		if len(*body) > maxBodyBytes {
			return "", invalid("1 validation error detected: Value at 'templateBody' failed to satisfy constraint: Member must have length less than or equal to %d", maxBodyBytes)
		}
		return *body, nil
	case link != nil && *link != "":
		return s.fetchTemplate(ctx, c, *link)
	case usePrevious && previous != nil:
		return s.store.Template(ctx, st.Place(), st.ID, previous.TemplateID)
	}
	return "", invalid("Either Template URL or Template Body must be specified.")
}

// object is a place in S3.
type object struct{ bucket, key, version string }

// s3Host matches S3's own hosts, with the bucket in front or not:
// s3.amazonaws.com, s3.eu-west-1.amazonaws.com, s3-eu-west-1.amazonaws.com,
// s3.dualstack.…, and those of the other partitions.
var s3Host = regexp.MustCompile(`^(?:(.+)\.)?s3(?:[.-][a-z0-9-]+)*\.amazonaws\.com(?:\.cn)?$`)

// templateObject reads a TemplateURL. Hosts that are not S3's are moln's own
// and carry the bucket in the path, or as <bucket>.localhost.
func templateObject(link string) (object, bool) {
	u, err := url.Parse(link)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return object{}, false
	}
	o := object{version: u.Query().Get("versionId")}
	path := strings.TrimPrefix(u.Path, "/")
	host := strings.ToLower(u.Hostname())
	switch m := s3Host.FindStringSubmatch(host); {
	case m != nil:
		o.bucket = m[1]
	case strings.HasSuffix(host, ".localhost"):
		o.bucket = strings.TrimSuffix(strings.TrimSuffix(host, ".localhost"), ".s3")
		if o.bucket == "s3" {
			o.bucket = ""
		}
	}
	o.key = path
	if o.bucket == "" {
		o.bucket, o.key, _ = strings.Cut(path, "/")
	}
	return o, o.bucket != "" && o.key != ""
}

// fetchTemplate reads a template from moln's own S3 as the caller; no URL is
// ever opened.
func (s *Service) fetchTemplate(ctx context.Context, c *service.Call, link string) (string, error) {
	o, ok := templateObject(link)
	if !ok {
		return "", invalid("TemplateURL must be a supported URL.")
	}
	in := &s3.GetObjectInput{Bucket: &o.bucket, Key: &o.key}
	if o.version != "" {
		in.VersionId = &o.version
	}
	out, err := service.Invoke(ctx, c, s3.GetObject, in)
	if f := fault.As(err); f != nil {
		return "", invalid("S3 error: %s", f.Message)
	}
	if err != nil {
		return "", err
	}
	if closer, ok := out.Body.(io.Closer); ok {
		defer closer.Close()
	}
	if out.Body == nil {
		return "", invalid("Template format error: unsupported structure.")
	}
	raw, err := io.ReadAll(io.LimitReader(out.Body, maxTemplateBytes+1))
	if err != nil {
		return "", err
	}
	if len(raw) > maxTemplateBytes {
		return "", invalid("Template may not exceed %d bytes in size.", maxTemplateBytes)
	}
	return string(raw), nil
}
