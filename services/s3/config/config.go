// Package config answers the operations on the configuration of buckets that
// need nothing but the store: versioning, policy, public access block, CORS,
// website, tags, encryption. What the configuration does is elsewhere.
package config

import (
	"context"
	"strconv"
	"strings"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/access"
	"moln.dev/moln/services/s3/cors"
	"moln.dev/moln/services/s3/naming"
	"moln.dev/moln/services/s3/op"
	"moln.dev/moln/services/s3/s3err"
	"moln.dev/moln/services/s3/store"
	"moln.dev/moln/services/s3/website"
)

// Handlers answers them. It is safe for concurrent use.
type Handlers struct{ store *store.Store }

// New returns the handlers over a store.
func New(st *store.Store) *Handlers { return &Handlers{st} }

// Operations are those on the configuration.
func (s *Handlers) Operations() []service.Operation {
	return service.Table[*Handlers]{
		service.Partial(api.PutBucketVersioning, op.Verified((*Handlers).putBucketVersioning), "MFA delete is refused"),
		service.Full(api.GetBucketVersioning, (*Handlers).getBucketVersioning),
		service.Full(api.PutBucketPolicy, op.Verified((*Handlers).putBucketPolicy)),
		service.Full(api.GetBucketPolicy, (*Handlers).getBucketPolicy),
		service.Full(api.DeleteBucketPolicy, (*Handlers).deleteBucketPolicy),
		service.Full(api.GetBucketPolicyStatus, (*Handlers).getBucketPolicyStatus),
		service.Full(api.PutPublicAccessBlock, op.Verified((*Handlers).putPublicAccessBlock)),
		service.Full(api.GetPublicAccessBlock, (*Handlers).getPublicAccessBlock),
		service.Full(api.DeletePublicAccessBlock, (*Handlers).deletePublicAccessBlock),
		service.Full(api.PutBucketCors, op.Verified((*Handlers).putBucketCORS)),
		service.Full(api.GetBucketCors, (*Handlers).getBucketCORS),
		service.Full(api.DeleteBucketCors, (*Handlers).deleteBucketCORS),
		service.Full(api.PutBucketWebsite, op.Verified((*Handlers).putBucketWebsite)),
		service.Full(api.GetBucketWebsite, (*Handlers).getBucketWebsite),
		service.Full(api.DeleteBucketWebsite, (*Handlers).deleteBucketWebsite),
		service.Full(api.PutBucketTagging, op.Verified((*Handlers).putBucketTagging)),
		service.Full(api.GetBucketTagging, (*Handlers).getBucketTagging),
		service.Full(api.DeleteBucketTagging, (*Handlers).deleteBucketTagging),
		service.Full(api.PutBucketEncryption, op.Verified((*Handlers).putBucketEncryption)),
		service.Full(api.GetBucketEncryption, (*Handlers).getBucketEncryption),
		service.Full(api.DeleteBucketEncryption, (*Handlers).deleteBucketEncryption),
		service.Partial(api.PutBucketAccelerateConfiguration, op.Verified((*Handlers).putBucketAccelerate), "Enabled is refused: moln has no endpoint for transfer acceleration"),
		service.Full(api.GetBucketAccelerateConfiguration, (*Handlers).getBucketAccelerate),
		service.Full(api.PutBucketRequestPayment, op.Verified((*Handlers).putBucketRequestPayment)),
		service.Full(api.GetBucketRequestPayment, (*Handlers).getBucketRequestPayment),
	}.Bind(s)
}

// policyBytesMax bounds a bucket policy.
const policyBytesMax = 20 << 10

