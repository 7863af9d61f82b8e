package inventory

import (
	"compress/gzip"
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"io"
	"strconv"
	"strings"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/naming"
	"moln.dev/moln/services/s3/store"
)

// principal is who writes reports.
const principal = "s3.amazonaws.com"

// pageMax is how many versions are read at once, and fileRowsMax how many rows a
// file has: with keys of the greatest length it stays below the largest object
// that is written at once.
const (
	pageMax     = 1000
	fileRowsMax = 1_000_000
)

// manifest lists the files of a report.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory-location.html
type manifest struct {
	SourceBucket      string `json:"sourceBucket"`
	DestinationBucket string `json:"destinationBucket"`
	Version           string `json:"version"`
	Created           string `json:"creationTimestamp"`
	Format            string `json:"fileFormat"`
	Schema            string `json:"fileSchema"`
	Files             []file `json:"files"`
}

type file struct {
	Key  string `json:"key"`
	Size int64  `json:"size"`
	MD5  string `json:"MD5checksum"`
}

// make writes the files of one report, the checksum of its manifest last.
func (v *Inventory) make(ctx context.Context, b *store.Bucket, conf *api.InventoryConfiguration) error {
	now := v.clock.Now().UTC()
	d := conf.Destination.S3BucketDestination
	base := b.Name + "/" + *conf.Id + "/"
	if p := smithy.Val(d.Prefix); p != "" {
		base = strings.TrimSuffix(p, "/") + "/" + base
	}
	r := newReport(b, conf, now)
	name := func() string { return base + "data/" + v.ids.UUID() + ".csv.gz" }
	files, err := v.files(ctx, r, d, name, newRows(v.store, r, conf))
	if err != nil {
		return err
	}
	to := strings.TrimPrefix(*d.Bucket, "arn:aws:s3:::")
	links := ""
	for _, f := range files {
		links += "s3://" + to + "/" + f.Key + "\n"
	}
	raw, err := json.MarshalIndent(manifest{
		SourceBucket: b.Name, DestinationBucket: *d.Bucket, Version: "2016-11-30", Created: strconv.FormatInt(now.UnixMilli(), 10),
		Format: "CSV", Schema: r.schema(), Files: files,
	}, "", "  ")
	if err != nil {
		return err
	}
	sum := md5.Sum(raw)
	stamp := base + now.Format("2006-01-02T15-04Z") + "/"
	for _, f := range [][2]string{
		{base + "hive/dt=" + now.Format("2006-01-02-15-04") + "/symlink.txt", strings.TrimSuffix(links, "\n")},
		{stamp + "manifest.json", string(raw)},
		{stamp + "manifest.checksum", hex.EncodeToString(sum[:])},
	} {
		if err := v.put1(ctx, b, d, f[0], strings.NewReader(f[1])); err != nil {
			return err
		}
	}
	return nil
}

// put1 writes one object into the destination, as S3 acting for the bucket.
func (v *Inventory) put1(ctx context.Context, b *store.Bucket, d *api.InventoryS3BucketDestination, key string, body io.Reader) error {
	c := v.system(b.Account, b.Region).As(identity.Service(principal, b.Account, naming.BucketARN(b.Name)))
	c.RequestID = v.ids.RequestID()
	in := &api.PutObjectInput{Bucket: new(strings.TrimPrefix(*d.Bucket, "arn:aws:s3:::")), Key: &key, Body: body, ExpectedBucketOwner: d.AccountId}
	if e := d.Encryption; e != nil && e.SSEKMS != nil {
		in.ServerSideEncryption, in.SSEKMSKeyId = new(store.EncryptionKMS), e.SSEKMS.KeyId
	} else if e != nil {
		in.ServerSideEncryption = new(store.EncryptionS3)
	}
	_, err := service.Invoke(ctx, c, api.PutObject, in)
	return err
}

// counted sums what is read through it.
type counted struct {
	io.Reader
	n int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	return n, err
}

// files writes the rows of a report into as many files as they need, one at
// least.
func (v *Inventory) files(ctx context.Context, r *report, d *api.InventoryS3BucketDestination, name func() string, rows *rows) ([]file, error) {
	var out []file
	for {
		f, err := v.data(ctx, r, d, name(), rows)
		if err != nil {
			return nil, err
		}
		out = append(out, f)
		if more, err := rows.more(ctx); err != nil || !more {
			return out, err
		}
	}
}

// data writes one file of rows while they are read: no more than a page is in
// memory.
func (v *Inventory) data(ctx context.Context, r *report, d *api.InventoryS3BucketDestination, key string, rows *rows) (file, error) {
	src, dst := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		z := gzip.NewWriter(dst)
		err := rows.write(ctx, z, v.FileRows)
		if err == nil {
			err = z.Close()
		}
		dst.CloseWithError(err)
	}()
	sum := md5.New()
	body := &counted{Reader: io.TeeReader(src, sum)}
	err := v.put1(ctx, r.b, d, key, body)
	src.CloseWithError(io.ErrClosedPipe) // ends the writer, where the body was not read to its end
	<-done
	return file{key, body.n, hex.EncodeToString(sum.Sum(nil))}, err
}
