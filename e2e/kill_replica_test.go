package e2e

import (
	"context"
	"encoding/xml"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	replicaBucket = "replicas"
	replicaRole   = "replicator"
	// replicaBytesMax is what is uploaded in a round, so that all of it can be
	// copied in the time of a test.
	replicaBytesMax = 48 << 20
	// replicaEnd is how long copying may take after the last death: what a dead
	// process was copying is leased for a minute, and by a clock that cannot be
	// moved where the store is shared.
	replicaEnd = 3 * time.Minute
)

// TestKillReplicas ends moln with SIGKILL while clients upload objects that are
// replicated, and starts it again: every acknowledged object comes to the other
// bucket, with its version, its bytes and its ETag, its status goes from PENDING to
// COMPLETED and is never FAILED, and nothing comes that nobody wrote.
func TestKillReplicas(t *testing.T) {
	t.Parallel() // with its like: most of the time it waits for a lease
	t.Run("embedded", func(t *testing.T) {
		killReplicas(t, true, "--data-dir", t.TempDir())
	})
	t.Run("postgres", func(t *testing.T) {
		killReplicas(t, false, "--data-dir", t.TempDir(), "--store", postgres(t))
	})
}

func killReplicas(t *testing.T, advances bool, args ...string) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, seed))
	p := start(t, args...)
	newClient(p.endpoint).makeReplicated(t)
	all := &uploads{acked: map[string]upload{}, begun: map[string]int{}, most: replicaBytesMax}
	for round := range rounds(t) {
		after := killAfterMin + time.Duration(rng.Int64N(int64(killAfterMax-killAfterMin)))
		all.untilKilled(t, p, round, after)
		p = start(t, args...)
		all.verify(t, newClient(p.endpoint))
		waiting := len(all.copies(t, newClient(p.endpoint)))
		t.Logf("round %d: killed after %v at the latest, %d uploads acknowledged so far, %d of them not copied yet", round, after.Round(time.Millisecond), len(all.acked), waiting)
		if t.Failed() {
			return
		}
	}
	if len(all.acked) < uploaders {
		t.Errorf("%d uploads were acknowledged in all, so little was tested", len(all.acked))
	}
	c := newClient(p.endpoint)
	for deadline := time.Now().Add(replicaEnd); ; time.Sleep(time.Second) {
		if advances {
			c.advance(t, time.Minute) // what a dead process had leased comes due
		}
		waiting := all.copies(t, c)
		if len(waiting) == 0 || t.Failed() {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d objects are not copied %v after the last death, the first is %s\n%s", len(waiting), len(all.acked), replicaEnd, waiting[0], p.stderr)
		}
	}
	all.verifyCopies(t, c)
	scrubbed(t, p)
}

// makeReplicated makes two buckets, of which the second has what is written in the
// first.
func (c *client) makeReplicated(t *testing.T) {
	t.Helper()
	must := succeeded(t)
	const trust = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"sts:AssumeRole"}}`
	const all = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}`
	must(c.form(t.Context(), "iam", url.Values{"Action": {"CreateRole"}, "Version": {"2010-05-08"}, "RoleName": {replicaRole}, "AssumeRolePolicyDocument": {trust}}.Encode()))
	must(c.form(t.Context(), "iam", url.Values{"Action": {"PutRolePolicy"}, "Version": {"2010-05-08"}, "RoleName": {replicaRole}, "PolicyName": {"p"}, "PolicyDocument": {all}}.Encode()))
	for _, bucket := range []string{uploadBucket, replicaBucket} {
		must(c.do(t.Context(), "s3", http.MethodPut, "/"+bucket, nil, nil))
		must(c.do(t.Context(), "s3", http.MethodPut, "/"+bucket+"?versioning=", nil, []byte("<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>")))
	}
	rule := "<Rule><ID>r</ID><Status>Enabled</Status><Priority>1</Priority><Filter><Prefix></Prefix></Filter><DeleteMarkerReplication><Status>Disabled</Status></DeleteMarkerReplication>" +
		"<Destination><Bucket>arn:aws:s3:::" + replicaBucket + "</Bucket></Destination></Rule>"
	must(c.do(t.Context(), "s3", http.MethodPut, "/"+uploadBucket+"?replication=", nil,
		[]byte("<ReplicationConfiguration><Role>arn:aws:iam::000000000000:role/"+replicaRole+"</Role>"+rule+"</ReplicationConfiguration>")))
}

