package naming

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"github.com/miekg/dns"
)

// patience is how long a name server may take to answer; it is asked twice.
const patience = 2 * time.Second

// answered is what a name server answers when it does not know.
type answered struct {
	rcode int
	name  string
}

func (a answered) Error() string {
	return fmt.Sprintf("answers %s for %s", dns.RcodeToString[a.rcode], strings.TrimSuffix(a.name, "."))
}

// ask asks one name server. That there is no such name is an answer; that it does not
// know is an error, answered, and so is silence, in words that follow its name.
func ask(ctx context.Context, server netip.Addr, name string, kind uint16) ([]dns.RR, error) {
	q := new(dns.Msg).SetQuestion(name, kind).SetEdns0(udpSize, false)
	m, err := exchange(ctx, q, netip.AddrPortFrom(server, 53))
	switch {
	case err != nil:
		return nil, inWords(err)
	case m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError:
		return nil, answered{m.Rcode, name}
	}
	return m.Answer, nil
}

// exchange asks twice, as packets get lost. What comes back is somebody else's, and
// must not end this process.
func exchange(ctx context.Context, q *dns.Msg, at netip.AddrPort) (m *dns.Msg, err error) {
	defer func() {
		if p := recover(); p != nil {
			m, err = nil, fmt.Errorf("gives an answer that can't be read: %v", p)
		}
	}()
	for range 2 {
		c := &dns.Client{Timeout: patience, UDPSize: udpSize}
		if m, _, err = c.ExchangeContext(ctx, q, at.String()); err == nil && m.Truncated {
			c.Net = "tcp"
			m, _, err = c.ExchangeContext(ctx, q, at.String())
		}
		if err == nil && !answers(m, q) {
			err = errors.New("answers another question")
		}
		if err == nil {
			return m, nil
		}
	}
	return nil, err
}

func answers(m, q *dns.Msg) bool {
	return m.Response && len(m.Question) == 1 && strings.EqualFold(m.Question[0].Name, q.Question[0].Name) && m.Question[0].Qtype == q.Question[0].Qtype
}

// inWords says why a server did not answer without what changes each time, such as
// our port.
func inWords(err error) error {
	var silence net.Error
	var op *net.OpError
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return errors.New("has nothing that answers on port 53")
	case errors.As(err, &silence) && silence.Timeout():
		return fmt.Errorf("is silent: asked twice, waited %s each time", patience)
	case errors.As(err, &op):
		return fmt.Errorf("can't be asked: %w", op.Err)
	}
	return err
}
