package engine

import (
	"cmp"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/config"
	"spoolgate/firmware/dataplane"
	"spoolgate/firmware/event/incident"
	"spoolgate/firmware/health"
	"spoolgate/firmware/secret"
)

var (
	start = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	vip   = netip.MustParseAddr("198.18.0.10")
	mfd   = netip.MustParseAddr("198.18.1.20")
)

var errRefused = errors.New("device or resource busy")

// fakeKernel keeps what it is told, as the real table does.
type fakeKernel struct {
	layout   dataplane.Layout
	known    map[dataplane.Mark]netip.Addr
	up       []dataplane.Mark
	waiting  []dataplane.Mark
	believed []dataplane.Refusal
	plans    map[netip.Addr][]dataplane.Mark
	bindings map[netip.Addr]dataplane.Binding // by client
	cuts     []dataplane.Mark
	tries    int
	refuses  bool
	slow     func() // what a Refresh takes
	cutErr   error
	lost     bool // somebody else removed all of it
	limited  []dataplane.Caller
	closed   bool // to newcomers
	pressure dataplane.Pressure
}

func newFakeKernel() *fakeKernel {
	return &fakeKernel{plans: map[netip.Addr][]dataplane.Mark{}, bindings: map[netip.Addr]dataplane.Binding{}}
}

func (k *fakeKernel) err() error {
	k.tries++
	if k.refuses {
		return errRefused
	}
	return nil
}

func (k *fakeKernel) Adopt() (dataplane.Adopted, error) {
	all, _ := k.Bindings()
	return dataplane.Adopted{Nodes: maps.Clone(k.known), Up: slices.Clone(k.up), Waiting: slices.Clone(k.waiting), Believed: slices.Clone(k.believed), Plans: maps.Clone(k.plans), Bindings: all}, nil
}

func (k *fakeKernel) Apply(l dataplane.Layout) error {
	if err := k.err(); err != nil {
		return err
	}
	k.layout, k.known = l, map[dataplane.Mark]netip.Addr{}
	for _, g := range l.Groups {
		for _, n := range g.Nodes {
			k.known[n.Mark] = n.Address
		}
	}
	maps.DeleteFunc(k.bindings, func(_ netip.Addr, b dataplane.Binding) bool { return !k.known[b.Mark].IsValid() })
	return nil
}

func (k *fakeKernel) Make(l dataplane.Layout, c dataplane.Contents) error {
	if err := k.err(); err != nil {
		return err
	}
	k.bindings, k.plans = map[netip.Addr]dataplane.Binding{}, map[netip.Addr][]dataplane.Mark{}
	k.up, k.waiting, k.believed = slices.Clone(c.Up), slices.Clone(c.Waiting), nil
	maps.Copy(k.plans, c.Plans)
	for _, b := range c.Bindings {
		k.bindings[b.Client] = b
	}
	return k.Apply(l)
}

func (k *fakeKernel) Change(up []dataplane.Mark, plans map[netip.Addr][]dataplane.Mark) error {
	if err := k.err(); err != nil {
		return err
	}
	k.up = slices.Clone(up)
	maps.Copy(k.plans, plans)
	return nil
}

func (k *fakeKernel) Wait(nodes []dataplane.Mark) error {
	k.waiting = slices.Clone(nodes)
	return k.err()
}

func (k *fakeKernel) Believe(refusals []dataplane.Refusal) error {
	k.believed = slices.Clone(refusals)
	return k.err()
}

func (k *fakeKernel) Bind(l []dataplane.Binding) error {
	if err := k.err(); err != nil {
		return err
	}
	for _, b := range l {
		k.bindings[b.Client] = b
	}
	return nil
}

func (k *fakeKernel) Refresh(l []dataplane.Binding) (renewed []dataplane.Binding, err error) {
	if err := k.err(); err != nil {
		return nil, err
	}
	if k.slow != nil {
		k.slow()
	}
	for _, b := range l {
		if k.bindings[b.Client].Mark != b.Mark {
			continue
		}
		b.Left = k.layout.Groups[0].Affinity
		k.bindings[b.Client] = b
		renewed = append(renewed, b)
	}
	return renewed, nil
}

func (k *fakeKernel) Forget(l []dataplane.Binding) error {
	for _, b := range l {
		delete(k.bindings, b.Client)
	}
	return k.err()
}

func (k *fakeKernel) Bindings() ([]dataplane.Binding, error) {
	return slices.SortedFunc(maps.Values(k.bindings), func(a, b dataplane.Binding) int { return a.Client.Compare(b.Client) }), nil
}

func (k *fakeKernel) Cut(marks ...dataplane.Mark) (int, error) {
	k.cuts = append(k.cuts, marks...)
	if k.cutErr != nil {
		return 0, k.cutErr
	}
	return 2 * len(marks), nil
}

func (k *fakeKernel) Limit(callers []dataplane.Caller) error {
	k.limited = callers
	return nil
}

func (k *fakeKernel) Admit(newcomers bool) error {
	k.closed = !newcomers
	return nil
}

func (k *fakeKernel) Pressure() (dataplane.Pressure, error) { return k.pressure, nil }

func (k *fakeKernel) Check() (dataplane.Condition, error) {
	if k.lost {
		*k = fakeKernel{plans: map[netip.Addr][]dataplane.Mark{}, bindings: map[netip.Addr]dataplane.Binding{}, refuses: k.refuses, cuts: k.cuts}
		return dataplane.Lost, nil
	}
	return dataplane.Untouched, nil
}

