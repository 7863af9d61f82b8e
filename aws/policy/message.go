package policy

import (
	"encoding/json"
	"strings"
)

// Message is AWS's text for a denial. Services that answer a bare "Access
// Denied" do not use it. An allowed decision has no message.
func (d Decision) Message(principalARN, action, resource string) string {
	if d.Allowed {
		return ""
	}
	text := "User: " + principalARN + " is not authorized to perform: " + action + " on resource: " + resource
	if !d.Explicit {
		return text + " because no " + d.Layer.String() + " allows the " + action + " action"
	}
	text += " with an explicit deny in " + article(d.Layer.String())
	// Managed policies have an ARN, which AWS adds; inline ones do not.
	if len(d.Statements) > 0 && strings.HasPrefix(d.Statements[0].Policy, "arn:") {
		text += ": " + d.Statements[0].Policy
	}
	return text
}

func article(noun string) string {
	if strings.ContainsRune("aeiou", rune(noun[0])) {
		return "an " + noun
	}
	return "a " + noun
}

// leastDocument and leastStatement fix the order of the elements.
type leastDocument struct {
	Version   Version
	Statement []leastStatement
}

type leastStatement struct {
	Effect    Effect
	Principal map[string]string `json:",omitempty"`
	Action    string
	Resource  string
}

// LeastPolicy is the smallest identity policy that allows one action on one
// resource, as a JSON document.
func LeastPolicy(action, resource string) string {
	return leastJSON(leastStatement{Effect: Allow, Action: action, Resource: escapeWildcards(resource)})
}

// LeastPolicy is the smallest document which, added to the layer that decided,
// takes that layer's objection away: in a resource policy it names the caller.
// It is empty where no Allow can help: an allowed request, an explicit deny.
func (d Decision) LeastPolicy(principal Principal, action, resource string) string {
	if d.Allowed || d.Explicit {
		return ""
	}
	if d.Layer != LayerResource {
		return LeastPolicy(action, resource)
	}
	return leastJSON(leastStatement{Effect: Allow, Principal: nameOf(principal), Action: action, Resource: escapeWildcards(resource)})
}

func nameOf(p Principal) map[string]string {
	switch p.Kind {
	case Service:
		return map[string]string{"Service": p.Service}
	case Federated:
		return map[string]string{"Federated": p.Provider}
	case AssumedRole:
		return map[string]string{"AWS": p.RoleARN}
	case Anonymous:
		return map[string]string{"AWS": "*"}
	}
	return map[string]string{"AWS": p.ARN}
}

// escapeWildcards keeps a resource whose name holds * or ? from matching more
// than itself. "*" alone is what actions without a resource ask for.
func escapeWildcards(resource string) string {
	if resource == "*" {
		return resource
	}
	return strings.NewReplacer("${", "${$}{", "*", "${*}", "?", "${?}").Replace(resource)
}

func leastJSON(s leastStatement) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	// A struct of strings always encodes.
	_ = enc.Encode(leastDocument{Version: Version2012, Statement: []leastStatement{s}})
	return strings.TrimSuffix(b.String(), "\n")
}
