package s3

import (
	"io"

	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/checksum"
)

// verifyDocument checks the digests of a request whose body was read whole.
func verifyDocument(c *service.Call) error {
	if c.HTTP == nil || c.HTTP.Body == nil {
		return nil
	}
	e, err := checksum.Expected(c.HTTP.Request.Header)
	if err != nil || (e.MD5 == "" && len(e.Sums) == 0 && len(e.Trailers) == 0) {
		return err
	}
	d := checksum.NewDigester(e.Algorithms()...)
	if _, err := io.Copy(d, c.HTTP.Body); err != nil {
		return err
	}
	return d.Check(e, c.HTTP.Trailer)
}
