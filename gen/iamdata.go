package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/format"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// iamTypes is the hand-written part of package iamdata.
const iamTypes = `// Package iamdata lists the IAM actions, resource types and condition keys of
// AWS's authorization reference for the services under api/, for the checks of
// policies and for documentation. It decides nothing: which action a request
// needs stands in the service's own table.
package iamdata

// Prefix is what the reference says of one action prefix.
type Prefix struct {
	Name       string
	Actions    []Action    // by name
	Resources  []Resource  // by name
	Conditions []Condition // by key
}

// Action is one action.
type Action struct {
	Name       string
	Access     string   // "Read", "List", "Write", "Tagging", "Permissions management", or two of them
	Resources  []string // names of resource types; a trailing ! marks one that is required
	Conditions []string // keys
}

// Resource is one type of resource.
type Resource struct {
	Name       string
	ARN        string // a template: arn:${Partition}:sqs:${Region}:${Account}:${QueueName}
	Conditions []string
}

// Condition is one condition key.
type Condition struct{ Key, Type string }

// Lookup finds a prefix, or nil.
func Lookup(name string) *Prefix {
	for i := range Prefixes {
		if Prefixes[i].Name == name {
			return &Prefixes[i]
		}
	}
	return nil
}
`

// iamFiles prints package iamdata.
func iamFiles(models string) (map[string][]byte, error) {
	var b bytes.Buffer
	b.WriteString(header + "package iamdata\n\n// Prefixes is the reference, by prefix.\nvar Prefixes = []Prefix{\n")
	for _, prefix := range iamPrefixes() {
		data, err := loadIAM(models, prefix)
		if err != nil {
			return nil, err
		}
		emitPrefix(&b, prefix, data)
	}
	b.WriteString("}\n\n// Global lists the condition keys that every service has.\nvar Global = []Condition{\n")
	data, err := os.ReadFile(filepath.Join(models, "iam", "global.json"))
	if err != nil {
		return nil, err
	}
	var global map[string]string
	if err := json.Unmarshal(data, &global); err != nil {
		return nil, fmt.Errorf("iam/global.json: %w", err)
	}
	emitConditions(&b, global)
	b.WriteString("}\n")
	table, err := format.Source(b.Bytes())
	return map[string][]byte{"doc.go": []byte(header + iamTypes), "table.gen.go": table}, err
}

func emitPrefix(b *bytes.Buffer, prefix string, data *IAMData) {
	fmt.Fprintf(b, "\t{\n\t\tName: %q,\n\t\tActions: []Action{\n", prefix)
	for _, name := range slices.Sorted(maps.Keys(data.Actions)) {
		a := data.Actions[name]
		emitEntry(b, name, "Access", a.Access, func(l *literal) {
			if len(a.Resources) > 0 {
				l.raw("Resources", stringsLiteral(a.Resources))
			}
		}, a.Conditions)
	}
	b.WriteString("\t\t},\n\t\tResources: []Resource{\n")
	for _, name := range slices.Sorted(maps.Keys(data.Resources)) {
		r := data.Resources[name]
		emitEntry(b, name, "ARN", r.ARN, func(*literal) {}, r.Conditions)
	}
	b.WriteString("\t\t},\n\t\tConditions: []Condition{\n")
	emitConditions(b, data.Conditions)
	b.WriteString("\t\t},\n\t},\n")
}

func emitEntry(b *bytes.Buffer, name, field, value string, more func(*literal), conditions []string) {
	l := literal{b: b}
	b.WriteString("\t\t\t{")
	l.str("Name", name)
	l.str(field, value)
	more(&l)
	if len(conditions) > 0 {
		l.raw("Conditions", stringsLiteral(conditions))
	}
	b.WriteString("},\n")
}

func emitConditions(b *bytes.Buffer, types map[string]string) {
	for _, key := range slices.Sorted(maps.Keys(types)) {
		fmt.Fprintf(b, "\t\t\t{%q, %q},\n", key, types[key])
	}
}

// trimGlobalKeys reads the global condition keys, which the package keeps as a
// JavaScript table of one field a line.
func trimGlobalKeys(dir string) ([]byte, error) {
	source, err := os.ReadFile(filepath.Join(dir, "dist", "esm", "globalConditionKeys.js"))
	if err != nil {
		return nil, err
	}
	types, key := map[string]string{}, ""
	for line := range strings.Lines(string(source)) {
		field, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		value = strings.Trim(value, "',")
		switch field {
		case "key":
			key = value
		case "type":
			types[key] = value
		}
	}
	if len(types) == 0 || types["aws:SourceIp"] == "" {
		return nil, fmt.Errorf("globalConditionKeys.js has another form than expected")
	}
	data, err := json.MarshalIndent(types, "", " ")
	return append(data, '\n'), err
}