// box is an engine whose loop the test turns by hand.
type box struct {
	*testing.T
	*Engine
	kernel *fakeKernel
	text   string // of the configuration
	kept   string // the last good one
	dir    string
	file   string // of init
	key    secret.Key
	at     time.Time
	next   uint64 // number of the next connection
}

const twoNodes = `
[[group]]
name = "print"
virtual_address = "198.18.0.10"
node = [{ address = "198.18.0.11" }, { address = "198.18.0.12" }]
`

func newBox(t *testing.T, text string) *box {
	t.Helper()
	b := &box{T: t, kernel: newFakeKernel(), text: text, dir: t.TempDir(), at: start, next: 1}
	b.restart()
	t.Cleanup(b.settle)
	return b
}

// settle waits until the small files are written, or can't be.
func (b *box) settle() { b.finishMemos() }

// restart is what happens when the daemon starts anew; the kernel goes on.
func (b *box) restart() {
	b.Helper()
	if b.Engine != nil {
		b.settle()
	}
	e, err := New(Options{
		Configuration: b,
		StateDir:      b.dir, ServicesFile: b.file, Kernel: b.kernel, Key: b.key, Pace: incident.DefaultPace(),
		Now: func() time.Time { return b.at }, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Engine = e
	b.resync(dataplane.Batch{Resync: true})
	b.turn()
}

// Load has a new box when there is no text.
func (b *box) Load() (config.Config, error) {
	if b.text == "" {
		return config.Config{Hostname: "spoolgate"}, nil
	}
	return config.Parse([]byte(b.text), config.Required())
}

func (b *box) Start() (config.Config, error) {
	c, err := b.Load()
	if err != nil && b.kept != "" {
		c, _ = config.Parse([]byte(b.kept), config.Required())
	}
	return c, err
}

func (b *box) Last() config.Config {
	c, _ := config.Parse([]byte(b.kept), config.Required())
	return c
}

func (b *box) Keep() error {
	b.kept = b.text
	return nil
}

// turn ends one turn of the loop.
func (b *box) turn() {
	b.program()
	b.publish()
}

// pass lets time go by in seconds, as the loop sees it.
func (b *box) pass(d time.Duration) {
	for end := b.at.Add(d); b.at.Before(end); {
		b.at = b.at.Add(time.Second)
		b.tick()
		if b.writing != nil {
			b.written(<-b.writing)
		}
		b.turn()
	}
}

// probe gives every port of a node one result.
func (b *box) probe(address string, o api.Outcome) {
	b.Helper()
	a := netip.MustParseAddr(address)
	for _, p := range []uint16{5555, 5022} {
		b.probed(probed{health.Target{Address: netip.AddrPortFrom(a, p)}, api.Probe{Time: b.at, Outcome: o}})
		b.turn()
	}
}

// round probes all nodes open but those named.
func (b *box) round(o api.Outcome, addresses ...string) {
	b.Helper()
	for _, g := range b.groups {
		for _, m := range g.members {
			if slices.Contains(addresses, m.Address.String()) {
				b.probe(m.Address.String(), o)
			} else {
				b.probe(m.Address.String(), api.Open)
			}
		}
	}
	b.pass(5 * time.Second)
}

// open is a connection that the kernel sent to a node, whose number it returns.
func (b *box) open(client netip.Addr, node string) uint64 {
	b.Helper()
	m := b.member(node)
	b.kernel.bindings[client] = dataplane.Binding{VirtualAddress: m.group.VirtualAddress, Client: client, Mark: dataplane.Mark(m.id), Left: m.group.Affinity}
	b.next++
	b.connections(dataplane.Batch{Events: []dataplane.Event{{Kind: dataplane.Opened, ID: b.next,
		VirtualAddress: m.group.VirtualAddress, Client: client, Mark: dataplane.Mark(m.id)}}})
	b.turn()
	return b.next
}

func (b *box) shut(number uint64, client netip.Addr, node string) {
	b.Helper()
	m := b.member(node)
	b.connections(dataplane.Batch{Events: []dataplane.Event{{Kind: dataplane.Closed, ID: number,
		VirtualAddress: m.group.VirtualAddress, Client: client, Mark: dataplane.Mark(m.id)}}})
	b.turn()
}

// member is the node of an address.
func (b *box) member(address string) *member {
	b.Helper()
	m := b.Engine.at(netip.MustParseAddr(address))
	if m == nil {
		b.Fatalf("there is no node %s", address)
	}
	return m
}

func (b *box) last() api.Snapshot {
	s, _ := b.snapshots.Latest()
	return s
}

func (b *box) node(name string) api.Node {
	b.Helper()
	for _, g := range b.last().Groups {
		for _, n := range g.Nodes {
			if n.Name == name {
				return n
			}
		}
	}
	b.Fatalf("the snapshot has no node %s", name)
	return api.Node{}
}

// told returns the texts of all events of a kind.
func (b *box) told(kind string) (texts []string) {
	all, _ := b.log.After(0)
	for _, r := range all {
		if ev := r.Event; ev.Kind == kind {
			texts = append(texts, cmp.Or(ev.Severity, "none")+": "+ev.Text)
		}
	}
	return texts
}

func (b *box) wantTold(kind string, want ...string) {
	b.Helper()
	got := b.told(kind)
	same := len(got) == len(want)
	for i := 0; same && i < len(got); i++ {
		same = strings.Contains(got[i], want[i])
	}
	if !same {
		b.Errorf("%s events:\n%s\nwant:\n%s", kind, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
