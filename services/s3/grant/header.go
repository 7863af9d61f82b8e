package grant

import "strings"

// header is one of the x-amz-grant headers.
type header struct {
	name, permission string
	value            *string
}

// fromHeaders reads grants from headers of the form
//
//	x-amz-grant-read: id="79a5…", uri="http://acs.amazonaws.com/groups/global/AllUsers"
//
// A list made by headers has what they say and nothing else: not even the
// owner's own full control.
func fromHeaders(headers []header) (List, error) {
	list := List{}
	for _, h := range headers {
		if h.value == nil {
			continue
		}
		for item := range strings.SplitSeq(*h.value, ",") {
			g, err := fromItem(h, strings.TrimSpace(item))
			if err != nil {
				return nil, err
			}
			list = append(list, g)
		}
	}
	if len(list) > GrantsMax {
		return nil, errMalformed()
	}
	return list, nil
}

func fromItem(h header, item string) (Grant, error) {
	g := Grant{Permission: h.permission}
	kind, value, ok := strings.Cut(item, "=")
	if !ok {
		return g, errHeader(h)
	}
	value = strings.TrimSpace(value)
	if n := len(value); n >= 2 && (value[0] == '"' && value[n-1] == '"' || value[0] == '\'' && value[n-1] == '\'') {
		value = value[1 : n-1]
	}
	switch strings.ToLower(strings.TrimSpace(kind)) {
	case "id":
		if g.ID = value; !validID(value) {
			return g, errGrantee("id", value, "Invalid id")
		}
	case "uri":
		if g.Group = value; !validGroup(value) {
			return g, errGrantee("uri", value, "Invalid group uri")
		}
	case "emailaddress":
		return g, errEmail()
	default:
		return g, errHeader(h)
	}
	return g, nil
}
