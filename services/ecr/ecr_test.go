package ecr

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	api "moln.dev/moln/api/ecr"
	"moln.dev/moln/engine/blob"
	"moln.dev/moln/platform/service"
)

func TestTable(t *testing.T) {
	seen := map[string]int{}
	for _, op := range New(service.Deps{}).Definition().Operations {
		_, o := op.Of()
		seen[o.Name]++
	}
	for _, d := range api.Operations() {
		if _, o := d.Of(); seen[o.Name] != 1 {
			t.Errorf("%s is listed %d times", o.Name, seen[o.Name])
		}
	}
}

func TestRepositories(t *testing.T) {
	w := newWorld(t)
	c := w.root()
	out := must(t, c, api.CreateRepository, &api.CreateRepositoryInput{RepositoryName: new("team/app"), Tags: []api.Tag{{Key: new("a"), Value: new("1")}}})
	host := strings.TrimPrefix(w.url, "http://")
	if r := out.Repository; *r.RepositoryUri != host+"/team/app" || *r.RepositoryArn != "arn:aws:ecr:us-east-1:000000000000:repository/team/app" || *r.ImageTagMutability != "MUTABLE" {
		t.Errorf("made %+v", r)
	}
	fails(t, c, api.CreateRepository, &api.CreateRepositoryInput{RepositoryName: new("team/app")}, "RepositoryAlreadyExistsException",
		"The repository with name 'team/app' already exists in the registry with id '000000000000'")
	fails(t, c, api.CreateRepository, &api.CreateRepositoryInput{RepositoryName: new("b2"), ImageScanningConfiguration: &api.ImageScanningConfiguration{ScanOnPush: new(true)}}, "InvalidParameterException", "")
	fails(t, c, api.CreateRepository, &api.CreateRepositoryInput{RepositoryName: new("b2"), EncryptionConfiguration: &api.EncryptionConfiguration{EncryptionType: new("KMS")}}, "InvalidParameterException", "")
	fails(t, c, api.CreateRepository, &api.CreateRepositoryInput{RepositoryName: new("b2"), ImageTagMutability: new("IMMUTABLE_WITH_EXCLUSION")}, "InvalidParameterException", "")
	fails(t, c, api.CreateRepository, &api.CreateRepositoryInput{RepositoryName: new("a")}, "InvalidParameterException",
		"Invalid parameter at 'repositoryName' failed to satisfy constraint: 'must have length greater than or equal to 2'")
	fails(t, c, api.CreateRepository, &api.CreateRepositoryInput{RepositoryName: new("UPPER")}, "InvalidParameterException",
		`Invalid parameter at 'repositoryName' failed to satisfy constraint: 'must satisfy regular expression '[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*''`)
	fails(t, c, api.DescribeRepositories, &api.DescribeRepositoriesInput{RepositoryNames: []string{"gone"}}, "RepositoryNotFoundException",
		"The repository with name 'gone' does not exist in the registry with id '000000000000'")
	for _, name := range []string{"b2", "c3"} {
		w.repository(name)
	}
	page := must(t, c, api.DescribeRepositories, &api.DescribeRepositoriesInput{MaxResults: new(int32(2))})
	if len(page.Repositories) != 2 || page.NextToken == nil {
		t.Fatalf("page %+v", page)
	}
	rest := must(t, c, api.DescribeRepositories, &api.DescribeRepositoriesInput{MaxResults: new(int32(2)), NextToken: page.NextToken})
	if len(rest.Repositories) != 1 || rest.NextToken != nil || *rest.Repositories[0].RepositoryName != "team/app" {
		t.Errorf("rest %+v", rest)
	}
	arn := out.Repository.RepositoryArn
	must(t, c, api.TagResource, &api.TagResourceInput{ResourceArn: arn, Tags: []api.Tag{{Key: new("b"), Value: new("2")}}})
	must(t, c, api.UntagResource, &api.UntagResourceInput{ResourceArn: arn, TagKeys: []string{"a"}})
	if tags := must(t, c, api.ListTagsForResource, &api.ListTagsForResourceInput{ResourceArn: arn}).Tags; len(tags) != 1 || *tags[0].Key != "b" {
		t.Errorf("tags %+v", tags)
	}
	fails(t, c, api.TagResource, &api.TagResourceInput{ResourceArn: arn, Tags: []api.Tag{{Key: new("aws:x"), Value: new("2")}}}, "InvalidTagParameterException", "")
	must(t, c, api.DeleteRepository, &api.DeleteRepositoryInput{RepositoryName: new("c3")})
	fails(t, c, api.DeleteRepository, &api.DeleteRepositoryInput{RepositoryName: new("c3")}, "RepositoryNotFoundException", "")
}

