package s3

import (
	api "moln.dev/moln/api/s3"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/op"
)

const noteStored = "SSE-C is taken over plain HTTP from the same machine; event holds and access control lists are refused"

func table() service.Table[*Service] {
	t := service.Table[*Service]{
		service.Partial(api.CreateBucket, op.Verified((*Service).createBucket), "directory buckets and access control lists are refused"),
		service.Full(api.HeadBucket, (*Service).headBucket),
		service.Full(api.DeleteBucket, (*Service).deleteBucket),
		service.Full(api.GetBucketLocation, (*Service).getBucketLocation),
		service.Full(api.ListBuckets, (*Service).listBuckets),
		service.Partial(api.PutObject, (*Service).putObject, noteStored),
		service.Partial(api.CopyObject, (*Service).copyObject, noteStored),
		service.Full(api.DeleteObject, (*Service).deleteObject),
		service.Full(api.DeleteObjects, op.Verified((*Service).deleteObjects)),
	}
	t = append(t, uploadRows()...)
	t = append(t, tagRows()...)
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

func tagRows() service.Table[*Service] {
	return service.Table[*Service]{
		service.Full(api.PutObjectTagging, op.Verified((*Service).putObjectTagging)),
		service.Full(api.GetObjectTagging, (*Service).getObjectTagging),
		service.Full(api.DeleteObjectTagging, (*Service).deleteObjectTagging),
	}
}

func missingRows() service.Table[*Service] {
	return service.Table[*Service]{
		service.None[*Service]("the operation is the older form of another one, which is there",
			api.GetBucketLifecycle, api.PutBucketLifecycle, api.GetBucketNotification, api.PutBucketNotification),
		service.None[*Service]("moln has no analytics and metrics configurations",
			api.DeleteBucketAnalyticsConfiguration, api.GetBucketAnalyticsConfiguration, api.ListBucketAnalyticsConfigurations, api.PutBucketAnalyticsConfiguration,
			api.DeleteBucketMetricsConfiguration, api.GetBucketMetricsConfiguration, api.ListBucketMetricsConfigurations, api.PutBucketMetricsConfiguration),
		service.None[*Service]("moln has no metadata tables and annotations",
			api.CreateBucketMetadataConfiguration, api.CreateBucketMetadataTableConfiguration, api.DeleteBucketMetadataConfiguration, api.DeleteBucketMetadataTableConfiguration,
			api.GetBucketMetadataConfiguration, api.GetBucketMetadataTableConfiguration, api.UpdateBucketMetadataAnnotationTableConfiguration,
			api.UpdateBucketMetadataInventoryTableConfiguration, api.UpdateBucketMetadataJournalTableConfiguration,
			api.PutObjectAnnotation, api.GetObjectAnnotation, api.DeleteObjectAnnotation, api.ListObjectAnnotations),
		service.None[*Service]("moln has no directory buckets", api.CreateSession, api.ListDirectoryBuckets, api.RenameObject),
		service.None[*Service]("buckets do not take part in attribute-based access control", api.GetBucketAbac, api.PutBucketAbac),
		service.None[*Service]("moln does not query objects", api.SelectObjectContent),
		service.None[*Service]("moln serves no torrents", api.GetObjectTorrent),
		service.None[*Service]("moln has no object lambdas", api.WriteGetObjectResponse),
	}
}
