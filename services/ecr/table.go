package ecr

import (
	api "moln.dev/moln/api/ecr"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
)

// table has one operation; the rest of the model follows from there being no
// repositories.
func table() service.Table[*Service] {
	var rest []smithy.Descriptor
	for _, d := range api.Operations() {
		if _, op := d.Of(); op.Name != "DescribeRepositories" {
			rest = append(rest, d)
		}
	}
	return service.Table[*Service]{
		service.Full(api.DescribeRepositories, (*Service).describeRepositories),
		service.None[*Service]("there is no container registry yet; deploy functions as zip archives", rest...),
	}
}