func TestImages(t *testing.T) {
	w := newWorld(t)
	c := w.root()
	w.repository("app")
	cl := w.client(c)
	manifest, digest := cl.image("app", "one", "first")
	fails(t, c, api.DeleteRepository, &api.DeleteRepositoryInput{RepositoryName: new("app")}, "RepositoryNotEmptyException",
		"The repository with name 'app' in registry with id '000000000000' cannot be deleted because it still contains images")
	put := &api.PutImageInput{RepositoryName: new("app"), ImageManifest: &manifest, ImageTag: new("two")}
	must(t, c, api.PutImage, put)
	fails(t, c, api.PutImage, put, "ImageAlreadyExistsException", "Image with digest '"+digest+"' and tag 'two' already exists in the repository with name 'app' in registry with id '000000000000'")
	fails(t, c, api.PutImage, &api.PutImageInput{RepositoryName: new("app"), ImageManifest: new(strings.ReplaceAll(manifest, "sha256:", "sha256:0"))}, "InvalidParameterException", "")
	missing := digestOf([]byte("missing"))
	fails(t, c, api.PutImage, &api.PutImageInput{RepositoryName: new("app"), ImageManifest: new(`{"schemaVersion":2,"config":{"digest":"` + missing + `"}}`)}, "LayersNotFoundException", "")
	fails(t, c, api.PutImage, &api.PutImageInput{RepositoryName: new("app"), ImageManifest: &manifest, ImageDigest: &missing}, "ImageDigestDoesNotMatchException", "")

	// A tag moves, and the image it leaves is untagged.
	_, second := cl.image("app", "two", "second")
	cl.image("app", "one", "third")
	ids := must(t, c, api.ListImages, &api.ListImagesInput{RepositoryName: new("app")}).ImageIds
	var got []string
	for _, id := range ids {
		one := idOf(id)
		got = append(got, one.String())
	}
	slices.Sort(got)
	_, third := cl.image("app", "one", "third")
	want := []string{imageID{digest, ""}.String(), imageID{second, "two"}.String(), imageID{third, "one"}.String()}
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	untagged := must(t, c, api.DescribeImages, &api.DescribeImagesInput{RepositoryName: new("app"), Filter: &api.DescribeImagesFilter{TagStatus: new("UNTAGGED")}}).ImageDetails
	if len(untagged) != 1 || *untagged[0].ImageDigest != digest || *untagged[0].ImageSizeInBytes != 5 {
		t.Errorf("untagged %+v", untagged)
	}
	fails(t, c, api.DescribeImages, &api.DescribeImagesInput{RepositoryName: new("app"), ImageIds: []api.ImageIdentifier{{ImageTag: new("no")}}}, "ImageNotFoundException",
		"The image with imageId {imageDigest:'null', imageTag:'no'} does not exist within the repository with name 'app' in the registry with id '000000000000'")

	some := must(t, c, api.BatchGetImage, &api.BatchGetImageInput{RepositoryName: new("app"), ImageIds: []api.ImageIdentifier{
		{ImageTag: new("two")}, {ImageTag: new("no")}, {}, {ImageDigest: new("x")}, {ImageDigest: &digest, ImageTag: new("two")},
	}})
	var codes []string
	for _, f := range some.Failures {
		codes = append(codes, *f.FailureCode)
	}
	if diff := cmp.Diff([]string{"ImageNotFound", "MissingDigestAndTag", "InvalidImageDigest", "ImageTagDoesNotMatchDigest"}, codes); diff != "" || len(some.Images) != 1 {
		t.Error(diff, some.Images)
	}

	// Immutable tags stay, but for the excluded ones.
	must(t, c, api.PutImageTagMutability, &api.PutImageTagMutabilityInput{RepositoryName: new("app"), ImageTagMutability: new("IMMUTABLE_WITH_EXCLUSION"),
		ImageTagMutabilityExclusionFilters: []api.ImageTagMutabilityExclusionFilter{{FilterType: new("WILDCARD"), Filter: new("tw*")}}})
	fails(t, c, api.PutImage, &api.PutImageInput{RepositoryName: new("app"), ImageManifest: &manifest, ImageTag: new("one")}, "ImageTagAlreadyExistsException", "")
	must(t, c, api.PutImage, &api.PutImageInput{RepositoryName: new("app"), ImageManifest: &manifest, ImageTag: new("two")})

	gone := must(t, c, api.BatchDeleteImage, &api.BatchDeleteImageInput{RepositoryName: new("app"), ImageIds: []api.ImageIdentifier{{ImageTag: new("two")}, {ImageDigest: &third}, {ImageTag: new("no")}}})
	if len(gone.ImageIds) != 2 || len(gone.Failures) != 1 {
		t.Errorf("gone %+v", gone)
	}
	if left := must(t, c, api.DescribeImages, &api.DescribeImagesInput{RepositoryName: new("app")}).ImageDetails; len(left) != 1 || *left[0].ImageDigest != second {
		t.Errorf("left %+v", left)
	}
	must(t, c, api.DeleteRepository, &api.DeleteRepositoryInput{RepositoryName: new("app"), Force: new(true)})
	w.repository("app")
	if left := must(t, c, api.DescribeImages, &api.DescribeImagesInput{RepositoryName: new("app")}).ImageDetails; len(left) != 0 {
		t.Errorf("a new repository has %+v", left)
	}
}

