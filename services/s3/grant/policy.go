package grant

import (
	"encoding/json"
	"fmt"
	"slices"

	"moln.dev/moln/aws/policy"
)

// What a permission means, by kind of list.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#permissions
var (
	bucketActions = map[string][]string{
		Read:     {"s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads"},
		ReadACP:  {"s3:GetBucketAcl"},
		WriteACP: {"s3:PutBucketAcl"},
		Write:    {"s3:PutObject", "s3:DeleteObject"}, // of the objects in it
	}
	objectActions = map[string][]string{
		Read:     {"s3:GetObject", "s3:GetObjectVersion"},
		ReadACP:  {"s3:GetObjectAcl", "s3:GetObjectVersionAcl"},
		WriteACP: {"s3:PutObjectAcl", "s3:PutObjectVersionAcl"},
	}
)

// logDelivery is the service that the group LogDelivery stands for.
const logDelivery = "logging.s3.amazonaws.com"

type statement struct {
	Sid       string
	Effect    string
	Principal map[string]string
	Action    []string
	Resource  string
	Condition map[string]map[string]string `json:",omitempty"`
}

// BucketPolicy is a bucket's list as a policy about the bucket and what is
// written into it; its statements name no resource, so it must be asked about
// nothing else. It is nil where the list grants nothing to anybody but owner.
func (l List) BucketPolicy(owner string) (*policy.Policy, error) {
	return l.policy(owner, bucketActions, "the bucket's access control list")
}

// ObjectPolicy is an object's list as a policy about that object and nothing
// else.
func (l List) ObjectPolicy(owner string) (*policy.Policy, error) {
	return l.policy(owner, objectActions, "the object's access control list")
}

func (l List) policy(owner string, means map[string][]string, name string) (*policy.Policy, error) {
	var out []statement
	for i, g := range l {
		actions := means[g.Permission]
		if g.Permission == FullControl {
			actions = slices.Concat(means[Read], means[ReadACP], means[Write], means[WriteACP])
		}
		if g.ID != owner && len(actions) > 0 {
			out = append(out, g.statement(i, actions))
		}
	}
	return compile(out, name)
}

func (g Grant) statement(number int, actions []string) statement {
	st := statement{Sid: fmt.Sprintf("grant %d: %s", number+1, g.Permission), Effect: "Allow", Action: actions, Resource: "*"}
	switch g.Group {
	case "":
		st.Principal = map[string]string{"CanonicalUser": g.ID}
	case LogDelivery:
		st.Principal = map[string]string{"Service": logDelivery}
	case AuthenticatedUsers:
		st.Principal = map[string]string{"AWS": "*"}
		st.Condition = map[string]map[string]string{"StringNotEquals": {"aws:PrincipalType": "Anonymous"}}
	default:
		st.Principal = map[string]string{"AWS": "*"}
	}
	return st
}

func compile(statements []statement, name string) (*policy.Policy, error) {
	if len(statements) == 0 {
		return nil, nil
	}
	raw, err := json.Marshal(map[string]any{"Version": policy.Version2012, "Statement": statements})
	if err != nil {
		return nil, err
	}
	p, err := policy.Parse(raw, policy.Resource)
	if err != nil {
		return nil, fmt.Errorf("grant: %w", err)
	}
	return p.Named(name), nil
}
