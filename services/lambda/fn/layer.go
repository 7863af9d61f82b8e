package fn

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"slices"
	"strconv"
	"strings"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/aws/arn"
	"moln.dev/moln/engine/blob"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
)

// LayersMax is how many layers a function may have.
const LayersMax = 5

// layerARNPrefix begins the resource part of a layer's ARN.
const layerARNPrefix = "layer:"

// LayerRef is a layer, or one version of it.
type LayerRef struct {
	Place
	Name   string
	Number int64 // 0: the layer itself
}

// ARN is the layer's, with the version's number where there is one.
func (r LayerRef) ARN() string {
	a := arn.ARN{Partition: arn.PartitionOf(r.Region), Service: "lambda", Region: r.Region, Account: r.Account, Resource: layerARNPrefix + r.Name}.String()
	if r.Number != 0 {
		a += ":" + strconv.FormatInt(r.Number, 10)
	}
	return a
}

// Key is where a layer keeps the number of its newest version, so that no
// number comes twice.
func (r LayerRef) Key() []byte { return tuple.Key(r.Account, r.Region, "l", r.Name) }

// VersionKey is the key of one version.
func (r LayerRef) VersionKey() []byte {
	return tuple.Key(r.Account, r.Region, "lv", r.Name, r.Number)
}

// PolicyKey is the key of a version's policy.
func (r LayerRef) PolicyKey() []byte {
	return tuple.Key(r.Account, r.Region, "lp", r.Name, r.Number)
}

// BlobKey names the version on the blob of its content. No function's name has
// a colon in it.
func (r LayerRef) BlobKey(id string) []byte {
	return r.blobKey(id, layerARNPrefix+r.Name, r.Number)
}

// ParseLayer reads a layer's name or its ARN; the model has checked the form.
func ParseLayer(p Place, text string) LayerRef {
	r := LayerRef{Place: p, Name: text}
	if a, err := arn.Parse(text); err == nil {
		r.Account, r.Region, r.Name = a.Account, a.Region, strings.TrimPrefix(a.Resource, layerARNPrefix)
	}
	return r
}

// ParseLayerVersion reads the ARN of a layer's version.
func ParseLayerVersion(text string) (LayerRef, bool) {
	a, err := arn.Parse(text)
	rest, ok := strings.CutPrefix(a.Resource, layerARNPrefix)
	name, number, numbered := strings.Cut(rest, ":")
	if err != nil || a.Service != "lambda" || a.Region == "" || a.Account == "" || !ok || !numbered || !namePattern.MatchString(name) {
		return LayerRef{}, false
	}
	n, err := strconv.ParseInt(number, 10, 64)
	return LayerRef{Place{a.Account, a.Region}, name, n}, err == nil && n > 0
}

// LayerUse is a version of a layer as a function's version has it. It outlives
// the layer's version.
type LayerUse struct {
	ARN string `json:"arn"`
	Code
}

// LayerARNs are the layers in their order.
func (g *Config) LayerARNs() []string {
	out := make([]string, len(g.Layers))
	for i, l := range g.Layers {
		out[i] = l.ARN
	}
	return out
}

func describeLayers(g *Config) []api.Layer {
	var out []api.Layer
	for _, l := range g.Layers {
		out = append(out, api.Layer{Arn: new(l.ARN), CodeSize: new(l.Bytes)})
	}
	return out
}

// MergedSum names the directory of a version's layers put over each other: the
// same content in the same order has the same name. It is "" where the version
// has fewer than two.
func (g *Config) MergedSum() string {
	if len(g.Layers) < 2 {
		return ""
	}
	h := sha256.New()
	for _, l := range g.Layers {
		h.Write([]byte(l.SHA256 + "\n"))
	}
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

func mergedKey(sum string, r Ref, number int64) []byte {
	return tuple.Key("merged", sum, r.Account, r.Region, r.Name, number)
}

// blobs are everything that a version needs to run.
func (g *Config) blobs() []Code {
	var out []Code
	if g.Image == nil {
		out = append(out, g.Code)
	}
	for _, l := range g.Layers {
		out = append(out, l.Code)
	}
	return out
}

// nameBlobs puts a version's name on everything it needs (L1). A layer that the
// version did not have before must be there still: layers is what it had.
func nameBlobs(tx *kv.Tx, r Ref, number int64, g *Config, had []LayerUse) error {
	for _, l := range g.Layers {
		if slices.ContainsFunc(had, func(h LayerUse) bool { return h.Blob == l.Blob }) {
			continue
		}
		at, _ := ParseLayerVersion(l.ARN)
		if _, err := tx.Get(at.VersionKey()); errors.Is(err, kv.ErrNotFound) {
			return NoLayerVersion(l.ARN)
		} else if err != nil {
			return err
		}
	}
	for _, c := range g.blobs() {
		if err := tx.Put(r.blobKey(c.Blob.ID, r.Name, number), []byte(c.SHA256)); err != nil {
			return err
		}
	}
	if sum := g.MergedSum(); sum != "" {
		return tx.Put(mergedKey(sum, r, number), nil)
	}
	return nil
}

// NoLayerVersion: a function names a version of a layer that is not there.
func NoLayerVersion(arn string) error { return Invalid("Layer version %s does not exist.", arn) }

// unnameBlobs takes a version's name off what it needed, but for what the
// version that takes its place needs as well. It returns the blobs that nobody
// names any more.
func unnameBlobs(tx *kv.Tx, r Ref, number int64, g, next *Config) (dropped []blob.Ref, err error) {
	var kept []Code
	merged := ""
	if next != nil {
		kept, merged = next.blobs(), next.MergedSum()
	}
	for _, c := range g.blobs() {
		if slices.ContainsFunc(kept, func(k Code) bool { return k.Blob == c.Blob }) {
			continue
		}
		more, err := dropBlob(tx, r, c.Blob, number)
		if err != nil {
			return nil, err
		}
		dropped = append(dropped, more...)
	}
	if sum := g.MergedSum(); sum != "" && sum != merged {
		err = tx.Delete(mergedKey(sum, r, number))
	}
	return dropped, err
}

// DropBlobKey removes one name of a blob, and returns the blob where it was the
// last.
func DropBlobKey(tx *kv.Tx, key []byte, b blob.Ref) ([]blob.Ref, error) {
	if err := tx.Delete(key); err != nil {
		return nil, err
	}
	left := kv.Prefix(tuple.Key("blob", b.ID))
	left.Limit = 1
	items, err := tx.Scan(left)
	if err != nil || len(items) > 0 {
		return nil, err
	}
	return []blob.Ref{b}, nil
}
