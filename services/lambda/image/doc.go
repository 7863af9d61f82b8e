// Package image gets functions' container images out of the registry (ECR, of
// this moln) and unpacks them into directories that can be made again. It pins
// tags, asks whether Lambda may have the image, and says how an image is begun.
//
// It runs nothing and keeps no records: those are fn's. The format of images is
// engine/image's.
//
//   - A directory is named by the digest of the manifest it was made of, and is
//     there whole or not at all.
//   - Lambda reads an image as lambda.amazonaws.com, on behalf of the function: the
//     repository's policy must allow it. Where it does not, and the caller may set
//     that policy, a statement is added, as AWS's Lambda does.
//   - Of an index the image for this host is taken; AWS's Lambda takes no indexes.
package image
