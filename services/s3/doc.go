// Package s3 is AWS's Simple Storage Service: buckets, objects and their
// versions, multipart uploads, bucket policies, access control lists, access
// points and public access blocks, uploads by HTML form,
// CORS, static websites, event notifications, replication, access logs and
// inventories.
//
// It is not a file system.
//
// The operations are answered by this package (buckets, writing, deleting,
// uploads) and by one package per family: read, list, config, acl, notify,
// locking, rekey, aging, replica, accesslog, inventory. Below them are write,
// through which every object is written or deleted, and store, which keeps
// everything; op and s3err have what they share. Package site serves websites. A
// family gives its rows of the operation table by its Operations, and
// Service.families lists it.
//
// # Keys
//
// Bucket names are global, so neither account nor region comes first: the
// bucket's record names both. bid is the id of one life of a bucket, so that
// nothing of a deleted bucket is found in a new one of its name.
//
//	("b", bucket)               the bucket with all of its configuration
//	("a", account, bucket)      which buckets an account owns
//	("o", bid, key)             the current version of an object, or its delete marker
//	("v", bid, key, ^sequence)  versions that are no longer current, newest first
//	("d", data id)              the bytes of an object up to InlineBytesMax, encrypted;
//	                            up to BesideBytesMax they are in the object's own record
//	("p", data id)              the parts of an object that was uploaded in parts
//	                            (data id.n: since their keys were wrapped anew),
//	("p", data id, chunk)       or where they are many an index of them, and they
//	("u", bid, key, upload)     a multipart upload
//	("q", upload, number)       a part of one
//	("r", blob id)              the blob is in use; Collect removes those without
//	("g", time, id)             what was dropped then, under an id of data or upload
//	("l", data id, reader)      a long read that goes on, and until when it counts
//	("w", bid)                  how far the daily walk over a bucket has come
//	("m", account, bucket, day) what a bucket used on a day
//	("lg", bucket)              the bucket may have access logs
//	("in", bid, inventory)      the day of the last report of an inventory
//	("ap", account, region, name)  an access point
//	("al", alias)               the access point that an alias stands for
//	("ac", account)             the public access block of an account, of which every
//	                            bucket and access point of the account has a copy
//
// Larger bodies are blobs: written and committed first, then named by metadata
// in one transaction. A blob is deleted some minutes after the metadata that
// named it, and not while it is read.
//
// # Encryption
//
// Every body is encrypted with AES-256 in counter mode under a data key of its
// own, which is sealed with the server's key-encryption key (SSE-S3): that is
// what "AES256" in an answer means. Damage is found by the checksums of the
// blob store, not by the cipher.
//
// With SSE-KMS and SSE-C the data key is first wrapped, by AES-256-GCM, under an
// outer key that moln does not keep: one that KMS gives as the caller for each
// object (GenerateDataKey; Decrypt when it is read, and with each part of an
// upload), or what is derived from the customer's key. So without the KMS key,
// or the customer's, nobody reads the bytes. aws:kms:dsse encrypts them twice,
// under the wrapped data key and a second one. With a bucket key the outer key is
// one of the bucket's, used for five minutes by each requester before KMS is
// asked again. Of a customer's key a salted proof is kept. ETags of such objects
// are random; their checksums, which are of the plaintext, stand in the records.
// UpdateObjectEncryption wraps the data keys of what is stored anew; of an object
// in parts it makes another list of the parts, and drops the old one later. See
// packages sse and rekey.
//
// # Time
//
// All storage classes share one blob store. A class is what it costs and how it
// is read: objects of GLACIER and DEEP_ARCHIVE, and of the archive tiers of
// INTELLIGENT_TIERING, are refused until they are restored, which takes by the
// account's clock as long as AWS says it may. Package aging walks each bucket
// once a day after midnight UTC: it carries out the lifecycle rules, notes
// archive tiers, and counts what is stored. Tiers above the archives are not
// stored but told from the last access, of which a read notes one a day, within
// a minute and not before its answer. What all of it costs is in package usage.
//
// # Invariants
//
//	B1  A key with versions has a current one: "o" exists wherever "v" does.
//	B2  A body is readable as long as a record names it: blobs and "r" entries
//	    appear before or with the metadata, and go after it. A read that has
//	    begun ends with the bytes that it began with.
//	B3  An event is queued in the transaction that changes the object, or the
//	    change did not happen.
//	B4  Nothing is kept of a body whose checksum does not match.
//	B5  A bucket is deleted only while no object, version or marker is in it.
//	B6  A version whose lock holds is deleted by nothing.
//
// # Differences from AWS
//
// Regions share one endpoint, so a bucket is reached through all of them. Access
// points are reached through the internet; those of a VPC are refused.
// Within an account its IAM policies decide, whatever an access control list
// leaves to the owner: AWS cuts the owner off from an object whose list does not
// name him.
// Lifecycle rules act within ten minutes of midnight UTC, and of a change of the
// rules. x-amz-bypass-governance-retention is ignored in buckets without Object
// Lock, where AWS refuses it since 2025.
package s3
