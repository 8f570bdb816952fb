package acceptance

import (
	"context"
	"crypto/tls"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"spoolgate/tools/lab/site"
)

// page is the first page of the web UI, asked for from the office.
func (b *boxed) page() string {
	b.Helper()
	client := http.Client{Timeout: within, Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, // the box signs for itself
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return b.image.Office.Dial(ctx, site.OfficeAddress, site.WebUI)
		},
	}}
	var last error
	for end := time.Now().Add(bootTime); time.Now().Before(end); <-time.After(200 * time.Millisecond) {
		var text string
		if text, last = get(client, fmt.Sprintf("https://%s/", site.WebUI)); last == nil {
			return html.UnescapeString(text)
		}
	}
	b.Fatal(last)
	return ""
}

func get(client http.Client, url string) (string, error) {
	r, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err == nil && r.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", url, r.Status)
	}
	return string(text), err
}

// A box out of its carton finds addresses by DHCP and says that it waits to be
// configured. With a wrong configuration it still can be reached, says what is wrong
// and shows that nobody can print. Once it had a right one, that goes on when a wrong
// one takes its place, over a restart too.
func TestImageWithoutAGoodConfigurationSaysSo(t *testing.T) {
	b := openBoxed(t, site.Options{Nodes: 1, MFDs: 1}, func(*site.Site) string { return "" })
	b.waitUp()
	if text := b.page(); !strings.Contains(text, "no configuration") {
		t.Errorf("the page of a new box does not say that it is not configured:\n%s", text)
	}
	b.awaitWord("spoolctl status", "no configuration")
	b.awaitWord("ip addr show service", site.BoxAddress.String())
	spoil := func() {
		b.shell(`echo '[[group]]' > /data/config.toml; echo 'virtual_address = "198.18.0.10"' >> /data/config.toml; echo 'affinity = "5m"' >> /data/config.toml; sync`)
		b.must(b.image.Type("kill -SIGTERM 1\r"))
		_, err := b.image.WaitFor(b.ctx, "Starting kernel")
		b.must(err)
		b.waitUp()
	}
	spoil()
	b.awaitLamps("with a wrong first configuration", "fast red", "off", "off")
	if text := b.page(); !strings.Contains(text, "group[1].node: the group has no node") || !strings.Contains(text, "affinity") {
		t.Errorf("the page does not say what is wrong with the configuration:\n%s", text)
	}
	if s := b.services(); !strings.HasPrefix(s.Boot.LastEnd, "operator") {
		t.Errorf("the box restarted by itself: %s", s.Boot.LastEnd)
	}

	for _, line := range []string{"[[group]]", fmt.Sprintf("virtual_address = %q", site.VIP), fmt.Sprintf("node = [{ address = %q }]", b.NodeAddress(0))} {
		b.shell("echo '" + line + "' >> /tmp/right.toml")
	}
	b.awaitWord("spoolctl config apply /tmp/right.toml", "balancing 1 group over 1 node")
	b.awaitWord("spoolctl status", "No spare")
	spoil()
	b.awaitWord("spoolctl status", "group[1].node: the group has no node")
	b.awaitLamps("with the last good configuration", "slow amber", "steady green", "off")
	b.visit(b.MFDs[0], 5011)
}
