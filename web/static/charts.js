// @ts-check
// Charts: uPlot for lines and bars, a small canvas for heatmaps. The data is in the page; live updates change its end.
(() => {
'use strict';
/** @type {any} */
const LL = /** @type {any} */ (self).LL, {$, $$, charts, heats} = LL;
/** @type {any} */
const uPlot = /** @type {any} */ (self).uPlot;
const root = document.documentElement;
const probe = document.createElement('i'); probe.hidden = true; document.body.append(probe);
/** @type {Map<string, string>} */
const cache = new Map();
/** A token as a colour that canvas takes. @param {string} n */
const col = n => { let v = cache.get(n); if (!v) { probe.style.color = `var(--${n})`; v = getComputedStyle(probe).color; cache.set(n, v); } return v; };
/** @param {string} c @param {number} a */
const alpha = (c, a) => `color-mix(in srgb, ${c} ${a * 100}%, transparent)`;
/** @param {number} v */
const digits = v => v < 9.995 ? v.toFixed(2) : v < 99.95 ? v.toFixed(1) : v.toFixed(0);
/** The same texts as the server's. @type {Record<string, (v: any) => string>} */
const fmt = {
  ms: v => v == null ? '–' : v < .9995 ? digits(v * 1e3) + ' µs' : v < 999.5 ? digits(v) + ' ms' : v < 6e4 ? digits(v / 1e3) + ' s' : digits(v / 6e4) + ' min',
  rps: v => v == null ? '–' : v === 0 ? '0' : v < .01 ? '<0.01' : v < 999.5 ? digits(v) : v < 999500 ? digits(v / 1e3) + 'k' : digits(v / 1e6) + 'M',
  num: v => v == null ? '–' : v < 0 ? '−' + fmt.num(-v) : v > 0 && v < .01 ? v.toExponential(2) : v >= 999.5e6 ? digits(v / 1e9) + 'G' : fmt.rps(v),
  bytes: v => { if (v == null) return '–'; if (v < 0) return '−' + fmt.bytes(-v); let i = 0; while (v >= 1000 && i < 5) { v /= 1000; i++; } return (i ? digits(v) : v.toFixed(0)) + ' ' + ['B', 'kB', 'MB', 'GB', 'TB', 'PB'][i]; },
  burn: v => v == null ? '–' : fmt.num(v) + '×',
  pct: v => v == null ? '–' : v < 0 ? '−' + fmt.pct(-v) : v === 0 ? '0%' : v < .01 ? '<0.01%' : v < 9.995 ? v.toFixed(2) + '%' : v.toFixed(1) + '%',
};
/** @type {Record<string, (v: number) => string>} */
const axis = {ms: v => v === 0 ? '0' : v < 1 ? +(v * 1e3).toFixed(3) + ' µs' : v >= 1000 ? +(v / 1000).toFixed(3) + ' s' : +v.toFixed(3) + ' ms', rps: v => v >= 1e6 ? +(v / 1e6).toFixed(2) + 'M' : v >= 1000 ? +(v / 1000).toFixed(2) + 'k' : String(+v.toFixed(3)), pct: v => +v.toFixed(3) + '%', burn: v => +v.toFixed(2) + '×', num: v => v < 0 ? '−' + axis.num(-v) : v > 0 && v < .01 ? v.toExponential(1) : v >= 1e9 ? +(v / 1e9).toFixed(2) + 'G' : axis.rps(v), bytes: v => v === 0 ? '0' : fmt.bytes(v)};
/** @param {Intl.DateTimeFormatOptions} o */
const clock = o => { const f = new Intl.DateTimeFormat(undefined, {hour12: false, timeZone: LL.zone, ...o}); return (/** @type {number} */ s) => f.format(s * 1000); };
const seconds = clock({hour: '2-digit', minute: '2-digit', second: '2-digit'}), minutes = clock({hour: '2-digit', minute: '2-digit'}), days = clock({day: 'numeric', month: 'short'}), moment = clock({day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit'});
/** @param {number} width */
const timeFmt = width => width > 2 * 86400 ? days : width < 600 ? seconds : minutes;
const tip = document.createElement('div'); tip.className = 'tip'; tip.hidden = true; tip.setAttribute('aria-hidden', 'true'); document.body.append(tip);
const FONT = '11px Geist, system-ui, sans-serif';

/** @param {any} el */
function make(el) {
  const script = $('script', el), box = $('.plot', el);
  if (!script || !box) return;
  const spec = JSON.parse(script.textContent), S = spec.series;
  /** @type {any} */
  const st = {spec, el, box};
  const xs = () => spec.y.length ? spec.y[0].map((/** @type {any} */ _, /** @type {number} */ i) => spec.t0 + i * spec.step) : [];
  const shown = () => {
    const x = xs();
    if (!spec.stack) return [x, ...spec.y];
    let acc = new Array(x.length).fill(0);
    return [x, ...spec.y.map((/** @type {number[]} */ y, /** @type {number} */ i) => S[i].off ? acc : (acc = acc.map((a, j) => a + (y[j] || 0))))];
  };
  st.build = () => {
    const c = S.map((/** @type {any} */ s) => col(s.c)), ink = col('ink-3');
    st.u?.destroy(); $('.ssr', box)?.remove();
    st.u = new uPlot({
      width: box.clientWidth, height: box.clientHeight, padding: [6, spec.lines?.length ? 76 : 6, 0, 0],
      cursor: {sync: {key: 't'}, drag: {x: true, y: false, setScale: false}, y: false, points: {show: !spec.stack, size: 7, width: 2, fill: () => col('surface'), stroke: (/** @type {any} */ _, /** @type {number} */ i) => c[i - 1]}, bind: {dblclick: () => () => { if (!spec.fixed) $('#r-wider')?.click(); return null; }}},
      legend: {show: false},
      scales: {x: {time: true, range: (/** @type {any} */ u, /** @type {number} */ a, /** @type {number} */ b) => spec.stack ? [a - spec.step / 2, b + spec.step / 2] : [a, b]}, y: {range: (/** @type {any} */ u, /** @type {number} */ lo, /** @type {number} */ hi) => [Math.max(Math.min(0, (lo || 0) * 1.12), spec.least ?? -Infinity), Math.min(Math.max((hi || 0) * 1.12, spec.floor || 0, spec.unit === 'num' ? 1e-9 : 1e-3), spec.most ?? Infinity)]}},
      axes: [
        {stroke: ink, font: FONT, size: 24, gap: 4, grid: {show: false}, ticks: {show: false}, space: 76, values: (/** @type {any} */ u, /** @type {number[]} */ vs) => { const f = timeFmt(u.scales.x.max - u.scales.x.min); return vs.map(v => { const x = u.valToPos(v, 'x'); return x < 14 || x > u.over.clientWidth - 12 ? '' : f(v); }); }},
        {stroke: ink, font: FONT, size: 54, gap: 6, grid: {stroke: col('line'), width: 1}, ticks: {show: false}, space: 34, values: (/** @type {any} */ u, /** @type {(number | null)[]} */ vs) => vs.map(v => v == null ? '' : axis[spec.unit](v))},
      ],
      series: [{}, ...S.map((/** @type {any} */ s, /** @type {number} */ i) => ({label: s.l, stroke: spec.stack ? undefined : c[i], width: 1.6, dash: spec.dash?.includes(i) ? [4, 4] : undefined, spanGaps: false, show: spec.stack || !s.off, points: {show: !spec.stack && lonely(spec.y[i])}, fill: spec.stack ? c[i] : s.area ? alpha(c[i], .13) : undefined, paths: spec.stack ? uPlot.paths.bars({size: [.72, 14], radius: 0}) : uPlot.paths.linear()}))],
      bands: spec.stack ? S.slice(1).map((/** @type {any} */ _, /** @type {number} */ i) => ({series: [i + 2, i + 1]})) : [],
      tzDate: (/** @type {number} */ s) => uPlot.tzDate(new Date(s * 1e3), LL.zone),
      hooks: {drawClear: [(/** @type {any} */ u) => zones(u, spec)], draw: [(/** @type {any} */ u) => marks(u, spec)], setCursor: [(/** @type {any} */ u) => hover(u, st)], setSelect: [(/** @type {any} */ u) => brush(u, spec)]},
    }, shown(), box);
    st.u.over.addEventListener('mouseleave', () => { tip.hidden = true; });
    let down = 0;
    st.u.over.addEventListener('mousedown', (/** @type {MouseEvent} */ e) => { down = e.clientX; });
    st.u.over.addEventListener('click', (/** @type {MouseEvent} */ e) => { if (st.ex && spec.link && Math.abs(e.clientX - down) < 4) location.href = spec.link.replace('ID', st.ex.id); });
  };
  /** A message: all columns, or those from a moment on. @param {any} m */
  st.push = m => {
    if (!m.from || m.y.length !== spec.y.length || m.step !== spec.step) Object.assign(spec, {t0: m.t0, step: m.step, y: m.y, ex: m.ex, open: m.open});
    else {
      const drop = Math.max(0, Math.round((m.t0 - spec.t0) / spec.step)), keep = Math.round((m.from - m.t0) / spec.step);
      spec.y = spec.y.map((/** @type {number[]} */ y, /** @type {number} */ i) => y.slice(drop, drop + keep).concat(m.y[i]));
      spec.ex = (spec.ex || []).filter((/** @type {any} */ e) => e.t >= m.t0 && e.t < m.from).concat(m.ex || []);
      spec.t0 = m.t0; spec.open = m.open;
    }
    $('.none', box)?.remove();
    requestAnimationFrame(() => { st.u.setData(shown()); legend(st); if (el.classList.contains('tabled')) table(st); });
  };
  st.build(); legend(st);
  new ResizeObserver(() => { if (box.clientWidth) st.u.setSize({width: box.clientWidth, height: box.clientHeight}); }).observe(box);
  charts.set(el, st);
  $$('.legend button', el).forEach((/** @type {HTMLElement} */ b, /** @type {number} */ i) => b.addEventListener('click', () => {
    S[i].off = !S[i].off; b.setAttribute('aria-pressed', String(!S[i].off));
    if (spec.stack) st.u.setData(shown()); else st.u.setSeries(i + 1, {show: !S[i].off});
  }));
}
/** A line of single points between gaps would not be seen. @param {any[]} y */
function lonely(y) { return y.filter(v => v != null).length < 3; }
/** The newest complete value, a few steps back where requests are rare. @param {any[]} y @param {boolean} open */
function latest(y, open) { const n = y.length - (open ? 2 : 1); for (let j = n; j >= 0 && j >= n - Math.max(y.length / 10, 2); j--) if (y[j] != null) return y[j]; return null; }
/** @param {any} st */
function legend(st) {
  const {spec} = st;
  $$('.legend button', st.el).forEach((/** @type {any} */ b, /** @type {number} */ i) => {
    const y = spec.y[i], t = fmt[spec.unit](latest(y, spec.open)), n = $('b', b);
    if (n.textContent !== t) n.textContent = t;
    if (spec.stack) b.hidden = i > 0 && !y.some((/** @type {number} */ x) => x > 0);
  });
}
/** @param {any} u @param {any} spec */
function brush(u, spec) {
  if (u.select.width <= 8) return;
  if (spec.fixed) { u.setSelect({width: 0, left: 0}, false); return; }
  const a = u.posToVal(u.select.left, 'x'), b = u.posToVal(u.select.left + u.select.width, 'x');
  u.setSelect({width: 0, left: 0}, false);
  LL.go({from: Math.floor(a), to: Math.ceil(Math.max(b, a + 60)), range: null, cursor: null});
}
/** What is behind the lines: incidents as tinted stretches. @param {any} u @param {any} spec */
function zones(u, spec) {
  const {left, top, width, height} = u.bbox;
  for (const z of spec.zones || []) {
    const a = Math.max(left, u.valToPos(z.from, 'x', true)), b = Math.min(left + width, Math.max(u.valToPos(z.to, 'x', true), a + 2 * devicePixelRatio));
    if (b > a) { u.ctx.fillStyle = alpha(col(z.c), .13); u.ctx.fillRect(a, top, b - a, height); }
  }
}
/** Thresholds, with their names in the right margin. @param {any} u @param {any} spec */
function levels(u, spec) {
  const c = u.ctx, {left, top, width, height} = u.bbox, r = devicePixelRatio;
  let free = Infinity;
  c.save(); c.font = `500 ${11 * r}px Geist, sans-serif`; c.textBaseline = 'middle'; c.textAlign = 'left'; c.lineWidth = r;
  for (const l of (spec.lines || []).toSorted((/** @type {any} */ p, /** @type {any} */ q) => p.v - q.v)) {
    const y = Math.round(u.valToPos(l.v, 'y', true)); if (y < top || y > top + height) continue;
    c.strokeStyle = c.fillStyle = col(l.c); c.setLineDash([5 * r, 4 * r]); c.beginPath(); c.moveTo(left, y); c.lineTo(left + width, y); c.stroke(); c.setLineDash([]);
    if (y < free - 11 * r) { c.fillText(l.l, left + width + 6 * r, y); free = y; }
  }
  c.restore();
}
/** @param {any} u @param {any} spec */
function marks(u, spec) {
  levels(u, spec);
  const c = u.ctx, {left, top, width, height} = u.bbox, r = devicePixelRatio;
  c.save(); c.beginPath(); c.rect(left, top, width, height); c.clip();
  if (spec.open && spec.y.length) { // the last step has not ended
    const x = u.valToPos(spec.t0 + (spec.y[0].length - (spec.stack ? 1.5 : 2)) * spec.step, 'x', true);
    c.fillStyle = alpha(col('surface'), .55); c.fillRect(x, top, left + width - x, height);
  }
  c.font = `500 ${10.5 * r}px Geist, sans-serif`;
  const ends = [0, 0]; // two lines of labels, each up to where it is taken; who finds no room has only its line
  for (const m of (spec.marks || []).toSorted((/** @type {any} */ p, /** @type {any} */ q) => p.t - q.t)) {
    const x = Math.round(u.valToPos(m.t, 'x', true)); if (x < left || x > left + width) continue;
    c.strokeStyle = c.fillStyle = col('accent'); c.lineWidth = r; c.setLineDash([3 * r, 3 * r]); c.beginPath(); c.moveTo(x, top); c.lineTo(x, top + height); c.stroke(); c.setLineDash([]);
    const w = c.measureText(m.l).width, from = x + 5 * r + w < left + width ? x + 5 * r : x - 5 * r - w, line = ends.findIndex(e => e < from);
    if (line >= 0) { c.textAlign = 'left'; c.fillText(m.l, from, top + (11 + 13 * line) * r); ends[line] = from + w + 6 * r; }
  }
  for (const e of spec.ex || []) {
    const [x, y] = place(u, e, true); if (x < left || x > left + width) continue;
    const q = 3.4 * r; c.beginPath(); c.moveTo(x, y - q); c.lineTo(x + q, y); c.lineTo(x, y + q); c.lineTo(x - q, y); c.closePath();
    c.fillStyle = e.err ? col('err') : col('surface'); c.strokeStyle = e.err ? col('err') : col('p99'); c.lineWidth = 1.4 * r; c.fill(); c.stroke();
  }
  c.restore();
}
/** Where an exemplar is drawn: at the edge when it is off the scale. @param {any} u @param {any} e @param {boolean} [px] */
function place(u, e, px) { const r = px ? devicePixelRatio : 1, top = px ? u.bbox.top : 0; return [u.valToPos(e.t, 'x', px), Math.max(top + 5 * r, u.valToPos(e.v, 'y', px))]; }
/** @param {any} u @param {any} st */
function hover(u, st) {
  const {idx, left, top} = u.cursor, {spec} = st;
  if (idx == null || left < 0 || !u.over.matches(':hover')) { if (!$('.u-over:hover')) tip.hidden = true; return; }
  st.ex = (spec.ex || []).map((/** @type {any} */ e) => { const [x, y] = place(u, e); return {...e, d: Math.hypot(x - left, y - top), dx: Math.abs(x - left)}; }).filter((/** @type {any} */ e) => e.d < 14 || e.dx < 5).sort((/** @type {any} */ a, /** @type {any} */ b) => a.d - b.d)[0];
  u.over.style.cursor = st.ex ? 'pointer' : 'crosshair';
  const rows = spec.series.map((/** @type {any} */ s, /** @type {number} */ i) => ({s, v: spec.y[i][idx]})).filter((/** @type {any} */ r) => !r.s.off && !(spec.stack && !r.v)).reverse();
  const t = document.createElement('time'); t.textContent = (spec.step >= 3600 ? moment : seconds)(spec.t0 + idx * spec.step);
  tip.replaceChildren(t, ...rows.map((/** @type {any} */ r) => row(r.s.c, r.s.l, fmt[spec.unit](r.v))));
  if (st.ex) { const e = document.createElement('em'); e.textContent = `${st.ex.err ? 'failed, ' : ''}${fmt.ms(st.ex.v)} → open trace`; tip.append(e); }
  else if (!spec.fixed) { const e = document.createElement('span'); e.textContent = spec.ex?.length ? 'drag to zoom · click ◇ for a trace' : 'drag to zoom'; tip.append(e); }
  tip.hidden = false;
  const b = u.over.getBoundingClientRect(), w = tip.offsetWidth, h = tip.offsetHeight;
  let X = b.left + left + 16; if (X + w > innerWidth - 8) X = b.left + left - w - 16;
  tip.style.left = Math.max(8, X) + 'px'; tip.style.top = Math.max(8, Math.min(innerHeight - h - 8, b.top + top - h / 2)) + 'px';
}
/** @param {string} c @param {string} l @param {string} v */
function row(c, l, v) { const d = document.createElement('div'), i = document.createElement('i'), s = document.createElement('span'), b = document.createElement('b'); i.style.color = `var(--${c})`; s.textContent = l; b.textContent = v; d.append(i, s, b); return d; }

// ---- a chart as a table, for who cannot or does not want to see it
/** @param {any} st */
function table(st) {
  const {spec, el} = st, t = document.createElement('table'), used = spec.series.map((/** @type {any} */ _, /** @type {number} */ i) => i).filter((/** @type {number} */ i) => !spec.stack || i === 0 || spec.y[i].some((/** @type {number} */ v) => v > 0));
  t.className = 'tbl tight short';
  /** @param {string} tag @param {(string | Node)[]} list @param {HTMLElement} into */
  const line = (tag, list, into) => { const tr = document.createElement('tr'); list.forEach((x, i) => { const c = document.createElement(tag); if (tag === 'th') c.setAttribute('scope', 'col'); if (i) c.className = 'num'; c.append(x); tr.append(c); }); into.append(tr); };
  const links = new Map((spec.ex || []).map((/** @type {any} */ e) => [e.t, e])), head = t.createTHead(), body = t.createTBody();
  line('th', ['Time', ...used.map((/** @type {number} */ i) => spec.series[i].l), ...(links.size ? ['Example'] : [])], head);
  for (let j = (spec.y[0]?.length || 0) - 1; j >= 0; j--) {
    const at = spec.t0 + j * spec.step, cells = [(spec.step >= 3600 ? moment : seconds)(at), ...used.map((/** @type {number} */ i) => fmt[spec.unit](spec.y[i][j]))];
    if (links.size) { const e = links.get(at); if (e) { const a = document.createElement('a'); a.className = 'under'; a.href = spec.link.replace('ID', e.id); a.textContent = fmt.ms(e.v); cells.push(/** @type {any} */ (a)); } else cells.push(''); }
    line('td', cells, body);
  }
  const box = $('.astable', el); box.tabIndex = 0; box.setAttribute('role', 'region'); box.setAttribute('aria-label', $('h2', el).textContent + ' as table'); box.replaceChildren(t);
}
LL.acts.table = (/** @type {any} */ b) => {
  const el = b.closest('.chart'), st = charts.get(el), on = el.classList.toggle('tabled');
  b.setAttribute('aria-pressed', String(on)); $('.astable', el).hidden = !on;
  if (st && on) table(st); else if (st) st.u.setSize({width: st.box.clientWidth, height: st.box.clientHeight});
};

// ---- heatmap: duration over time
/** @param {any} el */
function heat(el) {
  const script = $('script', el), cv = $('canvas', el), ax = $('.hax', el), sel = $('.hsel', el);
  if (!script || !cv) return;
  let h = JSON.parse(script.textContent);
  const link = h.link;
  const paint = () => {
    cv.width = Math.max(1, h.cols); cv.height = Math.max(1, h.rows);
    const c = cv.getContext('2d'), base = col('p95'); c.clearRect(0, 0, h.cols, h.rows);
    (h.v || []).forEach((/** @type {number} */ v, /** @type {number} */ i) => { if (v) { c.fillStyle = alpha(base, .07 + .93 * Math.sqrt(v / 99)); c.fillRect(i % h.cols, h.rows - 1 - Math.floor(i / h.cols), 1, 1); } });
    for (const t of $$('.tx', ax)) t.remove();
    const f = timeFmt(h.cols * h.step);
    if (h.step) for (const [share, anchor] of [[0, 'start'], [.33, 'middle'], [.67, 'middle'], [1, 'end']]) {
      const t = document.createElementNS('http://www.w3.org/2000/svg', 'text'), b = cv.getBoundingClientRect(), p = ax.getBoundingClientRect();
      t.setAttribute('class', 'tx'); t.setAttribute('x', String(b.left - p.left + b.width * +share)); t.setAttribute('y', String(p.height + 16)); t.setAttribute('text-anchor', String(anchor)); t.textContent = f(h.t0 + h.cols * h.step * +share); ax.append(t);
    }
  };
  paint(); heats.set(el, (/** @type {any} */ m) => { h = {...m, link}; $('.none', el)?.remove(); paint(); });
  addEventListener('ll:theme', () => requestAnimationFrame(paint)); new ResizeObserver(paint).observe(cv);
  if (!link) return;
  /** @type {{x: number, y: number} | null} */
  let from = null;
  /** @param {PointerEvent} e */
  const at = e => { const b = cv.getBoundingClientRect(); return {x: Math.max(0, Math.min(1, (e.clientX - b.left) / b.width)), y: Math.max(0, Math.min(1, (e.clientY - b.top) / b.height))}; };
  /** @param {{x: number, y: number}} a @param {{x: number, y: number}} b */
  const grid = (a, b) => ({c0: Math.floor(Math.min(a.x, b.x) * h.cols), c1: Math.max(1, Math.ceil(Math.max(a.x, b.x) * h.cols)), r0: Math.floor((1 - Math.max(a.y, b.y)) * h.rows), r1: Math.max(1, Math.ceil((1 - Math.min(a.y, b.y)) * h.rows))});
  cv.addEventListener('pointerdown', (/** @type {PointerEvent} */ e) => { from = at(e); cv.setPointerCapture(e.pointerId); });
  cv.addEventListener('pointermove', (/** @type {PointerEvent} */ e) => {
    if (!from) return;
    const q = grid(from, at(e)), b = cv.getBoundingClientRect(), p = cv.parentElement.getBoundingClientRect();
    sel.hidden = false; Object.assign(sel.style, {left: b.left - p.left + q.c0 / h.cols * b.width + 'px', width: (q.c1 - q.c0) / h.cols * b.width + 'px', top: b.top - p.top + (1 - q.r1 / h.rows) * b.height + 'px', height: (q.r1 - q.r0) / h.rows * b.height + 'px'});
  });
  cv.addEventListener('pointerup', (/** @type {PointerEvent} */ e) => {
    if (!from) return;
    const q = grid(from, at(e)), u = new URL(link, location.href), s = u.searchParams, dur = (/** @type {number} */ r) => +(h.low * h.ratio ** r).toPrecision(4) + 'ms';
    from = null; if (!h.ratio || !h.step) return;
    s.delete('range'); s.set('from', String(h.t0 + q.c0 * h.step)); s.set('to', String(h.t0 + q.c1 * h.step));
    s.set('q', [s.get('q'), `duration >= ${dur(q.r0)}`, `duration <= ${dur(q.r1)}`].filter(Boolean).join(' AND ')); location.assign(u);
  });
}

LL.make = make;
$$('[data-chart]').forEach(make);
$$('[data-heat]').forEach(heat);
const rebuild = () => { cache.clear(); charts.forEach((/** @type {any} */ c) => c.build()); };
addEventListener('ll:theme', rebuild);
matchMedia('(prefers-color-scheme:dark)').addEventListener('change', () => { if (root.dataset.theme === 'auto') dispatchEvent(new Event('ll:theme')); });
document.fonts.ready.then(() => charts.forEach((/** @type {any} */ c) => c.u.redraw(false)));
})();
