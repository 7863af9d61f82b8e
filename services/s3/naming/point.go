package naming

import (
	"strings"

	"moln.dev/moln/aws/arn"
	"moln.dev/moln/aws/fault"
)

// Limits of an access point's name.
const (
	pointMin = 3
	pointMax = 50
)

// aliasName is how much of an access point's name its alias begins with, and
// AliasRandom what follows, so that the alias is as long as a bucket's name.
const (
	aliasName   = 20
	AliasRandom = 34
)

// Point names an access point.
type Point struct{ Region, Account, Name string }

// ARN is the access point's.
func (p Point) ARN() string {
	return "arn:aws:s3:" + p.Region + ":" + p.Account + ":accesspoint/" + p.Name
}

// ObjectARN names an object that is reached through the access point.
func (p Point) ObjectARN(key string) string { return p.ARN() + "/object/" + key }

// Alias is the name by which the access point stands for a bucket.
func (p Point) Alias(random string) string {
	name := strings.TrimRight(p.Name[:min(len(p.Name), aliasName)], "-")
	return name + "-" + random + AliasSuffix
}

// CheckPoint applies the naming rules for access points.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-points-restrictions-limitations-naming-rules.html
func CheckPoint(name string) error {
	ok := len(name) >= pointMin && len(name) <= pointMax && !strings.HasSuffix(name, AliasSuffix) && !strings.HasPrefix(name, "xn--")
	for i := range len(name) {
		c := name[i]
		letter := c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		edge := i == 0 || i == len(name)-1
		ok = ok && (letter || c == '-' && !edge)
	}
	if !ok {
		return fault.New("InvalidRequest", 400, "Your Amazon S3 AccessPoint name is invalid")
	}
	return nil
}

// ParsePoint reads the ARN of an access point; key is what follows in the form
// …:accesspoint/NAME/object/KEY. ok is false for everything else.
func ParsePoint(text string) (p Point, key string, ok bool) {
	a, err := arn.Parse(text)
	if err != nil || a.Service != "s3" || a.Region == "" || a.Account == "" {
		return Point{}, "", false
	}
	rest, ok := strings.CutPrefix(a.Resource, "accesspoint")
	if !ok || rest == "" || rest[0] != '/' && rest[0] != ':' {
		return Point{}, "", false
	}
	name, rest, _ := strings.Cut(rest[1:], "/")
	if CheckPoint(name) != nil {
		return Point{}, "", false
	}
	key, isObject := strings.CutPrefix(rest, "object/")
	if rest != "" && (!isObject || key == "") {
		return Point{}, "", false
	}
	return Point{Region: a.Region, Account: a.Account, Name: name}, key, true
}

// IsPoint reports whether a name of a bucket stands for an access point: as its
// alias or as its ARN.
func IsPoint(name string) bool {
	return strings.HasSuffix(name, AliasSuffix) || strings.HasPrefix(name, "arn:")
}
