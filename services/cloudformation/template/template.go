package template

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Template is a parsed template. Its values still hold their functions.
type Template struct {
	Body        string
	Description string
	Metadata    any
	Parameters  map[string]*Parameter
	Mappings    map[string]any
	Conditions  map[string]any
	Rules       map[string]any
	Resources   map[string]*Resource
	Outputs     map[string]*Output
	Transforms  []string
}

// Resource is one member of the Resources section.
type Resource struct {
	LogicalID           string
	Type                string
	Condition           string
	DependsOn           []string
	DeletionPolicy      string
	UpdateReplacePolicy string
	Properties          map[string]any
	Metadata            any
}

// Output is one member of the Outputs section.
type Output struct {
	Name, Description, Condition string
	Value                        any
	// Export is the name under which the value is exported; nil: it is not.
	Export any
}

// LanguageExtensions is the transform that adds ToJsonString, Length and
// FindInMap's default; it is evaluated in place.
const LanguageExtensions = "AWS::LanguageExtensions"

var alphanumeric = regexp.MustCompile(`^[a-zA-Z0-9]+$`)

// Parse reads a template and checks all that does not depend on parameters.
func Parse(body string) (*Template, error) {
	v, err := parseValue(body)
	if err != nil {
		return nil, err
	}
	root, ok := v.(map[string]any)
	if !ok {
		return nil, errorf("Template format error: unsupported structure.")
	}
	t := &Template{Body: body}
	if err := t.sections(root); err != nil {
		return nil, err
	}
	if err := t.checkTransforms(); err != nil {
		return nil, err
	}
	if err := t.checkForms(); err != nil {
		return nil, err
	}
	if err := t.checkReferences(); err != nil {
		return nil, err
	}
	return t, nil
}

func (t *Template) sections(root map[string]any) error {
	if err := knownKeys(root, "AWSTemplateFormatVersion", "Description", "Metadata", "Parameters", "Mappings",
		"Conditions", "Rules", "Resources", "Outputs", "Transform", "Hooks", "Globals"); err != nil {
		return err
	}
	if v, ok := root["AWSTemplateFormatVersion"]; ok && v != "2010-09-09" {
		return errorf("Template format error: unsupported value for AWSTemplateFormatVersion.")
	}
	if _, ok := root["Hooks"]; ok {
		return errorf("Template format error: the Hooks section (CodeDeploy blue/green) is not supported.")
	}
	var err error
	if t.Transforms, err = stringList(root["Transform"], "Transform"); err != nil {
		return err
	}
	if _, ok := root["Globals"]; ok && len(t.Transforms) == 0 {
		return errorf("Invalid template property or properties [Globals]")
	}
	if d, ok := root["Description"]; ok {
		if t.Description, ok = d.(string); !ok {
			return errorf("Template format error: Description must be a string.")
		}
	}
	t.Metadata = root["Metadata"]
	for name, into := range map[string]*map[string]any{
		"Mappings": &t.Mappings, "Conditions": &t.Conditions, "Rules": &t.Rules,
	} {
		if *into, err = section(root, name); err != nil {
			return err
		}
	}
	if len(t.Mappings) > maxMappings {
		return errorf("Template format error: Number of mappings, %d, is greater than maximum allowed, %d", len(t.Mappings), maxMappings)
	}
	if err := t.parameters(root); err != nil {
		return err
	}
	if err := t.resources(root); err != nil {
		return err
	}
	return t.outputs(root)
}

func (t *Template) checkTransforms() error {
	for _, name := range t.Transforms {
		if name != LanguageExtensions {
			return errorf("Template format error: the transform %s is not supported; package the template into plain CloudFormation first.", name)
		}
	}
	return nil
}

// extended says whether the language extensions are on.
func (t *Template) extended() bool { return slices.Contains(t.Transforms, LanguageExtensions) }

func section(root map[string]any, name string) (map[string]any, error) {
	v, ok := root[name]
	if !ok {
		return nil, nil
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, errorf("Template format error: %s must be an object.", name)
	}
	return m, nil
}

