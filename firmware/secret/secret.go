// Package secret keeps passwords of the configuration unreadable for who has the
// file but not the box: a stolen card's copy of it, a backup, a support bundle.
//
// A password is sealed with a key that the box made for itself and that stays in a
// file of its own. Who can read that file too can read the passwords: the key
// protects what leaves the box, not the box against root.
package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"
)

// Text is a password as the configuration has it: sealed, or as a person typed it.
// Whatever prints it, logs it or turns it into JSON gets asterisks.
type Text string

// prefix marks sealed text and the way it was sealed: AES-256-GCM, a random nonce
// before the ciphertext, base64 without padding.
const prefix = "sealed-1:"

const asterisks = "********"

// Sealed reports whether the text is of use only with the key.
func (t Text) Sealed() bool { return strings.HasPrefix(string(t), prefix) }

// Whole reports whether sealed text can be what Seal made: without the key, no more
// can be known. Text that is not sealed is whole.
func (t Text) Whole() bool {
	if !t.Sealed() || t == prefix {
		return true
	}
	b, err := t.decode()
	return err == nil && len(b) >= overhead
}

// overhead is what sealing adds to a password, in bytes: the nonce and the tag.
const overhead = 12 + 16

func (t Text) decode() ([]byte, error) {
	return base64.RawStdEncoding.DecodeString(strings.TrimPrefix(string(t), prefix))
}

func (t Text) String() string {
	if t == "" {
		return ""
	}
	return asterisks
}

// GoString is what %#v prints.
func (t Text) GoString() string { return fmt.Sprintf("%q", t.String()) }

// LogValue is what a log line has.
func (t Text) LogValue() slog.Value { return slog.StringValue(t.String()) }

// MarshalText is what JSON, TOML and the like have.
func (t Text) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// ErrWrongKey is returned for a text that another box sealed, or that was damaged.
var ErrWrongKey = errors.New("was encrypted by another box, or is damaged: type the password in again")

// ErrNoKey is returned for a file that is no key.
var ErrNoKey = errors.New("is no key of a box")

// Key is a box's own key. The zero Key opens only what is not
// sealed, and seals so that nobody opens it.
type Key struct{ gcm cipher.AEAD }

// DefaultPath is where a box has its key; init makes it.
const DefaultPath = "/data/key/box.key"

// IsZero reports whether k is no key at all.
func (k Key) IsZero() bool { return k.gcm == nil }

const keySize = 32

// ReadKey reads a key that MakeKey made.
func ReadKey(path string) (Key, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return Key{}, fmt.Errorf("key of the box: %w", err)
	}
	return newKey(path, b)
}

// MakeKey returns the key in the file at path, and makes a new one where there is
// no file: of mode 0640, for the group that the caller gives it to.
func MakeKey(path string) (Key, error) {
	k, err := ReadKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return k, err
	}
	b := make([]byte, keySize)
	rand.Read(b)
	if err := renameio.WriteFile(path, b, 0o640, renameio.WithTempDir(filepath.Dir(path))); err != nil {
		return Key{}, fmt.Errorf("key of the box: %w", err)
	}
	return newKey(path, b)
}

func newKey(path string, b []byte) (Key, error) {
	if len(b) != keySize {
		return Key{}, fmt.Errorf("key of the box: %s %w, it has %d bytes and not %d: remove it for a new one, and type the passwords in again", path, ErrNoKey, len(b), keySize)
	}
	block, err := aes.NewCipher(b)
	if err != nil {
		return Key{}, fmt.Errorf("key of the box: %w", err)
	}
	gcm, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return Key{}, fmt.Errorf("key of the box: %w", err)
	}
	return Key{gcm}, nil
}

// Seal encrypts a password. The zero Key seals for good: what it returns is the
// mark of a password that was there, and nobody opens it.
func (k Key) Seal(password string) Text {
	if k.gcm == nil {
		return prefix
	}
	return Text(prefix + base64.RawStdEncoding.EncodeToString(k.gcm.Seal(nil, nil, []byte(password), nil)))
}

// Open returns the password: of a sealed text the decrypted one, of any other the
// text itself.
func (k Key) Open(t Text) (string, error) {
	if !t.Sealed() {
		return string(t), nil
	}
	b, err := t.decode()
	if err != nil || k.gcm == nil {
		return "", ErrWrongKey
	}
	password, err := k.gcm.Open(nil, nil, b, nil)
	if err != nil {
		return "", ErrWrongKey
	}
	return string(password), nil
}