func TestLayerOperations(t *testing.T) {
	w := newWorld(t)
	c := w.root()
	w.repository("app")
	name := new("app")
	up := must(t, c, api.InitiateLayerUpload, &api.InitiateLayerUploadInput{RepositoryName: name})
	part := func(first int64, data string) *api.UploadLayerPartInput {
		return &api.UploadLayerPartInput{RepositoryName: name, UploadId: up.UploadId, PartFirstByte: &first, PartLastByte: new(first + int64(len(data)) - 1), LayerPartBlob: []byte(data)}
	}
	big := strings.Repeat("0123456789", 1<<20)[:partBytesMin]
	complete := &api.CompleteLayerUploadInput{RepositoryName: name, UploadId: up.UploadId, LayerDigests: []string{digestOf([]byte(big + "end"))}}
	fails(t, c, api.CompleteLayerUpload, complete, "EmptyUploadException", "")
	must(t, c, api.UploadLayerPart, part(0, big))
	fails(t, c, api.UploadLayerPart, part(0, "x"), "InvalidLayerPartException", "")
	if out := must(t, c, api.UploadLayerPart, part(partBytesMin, "end")); *out.LastByteReceived != partBytesMin+2 {
		t.Errorf("received up to %d", *out.LastByteReceived)
	}
	fails(t, c, api.CompleteLayerUpload, &api.CompleteLayerUploadInput{RepositoryName: name, UploadId: up.UploadId, LayerDigests: []string{digestOf(nil)}}, "InvalidLayerException", "")
	must(t, c, api.CompleteLayerUpload, complete)
	fails(t, c, api.CompleteLayerUpload, complete, "UploadNotFoundException", "")
	out := must(t, c, api.BatchCheckLayerAvailability, &api.BatchCheckLayerAvailabilityInput{RepositoryName: name, LayerDigests: []string{complete.LayerDigests[0], digestOf(nil), "md5:00"}})
	if len(out.Layers) != 2 || *out.Layers[0].LayerAvailability != "AVAILABLE" || *out.Layers[0].LayerSize != partBytesMin+3 || *out.Layers[1].LayerAvailability != "UNAVAILABLE" || len(out.Failures) != 1 {
		t.Errorf("availability %+v", out)
	}
	url := *must(t, c, api.GetDownloadUrlForLayer, &api.GetDownloadUrlForLayerInput{RepositoryName: name, LayerDigest: &complete.LayerDigests[0]}).DownloadUrl
	anybody := client{w: w}
	if got := anybody.do("GET", url, ""); got.status != 200 || got.body != big+"end" {
		t.Errorf("%d, %d bytes", got.status, len(got.body))
	}
	if got := anybody.do("GET", url, "", "Range", "bytes=5242879-5242881"); got.status != 206 || got.body != big[partBytesMin-1:]+"en" {
		t.Errorf("%d %q", got.status, got.body)
	}
	w.clk.Advance(2 * layerLife)
	anybody.want(403, "expired", "GET", url, "")

	// Parts that are too small, and a second upload of the same.
	up = must(t, w.root(), api.InitiateLayerUpload, &api.InitiateLayerUploadInput{RepositoryName: name})
	must(t, c, api.UploadLayerPart, part(0, "a"))
	must(t, c, api.UploadLayerPart, part(1, "b"))
	fails(t, c, api.CompleteLayerUpload, &api.CompleteLayerUploadInput{RepositoryName: name, UploadId: up.UploadId, LayerDigests: []string{digestOf([]byte("ab"))}}, "LayerPartTooSmallException", "")
	up = must(t, w.root(), api.InitiateLayerUpload, &api.InitiateLayerUploadInput{RepositoryName: name})
	must(t, c, api.UploadLayerPart, part(0, big+"end"))
	complete.UploadId = up.UploadId
	fails(t, c, api.CompleteLayerUpload, complete, "LayerAlreadyExistsException", "")
}

