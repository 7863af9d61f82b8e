package kms

import (
	"context"
	"errors"
	"slices"
	"strings"

	api "moln.dev/moln/api/kms"
	"moln.dev/moln/aws/arn"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/platform/service"
)

// named is a key as a request named it.
type named struct {
	*key
	alias string // the alias it was called by, or empty
}

// find gives the key that id means: a key id, a key ARN or, where aliases says
// so, an alias name or an alias ARN.
func (s *Service) find(ctx context.Context, c *service.Call, id string, aliases bool) (named, error) {
	p, resource := placeOf(c), "key/"+id
	if strings.HasPrefix(id, "arn:") {
		a, err := arn.Parse(id)
		if err != nil || a.Service != "kms" {
			return named{}, api.ErrInvalidArnException("Invalid ARN %s", id)
		}
		if a.Region != c.Region {
			return named{}, api.ErrNotFoundException("Invalid arn %s", a.Region)
		}
		p, resource = place{a.Account, a.Region}, a.Resource
	} else if strings.HasPrefix(id, "alias/") {
		resource = id
	}
	kind, rest, _ := strings.Cut(resource, "/")
	switch {
	case kind == "alias" && aliases:
		return s.findAlias(ctx, c, p, resource)
	case kind == "key" && (isUUID(rest) || isMultiRegion(rest)):
		k, err := s.load(ctx, c, p, rest)
		return named{key: k}, err
	}
	return named{}, noSuchID(id)
}

func (s *Service) findAlias(ctx context.Context, c *service.Call, p place, name string) (named, error) {
	a, err := s.store.alias(ctx, p, name)
	if errors.Is(err, errAbsent) && p == placeOf(c) {
		a, err = s.firstUse(ctx, c, name)
	}
	if errors.Is(err, errAbsent) {
		return named{}, noAlias(aliasARN(p.account, p.region, name))
	}
	if err != nil {
		return named{}, err
	}
	k, err := s.load(ctx, c, p, a.KeyID)
	return named{key: k, alias: name}, err
}

func (s *Service) load(ctx context.Context, c *service.Call, p place, id string) (*key, error) {
	k, err := s.store.key(ctx, p, id)
	if errors.Is(err, errAbsent) || (err == nil && k.gone(c.Now)) {
		return nil, noKey(keyARN(p.account, p.region, id))
	}
	if err == nil && k.expired(c.Now) { // the worker has not come by yet
		now := *k
		now.Materials = slices.Clone(k.Materials)
		now.forget()
		return &now, nil
	}
	return k, err
}

// Lengths of key ids: a UUID, and what multi-region keys have.
const (
	uuidLength = 36
	mrkLength  = 36
)

// mrkPrefix begins the ids of multi-region keys.
const mrkPrefix = "mrk-"

func isMultiRegion(s string) bool {
	return strings.HasPrefix(s, mrkPrefix) && len(s) == mrkLength && strings.Trim(s[len(mrkPrefix):], "0123456789abcdef") == ""
}

func isUUID(s string) bool {
	if len(s) != uuidLength {
		return false
	}
	for i, r := range s {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if r != '-' {
				return false
			}
		} else if !strings.ContainsRune("0123456789abcdef", r) {
			return false
		}
	}
	return true
}

// managedServices are those whose AWS managed key DescribeKey makes, as AWS does
// for names that it has set aside.
func managedService(name string) bool {
	switch name {
	case "s3", "dynamodb", "lambda", "secretsmanager", "ssm", "sqs", "sns", "logs", "kinesis", "ses", "ecr", "states", "events":
		return true
	}
	return false
}

// firstUse makes an AWS managed key when its service asks for it, or whoever
// describes it. errAbsent: the name is none of them.
func (s *Service) firstUse(ctx context.Context, c *service.Call, name string) (*alias, error) {
	of, ok := strings.CutPrefix(name, managedAliasPrefix)
	if !ok || !managedService(of) || c.Caller.Kind == policy.Anonymous {
		return nil, errAbsent
	}
	k, err := s.newKey(c, api.KeySpecSymmetricDefault, api.KeyUsageTypeEncryptDecrypt, "", false)
	if err != nil {
		return nil, err
	}
	k.Managed, k.Policy = of, managedPolicy(c.Account, c.Region, of)
	k.Description = "Default key that protects my " + of + " data when no other key is defined"
	k.Period, k.Rotate = periodDaysDefault, c.Now.UTC().Add(periodDaysDefault*day)
	k.Aliases = []string{name}
	if err := s.store.createManaged(ctx, k, alias{Name: name, KeyID: k.ID, Created: k.Created, Updated: k.Created}); err != nil {
		return nil, err
	}
	return s.store.alias(ctx, placeOf(c), name)
}

// managedPolicy lets in whoever comes through the service (K5) and shows the
// account what the key is.
func managedPolicy(account, region, of string) string {
	partition := arn.PartitionOf(region)
	return `{
  "Version" : "2012-10-17",
  "Id" : "auto-` + of + `-2",
  "Statement" : [ {
    "Sid" : "Allow access through ` + of + ` for all principals in the account that are authorized to use it",
    "Effect" : "Allow",
    "Principal" : { "AWS" : "*" },
    "Action" : [ "kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:CreateGrant", "kms:DescribeKey" ],
    "Resource" : "*",
    "Condition" : { "StringEquals" : { "kms:CallerAccount" : "` + account + `", "kms:ViaService" : "` + of + `.` + region + `.amazonaws.com" } }
  }, {
    "Sid" : "Allow direct access to key metadata to the account",
    "Effect" : "Allow",
    "Principal" : { "AWS" : "arn:` + partition + `:iam::` + account + `:root" },
    "Action" : [ "kms:Describe*", "kms:Get*", "kms:List*", "kms:RevokeGrant" ],
    "Resource" : "*"
  } ]
}`
}
