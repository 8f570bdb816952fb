// Package engine is the brain of the proxy: it joins configuration, health and
// policy, and keeps the kernel's tables after their word. It is what the
// program balancerd runs.
//
// Everything that changes state happens in one goroutine, the loop: connection
// events, probe results, what people ask for, and time. So no lock guards who
// is where, and what is published is always one consistent whole.
package engine

import (
	"context"
	"log/slog"
	"net/netip"
	"path/filepath"
	"sync/atomic"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/api/wire"
	"spoolgate/firmware/balance"
	"spoolgate/firmware/config"
	"spoolgate/firmware/dataplane"
	"spoolgate/firmware/engine/proof"
	"spoolgate/firmware/event"
	"spoolgate/firmware/event/incident"
	"spoolgate/firmware/health"
	"spoolgate/firmware/health/flight"
	"spoolgate/firmware/mistake"
	"spoolgate/firmware/secret"
	"spoolgate/firmware/winservice"
)

// Options is what an Engine is given. Every field is needed unless it says so.
type Options struct {
	Configuration Configuration
	// StateDir holds what outlasts a restart: who is where, what happened, how long
	// nodes took to start, and which of their ports have answered.
	StateDir string
	// Forgetful says why StateDir is not the folder that was asked for, and forgets
	// at the next start; nil when it is.
	Forgetful error
	// ServicesFile is where init tells how the daemons fare; empty for none.
	ServicesFile string
	// Network asks netd for the box's addresses; nil where there is no netd.
	Network func(context.Context) (api.Network, error)
	// Reporters asks reportd how far each reporter has come; nil where there is none.
	Reporters func(context.Context) ([]api.Reporter, error)
	// Has tells whether an interface of the machine has an address, where there is
	// no netd to ask; nil where nobody can tell.
	Has    func(netip.Addr) bool
	Kernel Kernel
	// Witness shows packets that tell of mistakes; nil where there is none.
	Witness Witness
	// FollowProbes shows the packets of probes, as dataplane.FollowProbes does; nil where
	// they are not recorded.
	FollowProbes func(ctx context.Context, begun func(), handle func(at time.Time, head []byte)) error
	// EachConnection calls see for each open connection.
	EachConnection func(see func(dataplane.Connection)) error
	// ResolvConf names the name servers of the network: resolv.conf(5).
	ResolvConf string
	// Pace is how incidents follow each other.
	Pace incident.Pace
	// Key opens the passwords of the configuration; the zero Key only those that
	// are not sealed.
	Key secret.Key
	Now func() time.Time
	Log *slog.Logger
}

// Configuration is where the configuration comes from; config.File is the real one.
type Configuration interface {
	// Start always returns one to start with; the error says why it is not the
	// one that was written.
	Start() (config.Config, error)
	// Load is for a reload: an error leaves things as they are.
	Load() (config.Config, error)
	// Keep keeps what was loaded for the next Start.
	Keep() error
	// Last is what was kept last; the zero one where nothing was.
	Last() config.Config
}

// Engine is the proxy engine's brain.
type Engine struct {
	opts      Options
	log       *event.Log
	book      *incident.Book // belongs to the loop
	journal   *dataplane.Journal
	schedule  *health.Schedule
	flights   *flight.Recorder
	starts    *startWatch // belongs to the loop
	everOpen  *everOpen   // belongs to the loop
	source    *sourceFinder
	requests  chan func()
	probes    chan probed
	windows   *winservice.Schedule
	answers   chan windowsAnswers
	snapshots *wire.Feed[api.Snapshot]
	looks     chan nameLook // at names
	// siteResolvers are those of the configuration.
	siteResolvers atomic.Pointer[[]netip.Addr]

	// What follows belongs to the loop.
	config     config.Config
	unused     string // why the configuration that was written is not the one in use
	plain      bool   // a password in it is not encrypted
	groups     []*group
	members    map[balance.NodeID]*member
	byVIP      map[netip.Addr]*group
	suspicion  *health.Suspicion
	doubt      health.Verdict
	holds      map[netip.Addr]api.Hold // of the virtual addresses, as netd tells
	doubtTold  bool                    // an event told the doubt
	doubtPast  bool                    // one was told before the start, and is none now
	heard      bool                    // a probe has left the box since the start
	startedAt  time.Time
	open       map[uint64]time.Duration // when the connections that are counted as open were opened, since startedAt
	moves      map[moveKey][]netip.Addr // since the last tick
	history    history
	names      names
	dirty      bool // the snapshot is out of date
	published  time.Time
	planned    time.Time           // the kernel was last given what it should have
	unset      bool                // the kernel refused the last change
	refusedAt  time.Time           // when it did
	faultTold  bool                // an event told of it
	unapplied  bool                // the kernel lacks the configuration's groups and nodes
	lost       bool                // the kernel has lost its table
	dead       []*member           // Down or removed: their connections are cut once the kernel has the change
	up         []dataplane.Mark    // what the kernel has; nil before the first change
	waiting    []dataplane.Mark    // as the kernel has them
	believed   []dataplane.Refusal // the same
	started    bool                // the first count of connections is done
	writing    chan error          // the journal's answer; nil when none is written
	unwritable bool                // the last write failed
	services   serviceWatch
	stubborn   map[netip.Addr]bool // an event told of them
	box        judged
	mistakes   *mistake.Book
	load       load
}

