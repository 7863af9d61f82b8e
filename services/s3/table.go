package s3

import (
	"context"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/platform/service"
)

// verified checks the digests of a request document before its handler sees it.
func verified[In, Out any](h service.Handler[*Service, In, Out]) service.Handler[*Service, In, Out] {
	return func(s *Service, ctx context.Context, c *service.Call, in *In) (*Out, error) {
		if err := verifyDocument(c); err != nil {
			return nil, err
		}
		return h(s, ctx, c, in)
	}
}

const (
	noteStored = "objects are encrypted with AES-256 under the server's own keys; SSE-KMS, SSE-C, object lock, storage classes other than STANDARD and access control lists are refused"
	noteACL    = "the owner's own list is the only one: private and bucket-owner-full-control are accepted, everything else is refused"
	noteEmpty  = "answers that nothing is configured; the configuration cannot be set"
)

func table() service.Table[*Service] {
	t := service.Table[*Service]{
		service.Partial(api.CreateBucket, verified((*Service).createBucket), "object lock, directory buckets and access control lists are refused"),
		service.Full(api.HeadBucket, (*Service).headBucket),
		service.Full(api.DeleteBucket, (*Service).deleteBucket),
		service.Full(api.GetBucketLocation, (*Service).getBucketLocation),
		service.Full(api.ListBuckets, (*Service).listBuckets),
		service.Partial(api.PutObject, (*Service).putObject, noteStored),
		service.Full(api.GetObject, (*Service).getObject),
		service.Full(api.HeadObject, (*Service).headObject),
		service.Full(api.GetObjectAttributes, (*Service).getObjectAttributes),
		service.Partial(api.CopyObject, (*Service).copyObject, noteStored),
		service.Full(api.DeleteObject, (*Service).deleteObject),
		service.Full(api.DeleteObjects, verified((*Service).deleteObjects)),
		service.Full(api.ListObjects, (*Service).listObjects),
		service.Full(api.ListObjectsV2, (*Service).listObjectsV2),
		service.Full(api.ListObjectVersions, (*Service).listObjectVersions),
	}
	t = append(t, uploadRows()...)
	t = append(t, configRows()...)
	return append(t, missingRows()...)
}

func uploadRows() service.Table[*Service] {
	return service.Table[*Service]{
		service.Partial(api.CreateMultipartUpload, (*Service).createMultipartUpload, noteStored),
		service.Full(api.UploadPart, (*Service).uploadPart),
		service.Full(api.UploadPartCopy, (*Service).uploadPartCopy),
		service.Full(api.CompleteMultipartUpload, (*Service).completeMultipartUpload),
		service.Full(api.AbortMultipartUpload, (*Service).abortMultipartUpload),
		service.Full(api.ListParts, (*Service).listParts),
		service.Full(api.ListMultipartUploads, (*Service).listMultipartUploads),
	}
}

func configRows() service.Table[*Service] {
	return service.Table[*Service]{
		service.Partial(api.PutBucketVersioning, verified((*Service).putBucketVersioning), "MFA delete is refused"),
		service.Full(api.GetBucketVersioning, (*Service).getBucketVersioning),
		service.Full(api.PutBucketPolicy, verified((*Service).putBucketPolicy)),
		service.Full(api.GetBucketPolicy, (*Service).getBucketPolicy),
		service.Full(api.DeleteBucketPolicy, (*Service).deleteBucketPolicy),
		service.Full(api.GetBucketPolicyStatus, (*Service).getBucketPolicyStatus),
		service.Full(api.PutPublicAccessBlock, verified((*Service).putPublicAccessBlock)),
		service.Full(api.GetPublicAccessBlock, (*Service).getPublicAccessBlock),
		service.Full(api.DeletePublicAccessBlock, (*Service).deletePublicAccessBlock),
		service.Partial(api.PutBucketOwnershipControls, verified((*Service).putBucketOwnershipControls), "kept and told; objects belong to the bucket's owner whatever it says, since there are no access control lists"),
		service.Full(api.GetBucketOwnershipControls, (*Service).getBucketOwnershipControls),
		service.Full(api.DeleteBucketOwnershipControls, (*Service).deleteBucketOwnershipControls),
		service.Full(api.GetBucketAcl, (*Service).getBucketACL),
		service.Partial(api.PutBucketAcl, verified((*Service).putBucketACL), noteACL),
		service.Full(api.GetObjectAcl, (*Service).getObjectACL),
		service.Partial(api.PutObjectAcl, verified((*Service).putObjectACL), noteACL),
		service.Full(api.PutBucketCors, verified((*Service).putBucketCORS)),
		service.Full(api.GetBucketCors, (*Service).getBucketCORS),
		service.Full(api.DeleteBucketCors, (*Service).deleteBucketCORS),
		service.Full(api.PutBucketWebsite, verified((*Service).putBucketWebsite)),
		service.Full(api.GetBucketWebsite, (*Service).getBucketWebsite),
		service.Full(api.DeleteBucketWebsite, (*Service).deleteBucketWebsite),
		service.Partial(api.PutBucketNotificationConfiguration, verified((*Service).putBucketNotification), "targets are functions; queues, topics and EventBridge, and events other than s3:ObjectCreated and s3:ObjectRemoved, are refused"),
		service.Full(api.GetBucketNotificationConfiguration, (*Service).getBucketNotification),
		service.Full(api.PutBucketTagging, verified((*Service).putBucketTagging)),
		service.Full(api.GetBucketTagging, (*Service).getBucketTagging),
		service.Full(api.DeleteBucketTagging, (*Service).deleteBucketTagging),
		service.Full(api.PutObjectTagging, verified((*Service).putObjectTagging)),
		service.Full(api.GetObjectTagging, (*Service).getObjectTagging),
		service.Full(api.DeleteObjectTagging, (*Service).deleteObjectTagging),
		service.Partial(api.PutBucketEncryption, verified((*Service).putBucketEncryption), "AES256 only: every object is encrypted with AES-256 under the server's own keys; aws:kms is refused"),
		service.Full(api.GetBucketEncryption, (*Service).getBucketEncryption),
		service.Full(api.DeleteBucketEncryption, (*Service).deleteBucketEncryption),
		service.Partial(api.GetBucketAccelerateConfiguration, (*Service).getBucketAccelerate, noteEmpty),
		service.Partial(api.GetBucketRequestPayment, (*Service).getBucketRequestPayment, "the owner pays; it cannot be set otherwise"),
		service.Partial(api.GetBucketLogging, (*Service).getBucketLogging, noteEmpty),
		service.Partial(api.GetBucketLifecycleConfiguration, (*Service).getBucketLifecycle, noteEmpty),
		service.Partial(api.GetBucketReplication, (*Service).getBucketReplication, noteEmpty),
		service.Partial(api.GetObjectLockConfiguration, (*Service).getObjectLock, noteEmpty),
	}
}

