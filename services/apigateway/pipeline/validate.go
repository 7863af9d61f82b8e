package pipeline

import (
	"bytes"
	"fmt"
	"net/url"
	"sort"
	"strings"

	jsonschema "github.com/santhosh-tekuri/jsonschema/v6"

	api "moln.dev/moln/api/apigateway"
)

// modelBase is the address that models of an API refer to each other by.
const modelBase = "https://apigateway.amazonaws.com/restapis/"

func compileModels(id string, models []api.Model) (map[string]*jsonschema.Schema, error) {
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft4)
	c.UseLoader(noLoader{})
	docs := map[string]any{}
	for _, m := range models {
		doc, err := jsonschema.UnmarshalJSON(strings.NewReader(val(m.Schema)))
		if err != nil {
			return nil, fmt.Errorf("model %s: invalid JSON: %w", val(m.Name), err)
		}
		docs[modelURL(id, val(m.Name))] = doc
	}
	if err := checkSchemas(docs); err != nil {
		return nil, fmt.Errorf("model %w", err)
	}
	for address, doc := range docs {
		if err := c.AddResource(address, doc); err != nil {
			return nil, fmt.Errorf("model %s: %w", address, err)
		}
	}
	out := map[string]*jsonschema.Schema{}
	for _, m := range models {
		s, err := c.Compile(modelURL(id, val(m.Name)))
		if err != nil {
			return nil, fmt.Errorf("model %s: %w", val(m.Name), err)
		}
		out[val(m.Name)] = s
	}
	return out, nil
}

func modelURL(id, name string) string { return modelBase + id + "/models/" + url.PathEscape(name) }

// noLoader keeps schemas from reading files and from asking other hosts.
type noLoader struct{}

// Load implements jsonschema.URLLoader.
func (noLoader) Load(u string) (any, error) { return nil, fmt.Errorf("no such model: %s", u) }

// CheckModel compiles a model beside the API's others.
func CheckModel(id string, others []api.Model, m *api.Model) error {
	set := []api.Model{*m}
	for _, o := range others {
		if val(o.Name) != val(m.Name) {
			set = append(set, o)
		}
	}
	_, err := compileModels(id, set)
	return err
}

func (c *method) compileValidator(m *api.Method, models map[string]*jsonschema.Schema, validators map[string]api.RequestValidator) error {
	id := val(m.RequestValidatorId)
	if id == "" {
		return nil
	}
	v, ok := validators[id]
	if !ok {
		return fmt.Errorf("no request validator %s", id)
	}
	if val(v.ValidateRequestParameters) {
		for name, required := range m.RequestParameters {
			if required {
				c.required = append(c.required, strings.TrimPrefix(name, "method.request."))
			}
		}
		sort.Strings(c.required)
	}
	if !val(v.ValidateRequestBody) {
		return nil
	}
	c.models = map[string]*jsonschema.Schema{}
	for mime, name := range m.RequestModels {
		s, ok := models[name]
		if !ok {
			return fmt.Errorf("no model %s", name)
		}
		c.models[mime] = s
	}
	return nil
}

// validate checks parameters and body.
func (x *exchange) validate() error {
	var missing []string
	for _, name := range x.m.required {
		where, key, _ := strings.Cut(name, ".")
		if strings.TrimSpace(x.param(where, key)) == "" {
			missing = append(missing, key)
		}
	}
	if len(missing) > 0 {
		return &failure{kind: badParameters, message: "Missing required request parameters: [" + strings.Join(missing, ", ") + "]"}
	}
	if x.m.models == nil {
		return nil
	}
	s := x.m.models[x.req.mediaType()]
	if s == nil {
		return nil // no model for this type: the Empty one
	}
	body := x.req.Body
	if len(bytes.TrimSpace(body)) == 0 {
		body = []byte("{}")
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err == nil {
		err = s.Validate(doc)
	}
	if err != nil {
		return &failure{kind: badBody, message: "Invalid request body", validation: err.Error()}
	}
	return nil
}
