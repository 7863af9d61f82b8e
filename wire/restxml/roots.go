package restxml

import "moln.dev/moln/aws/smithy"

// root is the outermost element of an answer.
type root struct {
	name      string
	unwrapped bool // the output's one member is its text
}

// rootOf names the outermost element: as the model says, else the shape's name.
// GetBucketLocation is the one answer of S3 that is not a structure.
func rootOf(svc *smithy.Service, op *smithy.Operation, sh *smithy.Shape) root {
	switch {
	case isS3(svc) && op.Name == "GetBucketLocation":
		return root{name: "LocationConstraint", unwrapped: true}
	case sh.XMLName != "":
		return root{name: sh.XMLName}
	}
	return root{name: sh.Name}
}
