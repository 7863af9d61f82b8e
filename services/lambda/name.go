package lambda

import (
	"regexp"
	"strings"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/aws/arn"
	"moln.dev/moln/platform/service"
)

const (
	latest            = "$LATEST"
	functionNameMax   = 64
	functionARNPrefix = "function:"
)

var (
	namePattern      = regexp.MustCompile(`^[a-zA-Z0-9_-]+$`)
	qualifierPattern = regexp.MustCompile(`^(\$LATEST|[a-zA-Z0-9_-]{1,128})$`)
	numberPattern    = regexp.MustCompile(`^[0-9]+$`)
)

// ref is which function, and which qualifier of it, a request means.
type ref struct {
	place
	name      string
	qualifier string // "" where the request gave none
}

func (r ref) arn() string {
	s := functionARN(r.place, r.name)
	if r.qualifier != "" {
		s += ":" + r.qualifier
	}
	return s
}

// unqualified is the function itself.
func (r ref) unqualified() ref {
	r.qualifier = ""
	return r
}

func functionARN(p place, name string) string {
	return arn.ARN{Partition: arn.PartitionOf(p.region), Service: "lambda", Region: p.region, Account: p.account, Resource: functionARNPrefix + name}.String()
}

// parseRef reads a name, a partial or a full ARN, each with or without a
// qualifier, and a qualifier that came apart from it.
func parseRef(p place, text, qualifier string) (ref, error) {
	r := ref{place: p}
	rest := text
	switch {
	case strings.HasPrefix(text, "arn:"):
		a, err := arn.Parse(text)
		name, ok := strings.CutPrefix(a.Resource, functionARNPrefix)
		if err != nil || a.Service != "lambda" || !ok {
			return r, badName(text)
		}
		if a.Region != p.region {
			return r, api.ErrResourceNotFoundException("Functions from '%s' are not reachable in this region ('%s')", a.Region, p.region)
		}
		r.account, rest = a.Account, name
	case strings.Contains(text, ":"+functionARNPrefix):
		account, name, _ := strings.Cut(text, ":"+functionARNPrefix)
		if !numberPattern.MatchString(account) {
			return r, badName(text)
		}
		r.account, rest = account, name
	}
	name, inName, qualified := strings.Cut(rest, ":")
	if !namePattern.MatchString(name) || (qualified && !qualifierPattern.MatchString(inName)) {
		return r, badName(text)
	}
	if len(name) > functionNameMax {
		return r, api.ErrInvalidParameterValueException("1 validation error detected: Value '%s' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to 64", name)
	}
	r.name, r.qualifier = name, inName
	if qualifier == "" {
		return r, nil
	}
	if !qualifierPattern.MatchString(qualifier) {
		return r, api.ErrInvalidParameterValueException("1 validation error detected: Value '%s' at 'qualifier' failed to satisfy constraint: Member must satisfy regular expression pattern: (|[a-zA-Z0-9$_-]+)", qualifier)
	}
	if qualified && inName != qualifier {
		return r, api.ErrInvalidParameterValueException("The derived qualifier from the function name does not match the specified qualifier.")
	}
	r.qualifier = qualifier
	return r, nil
}

func badName(text string) error {
	return api.ErrInvalidParameterValueException("1 validation error detected: Value '%s' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: (arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}(-gov)?-[a-z]+-\\d{1}:)?(\\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\\$LATEST|[a-zA-Z0-9-_]+))?", text)
}

// refOf is parseRef for a request's members.
func refOf(c *service.Call, name, qualifier *string) (ref, error) {
	q := ""
	if qualifier != nil {
		q = *qualifier
	}
	if name == nil {
		return ref{}, badName("")
	}
	return parseRef(placeOf(c), *name, q)
}
