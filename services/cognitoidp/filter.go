package cognitoidp

import (
	"regexp"
	"strings"

	api "moln.dev/moln/api/cognitoidp"
	"moln.dev/moln/services/cognitoidp/settings"
)

// filter is ListUsers' Filter: one attribute compared with one value. The zero
// value matches everybody.
type filter struct {
	attribute string
	prefix    bool // ^= rather than =
	value     string
}

// filterForm is name, operator and quoted value; quotes in it are escaped.
var filterForm = regexp.MustCompile(`^\s*"?([a-z_:]+)"?\s*(\^?=)\s*"((?:[^"\\]|\\.)*)"\s*$`)

var filterEscape = regexp.MustCompile(`\\(.)`)

func parseFilter(text string) (filter, error) {
	if strings.TrimSpace(text) == "" {
		return filter{}, nil
	}
	m := filterForm.FindStringSubmatch(text)
	if m == nil {
		return filter{}, api.ErrInvalidParameterException("Error while parsing filter: %s", text)
	}
	switch m[1] {
	case "username", settings.AttributeEmail, settings.AttributePhone, "name", "given_name", "family_name", settings.AttributePreferred, "cognito:user_status", "status", settings.AttributeSub:
	default:
		return filter{}, api.ErrInvalidParameterException("Cannot filter on attribute %s", m[1])
	}
	return filter{m[1], m[2] == "^=", filterEscape.ReplaceAllString(m[3], "$1")}, nil
}

// matches compares without regard to case unless the pool is case-sensitive;
// states never have a case.
func (f filter) matches(u *user, caseSensitive bool) bool {
	got, want := "", f.value
	switch f.attribute {
	case "":
		return true
	case "username":
		got = u.Username
	case settings.AttributeSub:
		got = u.Sub
	case "cognito:user_status":
		got, caseSensitive = u.Status, false
	case "status":
		got, caseSensitive = "Disabled", false
		if u.Enabled {
			got = "Enabled"
		}
	default:
		got = u.Attributes[f.attribute]
	}
	if !caseSensitive {
		got, want = strings.ToLower(got), strings.ToLower(want)
	}
	if f.prefix {
		return strings.HasPrefix(got, want) && got != ""
	}
	return got == want && got != ""
}
