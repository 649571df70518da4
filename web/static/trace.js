// @ts-check
// The waterfall of a trace: keyboard, folding, the panel of a span, and recycled rows for long traces. Short ones are
// complete HTML and only gain behaviour here.
(async () => {
'use strict';
/** @type {any} */
const LL = /** @type {any} */ (self).LL, {$, $$} = LL;
const wf = $('#wf');
if (!wf) return;
const body = $('.wf-b', wf), detail = $('#detail'), H = 28, NS = 'http://www.w3.org/2000/svg', PLOT = 97;

// The model is the same for both: for every row its parent row, how many rows are below it, and whether it is closed.
let n = 0, cur = -1;
/** @type {Int32Array} */ let parent = new Int32Array(0);
/** @type {Int32Array} */ let below = new Int32Array(0);
/** @type {Uint8Array} */ let closed = new Uint8Array(0);
/** @type {Int32Array} */ let vis = new Int32Array(0);
let nv = 0;
/** @type {(i: number) => boolean} */ let critical = () => false;
/** @type {(i: number) => boolean} */ let failed = () => false;
/** @type {(i: number) => string} */ let ident = () => '';
/** @type {(i: number, focus: boolean) => void} */ let show = () => {};
/** @type {() => void} */ let paint = () => {};

/** @param {(i: number) => number} p @param {number} count */
function model(p, count) {
  n = count; parent = new Int32Array(n); below = new Int32Array(n); closed = new Uint8Array(n); vis = new Int32Array(n);
  for (let i = 0; i < n; i++) parent[i] = p(i);
  for (let i = n - 1; i > 0; i--) if (parent[i] >= 0) below[parent[i]] += below[i] + 1;
}
function layout() { nv = 0; for (let i = 0; i < n; i += closed[i] ? below[i] + 1 : 1) vis[nv++] = i; }
/** @param {number} i @param {boolean} close */
function fold(i, close) { if (i < 0 || !below[i] || !!closed[i] === close) return false; closed[i] = close ? 1 : 0; layout(); paint(); return true; }
/** @param {number} i */
function reveal(i) { let any = false; for (let p = parent[i]; p >= 0; p = parent[p]) if (closed[p]) { closed[p] = 0; any = true; } if (any) { layout(); paint(); } }
/** @param {number} i */
const at = i => { let a = 0, b = nv - 1; while (a < b) { const m = (a + b) >> 1; if (vis[m] < i) a = m + 1; else b = m; } return a; };

// ---- the panel
let asked = 0;
/** @param {number} i @param {boolean} [focus] */
async function select(i, focus = true) {
  if (i < 0 || i >= n) return;
  reveal(i); cur = i; show(i, focus);
  const id = ident(i), q = ++asked;
  if (!id || !detail) return;
  try {
    const r = await fetch(detail.dataset.src.replace('ID', id));
    if (q !== asked || !r.ok) return;
    detail.replaceChildren(LL.fragment(await r.text())); detail.scrollTop = 0;
    const u = new URL(location.href); u.searchParams.set('span', r.headers.get('X-Span') || id); history.replaceState(null, '', u);
  } catch { /* the panel stays as it was */ }
}
/** @param {number} d @param {(i: number) => boolean} is */
function jump(d, is) { for (let k = 1; k <= n; k++) { const i = (((cur < 0 && d > 0 ? -1 : cur) + d * k) % n + n) % n; if (is(i)) { select(i); return; } } }
/** @param {number} d */
const step = d => select(vis[Math.max(0, Math.min(nv - 1, (cur < 0 ? -1 : at(cur)) + d))]);

/** @param {any} row */
const index = row => row ? +(row.dataset.i ?? -1) : -1;
body.addEventListener('click', (/** @type {MouseEvent} */ e) => {
  const t = /** @type {Element} */ (e.target), i = index(t.closest('.wf-r'));
  if (i < 0 || e.metaKey || e.ctrlKey) return;
  e.preventDefault();
  if (t.closest('.badge, svg.tree') || (i === cur && below[i] && !t.closest('a'))) fold(i, !closed[i]);
  if (i !== cur) select(i);
});
/** @param {number} i */
const left = i => { if (i >= 0 && !fold(i, true)) select(parent[i] >= 0 ? parent[i] : i); };
/** @param {number} i */
const right = i => { if (i >= 0 && !fold(i, false) && below[i]) step(1); };
body.addEventListener('keydown', (/** @type {KeyboardEvent} */ e) => {
  const i = index(/** @type {Element} */ (e.target).closest('.wf-r'));
  if (i < 0 || e.metaKey || e.ctrlKey || e.altKey) return;
  if (cur !== i) cur = i;
  /** @type {Record<string, () => void>} */
  const keys = {ArrowDown: () => step(1), ArrowUp: () => step(-1), ArrowLeft: () => left(i), ArrowRight: () => right(i), Home: () => select(vis[0]), End: () => select(vis[nv - 1]), Enter: () => select(i), ' ': () => fold(i, !closed[i])};
  if (!keys[e.key]) return;
  e.preventDefault(); keys[e.key]();
});
Object.assign(LL.keys, {
  n: () => jump(1, critical), N: () => jump(-1, critical), e: () => jump(1, failed), E: () => jump(-1, failed), j: () => step(1), k: () => step(-1),
  o: () => { if (cur >= 0) select(cur); detail?.scrollIntoView({block: 'nearest'}); },
});
LL.acts.nexterror = () => jump(1, failed);
LL.acts.critical = (/** @type {any} */ b) => { const on = b.getAttribute('aria-pressed') !== 'true'; b.setAttribute('aria-pressed', String(on)); wf.classList.toggle('only-cp', on); };

// ---- short traces: all rows are in the page
/** @type {any[]} */
const els = $$('.wf-r', body);
function small() {
  model(i => +els[i].dataset.p, els.length);
  els.forEach((el, i) => { el.dataset.i = i; closed[i] = el.getAttribute('aria-expanded') === 'false' ? 1 : 0; if (el.getAttribute('aria-selected') === 'true') cur = i; });
  critical = i => 'cp' in els[i].dataset; failed = i => els[i].classList.contains('err'); ident = i => els[i].dataset.id;
  paint = () => { const on = new Set(vis.subarray(0, nv)); els.forEach((el, i) => { el.hidden = !on.has(i); if (below[i]) el.setAttribute('aria-expanded', String(!closed[i])); }); };
  show = (i, focus) => { for (const el of els) { const on = el === els[i]; el.setAttribute('aria-selected', String(on)); el.tabIndex = on ? 0 : -1; } if (focus) els[i].focus({preventScroll: true}); els[i].scrollIntoView({block: 'nearest'}); };
  layout();
}

// ---- long traces: columns of numbers and as many rows as fit on the screen
/** @param {string} name @param {Record<string, string | number>} [set] @param {Element} [into] */
function svg(name, set = {}, into) { const e = document.createElementNS(NS, name); for (const k in set) e.setAttribute(k, String(set[k])); into?.append(e); return e; }
/** @param {number} us */
function time(us) { const d = (/** @type {number} */ v) => v < 9.995 ? v.toFixed(2) : v < 99.95 ? v.toFixed(1) : v.toFixed(0); return us < 999.5 ? d(us) + ' µs' : us < 999500 ? d(us / 1e3) + ' ms' : d(us / 1e6) + ' s'; }
/** @param {any} d */
function large(d) {
  model(i => d.p[i], d.p.length);
  const S = new Float64Array(n), depth = new Uint16Array(n), errs = new Set(d.errors), gone = new Set(d.missing);
  for (let i = 0, a = 0; i < n; i++) { S[i] = (a += d.s[i]); depth[i] = parent[i] < 0 ? 0 : depth[parent[i]] + 1; if (d.groups[i]) closed[i] = 1; }
  critical = i => !!d.critical[i]; failed = i => errs.has(i); ident = i => gone.has(i) ? '' : '@' + i;
  body.classList.add('virtual'); body.replaceChildren();
  const sizer = svg('svg', {class: 'sizer', width: 1, 'aria-hidden': 'true'}, body);
  /** @type {any[]} */
  const pool = [];
  const rows = Math.ceil(body.clientHeight / H) + 8;
  for (let k = 0; k < rows; k++) {
    const row = document.createElement('div'), name = document.createElement('div'), bar = document.createElement('div'), op = document.createElement('span'), cnt = document.createElement('span'), svc = document.createElement('span');
    row.className = 'wf-r'; row.setAttribute('role', 'row'); name.className = 'wf-n'; name.setAttribute('role', 'gridcell'); bar.className = 'wf-t'; bar.setAttribute('role', 'gridcell'); op.className = 'op'; cnt.className = 'badge warn'; svc.className = 'svc';
    const tree = svg('svg', {class: 'tree', height: H, 'aria-hidden': 'true'}, name), branch = svg('path', {}, tree), sq = svg('svg', {viewBox: '0 0 9 9', 'aria-hidden': 'true'}, name); svg('rect', {width: 9, height: 9, rx: 2.5}, sq);
    name.append(op, cnt, svc);
    const plot = svg('svg', {'aria-hidden': 'true'}, bar), rect = svg('rect', {y: 8, height: 12, rx: 2.5}, plot), path = svg('g', {}, plot), text = svg('text', {class: 'lbl', y: 18}, plot);
    row.append(name, bar); body.append(row); pool.push({row, name, bar, op, cnt, svc, tree, branch, sq, rect, path, text});
  }
  /** @param {number} us */
  const pct = us => us / d.total * PLOT;
  paint = () => {
    sizer.setAttribute('height', String(nv * H)); body.setAttribute('aria-rowcount', String(nv));
    const top = Math.max(0, Math.floor(body.scrollTop / H) - 2);
    for (let j = 0; j < pool.length; j++) {
      const k = top + j, o = pool[k % pool.length];
      if (k >= nv) { o.row.hidden = true; continue; }
      const i = vis[k], c = d.colors[d.v[i]] || 9, level = Math.min(depth[i], 24), x = pct(S[i]), w = Math.max(.1, pct(d.w[i])), fits = x + w < 86 && (x + w < 72 || w < 30), out = x > 14 && w < 30, sel = i === cur;
      o.row.hidden = false; o.row.dataset.i = i; o.row.style.transform = `translateY(${k * H}px)`; o.row.tabIndex = sel || (cur < 0 && k === top) ? 0 : -1;
      o.row.setAttribute('aria-level', String(depth[i] + 1)); o.row.setAttribute('aria-rowindex', String(k + 1)); o.row.setAttribute('aria-selected', String(sel)); o.row.classList.toggle('err', errs.has(i));
      if (below[i]) o.row.setAttribute('aria-expanded', String(!closed[i])); else o.row.removeAttribute('aria-expanded');
      if (d.critical[i]) o.row.dataset.cp = ''; else delete o.row.dataset.cp;
      o.op.textContent = d.names[d.o[i]]; o.op.classList.toggle('bad', errs.has(i)); o.svc.textContent = d.places[d.v[i]]; o.cnt.hidden = !d.groups[i]; o.cnt.textContent = '×' + d.groups[i];
      o.tree.setAttribute('width', 14 + level * 14); o.branch.setAttribute('d', level ? `M${level * 14 - 2} 0V14H${level * 14 + 6}` : 'M0 0'); o.sq.setAttribute('class', 'sq f' + c);
      o.rect.setAttribute('class', gone.has(i) ? 'bar gap' : 'bar k' + c); o.rect.setAttribute('x', x.toFixed(3) + '%'); o.rect.setAttribute('width', w.toFixed(3) + '%');
      o.path.replaceChildren(...(d.critical[i] || []).map((/** @type {number[]} */ s) => svg('rect', {class: 'cp', x: pct(s[0]).toFixed(3) + '%', width: Math.max(.1, pct(s[1])).toFixed(3) + '%', y: 21.5, height: 2})));
      o.text.textContent = time(d.w[i]); o.text.setAttribute('x', (fits || !out ? x + w : x).toFixed(3) + '%'); o.text.setAttribute('dx', fits ? '6' : '-6'); o.text.setAttribute('text-anchor', fits ? 'start' : 'end'); o.text.setAttribute('class', fits || out ? 'lbl' : 'lbl in');
      o.bar.setAttribute('aria-label', `${d.places[d.v[i]]} ${d.names[d.o[i]]}, ${time(d.w[i])}${errs.has(i) ? ', failed' : ''}`);
    }
  };
  show = (i, focus) => {
    const k = at(i);
    if (k * H < body.scrollTop + H) body.scrollTop = Math.max(0, (k - 2) * H); else if ((k + 2) * H > body.scrollTop + body.clientHeight) body.scrollTop = (k + 3) * H - body.clientHeight;
    paint(); if (focus) pool.find(o => !o.row.hidden && +o.row.dataset.i === i)?.row.focus({preventScroll: true});
  };
  let due = false;
  body.addEventListener('scroll', () => { if (!due) { due = true; requestAnimationFrame(() => { due = false; paint(); }); } }, {passive: true});
  layout(); paint();
}

if (wf.dataset.big) {
  try { large(await (await fetch(wf.dataset.big)).json()); } catch { small(); }
} else small();
wf.dataset.ready = '1';
})();
