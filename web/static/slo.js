// @ts-check
// The pages of objectives: the form's preview while one types, and a name that is asked for once.
(() => {
'use strict';
/** @type {any} */
const LL = /** @type {any} */ (self).LL, {$, $$} = LL;

// ---- who writes is remembered
const who = 'll_author';
for (const f of $$('[data-author]')) {
  try { if (!f.value) f.value = localStorage.getItem(who) || ''; } catch { /* private window */ }
  f.addEventListener('change', () => { try { localStorage.setItem(who, f.value); } catch { /* private window */ } });
}

// ---- what is about to change is looked at again
const again = $('[data-again]'), tries = 'll_again ' + location.pathname, most = 20;
/** How often the page has looked in this tab; without a memory it is not looked at again. */
const tried = () => { try { return +(sessionStorage.getItem(tries) || 0); } catch { return most; } };
/** Whether somebody reads or writes here, and would lose the place. */
const busy = () => document.hidden || $('dialog[open]') || (document.activeElement && document.activeElement !== document.body) || !(getSelection()?.isCollapsed ?? true);
if (again) {
  const timer = setInterval(() => {
    const n = tried();
    if (n >= most) { clearInterval(timer); return; }
    if (busy()) return;
    try { sessionStorage.setItem(tries, String(n + 1)); } catch { return; }
    location.reload();
  }, +again.dataset.again * 1000);
} else {
  try { sessionStorage.removeItem(tries); } catch { /* private window */ }
}

// ---- the form
const form = $('#slo'), preview = $('#preview');
if (!form || !preview) return;
const field = (/** @type {string} */ name) => form.elements[name];
/** Fields that the kind of indicator, or the policy, has no use for are hidden. */
function show() {
  for (const f of $$('[data-only]', form)) {
    const only = f.dataset.only.split(' ').filter(Boolean), values = [field('kind')?.value, field('window')?.value, field('alert')?.value];
    f.hidden = only.length > 0 && !values.some(v => only.includes(v));
  }
}
/** Texts that come with the preview go below their fields. */
function hints() {
  for (const p of $$('[data-hint]', form)) {
    const name = p.id.replace(/-hint$/, ''), h = $(`[data-hint-for="${CSS.escape(name)}"]`, preview), bad = h?.dataset.bad === '1', text = h ? h.textContent : p.dataset.hint;
    if (p.textContent !== text) p.textContent = text;
    p.classList.toggle('bad', bad); p.classList.toggle('dim', !bad);
    if (bad) field(name)?.setAttribute('aria-invalid', 'true'); else field(name)?.removeAttribute?.('aria-invalid');
  }
}
/** @type {ReturnType<typeof setTimeout>} */
let wait;
/** @type {AbortController | undefined} */
let asking;
async function ask() {
  asking?.abort();
  const turn = asking = new AbortController(), data = new URLSearchParams(/** @type {any} */ (new FormData(form)));
  data.set('do', 'part'); preview.setAttribute('aria-busy', 'true');
  try {
    const res = await fetch(form.action, {method: 'POST', body: data, signal: turn.signal});
    if (!res.ok) throw new Error(String(res.status));
    const html = await res.text();
    if (turn !== asking) return;
    const opened = !!$('details[open]', preview);
    for (const c of $$('[data-chart]', preview)) { LL.charts.get(c)?.u.destroy(); LL.charts.delete(c); }
    preview.replaceChildren(LL.fragment(html));
    const yaml = $('details', preview); if (yaml && opened) yaml.open = true;
    $$('[data-chart]', preview).forEach(LL.make);
    hints();
  } catch { /* a newer question, or the server is away: what there is stays */ }
  if (turn === asking) preview.removeAttribute('aria-busy');
}
const soon = () => { clearTimeout(wait); wait = setTimeout(ask, 150); };
form.addEventListener('input', (/** @type {Event} */ e) => { show(); if (!(/** @type {HTMLElement} */ (e.target).matches('[data-author]'))) soon(); });
show(); hints();

// ---- a slider over the usual objectives
const target = field('objective'), usual = ['90%', '95%', '98%', '99%', '99.5%', '99.8%', '99.9%', '99.95%', '99.98%', '99.99%', '99.995%', '99.999%'];
if (target) {
  const s = document.createElement('input'), number = (/** @type {string} */ t) => parseFloat(t) || 0;
  s.type = 'range'; s.min = '0'; s.max = String(usual.length - 1); s.setAttribute('aria-label', 'Objective among the usual ones');
  const place = () => { const v = number(target.value); s.value = String(usual.reduce((best, u, i) => Math.abs(number(u) - v) < Math.abs(number(usual[best]) - v) ? i : best, 0)); s.setAttribute('aria-valuetext', target.value); };
  s.addEventListener('input', () => { target.value = usual[+s.value]; s.setAttribute('aria-valuetext', target.value); });
  target.addEventListener('input', place); target.after(s); place();
}
})();
