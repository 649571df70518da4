// @ts-check
// The editor of PromQL: colours, completion at the caret, errors as one types, format, earlier expressions.
(() => {
'use strict';
/** @type {any} */
const LL = /** @type {any} */ (self).LL, {$} = LL;
/** @type {HTMLTextAreaElement} */
const box = $('#expr');
if (!box) return;
const paint = $('#expr-h'), list = $('#expr-l'), problem = $('#expr-p'), form = /** @type {HTMLFormElement} */ (box.form);
/** @type {{n: string, s: string, x?: string}[]} */
const functions = JSON.parse($('#promql-functions').textContent || '[]') || [];
const known = new Set(functions.map(f => f.n)), words = new Set(['by', 'without', 'on', 'ignoring', 'group_left', 'group_right', 'bool', 'offset', 'and', 'or', 'unless', 'atan2']);
const token = /(#.*)|("(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?|`[^`]*`?)|(\[[^\]]*\]?)|([A-Za-z_:][\w:]*)|(\d[\w.]*)|([^])/g;
/** @type {{from: number, to: number} | null} */
let wrong = null;

// ---- colours, drawn below the text
function colour() {
  const text = box.value, out = document.createDocumentFragment();
  let at = 0;
  for (const m of text.matchAll(token)) {
    const s = document.createElement('span'), from = m.index ?? 0;
    s.textContent = m[0];
    s.className = m[1] ? 'c' : m[2] ? 's' : m[3] ? 'd' : m[4] ? known.has(m[4]) ? 'f' : words.has(m[4]) ? 'k' : '' : m[5] ? 'd' : '';
    if (wrong && from < wrong.to && from + m[0].length > wrong.from) s.classList.add('bad');
    out.append(s); at = from + m[0].length;
  }
  if (wrong && wrong.from >= at) { const s = document.createElement('span'); s.className = 'bad'; s.textContent = ' '; out.append(s); }
  out.append('\n'); paint.replaceChildren(out);
  box.style.height = 'auto'; box.style.height = box.scrollHeight + 'px';
}

// ---- what is wrong, said when typing stops
let asked = 0;
async function check() {
  const n = ++asked, text = box.value;
  let answer = null;
  if (text.trim()) try { answer = await (await fetch('/api/v1/parse_query', {method: 'POST', body: new URLSearchParams({query: text})})).json(); } catch { return; }
  if (n !== asked) return;
  wrong = null;
  if (answer?.status === 'error') {
    const m = /(?:(\d+):)?(\d+): parse error: ([^]*)/.exec(answer.error);
    if (m) {
      const line = +(m[1] || 1), from = text.split('\n').slice(0, line - 1).reduce((a, l) => a + l.length + 1, 0) + +m[2] - 1;
      wrong = {from, to: from + Math.max(1, (/^[\w:.]+/.exec(text.slice(from))?.[0].length || 1))};
    }
    $('span', problem).textContent = m ? m[3] : answer.error;
  }
  problem.hidden = answer?.status !== 'error'; $('.where')?.remove();
  box.setAttribute('aria-invalid', String(!problem.hidden)); colour();
}

// ---- completion
/** @type {Map<string, Promise<any>>} */
const answers = new Map();
/** @param {string} url */
const ask = url => { let a = answers.get(url); if (!a) { a = fetch(url).then(r => r.json()).then(j => j.data).catch(() => []); answers.set(url, a); setTimeout(() => answers.delete(url), 60000); } return a; };
const range = () => { const r = $('#range'); return `start=${r.dataset.from}&end=${r.dataset.to}`; };
/** Where the caret is: in a string of a matcher, among labels, or where an expression goes. @returns {{kind: string, word: string, from: number, metric: string, label?: string}} */
function place() {
  const text = box.value.slice(0, box.selectionStart), word = /[\w:.]*$/.exec(text)?.[0] || '';
  const open = text.lastIndexOf('{'), inside = open > text.lastIndexOf('}'), metric = inside ? /([A-Za-z_:][\w:]*)\s*$/.exec(text.slice(0, open))?.[1] || '' : '';
  if (inside) {
    const rest = text.slice(open + 1), v = /([\w.]+|"[^"]*")\s*(?:=~|!~|!=|=)\s*"([^"]*)$/.exec(rest);
    if (v) return {kind: 'value', word: v[2], from: text.length - v[2].length, metric, label: v[1].replaceAll('"', '')};
    if ((rest.match(/"/g) || []).length % 2) return {kind: '', word, from: 0, metric};
    return {kind: 'label', word, from: text.length - word.length, metric};
  }
  if (/\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*$/.test(text)) return {kind: 'label', word, from: text.length - word.length, metric: /([A-Za-z_:][\w:]*)\s*(?:\{[^}]*\})?\s*\[/.exec(box.value)?.[1] || ''};
  if (/\[[^\]]*$/.test(text)) return {kind: 'range', word: /[^[]*$/.exec(text)?.[0] || '', from: text.lastIndexOf('[') + 1, metric};
  return {kind: 'expr', word, from: text.length - word.length, metric};
}
/** @param {{kind: string, word: string, metric: string, label?: string}} at @returns {Promise<{t: string, note?: string, after?: string}[]>} */
async function offers(at) {
  const match = at.metric ? '&match[]=' + encodeURIComponent(at.metric) : '', low = at.word.toLowerCase();
  /** @type {{t: string, note?: string, after?: string}[]} */
  let all = [];
  if (at.kind === 'range') all = ['1m', '5m', '15m', '30m', '1h', '6h', '1d'].map(t => ({t, after: ']'}));
  if (at.kind === 'label') all = (await ask(`/api/v1/labels?${range()}${match}&limit=1000`) || []).filter((/** @type {string} */ t) => t !== '__name__').map((/** @type {string} */ t) => ({t: /^[A-Za-z_]\w*$/.test(t) ? t : JSON.stringify(t)}));
  if (at.kind === 'value') all = (await ask(`/api/v1/label/${encodeURIComponent(at.label || '')}/values?${range()}${match}&limit=1000`) || []).map((/** @type {string} */ t) => ({t: t.replace(/["\\]/g, '\\$&'), after: '"'}));
  if (at.kind === 'expr' && at.word) {
    const [names, meta] = await Promise.all([ask(`/api/v1/label/__name__/values?${range()}&limit=40000`), ask('/api/v1/metadata?limit_per_metric=1')]);
    all = functions.map(f => ({t: f.n, note: f.x || f.s, after: f.x === 'aggregation' ? '' : '('}));
    all.push(...(names || []).map((/** @type {string} */ t) => { const m = meta?.[t]?.[0] || meta?.[t.replace(/_(bucket|sum|count|total)$/, '')]?.[0]; return {t: /^[A-Za-z_:][\w:]*$/.test(t) ? t : `{${JSON.stringify(t)}}`, note: m ? [m.type, m.unit].filter(Boolean).join(', ') : 'metric'}; }));
  }
  const rank = (/** @type {string} */ t) => { const i = t.toLowerCase().indexOf(low); return i < 0 ? 9 : i === 0 ? 0 : 1; };
  return all.map(o => ({o, r: rank(o.t)})).filter(x => x.r < 9 && x.o.t !== at.word).sort((a, b) => a.r - b.r || a.o.t.length - b.o.t.length).slice(0, 40).map(x => x.o);
}
const hide = () => { list.hidden = true; box.setAttribute('aria-expanded', 'false'); box.removeAttribute('aria-activedescendant'); };
let turn = 0;
async function complete() {
  const n = ++turn, at = place(), found = at.kind ? await offers(at) : [];
  if (n !== turn || document.activeElement !== box) return;
  list.replaceChildren(...found.map((o, i) => {
    const li = document.createElement('li'), t = document.createElement('span'), x = document.createElement('span');
    li.id = 'x' + i; li.setAttribute('role', 'option'); li.setAttribute('aria-selected', String(i === 0));
    t.textContent = o.t; t.className = 'cut'; x.textContent = o.note || ''; x.className = 'dim cut'; li.append(t, x);
    li.addEventListener('pointerdown', e => { e.preventDefault(); take(o, at.from); });
    /** @type {any} */ (li).take = () => take(o, at.from);
    return li;
  }));
  list.hidden = !found.length; box.setAttribute('aria-expanded', String(!!found.length));
  if (found.length) box.setAttribute('aria-activedescendant', 'x0'); else hide();
}
/** @param {{t: string, after?: string}} o @param {number} from */
function take(o, from) {
  const end = box.selectionStart, rest = box.value.slice(end), after = o.after && !rest.startsWith(o.after) ? o.after : '';
  box.setRangeText(o.t + after, from, end, 'end');
  hide(); changed();
}
/** @param {number} d */
function move(d) {
  const all = [...list.children], i = all.findIndex(l => l.getAttribute('aria-selected') === 'true'), next = all[(i + d + all.length) % all.length];
  all[i]?.setAttribute('aria-selected', 'false'); next.setAttribute('aria-selected', 'true'); next.scrollIntoView({block: 'nearest'}); box.setAttribute('aria-activedescendant', next.id);
}
/** @type {ReturnType<typeof setTimeout>} */
let idle;
function changed() { wrong = null; colour(); clearTimeout(idle); idle = setTimeout(check, 400); }
box.addEventListener('input', () => { changed(); complete(); });
box.addEventListener('blur', () => setTimeout(hide, 150));
box.addEventListener('keydown', e => {
  const open = !list.hidden;
  if (open && (e.key === 'ArrowDown' || e.key === 'ArrowUp')) move(e.key === 'ArrowDown' ? 1 : -1);
  else if (open && (e.key === 'Tab' || e.key === 'Enter') && !e.shiftKey && !e.ctrlKey && !e.metaKey) /** @type {any} */ ($('[aria-selected=true]', list))?.take();
  else if (open && e.key === 'Escape') hide();
  else if (e.key === 'Enter' && !e.shiftKey) form.requestSubmit();
  else if (e.key === ' ' && e.ctrlKey) complete();
  else return;
  e.preventDefault();
});

// ---- format, and earlier expressions with the starred first
const format = $('#expr-f'), old = $('#expr-old'), history = $('#expr-r');
format.hidden = history.hidden = false;
format.addEventListener('click', async () => {
  try { const a = await (await fetch('/api/v1/format_query', {method: 'POST', body: new URLSearchParams({query: box.value})})).json(); if (a.status === 'success') { box.value = a.data; changed(); } else check(); } catch { check(); }
});
/** @returns {{q: string, star?: boolean}[]} */
const load = () => { try { return JSON.parse(localStorage.getItem('ll_promql') || '[]'); } catch { return []; } };
/** @param {{q: string, star?: boolean}[]} all */
const save = all => { try { localStorage.setItem('ll_promql', JSON.stringify(all.filter((x, i) => x.star || i < 40))); } catch { /* private window */ } };
if (box.value.trim() && problem.hidden) { const all = load(), q = box.value.trim(), was = all.find(x => x.q === q); save([{q, star: was?.star}, ...all.filter(x => x.q !== q)]); }
function fill() {
  const all = load().sort((a, b) => +!!b.star - +!!a.star);
  old.replaceChildren(...all.map(x => {
    const row = document.createElement('div'), a = document.createElement('a'), b = document.createElement('button'), u = new URL(location.href);
    u.searchParams.set('q', x.q); row.className = 'row'; a.href = u.href; a.textContent = x.q; a.className = 'mono cut grow';
    b.type = 'button'; b.className = 'btn sm'; b.textContent = x.star ? '★' : '☆'; b.setAttribute('aria-label', (x.star ? 'Unstar ' : 'Star ') + x.q);
    b.addEventListener('click', () => { save(load().map(y => y.q === x.q ? {...y, star: !y.star} : y)); fill(); });
    row.append(a, b); return row;
  }));
  if (!all.length) old.textContent = 'No expressions yet';
}
old.addEventListener('beforetoggle', fill);
colour();
LL.keys.e = () => box.focus();
})();
