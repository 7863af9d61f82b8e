package template

import (
	"context"
	"reflect"
	"time"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
)

// lasting are the properties of AWS::S3::Bucket that say how long objects stay,
// and where.
type lasting struct {
	LifecycleConfiguration           *cfnLifecycle
	ObjectLockEnabled                *bool
	ObjectLockConfiguration          *api.ObjectLockConfiguration
	IntelligentTieringConfigurations []cfnTiering
}

type cfnLifecycle struct {
	Rules                              []cfnRule
	TransitionDefaultMinimumObjectSize *string
}

// cfnRule is a lifecycle rule as templates write it: the older properties for
// one transition stand beside the lists.
type cfnRule struct {
	Id, Status, Prefix                *string
	TagFilters                        []api.Tag
	ObjectSizeGreaterThan             *int64
	ObjectSizeLessThan                *int64
	AbortIncompleteMultipartUpload    *api.AbortIncompleteMultipartUpload
	ExpirationDate                    *time.Time
	ExpirationInDays                  *int32
	ExpiredObjectDeleteMarker         *bool
	NoncurrentVersionExpiration       *api.NoncurrentVersionExpiration
	NoncurrentVersionExpirationInDays *int32
	NoncurrentVersionTransition       *cfnNoncurrentTransition
	NoncurrentVersionTransitions      []cfnNoncurrentTransition
	Transition                        *cfnTransition
	Transitions                       []cfnTransition
}

type cfnTransition struct {
	StorageClass     *string
	TransitionDate   *time.Time
	TransitionInDays *int32
}

type cfnNoncurrentTransition struct {
	StorageClass            *string
	TransitionInDays        *int32
	NewerNoncurrentVersions *int32
}

func (l *cfnLifecycle) api() *api.BucketLifecycleConfiguration {
	out := &api.BucketLifecycleConfiguration{}
	for i := range l.Rules {
		out.Rules = append(out.Rules, l.Rules[i].api())
	}
	return out
}

func (r *cfnRule) api() api.LifecycleRule {
	out := api.LifecycleRule{
		ID: r.Id, Status: r.Status, Filter: r.filter(),
		AbortIncompleteMultipartUpload: r.AbortIncompleteMultipartUpload, NoncurrentVersionExpiration: r.NoncurrentVersionExpiration,
	}
	if r.ExpirationDate != nil || r.ExpirationInDays != nil || r.ExpiredObjectDeleteMarker != nil {
		out.Expiration = &api.LifecycleExpiration{Date: r.ExpirationDate, Days: r.ExpirationInDays, ExpiredObjectDeleteMarker: r.ExpiredObjectDeleteMarker}
	}
	if out.NoncurrentVersionExpiration == nil && r.NoncurrentVersionExpirationInDays != nil {
		out.NoncurrentVersionExpiration = &api.NoncurrentVersionExpiration{NoncurrentDays: r.NoncurrentVersionExpirationInDays}
	}
	moves := r.Transitions
	if r.Transition != nil {
		moves = append([]cfnTransition{*r.Transition}, moves...)
	}
	for _, t := range moves {
		out.Transitions = append(out.Transitions, api.Transition{StorageClass: t.StorageClass, Date: t.TransitionDate, Days: t.TransitionInDays})
	}
	older := r.NoncurrentVersionTransitions
	if r.NoncurrentVersionTransition != nil {
		older = append([]cfnNoncurrentTransition{*r.NoncurrentVersionTransition}, older...)
	}
	for _, t := range older {
		out.NoncurrentVersionTransitions = append(out.NoncurrentVersionTransitions, api.NoncurrentVersionTransition{
			StorageClass: t.StorageClass, NoncurrentDays: t.TransitionInDays, NewerNoncurrentVersions: t.NewerNoncurrentVersions,
		})
	}
	return out
}

