package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"strings"
	"time"

	"moln.dev/moln/engine/blob/driver"
	"moln.dev/moln/engine/blob/s3blob"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/outbound"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/runtimes"
	"moln.dev/moln/services/apigateway"
	"moln.dev/moln/services/cloudformation"
	"moln.dev/moln/services/cognitoidentity"
	"moln.dev/moln/services/cognitoidp"
	"moln.dev/moln/services/dynamodb"
	"moln.dev/moln/services/ecr"
	"moln.dev/moln/services/events"
	"moln.dev/moln/services/iam"
	"moln.dev/moln/services/kms"
	"moln.dev/moln/services/lambda"
	"moln.dev/moln/services/logs"
	"moln.dev/moln/services/s3"
	"moln.dev/moln/services/sns"
	"moln.dev/moln/services/sqs"
	"moln.dev/moln/services/sts"
)

// assembly is what the gateway needs from the services besides their
// definitions.
type assembly struct {
	directory identity.Directory
	assumer   service.Assumer
}

// makeServices is the list of what this moln is, in the order of the README, and
// what the services need from each other.
func (s *Server) makeServices(context.Context) ([]service.Definition, assembly, error) {
	iamService := iam.New(s.deps("iam"))
	s.closers = append(s.closers, iamService.Close)
	identityPools := cognitoidentity.New(s.deps("cognitoidentity"), &s.tokens)
	stsService := sts.New(s.deps("sts"), iamService, identityPools)
	stacks := cloudformation.New(s.deps("cloudformation"))

	functions := lambda.New(s.deps("lambda"), lambda.Options{
		Sandbox: s.cfg.Sandbox, Strict: s.cfg.Strict, Egress: s.cfg.Egress, RuntimesDir: s.cfg.RuntimesDir, PackagesDir: s.cfg.PackagesDir, CPULimits: s.cfg.CPULimits,
		CacheDir: s.runtimesCache(),
	})
	s.closers = append(s.closers, functions.Close)
	s.funcs.Bind(functions)
	s.inspect = functions.Inspect

	tables := dynamodb.New(s.deps("dynamodb"))
	objects := s3.New(s.deps("s3"))

	defs := []service.Definition{
		functions.Definition(),
		apigateway.New(s.deps("apigateway"), &s.tokens).Definition(),
		objects.ControlDefinition(), // before S3, which takes every path
		objects.Definition(),
		cognitoidp.New(s.deps("cognitoidp"), s.mailbox, &s.tokens).Definition(),
		identityPools.Definition(),
		iamService.Definition(),
		stsService.Definition(),
		stacks.Definition(),
		logs.New(s.deps("logs")).Definition(),
		tables.Definition(),
		tables.StreamsDefinition(),
		ecr.New(s.deps("ecr")).Definition(),
		kms.New(s.deps("kms")).Definition(),
		events.New(s.deps("events")).Definition(),
		sns.New(s.deps("sns"), s.mailbox, outbound.Client(s.cfg.Outbound)).Definition(),
		sqs.New(s.deps("sqs")).Definition(),
	}
	defs = append(defs, absent()...)
	var types []service.ResourceType
	for _, d := range defs {
		types = append(types, d.Resources...)
	}
	stacks.SetTypes(types)
	dir := &directory{
		rootKey: s.cfg.RootAccessKey, rootSecret: s.cfg.RootSecretKey, account: s.cfg.Account,
		keys: []identity.Keys{stsService, iamService}, policies: iamService,
	}
	return defs, assembly{directory: dir, assumer: stsService}, nil
}

// inner serves moln to functions: everything but moln's own pages.
func (s *Server) inner() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, adminPrefix) {
			http.NotFound(w, r)
			return
		}
		if g := s.gateway.Load(); g != nil {
			g.ServeHTTP(w, r)
			return
		}
		http.Error(w, "starting", http.StatusServiceUnavailable)
	})
}

// serveTLS answers AWS host names on a listener, for functions whose libraries
// insist on https.
func (s *Server) serveTLS(l net.Listener) error {
	srv := &http.Server{
		Handler: s.inner(), ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		TLSConfig: s.ca.tlsConfig(""), ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	err := srv.ServeTLS(l, "", "")
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// s3Timeout bounds the first contact with a cluster's object store.
const s3Timeout = 20 * time.Second

// s3Blobs opens s3://bucket/prefix?endpoint=URL&region=R. Keys come from
// MOLN_BLOBS_ACCESS_KEY and MOLN_BLOBS_SECRET_KEY, so that they stand in no
// process list.
func s3Blobs(where string) (driver.Driver, error) {
	cfg, err := s3Config(where, os.Getenv("MOLN_BLOBS_ACCESS_KEY"), os.Getenv("MOLN_BLOBS_SECRET_KEY"))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), s3Timeout)
	defer cancel()
	return s3blob.Open(ctx, cfg)
}

// s3Config reads the URL of a blob store.
func s3Config(where, access, secret string) (s3blob.Config, error) {
	u, err := url.Parse(where)
	if err != nil || u.Scheme != "s3" || u.Host == "" {
		return s3blob.Config{}, errors.New("want s3://bucket/prefix?endpoint=http://host:port")
	}
	query := u.Query()
	for name := range query {
		if name != "endpoint" && name != "region" {
			return s3blob.Config{}, fmt.Errorf("%s: there is no parameter %q, only endpoint and region", where, name)
		}
	}
	if query.Get("endpoint") == "" {
		return s3blob.Config{}, fmt.Errorf("%s lacks the store's address: add ?endpoint=http://host:port", where)
	}
	if access == "" || secret == "" {
		return s3blob.Config{}, errors.New("the keys of the blob store are missing: set MOLN_BLOBS_ACCESS_KEY and MOLN_BLOBS_SECRET_KEY")
	}
	return s3blob.Config{
		Endpoint: query.Get("endpoint"), Region: query.Get("region"), Bucket: u.Host,
		Prefix:    strings.Trim(path.Clean("/"+u.Path), "/"),
		AccessKey: access, SecretKey: secret,
	}, nil
}

// runtimesCache is where functions' interpreters are remembered: "" for the
// service's own directory, or the user's where state does not outlive us.
func (s *Server) runtimesCache() string {
	if s.cfg.Ephemeral {
		return runtimes.UserCacheDir()
	}
	return ""
}
