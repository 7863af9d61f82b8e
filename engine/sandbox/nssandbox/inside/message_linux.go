package inside

// Limits of one message between driver and helper.
const (
	// FDsMax bounds the descriptors of a message; the kernel's SCM_MAX_FD is 253.
	FDsMax          = 200
	messageBytesMax = 16 << 20
	messageHeader   = 8
)

// Message is what driver and helper send each other.
type Message interface{ fields(c *coder) }

// Setup is the first message the helper gets.
type Setup struct {
	HostMountNS uint64
	Command     []string
	Env         []string
	Dir         string
	Root        bool // the first of Binds is the guest's root
	Binds       []Bind
	Links       []Link
	Files       []File // contents follow in the blob, in order
	Listen      []Address
	NoProc      bool   // its kernel has a /proc of its own
	ProcOptions string // for mounting /proc
	Loopback    bool
	// Output are indices of the message's descriptors: the guest's standard
	// output and error, and the pipes that follow.
	Output    []int
	TmpBytes  int64
	OpenFiles int
	Processes int
	DataBytes int64    // RLIMIT_DATA, where no control group holds memory
	Filter    []uint64 // the seccomp program, an instruction each
	// Launch is for the Launcher of a helper that has one.
	Launch []byte
}

// Bind is one mount. FD is an index into the message's descriptors, holding a
// detached mount tree, or -1 where the helper may open Source by itself.
type Bind struct {
	Source   string
	FD       int
	Target   string
	File     bool
	Writable bool
	Device   bool
}

// Link is a symbolic link.
type Link struct{ Name, Target string }

// File is a file to write.
type File struct {
	Name string
	Size int
}

// Address is a place in the guest's loopback to listen at.
type Address struct {
	IP   [4]byte
	Port int
}

// Order is a later message to the helper; exactly one field is set, but that mounts
// may come with the seal behind them.
type Order struct {
	Mounts []Bind
	Signal int
	Weigh  bool
	Seal   bool
	Dial   int // a port of the guest's loopback
}

// Notice is a message from the helper.
type Notice struct {
	Started bool // the descriptors are the listeners
	Done    bool // the last order is carried out; a dialled socket comes along
	Error   string
	// Refused is set beside Error where only the guest's program is at fault.
	Refused *Refusal
	Bytes   int64
	Exited  bool
	Status  int
	Signal  int
}

// Refusal is a program, or with Directory a working directory, that the system
// did not take.
type Refusal struct {
	Path      string
	Directory bool
	Reason    string
}

// Error implements error.
func (r *Refusal) Error() string { return r.Path + ": " + r.Reason }

func (s *Setup) fields(c *coder) {
	c.unsigned(&s.HostMountNS)
	list(c, &s.Command, c.text)
	list(c, &s.Env, c.text)
	c.text(&s.Dir)
	c.flag(&s.Root)
	list(c, &s.Binds, func(b *Bind) { b.fields(c) })
	list(c, &s.Links, func(l *Link) { c.text(&l.Name); c.text(&l.Target) })
	list(c, &s.Files, func(f *File) { c.text(&f.Name); number(c, &f.Size) })
	list(c, &s.Listen, func(a *Address) { a.fields(c) })
	c.flag(&s.NoProc)
	c.text(&s.ProcOptions)
	c.flag(&s.Loopback)
	list(c, &s.Output, func(n *int) { number(c, n) })
	number(c, &s.TmpBytes)
	number(c, &s.OpenFiles)
	number(c, &s.Processes)
	number(c, &s.DataBytes)
	list(c, &s.Filter, c.unsigned)
	c.bytes(&s.Launch)
}

func (b *Bind) fields(c *coder) {
	c.text(&b.Source)
	number(c, &b.FD)
	c.text(&b.Target)
	c.flag(&b.File)
	c.flag(&b.Writable)
	c.flag(&b.Device)
}

func (a *Address) fields(c *coder) {
	for i := range a.IP {
		number(c, &a.IP[i])
	}
	number(c, &a.Port)
}

func (o *Order) fields(c *coder) {
	list(c, &o.Mounts, func(b *Bind) { b.fields(c) })
	number(c, &o.Signal)
	c.flag(&o.Weigh)
	c.flag(&o.Seal)
	number(c, &o.Dial)
}

func (n *Notice) fields(c *coder) {
	c.flag(&n.Started)
	c.flag(&n.Done)
	c.text(&n.Error)
	optional(c, &n.Refused, func(r *Refusal) { c.text(&r.Path); c.flag(&r.Directory); c.text(&r.Reason) })
	number(c, &n.Bytes)
	c.flag(&n.Exited)
	number(c, &n.Status)
	number(c, &n.Signal)
}