func (s *Handlers) putBucketVersioning(ctx context.Context, _ *service.Call, in *api.PutBucketVersioningInput) (*api.PutBucketVersioningOutput, error) {
	conf := in.VersioningConfiguration
	if conf == nil {
		return nil, s3err.MalformedXML()
	}
	if in.MFA != nil || smithy.Val(conf.MFADelete) == "Enabled" {
		return nil, s3err.NotImplemented("moln has no MFA delete")
	}
	switch status := smithy.Val(conf.Status); status {
	case store.VersioningEnabled, store.VersioningSuspended:
		return nil, s.store.ChangeBucket(ctx, smithy.Val(in.Bucket), func(b *store.Bucket) error {
			if b.Lock != nil && status != store.VersioningEnabled {
				return fault.New("InvalidBucketState", 409, "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.")
			}
			if b.Replication != nil && status != store.VersioningEnabled {
				return fault.New("InvalidBucketState", 409, "A replication configuration is present on this bucket, so you cannot change the versioning state. To change the versioning state, first delete the replication configuration.")
			}
			b.Versioning = status
			return nil
		})
	}
	return nil, fault.New("IllegalVersioningConfigurationException", 400, "The Versioning element must be specified")
}

func (s *Handlers) getBucketVersioning(ctx context.Context, _ *service.Call, in *api.GetBucketVersioningInput) (*api.GetBucketVersioningOutput, error) {
	b, err := s.store.Bucket(ctx, smithy.Val(in.Bucket))
	if err != nil || b.Versioning == "" {
		return nil, err
	}
	return &api.GetBucketVersioningOutput{Status: new(b.Versioning)}, nil
}

func malformedPolicy(message string) error {
	return fault.New("MalformedPolicy", 400, "%s", message)
}

// checkPolicy parses a bucket policy: its resources must be the bucket's.
func checkPolicy(document, bucketName string) error {
	if err := CheckPolicy(document, func(document []byte) bool { return access.OwnResources(document, bucketName) }); err != nil {
		return err
	}
	if text := access.Conditions([]byte(document)); text != "" {
		return malformedPolicy(text)
	}
	if !access.Applies([]byte(document)) {
		return malformedPolicy("Action does not apply to any resource(s) in statement")
	}
	return nil
}

// CheckPolicy parses the policy of a bucket or an access point; own tells
// whether it speaks of nothing else.
func CheckPolicy(document string, own func(document []byte) bool) error {
	if document == "" {
		return malformedPolicy("Policies must be valid JSON and the first byte must be '{'")
	}
	if len(document) > policyBytesMax {
		return fault.New("PolicyTooLarge", 400, "The policy exceeds the maximum allowed document size.")
	}
	if !strings.HasPrefix(strings.TrimSpace(document), "{") {
		return malformedPolicy("Policies must be valid JSON and the first byte must be '{'")
	}
	if _, err := policy.Parse([]byte(document), policy.Resource); err != nil {
		if text := access.Fault([]byte(document)); text != "" {
			return malformedPolicy(text)
		}
		return policyFault(err)
	}
	if !own([]byte(document)) {
		return malformedPolicy("Policy has invalid resource")
	}
	return nil
}

// policyFault words what is wrong with a policy as S3 does.
func policyFault(err error) error {
	bad, ok := err.(*policy.Malformed)
	if !ok {
		return err
	}
	switch bad.Reason {
	case policy.ReasonPrincipal:
		return malformedPolicy("Invalid principal in policy")
	case policy.ReasonAction:
		return malformedPolicy("Policy has invalid action")
	case policy.ReasonResource:
		return malformedPolicy("Policy has invalid resource")
	case policy.ReasonCondition:
		if strings.HasPrefix(bad.Message, "Invalid Condition type") {
			return malformedPolicy(strings.TrimSuffix(bad.Message, "."))
		}
		return malformedPolicy("Policy has an invalid condition key")
	case policy.ReasonEffect:
		return malformedPolicy("Missing required field Effect")
	case policy.ReasonSid:
		return malformedPolicy(bad.Message)
	case policy.ReasonSyntax, policy.ReasonVersion:
	}
	return malformedPolicy("This policy contains invalid Json")
}

