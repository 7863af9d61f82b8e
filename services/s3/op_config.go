package s3

import (
	"context"
	"strings"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/access"
	"moln.dev/moln/services/s3/cors"
	"moln.dev/moln/services/s3/website"
)

// policyBytesMax bounds a bucket policy.
const policyBytesMax = 20 << 10

func (s *Service) putBucketVersioning(ctx context.Context, _ *service.Call, in *api.PutBucketVersioningInput) (*api.PutBucketVersioningOutput, error) {
	conf := in.VersioningConfiguration
	if conf == nil {
		return nil, malformedXML()
	}
	if in.MFA != nil || smithy.Val(conf.MFADelete) == "Enabled" {
		return nil, notImplemented("moln has no MFA delete")
	}
	switch status := smithy.Val(conf.Status); status {
	case versioningEnabled, versioningSuspended:
		return nil, s.store.changeBucket(ctx, smithy.Val(in.Bucket), func(b *bucket) error {
			b.Versioning = status
			return nil
		})
	}
	return nil, fault.New("IllegalVersioningConfigurationException", 400, "The Versioning element must be specified")
}

func (s *Service) getBucketVersioning(ctx context.Context, _ *service.Call, in *api.GetBucketVersioningInput) (*api.GetBucketVersioningOutput, error) {
	b, err := s.store.bucket(ctx, smithy.Val(in.Bucket))
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
		return policyFault(err)
	}
	if !access.OwnResources([]byte(document), bucketName) {
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
		return malformedPolicy("Policy has an invalid condition key")
	case policy.ReasonEffect:
		return malformedPolicy("Missing required field Effect")
	case policy.ReasonSid:
		return malformedPolicy(bad.Message)
	case policy.ReasonSyntax, policy.ReasonVersion:
	}
	return malformedPolicy("This policy contains invalid Json")
}

func (s *Service) putBucketPolicy(ctx context.Context, c *service.Call, in *api.PutBucketPolicyInput) (*api.PutBucketPolicyOutput, error) {
	document, name := smithy.Val(in.Policy), smithy.Val(in.Bucket)
	if err := checkPolicy(document, name); err != nil {
		return nil, err
	}
	public := access.IsPublic([]byte(document))
	return nil, s.store.changeBucket(ctx, name, func(b *bucket) error {
		if public && b.Public != nil && b.Public.BlockPolicy {
			return api.ErrAccessDenied("User: %s is not authorized to perform: s3:PutBucketPolicy on resource: %q because public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access.", c.Caller.ARN, bucketARN(name))
		}
		b.Policy = document
		return nil
	})
}

func (s *Service) getBucketPolicy(ctx context.Context, c *service.Call, in *api.GetBucketPolicyInput) (*api.GetBucketPolicyOutput, error) {
	b, err := s.store.bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	if b.Policy == "" {
		return nil, notFound("NoSuchBucketPolicy", "The bucket policy does not exist")
	}
	if c.HTTP != nil {
		c.HTTP.Header.Set("Content-Type", "application/json")
	}
	return &api.GetBucketPolicyOutput{Policy: new(b.Policy)}, nil
}

func (s *Service) deleteBucketPolicy(ctx context.Context, _ *service.Call, in *api.DeleteBucketPolicyInput) (*api.DeleteBucketPolicyOutput, error) {
	return nil, s.store.changeBucket(ctx, smithy.Val(in.Bucket), func(b *bucket) error {
		b.Policy = ""
		return nil
	})
}

func (s *Service) getBucketPolicyStatus(ctx context.Context, _ *service.Call, in *api.GetBucketPolicyStatusInput) (*api.GetBucketPolicyStatusOutput, error) {
	b, err := s.store.bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	if b.Policy == "" {
		return nil, notFound("NoSuchBucketPolicy", "The bucket policy does not exist")
	}
	return &api.GetBucketPolicyStatusOutput{PolicyStatus: &api.PolicyStatus{IsPublic: new(b.isPublic)}}, nil
}

