// Replaces the content of the page with what the server renders at each change
// of the state. Without it the page reloads itself.
'use strict';
(() => {
  const main = document.querySelector('main[data-live]');
  if (!main || !window.EventSource) return;
  const policy = window.trustedTypes
    ? trustedTypes.createPolicy('spoolgate', { createHTML: (html) => html })
    : { createHTML: (html) => html };
  let stale = 0;
  const fresh = () => {
    clearTimeout(stale);
    document.body.classList.remove('is-stale');
    // The server sends at least every second; silence for ten is a lost box.
    stale = setTimeout(() => document.body.classList.add('is-stale'), 10000);
  };
  const source = new EventSource(main.dataset.live);
  source.addEventListener('page', (event) => {
    main.innerHTML = policy.createHTML(event.data);
    fresh();
  });
  source.addEventListener('same', fresh);
  fresh();
})();
