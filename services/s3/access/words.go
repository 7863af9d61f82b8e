package access

import (
	"encoding/json"
	"path"
	"slices"
	"strings"

	"moln.dev/moln/api/iamdata"
)

// Fault words what is wrong with the outline of a bucket policy as S3 does; empty
// where the outline is right.
func Fault(document []byte) string {
	var doc struct {
		Version   *string
		Statement *oneOrMany[struct{ Effect *string }]
	}
	if err := json.Unmarshal(document, &doc); err != nil {
		return ""
	}
	switch {
	case doc.Version != nil && *doc.Version != "2008-10-17" && *doc.Version != "2012-10-17":
		return "The policy must contain a valid version string"
	case doc.Statement == nil:
		return "Missing required field Statement"
	case len(*doc.Statement) == 0:
		return "Could not parse the policy: Statement is empty!"
	}
	for _, st := range *doc.Statement {
		if st.Effect != nil && *st.Effect != "Allow" && *st.Effect != "Deny" {
			return "Invalid effect: " + *st.Effect
		}
	}
	return ""
}

// Applies reports whether every action of a bucket policy applies to one of its
// statement's resources at least, as S3 demands. Actions that are not known
// apply.
func Applies(document []byte) bool {
	var doc struct {
		Statement oneOrMany[struct{ Action, Resource oneOrMany[string] }]
	}
	if err := json.Unmarshal(document, &doc); err != nil {
		return false
	}
	for _, st := range doc.Statement {
		if len(st.Resource) == 0 {
			continue // NotResource
		}
		to := map[string]bool{}
		for _, r := range st.Resource {
			name := strings.TrimPrefix(r, "arn:aws:s3:::")
			inside := strings.Contains(name, "/")
			to["object"] = to["object"] || inside || strings.HasSuffix(name, "*")
			to["bucket"] = to["bucket"] || !inside
		}
		if slices.ContainsFunc(st.Action, func(action string) bool { return !appliesTo(action, to) }) {
			return false
		}
	}
	return true
}

// appliesTo reports whether an action, which may be a pattern, is for one of the
// types of resources.
func appliesTo(action string, types map[string]bool) bool {
	pattern, ok := strings.CutPrefix(strings.ToLower(action), "s3:")
	if !ok {
		return true // "*"
	}
	known := false
	for _, a := range iamdata.Lookup("s3").Actions {
		if matched, err := path.Match(pattern, strings.ToLower(a.Name)); err != nil || !matched {
			continue
		}
		known = true
		if slices.ContainsFunc(a.Resources, func(name string) bool { return types[strings.TrimSuffix(name, "!")] }) {
			return true
		}
	}
	return !known
}
