package winservice

import "strings"

// Account is who asks.
type Account struct {
	User     string // DOMAIN\user, user@domain, or a user of the server itself
	Password string
}

// String keeps the password out of whatever prints an Account.
func (a Account) String() string { return a.User }

// GoString is what %#v prints.
func (a Account) GoString() string { return a.User }

// ofDomain reports whether the account is the same one on every server.
func (a Account) ofDomain() bool { return strings.ContainsAny(a.User, `\@`) }

func (a Account) credential() login {
	domain, user, ok := strings.Cut(a.User, `\`)
	if !ok {
		// user@domain goes whole: what is behind the @ need not be a domain's name.
		domain, user = "", a.User
	}
	return login{user: user, domain: domain, password: a.Password}
}

// login is what the library asks for a credential. Its own kind splits user@domain.
type login struct{ user, domain, password string }

func (l login) UserName() string    { return l.user }
func (l login) DomainName() string  { return l.domain }
func (l login) Workstation() string { return "" }
func (l login) Password() string    { return l.password }