func (s *Service) putPublicAccessBlock(ctx context.Context, _ *service.Call, in *api.PutPublicAccessBlockInput) (*api.PutPublicAccessBlockOutput, error) {
	conf := in.PublicAccessBlockConfiguration
	if conf == nil {
		return nil, malformedXML()
	}
	return nil, s.store.changeBucket(ctx, smithy.Val(in.Bucket), func(b *bucket) error {
		b.Public = &publicAccess{
			BlockACLs: smithy.Val(conf.BlockPublicAcls), IgnoreACLs: smithy.Val(conf.IgnorePublicAcls),
			BlockPolicy: smithy.Val(conf.BlockPublicPolicy), Restrict: smithy.Val(conf.RestrictPublicBuckets),
		}
		return nil
	})
}

func (s *Service) getPublicAccessBlock(ctx context.Context, _ *service.Call, in *api.GetPublicAccessBlockInput) (*api.GetPublicAccessBlockOutput, error) {
	b, err := s.store.bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	if b.Public == nil {
		return nil, notFound("NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found")
	}
	return &api.GetPublicAccessBlockOutput{PublicAccessBlockConfiguration: &api.PublicAccessBlockConfiguration{
		BlockPublicAcls: new(b.Public.BlockACLs), IgnorePublicAcls: new(b.Public.IgnoreACLs),
		BlockPublicPolicy: new(b.Public.BlockPolicy), RestrictPublicBuckets: new(b.Public.Restrict),
	}}, nil
}

func (s *Service) deletePublicAccessBlock(ctx context.Context, _ *service.Call, in *api.DeletePublicAccessBlockInput) (*api.DeletePublicAccessBlockOutput, error) {
	return nil, s.store.changeBucket(ctx, smithy.Val(in.Bucket), func(b *bucket) error {
		b.Public = nil
		return nil
	})
}

func (s *Service) putBucketOwnershipControls(ctx context.Context, _ *service.Call, in *api.PutBucketOwnershipControlsInput) (*api.PutBucketOwnershipControlsOutput, error) {
	if in.OwnershipControls == nil || len(in.OwnershipControls.Rules) != 1 {
		return nil, malformedXML()
	}
	return nil, s.store.changeBucket(ctx, smithy.Val(in.Bucket), func(b *bucket) error {
		b.Ownership = smithy.Val(in.OwnershipControls.Rules[0].ObjectOwnership)
		return nil
	})
}

func (s *Service) getBucketOwnershipControls(ctx context.Context, _ *service.Call, in *api.GetBucketOwnershipControlsInput) (*api.GetBucketOwnershipControlsOutput, error) {
	b, err := s.store.bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	if b.Ownership == "" {
		return nil, notFound("OwnershipControlsNotFoundError", "The bucket ownership controls were not found")
	}
	return &api.GetBucketOwnershipControlsOutput{OwnershipControls: &api.OwnershipControls{
		Rules: []api.OwnershipControlsRule{{ObjectOwnership: new(b.Ownership)}},
	}}, nil
}

func (s *Service) deleteBucketOwnershipControls(ctx context.Context, _ *service.Call, in *api.DeleteBucketOwnershipControlsInput) (*api.DeleteBucketOwnershipControlsOutput, error) {
	return nil, s.store.changeBucket(ctx, smithy.Val(in.Bucket), func(b *bucket) error {
		b.Ownership = ""
		return nil
	})
}

// ownerGrants is the access control list of every bucket and object.
func ownerGrants(account string) []api.Grant {
	return []api.Grant{{Grantee: &api.Grantee{ID: new(ownerID(account)), Type: new("CanonicalUser")}, Permission: new("FULL_CONTROL")}}
}

func (s *Service) getBucketACL(ctx context.Context, _ *service.Call, in *api.GetBucketAclInput) (*api.GetBucketAclOutput, error) {
	b, err := s.store.bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	return &api.GetBucketAclOutput{Owner: ownerOf(b.Account), Grants: ownerGrants(b.Account)}, nil
}

func (s *Service) getObjectACL(ctx context.Context, c *service.Call, in *api.GetObjectAclInput) (*api.GetObjectAclOutput, error) {
	b, err := s.store.bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	if _, err := s.read(ctx, c, b, smithy.Val(in.Key), in.VersionId); err != nil {
		return nil, err
	}
	return &api.GetObjectAclOutput{Owner: ownerOf(b.Account), Grants: ownerGrants(b.Account)}, nil
}

