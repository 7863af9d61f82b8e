// Package template makes buckets and bucket policies from CloudFormation
// templates, through S3's own operations. Properties that the structs lack are
// not honoured and fail.
package template

import (
	"context"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
)

// bucketProperties are the properties of AWS::S3::Bucket that are honoured.
type bucketProperties struct {
	BucketName                     *string
	AccessControl                  *string
	BucketEncryption               *cfnEncryption
	PublicAccessBlockConfiguration *api.PublicAccessBlockConfiguration
	WebsiteConfiguration           *cfnWebsite
	VersioningConfiguration        *cfnVersioning
	CorsConfiguration              *cfnCORS
	NotificationConfiguration      *cfnNotification
	OwnershipControls              *api.OwnershipControls
	Tags                           []api.Tag

	lasting
	reporting
}

type cfnVersioning struct{ Status *string }

type cfnEncryption struct {
	ServerSideEncryptionConfiguration []struct {
		BucketKeyEnabled              *bool
		ServerSideEncryptionByDefault *api.ServerSideEncryptionByDefault
		BlockedEncryptionTypes        *api.BlockedEncryptionTypes
	}
}

func (e *cfnEncryption) api() *api.ServerSideEncryptionConfiguration {
	out := &api.ServerSideEncryptionConfiguration{}
	for _, r := range e.ServerSideEncryptionConfiguration {
		out.Rules = append(out.Rules, api.ServerSideEncryptionRule{ApplyServerSideEncryptionByDefault: r.ServerSideEncryptionByDefault, BucketKeyEnabled: r.BucketKeyEnabled, BlockedEncryptionTypes: r.BlockedEncryptionTypes})
	}
	return out
}

type cfnCORS struct {
	CorsRules []struct {
		AllowedHeaders, AllowedMethods, AllowedOrigins, ExposedHeaders []string
		Id                                                             *string
		MaxAge                                                         *int32
	}
}

func (p *cfnCORS) api() *api.CORSConfiguration {
	out := &api.CORSConfiguration{}
	for _, r := range p.CorsRules {
		out.CORSRules = append(out.CORSRules, api.CORSRule{
			ID: r.Id, AllowedHeaders: r.AllowedHeaders, AllowedMethods: r.AllowedMethods, AllowedOrigins: r.AllowedOrigins,
			ExposeHeaders: r.ExposedHeaders, MaxAgeSeconds: r.MaxAge,
		})
	}
	return out
}

type cfnWebsite struct {
	IndexDocument, ErrorDocument *string
	RedirectAllRequestsTo        *api.RedirectAllRequestsTo
	RoutingRules                 []struct {
		RedirectRule         *api.Redirect
		RoutingRuleCondition *api.Condition
	}
}

func (p *cfnWebsite) api() *api.WebsiteConfiguration {
	out := &api.WebsiteConfiguration{RedirectAllRequestsTo: p.RedirectAllRequestsTo}
	if p.IndexDocument != nil {
		out.IndexDocument = &api.IndexDocument{Suffix: p.IndexDocument}
	}
	if p.ErrorDocument != nil {
		out.ErrorDocument = &api.ErrorDocument{Key: p.ErrorDocument}
	}
	for _, r := range p.RoutingRules {
		out.RoutingRules = append(out.RoutingRules, api.RoutingRule{Redirect: r.RedirectRule, Condition: r.RoutingRuleCondition})
	}
	return out
}

type policyProperties struct {
	Bucket         *string
	PolicyDocument any
}

const nameBytesMax = 63

// types makes resources; exists tells whether a bucket name is taken, and port
// is where websites are reached.
type types struct {
	exists func(ctx context.Context, name string) (bool, error)
	port   string
}

// Types are the resource types of S3.
func Types(port string, exists func(ctx context.Context, name string) (bool, error)) []service.ResourceType {
	t := &types{exists: exists, port: port}
	return []service.ResourceType{
		{
			Name: "AWS::S3::Bucket", New: func() any { return new(bucketProperties) }, Replace: []string{"BucketName"},
			Create: t.cfnCreateBucket, Update: t.cfnUpdateBucket, Delete: cfnDeleteBucket,
		},
		{
			Name: "AWS::S3::BucketPolicy", New: func() any { return new(policyProperties) }, Replace: []string{"Bucket"},
			Create: cfnPutPolicy, Update: cfnPutPolicy, Delete: cfnDeletePolicy,
		},
		pointType(),
	}
}

