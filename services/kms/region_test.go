package kms

import (
	"context"
	"strings"
	"testing"

	api "moln.dev/moln/api/kms"
	"moln.dev/moln/platform/service"
)

// in is a call in another region.
func in(c *service.Call, region string) *service.Call {
	d := *c
	d.Region = region
	return &d
}

func TestMultiRegion(t *testing.T) {
	h := newHarness(t)
	k := h.key(api.CreateKeyInput{MultiRegion: new(true)})
	if !strings.HasPrefix(*k.KeyId, "mrk-") || len(*k.KeyId) != mrkLength || !*k.MultiRegion || *k.MultiRegionConfiguration.MultiRegionKeyType != "PRIMARY" || len(k.MultiRegionConfiguration.ReplicaKeys) != 0 {
		t.Fatalf("%+v", k)
	}
	const west = "eu-west-1"
	there := func() *service.Call { return in(h.call(), west) }
	fails(t, there(), api.DescribeKey, &api.DescribeKeyInput{KeyId: k.KeyId}, "NotFoundException", "Key 'arn:aws:kms:eu-west-1:000000000000:key/"+*k.KeyId+"' does not exist")
	old := must(t, h.call(), api.Encrypt, &api.EncryptInput{KeyId: k.KeyId, Plaintext: []byte("old")}).CiphertextBlob
	out := must(t, h.call(), api.ReplicateKey, &api.ReplicateKeyInput{KeyId: k.KeyId, ReplicaRegion: new(west), Description: new("there")})
	if m := out.ReplicaKeyMetadata; *m.Arn != "arn:aws:kms:eu-west-1:000000000000:key/"+*k.KeyId || *m.MultiRegionConfiguration.MultiRegionKeyType != "REPLICA" || *m.MultiRegionConfiguration.PrimaryKey.Region != region {
		t.Errorf("%+v", m)
	}
	fails(t, h.call(), api.ReplicateKey, &api.ReplicateKeyInput{KeyId: k.KeyId, ReplicaRegion: new(west)}, "AlreadyExistsException", "")
	fails(t, there(), api.ReplicateKey, &api.ReplicateKeyInput{KeyId: k.KeyId, ReplicaRegion: new("eu-west-2")}, "UnsupportedOperationException", "")
	single := h.key(api.CreateKeyInput{})
	fails(t, h.call(), api.ReplicateKey, &api.ReplicateKeyInput{KeyId: single.KeyId, ReplicaRegion: new(west)}, "UnsupportedOperationException", "")

	// What one encrypts the other decrypts, after rotations as well.
	must(t, h.call(), api.RotateKeyOnDemand, &api.RotateKeyOnDemandInput{KeyId: k.KeyId})
	fails(t, there(), api.RotateKeyOnDemand, &api.RotateKeyOnDemandInput{KeyId: k.KeyId}, "UnsupportedOperationException", "")
	for _, blob := range [][]byte{old, must(t, h.call(), api.Encrypt, &api.EncryptInput{KeyId: k.KeyId, Plaintext: []byte("new")}).CiphertextBlob} {
		if out := must(t, there(), api.Decrypt, &api.DecryptInput{CiphertextBlob: blob}); *out.KeyId != "arn:aws:kms:eu-west-1:000000000000:key/"+*k.KeyId {
			t.Errorf("%+v", out)
		}
	}
	must(t, h.call(), api.EnableKeyRotation, &api.EnableKeyRotationInput{KeyId: k.KeyId, RotationPeriodInDays: new(int32(100))})
	if st := must(t, there(), api.GetKeyRotationStatus, &api.GetKeyRotationStatusInput{KeyId: k.KeyId}); *st.RotationPeriodInDays != 100 {
		t.Errorf("%+v", st)
	}
	h.clk.Advance(100 * day)
	if err := h.s.tendOnce(context.Background()); err != nil {
		t.Fatal(err)
	}
	if r := must(t, there(), api.ListKeyRotations, &api.ListKeyRotationsInput{KeyId: k.KeyId}).Rotations; len(r) != 2 {
		t.Errorf("%d rotations", len(r))
	}

	must(t, h.call(), api.UpdatePrimaryRegion, &api.UpdatePrimaryRegionInput{KeyId: k.KeyId, PrimaryRegion: new(west)})
	fails(t, h.call(), api.UpdatePrimaryRegion, &api.UpdatePrimaryRegionInput{KeyId: k.KeyId, PrimaryRegion: new(west)}, "UnsupportedOperationException", "")

	// The primary waits for its replica to go.
	if out := must(t, there(), api.ScheduleKeyDeletion, &api.ScheduleKeyDeletionInput{KeyId: k.KeyId, PendingWindowInDays: new(int32(7))}); *out.KeyState != "PendingReplicaDeletion" || out.DeletionDate != nil {
		t.Errorf("%+v", out)
	}
	must(t, h.call(), api.ScheduleKeyDeletion, &api.ScheduleKeyDeletionInput{KeyId: k.KeyId, PendingWindowInDays: new(int32(7))})
	h.clk.Advance(7 * day)
	if err := h.s.tendOnce(context.Background()); err != nil {
		t.Fatal(err)
	}
	m := must(t, there(), api.DescribeKey, &api.DescribeKeyInput{KeyId: k.KeyId}).KeyMetadata
	if *m.KeyState != "PendingDeletion" || !m.DeletionDate.Equal(h.clk.Now().Add(7*day)) || len(m.MultiRegionConfiguration.ReplicaKeys) != 0 {
		t.Errorf("%+v", m)
	}
	fails(t, h.call(), api.DescribeKey, &api.DescribeKeyInput{KeyId: k.KeyId}, "NotFoundException", "")
}

func TestReplicaResource(t *testing.T) {
	h := newHarness(t)
	k := h.key(api.CreateKeyInput{MultiRegion: new(true)})
	ctx, c := context.Background(), in(h.call(), "eu-west-1")
	p := &replicaProperties{PrimaryKeyArn: *k.Arn, Description: new("d"), Tags: []struct{ Key, Value string }{{"a", "b"}}}
	r := &service.Resource{Properties: p}
	if err := createReplicaResource(ctx, c, r); err != nil || r.PhysicalID != *k.KeyId {
		t.Fatalf("%s, %v", r.PhysicalID, err)
	}
	next := *p
	next.Enabled = new(false)
	r.Old, r.Properties = p, &next
	if err := updateReplicaResource(ctx, c, r); err != nil {
		t.Fatal(err)
	}
	if m := must(t, c, api.DescribeKey, &api.DescribeKeyInput{KeyId: k.KeyId}).KeyMetadata; *m.KeyState != "Disabled" {
		t.Errorf("%+v", m)
	}
	if err := deleteReplicaResource(ctx, c, r); err != nil {
		t.Fatal(err)
	}
}