// copies gives the acknowledged objects that are PENDING. Those of another status
// than that and COMPLETED are errors.
func (u *uploads) copies(t *testing.T, c *client) (pending []string) {
	t.Helper()
	group, ctx := errgroup.WithContext(t.Context())
	group.SetLimit(killReaders)
	var mu sync.Mutex
	for key := range u.acked {
		group.Go(func() error {
			a, err := c.head(ctx, uploadBucket, key)
			if err != nil {
				return err
			}
			switch status := a.header.Get("X-Amz-Replication-Status"); status {
			case "COMPLETED":
			case "PENDING":
				mu.Lock()
				pending = append(pending, key)
				mu.Unlock()
			default:
				return fmt.Errorf("%s: replication status %q", key, status)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
	return pending
}

func (c *client) head(ctx context.Context, bucket, key string) (answer, error) {
	a, err := c.do(ctx, "s3", http.MethodHead, "/"+bucket+"/"+key, nil, nil)
	if err == nil {
		err = a.err()
	}
	if err != nil {
		return a, fmt.Errorf("%s in %s: %w", key, bucket, err)
	}
	return a, nil
}

// verifyCopies reads the copy of every acknowledged object, and looks at everything
// that is in the other bucket, version by version: each is there once.
func (u *uploads) verifyCopies(t *testing.T, c *client) {
	t.Helper()
	group, ctx := errgroup.WithContext(t.Context())
	group.SetLimit(killReaders)
	for key, want := range u.acked {
		group.Go(func() error {
			source, err := c.head(ctx, uploadBucket, key)
			if err != nil {
				return err
			}
			a, err := c.do(ctx, "s3", http.MethodGet, "/"+replicaBucket+"/"+key, nil, nil)
			if err == nil {
				err = a.err()
			}
			if err == nil {
				err = matches(a.body, key, []int{0}, want.bytes)
			}
			if err != nil {
				t.Errorf("the copy of %s: %v", key, err)
				return nil
			}
			for name, want := range map[string]string{
				"Etag": source.header.Get("Etag"), "X-Amz-Version-Id": source.header.Get("X-Amz-Version-Id"),
				"Last-Modified": source.header.Get("Last-Modified"), "X-Amz-Replication-Status": "REPLICA",
			} {
				if got := a.header.Get(name); got != want {
					t.Errorf("the copy of %s: %s is %q, want %q", key, name, got, want)
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
	source := versions(t, c, uploadBucket)
	for v := range versions(t, c, replicaBucket) {
		if !source[v] {
			t.Errorf("there is a copy of %s, which there is not", v)
		}
	}
}

// versions gives the versions in a bucket, by key and id.
func versions(t *testing.T, c *client, bucket string) map[string]bool {
	t.Helper()
	out, marker := map[string]bool{}, ""
	for {
		var page struct {
			Version       []struct{ Key, VersionId string }
			IsTruncated   bool
			NextKeyMarker string

			NextVersionIdMarker string
		}
		a, err := c.do(t.Context(), "s3", http.MethodGet, "/"+bucket+"?versions="+marker, nil, nil)
		if err == nil {
			err = a.err()
		}
		if err == nil {
			err = xml.Unmarshal(a.body, &page)
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range page.Version {
			if name := v.Key + " " + v.VersionId; out[name] {
				t.Errorf("%s is listed twice in %s", name, bucket)
			} else {
				out[name] = true
			}
		}
		if !page.IsTruncated {
			return out
		}
		marker = "&key-marker=" + url.QueryEscape(page.NextKeyMarker) + "&version-id-marker=" + url.QueryEscape(page.NextVersionIdMarker)
	}
}
