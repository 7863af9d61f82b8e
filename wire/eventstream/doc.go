// Package eventstream speaks application/vnd.amazon.eventstream, the form in
// which AWS answers a stream of events: messages of typed headers and a payload,
// each with two checksums.
//
//	total length   4 bytes, of the whole message
//	headers length 4 bytes
//	prelude CRC    4 bytes, of the eight before
//	headers        name length 1, name, type 1, value …
//	payload
//	message CRC    4 bytes, of all before
//
// Numbers are big endian, the checksum is CRC-32 as in gzip. message.go is this
// framing, both ways; stream.go turns the events of an operation's output into
// messages by its schema table. Bodies of events are the protocols' business and
// come from them. Signed input streams (Transcribe) are not read here.
package eventstream
