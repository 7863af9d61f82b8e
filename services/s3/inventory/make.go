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
	"moln.dev/moln/services/s3/listing"
	"moln.dev/moln/services/s3/naming"
	"moln.dev/moln/services/s3/store"
)

// principal is who writes reports.
const principal = "s3.amazonaws.com"

// pageMax is how many versions are read at once.
const pageMax = 1000

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
	data, err := v.data(ctx, r, conf, base+"data/"+v.ids.UUID()+".csv.gz")
	if err != nil {
		return err
	}
	raw, err := json.MarshalIndent(manifest{
		SourceBucket: b.Name, DestinationBucket: *d.Bucket, Version: "2016-11-30", Created: strconv.FormatInt(now.UnixMilli(), 10),
		Format: "CSV", Schema: r.schema(), Files: []file{data},
	}, "", "  ")
	if err != nil {
		return err
	}
	sum := md5.Sum(raw)
	to := strings.TrimPrefix(*d.Bucket, "arn:aws:s3:::")
	stamp := base + now.Format("2006-01-02T15-04Z") + "/"
	for _, f := range [][2]string{
		{base + "hive/dt=" + now.Format("2006-01-02-15-04") + "/symlink.txt", "s3://" + to + "/" + data.Key},
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

// data writes the rows while they are read: no more than a page is in memory.
func (v *Inventory) data(ctx context.Context, r *report, conf *api.InventoryConfiguration, key string) (file, error) {
	src, dst := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		z := gzip.NewWriter(dst)
		err := v.rows(ctx, r, conf, z)
		if err == nil {
			err = z.Close()
		}
		dst.CloseWithError(err)
	}()
	sum := md5.New()
	body := &counted{Reader: io.TeeReader(src, sum)}
	err := v.put1(ctx, r.b, conf.Destination.S3BucketDestination, key, body)
	src.CloseWithError(io.ErrClosedPipe) // ends the writer, where the body was not read to its end
	<-done
	return file{key, body.n, hex.EncodeToString(sum.Sum(nil))}, err
}

func (v *Inventory) rows(ctx context.Context, r *report, conf *api.InventoryConfiguration, w io.Writer) error {
	l := &listing.Listing{Max: pageMax}
	if conf.Filter != nil {
		l.Prefix = *conf.Filter.Prefix
	}
	version := ""
	for {
		var page []string
		note := func(o *store.Object, latest bool) {
			version = o.Version
			page = append(page, r.row(o, latest))
		}
		p, err := v.page(ctx, r, l, version, note)
		if err != nil {
			return err
		}
		for _, line := range page {
			if _, err := io.WriteString(w, line); err != nil {
				return err
			}
		}
		if !p.Truncated {
			return nil
		}
		l.After = p.Last
	}
}

func (v *Inventory) page(ctx context.Context, r *report, l *listing.Listing, version string, note func(o *store.Object, latest bool)) (*listing.Page, error) {
	if r.all {
		return v.store.ListVersions(ctx, r.b, l, version, note)
	}
	return v.store.ListObjects(ctx, r.b, l, func(o *store.Object) { note(o, true) })
}
