package settings

import (
	"net/mail"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	api "moln.dev/moln/api/cognitoidp"
	"moln.dev/moln/aws/smithy"
)

// Types of attributes.
const (
	typeString   = "String"
	typeNumber   = "Number"
	typeDateTime = "DateTime"
	typeBoolean  = "Boolean"

	attributeBytesMax  = 2048
	customNameMax      = 20
	birthdateLayout    = "2006-01-02"
	customPrefix       = "custom:"
	DeveloperPrefix    = "dev:"
	AttributeUpdatedAt = "updated_at"
	attributeBirthdate = "birthdate"
	attributeIdentity  = "identities"
)

// StandardAttributes are the OpenID Connect attributes of every pool, in the
// order in which AWS lists them.
func StandardAttributes() []api.SchemaAttributeType {
	text := func(name string, mutable, required bool, lo, hi string) api.SchemaAttributeType {
		return api.SchemaAttributeType{
			Name: &name, AttributeDataType: ptr(typeString), DeveloperOnlyAttribute: ptr(false), Mutable: &mutable, Required: &required,
			StringAttributeConstraints: &api.StringAttributeConstraintsType{MinLength: &lo, MaxLength: &hi},
		}
	}
	yesNo := func(name string) api.SchemaAttributeType {
		return api.SchemaAttributeType{Name: &name, AttributeDataType: ptr(typeBoolean), DeveloperOnlyAttribute: ptr(false), Mutable: ptr(true), Required: ptr(false)}
	}
	out := []api.SchemaAttributeType{text(AttributeSub, false, true, "1", "2048")}
	for _, name := range []string{
		"name", "given_name", "family_name", "middle_name", "nickname", AttributePreferred, "profile", "picture", "website", AttributeEmail,
	} {
		out = append(out, text(name, true, false, "0", "2048"))
	}
	out = append(out, yesNo(AttributeEmailVerified), text("gender", true, false, "0", "2048"), text(attributeBirthdate, true, false, "10", "10"))
	for _, name := range []string{"zoneinfo", "locale", AttributePhone} {
		out = append(out, text(name, true, false, "0", "2048"))
	}
	return append(out, yesNo(AttributePhoneVerified), text("address", true, false, "0", "2048"),
		api.SchemaAttributeType{
			Name: ptr(AttributeUpdatedAt), AttributeDataType: ptr(typeNumber), DeveloperOnlyAttribute: ptr(false), Mutable: ptr(true), Required: ptr(false),
			NumberAttributeConstraints: &api.NumberAttributeConstraintsType{MinValue: ptr("0")},
		},
		api.SchemaAttributeType{
			Name: ptr(attributeIdentity), AttributeDataType: ptr(typeString), DeveloperOnlyAttribute: ptr(false), Mutable: ptr(true), Required: ptr(false),
			StringAttributeConstraints: &api.StringAttributeConstraintsType{},
		})
}

// BuildSchema lays the attributes of CreateUserPool over the standard ones.
func BuildSchema(given []api.SchemaAttributeType) ([]api.SchemaAttributeType, error) {
	out := StandardAttributes()
	var custom []api.SchemaAttributeType
	for _, a := range given {
		name := smithy.Val(a.Name)
		i := slices.IndexFunc(out, func(s api.SchemaAttributeType) bool { return *s.Name == name })
		if i < 0 {
			custom = append(custom, a)
			continue
		}
		std := &out[i]
		if a.AttributeDataType != nil && *a.AttributeDataType != *std.AttributeDataType {
			return nil, api.ErrInvalidParameterException("You can not change AttributeDataType or set developerOnlyAttribute for standard schema attribute %s", name)
		}
		if smithy.Val(a.DeveloperOnlyAttribute) {
			return nil, api.ErrInvalidParameterException("You can not change AttributeDataType or set developerOnlyAttribute for standard schema attribute %s", name)
		}
		keep(&std.Required, a.Required)
		keep(&std.Mutable, a.Mutable)
		keep(&std.StringAttributeConstraints, a.StringAttributeConstraints)
		keep(&std.NumberAttributeConstraints, a.NumberAttributeConstraints)
	}
	return AddCustom(out, custom)
}

func keep[T any](field **T, given *T) {
	if given != nil {
		*field = given
	}
}

// AddCustom appends custom attributes under their full names.
func AddCustom(schema, custom []api.SchemaAttributeType) ([]api.SchemaAttributeType, error) {
	for _, a := range custom {
		name := strings.TrimPrefix(smithy.Val(a.Name), customPrefix)
		if name == "" || len(name) > customNameMax {
			return nil, api.ErrInvalidParameterException("Invalid attribute name: custom attribute names have 1 to %d characters", customNameMax)
		}
		if smithy.Val(a.Required) {
			return nil, api.ErrInvalidParameterException("Required custom attributes are not supported currently.")
		}
		full := customPrefix + name
		if smithy.Val(a.DeveloperOnlyAttribute) {
			full = DeveloperPrefix + full
		}
		a.Name, a.Required = &full, ptr(false)
		setDefault(&a.AttributeDataType, typeString)
		if a.DeveloperOnlyAttribute == nil {
			a.DeveloperOnlyAttribute = ptr(false)
		}
		if a.Mutable == nil {
			a.Mutable = ptr(true)
		}
		switch {
		case *a.AttributeDataType == typeString && a.StringAttributeConstraints == nil:
			a.StringAttributeConstraints = &api.StringAttributeConstraintsType{}
		case *a.AttributeDataType == typeNumber && a.NumberAttributeConstraints == nil:
			a.NumberAttributeConstraints = &api.NumberAttributeConstraintsType{}
		}
		if FindAttribute(schema, full) != nil {
			return nil, api.ErrInvalidParameterException("%s: Existing attribute already has name %s.", full, full)
		}
		schema = append(schema, a)
	}
	n := 0
	for _, a := range schema {
		if isCustom(*a.Name) {
			n++
		}
	}
	if n > customAttributesMax {
		return nil, api.ErrInvalidParameterException("Number of custom attributes exceeds the limit of %d.", customAttributesMax)
	}
	return schema, nil
}

