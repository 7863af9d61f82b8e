// Package protocols is the list of wire protocols that moln speaks. It is apart
// from package wire so that the codecs can import the contract.
package protocols

import (
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/wire"
	"moln.dev/moln/wire/awsjson"
	"moln.dev/moln/wire/awsquery"
	"moln.dev/moln/wire/restjson"
	"moln.dev/moln/wire/restxml"
)

// For returns the codec of a protocol, or false for a protocol that is not
// spoken yet.
func For(p smithy.Protocol) (wire.Codec, bool) {
	switch p {
	case smithy.AWSJSON10:
		return awsjson.V10(), true
	case smithy.AWSJSON11:
		return awsjson.V11(), true
	case smithy.RESTJSON1:
		return restjson.Codec{}, true
	case smithy.RESTXML:
		return restxml.Codec{}, true
	case smithy.AWSQuery:
		return awsquery.Codec{}, true
	}
	return nil, false
}
