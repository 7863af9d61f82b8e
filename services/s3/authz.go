package s3

import (
	"context"
	"strconv"
	"strings"
	"time"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/grant"
	"moln.dev/moln/services/s3/lock"
	"moln.dev/moln/services/s3/naming"
	"moln.dev/moln/services/s3/op"
	"moln.dev/moln/services/s3/s3err"
	"moln.dev/moln/services/s3/store"
	"moln.dev/moln/services/s3/tagging"
)

// authorize says which actions a request needs. A bucket that does not exist is
// told to everyone, as S3 does.
func (s *Service) authorize(ctx context.Context, c *service.Call, model *smithy.Operation, in any) ([]service.Check, error) {
	if err := refused(c, model); err != nil {
		return nil, err
	}
	keys := op.RequestKeys(c)
	at := op.AimOf(in)
	switch model.Name {
	case "ListBuckets":
		return []service.Check{{Action: "s3:ListAllMyBuckets", Resource: "arn:aws:s3:::*", Context: keys}}, nil
	case "CreateBucket":
		return createChecks(in.(*api.CreateBucketInput), keys), nil
	}
	b, err := op.Resolve(ctx, c, s.store, model, in)
	if err != nil {
		return nil, err
	}
	at = op.AimOf(in)
	op.AllowOrigin(c, b)
	if c.HTTP != nil {
		if owner := c.HTTP.Request.Header.Get("X-Amz-Expected-Bucket-Owner"); owner != "" && owner != b.Account {
			return nil, s3err.AccessDenied()
		}
	}
	if err := op.Pays(c, b, op.TakesPayer(in)); err != nil {
		return nil, err
	}
	if at.Version != nil {
		keys["s3:versionid"] = []string{*at.Version}
	}
	if model.Name == "DeleteObjects" {
		return nil, nil // each key is judged by the handler
	}
	ask := op.Ask{Bucket: b, Action: op.ActionFor(model.Actions[0], at.Version), Key: at.Key, Keys: keys}
	if readsTags(model.Name) {
		if ask.Object, err = op.Stored(ctx, s.store, b, at); err != nil {
			return nil, err
		}
		op.Keep(c, b, at, ask.Object)
		op.TagKeys(ask.Object, keys)
	}
	if creates, ok := creation[model.Name]; ok {
		keys["s3:objectcreationoperation"] = []string{strconv.FormatBool(creates)}
	}
	listKeys(in, keys)
	more, err := s.moreChecks(ctx, c, ask, in) // adds to the keys
	if err != nil {
		return nil, err
	}
	checks, err := ask.Checks(c)
	return append(checks, more...), err
}

// creation tells which of the operations that need s3:PutObject make an object:
// those that a condition of the request can be demanded of.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes-enforce.html
var creation = map[string]bool{
	"PutObject": true, "CopyObject": true, "CompleteMultipartUpload": true,
	"CreateMultipartUpload": false, "UploadPart": false, "UploadPartCopy": false, "UpdateObjectEncryption": false,
}

func createChecks(in *api.CreateBucketInput, keys policy.Keys) []service.Check {
	resource := naming.BucketARN(smithy.Val(in.Bucket))
	if conf := in.CreateBucketConfiguration; conf != nil && conf.LocationConstraint != nil {
		keys["s3:locationconstraint"] = []string{*conf.LocationConstraint}
	}
	if conf := in.CreateBucketConfiguration; conf != nil {
		for _, t := range conf.Tags {
			keys["aws:requesttag/"+strings.ToLower(smithy.Val(t.Key))] = []string{smithy.Val(t.Value)}
			keys["aws:tagkeys"] = append(keys["aws:tagkeys"], smithy.Val(t.Key))
		}
	}
	checks := []service.Check{{Action: "s3:CreateBucket", Resource: resource, Context: keys}}
	if in.ObjectOwnership != nil {
		checks = append(checks, service.Check{Action: "s3:PutBucketOwnershipControls", Resource: resource, Context: keys})
	}
	if list := op.BucketList(in); list.Given() {
		checks = append(checks, service.Check{Action: "s3:PutBucketAcl", Resource: resource, Context: keys})
	}
	if smithy.Val(in.ObjectLockEnabledForBucket) {
		checks = append(checks,
			service.Check{Action: "s3:PutBucketObjectLockConfiguration", Resource: resource, Context: keys},
			service.Check{Action: "s3:PutBucketVersioning", Resource: resource, Context: keys})
	}
	if conf := in.CreateBucketConfiguration; conf != nil && len(conf.Tags) > 0 {
		checks = append(checks, service.Check{Action: "s3:TagResource", Resource: resource, Context: keys})
	}
	return checks
}

