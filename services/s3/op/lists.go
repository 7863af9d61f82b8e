package op

import (
	api "moln.dev/moln/api/s3"
	"moln.dev/moln/services/s3/grant"
)

// What the inputs of S3's operations say about access control lists.

// PutList is PutObject's.
func PutList(in *api.PutObjectInput) grant.Request {
	return grant.Request{Canned: in.ACL, FullControl: in.GrantFullControl, Read: in.GrantRead, ReadACP: in.GrantReadACP, WriteACP: in.GrantWriteACP}
}

// CopyList is CopyObject's: the source's list is never copied.
func CopyList(in *api.CopyObjectInput) grant.Request {
	return grant.Request{Canned: in.ACL, FullControl: in.GrantFullControl, Read: in.GrantRead, ReadACP: in.GrantReadACP, WriteACP: in.GrantWriteACP}
}

// UploadList is CreateMultipartUpload's.
func UploadList(in *api.CreateMultipartUploadInput) grant.Request {
	return grant.Request{Canned: in.ACL, FullControl: in.GrantFullControl, Read: in.GrantRead, ReadACP: in.GrantReadACP, WriteACP: in.GrantWriteACP}
}

// BucketList is CreateBucket's.
func BucketList(in *api.CreateBucketInput) grant.Request {
	return grant.Request{Canned: in.ACL, FullControl: in.GrantFullControl, Read: in.GrantRead, ReadACP: in.GrantReadACP, Write: in.GrantWrite, WriteACP: in.GrantWriteACP}
}
