// @ts-check
// The shell of the dashboard: theme, live updates, palette, keyboard, time range. No framework, no inline code.
(() => {
'use strict';
/** @type {(s: string, r?: ParentNode) => any} */
const $ = (s, r = document) => r.querySelector(s);
/** @type {(s: string, r?: ParentNode) => any[]} */
const $$ = (s, r = document) => [...r.querySelectorAll(s)];
const root = document.documentElement;
/** @type {any} */
const g = self;
const policy = g.trustedTypes ? g.trustedTypes.createPolicy('loadline', {createHTML: (/** @type {string} */ s) => s}) : {createHTML: (/** @type {string} */ s) => s};
/** What the other scripts use. @type {any} */
const LL = g.LL = {$, $$, charts: new Map(), heats: new Map(), keys: {}, acts: {}};
const store = {get: (/** @type {string} */ k) => { try { return localStorage.getItem(k); } catch { return null; } }, set: (/** @type {string} */ k, /** @type {string} */ v) => { try { localStorage.setItem(k, v); } catch { /* private window */ } }};
/** @param {string} k @param {string} v */
const cookie = (k, v) => { document.cookie = `${k}=${encodeURIComponent(v)};path=/;max-age=31536000;samesite=lax`; };

// ---- theme: a cookie, so that the server renders the right one and nothing flashes
const dark = () => root.dataset.theme === 'dark' || (root.dataset.theme !== 'light' && matchMedia('(prefers-color-scheme:dark)').matches);
/** @param {string} t */
function setTheme(t) {
  root.dataset.theme = t; cookie('ll_theme', t); dispatchEvent(new Event('ll:theme'));
  for (const b of $$('[data-theme-is]')) b.setAttribute('aria-pressed', String(b.dataset.themeIs === t));
}
const toggleTheme = () => setTheme(dark() ? 'light' : 'dark');

// ---- times: the server writes them in the zone that the cookie names; the first page ever is corrected here
const params = () => new URL(location.href).searchParams;
const utc = params().get('tz') === 'utc';
const here = Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';
LL.zone = utc ? 'UTC' : here;
function localise() {
  const two = (/** @type {number} */ n, w = 2) => String(n).padStart(w, '0');
  for (const t of $$('time[data-f]')) {
    const d = new Date(t.dateTime), c = `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
    t.textContent = t.dataset.f === 'clock' ? `${c}.${two(d.getMilliseconds(), 3)}` : `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${c}`;
  }
}
if (!utc && root.dataset.tz !== here) { cookie('ll_tz', here); localise(); }

// ---- live: one socket per tab; topics are named by [data-live]
/** @type {WebSocket | undefined} */
let ws;
let retry = 0, paused = params().get('live') === '0', last = 0, beat = 0, lag = 0, left = false;
const topics = () => [...new Set($$('[data-live]').map(e => e.dataset.live))].filter(Boolean);
/** @param {any} m */
const say = m => { if (ws?.readyState === 1) ws.send(JSON.stringify(m)); };
const away = () => paused || document.hidden;
function connect() {
  if (!topics().length) return;
  ws = new WebSocket(location.origin.replace(/^http/, 'ws') + '/live');
  ws.onopen = () => { retry = 0; last = Date.now(); say({away: away()}); say({sub: topics()}); label(); };
  ws.onclose = () => { label(); if (!left) setTimeout(connect, Math.min(30000, 500 * 2 ** retry++) * (.7 + Math.random() * .6)); };
  ws.onmessage = e => receive(JSON.parse(e.data));
}
/** @param {any} m */
function receive(m) {
  last = Date.now();
  if (paused) return;
  if (m.c?.lag !== undefined) lag = +m.c.lag;
  for (const el of m.t ? $$(`[data-live="${CSS.escape(m.t)}"]`) : []) {
    if (m.h !== undefined && 'html' in el.dataset) patch(el, m.h);
    if (m.c) cells(el, m.c);
    if (m.s) for (const d of $$('[data-state]', el)) if (m.s[d.dataset.state] !== undefined) d.className = 'dot ' + m.s[d.dataset.state];
    if (m.y?.[el.dataset.chart]) LL.charts.get(el)?.push(m.y[el.dataset.chart]);
    if (m.m?.[el.dataset.heat]) LL.heats.get(el)?.(m.m[el.dataset.heat]);
  }
  label();
  if (last - beat > 900) { beat = last; const b = $('#live'); b?.classList.remove('beat'); requestAnimationFrame(() => b?.classList.add('beat')); } // ends by itself: an idle page does not repaint
}
/** Texts by place. @param {Element} el @param {Record<string, string>} c */
function cells(el, c) { for (const n of $$('[data-c]', el)) { const v = c[n.dataset.c]; if (v !== undefined && n.textContent !== v) n.textContent = v; } }
/** @param {string} html */
LL.fragment = html => { const t = document.createElement('template'); t.innerHTML = policy.createHTML(html); return t.content; };
/** Only what differs is touched, so that focus, hover and selection survive. @param {Element} el @param {string} html */
function patch(el, html) { if (!el.contains(document.activeElement) || el.tagName === 'TBODY') morph(el, LL.fragment(html)); }
LL.patch = patch;
/** @param {any} a @param {any} b */
function morph(a, b) {
  const old = new Map(); for (const c of a.children) if (c.dataset.k) old.set(c.dataset.k, c);
  let cur = a.firstChild;
  for (const n of [...b.childNodes]) {
    let m = n.nodeType === 1 && n.dataset.k ? old.get(n.dataset.k) : (cur && cur.nodeType === n.nodeType && cur.nodeName === n.nodeName && !(cur.dataset && cur.dataset.k) ? cur : null);
    if (!m) { a.insertBefore(n, cur); continue; }
    if (m !== cur) a.insertBefore(m, cur); else cur = cur.nextSibling;
    if (n.nodeType !== 1) { if (m.data !== n.data) m.data = n.data; continue; }
    for (const at of n.attributes) if (m.getAttribute(at.name) !== at.value) m.setAttribute(at.name, at.value);
    for (const at of [...m.attributes]) if (!n.hasAttribute(at.name)) m.removeAttribute(at.name);
    morph(m, n);
  }
  while (cur) { const nx = cur.nextSibling; cur.remove(); cur = nx; }
}
function label() {
  const l = $('#live-label'), open = ws?.readyState === 1;
  const s = paused ? 'paused' : !open || Date.now() - last > 25000 ? 'wait' : lag > 30 ? 'stale' : 'open';
  root.dataset.ws = s;
  if (!l) return;
  const t = {paused: 'Paused', wait: topics().length ? 'Reconnecting…' : 'Live', stale: `Data is ${lag} s old`, open: 'Live'}[s];
  if (l.textContent !== t) l.textContent = t;
  $('#live')?.setAttribute('aria-pressed', String(paused));
}
const pause = () => { if (!$('#live')) return; paused = !paused; say({away: away()}); if (!paused) say({sub: topics()}); label(); };
addEventListener('visibilitychange', () => { say({away: away()}); if (!away()) say({sub: topics()}); });
addEventListener('pagehide', () => { left = true; ws?.close(); });
addEventListener('pageshow', e => { if (e.persisted) { left = false; connect(); } });
setInterval(() => { if (ws?.readyState === 1 && Date.now() - last > 40000) ws.close(); label(); }, 5000);

// ---- a list that is chosen from while typing: the palette and the filter field
/** @param {HTMLInputElement} input @param {HTMLElement} list @param {() => void} choose */
function combobox(input, list, choose) {
  const items = () => $$('li', list).filter(l => !l.hidden);
  /** @param {number} d */
  const move = d => {
    const it = items(); if (!it.length) { input.removeAttribute('aria-activedescendant'); return; }
    let i = it.findIndex(l => l.getAttribute('aria-selected') === 'true');
    it[i]?.setAttribute('aria-selected', 'false');
    i = i < 0 ? (d > 0 ? 0 : it.length - 1) : (i + d + it.length) % it.length;
    it[i].setAttribute('aria-selected', 'true'); it[i].scrollIntoView({block: 'nearest'}); input.setAttribute('aria-activedescendant', it[i].id);
  };
  input.addEventListener('keydown', e => {
    if (list.hidden) return;
    if (e.key === 'ArrowDown') move(1); else if (e.key === 'ArrowUp') move(-1); else if (e.key === 'Enter' && $('[aria-selected=true]', list)) choose(); else return;
    e.preventDefault();
  });
  return move;
}
/** @param {string} id @param {...Node} kids */
function option(id, ...kids) { const li = document.createElement('li'); li.id = id; li.setAttribute('role', 'option'); li.setAttribute('aria-selected', 'false'); li.append(...kids); return li; }
/** @param {string} text @param {string} [cls] */
function span(text, cls) { const s = document.createElement('span'); s.textContent = text; if (cls) s.className = cls; return s; }

const pal = $('#pal'), palQ = $('#pal-q'), palL = $('#pal-l');
/** @type {{t: string, h: string, g: string}[]} */
let offers = [];
const palMove = combobox(palQ, palL, () => { location.href = $('[aria-selected=true]', palL).dataset.href; });
palL?.addEventListener('click', (/** @type {Event} */ e) => { const li = /** @type {any} */ (e.target).closest('li'); if (li) location.href = li.dataset.href; });
function showOffers() {
  const q = palQ.value.trim().toLowerCase();
  const hits = offers.filter(o => o.t.toLowerCase().includes(q)).slice(0, 50);
  if (/^[0-9a-f]{16,32}$/.test(q)) hits.unshift({t: q, h: '/traces/' + q + location.search, g: 'Trace'});
  palL.replaceChildren(...hits.map((o, i) => { const li = option('o' + i, span(o.t, 'cut'), span(o.g, 'grp')); li.dataset.href = o.h; return li; }));
  palMove(1);
}
async function openPalette() {
  if (pal.open) return;
  pal.showModal(); palQ.value = ''; showOffers();
  try { offers = await (await fetch(pal.dataset.src)).json(); showOffers(); } catch { /* the list stays as it was */ }
}
palQ?.addEventListener('input', showOffers);
for (const d of $$('dialog')) d.addEventListener('click', (/** @type {Event} */ e) => { if (e.target === d) d.close(); });

const add = $('#add'), addL = $('#add-l');
if (add) {
  /** @type {ReturnType<typeof setTimeout>} */
  let wait, asked = 0;
  const hide = () => { addL.hidden = true; add.setAttribute('aria-expanded', 'false'); };
  const choose = () => { const li = $('[aria-selected=true]', addL); add.value = li.dataset.text; hide(); if (li.dataset.done) add.form.requestSubmit(); else ask(); };
  combobox(add, addL, choose);
  const ask = async () => {
    const n = ++asked, u = new URL(add.dataset.src, location.href); u.searchParams.set('text', add.value);
    /** @type {{text: string, show: string, note?: string, done?: boolean}[]} */
    let list = [];
    try { list = await (await fetch(u)).json(); } catch { /* no suggestions */ }
    if (n !== asked || document.activeElement !== add) return;
    addL.replaceChildren(...list.map((s, i) => { const li = option('s' + i, span(s.show, 'cut'), span(s.note || '', 'dim')); li.dataset.text = s.text; if (s.done) li.dataset.done = '1'; return li; }));
    addL.hidden = !list.length; add.setAttribute('aria-expanded', String(!!list.length));
  };
  add.addEventListener('input', () => { clearTimeout(wait); wait = setTimeout(ask, 120); });
  add.addEventListener('focus', ask);
  add.addEventListener('blur', () => setTimeout(hide, 150));
  add.addEventListener('keydown', (/** @type {KeyboardEvent} */ e) => { if (e.key === 'Escape') hide(); });
  addL.addEventListener('pointerdown', (/** @type {PointerEvent} */ e) => { const li = /** @type {Element} */ (e.target).closest('li'); if (!li) return; e.preventDefault(); for (const o of $$('li', addL)) o.setAttribute('aria-selected', String(o === li)); choose(); });
}

// ---- more rows
addEventListener('click', async e => {
  const a = /** @type {Element} */ (e.target).closest?.('#more');
  if (!(a instanceof HTMLAnchorElement) || e.metaKey || e.ctrlKey) return;
  e.preventDefault();
  const u = new URL(a.href); u.searchParams.set('part', 'rows'); a.setAttribute('aria-busy', 'true');
  try {
    for (let tries = 0; tries < 8; tries++) { // a part of the range may hold nothing
      const m = await (await fetch(u)).json();
      $('#rows').append(LL.fragment(m.html)); if (!utc && root.dataset.tz !== here) localise();
      if (!m.more) { a.remove(); break; }
      a.href = m.more; if (m.html) break;
      u.search = new URL(m.more, location.href).search; u.searchParams.set('part', 'rows');
    }
    a.removeAttribute('aria-busy');
  } catch { location.href = a.href; }
});

// ---- keyboard
let pend = '';
/** @type {Record<string, string>} */
const places = {o: '/', s: '/services', t: '/traces', m: '/metrics-explorer', b: '/slos'};
const kept = () => { const p = new URLSearchParams(); for (const k of ['range', 'from', 'to', 'env', 'tz']) { const v = params().get(k); if (v) p.set(k, v); } return p.size ? '?' + p : ''; };
/** @param {string} sel */
const click = sel => $(sel)?.click();
/** @type {Record<string, () => void>} */
const keys = {
  '/': openPalette, '?': () => $('#keys').showModal(), d: toggleTheme, p: pause, f: () => add?.focus(),
  j: () => moveRow(1), k: () => moveRow(-1), '[': () => click('#r-earlier'), ']': () => click('#r-later'), '-': () => click('#r-wider'), '.': () => click('#r-now'),
  c: () => copy(absolute()),
};
addEventListener('keydown', e => {
  const t = /** @type {HTMLElement} */ (e.target);
  if ((e.metaKey || e.ctrlKey) && e.key === 'k') { e.preventDefault(); openPalette(); return; }
  if (e.defaultPrevented || e.metaKey || e.ctrlKey || e.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(t.tagName) || t.isContentEditable || $('dialog[open]') || store.get('ll_keys') === 'off') return;
  if (pend === 'g') { pend = ''; const u = places[e.key]; if (u) location.href = u + kept(); return; }
  if (e.key === 'g') { pend = 'g'; setTimeout(() => { pend = ''; }, 900); return; }
  const fn = LL.keys[e.key] || keys[e.key];
  if (fn) { e.preventDefault(); fn(e); }
});
/** @param {number} d */
function moveRow(d) { const rows = $$('[data-rows] tr').map(r => $('a', r)).filter(Boolean); const i = rows.indexOf(document.activeElement); rows[Math.max(0, Math.min(rows.length - 1, i + d))]?.focus(); }

// ---- buttons
/** @param {string} text */
const copy = text => navigator.clipboard?.writeText(text);
const absolute = () => new URL($('[data-act=copylink][data-href]')?.dataset.href || location.href, location.href).href;
/** @param {any} b @param {string} done */
function flash(b, done) { const s = b.lastElementChild || b, old = s.textContent; if (old === done) return; s.textContent = done; setTimeout(() => { s.textContent = old; }, 1200); }
/** @type {Record<string, (b: any) => void>} */
const acts = {
  theme: toggleTheme, pause, palette: openPalette, reload: () => location.reload(),
  copy: b => { copy($(b.dataset.for).textContent.trim()); flash(b, 'Copied'); },
  copylink: b => { copy(new URL(b.dataset.href, location.href).href); flash(b, 'Copied'); },
  copytext: b => { copy(b.dataset.text); flash(b, 'Copied'); },
  settheme: b => setTheme(b.dataset.themeIs),
  keysoff: b => { store.set('ll_keys', store.get('ll_keys') === 'off' ? 'on' : 'off'); keysButton(b); },
};
/** @param {any} b */
function keysButton(b) { const off = store.get('ll_keys') === 'off'; b.setAttribute('aria-pressed', String(off)); b.textContent = off ? 'Switch on' : 'Switch off'; }
for (const b of $$('[data-act=keysoff]')) keysButton(b);
addEventListener('click', e => { const b = /** @type {any} */ (/** @type {Element} */ (e.target).closest?.('[data-act]')); if (b) (acts[b.dataset.act] || LL.acts[b.dataset.act])?.(b); });

// ---- the address bar is the only store of what is shown; the last ranges are remembered for the picker
/** @param {Record<string, any>} kv */
LL.go = kv => { const u = new URL(location.href); for (const [k, v] of Object.entries(kv)) if (v == null) u.searchParams.delete(k); else u.searchParams.set(k, v); location.assign(u); };
const recent = $('#r-recent');
if (recent) {
  /** @type {string[]} */
  let list = [];
  try { list = JSON.parse(store.get('ll_ranges') || '[]'); } catch { /* start anew */ }
  const p = params(), cur = p.get('range') ? 'range=' + p.get('range') : p.get('from') ? `from=${p.get('from')}&to=${p.get('to') || ''}` : '';
  if (cur) { list = [cur, ...list.filter(x => x !== cur)].slice(0, 4); store.set('ll_ranges', JSON.stringify(list)); }
  const at = (/** @type {string | null} */ s) => new Date(+(s || 0) * 1000).toLocaleString(undefined, {day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit', hour12: false, timeZone: LL.zone});
  for (const x of list) {
    const q = new URLSearchParams(x), u = new URL(location.href), a = document.createElement('a');
    for (const k of ['range', 'from', 'to', 'cursor']) u.searchParams.delete(k);
    q.forEach((v, k) => u.searchParams.set(k, v));
    if (!q.get('range') && !(+(q.get('from') || 0))) continue;
    a.href = u.href; a.textContent = q.get('range') || `${at(q.get('from'))} – ${at(q.get('to'))}`; recent.append(a);
  }
  recent.hidden = !recent.children.length;
}

// ---- a page that waits for something to arrive asks again a few times
const again = $('[data-retry]');
if (again && +again.dataset.retry) {
  const k = 'retry ' + location.pathname, n = +(sessionStorage.getItem(k) || 0);
  if (n < 4) { sessionStorage.setItem(k, String(n + 1)); setTimeout(() => location.reload(), +again.dataset.retry * 1000); } else sessionStorage.removeItem(k);
}

connect(); label();
})();
