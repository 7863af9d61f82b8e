package template

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Parameter is one member of the Parameters section.
type Parameter struct {
	Name, Type            string
	Description           string
	ConstraintDescription string
	// Default is the value as given, a string; HasDefault tells "" from none.
	Default       string
	HasDefault    bool
	AllowedValues []string
	AllowedRegexp string
	MinLength     *float64
	MaxLength     *float64
	MinValue      *float64
	MaxValue      *float64
	NoEcho        bool

	pattern *regexp.Regexp
}

// ssmPrefix begins the types whose value is the name of an SSM parameter.
const ssmPrefix = "AWS::SSM::Parameter::Value<"

func (t *Template) parameters(root map[string]any) error {
	m, err := section(root, "Parameters")
	if err != nil {
		return err
	}
	if len(m) > maxParameters {
		return errorf("Template format error: Number of parameters, %d, is greater than maximum allowed, %d", len(m), maxParameters)
	}
	t.Parameters = make(map[string]*Parameter, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if !alphanumeric.MatchString(name) {
			return errorf("Template format error: Parameter name %s is non alphanumeric.", name)
		}
		p, err := parseParameter(name, m[name])
		if err != nil {
			return err
		}
		t.Parameters[name] = p
	}
	return nil
}

func parseParameter(name string, v any) (*Parameter, error) {
	m, _ := v.(map[string]any)
	p := &Parameter{Name: name}
	var ok bool
	if p.Type, ok = m["Type"].(string); !ok {
		return nil, errorf("Template format error: Every Parameters object must contain a Type member.")
	}
	if !knownParameterType(p.Type) {
		return nil, errorf("Template format error: Unrecognized parameter type: %s", p.Type)
	}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if err := p.set(key, m[key]); err != nil {
			return nil, err
		}
	}
	if !p.HasDefault || p.FromSSM() {
		return p, nil
	}
	if _, err := p.Value(p.Default); err != nil {
		return nil, errorf("Template format error: %s", err)
	}
	return p, nil
}

func (p *Parameter) set(key string, v any) error {
	var err error
	switch key {
	case "Type":
	case "Description":
		p.Description, err = p.text(key, v)
	case "ConstraintDescription":
		p.ConstraintDescription, err = p.text(key, v)
	case "Default":
		p.HasDefault = true
		p.Default, err = p.text(key, v)
	case "AllowedPattern":
		if p.AllowedRegexp, err = p.text(key, v); err != nil {
			return err
		}
		if p.pattern, err = regexp.Compile(`^(?:` + p.AllowedRegexp + `)$`); err != nil {
			return errorf("Template format error: AllowedPattern of parameter %s is not a regular expression: %s", p.Name, p.AllowedRegexp)
		}
	case "AllowedValues":
		list, ok := v.([]any)
		if !ok {
			return errorf("Template format error: Every AllowedValues member of parameter %s must be a list.", p.Name)
		}
		for _, item := range list {
			s, err := p.text(key, item)
			if err != nil {
				return err
			}
			p.AllowedValues = append(p.AllowedValues, s)
		}
	case "MinLength":
		p.MinLength, err = p.number(key, v)
	case "MaxLength":
		p.MaxLength, err = p.number(key, v)
	case "MinValue":
		p.MinValue, err = p.number(key, v)
	case "MaxValue":
		p.MaxValue, err = p.number(key, v)
	case "NoEcho":
		var s string
		s, err = p.text(key, v)
		p.NoEcho = s == "true"
	default:
		return errorf("Invalid template parameter property '%s'", key)
	}
	return err
}

func (p *Parameter) text(key string, v any) (string, error) {
	s, ok := Text(v)
	if !ok {
		return "", errorf("Template format error: Every %s member must be a string.", key)
	}
	return s, nil
}

func (p *Parameter) number(key string, v any) (*float64, error) {
	s, _ := Text(v)
	n, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return nil, errorf("Template format error: %s of parameter %s must be a number.", key, p.Name)
	}
	return &n, nil
}

