package template

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
)

type plainFunction func(e *Evaluator, arg any) (any, error)

// plainFunctions are those whose arguments are evaluated before they run.
func plainFunctions() map[string]plainFunction {
	return map[string]plainFunction{
		"Fn::Join":         join,
		"Fn::Select":       selectItem,
		"Fn::Split":        split,
		"Fn::FindInMap":    findInMap,
		"Fn::ImportValue":  importValue,
		"Fn::Base64":       encodeBase64,
		"Fn::Cidr":         cidr,
		"Fn::GetAZs":       zones,
		"Fn::ToJsonString": toJSONString,
		"Fn::Length":       length,
	}
}

const errJoin = Error("Template error: every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of strings to be joined or a function that returns a list of strings (such as Fn::GetAZs) to be joined.")

func join(_ *Evaluator, arg any) (any, error) {
	args, _ := arg.([]any)
	if len(args) != 2 {
		return nil, errJoin
	}
	sep, ok := Text(args[0])
	if !ok {
		return nil, errJoin
	}
	list, ok := args[1].([]any)
	if !ok {
		return nil, errJoin
	}
	parts := make([]string, 0, len(list))
	for _, item := range list {
		s, ok := Text(item)
		if !ok {
			return nil, errJoin
		}
		parts = append(parts, s)
	}
	return strings.Join(parts, sep), nil
}

func selectItem(_ *Evaluator, arg any) (any, error) {
	args, _ := arg.([]any)
	if len(args) != 2 {
		return nil, errorf("Template error: Fn::Select requires a list argument with two elements: an integer index and a list")
	}
	text, _ := Text(args[0])
	index, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		return nil, errorf("Template error: Fn::Select requires a list argument with two elements: an integer index and a list")
	}
	list, ok := args[1].([]any)
	if !ok {
		return nil, errorf("Template error: Fn::Select requires a list argument with a valid index")
	}
	if index < 0 || index >= len(list) {
		return nil, errorf("Template error: Fn::Select cannot select nonexistent value at index %d", index)
	}
	return list[index], nil
}

const errSplit = Error("Template error: every Fn::Split object requires two parameters, (1) a string delimiter and (2) a string to be split or a function that returns a string to be split.")

func split(_ *Evaluator, arg any) (any, error) {
	args, _ := arg.([]any)
	if len(args) != 2 {
		return nil, errSplit
	}
	sep, ok := args[0].(string)
	text, isText := Text(args[1])
	if !ok || !isText || sep == "" {
		return nil, errSplit
	}
	out := []any{}
	for part := range strings.SplitSeq(text, sep) {
		out = append(out, part)
	}
	return out, nil
}

func findInMap(e *Evaluator, arg any) (any, error) {
	args, _ := arg.([]any)
	fallback, hasFallback := any(nil), false
	if len(args) == 4 {
		if opts, ok := args[3].(map[string]any); ok {
			fallback, hasFallback = opts["DefaultValue"]
		}
		if !hasFallback {
			return nil, errorf("Template error: the fourth parameter of Fn::FindInMap must be an object with a DefaultValue")
		}
		if !e.t.extended() {
			return nil, errorf("Template error: Fn::FindInMap takes a DefaultValue only with the transform %s", LanguageExtensions)
		}
		args = args[:3]
	}
	if len(args) != 3 {
		return nil, errorf("Template error: every Fn::FindInMap object requires three parameters, the map name, map key and the attribute for return value")
	}
	var keys [3]string
	for i, a := range args {
		s, ok := Text(a)
		if !ok {
			return nil, errorf("Template error: every Fn::FindInMap object requires three string parameters, the map name, map key and the attribute for return value")
		}
		keys[i] = s
	}
	table, ok := e.t.Mappings[keys[0]].(map[string]any)
	if !ok && !hasFallback {
		return nil, errorf("Template error: Mapping named '%s' is not present in the 'Mappings' section of template.", keys[0])
	}
	row, _ := table[keys[1]].(map[string]any)
	if v, ok := row[keys[2]]; ok {
		return v, nil
	}
	if hasFallback {
		return fallback, nil
	}
	return nil, errorf("Template error: Unable to get mapping for %s::%s::%s", keys[0], keys[1], keys[2])
}

func importValue(e *Evaluator, arg any) (any, error) {
	name, ok := arg.(string)
	if !ok || name == "" {
		return nil, errorf("Template error: the attribute in Fn::ImportValue must be a string or a function that returns a string")
	}
	if e.env.Import == nil {
		return nil, errorf("Template error: Cannot use Fn::ImportValue in Conditions.")
	}
	return e.env.Import(name)
}

func encodeBase64(_ *Evaluator, arg any) (any, error) {
	s, ok := Text(arg)
	if !ok {
		return nil, errorf("Template error: every Fn::Base64 object must have a String-typed value.")
	}
	return base64.StdEncoding.EncodeToString([]byte(s)), nil
}

func zones(e *Evaluator, arg any) (any, error) {
	region, ok := arg.(string)
	if !ok {
		return nil, errorf("Template error: Fn::GetAZs requires a region name")
	}
	if region == "" {
		region = e.env.Region
	}
	out := []any{}
	if e.env.Zones != nil {
		for _, z := range e.env.Zones(region) {
			out = append(out, z)
		}
	}
	return out, nil
}

func toJSONString(_ *Evaluator, arg any) (any, error) {
	switch arg.(type) {
	case map[string]any, []any:
		return JSON(arg), nil
	}
	return nil, errorf("Template error: Fn::ToJsonString requires an object or an array")
}

func length(_ *Evaluator, arg any) (any, error) {
	list, ok := arg.([]any)
	if !ok {
		return nil, errorf("Template error: Fn::Length requires a list")
	}
	return json.Number(strconv.Itoa(len(list))), nil
}