func TestCollect(t *testing.T) {
	w := newWorld(t)
	c := w.root()
	w.repository("app")
	w.repository("other")
	cl := w.client(c)
	_, digest := cl.image("app", "one", "first")
	cl.image("other", "one", "first") // the same content, once
	cl.layer("app", "nobody's")
	at := cl.want(202, "", "POST", "/v2/app/blobs/uploads/", "").header.Get("Location")
	cl.want(202, "", "PATCH", at, "half")
	count := func() (n int) {
		t.Helper()
		if err := w.s.deps.Blobs.List(t.Context(), func(blob.Info) error { n++; return nil }); err != nil {
			t.Fatal(err)
		}
		return n
	}
	tend := func() {
		t.Helper()
		if err := w.s.tendOnce(t.Context(), w.clk.Now()); err != nil {
			t.Fatal(err)
		}
	}
	tend()
	if n := count(); n != 4 {
		t.Fatalf("%d blobs, want the layer, the configuration, nobody's and the half", n)
	}
	w.clk.Advance(layerAge + time.Minute)
	tend()
	if n := count(); n != 2 {
		t.Errorf("%d blobs after a day, want 2", n)
	}
	c = w.root()
	must(t, c, api.BatchDeleteImage, &api.BatchDeleteImageInput{RepositoryName: new("app"), ImageIds: []api.ImageIdentifier{{ImageDigest: &digest}}})
	tend()
	if n := count(); n != 2 {
		t.Errorf("%d blobs while the other repository has them", n)
	}
	must(t, c, api.DeleteRepository, &api.DeleteRepositoryInput{RepositoryName: new("other"), Force: new(true)})
	tend()
	if n := count(); n != 0 {
		t.Errorf("%d blobs at the end", n)
	}
	if left, err := w.s.store.garbage(t.Context(), w.clk.Now()); err != nil || len(left.repositories)+len(left.layers)+len(left.uploads) != 0 {
		t.Errorf("left %+v, %v", left, err)
	}
}

