package vm

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Where the partitions of tools/image's table start, in bytes.
const (
	bootOffset  = 16 << 20
	slotAOffset = bootOffset + 32<<20
)

// wreck overwrites the beginning of a partition, as a worn-out card does.
func wreck(t *testing.T, disk string, offset int64) {
	t.Helper()
	f, err := os.OpenFile(disk, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(make([]byte, 1<<20), offset); err != nil {
		t.Fatal(err)
	}
}

func mtool(t *testing.T, name, disk string, offset int64, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, append([]string{"-i", fmt.Sprintf("%s@@%d", disk, offset)}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
	return string(out)
}

func readState(t *testing.T, disk string) string {
	t.Helper()
	return strings.TrimRight(mtool(t, "mtype", disk, bootOffset, "::state.env"), "\x00")
}

func writeState(t *testing.T, disk, text string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "state.env")
	if err := os.WriteFile(file, append([]byte(text), make([]byte, 128-len(text))...), 0o600); err != nil {
		t.Fatal(err)
	}
	mtool(t, "mcopy", disk, bootOffset, "-o", file, "::state.env")
}

// said waits for the marker and returns what the console said until then.
func said(t *testing.T, ctx context.Context, v *VM, marker string) string {
	t.Helper()
	text, err := v.WaitFor(ctx, marker)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestUnreadableBootPartitionNeverStartsFromTheNetwork(t *testing.T) {
	ctx, image := buildImage(t)
	disk, err := image.Disk(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	wreck(t, disk, bootOffset)
	v := powerOn(t, ctx, image, disk)
	text := said(t, ctx, v, "spoolgate: no boot partition") + said(t, ctx, v, "U-Boot 20") + said(t, ctx, v, "spoolgate: no boot partition")
	for _, way := range []string{"BOOTP", "DHCP", "TFTP", "EFI", "PXE", "=> "} {
		if strings.Contains(text, way) {
			t.Errorf("it tried %s:\n%s", way, text)
		}
	}
}

func TestSlotOnTrialIsGivenUpWhenItsTriesAreUsed(t *testing.T) {
	ctx, image := buildImage(t)
	disk, err := image.Disk(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	writeState(t, disk, "slot=A\ntrial=B\ntries=2\n")
	for _, start := range []struct{ slot, tries string }{{"B", "1"}, {"B", "0"}, {"A", "0"}} {
		v := powerOn(t, ctx, image, disk)
		text := said(t, ctx, v, "Starting kernel")
		v.CutPower() // the release on trial never gets to say that it is good
		if !strings.Contains(text, "spoolgate: slot "+start.slot) {
			t.Errorf("with %s tries left slot %s should start:\n%s", start.tries, start.slot, text)
		}
		state := readState(t, disk)
		if !strings.Contains(state, "tries="+start.tries+"\n") || !strings.Contains(state, "slot=A\n") {
			t.Errorf("after a start of slot %s the state is %q", start.slot, state)
		}
	}
}
