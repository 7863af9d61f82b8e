package inside

import (
	"io"
	"syscall"
)

// Send and Receive are the helper's side of the control socket: plain system
// calls, so that the helper starts no network poller.

// Send writes a message.
func Send(fd int, m Message, fds []int) error {
	data, err := Encode(m, nil)
	if err != nil {
		return err
	}
	var oob []byte
	if len(fds) > 0 {
		oob = syscall.UnixRights(fds...)
	}
	n, err := syscall.SendmsgN(fd, data, oob, nil, syscall.MSG_NOSIGNAL)
	for err == nil && n < len(data) {
		data = data[n:]
		n, err = syscall.SendmsgN(fd, data, nil, nil, syscall.MSG_NOSIGNAL)
	}
	return err
}

// Receive reads a message with its blob and descriptors.
func Receive(fd int, m Message) (blob []byte, fds []int, err error) {
	header := make([]byte, messageHeader)
	oob := make([]byte, syscall.CmsgSpace(FDsMax*4))
	n, oobn, _, _, err := syscall.Recvmsg(fd, header, oob, syscall.MSG_CMSG_CLOEXEC|syscall.MSG_WAITALL)
	if err != nil {
		return nil, nil, err
	}
	if n < messageHeader {
		return nil, nil, io.EOF
	}
	blob, err = Decode(header, func(n int) ([]byte, error) { return read(fd, n) }, m)
	if err != nil {
		return nil, nil, err
	}
	fds, err = Rights(oob[:oobn])
	return blob, fds, err
}

func read(fd, size int) ([]byte, error) {
	data := make([]byte, size)
	for got := 0; got < size; {
		n, err := syscall.Read(fd, data[got:])
		if err == syscall.EINTR {
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

// Rights are the descriptors that came with a message.
func Rights(oob []byte) ([]int, error) {
	if len(oob) == 0 {
		return nil, nil
	}
	messages, err := syscall.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, err
	}
	var fds []int
	for i := range messages {
		some, err := syscall.ParseUnixRights(&messages[i])
		if err != nil {
			return nil, err
		}
		fds = append(fds, some...)
	}
	return fds, nil
}

// CloseAll closes descriptors.
func CloseAll(fds []int) {
	for _, fd := range fds {
		_ = syscall.Close(fd)
	}
}
