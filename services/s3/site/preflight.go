package site

import (
	"context"
	"fmt"
	"html"
	"net/http"
	"slices"
	"strings"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/cors"
	"moln.dev/moln/services/s3/naming"
	"moln.dev/moln/services/s3/s3err"
	"moln.dev/moln/services/s3/store"
)

// preflightEndpoint answers browsers that ask before they call a bucket. The
// API has no OPTIONS operation, so this is a data plane.
func (s *Site) preflightEndpoint() service.Endpoint {
	return service.Endpoint{
		Name: "s3-preflight",
		Match: func(r *http.Request, host string) bool {
			if r.Method != http.MethodOptions {
				return false
			}
			name, inHost := preflightBucket(r, host)
			if name == "" || inHost {
				return inHost
			}
			// By path any service might be meant: it is S3's if there is such a
			// bucket, and a browser asks.
			if r.Header.Get("Origin") == "" && r.Header.Get("Access-Control-Request-Method") == "" {
				return false
			}
			_, err := s.store.Bucket(r.Context(), name)
			return err == nil
		},
		Serve: func(w http.ResponseWriter, r *http.Request, c *service.Call) {
			host, _, _ := strings.Cut(strings.ToLower(r.Host), ":")
			name, _ := preflightBucket(r, host)
			s.servePreflight(r.Context(), w, r, c, name)
		},
	}
}

// preflightBucket finds the bucket of a request in its host or its path.
func preflightBucket(r *http.Request, host string) (name string, inHost bool) {
	for _, mark := range []string{".s3.", ".s3-"} {
		if at := strings.Index(host, mark); at > 0 && !strings.HasPrefix(host[at:], ".s3-website") {
			return host[:at], true
		}
	}
	suffixed := strings.HasSuffix(host, ".amazonaws.com") || strings.HasSuffix(host, ".localhost")
	if suffixed && !strings.HasPrefix(host, "s3.") && !strings.HasPrefix(host, "s3-") {
		return "", false
	}
	name, _, _ = strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if !naming.ValidBucket(name) {
		return "", false
	}
	return name, false
}

func (s *Site) servePreflight(ctx context.Context, w http.ResponseWriter, r *http.Request, c *service.Call, name string) {
	w.Header().Set("x-amz-request-id", c.RequestID)
	w.Header().Set("x-amz-id-2", c.RequestID)
	b, err := s.store.Bucket(ctx, name)
	if err != nil {
		refusePreflight(w, c, fault.As(s3err.NoSuchBucket(name)))
		return
	}
	s.preflight(w, r, c, b)
}

// preflight answers by the bucket's rules.
func (s *Site) preflight(w http.ResponseWriter, r *http.Request, c *service.Call, b *store.Bucket) {
	if bad := badPreflight(r); bad != nil {
		refusePreflight(w, c, bad)
		return
	}
	if len(b.CORS) == 0 {
		forbidPreflight(w, c, "CORSResponse: CORS is not enabled for this bucket.")
		return
	}
	ask := cors.Request{Origin: r.Header.Get("Origin"), Method: r.Header.Get("Access-Control-Request-Method")}
	for _, v := range r.Header.Values("Access-Control-Request-Headers") {
		for h := range strings.SplitSeq(v, ",") {
			if h = strings.TrimSpace(h); h != "" {
				ask.Headers = append(ask.Headers, h)
			}
		}
	}
	rule := cors.Rule(b.CORS, ask)
	if rule == nil {
		forbidPreflight(w, c, "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.")
		return
	}
	cors.Set(w.Header(), rule, ask)
	w.WriteHeader(http.StatusOK)
}

// badPreflight says what is wrong with the question itself.
func badPreflight(r *http.Request) *fault.Fault {
	if r.Header.Get("Origin") == "" {
		return fault.New("BadRequest", http.StatusBadRequest, "Insufficient information. Origin request header needed.")
	}
	method := r.Header.Get("Access-Control-Request-Method")
	if !slices.Contains([]string{"GET", "HEAD", "PUT", "POST", "DELETE"}, method) {
		if method == "" {
			method = "null"
		}
		return fault.New("BadRequest", http.StatusBadRequest, "Invalid Access-Control-Request-Method: %s", method)
	}
	for _, v := range r.Header.Values("Access-Control-Request-Headers") {
		for h := range strings.SplitSeq(v, ",") {
			if name := strings.TrimSpace(h); name != "" && !cors.ValidHeader(name) {
				return fault.New("BadRequest", http.StatusBadRequest, "Access-Control-Request-Headers \"%s\" contains invalid character.", h)
			}
		}
	}
	return nil
}

func refusePreflight(w http.ResponseWriter, c *service.Call, f *fault.Fault) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(f.Status)
	fmt.Fprintf(w, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>%s</Code><Message>%s</Message><RequestId>%s</RequestId><HostId>%s</HostId></Error>",
		f.Code, html.EscapeString(f.Message), c.RequestID, c.RequestID)
}

func forbidPreflight(w http.ResponseWriter, c *service.Call, message string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(http.StatusForbidden)
	fmt.Fprintf(w, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>AccessForbidden</Code><Message>%s</Message><Method>OPTIONS</Method><ResourceType>BUCKET</ResourceType><RequestId>%s</RequestId><HostId>%s</HostId></Error>",
		message, c.RequestID, c.RequestID)
}
