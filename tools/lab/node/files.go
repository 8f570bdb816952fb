package node

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"net/http"
	"time"

	ftp "github.com/fclairamb/ftpserverlib"
	"github.com/spf13/afero"
	"golang.org/x/net/webdav"
)

// HTTP headers by which WebDAV says what a terminal port's greeting says.
const (
	HeaderNode   = "X-Node"
	HeaderClient = "X-Client"
)

// serveWebDAV keeps what is uploaded below the node's folder.
func (s *server) serveWebDAV(l net.Listener) service {
	files := &webdav.Handler{FileSystem: webdav.Dir(s.Dir), LockSystem: webdav.NewMemLS()}
	web := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(s.slowness())
		w.Header().Set(HeaderNode, s.Name)
		w.Header().Set(HeaderClient, r.RemoteAddr)
		files.ServeHTTP(w, r)
	})}
	go web.Serve(l)
	return web
}

// ftpDriver lets everybody in: the network is the test's own.
type ftpDriver struct {
	*server
	listener net.Listener
	tls      *tls.Config
}

func (s *server) serveFTP(l net.Listener) (service, error) {
	d := &ftpDriver{server: s, listener: l}
	if s.FTPS {
		var err error
		if d.tls, err = selfSigned(s.Name); err != nil {
			return nil, err
		}
	}
	f := ftp.NewFtpServer(d)
	if err := f.Listen(); err != nil {
		return nil, err
	}
	go f.Serve()
	return stopper{f}, nil
}

type stopper struct{ *ftp.FtpServer }

func (s stopper) Close() error { return s.Stop() }

// GetSettings is of ftp.MainDriver, like the methods that follow.
func (d *ftpDriver) GetSettings() (*ftp.Settings, error) {
	s := &ftp.Settings{Listener: d.listener, PublicHost: d.Address.String(), IdleTimeout: 3600,
		// Behind a masking box control and data come from one address; behind
		// any box the client that asked is the one that may fetch.
		PasvConnectionsCheck: ftp.IPMatchRequired,
	}
	if d.PassiveAddress.IsValid() {
		s.PublicHost = d.PassiveAddress.String()
	}
	if p := d.PassivePorts; p[0] != 0 {
		s.PassiveTransferPortRange = &ftp.PortRange{Start: int(p[0]), End: int(p[1])}
	}
	return s, nil
}

func (d *ftpDriver) ClientConnected(c ftp.ClientContext) (string, error) {
	return "node " + d.Name + " sees " + c.RemoteAddr().String(), nil
}

func (d *ftpDriver) ClientDisconnected(ftp.ClientContext) {}

func (d *ftpDriver) AuthUser(ftp.ClientContext, string, string) (ftp.ClientDriver, error) {
	return afero.NewBasePathFs(afero.NewOsFs(), d.Dir), nil
}

func (d *ftpDriver) GetTLSConfig() (*tls.Config, error) {
	if d.tls == nil {
		return nil, errors.New("this node has no FTP over TLS")
	}
	return d.tls, nil
}

func selfSigned(name string) (*tls.Config, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, leaf, leaf, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, nil
}
