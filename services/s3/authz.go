package s3

import (
	"context"
	"reflect"
	"strconv"
	"strings"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/tagging"
)

// aim is what a request is about, read from its input.
type aim struct {
	bucket, key string
	version     *string
}

// aimOf reads the members that every S3 operation names alike.
func aimOf(in any) aim {
	v := reflect.ValueOf(in).Elem()
	text := func(name string) *string {
		f := v.FieldByName(name)
		if !f.IsValid() {
			return nil
		}
		p, _ := f.Interface().(*string)
		return p
	}
	return aim{bucket: smithy.Val(text("Bucket")), key: smithy.Val(text("Key")), version: text("VersionId")}
}

// versioned are the actions that have another name when a version is named.
var versioned = map[string]string{
	"s3:GetObject":           "s3:GetObjectVersion",
	"s3:DeleteObject":        "s3:DeleteObjectVersion",
	"s3:GetObjectTagging":    "s3:GetObjectVersionTagging",
	"s3:PutObjectTagging":    "s3:PutObjectVersionTagging",
	"s3:DeleteObjectTagging": "s3:DeleteObjectVersionTagging",
	"s3:GetObjectAcl":        "s3:GetObjectVersionAcl",
	"s3:PutObjectAcl":        "s3:PutObjectVersionAcl",
	"s3:GetObjectAttributes": "s3:GetObjectVersionAttributes",
}

// actionFor is an action on a version, where one is named.
func actionFor(action string, version *string) string {
	if v, ok := versioned[action]; ok && version != nil {
		return v
	}
	return action
}

// authorize says which actions a request needs. A bucket that does not exist is
// told to everyone, as S3 does.
func (s *Service) authorize(ctx context.Context, c *service.Call, op *smithy.Operation, in any) ([]service.Check, error) {
	keys := requestKeys(c)
	at := aimOf(in)
	switch op.Name {
	case "ListBuckets":
		return []service.Check{{Action: "s3:ListAllMyBuckets", Resource: "arn:aws:s3:::*", Context: keys}}, nil
	case "CreateBucket":
		return createChecks(in.(*api.CreateBucketInput), keys), nil
	}
	b, err := s.store.bucket(ctx, at.bucket)
	if err != nil {
		return nil, err
	}
	allowOrigin(c, b)
	if c.HTTP != nil {
		if owner := c.HTTP.Request.Header.Get("X-Amz-Expected-Bucket-Owner"); owner != "" && owner != b.Account {
			return nil, accessDenied()
		}
	}
	if at.version != nil {
		keys["s3:versionid"] = []string{*at.version}
	}
	if op.Name == "DeleteObjects" {
		return nil, nil // each key is judged by the handler
	}
	resource := bucketARN(b.Name)
	if at.key != "" {
		resource = objectARN(b.Name, at.key)
	}
	if readsTags(op.Name) {
		if err := s.existingTags(ctx, b, at, keys); err != nil {
			return nil, err
		}
	}
	listKeys(in, keys)
	checks := []service.Check{s.check(c, b, actionFor(op.Actions[0], at.version), resource, keys)}
	more, err := s.moreChecks(ctx, c, b, in, resource, keys)
	return append(checks, more...), err
}

func createChecks(in *api.CreateBucketInput, keys policy.Keys) []service.Check {
	resource := bucketARN(smithy.Val(in.Bucket))
	if conf := in.CreateBucketConfiguration; conf != nil && conf.LocationConstraint != nil {
		keys["s3:locationconstraint"] = []string{*conf.LocationConstraint}
	}
	checks := []service.Check{{Action: "s3:CreateBucket", Resource: resource, Context: keys}}
	if in.ObjectOwnership != nil {
		checks = append(checks, service.Check{Action: "s3:PutBucketOwnershipControls", Resource: resource, Context: keys})
	}
	if in.ACL != nil {
		checks = append(checks, service.Check{Action: "s3:PutBucketAcl", Resource: resource, Context: keys})
	}
	if conf := in.CreateBucketConfiguration; conf != nil && len(conf.Tags) > 0 {
		checks = append(checks, service.Check{Action: "s3:PutBucketTagging", Resource: resource, Context: keys})
	}
	return checks
}

// check is an action on a bucket or an object in it. The bucket's policy counts
// for nobody outside its account where public policies are restricted.
func (s *Service) check(c *service.Call, b *bucket, action, resource string, keys policy.Keys) service.Check {
	p := b.compiled
	restricted := b.Public != nil && b.Public.Restrict && b.isPublic
	if restricted && c.Caller.Kind != policy.Service && c.Caller.AccountID != b.Account {
		p = nil
	}
	return service.Check{Action: action, Resource: resource, Account: b.Account, Context: keys, Policy: p}
}