// filter is the API's one filter for what templates write side by side. Rules
// are always of the newer form, since a configuration cannot mix both.
func (r *cfnRule) filter() *api.LifecycleRuleFilter {
	and := &api.LifecycleRuleAndOperator{Prefix: r.Prefix, Tags: r.TagFilters, ObjectSizeGreaterThan: r.ObjectSizeGreaterThan, ObjectSizeLessThan: r.ObjectSizeLessThan}
	n := len(r.TagFilters)
	for _, set := range []bool{r.Prefix != nil, r.ObjectSizeGreaterThan != nil, r.ObjectSizeLessThan != nil} {
		if set {
			n++
		}
	}
	switch {
	case n > 1:
		return &api.LifecycleRuleFilter{And: and}
	case len(r.TagFilters) == 1:
		return &api.LifecycleRuleFilter{Tag: &r.TagFilters[0]}
	case n == 0:
		return &api.LifecycleRuleFilter{Prefix: new("")}
	}
	return &api.LifecycleRuleFilter{Prefix: r.Prefix, ObjectSizeGreaterThan: r.ObjectSizeGreaterThan, ObjectSizeLessThan: r.ObjectSizeLessThan}
}

type cfnTiering struct {
	Id, Prefix, Status *string
	TagFilters         []api.Tag
	Tierings           []api.Tiering
}

func (t *cfnTiering) api() *api.IntelligentTieringConfiguration {
	out := &api.IntelligentTieringConfiguration{Id: t.Id, Status: t.Status, Tierings: t.Tierings}
	switch {
	case len(t.TagFilters) == 0 && t.Prefix == nil:
	case len(t.TagFilters) == 0:
		out.Filter = &api.IntelligentTieringFilter{Prefix: t.Prefix}
	case len(t.TagFilters) == 1 && t.Prefix == nil:
		out.Filter = &api.IntelligentTieringFilter{Tag: &t.TagFilters[0]}
	default:
		out.Filter = &api.IntelligentTieringFilter{And: &api.IntelligentTieringAndOperator{Prefix: t.Prefix, Tags: t.TagFilters}}
	}
	return out
}

func applyLifecycle(ctx context.Context, c *service.Call, name *string, p, old *bucketProperties) (err error) {
	conf := p.LifecycleConfiguration
	switch {
	case reflect.DeepEqual(conf, old.LifecycleConfiguration):
	case conf == nil:
		_, err = service.Invoke(ctx, c, api.DeleteBucketLifecycle, &api.DeleteBucketLifecycleInput{Bucket: name})
	default:
		_, err = service.Invoke(ctx, c, api.PutBucketLifecycleConfiguration, &api.PutBucketLifecycleConfigurationInput{
			Bucket: name, LifecycleConfiguration: conf.api(), TransitionDefaultMinimumObjectSize: conf.TransitionDefaultMinimumObjectSize,
		})
	}
	return err
}

// applyLock sets the default retention. Object Lock can be switched on later as
// well, but never off.
func applyLock(ctx context.Context, c *service.Call, name *string, p, old *bucketProperties) error {
	conf := p.ObjectLockConfiguration
	was, now := smithy.Val(old.ObjectLockEnabled), smithy.Val(p.ObjectLockEnabled)
	switch {
	case was && !now:
		return fault.New("InvalidRequest", 400, "Object Lock cannot be disabled once it is enabled")
	case was == now && reflect.DeepEqual(conf, old.ObjectLockConfiguration):
		return nil
	case conf == nil:
		conf = &api.ObjectLockConfiguration{ObjectLockEnabled: new("Enabled")}
	}
	_, err := service.Invoke(ctx, c, api.PutObjectLockConfiguration, &api.PutObjectLockConfigurationInput{Bucket: name, ObjectLockConfiguration: conf})
	return err
}

func applyTiering(ctx context.Context, c *service.Call, name *string, p, old *bucketProperties) error {
	was := map[string]cfnTiering{}
	for _, t := range old.IntelligentTieringConfigurations {
		was[smithy.Val(t.Id)] = t
	}
	for _, t := range p.IntelligentTieringConfigurations {
		before, ok := was[smithy.Val(t.Id)]
		delete(was, smithy.Val(t.Id))
		if ok && reflect.DeepEqual(before, t) {
			continue
		}
		in := &api.PutBucketIntelligentTieringConfigurationInput{Bucket: name, Id: t.Id, IntelligentTieringConfiguration: t.api()}
		if _, err := service.Invoke(ctx, c, api.PutBucketIntelligentTieringConfiguration, in); err != nil {
			return err
		}
	}
	for id := range was {
		in := &api.DeleteBucketIntelligentTieringConfigurationInput{Bucket: name, Id: new(id)}
		if _, err := service.Invoke(ctx, c, api.DeleteBucketIntelligentTieringConfiguration, in); err != nil {
			return err
		}
	}
	return nil
}