func isCustom(name string) bool {
	return strings.HasPrefix(name, customPrefix) || strings.HasPrefix(name, DeveloperPrefix)
}

// FindAttribute finds an attribute by its full name, or nil.
func FindAttribute(schema []api.SchemaAttributeType, name string) *api.SchemaAttributeType {
	for i := range schema {
		if *schema[i].Name == name {
			return &schema[i]
		}
	}
	return nil
}

// telephone is E.164, as AWS checks it.
var telephone = regexp.MustCompile(`^\+[1-9]?[0-9]{4,16}$`)

// CheckAttribute checks one value against the schema.
func CheckAttribute(schema []api.SchemaAttributeType, name, value string) error {
	a := FindAttribute(schema, name)
	if a == nil {
		return SchemaFault("Type for attribute {" + name + "} could not be determined")
	}
	if len(value) > attributeBytesMax {
		return SchemaFault(name + ": String must be no longer than " + strconv.Itoa(attributeBytesMax))
	}
	if value == "" {
		return nil // an empty value deletes the attribute
	}
	switch name {
	case AttributeEmail:
		if !IsEmail(value) {
			return api.ErrInvalidParameterException("Invalid email address format.")
		}
	case AttributePhone:
		if !IsPhone(value) {
			return api.ErrInvalidParameterException("Invalid phone number format.")
		}
	case attributeBirthdate:
		if _, err := time.Parse(birthdateLayout, value); err != nil {
			return api.ErrInvalidParameterException("Invalid birthdate format: must be YYYY-MM-DD.")
		}
	}
	return checkType(a, name, value)
}

func checkType(a *api.SchemaAttributeType, name, value string) error {
	switch *a.AttributeDataType {
	case typeBoolean:
		if value != "true" && value != "false" {
			return SchemaFault(name + ": Boolean must be true or false")
		}
	case typeDateTime:
		if _, err := time.Parse(time.RFC3339, value); err != nil {
			return SchemaFault(name + ": DateTime must be an ISO 8601 date and time")
		}
	case typeNumber:
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return SchemaFault(name + ": Number is not valid")
		}
		if c := a.NumberAttributeConstraints; c != nil {
			if lo, ok := limit(c.MinValue); ok && n < lo {
				return SchemaFault(name + ": Number must be no less than " + *c.MinValue)
			}
			if hi, ok := limit(c.MaxValue); ok && n > hi {
				return SchemaFault(name + ": Number must be no greater than " + *c.MaxValue)
			}
		}
	case typeString:
		n := float64(len([]rune(value)))
		if c := a.StringAttributeConstraints; c != nil {
			if lo, ok := limit(c.MinLength); ok && n < lo {
				return SchemaFault(name + ": String must be no shorter than " + *c.MinLength)
			}
			if hi, ok := limit(c.MaxLength); ok && n > hi {
				return SchemaFault(name + ": String must be no longer than " + *c.MaxLength)
			}
		}
	}
	return nil
}

func limit(text *string) (float64, bool) {
	n, err := strconv.ParseFloat(smithy.Val(text), 64)
	return n, err == nil
}

// SchemaFault says what about an attribute breaks the schema.
func SchemaFault(detail string) error {
	return api.ErrInvalidParameterException("%s", "Attributes did not conform to the schema: "+detail)
}

// CheckRequired names the first required attribute that a new user lacks.
func CheckRequired(schema []api.SchemaAttributeType, values map[string]string) error {
	for _, name := range RequiredAttributes(schema) {
		if values[name] == "" {
			return SchemaFault(name + ": The attribute is required")
		}
	}
	return nil
}

// RequiredAttributes are those that every user must have; the pool gives the
// sub itself.
func RequiredAttributes(schema []api.SchemaAttributeType) []string {
	var out []string
	for _, a := range schema {
		if smithy.Val(a.Required) && *a.Name != AttributeSub {
			out = append(out, *a.Name)
		}
	}
	return out
}

// IsEmail reports whether s is an e-mail address and nothing else.
func IsEmail(s string) bool {
	a, err := mail.ParseAddress(s)
	return err == nil && a.Address == s && a.Name == ""
}

// IsPhone reports whether s is a telephone number with its country.
func IsPhone(s string) bool { return telephone.MatchString(s) }

// AttributeMap turns the wire's list into a map; a name given twice is refused.
func AttributeMap(list []api.AttributeType) (map[string]string, error) {
	out := make(map[string]string, len(list))
	for _, a := range list {
		name := smithy.Val(a.Name)
		if _, twice := out[name]; twice {
			return nil, api.ErrInvalidParameterException("Duplicate attribute in the list: %s", name)
		}
		out[name] = smithy.Val(a.Value)
	}
	return out, nil
}