func (s *Service) putBucketACL(ctx context.Context, _ *service.Call, in *api.PutBucketAclInput) (*api.PutBucketAclOutput, error) {
	b, err := s.store.bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	if err := checkACL(smithy.Val(in.ACL), in.GrantFullControl, in.GrantRead, in.GrantReadACP, in.GrantWrite, in.GrantWriteACP); err != nil {
		return nil, err
	}
	return nil, checkACLDocument(in.AccessControlPolicy, b.Account)
}

func (s *Service) putObjectACL(ctx context.Context, c *service.Call, in *api.PutObjectAclInput) (*api.PutObjectAclOutput, error) {
	b, err := s.store.bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	if _, err := s.read(ctx, c, b, smithy.Val(in.Key), in.VersionId); err != nil {
		return nil, err
	}
	if err := checkACL(smithy.Val(in.ACL), in.GrantFullControl, in.GrantRead, in.GrantReadACP, in.GrantWrite, in.GrantWriteACP); err != nil {
		return nil, err
	}
	return nil, checkACLDocument(in.AccessControlPolicy, b.Account)
}

// checkACLDocument accepts the list that Get…Acl answers.
func checkACLDocument(p *api.AccessControlPolicy, account string) error {
	if p == nil {
		return nil
	}
	for _, g := range p.Grants {
		if g.Grantee == nil || smithy.Val(g.Grantee.ID) != ownerID(account) || smithy.Val(g.Permission) != "FULL_CONTROL" {
			return aclNotSupported()
		}
	}
	return nil
}

func (s *Service) putBucketCORS(ctx context.Context, _ *service.Call, in *api.PutBucketCorsInput) (*api.PutBucketCorsOutput, error) {
	if in.CORSConfiguration == nil {
		return nil, malformedXML()
	}
	if err := cors.Check(in.CORSConfiguration.CORSRules); err != nil {
		return nil, err
	}
	return nil, s.store.changeBucket(ctx, smithy.Val(in.Bucket), func(b *bucket) error {
		b.CORS = in.CORSConfiguration.CORSRules
		return nil
	})
}

func (s *Service) getBucketCORS(ctx context.Context, _ *service.Call, in *api.GetBucketCorsInput) (*api.GetBucketCorsOutput, error) {
	b, err := s.store.bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	if len(b.CORS) == 0 {
		return nil, notFound("NoSuchCORSConfiguration", "The CORS configuration does not exist")
	}
	return &api.GetBucketCorsOutput{CORSRules: b.CORS}, nil
}

func (s *Service) deleteBucketCORS(ctx context.Context, _ *service.Call, in *api.DeleteBucketCorsInput) (*api.DeleteBucketCorsOutput, error) {
	return nil, s.store.changeBucket(ctx, smithy.Val(in.Bucket), func(b *bucket) error {
		b.CORS = nil
		return nil
	})
}

func (s *Service) putBucketWebsite(ctx context.Context, _ *service.Call, in *api.PutBucketWebsiteInput) (*api.PutBucketWebsiteOutput, error) {
	if in.WebsiteConfiguration == nil {
		return nil, malformedXML()
	}
	if err := website.Check(in.WebsiteConfiguration); err != nil {
		return nil, err
	}
	return nil, s.store.changeBucket(ctx, smithy.Val(in.Bucket), func(b *bucket) error {
		b.Website = in.WebsiteConfiguration
		return nil
	})
}

func (s *Service) getBucketWebsite(ctx context.Context, _ *service.Call, in *api.GetBucketWebsiteInput) (*api.GetBucketWebsiteOutput, error) {
	b, err := s.store.bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	w := b.Website
	if w == nil {
		return nil, notFound("NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration")
	}
	return &api.GetBucketWebsiteOutput{RedirectAllRequestsTo: w.RedirectAllRequestsTo, IndexDocument: w.IndexDocument, ErrorDocument: w.ErrorDocument, RoutingRules: w.RoutingRules}, nil
}

func (s *Service) deleteBucketWebsite(ctx context.Context, _ *service.Call, in *api.DeleteBucketWebsiteInput) (*api.DeleteBucketWebsiteOutput, error) {
	return nil, s.store.changeBucket(ctx, smithy.Val(in.Bucket), func(b *bucket) error {
		b.Website = nil
		return nil
	})
}

