package iam

import (
	"net/url"
	"regexp"
	"strings"
	"time"
	"unicode"

	api "moln.dev/moln/api/iam"
	"moln.dev/moln/aws/arn"
	"moln.dev/moln/aws/policy"
)

// Quotas of an account (IAM user guide, "IAM and AWS STS quotas").
const (
	inlineUserBytes   = 2048
	inlineGroupBytes  = 5120
	inlineRoleBytes   = 10240
	managedBytes      = 6144
	trustBytes        = 2048
	attachedMax       = 20
	versionsMax       = 5
	keysPerUser       = 2
	groupsPerUser     = 10
	tagsMax           = 50
	pageDefault       = 100
	maxSessionDefault = 3600
)

// kind is what an entity is; its value stands in keys.
type kind string

const (
	user    kind = "u"
	role    kind = "r"
	group   kind = "g"
	profile kind = "i"
)

// word is how messages call the kind, resource how ARNs do.
func (k kind) word() string {
	return map[kind]string{user: "user", role: "role", group: "group", profile: "instance profile"}[k]
}

func (k kind) resource() string {
	return map[kind]string{user: "user", role: "role", group: "group", profile: "instance-profile"}[k]
}

func (k kind) idPrefix() string {
	return map[kind]string{user: "AIDA", role: "AROA", group: "AGPA", profile: "AIPA"}[k]
}

func (k kind) inlineBytes() int {
	return map[kind]int{user: inlineUserBytes, role: inlineRoleBytes, group: inlineGroupBytes}[k]
}

// entity is a user, a role, a group or an instance profile.
type entity struct {
	Name     string            `json:"name"`
	Path     string            `json:"path"`
	ID       string            `json:"id"`
	Created  time.Time         `json:"created"`
	Inline   map[string]string `json:"inline,omitempty"`
	Attached []string          `json:"attached,omitempty"` // policy ARNs
	Boundary string            `json:"boundary,omitempty"`
	Tags     map[string]string `json:"tags,omitempty"`

	Trust       string `json:"trust,omitempty"` // roles
	Description string `json:"description,omitempty"`
	MaxSession  int32  `json:"maxSession,omitempty"` // seconds

	Groups []string `json:"groups,omitempty"` // users
	Keys   []string `json:"keys,omitempty"`
	Roles  []string `json:"roles,omitempty"` // instance profiles
}

func (e *entity) arn(account string, k kind) string {
	return arn.ARN{Partition: "aws", Service: "iam", Account: account, Resource: k.resource() + e.Path + e.Name}.String()
}

// version is one version of a managed policy.
type version struct {
	ID       string    `json:"id"`
	Document string    `json:"document"`
	Created  time.Time `json:"created"`
}

// managed is a customer managed policy, or one of AWS's own.
type managed struct {
	Name        string            `json:"name"`
	Path        string            `json:"path"`
	ID          string            `json:"id"`
	Created     time.Time         `json:"created"`
	Updated     time.Time         `json:"updated"`
	Description string            `json:"description,omitempty"`
	Versions    []version         `json:"versions"`
	Default     string            `json:"default"`
	Next        int               `json:"next"`
	Tags        map[string]string `json:"tags,omitempty"`
	aws         bool
}

func (m *managed) arn(account string) string {
	if m.aws {
		account = "aws"
	}
	return arn.ARN{Partition: "aws", Service: "iam", Account: account, Resource: "policy" + m.Path + m.Name}.String()
}

// document is the default version's text.
func (m *managed) document() string {
	for _, v := range m.Versions {
		if v.ID == m.Default {
			return v.Document
		}
	}
	return ""
}

// accessKey is a long-term key. The secret is sealed for keyPurpose + id.
type accessKey struct {
	ID       string    `json:"id"`
	Account  string    `json:"account"`
	User     string    `json:"user"`
	Secret   []byte    `json:"secret"`
	Inactive bool      `json:"inactive,omitempty"`
	Created  time.Time `json:"created"`
}

const keyPurpose = "iam/access-key/"

// keyCredentials is an access key as its user may see it.
func (k *accessKey) status() string {
	if k.Inactive {
		return api.StatusTypeInactive
	}
	return api.StatusTypeActive
}

var (
	namePattern = regexp.MustCompile(`^[\w+=,.@-]+$`)
	pathPattern = regexp.MustCompile(`^(/|/[\x21-\x7e]+/)$`)
)

// checkName applies the rules that names and paths of all kinds share.
func checkName(name, path string) error {
	if !namePattern.MatchString(name) {
		return invalid("The specified value for name is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-")
	}
	if !pathPattern.MatchString(path) {
		return invalid("The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.")
	}
	return nil
}

// checkDocument compiles a document (I2) and words what is wrong.
func checkDocument(doc string, k policy.Kind) error {
	if _, err := policy.Parse([]byte(doc), k); err != nil {
		return api.ErrMalformedPolicyDocumentException("%s", err.Error())
	}
	return nil
}

// policySize counts as IAM does: white space is free.
func policySize(doc string) int {
	n := 0
	for _, r := range doc {
		if !unicode.IsSpace(r) {
			n += len(string(r))
		}
	}
	return n
}

// escapeDocument is how IAM writes documents into its answers (RFC 3986).
func escapeDocument(doc string) *string {
	return new(strings.ReplaceAll(url.QueryEscape(doc), "+", "%20"))
}

func orRoot(path *string) string {
	if path == nil || *path == "" {
		return "/"
	}
	return *path
}