// moreChecks are the actions that a request needs besides its operation's own.
func (s *Service) moreChecks(ctx context.Context, c *service.Call, b *bucket, in any, resource string, keys policy.Keys) ([]service.Check, error) {
	var out []service.Check
	add := func(needed bool, action string) {
		if needed {
			out = append(out, s.check(c, b, action, resource, keys))
		}
	}
	switch in := in.(type) {
	case *api.PutObjectInput:
		tagKeys(in.Tagging, keys)
		add(in.Tagging != nil, "s3:PutObjectTagging")
		add(in.ACL != nil, "s3:PutObjectAcl")
	case *api.CreateMultipartUploadInput:
		tagKeys(in.Tagging, keys)
		add(in.Tagging != nil, "s3:PutObjectTagging")
		add(in.ACL != nil, "s3:PutObjectAcl")
	case *api.CopyObjectInput:
		tagKeys(in.Tagging, keys)
		add(in.Tagging != nil, "s3:PutObjectTagging")
		add(in.ACL != nil, "s3:PutObjectAcl")
		keys["s3:x-amz-copy-source"] = []string{smithy.Val(in.CopySource)}
		src, err := s.sourceCheck(ctx, c, in.CopySource)
		return append(out, src...), err
	case *api.UploadPartCopyInput:
		keys["s3:x-amz-copy-source"] = []string{smithy.Val(in.CopySource)}
		return s.sourceCheck(ctx, c, in.CopySource)
	case *api.GetObjectAttributesInput:
		add(true, actionFor("s3:GetObject", in.VersionId))
	}
	return out, nil
}

func (s *Service) sourceCheck(ctx context.Context, c *service.Call, header *string) ([]service.Check, error) {
	src, err := parseSource(smithy.Val(header))
	if err != nil {
		return nil, err
	}
	b, err := s.store.bucket(ctx, src.bucket)
	if err != nil {
		return nil, err
	}
	keys := requestKeys(c)
	if src.version != nil {
		keys["s3:versionid"] = []string{*src.version}
	}
	if err := s.existingTags(ctx, b, aim{bucket: src.bucket, key: src.key, version: src.version}, keys); err != nil {
		return nil, err
	}
	return []service.Check{s.check(c, b, actionFor("s3:GetObject", src.version), objectARN(b.Name, src.key), keys)}, nil
}

// requestKeys are the condition keys that headers and signature give.
func requestKeys(c *service.Call) policy.Keys {
	keys := policy.Keys{}
	if c.HTTP == nil {
		return keys
	}
	r := c.HTTP.Request
	if c.Caller.Kind != policy.Anonymous {
		keys["s3:signatureversion"] = []string{"AWS4-HMAC-SHA256"}
		keys["s3:authtype"] = []string{"REST-HEADER"}
		if c.HTTP.Presigned {
			keys["s3:authtype"] = []string{"REST-QUERY-STRING"}
		}
	}
	for _, name := range []string{
		"x-amz-acl", "x-amz-server-side-encryption", "x-amz-storage-class", "x-amz-metadata-directive", "x-amz-content-sha256",
		"x-amz-object-ownership", "x-amz-grant-full-control", "x-amz-grant-read", "x-amz-grant-read-acp", "x-amz-grant-write",
		"x-amz-grant-write-acp", "if-match", "if-none-match", "x-amz-server-side-encryption-aws-kms-key-id",
		"x-amz-server-side-encryption-customer-algorithm", "x-amz-website-redirect-location",
	} {
		if v := r.Header.Get(name); v != "" {
			keys["s3:"+name] = []string{v}
		}
	}
	return keys
}

// listKeys are the condition keys of listings.
func listKeys(in any, keys policy.Keys) {
	set := func(name string, v *string) {
		if v != nil {
			keys["s3:"+name] = []string{*v}
		}
	}
	number := func(v *int32) {
		if v != nil {
			keys["s3:max-keys"] = []string{strconv.Itoa(int(*v))}
		}
	}
	switch in := in.(type) {
	case *api.ListObjectsInput:
		set("prefix", in.Prefix)
		set("delimiter", in.Delimiter)
		number(in.MaxKeys)
	case *api.ListObjectsV2Input:
		set("prefix", in.Prefix)
		set("delimiter", in.Delimiter)
		number(in.MaxKeys)
	case *api.ListObjectVersionsInput:
		set("prefix", in.Prefix)
		set("delimiter", in.Delimiter)
		number(in.MaxKeys)
	case *api.ListMultipartUploadsInput:
		set("prefix", in.Prefix)
		set("delimiter", in.Delimiter)
	}
}

// tagKeys are the condition keys of tags that a request sets.
func tagKeys(header *string, keys policy.Keys) {
	tags, err := tagging.Parse(header)
	if err != nil {
		return // the handler refuses it
	}
	for _, t := range tags {
		keys["s3:requestobjecttag/"+strings.ToLower(t.Key)] = []string{t.Value}
		keys["s3:requestobjecttagkeys"] = append(keys["s3:requestobjecttagkeys"], t.Key)
	}
}

func readsTags(operation string) bool {
	switch operation {
	case "GetObject", "HeadObject", "GetObjectAcl", "GetObjectTagging", "PutObjectTagging", "DeleteObjectTagging", "GetObjectAttributes", "PutObjectAcl":
		return true
	}
	return false
}

// existingTags are the condition keys of the tags that an object has.
func (s *Service) existingTags(ctx context.Context, b *bucket, at aim, keys policy.Keys) error {
	var o *object
	var err error
	if at.version != nil {
		o, err = s.store.version(ctx, b, at.key, *at.version)
	} else {
		o, err = s.store.current(ctx, b, at.key)
	}
	if err != nil || o == nil {
		return err
	}
	for _, t := range o.Tags {
		keys["s3:existingobjecttag/"+strings.ToLower(t.Key)] = []string{t.Value}
	}
	return nil
}