func (s *Service) putBucketEncryption(ctx context.Context, _ *service.Call, in *api.PutBucketEncryptionInput) (*api.PutBucketEncryptionOutput, error) {
	conf := in.ServerSideEncryptionConfiguration
	if conf == nil || len(conf.Rules) != 1 {
		return nil, malformedXML()
	}
	rule := conf.Rules[0]
	def := rule.ApplyServerSideEncryptionByDefault
	switch {
	case rule.BlockedEncryptionTypes != nil:
		return nil, notImplemented("moln encrypts with AES256 only, and blocks no other type of encryption")
	case def != nil && smithy.Val(def.SSEAlgorithm) != sseS3:
		return nil, notImplemented("moln encrypts objects with its own keys (AES256) and not with %s", smithy.Val(def.SSEAlgorithm))
	case def != nil && def.KMSMasterKeyID != nil:
		return nil, invalidArgument("a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse")
	}
	return nil, s.store.changeBucket(ctx, smithy.Val(in.Bucket), func(b *bucket) error {
		b.Encryption = &rule
		return nil
	})
}

// getBucketEncryption answers AES256 for every bucket, as AWS does since 2023.
func (s *Service) getBucketEncryption(ctx context.Context, _ *service.Call, in *api.GetBucketEncryptionInput) (*api.GetBucketEncryptionOutput, error) {
	b, err := s.store.bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	rule := api.ServerSideEncryptionRule{BucketKeyEnabled: new(false)}
	if b.Encryption != nil && b.Encryption.BucketKeyEnabled != nil {
		rule.BucketKeyEnabled = b.Encryption.BucketKeyEnabled
	}
	rule.ApplyServerSideEncryptionByDefault = &api.ServerSideEncryptionByDefault{SSEAlgorithm: new(sseS3)}
	return &api.GetBucketEncryptionOutput{ServerSideEncryptionConfiguration: &api.ServerSideEncryptionConfiguration{Rules: []api.ServerSideEncryptionRule{rule}}}, nil
}

func (s *Service) deleteBucketEncryption(ctx context.Context, _ *service.Call, in *api.DeleteBucketEncryptionInput) (*api.DeleteBucketEncryptionOutput, error) {
	return nil, s.store.changeBucket(ctx, smithy.Val(in.Bucket), func(b *bucket) error {
		b.Encryption = nil
		return nil
	})
}

// What cannot be configured is answered as not configured.

func (s *Service) getBucketAccelerate(ctx context.Context, _ *service.Call, in *api.GetBucketAccelerateConfigurationInput) (*api.GetBucketAccelerateConfigurationOutput, error) {
	_, err := s.store.bucket(ctx, smithy.Val(in.Bucket))
	return nil, err
}

func (s *Service) getBucketRequestPayment(ctx context.Context, _ *service.Call, in *api.GetBucketRequestPaymentInput) (*api.GetBucketRequestPaymentOutput, error) {
	_, err := s.store.bucket(ctx, smithy.Val(in.Bucket))
	return &api.GetBucketRequestPaymentOutput{Payer: new("BucketOwner")}, err
}

func (s *Service) getBucketLogging(ctx context.Context, _ *service.Call, in *api.GetBucketLoggingInput) (*api.GetBucketLoggingOutput, error) {
	_, err := s.store.bucket(ctx, smithy.Val(in.Bucket))
	return nil, err
}

func (s *Service) getBucketLifecycle(ctx context.Context, _ *service.Call, in *api.GetBucketLifecycleConfigurationInput) (*api.GetBucketLifecycleConfigurationOutput, error) {
	if _, err := s.store.bucket(ctx, smithy.Val(in.Bucket)); err != nil {
		return nil, err
	}
	return nil, notFound("NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist")
}

func (s *Service) getBucketReplication(ctx context.Context, _ *service.Call, in *api.GetBucketReplicationInput) (*api.GetBucketReplicationOutput, error) {
	if _, err := s.store.bucket(ctx, smithy.Val(in.Bucket)); err != nil {
		return nil, err
	}
	return nil, notFound("ReplicationConfigurationNotFoundError", "The replication configuration was not found")
}

func (s *Service) getObjectLock(ctx context.Context, _ *service.Call, in *api.GetObjectLockConfigurationInput) (*api.GetObjectLockConfigurationOutput, error) {
	if _, err := s.store.bucket(ctx, smithy.Val(in.Bucket)); err != nil {
		return nil, err
	}
	return nil, notFound("ObjectLockConfigurationNotFoundError", "Object Lock configuration does not exist for this bucket")
}
