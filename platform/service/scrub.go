package service

import "context"

// Scrub reads everything that a service keeps in bytes, compares it with its
// checksums, and calls found with what is damaged. It works while the service
// does, and removes what nothing names. Its error is that it could not go on.
type Scrub func(ctx context.Context, found func(Damage)) (Scrubbed, error)

// Damage is one thing that cannot be read any more. What does not apply is
// empty.
type Damage struct {
	Service string `json:"service"`
	Bucket  string `json:"bucket,omitempty"`
	Key     string `json:"key,omitempty"`
	Version string `json:"version,omitempty"`
	Upload  string `json:"upload,omitempty"` // a multipart upload that goes on
	Part    int    `json:"part,omitempty"`
	Blob    string `json:"blob,omitempty"` // of a service that does not say more
	Reason  string `json:"reason"`
}

// Scrubbed is how much was read, and what was removed.
type Scrubbed struct {
	Objects int64 `json:"objects"` // versions, parts of uploads, or else blobs
	Bytes   int64 `json:"bytes"`
	Damaged int64 `json:"damaged"`
	Garbage int64 `json:"garbage"` // blobs that nothing named
}

// Add adds what another scrub has read.
func (s *Scrubbed) Add(o Scrubbed) {
	s.Objects += o.Objects
	s.Bytes += o.Bytes
	s.Damaged += o.Damaged
	s.Garbage += o.Garbage
}
