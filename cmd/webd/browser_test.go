package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"spoolgate/firmware/api"
)

// browser is one tab of a Chromium of its own.
type browser struct {
	*testing.T
	ctx      context.Context
	messages chan string // on the console
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath("/usr/bin/chromium"), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.IgnoreCertErrors, chromedp.UserDataDir(t.TempDir()), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	ctx, done := chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(done)
	ctx, shut := chromedp.NewContext(ctx)
	t.Cleanup(shut)
	b := &browser{T: t, ctx: ctx, messages: make(chan string, 100)}
	b.do()
	lines := chromedp.Console(ctx)
	go func() {
		for m, err := range lines {
			if err != nil {
				return
			}
			select {
			case b.messages <- string(m.Type) + ": " + m.Text:
			default:
			}
		}
	}()
	return b
}

func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.Fatal(err)
	}
}

// eval returns the value of an expression in the page.
func eval[T any](b *browser, expression string) T {
	b.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.Fatalf("%.80s: %v", expression, err)
	}
	return v
}

// until waits for an expression to become true.
func (b *browser) until(expression string) {
	b.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if eval[bool](b, expression) {
			return
		}
		if time.Now().After(end) {
			b.Fatalf("never true: %s; the page says %q", expression, eval[string](b, "document.body.innerText"))
		}
	}
}

func (b *browser) says(text string) {
	b.Helper()
	quoted, _ := json.Marshal(text)
	// While the page reloads there is no body.
	b.until("document.body?.innerText.includes(" + string(quoted) + ") ?? false")
}

// quiet checks that nothing was complained about: errors of the script, and
// what the page's policy forbade.
func (b *browser) quiet() {
	b.Helper()
	for {
		select {
		case m := <-b.messages:
			b.Errorf("on the console: %s", m)
		default:
			return
		}
	}
}

func call[P, R any](command cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, command, params)
		return err
	})
}

func TestPageFollowsTheBoxWithoutReload(t *testing.T) {
	box := newBox(t, normal(), held("print"))
	b := newBrowser(t)
	b.do(chromedp.Navigate("https://" + box.address + "/"))
	b.says("People can print, and there is a spare.")
	b.says("Held by this box")
	eval[bool](b, "document.querySelector('.node h3').marker = true")
	box.show(nothingServing())
	b.says("Nobody can print.")
	b.until("document.title.startsWith('Nothing serving')")
	box.network.Publish(refused())
	b.says("02:00:5e:10:00:07")
	b.says("The management interface management has no link")
	if !eval[bool](b, "document.querySelector('.node h3').marker === true") {
		t.Error("what did not change was made anew: focus and selection are lost")
	}
	box.balancer.Close()
	b.says("Nobody can tell whether people can print.")
	b.quiet()
}

func TestPageSaysWhenTheBoxIsSilentAndWhenItIsBack(t *testing.T) {
	box := newBox(t, normal(), held("print"))
	b := newBrowser(t)
	b.do(chromedp.Navigate("https://" + box.address + "/"))
	b.says("People can print")
	box.kill()
	b.says("The box does not answer any more.")
	box.start()
	b.until("!document.body.innerText.includes('does not answer any more')")
}

func TestPageWorksWithoutJavaScript(t *testing.T) {
	box := newBox(t, normal(), held("print"))
	b := newBrowser(t)
	b.do(call(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}))
	b.do(chromedp.Navigate("https://" + box.address + "/"))
	b.says("People can print, and there is a spare.")
	box.show(nothingServing())
	b.says("Nobody can print.")
}

type state struct {
	name     string
	snapshot api.Snapshot
	network  api.Network
	stale    bool
}

const axeFile = "../../build/axe/axe.min.js"

func TestPageIsAccessibleInEveryState(t *testing.T) {
	axe, err := os.ReadFile(axeFile)
	if err != nil {
		t.Fatalf("%v: make deps fetches it", err)
	}
	shots := filepath.Join("..", "..", "build", "screenshots")
	if err := os.MkdirAll(shots, 0o755); err != nil {
		t.Fatal(err)
	}
	b := newBrowser(t)
	for _, s := range []state{
		{"normal", normal(), held("print"), false},
		{"error", nothingServing(), refused(), false},
		{"crowded", crowded(), held("print", "scan"), false},
		{"empty", snapshot(api.NothingServing, "this box has no configuration yet"), held(), false},
		{"stale", normal(), held("print"), true},
	} {
		box := newBox(t, s.snapshot, s.network)
		b.do(chromedp.Navigate("https://" + box.address + "/"))
		b.until("document.querySelector('h1').innerText != 'One moment.' && !document.body.innerText.includes('Netd does not answer')")
		if s.stale {
			box.kill()
			b.says("The box does not answer any more.")
		}
		for _, scheme := range []string{"light", "dark"} {
			for _, width := range []int64{320, 390, 1280} {
				name := fmt.Sprintf("%s-%s-%d", s.name, scheme, width)
				b.do(call(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}),
					chromedp.EmulateViewport(width, 800))
				if wide := eval[int](b, "document.documentElement.scrollWidth"); wide > int(width) {
					t.Errorf("%s: scrolls sideways, %d px wide", name, wide)
				}
				b.accessible(name, string(axe))
				b.keep(filepath.Join(shots, name+".png"))
			}
		}
		if !s.stale {
			b.quiet() // of a box that is gone the browser rightly complains
		}
		b.do(chromedp.Navigate("about:blank"))
		box.kill()
	}
}

// keep saves a picture of the page to look at.
func (b *browser) keep(path string) {
	b.Helper()
	shot, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.WriteFile(path, shot, 0o644)
	}
	if err != nil {
		b.Fatal(err)
	}
}

// accessible runs axe over the page. Its own script is put in past the page's
// policy.
func (b *browser) accessible(name, axe string) {
	b.Helper()
	eval[bool](b, axe+"; true")
	found := eval[[]string](b, `axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})
		.then(r => r.violations.map(v => v.id + ': ' + v.nodes.map(n => n.target + ' ' + n.failureSummary).join('; ')))`)
	for _, v := range found {
		b.Errorf("%s: %s", name, v)
	}
}

func TestKeyboardReachesTheContentFirst(t *testing.T) {
	box := newBox(t, snapshot(api.NothingServing, "this box has no configuration yet"), held())
	b := newBrowser(t)
	b.do(chromedp.Navigate("https://" + box.address + "/"))
	b.says("What it needs to begin")
	b.do(chromedp.KeyEvent("\t"))
	if got := eval[string](b, "document.activeElement.innerText"); got != "To the content" {
		t.Errorf("the first stop is %q", got)
	}
	if outline := eval[string](b, "getComputedStyle(document.activeElement).outlineStyle"); outline != "solid" {
		t.Errorf("the focus is not seen: outline %s", outline)
	}
	b.do(chromedp.KeyEvent("\t"))
	b.until("document.activeElement.tagName === 'PRE'")
	again := snapshot(api.NothingServing, "this box has no configuration yet")
	again.Box.Hostname = "renamed"
	box.show(again)
	b.until("document.title.includes('renamed')")
	if got := eval[string](b, "document.activeElement.tagName"); got != "PRE" {
		t.Errorf("the focus went to %s when the page changed", got)
	}
	if strings.Contains(eval[string](b, "document.body.innerText"), "undefined") {
		t.Error("the page shows an undefined value")
	}
}
