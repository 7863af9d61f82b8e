package nssandbox

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"

	"golang.org/x/sys/unix"

	"moln.dev/moln/engine/sandbox"
)

// Limits of one message between driver and helper.
const (
	messageFDsMax   = 200 // the kernel's SCM_MAX_FD is 253
	messageBytesMax = 16 << 20
	messageHeader   = 8
)

// setup is the first message the helper gets.
type setup struct {
	HostMountNS uint64
	Command     []string
	Env         []string
	Dir         string
	Root        bool // the first of Binds is the guest's root
	Binds       []bind
	Links       map[string]string // symbolic links, name to target
	Files       []file            // contents follow in the blob, in order
	Listen      []string
	Loopback    bool
	Pipes       int
	TmpBytes    int64
	OpenFiles   int
	Processes   int
	Runtime     *runtimeSetup // nil: the helper itself starts the guest
	DataBytes   int64         // RLIMIT_DATA, where no control group holds memory
}

// bind is one mount. FD is an index into the message's descriptors, holding a
// detached mount tree, or -1 where the helper may open Source by itself.
type bind struct {
	Source   string `json:",omitempty"`
	FD       int
	Target   string
	File     bool `json:",omitempty"`
	Writable bool `json:",omitempty"`
	Device   bool `json:",omitempty"`
}

type file struct {
	Name string
	Size int
}

// order is a later message to the helper; exactly one field is set.
type order struct {
	Mount  *bind `json:",omitempty"`
	Signal int   `json:",omitempty"`
	Weigh  bool  `json:",omitempty"`
	Seal   bool  `json:",omitempty"`
	Dial   int   `json:",omitempty"` // a port of the guest's loopback
}

// notice is a message from the helper.
type notice struct {
	Started bool   `json:",omitempty"` // the descriptors are the listeners
	Done    bool   `json:",omitempty"` // the last order is carried out; a dialled socket comes along
	Error   string `json:",omitempty"`
	// Refused is set beside Error where only the guest's program is at fault.
	Refused *sandbox.StartError `json:",omitempty"`
	Bytes   int64               `json:",omitempty"`
	Exited  bool                `json:",omitempty"`
	Status  int                 `json:",omitempty"`
	Signal  int                 `json:",omitempty"`
}

func encode(message any, blob []byte) ([]byte, error) {
	body, err := json.Marshal(message)
	if err != nil {
		return nil, err
	}
	out := make([]byte, messageHeader, messageHeader+len(body)+len(blob))
	binary.LittleEndian.PutUint32(out, uint32(len(body)))
	binary.LittleEndian.PutUint32(out[4:], uint32(len(blob)))
	return append(append(out, body...), blob...), nil
}

func decode(header []byte, rest func(n int) ([]byte, error), message any) (blob []byte, err error) {
	bodyLen := int(binary.LittleEndian.Uint32(header))
	blobLen := int(binary.LittleEndian.Uint32(header[4:]))
	if bodyLen > messageBytesMax || blobLen > messageBytesMax {
		return nil, fmt.Errorf("nssandbox: message of %d+%d bytes", bodyLen, blobLen)
	}
	data, err := rest(bodyLen + blobLen)
	if err != nil {
		return nil, err
	}
	return data[bodyLen:], json.Unmarshal(data[:bodyLen], message)
}

// send writes a message from the daemon's side.
func send(conn *net.UnixConn, message any, blob []byte, fds []int) error {
	data, err := encode(message, blob)
	if err != nil {
		return err
	}
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	n, _, err := conn.WriteMsgUnix(data, rights, nil)
	if err != nil {
		return err
	}
	_, err = conn.Write(data[n:])
	return err
}

// receive reads a message on the daemon's side.
func receive(conn *net.UnixConn, message any) (fds []int, err error) {
	header := make([]byte, messageHeader)
	oob := make([]byte, unix.CmsgSpace(messageFDsMax*4))
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
	_, err = decode(header, func(n int) ([]byte, error) {
		data := make([]byte, n)
		_, err := io.ReadFull(conn, data)
		return data, err
	}, message)
	if err != nil {
		return nil, err
	}
	return rights(oob[:oobn])
}

// sendRaw and receiveRaw are the helper's side: plain system calls, so that the
// helper starts no network poller.
func sendRaw(fd int, message any, fds []int) error {
	data, err := encode(message, nil)
	if err != nil {
		return err
	}
	var oob []byte
	if len(fds) > 0 {
		oob = unix.UnixRights(fds...)
	}
	n, err := unix.SendmsgN(fd, data, oob, nil, unix.MSG_NOSIGNAL)
	for err == nil && n < len(data) {
		data = data[n:]
		n, err = unix.SendmsgN(fd, data, nil, nil, unix.MSG_NOSIGNAL)
	}
	return err
}

func receiveRaw(fd int, message any) (blob []byte, fds []int, err error) {
	header := make([]byte, messageHeader)
	oob := make([]byte, unix.CmsgSpace(messageFDsMax*4))
	n, oobn, _, _, err := unix.Recvmsg(fd, header, oob, unix.MSG_CMSG_CLOEXEC|unix.MSG_WAITALL)
	if err != nil {
		return nil, nil, err
	}
	if n < messageHeader {
		return nil, nil, io.EOF
	}
	blob, err = decode(header, func(n int) ([]byte, error) { return readRaw(fd, n) }, message)
	if err != nil {
		return nil, nil, err
	}
	fds, err = rights(oob[:oobn])
	return blob, fds, err
}

func readRaw(fd, size int) ([]byte, error) {
	data := make([]byte, size)
	for got := 0; got < size; {
		n, err := unix.Read(fd, data[got:])
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, err
		}
		if n == 0 {
			return nil, io.ErrUnexpectedEOF
		}
		got += n
	}
	return data, nil
}

func rights(oob []byte) ([]int, error) {
	if len(oob) == 0 {
		return nil, nil
	}
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, err
	}
	var fds []int
	for i := range messages {
		some, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			return nil, err
		}
		fds = append(fds, some...)
	}
	return fds, nil
}