func (t *types) cfnCreateBucket(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*bucketProperties)
	name := smithy.Val(p.BucketName)
	if name == "" {
		name = strings.ToLower(r.GeneratedName(nameBytesMax))
	}
	in := &api.CreateBucketInput{Bucket: new(name), ObjectOwnership: ownershipOf(p), ObjectLockEnabledForBucket: p.ObjectLockEnabled}
	if c.Region != "us-east-1" {
		in.CreateBucketConfiguration = &api.CreateBucketConfiguration{LocationConstraint: new(c.Region)}
	}
	// In us-east-1 creating one's own bucket again succeeds; a stack must not
	// adopt a bucket that something else made. Generated names are its own.
	if p.BucketName != nil {
		taken, err := t.exists(ctx, name)
		if err != nil {
			return err
		}
		if taken {
			return fault.New("AlreadyExists", 409, "%s already exists", name)
		}
	}
	if _, err := service.Invoke(ctx, c, api.CreateBucket, in); err != nil {
		return err
	}
	r.PhysicalID = name
	t.setAttributes(c, r)
	return t.configure(ctx, c, r, &bucketProperties{})
}

func (t *types) setAttributes(c *service.Call, r *service.Resource) {
	name := r.PhysicalID
	website := "http://" + name + ".s3-website.localhost"
	if t.port != "" {
		website += ":" + t.port
	}
	r.Attributes = map[string]any{
		"Arn": "arn:aws:s3:::" + name, "DomainName": name + ".s3.amazonaws.com",
		"RegionalDomainName":  name + ".s3." + c.Region + ".amazonaws.com",
		"DualStackDomainName": name + ".s3.dualstack." + c.Region + ".amazonaws.com",
		"WebsiteURL":          website,
	}
}

func (t *types) cfnUpdateBucket(ctx context.Context, c *service.Call, r *service.Resource) error {
	old, _ := r.Old.(*bucketProperties)
	if old == nil {
		old = &bucketProperties{}
	}
	t.setAttributes(c, r)
	return t.configure(ctx, c, r, old)
}

// configure brings a bucket from what it was to what the template says.
func (t *types) configure(ctx context.Context, c *service.Call, r *service.Resource, old *bucketProperties) error {
	p, name := r.Properties.(*bucketProperties), new(r.PhysicalID)
	steps := []func(context.Context, *service.Call, *string, *bucketProperties, *bucketProperties) error{
		applyEncryption, applyPublicAccess, withdrawList, applyOwnership, applyList, applyVersioning, applyCORS, applyWebsite, applyNotification,
		applyLifecycle, applyLock, applyTiering, applyLogging, applyReplication, applyInventories,
	}
	for _, step := range steps {
		if err := step(ctx, c, name, p, old); err != nil {
			return err
		}
	}
	if len(p.Tags)+len(old.Tags)+len(r.Tags) == 0 {
		return nil
	}
	return applyTags(ctx, c, name, p, r.Tags)
}

func applyEncryption(ctx context.Context, c *service.Call, name *string, p, old *bucketProperties) (err error) {
	switch {
	case reflect.DeepEqual(p.BucketEncryption, old.BucketEncryption):
	case p.BucketEncryption == nil:
		_, err = service.Invoke(ctx, c, api.DeleteBucketEncryption, &api.DeleteBucketEncryptionInput{Bucket: name})
	default:
		_, err = service.Invoke(ctx, c, api.PutBucketEncryption, &api.PutBucketEncryptionInput{Bucket: name, ServerSideEncryptionConfiguration: p.BucketEncryption.api()})
	}
	return err
}

func applyPublicAccess(ctx context.Context, c *service.Call, name *string, p, old *bucketProperties) error {
	conf := p.PublicAccessBlockConfiguration
	if reflect.DeepEqual(conf, old.PublicAccessBlockConfiguration) {
		return nil
	}
	if conf == nil {
		conf = &api.PublicAccessBlockConfiguration{BlockPublicAcls: new(true), IgnorePublicAcls: new(true), BlockPublicPolicy: new(true), RestrictPublicBuckets: new(true)}
	}
	_, err := service.Invoke(ctx, c, api.PutPublicAccessBlock, &api.PutPublicAccessBlockInput{Bucket: name, PublicAccessBlockConfiguration: conf})
	return err
}

func applyOwnership(ctx context.Context, c *service.Call, name *string, p, old *bucketProperties) error {
	conf := p.OwnershipControls
	if reflect.DeepEqual(conf, old.OwnershipControls) {
		return nil
	}
	if conf == nil {
		conf = &api.OwnershipControls{Rules: []api.OwnershipControlsRule{{ObjectOwnership: new("BucketOwnerEnforced")}}}
	}
	_, err := service.Invoke(ctx, c, api.PutBucketOwnershipControls, &api.PutBucketOwnershipControlsInput{Bucket: name, OwnershipControls: conf})
	return err
}

