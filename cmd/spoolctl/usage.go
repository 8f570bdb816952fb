package main

import (
	"fmt"
	"io"
	"strings"

	"spoolgate/firmware/report/letter"
	"spoolgate/firmware/secret"
)

// flagValues are the words for what flags of single commands take.
func flagValues() map[string]string {
	return map[string]string{"group": "NAME", "to": "FILE", "netd": "PATH", "reportd": "PATH", "key": "FILE"}
}

// form is a command as it is written, with all that it can take.
func (c command) form() string {
	words := strings.Fields(c.name + " " + c.args)
	for _, f := range c.flags {
		words = append(words, "["+strings.TrimSpace("-"+f+" "+flagValues()[f])+"]")
	}
	return strings.Join(words, " ")
}

// consoleWidth is that of a serial console.
const consoleWidth = 80

func usage(w io.Writer) {
	fmt.Fprint(w, "spoolctl [-socket PATH] [-json] COMMAND\n\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %s\n      %s\n", c.form(), strings.Join(letter.Wrap(c.help, consoleWidth-6), "\n      "))
	}
	fmt.Fprint(w, `
NODE is a name like A, or GROUP/NODE where two groups have that name. ADDRESS
is that of an MFD, like 192.0.2.77; NETWORK is one of them, like 192.0.2.0/24.
FILE of a configuration may be - to type it in, with Ctrl-D at the end.
Flags may stand anywhere:
  -socket PATH   of the balancer, `+defaultSocket+` unless given
  -netd PATH     of the network, `+defaultNetd+`; "" leaves it out
  -reportd PATH  of the reporters, `+defaultReportd+`; "" leaves them
                 out of config apply
  -to FILE       where the configuration is put, `+defaultConfig+`
  -key FILE      the key of the box for its passwords, `+secret.DefaultPath+`
  -group NAME    of an MFD that is bound in several groups
  -force         drain the last node that serves, too
  -follow        go on with each event that happens, until Ctrl-C
  -json          answer in JSON; why something failed is then {"error": "..."},
                 on the standard output too
Exit status: 0 done; 1 understood, and refused or failed, as for a node that
there is not; 2 not understood, as for a word that is no address of an MFD; of
proof 3 nothing fails, but something can't be seen yet.
`)
}
