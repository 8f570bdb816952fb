package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"spoolgate/firmware/secret"
)

// Services is how the Windows services of a node are watched, beside its ports
// (requirement: "based on the state of appropriate Windows Services as reported by
// Service Control Manager of individual servers running SPOC/TS services AND/OR
// based on the availability of selected TCP ports").
type Services struct {
	// Account asks: DOMAIN\user, user@domain, or a user of the server itself.
	// Empty means that no service is watched.
	Account  string
	Password secret.Text
	// Names are those that Windows calls the services by; services.msc shows them
	// as "Service name", and shows the "Display name" first. Empty: as Account.
	Names   []string
	Combine Combine
	// Interval is the time between two questions, Timeout how long an answer may
	// take, Misses the number of consecutive questions without one that count.
	Interval time.Duration
	Timeout  time.Duration
	Misses   int
}

// Watched reports whether any service is.
func (s Services) Watched() bool { return s.Account != "" && len(s.Names) > 0 }

// Combine is how services and ports make the health of a node.
type Combine string

const (
	// All wants the ports to answer and the services to run.
	All Combine = "all"
	// Any is content with one of the two.
	Any Combine = "any"
)

// defaultServices are the names of YSoft SafeQ 6: Spooler Controller, Spooler
// Controller Group Service, Terminal Server. Dispatcher Paragon has others.
func defaultServices() Services {
	return Services{
		Names:    []string{"YSoftSQ-SPOC", "YSoftSQ-SPOCGS", "YSoftSQ-TS"},
		Combine:  All,
		Interval: 5 * time.Second,
		Timeout:  4 * time.Second, // one more than a server needs to be found absent
		Misses:   3,
	}
}

const (
	longestServiceName = 256 // MS-SCMR 3.1.4.12
	mostServices       = 32  // of a node
)

const reqServices = `the requirement says "based on the state of appropriate Windows Services as reported by Service Control Manager"`

// readServices reads [group.services].
func readServices(s *section, limits Limits) Services {
	if s.values == nil {
		return Services{}
	}
	v := readServiceKeys(s, defaultServices(), limits)
	if v.Account == "" && !s.wrong("account") {
		s.add(s.key("account"), "the account is missing", "Windows tells the states of its services to accounts only",
			`Add account = "SITE\\spoolgate" and its password; the account needs no rights but to ask for the states of these services`)
	}
	if len(v.Names) == 0 && !s.wrong("names") {
		s.add(s.key("names"), "no service is watched", reqServices, "Remove the line to get the usual three of SafeQ, or name the services; spoolctl services NODE lists what a node has")
	}
	return v
}

// readNodeServices reads what a node has different from its group. An empty list
// of names is a node whose services are not watched.
func readNodeServices(s *section, group Services, limits Limits) Services {
	if s.values == nil {
		return group
	}
	def := group
	if def.Account == "" {
		def = defaultServices()
	}
	v := readServiceKeys(s, def, limits)
	if v.Account == "" && len(v.Names) > 0 && !s.wrong("account") {
		s.add(s.key("account"), "the account is missing", "neither the node nor its group has one", `Add account = "SITE\\spoolgate" and its password, here or in the group's services`)
	}
	return v
}

func readServiceKeys(s *section, def Services, limits Limits) Services {
	v := Services{
		Account:  s.text("account", def.Account, `"SITE\\spoolgate"`),
		Password: s.secret("password"),
		Names:    readServiceNames(s, def.Names),
		Combine:  Combine(s.text("combine", string(def.Combine), `"all"`)),
		Interval: s.duration("interval", def.Interval, limits.MinInterval, limits.MaxInterval, reqMisses),
		Misses:   s.number("misses", def.Misses, limits.MinMisses, limits.MaxMisses, reqMisses),
	}
	v.Timeout = s.duration("timeout", min(def.Timeout, v.Interval*4/5), limits.MinTimeout, limits.MaxInterval, "a server that is busy answers late")
	if _, written := s.values["account"]; written {
		checkAccount(s, v.Account)
	} else if v.Password == "" {
		v.Password = def.Password
	}
	if v.Account != "" && v.Password == "" && !s.wrong("password") {
		s.add(s.key("password"), "the password is missing", "Windows tells the states of its services to accounts only", "Add the password of the account; the box encrypts it when the file is put in place")
	}
	if v.Timeout >= v.Interval {
		s.add(s.key("timeout"), fmt.Sprintf("the timeout of %s is not shorter than the interval of %s", shortDuration(v.Timeout), shortDuration(v.Interval)),
			"a question must end before the next begins", "Shorten the timeout, or lengthen the interval")
	}
	if v.Combine != All && v.Combine != Any {
		s.add(s.key("combine"), fmt.Sprintf("%q is no way to combine services with ports", v.Combine), `the requirement says "AND/OR"`,
			`Write combine = "all", when the services must run and the ports answer, or combine = "any", when one of the two will do`)
	}
	s.finish()
	return v
}

// wrong reports whether a key has a problem already.
func (s *section) wrong(name string) bool {
	return slices.ContainsFunc(s.problems, func(p Problem) bool { return p.Key == s.key(name) })
}

func checkAccount(s *section, account string) {
	domain, user, split := strings.Cut(account, `\`)
	if !split {
		domain, user = "-", account
	}
	if domain == "" || user == "" || len(account) > 256 || strings.ContainsAny(user, "\\/\"[]:;|=,+*?<>\t\n") || strings.HasPrefix(user, "@") || strings.HasSuffix(user, "@") {
		s.add(s.key("account"), fmt.Sprintf("%q is no account of Windows", account), "an account is written with its domain, or is one of the server itself",
			`Write it like account = "SITE\\spoolgate" or account = "spoolgate@site.example"; within quotes the backslash is written twice`)
	}
}

func readServiceNames(s *section, def []string) []string {
	l, written := s.list("names")
	if !written {
		return def
	}
	names := []string{}
	for i, v := range l {
		key := element(s.key("names"), i+1)
		name, ok := v.(string)
		switch {
		case !ok:
			s.wrongType(key, v, "the name of a service", `names = ["YSoftSQ-SPOC", "YSoftSQ-TS"]`)
		case strings.TrimSpace(name) == "" || len(name) > longestServiceName || strings.ContainsAny(name, `/\`):
			s.add(key, fmt.Sprintf("%q can't be the name of a service", name), "it has 1 to 256 characters, no / and no \\ among them",
				`Write what services.msc calls the "Service name"; spoolctl services NODE lists what a node has`)
		case slices.ContainsFunc(names, func(other string) bool { return strings.EqualFold(other, name) }):
			s.add(key, fmt.Sprintf("%q stands here twice", name), "Windows does not tell capitals from small letters", "Remove one of the two")
		default:
			names = append(names, name)
		}
	}
	if len(names) > mostServices {
		s.add(s.key("names"), fmt.Sprintf("%d services are more than %d", len(names), mostServices), "", "Name those that printing depends on")
	}
	return names
}
