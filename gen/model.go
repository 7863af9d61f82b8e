package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// Model is a service model in botocore's form, without what a server has no
// use for. Reading drops every field that is not named here; that is the trim.
type Model struct {
	Metadata   Metadata            `json:"metadata"`
	Operations Ordered[*Operation] `json:"operations"`
	Shapes     Ordered[*Shape]     `json:"shapes"`
}

// Metadata is what the model says of the service as a whole.
type Metadata struct {
	APIVersion         string          `json:"apiVersion"`
	EndpointPrefix     string          `json:"endpointPrefix"`
	JSONVersion        string          `json:"jsonVersion,omitempty"`
	Protocol           string          `json:"protocol"`
	Protocols          []string        `json:"protocols,omitempty"`
	ServiceID          string          `json:"serviceId"`
	SigningName        string          `json:"signingName,omitempty"`
	TargetPrefix       string          `json:"targetPrefix,omitempty"`
	XMLNamespace       string          `json:"xmlNamespace,omitempty"`
	AWSQueryCompatible json.RawMessage `json:"awsQueryCompatible,omitempty"`
}

// Operation is one operation of the model.
type Operation struct {
	HTTP struct {
		Method       string `json:"method"`
		RequestURI   string `json:"requestUri"`
		ResponseCode int    `json:"responseCode,omitempty"`
	} `json:"http"`
	Input      *Ref     `json:"input,omitempty"`
	Output     *Ref     `json:"output,omitempty"`
	Errors     []*Ref   `json:"errors,omitempty"`
	AuthType   string   `json:"authtype,omitempty"`
	Auth       []string `json:"auth,omitempty"`
	Deprecated bool     `json:"deprecated,omitempty"`
}

// Ref is a reference to a shape with the traits that stand on the reference.
type Ref struct {
	Shape            string   `json:"shape"`
	LocationName     string   `json:"locationName,omitempty"`
	QueryName        string   `json:"queryName,omitempty"`
	Location         string   `json:"location,omitempty"`
	XMLNamespace     *XMLNS   `json:"xmlNamespace,omitempty"`
	ResultWrapper    string   `json:"resultWrapper,omitempty"`
	TimestampFormat  string   `json:"timestampFormat,omitempty"`
	Enum             []string `json:"enum,omitempty"`
	IdempotencyToken bool     `json:"idempotencyToken,omitempty"`
	XMLAttribute     bool     `json:"xmlAttribute,omitempty"`
	Flattened        bool     `json:"flattened,omitempty"`
	Streaming        bool     `json:"streaming,omitempty"`
	JSONValue        bool     `json:"jsonvalue,omitempty"`
	HostLabel        bool     `json:"hostLabel,omitempty"`
	EventHeader      bool     `json:"eventheader,omitempty"`
	EventPayload     bool     `json:"eventpayload,omitempty"`
	Sensitive        bool     `json:"sensitive,omitempty"`
	// XMLText comes from overrides only: the member is its structure's text.
	XMLText bool `json:"xmlText,omitempty"`
}

// XMLNS is an XML namespace, written as an object or as the URI alone.
type XMLNS struct {
	URI    string `json:"uri"`
	Prefix string `json:"prefix,omitempty"`
}

// Shape is one shape of the model.
type Shape struct {
	Type            string        `json:"type"`
	Required        []string      `json:"required,omitempty"`
	Members         Ordered[*Ref] `json:"members,omitzero"`
	Member          *Ref          `json:"member,omitempty"`
	Key             *Ref          `json:"key,omitempty"`
	Value           *Ref          `json:"value,omitempty"`
	Min             *float64      `json:"min,omitempty"`
	Max             *float64      `json:"max,omitempty"`
	Pattern         string        `json:"pattern,omitempty"`
	Enum            []string      `json:"enum,omitempty"`
	Payload         string        `json:"payload,omitempty"`
	LocationName    string        `json:"locationName,omitempty"`
	TimestampFormat string        `json:"timestampFormat,omitempty"`
	XMLNamespace    *XMLNS        `json:"xmlNamespace,omitempty"`
	Error           *ErrorTrait   `json:"error,omitempty"`
	Exception       bool          `json:"exception,omitempty"`
	Fault           bool          `json:"fault,omitempty"`
	Flattened       bool          `json:"flattened,omitempty"`
	Streaming       bool          `json:"streaming,omitempty"`
	Sensitive       bool          `json:"sensitive,omitempty"`
	Union           bool          `json:"union,omitempty"`
	Document        bool          `json:"document,omitempty"`
	EventStream     bool          `json:"eventstream,omitempty"`
	Event           bool          `json:"event,omitempty"`
}

