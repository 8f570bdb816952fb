package guest

import (
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/u-root/u-root/pkg/kmodule"
	"golang.org/x/sys/unix"

	"spoolgate/tools/debian"
)

// flowModules are the kernel's flow tables, in the order in which they need each other.
// The image does not have them, as it does not use them.
func flowModules() []string {
	return []string{"nf_flow_table", "nf_flow_table_inet", "nft_flow_offload"}
}

// PackFlowTables packs the modules that the flow tables of the image's kernel need into an
// archive in the folder that the image was built from, anew as the kernel may be another.
func PackFlowTables(cache string) (string, error) {
	root := filepath.Join(cache, "debian-"+debian.Suite, "root/usr/lib/modules")
	var files []string
	for _, name := range flowModules() {
		found, err := filepath.Glob(filepath.Join(root, "*/kernel/net/netfilter", name+".ko.xz"))
		if err != nil {
			return "", err
		}
		if len(found) != 1 {
			return "", fmt.Errorf("module %s is %d times in %s, want once: build the image first (make image)", name, len(found), root)
		}
		files = append(files, found[0])
	}
	packed := filepath.Join(cache, "flow-tables.tar")
	return packed, pack(packed, files)
}

// offload has a flow table pass on what one static rule has let through: once both ends
// have spoken, packets pass no routing, no connection tracking and no rules.
func offload() error {
	if err := translate(false); err != nil {
		return err
	}
	const dir = "/flow"
	if err := unpack("/data/"+flowFile, dir); err != nil {
		return err
	}
	for _, name := range flowModules() {
		if err := loadModule(filepath.Join(dir, name+".ko.xz")); err != nil {
			return fmt.Errorf("load module %s: %w", name, err)
		}
	}
	card, err := cardOf(plan().boxAtClients.Addr().AsSlice())
	if err != nil {
		return err
	}
	c := &nftables.Conn{}
	table := c.AddTable(&nftables.Table{Name: "static", Family: nftables.TableFamilyIPv4})
	c.AddFlowtable(&nftables.Flowtable{Table: table, Name: "connected", Devices: []string{card}})
	chain := c.AddChain(&nftables.Chain{Name: "forward", Table: table, Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookForward, Priority: nftables.ChainPriorityFilter})
	c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.IPPROTO_TCP}},
		&expr.FlowOffload{Name: "connected"},
	}})
	if err := c.Flush(); err != nil {
		return fmt.Errorf("add a flow table: %w", err)
	}
	return nil
}

func loadModule(module string) error {
	f, err := os.Open(module)
	if err != nil {
		return err
	}
	defer f.Close()
	return kmodule.FileInit(f, "", 0)
}

// cardOf is the name of the interface that has an address.
func cardOf(address net.IP) (string, error) {
	all, err := net.Interfaces()
	if err != nil {
		return "", err
	}
	for _, i := range all {
		addresses, err := i.Addrs()
		if err != nil {
			return "", err
		}
		for _, a := range addresses {
			if own, ok := a.(*net.IPNet); ok && own.IP.Equal(address) {
				return i.Name, nil
			}
		}
	}
	return "", fmt.Errorf("no interface has %s", address)
}