func applyVersioning(ctx context.Context, c *service.Call, name *string, p, old *bucketProperties) error {
	if reflect.DeepEqual(p.VersioningConfiguration, old.VersioningConfiguration) {
		return nil
	}
	status := new("Suspended") // what was enabled cannot be undone
	if p.VersioningConfiguration != nil {
		status = p.VersioningConfiguration.Status
	}
	if old.VersioningConfiguration == nil && smithy.Val(status) == "Suspended" {
		return nil
	}
	_, err := service.Invoke(ctx, c, api.PutBucketVersioning, &api.PutBucketVersioningInput{Bucket: name, VersioningConfiguration: &api.VersioningConfiguration{Status: status}})
	return err
}

func applyCORS(ctx context.Context, c *service.Call, name *string, p, old *bucketProperties) (err error) {
	switch {
	case reflect.DeepEqual(p.CorsConfiguration, old.CorsConfiguration):
	case p.CorsConfiguration == nil:
		_, err = service.Invoke(ctx, c, api.DeleteBucketCors, &api.DeleteBucketCorsInput{Bucket: name})
	default:
		_, err = service.Invoke(ctx, c, api.PutBucketCors, &api.PutBucketCorsInput{Bucket: name, CORSConfiguration: p.CorsConfiguration.api()})
	}
	return err
}

func applyWebsite(ctx context.Context, c *service.Call, name *string, p, old *bucketProperties) (err error) {
	switch {
	case reflect.DeepEqual(p.WebsiteConfiguration, old.WebsiteConfiguration):
	case p.WebsiteConfiguration == nil:
		_, err = service.Invoke(ctx, c, api.DeleteBucketWebsite, &api.DeleteBucketWebsiteInput{Bucket: name})
	default:
		_, err = service.Invoke(ctx, c, api.PutBucketWebsite, &api.PutBucketWebsiteInput{Bucket: name, WebsiteConfiguration: p.WebsiteConfiguration.api()})
	}
	return err
}

func applyNotification(ctx context.Context, c *service.Call, name *string, p, old *bucketProperties) error {
	if reflect.DeepEqual(p.NotificationConfiguration, old.NotificationConfiguration) {
		return nil
	}
	conf := &api.NotificationConfiguration{}
	if p.NotificationConfiguration != nil {
		conf = p.NotificationConfiguration.api()
	}
	_, err := service.Invoke(ctx, c, api.PutBucketNotificationConfiguration, &api.PutBucketNotificationConfigurationInput{Bucket: name, NotificationConfiguration: conf})
	return err
}

// applyTags puts the resource's own tags over the stack's.
func applyTags(ctx context.Context, c *service.Call, name *string, p *bucketProperties, stack map[string]string) error {
	all := map[string]string{}
	maps.Copy(all, stack)
	for _, t := range p.Tags {
		all[smithy.Val(t.Key)] = smithy.Val(t.Value)
	}
	if len(all) == 0 {
		_, err := service.Invoke(ctx, c, api.DeleteBucketTagging, &api.DeleteBucketTaggingInput{Bucket: name})
		return err
	}
	var list []api.Tag
	for _, k := range slices.Sorted(maps.Keys(all)) {
		list = append(list, api.Tag{Key: new(k), Value: new(all[k])})
	}
	_, err := service.Invoke(ctx, c, api.PutBucketTagging, &api.PutBucketTaggingInput{Bucket: name, Tagging: &api.Tagging{TagSet: list}})
	return err
}

func cfnDeleteBucket(ctx context.Context, c *service.Call, r *service.Resource) error {
	_, err := service.Invoke(ctx, c, api.DeleteBucket, &api.DeleteBucketInput{Bucket: new(r.PhysicalID)})
	if fault.Is(err, "NoSuchBucket") {
		return nil
	}
	return err
}

func cfnPutPolicy(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*policyProperties)
	document, isText := p.PolicyDocument.(string)
	if !isText {
		raw, err := json.Marshal(p.PolicyDocument)
		if err != nil {
			return err
		}
		document = string(raw)
	}
	if _, err := service.Invoke(ctx, c, api.PutBucketPolicy, &api.PutBucketPolicyInput{Bucket: p.Bucket, Policy: new(document)}); err != nil {
		return err
	}
	r.PhysicalID = smithy.Val(p.Bucket)
	return nil
}

func cfnDeletePolicy(ctx context.Context, c *service.Call, r *service.Resource) error {
	_, err := service.Invoke(ctx, c, api.DeleteBucketPolicy, &api.DeleteBucketPolicyInput{Bucket: new(r.PhysicalID)})
	if fault.Is(err, "NoSuchBucket") {
		return nil
	}
	return err
}