func knownKeys(m map[string]any, known ...string) error {
	var unknown []string
	for k := range m {
		if !slices.Contains(known, k) {
			unknown = append(unknown, k)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	slices.Sort(unknown)
	return errorf("Invalid template property or properties [%s]", strings.Join(unknown, ", "))
}

func stringList(v any, what string) ([]string, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case string:
		return []string{v}, nil
	case []any:
		out := make([]string, 0, len(v))
		for _, item := range v {
			s, ok := item.(string)
			if !ok {
				return nil, errorf("Template format error: %s must be a string or a list of strings.", what)
			}
			out = append(out, s)
		}
		return out, nil
	}
	return nil, errorf("Template format error: %s must be a string or a list of strings.", what)
}

func (t *Template) resources(root map[string]any) error {
	m, err := section(root, "Resources")
	if err != nil {
		return err
	}
	if len(m) == 0 {
		return errorf("Template format error: At least one Resources member must be defined.")
	}
	if len(m) > maxResources {
		return errorf("Template format error: Number of resources, %d, is greater than maximum allowed, %d", len(m), maxResources)
	}
	t.Resources = make(map[string]*Resource, len(m))
	for _, id := range slices.Sorted(maps.Keys(m)) {
		if strings.HasPrefix(id, "Fn::ForEach::") {
			return errorf("Template format error: Fn::ForEach is not supported.")
		}
		if !alphanumeric.MatchString(id) {
			return errorf("Template format error: Resource name %s is non alphanumeric.", id)
		}
		r, err := parseResource(id, m[id])
		if err != nil {
			return err
		}
		t.Resources[id] = r
	}
	return nil
}

func parseResource(id string, v any) (*Resource, error) {
	m, ok := v.(map[string]any)
	if !ok {
		return nil, errorf("Template format error: [/Resources/%s] Every Resources object must be an object.", id)
	}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		switch k {
		case "Type", "Properties", "DependsOn", "Condition", "Metadata", "DeletionPolicy", "UpdateReplacePolicy", "Description", "Version":
		case "CreationPolicy", "UpdatePolicy":
			return nil, errorf("Template format error: [/Resources/%s/%s] %s is not supported.", id, k, k)
		default:
			return nil, errorf("Invalid template resource property '%s'", k)
		}
	}
	r := &Resource{LogicalID: id, Metadata: m["Metadata"]}
	if r.Type, ok = m["Type"].(string); !ok || r.Type == "" {
		return nil, errorf("Template format error: [/Resources/%s] Every Resources object must contain a Type member.", id)
	}
	if p, set := m["Properties"]; set {
		if r.Properties, ok = p.(map[string]any); !ok {
			return nil, errorf("Template format error: [/Resources/%s/Properties] Properties must be an object.", id)
		}
	}
	if c, set := m["Condition"]; set {
		if r.Condition, ok = c.(string); !ok {
			return nil, errorf("Template format error: [/Resources/%s/Condition] Condition must be a string.", id)
		}
	}
	var err error
	if r.DependsOn, err = stringList(m["DependsOn"], "[/Resources/"+id+"/DependsOn] DependsOn"); err != nil {
		return nil, err
	}
	if r.DeletionPolicy, err = policyValue(m, id, "DeletionPolicy", "Delete", "Retain", "RetainExceptOnCreate"); err != nil {
		return nil, err
	}
	r.UpdateReplacePolicy, err = policyValue(m, id, "UpdateReplacePolicy", "Delete", "Retain")
	return r, err
}

func policyValue(m map[string]any, id, name string, allowed ...string) (string, error) {
	v, set := m[name]
	if !set {
		return "", nil
	}
	s, ok := v.(string)
	if ok && slices.Contains(allowed, s) {
		return s, nil
	}
	if s == "Snapshot" {
		return "", errorf("Template error: resource %s does not support the %s Snapshot here", id, name)
	}
	return "", errorf("Template format error: Unrecognized %s %v for resource %s", name, Display(v), id)
}

func (t *Template) outputs(root map[string]any) error {
	m, err := section(root, "Outputs")
	if err != nil {
		return err
	}
	if len(m) > maxOutputs {
		return errorf("Template format error: Number of outputs, %d, is greater than maximum allowed, %d", len(m), maxOutputs)
	}
	t.Outputs = make(map[string]*Output, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if !alphanumeric.MatchString(name) {
			return errorf("Template format error: Output name %s is non alphanumeric.", name)
		}
		o, err := parseOutput(name, m[name])
		if err != nil {
			return err
		}
		t.Outputs[name] = o
	}
	return nil
}

func parseOutput(name string, v any) (*Output, error) {
	m, _ := v.(map[string]any)
	value, ok := m["Value"]
	if !ok {
		return nil, errorf("Template format error: Every Outputs member must contain a Value object")
	}
	if err := knownKeys(m, "Value", "Description", "Condition", "Export"); err != nil {
		return nil, err
	}
	o := &Output{Name: name, Value: value}
	if d, set := m["Description"]; set {
		if o.Description, ok = d.(string); !ok {
			return nil, errorf("Template format error: Every Description member must be a string.")
		}
	}
	if c, set := m["Condition"]; set {
		if o.Condition, ok = c.(string); !ok {
			return nil, errorf("Template format error: Every Condition member must be a string.")
		}
	}
	export, set := m["Export"]
	if !set {
		return o, nil
	}
	e, _ := export.(map[string]any)
	if o.Export = e["Name"]; o.Export == nil || len(e) != 1 {
		return nil, errorf("Template format error: Output %s is malformed. The Export must contain a Name only.", name)
	}
	return o, nil
}

// IDs gives the logical ids in order.
func (t *Template) IDs() []string { return slices.Sorted(maps.Keys(t.Resources)) }

// Types gives the resource types in order, each once.
func (t *Template) Types() []string {
	var out []string
	for _, r := range t.Resources {
		out = append(out, r.Type)
	}
	slices.Sort(out)
	return slices.Compact(out)
}
