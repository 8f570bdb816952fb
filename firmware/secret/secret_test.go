package secret

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func makeKey(t *testing.T) (Key, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	k, err := MakeKey(path)
	if err != nil {
		t.Fatal(err)
	}
	return k, path
}

func TestSealedPasswordOpensWithItsOwnKeyOnly(t *testing.T) {
	k, path := makeKey(t)
	for _, password := range []string{"", "P@ss wörd", strings.Repeat("x", 1000)} {
		sealed := k.Seal(password)
		if !sealed.Sealed() || password != "" && strings.Contains(string(sealed), password) {
			t.Errorf("%q was sealed as %q", password, string(sealed))
		}
		again, err := MakeKey(path)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := again.Open(sealed); err != nil || got != password {
			t.Errorf("opened as %q: %v", got, err)
		}
		other, _ := makeKey(t)
		for _, wrong := range []Key{other, {}} {
			if got, err := wrong.Open(sealed); !errors.Is(err, ErrWrongKey) {
				t.Errorf("another box read %q: %v", got, err)
			}
		}
		damaged := sealed[:len(sealed)-2] + "AA"
		if got, err := k.Open(damaged); !errors.Is(err, ErrWrongKey) {
			t.Errorf("a damaged text read %q: %v", got, err)
		}
	}
	if first, second := k.Seal("a"), k.Seal("a"); first == second {
		t.Error("equal passwords look equal")
	}
	if got, err := (Key{}).Open("typed"); got != "typed" || err != nil {
		t.Errorf("typed text: %q, %v", got, err)
	}
}

func TestSealedTextThatNobodyCanHaveSealedIsSeenWithoutAKey(t *testing.T) {
	k, _ := makeKey(t)
	for text, want := range map[Text]bool{
		"typed": true, "": true, (Key{}).Seal("a"): true, k.Seal(""): true, k.Seal("a"): true,
		"sealed-1:garbage": false, "sealed-1:!": false, k.Seal("")[:len(k.Seal(""))-2]: false, k.Seal("a") + "=": false,
	} {
		if got := text.Whole(); got != want {
			t.Errorf("%q: whole is %v", string(text), got)
		}
	}
}

func TestPasswordIsNeverPrinted(t *testing.T) {
	config := struct{ Password Text }{"hunter2"}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "password", config.Password, "config", config)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "password", config.Password, "config", config)
	j, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	all := fmt.Sprintf("%v %+v %#v %s %q ", config, config, config, config.Password, config.Password) + string(j) + log.String()
	if strings.Contains(all, "hunter2") || strings.Count(all, asterisks) < 9 {
		t.Errorf("printed: %s", all)
	}
}

func TestKeyIsMadeOnceAndForFewEyes(t *testing.T) {
	_, path := makeKey(t)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v", info.Mode())
	}
	if err := os.WriteFile(path, []byte("short"), 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := MakeKey(path); err == nil || !strings.Contains(err.Error(), "type the passwords in again") {
		t.Errorf("a damaged key: %v", err)
	}
	if b, _ := os.ReadFile(path); string(b) != "short" {
		t.Error("a damaged key was replaced, and with it every password lost")
	}
}
