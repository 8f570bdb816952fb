package daemon

import (
	"context"
	"errors"
	"flag"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"spoolgate/firmware/api/wire"
)

// begin begins a daemon that needs a state, with these words beside its socket.
func begin(t *testing.T, args ...string) (p *Post, path string, err error) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "s")
	flags := flag.NewFlagSet("netd", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.String("state", "", "`FOLDER` that keeps what is known")
	p, err = Begin(flags, append(args, "-socket", path), "state")
	if err == nil {
		t.Cleanup(p.Close)
	}
	return p, path, err
}

func TestDaemonDoesNotBeginWithoutWhatItNeeds(t *testing.T) {
	_, path, err := begin(t)
	if err == nil || !strings.Contains(err.Error(), "add -state FOLDER: FOLDER that keeps what is known") || exitCode(err) != 2 {
		t.Errorf("%v, exit %d", err, exitCode(err))
	}
	if _, err := net.Dial("unix", path); err == nil {
		t.Error("it answers all the same")
	}
}

func TestDaemonAnswersAsLongAsItWorks(t *testing.T) {
	p, path, err := begin(t, "-state", "x")
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	err = p.Serve(t.Context(), http.NotFoundHandler(), func(context.Context) error {
		client := http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", path) }}}
		if r, err := client.Get("http://box/"); err != nil || r.StatusCode != http.StatusNotFound {
			t.Errorf("%v %v", r, err)
		}
		return broken
	})
	if !errors.Is(err, broken) {
		t.Error(err)
	}
	if _, err := net.Dial("unix", path); err == nil {
		t.Error("it answers and does nothing")
	}
}

// Memory and goroutines that grow are seen before they are missed.
func TestDaemonSaysWhatItTakes(t *testing.T) {
	p, path, err := begin(t, "-state", "x")
	if err != nil {
		t.Fatal(err)
	}
	err = p.Serve(t.Context(), http.NotFoundHandler(), func(ctx context.Context) error {
		runtime.GC()
		before, err := wire.NewClient(path).Process(ctx)
		if err != nil || before.Goroutines == 0 || before.Heap == 0 {
			t.Errorf("%+v, %v", before, err)
		}
		// Beside what is asked for: what the tests before this one have left may end and be
		// collected meanwhile.
		const more, least, spare = 100, 8 << 20, 20
		block, kept := make(chan struct{}), make([]byte, least+1<<20)
		defer close(block)
		for range more + spare {
			go func() { <-block }()
		}
		runtime.GC()
		after, err := wire.NewClient(path).Process(ctx)
		if err != nil || after.Goroutines < before.Goroutines+more || after.Heap < before.Heap+least {
			t.Errorf("%+v, then %+v, %v", before, after, err)
		}
		runtime.KeepAlive(kept)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestDaemonThatCanNotAnswerDoesNotGoOn(t *testing.T) {
	p, _, err := begin(t, "-state", "x")
	if err != nil {
		t.Fatal(err)
	}
	err = p.Serve(t.Context(), http.NotFoundHandler(), func(ctx context.Context) error {
		p.listener.Close()
		<-ctx.Done()
		return nil
	})
	if !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}
