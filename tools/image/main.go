// Binary image makes the disk image of a board: it fetches Debian's kernel and
// boot loaders for arm64, builds our programs and u-root's rescue applets,
// composes the root file system and writes boot, slot and data partitions.
package main

import (
	"fmt"
	"os"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}
