package esm

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strconv"

	api "moln.dev/moln/api/dynamodbstreams"
	"moln.dev/moln/aws/smithy"
)

// encodeRecord writes a record of a table's stream as functions get it.
func encodeRecord(r *api.Record, source, hashKey string) Record {
	d := r.Dynamodb
	b := append([]byte(`{"eventID":`), quote(smithy.Val(r.EventID))...)
	b = appendText(b, "eventName", r.EventName)
	b = appendText(b, "eventVersion", r.EventVersion)
	b = appendText(b, "eventSource", r.EventSource)
	b = appendText(b, "awsRegion", r.AwsRegion)
	b = append(b, `,"dynamodb":{"ApproximateCreationDateTime":`...)
	b = strconv.AppendInt(b, smithy.Val(d.ApproximateCreationDateTime).Unix(), 10)
	for _, image := range []struct {
		name  string
		value map[string]api.AttributeValue
	}{{"Keys", d.Keys}, {"NewImage", d.NewImage}, {"OldImage", d.OldImage}} {
		if image.value != nil {
			b = append(b, `,"`+image.name+`":`...)
			b = appendItem(b, image.value)
		}
	}
	b = appendText(b, "SequenceNumber", d.SequenceNumber)
	b = append(b, `,"SizeBytes":`...)
	b = strconv.AppendInt(b, smithy.Val(d.SizeBytes), 10)
	b = appendText(b, "StreamViewType", d.StreamViewType)
	b = append(b, '}')
	if u := r.UserIdentity; u != nil {
		b = append(b, `,"userIdentity":{"type":`...)
		b = append(b, quote(smithy.Val(u.Type))...)
		b = appendText(b, "principalId", u.PrincipalId)
		b = append(b, '}')
	}
	b = appendText(b, "eventSourceARN", &source)
	b = append(b, '}')
	key := d.Keys[hashKey]
	return Record{
		Sequence: smithy.Val(d.SequenceNumber), Key: string(appendValue(nil, &key)),
		At: smithy.Val(d.ApproximateCreationDateTime), JSON: b,
	}
}

func quote(s string) []byte {
	raw, err := json.Marshal(s)
	if err != nil {
		panic("esm: strings always encode")
	}
	return raw
}

func appendText(b []byte, name string, value *string) []byte {
	if value == nil {
		return b
	}
	b = append(b, `,"`+name+`":`...)
	return append(b, quote(*value)...)
}

func appendItem(b []byte, m map[string]api.AttributeValue) []byte {
	b = append(b, '{')
	for i, name := range slices.Sorted(maps.Keys(m)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(b, quote(name)...), ':')
		v := m[name]
		b = appendValue(b, &v)
	}
	return append(b, '}')
}

// appendValue writes {"S":"…"} and its like.
func appendValue(b []byte, v *api.AttributeValue) []byte {
	switch {
	case v.S != nil:
		b = append(append(b, `{"S":`...), quote(*v.S)...)
	case v.N != nil:
		b = append(append(b, `{"N":`...), quote(*v.N)...)
	case v.B != nil:
		b = append(append(b, `{"B":`...), quote(base64.StdEncoding.EncodeToString(v.B))...)
	case v.BOOL != nil:
		b = strconv.AppendBool(append(b, `{"BOOL":`...), *v.BOOL)
	case v.NULL != nil:
		b = strconv.AppendBool(append(b, `{"NULL":`...), *v.NULL)
	case v.M != nil:
		b = appendItem(append(b, `{"M":`...), v.M)
	case v.L != nil:
		b = append(b, `{"L":[`...)
		for i := range v.L {
			b = appendValue(comma(b, i), &v.L[i])
		}
		b = append(b, ']')
	case v.SS != nil:
		b = appendSet(append(b, `{"SS":`...), v.SS)
	case v.NS != nil:
		b = appendSet(append(b, `{"NS":`...), v.NS)
	case v.BS != nil:
		set := make([]string, len(v.BS))
		for i, e := range v.BS {
			set[i] = base64.StdEncoding.EncodeToString(e)
		}
		b = appendSet(append(b, `{"BS":`...), set)
	default:
		b = append(b, '{')
	}
	return append(b, '}')
}

func comma(b []byte, i int) []byte {
	if i > 0 {
		return append(b, ',')
	}
	return b
}

func appendSet(b []byte, set []string) []byte {
	b = append(b, '[')
	for i, e := range set {
		b = append(comma(b, i), quote(e)...)
	}
	return append(b, ']')
}
