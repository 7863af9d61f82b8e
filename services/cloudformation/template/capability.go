package template

import "slices"

// Capabilities says which acknowledgements the template needs, and the types
// that make it need them: CAPABILITY_NAMED_IAM where an IAM resource carries a
// name of its own, else CAPABILITY_IAM, or none.
func (t *Template) Capabilities() (capability string, types []string) {
	for _, id := range t.IDs() {
		r := t.Resources[id]
		name, iam := iamName(r.Type)
		if !iam {
			continue
		}
		types = append(types, r.Type)
		if capability == "" {
			capability = "CAPABILITY_IAM"
		}
		if _, named := r.Properties[name]; named && name != "" {
			capability = "CAPABILITY_NAMED_IAM"
		}
	}
	slices.Sort(types)
	return capability, slices.Compact(types)
}

// iamName gives the property that names an IAM resource.
func iamName(resourceType string) (property string, iam bool) {
	switch resourceType {
	case "AWS::IAM::Role":
		return "RoleName", true
	case "AWS::IAM::User":
		return "UserName", true
	case "AWS::IAM::Group":
		return "GroupName", true
	case "AWS::IAM::ManagedPolicy":
		return "ManagedPolicyName", true
	case "AWS::IAM::InstanceProfile":
		return "InstanceProfileName", true
	case "AWS::IAM::AccessKey", "AWS::IAM::Policy", "AWS::IAM::UserToGroupAddition":
		return "", true
	}
	return "", false
}