// ownersOnly refuses identities of other accounts, whatever the policy lets them
// do: else whoever it lets do everything could take the bucket over.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketPolicy.html
func ownersOnly(c *service.Call, b *store.Bucket) error {
	if c.Caller.Kind == policy.Service || c.Caller.AccountID == b.Account {
		return nil
	}
	return s3err.MethodNotAllowed()
}

func (s *Handlers) putBucketPolicy(ctx context.Context, c *service.Call, in *api.PutBucketPolicyInput) (*api.PutBucketPolicyOutput, error) {
	document, name := smithy.Val(in.Policy), smithy.Val(in.Bucket)
	if err := checkPolicy(document, name); err != nil {
		return nil, err
	}
	public := access.IsPublic([]byte(document))
	return nil, s.store.ChangeBucket(ctx, name, func(b *store.Bucket) error {
		if err := ownersOnly(c, b); err != nil {
			return err
		}
		if public && b.Block().BlockPolicy {
			return api.ErrAccessDenied("User: %s is not authorized to perform: s3:PutBucketPolicy on resource: %q because public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access.", c.Caller.ARN, naming.BucketARN(name))
		}
		b.Policy = document
		return nil
	})
}

func (s *Handlers) getBucketPolicy(ctx context.Context, c *service.Call, in *api.GetBucketPolicyInput) (*api.GetBucketPolicyOutput, error) {
	b, err := s.store.Bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	if err := ownersOnly(c, b); err != nil {
		return nil, err
	}
	if b.Policy == "" {
		return nil, s3err.NotFound("NoSuchBucketPolicy", "The bucket policy does not exist")
	}
	if c.HTTP != nil {
		c.HTTP.Header.Set("Content-Type", "application/json")
	}
	return &api.GetBucketPolicyOutput{Policy: new(b.Policy)}, nil
}

func (s *Handlers) deleteBucketPolicy(ctx context.Context, c *service.Call, in *api.DeleteBucketPolicyInput) (*api.DeleteBucketPolicyOutput, error) {
	return nil, s.store.ChangeBucket(ctx, smithy.Val(in.Bucket), func(b *store.Bucket) error {
		if err := ownersOnly(c, b); err != nil {
			return err
		}
		b.Policy = ""
		return nil
	})
}

func (s *Handlers) getBucketPolicyStatus(ctx context.Context, _ *service.Call, in *api.GetBucketPolicyStatusInput) (*api.GetBucketPolicyStatusOutput, error) {
	b, err := s.store.Bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	if b.Policy == "" {
		return nil, s3err.NotFound("NoSuchBucketPolicy", "The bucket policy does not exist")
	}
	return &api.GetBucketPolicyStatusOutput{PolicyStatus: &api.PolicyStatus{IsPublic: new(b.IsPublic)}}, nil
}

func (s *Handlers) putPublicAccessBlock(ctx context.Context, _ *service.Call, in *api.PutPublicAccessBlockInput) (*api.PutPublicAccessBlockOutput, error) {
	conf := in.PublicAccessBlockConfiguration
	if conf == nil {
		return nil, s3err.MalformedXML()
	}
	return nil, s.store.ChangeBucket(ctx, smithy.Val(in.Bucket), func(b *store.Bucket) error {
		b.Public = &store.PublicAccess{
			BlockACLs: smithy.Val(conf.BlockPublicAcls), IgnoreACLs: smithy.Val(conf.IgnorePublicAcls),
			BlockPolicy: smithy.Val(conf.BlockPublicPolicy), Restrict: smithy.Val(conf.RestrictPublicBuckets),
		}
		return nil
	})
}

func (s *Handlers) getPublicAccessBlock(ctx context.Context, _ *service.Call, in *api.GetPublicAccessBlockInput) (*api.GetPublicAccessBlockOutput, error) {
	b, err := s.store.Bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	if b.Public == nil {
		return nil, s3err.NotFound("NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found")
	}
	return &api.GetPublicAccessBlockOutput{PublicAccessBlockConfiguration: &api.PublicAccessBlockConfiguration{
		BlockPublicAcls: new(b.Public.BlockACLs), IgnorePublicAcls: new(b.Public.IgnoreACLs),
		BlockPublicPolicy: new(b.Public.BlockPolicy), RestrictPublicBuckets: new(b.Public.Restrict),
	}}, nil
}

