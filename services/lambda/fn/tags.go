package fn

import "strings"

// CheckTags holds the tags of a function or mapping to the limits that the model
// leaves open.
func CheckTags(tags map[string]string) error {
	if len(tags) > tagsMax {
		return Invalid("The number of tags on the resource exceeds the limit of %d.", tagsMax)
	}
	for k := range tags {
		if strings.HasPrefix(strings.ToLower(k), "aws:") {
			return Invalid("System tags cannot be added/updated by requester")
		}
	}
	return nil
}
