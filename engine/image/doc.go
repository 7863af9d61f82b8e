// Package image reads container images in the formats of the Open Container
// Initiative and of Docker (version 2, schema 2): manifests, indexes,
// configurations, and layers, which it unpacks into a directory.
//
// It trusts nothing in them: digests, sizes, names, links and modes are checked
// or taken away. It stores no image and fetches none, knows no registry, and
// runs nothing.
//
// # Invariants of an unpacked image
//
//   - I1 Nothing is made, changed or removed outside the directory, whatever the
//     names and links in a layer say. Links point where they want: only a root
//     of its own (engine/sandbox, Spec.Root) makes them harmless to follow.
//   - I2 There are directories, files and links only: no devices, no pipes, no
//     set-uid or set-gid bits, no owners, no capabilities.
//   - I3 A layer whose bytes are not those of its digest, before or after
//     decompression, is refused.
package image
