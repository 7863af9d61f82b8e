package control

import (
	api "moln.dev/moln/api/s3control"
	"moln.dev/moln/platform/service"
)

func table() service.Table[*Handlers] {
	return append(service.Table[*Handlers]{
		service.Partial(api.CreateAccessPoint, (*Handlers).createAccessPoint, "access points for a VPC, and scopes (which directory buckets have), are refused"),
		service.Full(api.GetAccessPoint, (*Handlers).getAccessPoint),
		service.Full(api.ListAccessPoints, (*Handlers).listAccessPoints),
		service.Full(api.DeleteAccessPoint, (*Handlers).deleteAccessPoint),
		service.Full(api.PutAccessPointPolicy, (*Handlers).putAccessPointPolicy),
		service.Full(api.GetAccessPointPolicy, (*Handlers).getAccessPointPolicy),
		service.Full(api.DeleteAccessPointPolicy, (*Handlers).deleteAccessPointPolicy),
		service.Full(api.GetAccessPointPolicyStatus, (*Handlers).getAccessPointPolicyStatus),
		service.Full(api.PutPublicAccessBlock, (*Handlers).putPublicAccessBlock),
		service.Full(api.GetPublicAccessBlock, (*Handlers).getPublicAccessBlock),
		service.Full(api.DeletePublicAccessBlock, (*Handlers).deletePublicAccessBlock),
		service.Partial(api.TagResource, (*Handlers).tagResource, noteTags),
		service.Partial(api.UntagResource, (*Handlers).untagResource, noteTags),
		service.Partial(api.ListTagsForResource, (*Handlers).listTagsForResource, noteTags),
	}, missing()...)
}

const noteTags = "tags of buckets and access points; of Storage Lens groups and access grants, which it takes at AWS, it refuses"

func missing() service.Table[*Handlers] {
	return service.Table[*Handlers]{
		service.None[*Handlers]("moln has no access grants",
			api.AssociateAccessGrantsIdentityCenter, api.CreateAccessGrant, api.CreateAccessGrantsInstance, api.CreateAccessGrantsLocation,
			api.DeleteAccessGrant, api.DeleteAccessGrantsInstance, api.DeleteAccessGrantsInstanceResourcePolicy, api.DeleteAccessGrantsLocation,
			api.DissociateAccessGrantsIdentityCenter, api.GetAccessGrant, api.GetAccessGrantsInstance, api.GetAccessGrantsInstanceForPrefix,
			api.GetAccessGrantsInstanceResourcePolicy, api.GetAccessGrantsLocation, api.GetDataAccess, api.ListAccessGrants,
			api.ListAccessGrantsInstances, api.ListAccessGrantsLocations, api.ListCallerAccessGrants, api.PutAccessGrantsInstanceResourcePolicy,
			api.UpdateAccessGrantsLocation,
		),
		service.None[*Handlers]("moln has no object lambdas",
			api.CreateAccessPointForObjectLambda, api.DeleteAccessPointForObjectLambda, api.DeleteAccessPointPolicyForObjectLambda, api.GetAccessPointConfigurationForObjectLambda,
			api.GetAccessPointForObjectLambda, api.GetAccessPointPolicyForObjectLambda, api.GetAccessPointPolicyStatusForObjectLambda, api.ListAccessPointsForObjectLambda,
			api.PutAccessPointConfigurationForObjectLambda, api.PutAccessPointPolicyForObjectLambda,
		),
		service.None[*Handlers]("moln has no multi-region access points",
			api.CreateMultiRegionAccessPoint, api.DeleteMultiRegionAccessPoint, api.DescribeMultiRegionAccessPointOperation, api.GetMultiRegionAccessPoint,
			api.GetMultiRegionAccessPointPolicy, api.GetMultiRegionAccessPointPolicyStatus, api.GetMultiRegionAccessPointRoutes, api.ListMultiRegionAccessPoints,
			api.PutMultiRegionAccessPointPolicy, api.SubmitMultiRegionAccessPointRoutes,
		),
		service.None[*Handlers]("moln has no batch operations",
			api.CreateJob, api.DeleteJobTagging, api.DescribeJob, api.GetJobTagging,
			api.ListJobs, api.PutJobTagging, api.UpdateJobPriority, api.UpdateJobStatus,
		),
		service.None[*Handlers]("moln has no Storage Lens",
			api.CreateStorageLensGroup, api.DeleteStorageLensConfiguration, api.DeleteStorageLensConfigurationTagging, api.DeleteStorageLensGroup,
			api.GetStorageLensConfiguration, api.GetStorageLensConfigurationTagging, api.GetStorageLensGroup, api.ListStorageLensConfigurations,
			api.ListStorageLensGroups, api.PutStorageLensConfiguration, api.PutStorageLensConfigurationTagging, api.UpdateStorageLensGroup,
		),
		service.None[*Handlers]("moln has no directory buckets",
			api.DeleteAccessPointScope, api.GetAccessPointScope, api.ListAccessPointsForDirectoryBuckets, api.PutAccessPointScope,
		),
		service.None[*Handlers]("moln has no Outposts",
			api.CreateBucket, api.DeleteBucket, api.DeleteBucketLifecycleConfiguration, api.DeleteBucketPolicy,
			api.DeleteBucketReplication, api.DeleteBucketTagging, api.GetBucket, api.GetBucketLifecycleConfiguration,
			api.GetBucketPolicy, api.GetBucketReplication, api.GetBucketTagging, api.GetBucketVersioning,
			api.ListRegionalBuckets, api.PutBucketLifecycleConfiguration, api.PutBucketPolicy, api.PutBucketReplication,
			api.PutBucketTagging, api.PutBucketVersioning,
		),
	}
}
