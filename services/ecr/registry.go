package ecr

import (
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	api "moln.dev/moln/api/ecr"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/platform/service"
)

// registryHost is an ECR host name, whatever the domain it lies in.
var registryHost = regexp.MustCompile(`^(\d{12})\.dkr\.ecr\.([a-z0-9-]{1,32})\.`)

// registryEndpoint is the registry as container tools know it: version 2 of the
// Docker registry's API, which the Open Container Initiative took over.
func (s *Service) registryEndpoint() service.Endpoint {
	own := ""
	if u, err := url.Parse(s.deps.Site.Endpoint); err == nil {
		own = u.Hostname()
	}
	return service.Endpoint{
		Name: "ecr-registry", Streams: true,
		Match: func(r *http.Request, host string) bool {
			if r.URL.Path != "/v2" && !strings.HasPrefix(r.URL.Path, "/v2/") {
				return false
			}
			if registryHost.MatchString(host) {
				return true
			}
			// Other services of AWS have paths that begin like this; their
			// requests are signed.
			authorization := r.Header.Get("Authorization")
			signed := strings.HasPrefix(authorization, "AWS4-") || r.URL.Query().Has("X-Amz-Algorithm")
			bare := host == own || host == "localhost" || net.ParseIP(strings.Trim(host, "[]")) != nil
			return bare && !signed && r.Header.Get("X-Amz-Target") == ""
		},
		Serve: func(w http.ResponseWriter, r *http.Request, c *service.Call) {
			x := &registryRequest{s: s, w: w, r: r, c: c}
			w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
			if err := x.serve(); err != nil {
				x.refuse(err)
			}
		},
	}
}

// registryRequest is one request to the registry.
type registryRequest struct {
	s    *Service
	w    http.ResponseWriter
	r    *http.Request
	c    *service.Call
	name string // of the repository
	ref  string // what follows the kind: a digest, a tag, an upload
}

// registryPath is NAME/manifests/REF, NAME/blobs/DIGEST, NAME/blobs/uploads/ID,
// NAME/tags/list or NAME/referrers/DIGEST. Names may have slashes and the words
// in them, so that the longest name is meant.
var registryPath = regexp.MustCompile(`^/v2/(.+)/(manifests|blobs/uploads|blobs|tags|referrers)/([^/]*)$`)

