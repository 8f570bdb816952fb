package daemon

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"syscall"
	"testing"
)

// followHangups is a daemon that tells of each SIGHUP, and ends with its standard
// input.
func followHangups(ctx context.Context, _ []string, _ *slog.Logger) error {
	hangups := Hangups(ctx)
	go func() {
		for range hangups {
			fmt.Println("reads again")
		}
	}()
	return takeNoNotice(ctx, nil, nil)
}

// takeNoNotice is one that has nothing to read again.
func takeNoNotice(context.Context, []string, *slog.Logger) error {
	fmt.Println("runs")
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

func TestHangupEndsNoDaemonAndIsHeardByThoseThatAsk(t *testing.T) {
	for role, says := range map[string]string{"follow": "reads again", "no notice": ""} {
		cmd := as(role)
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		if !lines.Scan() || lines.Text() != "runs" {
			t.Errorf("%s: began with %q", role, lines.Text())
		}
		for range 2 {
			if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
				t.Fatal(err)
			}
			if says != "" && (!lines.Scan() || lines.Text() != says) {
				t.Errorf("%s: at SIGHUP it says %q", role, lines.Text())
			}
		}
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: %v", role, err)
		}
	}
}