func (s *Handlers) deletePublicAccessBlock(ctx context.Context, _ *service.Call, in *api.DeletePublicAccessBlockInput) (*api.DeletePublicAccessBlockOutput, error) {
	return nil, s.store.ChangeBucket(ctx, smithy.Val(in.Bucket), func(b *store.Bucket) error {
		b.Public = nil
		return nil
	})
}

func (s *Handlers) putBucketCORS(ctx context.Context, _ *service.Call, in *api.PutBucketCorsInput) (*api.PutBucketCorsOutput, error) {
	if in.CORSConfiguration == nil {
		return nil, s3err.MalformedXML()
	}
	if err := cors.Check(in.CORSConfiguration.CORSRules); err != nil {
		return nil, err
	}
	return nil, s.store.ChangeBucket(ctx, smithy.Val(in.Bucket), func(b *store.Bucket) error {
		b.CORS = in.CORSConfiguration.CORSRules
		return nil
	})
}

func (s *Handlers) getBucketCORS(ctx context.Context, _ *service.Call, in *api.GetBucketCorsInput) (*api.GetBucketCorsOutput, error) {
	b, err := s.store.Bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	if len(b.CORS) == 0 {
		return nil, s3err.NotFound("NoSuchCORSConfiguration", "The CORS configuration does not exist")
	}
	return &api.GetBucketCorsOutput{CORSRules: b.CORS}, nil
}

func (s *Handlers) deleteBucketCORS(ctx context.Context, _ *service.Call, in *api.DeleteBucketCorsInput) (*api.DeleteBucketCorsOutput, error) {
	return nil, s.store.ChangeBucket(ctx, smithy.Val(in.Bucket), func(b *store.Bucket) error {
		b.CORS = nil
		return nil
	})
}

// websiteBytesMax bounds a website's configuration.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketWebsite.html
const websiteBytesMax = 128 << 10

func (s *Handlers) putBucketWebsite(ctx context.Context, c *service.Call, in *api.PutBucketWebsiteInput) (*api.PutBucketWebsiteOutput, error) {
	if in.WebsiteConfiguration == nil {
		return nil, s3err.MalformedXML()
	}
	if c.HTTP != nil && c.HTTP.Request.ContentLength > websiteBytesMax {
		return nil, fault.New("MaxMessageLengthExceeded", 400, "Your request was too big.").WithBody(map[string]string{"MaxMessageLengthBytes": strconv.Itoa(websiteBytesMax)})
	}
	if err := website.Check(in.WebsiteConfiguration); err != nil {
		return nil, err
	}
	return nil, s.store.ChangeBucket(ctx, smithy.Val(in.Bucket), func(b *store.Bucket) error {
		b.Website = in.WebsiteConfiguration
		return nil
	})
}

func (s *Handlers) getBucketWebsite(ctx context.Context, _ *service.Call, in *api.GetBucketWebsiteInput) (*api.GetBucketWebsiteOutput, error) {
	b, err := s.store.Bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	w := b.Website
	if w == nil {
		return nil, s3err.NotFound("NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration")
	}
	return &api.GetBucketWebsiteOutput{RedirectAllRequestsTo: w.RedirectAllRequestsTo, IndexDocument: w.IndexDocument, ErrorDocument: w.ErrorDocument, RoutingRules: w.RoutingRules}, nil
}

func (s *Handlers) deleteBucketWebsite(ctx context.Context, _ *service.Call, in *api.DeleteBucketWebsiteInput) (*api.DeleteBucketWebsiteOutput, error) {
	return nil, s.store.ChangeBucket(ctx, smithy.Val(in.Bucket), func(b *store.Bucket) error {
		b.Website = nil
		return nil
	})
}
