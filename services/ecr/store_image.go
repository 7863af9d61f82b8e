package ecr

import (
	"context"
	"errors"
	"slices"
	"time"

	"moln.dev/moln/engine/blob"
	"moln.dev/moln/engine/kv"
)

// putImage stores an image under a tag, if tag is not "" (E1, E4). decide sees
// the image as it is in the repository (nil: it is new) and the digest that the
// tag names, "" for none, and may refuse.
func (s *store) putImage(ctx context.Context, r *repository, i *image, tag string, decide func(now *repository, have *image, tagged string) error) error {
	locks := [][]byte{r.at.repositoryKey(r.Name), r.imageKey(i.Digest)}
	return s.db.Update(ctx, func(tx *kv.Tx) error {
		now, err := s.same(tx, r)
		if err != nil {
			return err
		}
		have, err := read[image](tx, r.imageKey(i.Digest))
		if err != nil && !errors.Is(err, errAbsent) {
			return err
		}
		old := new(string)
		if tag != "" {
			if old, err = read[string](tx, r.tagKey(tag)); errors.Is(err, errAbsent) {
				old, err = new(string), nil
			}
			if err != nil {
				return err
			}
		}
		if err := decide(now, have, *old); err != nil {
			return err
		}
		if err := s.hold(tx, r, i); err != nil {
			return err
		}
		put := *i
		if have != nil {
			put.Tags, put.Pushed, put.Pulled, put.Parents = have.Tags, have.Pushed, have.Pulled, have.Parents
		}
		if tag != "" && *old != put.Digest {
			if err := s.moveTag(tx, r, tag, *old, &put); err != nil {
				return err
			}
		}
		i.Tags, i.Pushed, i.Pulled = put.Tags, put.Pushed, put.Pulled
		return tx.Put(r.imageKey(put.Digest), encode(&put))
	}, locks...)
}

// hold finds what an image is made of in its repository, and marks it used.
func (s *store) hold(tx *kv.Tx, r *repository, i *image) error {
	for _, digest := range i.Layers {
		l, err := read[layer](tx, r.layerKey(digest))
		if errors.Is(err, errAbsent) {
			return noLayers(r, digest)
		}
		if err != nil {
			return err
		}
		l.Used = i.Pushed
		if err := tx.Put(r.layerKey(digest), encode(l)); err != nil {
			return err
		}
	}
	for _, digest := range i.Children {
		child, err := read[image](tx, r.imageKey(digest))
		if errors.Is(err, errAbsent) {
			return noReferenced(r, digest)
		}
		if err != nil {
			return err
		}
		if slices.Contains(child.Parents, i.Digest) {
			continue
		}
		child.Parents = append(child.Parents, i.Digest)
		if err := tx.Put(r.imageKey(digest), encode(child)); err != nil {
			return err
		}
	}
	return nil
}

// letGo is hold's opposite, for an index that goes.
func (s *store) letGo(tx *kv.Tx, r *repository, i *image) error {
	for _, digest := range i.Children {
		child, err := read[image](tx, r.imageKey(digest))
		if errors.Is(err, errAbsent) {
			continue
		}
		if err != nil {
			return err
		}
		child.Parents = slices.DeleteFunc(child.Parents, func(p string) bool { return p == i.Digest })
		if err := tx.Put(r.imageKey(digest), encode(child)); err != nil {
			return err
		}
	}
	return nil
}

// moveTag lets a tag name put, and its image of before know.
func (s *store) moveTag(tx *kv.Tx, r *repository, tag, from string, put *image) error {
	if from != "" {
		before, err := read[image](tx, r.imageKey(from))
		if err != nil && !errors.Is(err, errAbsent) {
			return err
		}
		if err == nil {
			before.Tags = slices.DeleteFunc(before.Tags, func(t string) bool { return t == tag })
			if err := tx.Put(r.imageKey(from), encode(before)); err != nil {
				return err
			}
		}
	}
	put.Tags = append(slices.Clone(put.Tags), tag)
	slices.Sort(put.Tags)
	return tx.Put(r.tagKey(tag), encode(put.Digest))
}

// deleteImage removes an image with its tags, or with tag only that; the last
// tag takes the image along. It says what went. errReferenced tells of an index.
func (s *store) deleteImage(ctx context.Context, r *repository, digest, tag string) (gone []imageID, err error) {
	at := r.imageKey(digest)
	err = s.db.Update(ctx, func(tx *kv.Tx) error {
		gone = nil
		i, err := read[image](tx, at)
		if err != nil {
			return err
		}
		tags := i.Tags
		if tag != "" {
			if !slices.Contains(i.Tags, tag) {
				return errAbsent
			}
			tags = []string{tag}
		}
		for _, t := range tags {
			gone = append(gone, imageID{digest, t})
			if err := tx.Delete(r.tagKey(t)); err != nil {
				return err
			}
		}
		if len(tags) == 0 {
			gone = []imageID{{digest, ""}}
		}
		if i.Tags = slices.DeleteFunc(slices.Clone(i.Tags), func(t string) bool { return slices.Contains(tags, t) }); len(i.Tags) > 0 {
			return tx.Put(at, encode(i))
		}
		if len(i.Parents) > 0 {
			return errReferenced
		}
		if err := s.letGo(tx, r, i); err != nil {
			return err
		}
		return tx.Delete(at)
	}, r.at.repositoryKey(r.Name), at)
	return gone, err
}