func TestPolicies(t *testing.T) {
	w := newWorld(t)
	c := w.root()
	w.repository("app")
	w.client(c).image("app", "one", "first")
	name := new("app")
	fails(t, c, api.GetRepositoryPolicy, &api.GetRepositoryPolicyInput{RepositoryName: name}, "RepositoryPolicyNotFoundException",
		"Repository policy does not exist for the repository with name 'app' in the registry with id '000000000000'")
	fails(t, c, api.SetRepositoryPolicy, &api.SetRepositoryPolicyInput{RepositoryName: name, PolicyText: new("{}")}, "InvalidParameterException",
		"Invalid parameter at 'PolicyText' failed to satisfy constraint: 'Invalid repository policy provided'")
	get := &api.BatchGetImageInput{RepositoryName: name, ImageIds: []api.ImageIdentifier{{ImageTag: new("one")}}}
	ann := w.user("ann", "")
	fails(t, ann, api.BatchGetImage, get, "AccessDeniedException", "")
	must(t, c, api.SetRepositoryPolicy, &api.SetRepositoryPolicyInput{RepositoryName: name, PolicyText: new(`{"Version":"2008-10-17","Statement":[
		{"Effect":"Allow","Principal":{"AWS":"` + ann.Caller.ARN + `"},"Action":["ecr:BatchGetImage","ecr:GetDownloadUrlForLayer"]}]}`)})
	must(t, ann, api.BatchGetImage, get)
	fails(t, ann, api.ListImages, &api.ListImagesInput{RepositoryName: name}, "AccessDeniedException", "")
	fails(t, c, api.SetRepositoryPolicy, &api.SetRepositoryPolicyInput{RepositoryName: name, PolicyText: new(`{"Version":"2008-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"ecr:*"}]}`)}, "InvalidParameterException", "")
	must(t, c, api.DeleteRepositoryPolicy, &api.DeleteRepositoryPolicyInput{RepositoryName: name})
	fails(t, ann, api.BatchGetImage, get, "AccessDeniedException", "")
}

func TestExpire(t *testing.T) {
	w := newWorld(t)
	c := w.root()
	w.repository("app")
	cl := w.client(c)
	cl.image("app", "v1", "first")
	w.clk.Advance(time.Minute)
	cl.image("app", "v2", "second")
	name := new("app")
	fails(t, c, api.GetLifecyclePolicy, &api.GetLifecyclePolicyInput{RepositoryName: name}, "LifecyclePolicyNotFoundException", "")
	fails(t, c, api.PutLifecyclePolicy, &api.PutLifecyclePolicyInput{RepositoryName: name, LifecyclePolicyText: new(strings.Repeat("x", 100))}, "InvalidParameterException", "")
	must(t, c, api.PutLifecyclePolicy, &api.PutLifecyclePolicyInput{RepositoryName: name, LifecyclePolicyText: new(
		`{"rules":[{"rulePriority":1,"description":"one","selection":{"tagStatus":"any","countType":"imageCountMoreThan","countNumber":1},"action":{"type":"expire"}}]}`)})
	if err := w.s.tendOnce(t.Context(), w.clk.Now()); err != nil {
		t.Fatal(err)
	}
	left := must(t, c, api.ListImages, &api.ListImagesInput{RepositoryName: name}).ImageIds
	if len(left) != 1 || *left[0].ImageTag != "v2" {
		t.Errorf("left %+v", left)
	}
	if out := must(t, c, api.GetLifecyclePolicy, &api.GetLifecyclePolicyInput{RepositoryName: name}); out.LastEvaluatedAt == nil {
		t.Error("not evaluated")
	}
	must(t, c, api.DeleteLifecyclePolicy, &api.DeleteLifecyclePolicyInput{RepositoryName: name})
}