// group is one group while it runs.
type group struct {
	config.Group
	policy  *balance.Group
	members []*member
	seen    *proof.Sightings
	state   judged
	bound   bool         // only MFDs that are bound are served
	paced   time.Time    // since then the interval of its checks is what it is
	told    api.BoxState // the last state that an event told
	before  api.BoxState // the same of before this start, until the group is judged
	away    bool         // an event told that MFDs do not reach the box
	claimed bool         // an event told that another machine has the address, too
}

// judged is a state of group or box, with its reason and since when.
type judged struct {
	state  api.BoxState
	reason string
	since  time.Time
}

// member is one node while it runs.
type member struct {
	config.Node
	id      balance.NodeID
	group   *group
	machine *health.Machine
	health  api.Health // as last told
	murmur  murmur
	// complaints are those of its clients.
	complaints health.Evidence
	dead       bool   // Down, and not just stopping: its connections are cut
	blind      string // the services that can't be judged, as last told
}

type probed struct {
	target health.Target
	probe  api.Probe
}

type moveKey struct {
	group    *group
	from, to balance.NodeID
	cause    balance.Cause
}

// keptEvents are in memory and on the medium: some 2.5 MB of each.
const keptEvents = 4096

// New loads the configuration and adopts what the kernel has. Nothing is
// changed yet.
func New(opts Options) (*Engine, error) {
	journal, err := dataplane.OpenJournal(opts.StateDir)
	if err != nil {
		return nil, err
	}
	log, history, unkept := event.OpenLog(filepath.Join(opts.StateDir, "events"), keptEvents, opts.Now)
	starts, err := openStarts(opts.StateDir)
	if err != nil {
		opts.Log.Warn("starts of nodes are measured anew", "err", err)
	}
	everOpen, err := readEverOpen(opts.StateDir)
	if err != nil {
		opts.Log.Warn("which ports have answered is learned anew", "err", err)
	}
	e := &Engine{
		opts:      opts,
		startedAt: opts.Now(),
		log:       log,
		book:      incident.NewBook(opts.Pace, history, opts.Now()),
		journal:   journal,
		source:    newSourceFinder(opts.Now),
		snapshots: wire.NewFeed(api.Snapshot{}),
		starts:    starts,
		everOpen:  everOpen,
		flights:   flight.NewRecorder(opts.Now),
		requests:  make(chan func()),
		looks:     make(chan nameLook, 1),
		probes:    make(chan probed),
		answers:   make(chan windowsAnswers),
		open:      map[uint64]time.Duration{},
		moves:     map[moveKey][]netip.Addr{},
		stubborn:  map[netip.Addr]bool{},
		services:  serviceWatch{path: opts.ServicesFile, told: restartsTold(history.Reports)},
		mistakes:  mistake.NewBook(),
		load:      newLoad(),
	}
	e.windows = winservice.NewSchedule(winservice.Way{Source: e.source.find, Absent: health.Absent})
	e.names = e.newNames()
	prober := health.Prober{Mark: uint32(dataplane.ProbeMark), Source: e.source.find, Now: opts.Now}
	e.schedule = health.NewSchedule(recorded(prober, e.flights), probeLimit)
	if err := e.start(recall(history.Reports, opts.Now())); err != nil {
		return nil, err
	}
	if unkept != nil {
		e.tell(event.Event{Kind: event.EventsFault, Severity: event.Warning, Once: true,
			Text: "not all that happened before this start could be read: " + unkept.Error()})
	}
	if opts.Forgetful != nil {
		e.tell(event.Event{Kind: event.JournalFault, Severity: event.Warning,
			Text: "the folder for what is remembered can't be used; MFDs are served, and who is where, what was drained and what happened is forgotten at the next start: " + opts.Forgetful.Error()})
	}
	return e, nil
}

// probeLimit bounds the probes under way: twice the 500 that 1,000 silent
// targets fill at the requirement's interval.
const probeLimit = 1000