func missingRows() service.Table[*Service] {
	return service.Table[*Service]{
		service.None[*Service]("the operation is the older form of another one, which is there",
			api.GetBucketLifecycle, api.PutBucketLifecycle, api.GetBucketNotification, api.PutBucketNotification),
		service.None[*Service]("moln has no lifecycle rules", api.PutBucketLifecycleConfiguration, api.DeleteBucketLifecycle),
		service.None[*Service]("moln replicates no buckets", api.PutBucketReplication, api.DeleteBucketReplication),
		service.None[*Service]("moln has no object lock",
			api.PutObjectLockConfiguration, api.GetObjectRetention, api.PutObjectRetention, api.GetObjectLegalHold, api.PutObjectLegalHold),
		service.None[*Service]("moln has no transfer acceleration", api.PutBucketAccelerateConfiguration),
		service.None[*Service]("the bucket's owner pays", api.PutBucketRequestPayment),
		service.None[*Service]("moln writes no access logs into buckets", api.PutBucketLogging),
		service.None[*Service]("moln has no analytics, inventory, metrics and tiering configurations",
			api.DeleteBucketAnalyticsConfiguration, api.GetBucketAnalyticsConfiguration, api.ListBucketAnalyticsConfigurations, api.PutBucketAnalyticsConfiguration,
			api.DeleteBucketIntelligentTieringConfiguration, api.GetBucketIntelligentTieringConfiguration, api.ListBucketIntelligentTieringConfigurations, api.PutBucketIntelligentTieringConfiguration,
			api.DeleteBucketInventoryConfiguration, api.GetBucketInventoryConfiguration, api.ListBucketInventoryConfigurations, api.PutBucketInventoryConfiguration,
			api.DeleteBucketMetricsConfiguration, api.GetBucketMetricsConfiguration, api.ListBucketMetricsConfigurations, api.PutBucketMetricsConfiguration),
		service.None[*Service]("moln has no metadata tables and annotations",
			api.CreateBucketMetadataConfiguration, api.CreateBucketMetadataTableConfiguration, api.DeleteBucketMetadataConfiguration, api.DeleteBucketMetadataTableConfiguration,
			api.GetBucketMetadataConfiguration, api.GetBucketMetadataTableConfiguration, api.UpdateBucketMetadataAnnotationTableConfiguration,
			api.UpdateBucketMetadataInventoryTableConfiguration, api.UpdateBucketMetadataJournalTableConfiguration,
			api.PutObjectAnnotation, api.GetObjectAnnotation, api.DeleteObjectAnnotation, api.ListObjectAnnotations),
		service.None[*Service]("moln has no directory buckets", api.CreateSession, api.ListDirectoryBuckets, api.RenameObject),
		service.None[*Service]("buckets do not take part in attribute-based access control", api.GetBucketAbac, api.PutBucketAbac),
		service.None[*Service]("there is one storage class, from which nothing is restored", api.RestoreObject),
		service.None[*Service]("moln does not query objects", api.SelectObjectContent),
		service.None[*Service]("moln serves no torrents", api.GetObjectTorrent),
		service.None[*Service]("objects cannot be encrypted anew in place", api.UpdateObjectEncryption),
		service.None[*Service]("moln has no object lambdas", api.WriteGetObjectResponse),
	}
}