// errReferenced: an index names the image.
var errReferenced = errors.New("ecr: the image is part of an index")

// pulled records when an image was fetched last.
func (s *store) pulled(ctx context.Context, r *repository, digest string, when time.Time) error {
	at := r.imageKey(digest)
	return s.db.Update(ctx, func(tx *kv.Tx) error {
		i, err := read[image](tx, at)
		if err != nil {
			return err
		}
		i.Pulled = when
		return tx.Put(at, encode(i))
	}, at)
}

// addPart appends to an upload what add gives it: it sees the upload as it is,
// and may refuse.
func (s *store) addPart(ctx context.Context, r *repository, id string, add func(*upload) error) error {
	at := r.uploadKey(id)
	return s.db.Update(ctx, func(tx *kv.Tx) error {
		u, err := read[upload](tx, at)
		if errors.Is(err, errAbsent) {
			return noUpload(r, id)
		}
		if err != nil {
			return err
		}
		if err := add(u); err != nil {
			return err
		}
		return tx.Put(at, encode(u))
	}, at)
}

// completeUpload makes a layer of an upload whose digest is known. It returns
// the blobs that nothing names any more, and whether the layer is new.
func (s *store) completeUpload(ctx context.Context, r *repository, u *upload, digest string, now time.Time) (garbage []blob.Ref, added bool, err error) {
	at, to := r.uploadKey(u.ID), r.at.contentKey(digest)
	err = s.db.Update(ctx, func(tx *kv.Tx) error {
		if _, err := s.same(tx, r); err != nil {
			return err
		}
		have, err := read[upload](tx, at)
		if errors.Is(err, errAbsent) || (err == nil && !slices.Equal(have.Parts, u.Parts)) {
			return noUpload(r, u.ID)
		}
		if err != nil {
			return err
		}
		garbage, added, err = s.addLayer(tx, r, layer{Digest: digest, Bytes: u.Bytes, Used: now}, u.Parts)
		if err != nil {
			return err
		}
		return tx.Delete(at)
	}, at, to, r.layerKey(digest))
	return garbage, added, err
}

// addLayer gives a repository a layer of the content, or of the parts where the
// content is new; parts that are not needed are garbage.
func (s *store) addLayer(tx *kv.Tx, r *repository, l layer, parts []blob.Ref) (garbage []blob.Ref, added bool, err error) {
	_, err = tx.Get(r.layerKey(l.Digest))
	if err == nil {
		return parts, false, tx.Put(r.layerKey(l.Digest), encode(l))
	}
	if !errors.Is(err, errAbsent) {
		return nil, false, err
	}
	c, err := read[content](tx, r.at.contentKey(l.Digest))
	switch {
	case errors.Is(err, errAbsent) && parts == nil:
		return nil, false, errAbsent
	case errors.Is(err, errAbsent):
		c = &content{Parts: parts, Bytes: l.Bytes}
	case err != nil:
		return nil, false, err
	default:
		garbage = parts
	}
	c.Uses++
	if err := tx.Put(r.at.contentKey(l.Digest), encode(c)); err != nil {
		return nil, false, err
	}
	return garbage, true, tx.Put(r.layerKey(l.Digest), encode(l))
}

// mountLayer gives a repository a layer that another of the place has.
func (s *store) mountLayer(ctx context.Context, from, to *repository, digest string, now time.Time) error {
	return s.db.Update(ctx, func(tx *kv.Tx) error {
		if _, err := s.same(tx, to); err != nil {
			return err
		}
		l, err := read[layer](tx, from.layerKey(digest))
		if err != nil {
			return err
		}
		l.Used = now
		_, _, err = s.addLayer(tx, to, *l, nil)
		return err
	}, to.at.contentKey(digest), to.layerKey(digest))
}

// dropLayer removes a layer that was not used since, and with the last one its
// content, whose blobs it returns.
func (s *store) dropLayer(ctx context.Context, p place, repositoryID, digest string, used time.Time) (garbage []blob.Ref, err error) {
	at, of := p.key("l", repositoryID, digest), p.contentKey(digest)
	err = s.db.Update(ctx, func(tx *kv.Tx) error {
		garbage = nil
		l, err := read[layer](tx, at)
		if errors.Is(err, errAbsent) || (err == nil && !l.Used.Equal(used)) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := tx.Delete(at); err != nil {
			return err
		}
		c, err := read[content](tx, of)
		if err != nil {
			return err
		}
		if c.Uses--; c.Uses > 0 {
			return tx.Put(of, encode(c))
		}
		garbage = c.Parts
		return tx.Delete(of)
	}, at, of)
	return garbage, err
}

// dropUpload removes an upload and returns its blobs.
func (s *store) dropUpload(ctx context.Context, p place, repositoryID, id string) (garbage []blob.Ref, err error) {
	at := p.key("u", repositoryID, id)
	err = s.db.Update(ctx, func(tx *kv.Tx) error {
		garbage = nil
		u, err := read[upload](tx, at)
		if err != nil {
			return err
		}
		garbage = u.Parts
		return tx.Delete(at)
	}, at)
	return garbage, err
}
