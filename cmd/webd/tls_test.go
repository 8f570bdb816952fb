package main

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"testing"
	"time"
)

func TestOldTLSIsRefused(t *testing.T) {
	box := newBox(t, normal(), held("print"))
	for version, want := range map[uint16]bool{tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		c, err := tls.Dial("tcp", box.address, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: version})
		if (err == nil) != want {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
		if err == nil {
			c.Close()
		}
	}
}

func TestClientsThatDawdleAreDropped(t *testing.T) {
	box := newBox(t, normal(), held("print"))
	silent, err := net.Dial("tcp", box.address)
	box.must(err)
	defer silent.Close()
	half, err := tls.Dial("tcp", box.address, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	box.must(err)
	defer half.Close()
	_, err = half.Write([]byte("GET / HTTP/1.1\r\nHost: "))
	box.must(err)
	body, err := tls.Dial("tcp", box.address, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	box.must(err)
	defer body.Close()
	_, err = body.Write([]byte("POST / HTTP/1.1\r\nHost: " + box.address + "\r\nContent-Length: 100000\r\n\r\nx"))
	box.must(err)
	for name, c := range map[string]net.Conn{"one that says nothing": silent, "half a header": half, "a body that does not come": body} {
		c.SetReadDeadline(time.Now().Add(15 * time.Second))
		for {
			if _, err = c.Read(make([]byte, 4096)); err != nil {
				break
			}
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s keeps its connection", name)
		}
	}
}