// moreChecks are the actions that a request needs besides its operation's own.
func (s *Service) moreChecks(ctx context.Context, c *service.Call, ask op.Ask, in any) (out []service.Check, err error) {
	add := func(needed bool, action string) {
		if !needed || err != nil {
			return
		}
		var checks []service.Check
		ask.Action = action
		checks, err = ask.Checks(c)
		out = append(out, checks...)
	}
	// A new object's list and tags are its writer's to set: the version that
	// it replaces has no say.
	attributes := func(list grant.Request, tags *string) {
		tagKeys(tags, ask.Keys)
		add(tags != nil, "s3:PutObjectTagging")
		add(list.Given(), "s3:PutObjectAcl")
	}
	locks := func(mode *string, until *time.Time, hold *string) {
		lock.Keys(ask.Keys, mode, until, hold, c.Now)
		add(mode != nil || until != nil, "s3:PutObjectRetention")
		add(hold != nil, "s3:PutObjectLegalHold")
	}
	switch in := in.(type) {
	case *api.PutObjectInput:
		locks(in.ObjectLockMode, in.ObjectLockRetainUntilDate, in.ObjectLockLegalHoldStatus)
		attributes(op.PutList(in), in.Tagging)
	case *api.CreateMultipartUploadInput:
		locks(in.ObjectLockMode, in.ObjectLockRetainUntilDate, in.ObjectLockLegalHoldStatus)
		attributes(op.UploadList(in), in.Tagging)
	case *api.CopyObjectInput:
		ask.Keys["s3:x-amz-copy-source"] = []string{sourceText(in.CopySource)}
		locks(in.ObjectLockMode, in.ObjectLockRetainUntilDate, in.ObjectLockLegalHoldStatus)
		attributes(op.CopyList(in), in.Tagging)
		if err != nil {
			return nil, err
		}
		src, err := s.sourceCheck(ctx, c, in.CopySource)
		return append(out, src...), err
	case *api.UploadPartCopyInput:
		if _, err := checkPartNumber(in.PartNumber); err != nil {
			return nil, err // before the source is looked for
		}
		ask.Keys["s3:x-amz-copy-source"] = []string{sourceText(in.CopySource)}
		return s.sourceCheck(ctx, c, in.CopySource)
	case *api.PutObjectRetentionInput:
		if r := in.Retention; r != nil {
			lock.Keys(ask.Keys, r.Mode, r.RetainUntilDate, nil, c.Now)
		}
	case *api.PutObjectLegalHoldInput:
		if h := in.LegalHold; h != nil {
			lock.Keys(ask.Keys, nil, nil, h.Status, c.Now)
		}
	case *api.UpdateObjectEncryptionInput:
		if e := in.ObjectEncryption; e != nil && e.SSEKMS != nil {
			ask.Keys["s3:x-amz-server-side-encryption"] = []string{store.EncryptionKMS}
			ask.Keys["s3:x-amz-server-side-encryption-aws-kms-key-id"] = []string{smithy.Val(e.SSEKMS.KMSKeyArn)}
		}
		add(true, "s3:PutObject")
	case *api.GetObjectAttributesInput:
		add(true, op.ActionFor("s3:GetObject", in.VersionId))
	}
	return out, err
}

func (s *Service) sourceCheck(ctx context.Context, c *service.Call, header *string) ([]service.Check, error) {
	src, err := parseSource(smithy.Val(header))
	if err != nil {
		return nil, err
	}
	b, through, err := op.Reach(ctx, c, s.store, src.bucket)
	if err != nil {
		return nil, err
	}
	if c.HTTP != nil {
		if owner := c.HTTP.Request.Header.Get("X-Amz-Source-Expected-Bucket-Owner"); owner != "" && owner != b.Account {
			return nil, s3err.AccessDenied()
		}
	}
	if err := op.Pays(c, b, true); err != nil {
		return nil, err
	}
	keys := op.RequestKeys(c)
	if src.version != nil {
		keys["s3:versionid"] = []string{*src.version}
	}
	o, err := op.Stored(ctx, s.store, b, op.Aim{Bucket: src.bucket, Key: src.key, Version: src.version})
	if err != nil {
		return nil, err
	}
	op.TagKeys(o, keys)
	return op.Ask{Bucket: b, Action: op.ActionFor("s3:GetObject", src.version), Key: src.key, Object: o, Keys: keys}.Checks(through)
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
	case *api.PutObjectTaggingInput:
		if in.Tagging != nil {
			for _, t := range in.Tagging.TagSet {
				tagKey(smithy.Val(t.Key), smithy.Val(t.Value), keys)
			}
		}
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
		tagKey(t.Key, t.Value, keys)
	}
}

// tagKey adds one tag. Names of condition keys have no case, those of tags do:
// where two tags have one name as keys, neither hides the other.
func tagKey(name, value string, keys policy.Keys) {
	key := "s3:requestobjecttag/" + strings.ToLower(name)
	keys[key] = append(keys[key], value)
	keys["s3:requestobjecttagkeys"] = append(keys["s3:requestobjecttagkeys"], name)
}

func readsTags(operation string) bool {
	switch operation {
	case "GetObject", "HeadObject", "GetObjectAcl", "GetObjectTagging", "PutObjectTagging", "DeleteObjectTagging", "GetObjectAttributes", "PutObjectAcl",
		"RestoreObject", "UpdateObjectEncryption":
		return true
	}
	return false
}
