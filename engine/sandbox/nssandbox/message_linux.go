package nssandbox

import (
	"io"
	"net"

	"golang.org/x/sys/unix"

	"moln.dev/moln/engine/sandbox"
	"moln.dev/moln/engine/sandbox/nssandbox/inside"
)

// send writes a message from the daemon's side.
func send(conn *net.UnixConn, message inside.Message, blob []byte, fds []int) error {
	data, err := inside.Encode(message, blob)
	if err != nil {
		return err
	}
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	n, _, err := conn.WriteMsgUnix(data, rights, nil)
	// Not even nothing may be written when all is said: who heard it may be gone.
	if err == nil && n < len(data) {
		_, err = conn.Write(data[n:])
	}
	return err
}

// receive reads a message on the daemon's side.
func receive(conn *net.UnixConn, message inside.Message) (fds []int, err error) {
	header := make([]byte, inside.HeaderBytes)
	oob := make([]byte, unix.CmsgSpace(inside.FDsMax*4))
	n, oobn, _, _, err := conn.ReadMsgUnix(header, oob)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, io.EOF
	}
	if _, err := io.ReadFull(conn, header[n:]); err != nil {
		return nil, err
	}
	_, err = inside.Decode(header, func(n int) ([]byte, error) {
		data := make([]byte, n)
		_, err := io.ReadFull(conn, data)
		return data, err
	}, message)
	if err != nil {
		return nil, err
	}
	return inside.Rights(oob[:oobn])
}

// startError is the guest's fault as the contract has it.
func startError(r *inside.Refusal) error {
	return &sandbox.StartError{Path: r.Path, Directory: r.Directory, Reason: r.Reason}
}
