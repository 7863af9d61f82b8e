// Package ecr is Elastic Container Registry: repositories, images with their
// tags and manifests, layers, policies, expiry. Images come and go by the API
// of the Open Container Initiative (package-internal registry*.go), which every
// container tool speaks, or by ECR's own operations.
//
// It runs no image, scans none, and fetches none from elsewhere: there are no
// pull-through caches, replications, signatures or scans.
//
// # State
//
// A place is an account and a region. Repositories have an id besides their
// name, so that a repository that was deleted and made again has nothing of the
// old one, however long its remains take to go away.
//
//	account region "r" name             repository
//	account region "i" id digest        image: manifest, tags
//	account region "t" id tag           the digest that a tag names
//	account region "l" id digest        layer of a repository
//	account region "b" digest           content: blobs, and how many layers are it
//	account region "u" id upload        an upload under way
//
// # Invariants
//
//   - E1 An image's layers and configuration, and an index's images, are in its
//     repository when it is stored, and stay as long as it does.
//   - E2 The bytes of a digest have that digest: it is computed as they come.
//   - E3 Content is stored once in a place, whatever the repositories that have
//     it, and goes with the last layer that is it.
//   - E4 A tag names one image, and an image lists the tags that name it.
//
// # Differences from AWS
//
//   - RepositoryUri is this moln's address ("127.0.0.1:4566/app"), which clients
//     reach, unless the request came by an AWS host name: then AWS's form. Both,
//     and the host ACCOUNT.dkr.ecr.REGION.* on any port of moln, lead to the same
//     place; without an account in the host it is the token's.
//   - An authorization token stands for its caller as he was then: policies are
//     judged as they are, but the token of a deleted access key lives on for its
//     12 hours, as AWS's does.
//   - Manifests are answered as they were pushed, never converted; schema
//     version 1 is refused.
//   - Lifecycle policies are carried out within an hour, not within a day.
package ecr
