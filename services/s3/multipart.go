package s3

import (
	"time"

	"moln.dev/moln/services/s3/checksum"
)

// upload is a multipart upload that goes on.
type upload struct {
	Key       string `json:"-"`
	ID        string `json:"-"`
	Initiated time.Time
	Initiator string // ARN of who began it
	// Template is the object that the upload becomes, without its body.
	Template  object
	Algorithm string // of checksums; empty: CRC64NVME, unless parts have others
	SumType   string // as asked for; empty: the algorithm's default
}

// part is a part of an upload, and then of an object.
type part struct {
	Number   int
	Modified time.Time
	ETag     string
	Sums     checksum.Values `json:",omitempty"`

	body
}
