// Brings the content of the page up to date with what the server renders at
// each change of the state. Only what differs is touched: what is focused or
// selected stays so, and lamps go on blinking in step. Without this the page
// reloads itself.
'use strict';
(() => {
  const main = document.querySelector('main[data-live]');
  if (!main || !window.EventSource) return;
  const policy = window.trustedTypes
    ? trustedTypes.createPolicy('spoolgate', { createHTML: (html) => html })
    : { createHTML: (html) => html };

  // Sections come and go; each has a label that tells it from the others.
  const key = (node) => node.nodeName === 'SECTION' ? node.getAttribute('aria-label') : null;
  const same = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName && key(a) === key(b);
  const bring = (to, from) => {
    if (to.nodeType !== Node.ELEMENT_NODE) {
      if (to.data !== from.data) to.data = from.data;
      return;
    }
    for (const name of to.getAttributeNames()) if (!from.hasAttribute(name)) to.removeAttribute(name);
    for (const name of from.getAttributeNames()) {
      const value = from.getAttribute(name);
      if (to.getAttribute(name) !== value) to.setAttribute(name, value);
    }
    content(to, from);
  };
  const content = (to, from) => {
    let old = to.firstChild;
    for (const wanted of [...from.childNodes]) {
      if (key(wanted)) {
        let found = old;
        while (found && key(found) !== key(wanted)) found = found.nextSibling;
        while (found && old !== found) { const next = old.nextSibling; old.remove(); old = next; }
      }
      if (!old || (key(old) && !same(old, wanted))) { to.insertBefore(wanted, old); continue; }
      const next = old.nextSibling;
      if (same(old, wanted)) bring(old, wanted); else old.replaceWith(wanted);
      old = next;
    }
    while (old) { const next = old.nextSibling; old.remove(); old = next; }
  };

  let stale = 0;
  const fresh = () => {
    clearTimeout(stale);
    document.body.classList.remove('is-stale');
    // The server sends at least every second; silence for ten is a lost box.
    stale = setTimeout(() => document.body.classList.add('is-stale'), 10000);
  };
  const follow = () => {
    const source = new EventSource(main.dataset.live);
    source.addEventListener('page', (event) => {
      const wanted = new DOMParser().parseFromString(policy.createHTML(event.data), 'text/html');
      content(main, document.adoptNode(wanted.body));
      const verdict = main.querySelector('[data-title]');
      if (verdict) document.title = verdict.dataset.title;
      fresh();
    });
    source.addEventListener('same', fresh);
    source.addEventListener('error', () => {
      // A browser gives up for good when the answer is an error.
      if (source.readyState === EventSource.CLOSED) setTimeout(follow, 5000);
    });
  };
  follow();
  fresh();
})();
