package image

import (
	"regexp"
	"strings"

	engine "moln.dev/moln/engine/image"
)

// source is where a URI leads.
type source struct {
	account, region, repository string
	tag, digest                 string
}

// awsHost is ECR's host name, whatever the domain: AWS's own or a local one.
var awsHost = regexp.MustCompile(`^(\d{12})\.dkr\.ecr\.([a-z0-9-]{1,32})\.[a-z0-9.-]+(:\d+)?$`)

// loopbackHost is this moln too, whatever port it listens on now.
var loopbackHost = regexp.MustCompile(`^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$`)

var repositoryForm = regexp.MustCompile(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$`)

var tagForm = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)

const (
	uriBytesMax  = 1 << 10
	latestTag    = "latest"
	nameBytesMax = 256
)

// parse reads the URI of an image: HOST/REPOSITORY[:TAG][@DIGEST], where the host
// is ECR's for an account and region, or own or any loopback, this moln's, for the
// function's.
func parse(uri, own, account, region string) (source, bool) {
	if len(uri) > uriBytesMax {
		return source{}, false
	}
	host, name, found := strings.Cut(uri, "/")
	s := source{account: account, region: region}
	if m := awsHost.FindStringSubmatch(host); m != nil {
		s.account, s.region = m[1], m[2]
	} else if !found || host == "" || (host != own && !loopbackHost.MatchString(host)) {
		return source{}, false
	}
	name, s.digest, found = strings.Cut(name, "@")
	if found && !engine.IsDigest(s.digest) {
		return source{}, false
	}
	s.repository, s.tag, found = strings.Cut(name, ":")
	if found && !tagForm.MatchString(s.tag) {
		return source{}, false
	}
	if s.tag == "" && s.digest == "" {
		s.tag = latestTag
	}
	return s, len(s.repository) <= nameBytesMax && repositoryForm.MatchString(s.repository)
}

// withDigest is a URI that names its image by digest.
func withDigest(uri, digest string) string {
	uri, _, _ = strings.Cut(uri, "@")
	if at := strings.LastIndex(uri, ":"); at > strings.LastIndex(uri, "/") {
		uri = uri[:at]
	}
	return uri + "@" + digest
}
