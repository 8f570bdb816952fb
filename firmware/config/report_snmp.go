package config

import (
	"encoding/hex"
	"fmt"
	"strings"

	"spoolgate/firmware/secret"
)

// SNMP is a management station that traps go to.
type SNMP struct {
	Server    string
	Port      uint16
	Version   string      // 2c, 3
	Inform    bool        // the station confirms each one
	Community secret.Text // of version 2c
	User      string      // of version 3
	// Auth and Privacy are the algorithms of version 3, with their passwords.
	Auth            string // SHA, SHA224, SHA256, SHA384, SHA512
	AuthPassword    secret.Text
	Privacy         string // AES, AES192, AES256
	PrivacyPassword secret.Text
	// EngineID is the box's own snmpEngineID (RFC 3411, 5), 5 to 32 bytes; nil: of
	// the host name.
	EngineID []byte
	Least    Least
}

// shortestPassword is what RFC 3414, 11.2 wants of a password of version 3.
const shortestPassword = 8

func readSNMP(s *section) SNMP {
	n := SNMP{
		Server:          readServer(s),
		Port:            readPort(s, 162),
		Version:         s.choice("version", []string{"2c", "3"}, "traps go as of SNMP 2c (a community, not encrypted) or 3 (a user, encrypted)"),
		Inform:          s.flag("inform"),
		Community:       s.secret("community"),
		User:            s.text("user", "", `"spoolgate"`),
		Auth:            s.choice("auth", []string{"SHA256", "SHA", "SHA224", "SHA384", "SHA512"}, "MD5 is no longer safe, and is not offered"),
		AuthPassword:    s.secret("auth_password"),
		Privacy:         s.choice("privacy", []string{"AES", "AES192", "AES256"}, "DES is no longer safe, and is not offered"),
		PrivacyPassword: s.secret("privacy_password"),
		EngineID:        readEngineID(s),
		Least:           readLeast(s, "warning"),
	}
	if n.Version == "2c" {
		if n.Community == "" {
			s.add(s.key("community"), "the community is missing", "a station drops traps of a community that it does not know", `Add community = "...", as the station has it`)
		}
		return n
	}
	if n.User == "" {
		s.add(s.key("user"), "the user is missing", "version 3 tells users apart, not communities", `Add user = "spoolgate", as the station has it`)
	}
	for _, p := range []struct {
		key   string
		value secret.Text
	}{{"auth_password", n.AuthPassword}, {"privacy_password", n.PrivacyPassword}} {
		if !p.value.Sealed() && !s.wrong(p.key) && len(p.value) < shortestPassword {
			s.add(s.key(p.key), fmt.Sprintf("the password is missing, or shorter than %d characters", shortestPassword), "version 3 is used signed and encrypted; RFC 3414, 11.2 wants a password of 8 characters or more",
				"Write the one that the station has for the user")
		}
	}
	return n
}

// readEngineID reads hexadecimal digits, with or without 0x and colons.
func readEngineID(s *section) []byte {
	t := s.text("engine_id", "", `"80001f880473706f6f6c67617465"`)
	if t == "" {
		return nil
	}
	id, err := hex.DecodeString(strings.ReplaceAll(strings.TrimPrefix(strings.ToLower(t), "0x"), ":", ""))
	if err != nil || len(id) < 5 || len(id) > 32 {
		s.add(s.key("engine_id"), fmt.Sprintf("%q is no engine ID", t), "an engine ID has 5 to 32 bytes (RFC 3411, 5)",
			"Write it in hexadecimal digits, or remove the line for one made of the host name")
		return nil
	}
	return id
}
