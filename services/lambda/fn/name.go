package fn

import (
	"regexp"
	"strings"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/aws/arn"
	"moln.dev/moln/platform/service"
)

const (
	Latest            = "$LATEST"
	FunctionNameMax   = 64
	FunctionARNPrefix = "function:"
)

var (
	namePattern      = regexp.MustCompile(`^[a-zA-Z0-9_-]+$`)
	qualifierPattern = regexp.MustCompile(`^(\$LATEST|[a-zA-Z0-9_-]{1,128})$`)
	NumberPattern    = regexp.MustCompile(`^[0-9]+$`)
)

// Ref is which function, and which qualifier of it, a request means.
type Ref struct {
	Place
	Name      string
	Qualifier string // "" where the request gave none
}

// At is a function of a place by name and qualifier, "" for none.
func At(p Place, name, qualifier string) Ref { return Ref{p, name, qualifier} }

// ARN is the function's, with the qualifier that was asked for.
func (r Ref) ARN() string {
	s := FunctionARN(r.Place, r.Name)
	if r.Qualifier != "" {
		s += ":" + r.Qualifier
	}
	return s
}

// Unqualified is the function itself.
func (r Ref) Unqualified() Ref {
	r.Qualifier = ""
	return r
}

// FunctionARN is the ARN of a function by its name.
func FunctionARN(p Place, name string) string {
	return arn.ARN{Partition: arn.PartitionOf(p.Region), Service: "lambda", Region: p.Region, Account: p.Account, Resource: FunctionARNPrefix + name}.String()
}

// ParseRef reads a name, a partial or a full ARN, each with or without a
// qualifier, and a qualifier that came apart from it.
func ParseRef(p Place, text, qualifier string) (Ref, error) {
	r := Ref{Place: p}
	rest := text
	switch {
	case strings.HasPrefix(text, "arn:"):
		a, err := arn.Parse(text)
		name, ok := strings.CutPrefix(a.Resource, FunctionARNPrefix)
		if err != nil || a.Service != "lambda" || !ok {
			return r, badName(text)
		}
		if a.Region != p.Region {
			return r, api.ErrResourceNotFoundException("Functions from '%s' are not reachable in this region ('%s')", a.Region, p.Region)
		}
		r.Account, rest = a.Account, name
	case strings.Contains(text, ":"+FunctionARNPrefix):
		account, name, _ := strings.Cut(text, ":"+FunctionARNPrefix)
		if !NumberPattern.MatchString(account) {
			return r, badName(text)
		}
		r.Account, rest = account, name
	}
	name, inName, qualified := strings.Cut(rest, ":")
	if !namePattern.MatchString(name) || (qualified && !qualifierPattern.MatchString(inName)) {
		return r, badName(text)
	}
	if len(name) > FunctionNameMax {
		return r, api.ErrInvalidParameterValueException("1 validation error detected: Value '%s' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to 64", name)
	}
	r.Name, r.Qualifier = name, inName
	if qualifier == "" {
		return r, nil
	}
	if !qualifierPattern.MatchString(qualifier) {
		return r, api.ErrInvalidParameterValueException("1 validation error detected: Value '%s' at 'qualifier' failed to satisfy constraint: Member must satisfy regular expression pattern: (|[a-zA-Z0-9$_-]+)", qualifier)
	}
	if qualified && inName != qualifier {
		return r, api.ErrInvalidParameterValueException("The derived qualifier from the function name does not match the specified qualifier.")
	}
	r.Qualifier = qualifier
	return r, nil
}

func badName(text string) error {
	return api.ErrInvalidParameterValueException("1 validation error detected: Value '%s' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: (arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}(-gov)?-[a-z]+-\\d{1}:)?(\\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\\$LATEST|[a-zA-Z0-9-_]+))?", text)
}

// RefOf is parseRef for a request's members.
func RefOf(c *service.Call, name, qualifier *string) (Ref, error) {
	q := ""
	if qualifier != nil {
		q = *qualifier
	}
	if name == nil {
		return Ref{}, badName("")
	}
	return ParseRef(PlaceOf(c), *name, q)
}

// LatestRef is for operations that change $LATEST and nothing else.
func LatestRef(c *service.Call, name *string) (Ref, error) {
	r, err := RefOf(c, name, nil)
	if err != nil {
		return r, err
	}
	if r.Qualifier != "" && r.Qualifier != Latest {
		return r, Invalid("This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. Please specify either a function name or an unqualified function ARN.")
	}
	return r.Unqualified(), nil
}

// PageMax is the most entries of a page of a list.
const PageMax = 50

// PageSize is how many entries a request wants.
func PageSize(n *int32) int {
	if n == nil || *n > PageMax || *n < 1 {
		return PageMax
	}
	return int(*n)
}
