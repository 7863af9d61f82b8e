// Package smithy is the vocabulary in which AWS describes its services: shapes,
// members, traits and operations, as static data.
//
// A generated package under api/ holds one *Service value and plain Go structs.
// The codecs in wire/ and the constraint check in this package walk both side
// by side: a structure's member names the index of its Go field, so nothing is
// looked up by name on the way. The tables refer to each other by index, not by
// pointer; they need no initialisation and take no time at start-up.
//
// How shapes become Go types:
//
//	string, enum                 *string   (string inside lists and maps)
//	boolean                      *bool
//	byte, short, integer         *int32
//	long                         *int64
//	float, double                *float32, *float64
//	bigInteger, bigDecimal       *string   (digits as sent)
//	timestamp                    *time.Time
//	blob                         []byte    (nil: absent)
//	streaming blob               io.Reader
//	document                     any       (the forms of encoding/json)
//	list, map                    []T, map[string]T (nil: absent)
//	structure                    *T        (T inside lists and maps)
//	union                        *T, a structure of which one field is set
//	event stream                 iter.Seq2[*T, error], T the union of its events; an error ends it
//
// A structure that contains itself other than through a list or map does so by
// pointer, which the table above already gives.
//
// The package is not a client or a server and knows no protocol; wire/ does.
package smithy
