package main

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestTakenPortOfTheWebUIIsReplacedByAFreeOneAndTold(t *testing.T) {
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	taken := other.Addr().String()
	var told strings.Builder
	l, err := listenWeb("", taken, &told)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if got := l.Addr().String(); got == taken || told.String() != taken+" is taken: the web UI will be at "+got+"\n" {
		t.Errorf("at %s, and told is %q", got, told.String())
	}
	if _, err := listenWeb(taken, usualWeb, &told); err == nil || !strings.Contains(err.Error(), "choose another address with -web") {
		t.Errorf("an address that somebody wanted is replaced, or the error is unclear: %v", err)
	}
}

func TestCtrlCIsNoFailureForAPersonWithoutRoot(t *testing.T) {
	dir := t.TempDir()
	ready, program := filepath.Join(dir, "ready"), filepath.Join(dir, "lab")
	if err := unix.Mkfifo(ready, 0o600); err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/sh\ntrap 'exit 0' TERM\necho $1 $2 >" + ready + "\nfor i in $(seq 400); do sleep 0.05; done\nexit 1\n"
	if err := os.WriteFile(program, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, ctrlC := context.WithCancel(t.Context())
	defer ctrlC()
	ended := make(chan error, 1)
	go func() { ended <- enter(ctx, program, nil, l.(*net.TCPListener)) }()
	words, err := os.ReadFile(ready) // waits for the inner process
	if err != nil || string(words) != "run -inner\n" {
		t.Fatalf("the inner process has words %q, %v", words, err)
	}
	ctrlC()
	if err := <-ended; err != nil {
		t.Errorf("Ctrl-C ends with %v", err)
	}
}
