// Package push brings container images from files into a running moln's registry,
// as a client: over its operations and its registry's API. It needs no container
// daemon, and is no registry itself.
package push

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"moln.dev/moln/aws/sigv4"
	"moln.dev/moln/engine/image"
	"moln.dev/moln/engine/image/layout"
)

// Target is a moln, and who asks it.
type Target struct{ Endpoint, Region, AccessKey, SecretKey string }

// File pushes the image in a file or directory, an OCI layout or an archive of
// docker save, to a repository, which is made if it is missing. It returns the
// image's URI.
func File(t Target, source, repository, tag string) (string, error) {
	l, err := layout.Open(source)
	if err != nil {
		return "", err
	}
	defer l.Close()
	p := &pusher{Target: t, source: l, repository: repository, http: &http.Client{Transport: &http.Transport{Proxy: nil}}}
	uri, err := p.prepare()
	if err != nil {
		return "", err
	}
	return uri + ":" + tag, p.push(l.Top, tag)
}

// pusher brings images of a layout into a repository.
type pusher struct {
	Target
	source     *layout.Layout
	repository string
	token      string // "Basic …"
	http       *http.Client
}

// prepare makes the repository, unless it is there, and gets a token for it. It
// returns the repository's URI.
func (p *pusher) prepare() (string, error) {
	var one struct {
		RepositoryURI string `json:"repositoryUri"`
	}
	var made struct{ Repository any }
	made.Repository = &one
	err := p.operation("CreateRepository", map[string]any{"repositoryName": p.repository}, &made)
	if err != nil && strings.Contains(err.Error(), "RepositoryAlreadyExistsException") {
		var list struct {
			Repositories []struct {
				RepositoryURI string `json:"repositoryUri"`
			}
		}
		if err = p.operation("DescribeRepositories", map[string]any{"repositoryNames": []string{p.repository}}, &list); err == nil {
			one.RepositoryURI = list.Repositories[0].RepositoryURI
		}
	}
	if err != nil {
		return "", err
	}
	var tokens struct {
		AuthorizationData []struct{ AuthorizationToken string }
	}
	if err := p.operation("GetAuthorizationToken", map[string]any{}, &tokens); err != nil {
		return "", err
	}
	if len(tokens.AuthorizationData) != 1 {
		return "", errors.New("the registry gave no token")
	}
	p.token = "Basic " + tokens.AuthorizationData[0].AuthorizationToken
	return one.RepositoryURI, nil
}

// operation calls one of ECR's.
func (p *pusher) operation(name string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	r, err := http.NewRequest(http.MethodPost, strings.TrimSuffix(p.Endpoint, "/")+"/", bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "AmazonEC2ContainerRegistry_V20150921."+name)
	sum := sha256.Sum256(body)
	sigv4.Sign(r, sigv4.Credentials{AccessKeyID: p.AccessKey, SecretAccessKey: p.SecretKey}, p.Region, "ecr", hex.EncodeToString(sum[:]), time.Now())
	resp, err := p.http.Do(r)
	if err != nil {
		return fmt.Errorf("no moln answers at %s (%w); start one with `moln up`, or name it with --endpoint", p.Endpoint, err)
	}
	return p.read(resp, name, out)
}

// read decodes an answer, or makes an error of it.
func (p *pusher) read(resp *http.Response, what string, out any) error {
	defer resp.Body.Close()
	const answerMax = 1 << 20
	raw, err := io.ReadAll(io.LimitReader(resp.Body, answerMax))
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s: %s %s", what, resp.Status, raw)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(raw, out)
}

// request asks the registry.
func (p *pusher) request(method, where string, body io.Reader, size int64, mediaType string) (*http.Response, error) {
	if strings.HasPrefix(where, "/") {
		where = strings.TrimSuffix(p.Endpoint, "/") + where
	}
	r, err := http.NewRequest(method, where, body)
	if err != nil {
		return nil, err
	}
	if r.ContentLength = size; size == 0 {
		r.Body = http.NoBody
	}
	r.Header.Set("Authorization", p.token)
	r.Header.Set("Content-Type", mediaType)
	return p.http.Do(r)
}

// push brings an image or index and all it names, and then itself.
func (p *pusher) push(d image.Descriptor, ref string) error {
	m, raw, err := p.source.Manifest(d)
	if err != nil {
		return err
	}
	for _, child := range m.Manifests {
		if err := p.push(child, child.Digest); err != nil {
			return err
		}
	}
	content := m.Layers
	if m.Config != nil {
		content = append(content, *m.Config)
	}
	for _, one := range content {
		if one.Foreign() {
			continue
		}
		if err := p.blob(one.Digest); err != nil {
			return fmt.Errorf("push %s: %w", one.Digest, err)
		}
	}
	resp, err := p.request(http.MethodPut, "/v2/"+p.repository+"/manifests/"+ref, bytes.NewReader(raw), int64(len(raw)), m.MediaType)
	if err != nil {
		return err
	}
	return p.read(resp, "push the manifest "+d.Digest, nil)
}

// blob brings a layer or configuration, unless it is there.
func (p *pusher) blob(digest string) error {
	resp, err := p.request(http.MethodHead, "/v2/"+p.repository+"/blobs/"+digest, nil, 0, "")
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	if resp, err = p.request(http.MethodPost, "/v2/"+p.repository+"/blobs/uploads/", nil, 0, ""); err != nil {
		return err
	}
	where := resp.Header.Get("Location")
	if err := p.read(resp, "begin", nil); err != nil {
		return err
	}
	body, size, err := p.source.Blob(digest)
	if err != nil {
		return err
	}
	defer body.Close()
	if resp, err = p.request(http.MethodPut, where+"?digest="+url.QueryEscape(digest), body, size, "application/octet-stream"); err != nil {
		return err
	}
	return p.read(resp, "upload", nil)
}