// registryName is the form of a repository's name, as the model has it.
var registryName = regexp.MustCompile(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$`)

const (
	registryNameMax = 256
	refBytesMax     = 256 // a tag, a digest or an upload's id is shorter
)

func (x *registryRequest) serve() error {
	if !x.s.authenticate(x.r, x.c) {
		x.challenge()
		return nil
	}
	if m := registryHost.FindStringSubmatch(strings.ToLower(x.r.Host)); m != nil {
		x.c.Account, x.c.Region = m[1], m[2]
	}
	switch x.r.URL.Path {
	case "/v2", "/v2/":
		return x.base()
	case "/v2/_catalog":
		return x.catalog()
	}
	m := registryPath.FindStringSubmatch(x.r.URL.Path)
	if m == nil {
		return registryError{http.StatusNotFound, "NAME_UNKNOWN", "there is nothing of this path"}
	}
	x.name, x.ref = m[1], m[3]
	if len(x.name) > registryNameMax || !registryName.MatchString(x.name) {
		return registryError{http.StatusBadRequest, "NAME_INVALID", "the name of the repository is invalid"}
	}
	if len(x.ref) > refBytesMax {
		return registryError{http.StatusNotFound, "NAME_UNKNOWN", "there is nothing of this path"}
	}
	handlers := registryRoutes[m[2]]
	h := handlers[x.r.Method]
	if h == nil {
		return registryError{http.StatusMethodNotAllowed, "UNSUPPORTED", "the operation is not supported"}
	}
	return h(x)
}

// registryRoutes are the handlers by kind and method.
var registryRoutes = map[string]map[string]func(*registryRequest) error{
	"manifests": {
		http.MethodGet: (*registryRequest).getManifest, http.MethodHead: (*registryRequest).getManifest,
		http.MethodPut: (*registryRequest).putManifest, http.MethodDelete: (*registryRequest).deleteManifest,
	},
	"blobs": {http.MethodGet: (*registryRequest).getBlob, http.MethodHead: (*registryRequest).getBlob},
	"blobs/uploads": {
		http.MethodPost: (*registryRequest).beginUpload, http.MethodPatch: (*registryRequest).patchUpload, http.MethodPut: (*registryRequest).endUpload,
		http.MethodGet: (*registryRequest).askUpload, http.MethodDelete: (*registryRequest).cancelUpload,
	},
	"tags":      {http.MethodGet: (*registryRequest).listTags},
	"referrers": {http.MethodGet: (*registryRequest).referrers},
}

// challenge asks for a token.
func (x *registryRequest) challenge() {
	x.w.Header().Set("Www-Authenticate", `Basic realm="https://`+x.r.Host+`/",service="ecr.amazonaws.com"`)
	x.answer(http.StatusUnauthorized, errorBody("UNAUTHORIZED", "a token of GetAuthorizationToken is needed, or it has expired"))
}

func (x *registryRequest) base() error {
	if x.r.Method != http.MethodGet && x.r.Method != http.MethodHead {
		return registryError{http.StatusMethodNotAllowed, "UNSUPPORTED", "the operation is not supported"}
	}
	return x.answer(http.StatusOK, struct{}{})
}

// answer writes JSON.
func (x *registryRequest) answer(status int, body any) error {
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	if x.w.Header().Get("Content-Type") == "" {
		x.w.Header().Set("Content-Type", "application/json; charset=utf-8")
	}
	x.w.WriteHeader(status)
	if x.r.Method != http.MethodHead {
		_, _ = x.w.Write(raw)
	}
	return nil
}

// registryError is a fault that only the registry knows.
type registryError struct {
	status        int
	code, message string
}

func (e registryError) Error() string { return e.code + ": " + e.message }

func errorBody(code, message string) any {
	type one struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	return map[string][]one{"errors": {{code, message}}}
}

// registryCodes are the registry's codes for ECR's faults.
var registryCodes = map[string]struct {
	status int
	code   string
}{
	"RepositoryNotFoundException":       {http.StatusNotFound, "NAME_UNKNOWN"},
	"ImageNotFoundException":            {http.StatusNotFound, "MANIFEST_UNKNOWN"},
	"LayersNotFoundException":           {http.StatusNotFound, "BLOB_UNKNOWN"},
	"ReferencedImagesNotFoundException": {http.StatusBadRequest, "MANIFEST_BLOB_UNKNOWN"},
	"UploadNotFoundException":           {http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN"},
	"InvalidLayerException":             {http.StatusBadRequest, "DIGEST_INVALID"},
	"EmptyUploadException":              {http.StatusBadRequest, "BLOB_UPLOAD_INVALID"},
	"InvalidLayerPartException":         {http.StatusRequestedRangeNotSatisfiable, "BLOB_UPLOAD_INVALID"},
	"ImageDigestDoesNotMatchException":  {http.StatusBadRequest, "DIGEST_INVALID"},
	"ImageTagAlreadyExistsException":    {http.StatusBadRequest, "TAG_INVALID"},
	"InvalidParameterException":         {http.StatusBadRequest, "MANIFEST_INVALID"},
	"ValidationException":               {http.StatusBadRequest, "MANIFEST_INVALID"},
	"AccessDeniedException":             {http.StatusForbidden, "DENIED"},
	"LimitExceededException":            {http.StatusTooManyRequests, "TOOMANYREQUESTS"},
}

// refuse words an error as the registry does.
func (x *registryRequest) refuse(err error) {
	if e, ok := err.(registryError); ok {
		_ = x.answer(e.status, errorBody(e.code, e.message))
		return
	}
	f := fault.As(err)
	if f == nil && x.r.Context().Err() != nil {
		return // nobody waits for an answer: the client broke off
	}
	if f == nil {
		x.c.Log.Error("ecr registry", "path", x.r.URL.Path, "error", err)
		_ = x.answer(http.StatusInternalServerError, errorBody("UNKNOWN", "internal error"))
		return
	}
	known := registryCodes[f.Code]
	if known.code == "" {
		known.status, known.code = f.Status, "UNKNOWN"
	}
	_ = x.answer(known.status, errorBody(known.code, f.Message))
}

// repository finds the repository of the request, for a caller who may do
// something there. Who may not is not told whether there is one.
func (x *registryRequest) repository(action string) (*repository, error) {
	at := &repository{at: placeOf(x.c, nil), Name: x.name}
	if err := x.s.judge(x.r.Context(), x.c, action, at); err != nil {
		return nil, err
	}
	return x.s.find(x.r.Context(), x.c, nil, &x.name)
}

func (x *registryRequest) catalog() error {
	if x.r.Method != http.MethodGet {
		return registryError{http.StatusMethodNotAllowed, "UNSUPPORTED", "the operation is not supported"}
	}
	limit, after, err := x.page()
	if err != nil {
		return err
	}
	in := &api.DescribeRepositoriesInput{MaxResults: &limit}
	if after != "" {
		in.NextToken = &after
	}
	out, err := service.Serve(x.r.Context(), x.c, api.DescribeRepositories, in)
	if err != nil {
		return err
	}
	names := []string{}
	for _, r := range out.Repositories {
		names = append(names, *r.RepositoryName)
	}
	if out.NextToken != nil {
		x.link("/v2/_catalog", limit, *out.NextToken)
	}
	return x.answer(http.StatusOK, map[string]any{"repositories": names})
}