// ErrorTrait is how an exception shape travels.
type ErrorTrait struct {
	Code           string `json:"code,omitempty"`
	HTTPStatusCode int    `json:"httpStatusCode,omitempty"`
	SenderFault    *bool  `json:"senderFault,omitempty"`
	// QueryCode comes from overrides only: the code that awsQuery-compatible
	// clients of a JSON service expect.
	QueryCode string `json:"queryCode,omitempty"`
}

// Named is an entry of an Ordered object.
type Named[T any] struct {
	Name  string
	Value T
}

// Ordered is a JSON object that keeps the order of its members. Decoding into
// one that has members already merges, member by member: overrides use that.
type Ordered[T any] []Named[T]

// Get finds a member by name.
func (o Ordered[T]) Get(name string) (T, bool) {
	for i := range o {
		if o[i].Name == name {
			return o[i].Value, true
		}
	}
	var zero T
	return zero, false
}

// UnmarshalJSON merges the object into o.
func (o *Ordered[T]) UnmarshalJSON(data []byte) error {
	at := make(map[string]int, len(*o))
	for i := range *o {
		at[(*o)[i].Name] = i
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return fmt.Errorf("not an object: %v %w", t, err)
	}
	if *o == nil {
		*o = Ordered[T]{}
	}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return err
		}
		name := t.(string)
		i, ok := at[name]
		if !ok {
			i = len(*o)
			at[name] = i
			*o = append(*o, Named[T]{Name: name})
		}
		if err := dec.Decode(&(*o)[i].Value); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// MarshalJSON writes the object with one member on each line, so that a new
// version of a model gives a readable difference.
func (o Ordered[T]) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(o[i].Name)
		if err != nil {
			return nil, err
		}
		value, err := marshalPlain(o[i].Value)
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// marshalPlain encodes without HTML escapes: patterns are full of < and >.
func marshalPlain(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

// encode writes the model with one operation or shape on each line.
func (m *Model) encode() ([]byte, error) {
	var b bytes.Buffer
	meta, err := marshalPlain(m.Metadata)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(&b, "{\"metadata\":%s,\n\"operations\":{\n", meta)
	if err := writeLines(&b, m.Operations); err != nil {
		return nil, err
	}
	b.WriteString("},\n\"shapes\":{\n")
	if err := writeLines(&b, m.Shapes); err != nil {
		return nil, err
	}
	b.WriteString("}}\n")
	return b.Bytes(), nil
}

func writeLines[T any](b *bytes.Buffer, o Ordered[T]) error {
	for i := range o {
		value, err := marshalPlain(o[i].Value)
		if err != nil {
			return err
		}
		comma := ","
		if i == len(o)-1 {
			comma = ""
		}
		fmt.Fprintf(b, "%q:%s%s\n", o[i].Name, value, comma)
	}
	return nil
}

// Override is one correction of a model, with its reason. Merge has the form of
// a model; what it names replaces or joins what the model has.
type Override struct {
	Service string          `json:"service"`
	Why     string          `json:"why"`
	Merge   json.RawMessage `json:"merge"`
}

// loadModel reads models/<name>.json and applies the overrides for it.
func loadModel(dir, name string) (*Model, error) {
	data, err := os.ReadFile(filepath.Join(dir, name+".json"))
	if err != nil {
		return nil, err
	}
	m := new(Model)
	if err := json.Unmarshal(data, m); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	overrides, err := loadOverrides(dir)
	if err != nil {
		return nil, err
	}
	for _, o := range overrides {
		if o.Service != name {
			continue
		}
		if err := json.Unmarshal(o.Merge, m); err != nil {
			return nil, fmt.Errorf("override of %s (%s): %w", name, o.Why, err)
		}
	}
	return m, nil
}

func loadOverrides(dir string) ([]Override, error) {
	data, err := os.ReadFile(filepath.Join(dir, "overrides.json"))
	if err != nil {
		return nil, err
	}
	var overrides []Override
	if err := json.Unmarshal(data, &overrides); err != nil {
		return nil, fmt.Errorf("overrides.json: %w", err)
	}
	return overrides, nil
}
