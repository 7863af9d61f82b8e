package access

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"

	"moln.dev/moln/api/iamdata"
)

// Conditions words what S3 finds wrong with the conditions of a bucket policy
// before anybody is judged by them; empty: nothing. A condition that can never
// hold would make a Deny that never denies.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/amazon-s3-policy-keys.html
func Conditions(document []byte) string {
	var doc struct {
		Statement oneOrMany[struct {
			Action    oneOrMany[string]
			Condition map[string]map[string]oneOrMany[any]
		}]
	}
	if err := json.Unmarshal(document, &doc); err != nil {
		return "" // the parser of policies says what is wrong
	}
	for _, st := range doc.Statement {
		for operator, keys := range st.Condition {
			if !knownOperator(operator) {
				return "Invalid Condition type : " + operator
			}
			for key, values := range keys {
				switch lower := strings.ToLower(key); {
				case !knownKey(lower):
					return "Policy has an invalid condition key"
				case lower == "aws:sourceip" && slices.ContainsFunc(values, func(v any) bool { return !isNetwork(v) }):
					return "Invalid IP address in Conditions"
				case slices.ContainsFunc(st.Action, func(action string) bool { return !takesKey(action, lower) }):
					return "Conditions do not apply to combination of actions and resources in statement"
				}
			}
		}
	}
	return ""
}

// operators are those of IAM, which S3 wants spelled exactly so.
var operators = []string{
	"StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StringLike", "StringNotLike",
	"NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericLessThanEquals", "NumericGreaterThan", "NumericGreaterThanEquals",
	"DateEquals", "DateNotEquals", "DateLessThan", "DateLessThanEquals", "DateGreaterThan", "DateGreaterThanEquals",
	"Bool", "BinaryEquals", "IpAddress", "NotIpAddress", "ArnEquals", "ArnNotEquals", "ArnLike", "ArnNotLike",
}

func knownOperator(spelled string) bool {
	if spelled == "Null" {
		return true
	}
	name, set := strings.CutPrefix(spelled, "ForAllValues:")
	if !set {
		name, _ = strings.CutPrefix(spelled, "ForAnyValue:")
	}
	name, _ = strings.CutSuffix(name, "IfExists")
	return slices.Contains(operators, name)
}

// globalKeys are the keys that requests to every service may have; those that
// end in / go on with a tag's key.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
var globalKeys = map[string]bool{
	"assumedroot": true, "calledvia": true, "calledviafirst": true, "calledvialast": true, "calledviaawsmcp": true, "chatbotsourcearn": true,
	"currenttime": true, "ec2instancesourceprivateipv4": true, "ec2instancesourcevpc": true, "epochtime": true, "federatedprovider": true,
	"ismcpserviceaction": true, "multifactorauthage": true, "multifactorauthpresent": true, "principalaccount": true, "principalarn": true,
	"principalisawsservice": true, "principalorgid": true, "principalorgpaths": true, "principalservicename": true,
	"principalservicenameslist": true, "principaltag/": true, "principaltype": true, "referer": true, "requestedregion": true, "requesttag/": true,
	"resourceaccount": true, "resourceorgid": true, "resourceorgpaths": true, "resourcetag/": true, "securetransport": true,
	"signinsessionarn": true, "sourceaccount": true, "sourcearn": true, "sourceidentity": true, "sourceip": true, "sourceorgid": true,
	"sourceorgpaths": true, "sourceowner": true, "sourcevpc": true, "sourcevpcarn": true, "sourcevpce": true, "tagkeys": true,
	"tokenissuetime": true, "useragent": true, "userid": true, "username": true, "viaawsmcpservice": true, "viaawsservice": true,
	"vpceaccount": true, "vpceorgid": true, "vpceorgpaths": true, "vpcsourceip": true,
}

// knownKey takes the keys that there are, and those of identity providers and
// of other services, which moln keeps no list of.
func knownKey(lower string) bool {
	vendor, name, _ := strings.Cut(lower, ":")
	switch vendor {
	case "aws":
		tag, _, isTag := strings.Cut(name, "/")
		return globalKeys[name] || isTag && globalKeys[tag+"/"]
	case "s3":
		return slices.ContainsFunc(iamdata.Lookup("s3").Conditions, func(c iamdata.Condition) bool { return sameKey(c.Key, lower) })
	}
	return true
}

// sameKey compares a key of the reference, which may end in a placeholder for
// a tag's key.
func sameKey(listed, lower string) bool {
	listed = strings.ToLower(listed)
	if at := strings.IndexByte(listed, '/'); at >= 0 {
		return strings.HasPrefix(lower, listed[:at+1])
	}
	return listed == lower
}

// specific are the keys that only the requests of some actions have.
var specific = map[string]bool{
	"s3:prefix": true, "s3:delimiter": true, "s3:max-keys": true, "s3:versionid": true, "s3:x-amz-acl": true, "s3:x-amz-copy-source": true,
	"s3:x-amz-metadata-directive": true, "s3:x-amz-storage-class": true, "s3:x-amz-website-redirect-location": true,
}

// takesKey reports whether requests of an action can have a key. Patterns may.
func takesKey(action, lower string) bool {
	name, ok := strings.CutPrefix(strings.ToLower(action), "s3:")
	if !ok || !specific[lower] || strings.ContainsAny(name, "*?") {
		return true
	}
	for _, a := range iamdata.Lookup("s3").Actions {
		if strings.ToLower(a.Name) == name {
			return slices.ContainsFunc(a.Conditions, func(key string) bool { return sameKey(key, lower) })
		}
	}
	return true
}

// isNetwork takes an address or a network, and what becomes one when it is asked.
func isNetwork(v any) bool {
	text, ok := v.(string)
	if !ok {
		return false
	}
	if strings.Contains(text, "${") {
		return true
	}
	if _, err := netip.ParsePrefix(text); err == nil {
		return true
	}
	_, err := netip.ParseAddr(text)
	return err == nil
}
