module spoolgate

go 1.26

require github.com/coreos/go-systemd/v22 v22.6.0