func knownParameterType(typ string) bool {
	switch typ {
	case "String", "Number", "CommaDelimitedList", "List<Number>", "List<String>", "AWS::SSM::Parameter::Name":
		return true
	}
	if inner, ok := strings.CutPrefix(typ, ssmPrefix); ok {
		inner, ok = strings.CutSuffix(inner, ">")
		return ok && inner != "" && !strings.HasPrefix(inner, ssmPrefix)
	}
	inner := typ
	if cut, ok := strings.CutPrefix(typ, "List<"); ok {
		if inner, ok = strings.CutSuffix(cut, ">"); !ok {
			return false
		}
	}
	return strings.HasPrefix(inner, "AWS::EC2::") || strings.HasPrefix(inner, "AWS::Route53::")
}

// FromSSM says whether the value is the name of an SSM parameter to look up.
func (p *Parameter) FromSSM() bool { return strings.HasPrefix(p.Type, ssmPrefix) }

// List says whether Ref gives a list.
func (p *Parameter) List() bool {
	typ := p.Type
	if p.FromSSM() {
		typ = strings.TrimSuffix(strings.TrimPrefix(typ, ssmPrefix), ">")
	}
	return typ == "CommaDelimitedList" || strings.HasPrefix(typ, "List<")
}

// Value checks a given value and types it: a string or a list of strings. For
// SSM types, text is what SSM answered.
func (p *Parameter) Value(text string) (any, error) {
	if !p.List() {
		return text, p.check(text)
	}
	out := []any{}
	if text == "" {
		return out, p.check("")
	}
	for item := range strings.SplitSeq(text, ",") {
		item = strings.TrimSpace(item)
		if err := p.check(item); err != nil {
			return nil, err
		}
		out = append(out, item)
	}
	return out, nil
}

func (p *Parameter) check(s string) error {
	fail := func(format string, args ...any) error {
		if p.ConstraintDescription != "" {
			return errorf("Parameter '%s' failed to satisfy constraint: %s", p.Name, p.ConstraintDescription)
		}
		return errorf("Parameter '%s' "+format, append([]any{p.Name}, args...)...)
	}
	if p.AllowedValues != nil && !slices.Contains(p.AllowedValues, s) {
		return fail("must be one of AllowedValues")
	}
	if p.pattern != nil && !p.pattern.MatchString(s) {
		return fail("must match pattern %s", p.AllowedRegexp)
	}
	length := float64(len([]rune(s)))
	if p.MinLength != nil && length < *p.MinLength {
		return fail("must contain at least %v characters", *p.MinLength)
	}
	if p.MaxLength != nil && length > *p.MaxLength {
		return fail("must contain at most %v characters", *p.MaxLength)
	}
	if p.Type != "Number" && p.Type != "List<Number>" {
		return nil
	}
	n, err := json.Number(strings.TrimSpace(s)).Float64()
	if err != nil {
		return errorf("Parameter '%s' must be a number", p.Name)
	}
	if p.MinValue != nil && n < *p.MinValue {
		return fail("must be a number not less than %v", *p.MinValue)
	}
	if p.MaxValue != nil && n > *p.MaxValue {
		return fail("must be a number not greater than %v", *p.MaxValue)
	}
	return nil
}

// Given is a parameter as a request gives it.
type Given struct {
	Value       string
	UsePrevious bool
}

// Choose gives every parameter its text: from the request, the previous value,
// or the default. previous may be nil.
func (t *Template) Choose(given map[string]Given, previous map[string]string) (map[string]string, error) {
	var unknown, missing []string
	for name := range given {
		if t.Parameters[name] == nil {
			unknown = append(unknown, name)
		}
	}
	out := make(map[string]string, len(t.Parameters))
	for name, p := range t.Parameters {
		g, ok := given[name]
		before, had := previous[name]
		switch {
		case ok && !g.UsePrevious:
			out[name] = g.Value
		case ok && had:
			out[name] = before
		case ok && g.UsePrevious && previous == nil:
			return nil, errorf("UsePreviousValue is not allowed when the stack is created: parameter %s", name)
		case p.HasDefault:
			out[name] = p.Default
		default:
			missing = append(missing, name)
		}
	}
	slices.Sort(unknown)
	slices.Sort(missing)
	if len(unknown) > 0 {
		return nil, errorf("Parameters: [%s] do not exist in the template", strings.Join(unknown, ", "))
	}
	if len(missing) > 0 {
		return nil, errorf("Parameters: [%s] must have values", strings.Join(missing, ", "))
	}
	return out, nil
}
