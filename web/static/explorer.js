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
/** What the server makes of an expression: a problem with its place, or the expression well formatted.
 * @param {string} q @returns {Promise<{problem?: string, from: number, to: number, pretty?: string}>} */
const read = async q => (await fetch('/api/ui/promql', {method: 'POST', body: new URLSearchParams({q})})).json();
let asked = 0;
async function check() {
  const n = ++asked, text = box.value;
  /** @type {{problem?: string, from: number, to: number}} */
  let answer = {from: 0, to: 0};
  if (text.trim()) try { answer = await read(text); } catch { return; }
  if (n !== asked) return;
  wrong = answer.problem ? answer : null;
  $('span', problem).textContent = answer.problem || ''; problem.hidden = !answer.problem; $('.where')?.remove();
  box.setAttribute('aria-invalid', String(!!answer.problem)); colour();
}

// ---- completion
/** @type {Map<string, Promise<any>>} */
const answers = new Map();
/** @param {string} url */
const ask = url => { let a = answers.get(url); if (!a) { a = fetch(url).then(r => r.json()).then(j => j.data).catch(() => []); answers.set(url, a); setTimeout(() => answers.delete(url), 60000); } return a; };
const range = () => { const r = $('#range'); return `start=${r.dataset.from}&end=${r.dataset.to}`; };
const group = /^(?:by|without|on|ignoring|group_left|group_right)$/, identifier = /^[A-Za-z_]\w*$/;
/** The first metric that an expression selects. @param {string} text */
function metricOf(text) {
  const open = [];
  let last = '';
  for (const m of text.matchAll(token)) {
    if (m[1] || !m[0].trim()) continue;
    if (m[0] === '(' || m[0] === '{') open.push(m[0] === '{' || group.test(last));
    else if (m[0] === ')' || m[0] === '}') open.pop();
    else if (m[4] && !known.has(m[4]) && !words.has(m[4]) && !open.at(-1)) return m[4];
    last = m[0];
  }
  return '';
}
/** @typedef {{kind: string, word: string, from: number, match?: string, label?: string}} Place */
/** Where the caret is: in the value or the name of a label, in a range, or where an expression goes. @returns {Place} */
function place() {
  const text = box.value.slice(0, box.selectionStart), none = {kind: '', word: '', from: 0};
  /** What is open, with the word before it, and what stands in it since the last comma. @type {{c: string, name: string, at: number, parts: string[]}[]} */
  const open = [{c: '', name: '', at: 0, parts: []}];
  let last = '';
  for (const m of text.matchAll(token)) {
    const s = m[0], from = m.index ?? 0, top = open[open.length - 1], here = from + s.length === text.length;
    if (m[1] ? here : m[2] && here && !/^(["'])(?:[^\\]|\\.)*?\1$|^`[^`]*`$/.test(s) && top.c !== '{') return none;
    if (m[2] && here && !/^"(?:[^"\\]|\\.)*"$/.test(s)) {
      const of = top.parts.join(''), label = /^(.+?)(?:=~|!~|!=|=)$/s.exec(of)?.[1];
      if (!of) return {kind: 'label', word: s.slice(1), from, match: selector(top)};
      return label ? {kind: 'value', word: s.slice(1).replace(/\\(.)/g, '$1'), from: from + 1, match: selector(top), label: label.replace(/^"|"$/g, '')} : none;
    }
    if (m[3] && here && !s.endsWith(']')) { const colon = s.lastIndexOf(':') + 1 || 1; return {kind: 'range', word: s.slice(colon), from: from + colon}; }
    if (m[1] || !s.trim()) continue;
    if (s === '{' || s === '(') open.push({c: s, name: last, at: from, parts: []});
    else if ((s === '}' || s === ')') && open.length > 1) open.pop();
    else if (s === ',') top.parts = [];
    else top.parts.push(s);
    last = s;
  }
  const top = open[open.length - 1], word = /(?:^|[^\w:.])([A-Za-z_:][\w:.]*)$/.exec(text)?.[1] || '', from = text.length - word.length;
  if (top.c === '{') return top.parts.length <= (word ? word.split(/\b/).length : 0) ? {kind: 'label', word, from, match: selector(top)} : none;
  if (top.c === '(' && group.test(top.name)) return {kind: 'label', word, from, match: metricOf(box.value)};
  return {kind: 'expr', word, from};
}
/** The metric that braces belong to, as a selector. @param {{name: string, at: number}} brace */
function selector(brace) {
  if (/^[A-Za-z_:][\w:]*$/.test(brace.name) && !words.has(brace.name)) return brace.name;
  const quoted = /^\{(?:[^}]*,)?\s*("(?:[^"\\]|\\.)+")\s*[,}]/.exec(box.value.slice(brace.at));
  return quoted ? `{${quoted[1]}}` : '';
}
/** What completes a place: the text shown, the text written when it is another, a note, and what follows. @typedef {{t: string, w?: string, note?: string, after?: string}} Offer */
/** @param {Place} at @returns {Promise<Offer[]>} */
async function offers(at) {
  const match = at.match ? '&match[]=' + encodeURIComponent(at.match) : '', low = at.word.toLowerCase();
  /** @type {Offer[]} */
  let all = [];
  if (at.kind === 'range') all = ['1m', '5m', '15m', '30m', '1h', '6h', '1d'].map(t => ({t, after: ']'}));
  if (at.kind === 'label') all = (await ask(`/api/v1/labels?${range()}${match}&limit=1000`) || []).filter((/** @type {string} */ t) => t !== '__name__').map((/** @type {string} */ t) => ({t, w: identifier.test(t) ? t : JSON.stringify(t)}));
  if (at.kind === 'value') all = (await ask(`/api/v1/label/${encodeURIComponent(at.label || '')}/values?${range()}${match}&limit=1000`) || []).map((/** @type {string} */ t) => ({t, w: JSON.stringify(t).slice(1, -1), after: '"'}));
  if (at.kind === 'expr' && at.word) {
    const [names, meta] = await Promise.all([ask(`/api/v1/label/__name__/values?${range()}&limit=40000`), ask('/api/v1/metadata?limit_per_metric=1')]);
    all = functions.map(f => ({t: f.n, note: f.x || f.s, after: f.x === 'aggregation' ? '' : '('}));
    all.push(...(names || []).map((/** @type {string} */ t) => { const m = meta?.[t]?.[0] || meta?.[t.replace(/_(bucket|sum|count|total)$/, '')]?.[0]; return {t, w: /^[A-Za-z_:][\w:]*$/.test(t) ? t : `{${JSON.stringify(t)}}`, note: m ? [m.type, m.unit].filter(Boolean).join(', ') : 'metric'}; }));
  }
  const rank = (/** @type {string} */ t) => { const i = t.toLowerCase().indexOf(low); return i < 0 ? 9 : i === 0 ? 0 : 1; };
  return all.map(o => ({o, r: rank(o.t)})).filter(x => x.r < 9 && (x.o.w || x.o.t) !== at.word).sort((a, b) => a.r - b.r || (low ? a.o.t.length - b.o.t.length : 0) || (a.o.t < b.o.t ? -1 : 1) * (at.kind === 'range' ? 0 : 1)).slice(0, 40).map(x => x.o);
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
    li.addEventListener('pointerdown', e => { e.preventDefault(); take(o, at); });
    /** @type {any} */ (li).take = () => take(o, at);
    return li;
  }));
  list.hidden = !found.length; box.setAttribute('aria-expanded', String(!!found.length));
  if (found.length) box.setAttribute('aria-activedescendant', 'x0'); else hide();
}
/** Writes an offer in place of the word that the caret is in or behind. @param {Offer} o @param {Place} at */
function take(o, at) {
  const rest = box.value.slice(box.selectionStart), tail = at.kind === 'value' ? /^(?:[^"\\\n]|\\.)*(?=")/ : /^[\w:]*/, end = box.selectionStart + (tail.exec(rest)?.[0].length || 0);
  const after = o.after && !box.value.slice(end).startsWith(o.after) ? o.after : '';
  box.setRangeText((o.w || o.t) + after, at.from, end, 'end');
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
  if (e.isComposing) return; // the keys are an input method's
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
  try { const a = await read(box.value); if (a.pretty) { box.value = a.pretty; changed(); } else check(); } catch { /* the server is away, and the page says so */ }
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
old.addEventListener('beforetoggle', (/** @type {ToggleEvent} */ e) => {
  if (e.newState !== 'open') return;
  const b = history.getBoundingClientRect();
  fill(); old.style.top = b.bottom + 4 + 'px'; old.style.right = Math.max(8, document.documentElement.clientWidth - b.right) + 'px';
});
for (const b of LL.$$('[data-chart=result] .legend button')) b.title = b.textContent; // long names are cut
colour();
if (!problem.hidden) check(); // the editor shows where, as it does while one types
LL.keys.e = () => box.focus();
})();
