package template

import (
	"encoding/json"
	"strconv"
)

// NoValue is what Ref AWS::NoValue gives: the member that holds it disappears.
type NoValue struct{}

// Unknown is a value that only a deployment can tell, such as the physical id
// of a resource that does not exist yet.
type Unknown struct{}

// KnownAfterApply is how Unknown is shown in change sets.
const KnownAfterApply = "{{changeSet:KNOWN_AFTER_APPLY}}"

// MarshalJSON shows the value as change sets do.
func (Unknown) MarshalJSON() ([]byte, error) { return json.Marshal(KnownAfterApply) }

// MarshalJSON keeps a stray NoValue from breaking a document.
func (NoValue) MarshalJSON() ([]byte, error) { return []byte("null"), nil }

// Text gives a scalar as CloudFormation writes it where a string is wanted.
func Text(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return strconv.FormatBool(v), true
	case int:
		return strconv.Itoa(v), true
	case int64:
		return strconv.FormatInt(v, 10), true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	}
	return "", false
}

// Display gives any value as text, objects as JSON.
func Display(v any) string {
	if s, ok := Text(v); ok {
		return s
	}
	return JSON(v)
}

// HasUnknown says whether a value holds an Unknown at any depth.
func HasUnknown(v any) bool {
	switch v := v.(type) {
	case Unknown:
		return true
	case map[string]any:
		for _, item := range v {
			if HasUnknown(item) {
				return true
			}
		}
	case []any:
		for _, item := range v {
			if HasUnknown(item) {
				return true
			}
		}
	}
	return false
}

// Normalize turns Go values that are not of the language (numbers, typed lists
// and maps that resource types put into their attributes) into ones that are.
func Normalize(v any) any {
	switch v := v.(type) {
	case nil, string, bool, json.Number, NoValue, Unknown:
		return v
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, item := range v {
			out[k] = Normalize(item)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = Normalize(item)
		}
		return out
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	out, err := parseJSON(string(raw))
	if err != nil {
		return nil
	}
	return out
}
