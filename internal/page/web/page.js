'use strict';
// The server draws. It sends which elements of the picture are new, which have
// changed and how, and which have gone; this puts them into the page.

const $ = (id) => document.getElementById(id);
const picture = $('picture'), about = $('about');
const elements = new Map(); // by ID
let current = null;         // what the Tab key reaches in the picture
let chosen = null;          // the ID of what is told about
let latest = 0;             // when the server was heard of
let problems = '', changes = '';

function apply(scene) {
  const size = `0 0 ${scene.width} ${scene.height}`;
  if (picture.getAttribute('viewBox') !== size) {
    picture.setAttribute('viewBox', size);
    picture.setAttribute('width', scene.width);
    picture.setAttribute('height', scene.height);
  }
  for (const id of scene.remove || []) {
    const e = elements.get(id);
    if (!e) continue;
    if (e === current) current = null;
    e.remove();
    elements.delete(id);
  }
  for (const change of scene.put || []) {
    let e = elements.get(change.id);
    const made = !e;
    if (made) {
      e = document.createElementNS('http://www.w3.org/2000/svg', change.tag);
      e.id = change.id;
      elements.set(change.id, e);
    }
    for (const name in change.attrs) {
      if (change.attrs[name] === '') e.removeAttribute(name);
      else e.setAttribute(name, change.attrs[name]);
    }
    // A group has elements in it, and no text.
    if (e.tagName !== 'g' && e.textContent !== (change.text || '') && !e.firstElementChild) e.textContent = change.text || '';
    if (made) (elements.get(change.in) || picture).append(e);
  }
  if (!current) reach(picture.querySelector('.pick'));
}

// reach makes one thing in the picture what the Tab key reaches: with hundreds of
// them nobody would get past it.
function reach(e) {
  if (current) current.setAttribute('tabindex', '-1');
  current = e;
  if (current) current.setAttribute('tabindex', '0');
}

// beside finds the nearest thing in a direction.
function beside(from, x, y) {
  const a = from.getBoundingClientRect();
  const ax = a.left + a.width / 2, ay = a.top + a.height / 2;
  let best = null, least = Infinity;
  for (const e of picture.querySelectorAll('.pick')) {
    const b = e.getBoundingClientRect();
    const dx = b.left + b.width / 2 - ax, dy = b.top + b.height / 2 - ay;
    const along = dx * x + dy * y, across = Math.abs(dx * y) + Math.abs(dy * x);
    if (e === from || along < 1) continue;
    const far = along + 2.5 * across;
    if (far < least) { least = far; best = e; }
  }
  return best;
}

function element(tag, text, name) {
  const e = document.createElement(tag);
  e.textContent = text;
  if (name) e.className = name;
  return e;
}

// command shows a command with a button that copies it.
function command(text) {
  const line = element('div', '', 'command');
  const button = element('button', 'Copy');
  button.type = 'button';
  button.setAttribute('aria-label', 'Copy ' + text);
  button.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = 'Copied';
    } catch {
      getSelection().selectAllChildren(code);
      button.textContent = 'Selected';
    }
  });
  const code = element('code', text);
  line.append(button, code);
  return line;
}

// tell says more about what was picked. What was picked last counts, whichever answer
// comes last.
async function tell(id, move) {
  const mark = (on) => elements.get(chosen)?.setAttribute('aria-expanded', on);
  if (chosen !== id) mark('false');
  chosen = id;
  mark('true');
  const answer = await fetch('about?id=' + encodeURIComponent(id));
  const what = answer.ok ? await answer.json() : null;
  if (chosen !== id) return;
  if (!what) { close(); return; }
  const text = JSON.stringify(what);
  if (about.dataset.text !== text) { // or a button would lose the focus
    about.dataset.text = text;
    about.querySelector('h2').textContent = what.title;
    about.querySelector('.lines').replaceChildren(...what.lines.map((l) => element('li', l)));
    about.querySelector('.sessions').replaceChildren(...sessions(id, what.title, what.sessions || []));
    about.querySelector('.commands').replaceChildren(...what.commands.flatMap((c) => {
      const dd = element('dd', '');
      dd.append(command(c.text));
      return [element('dt', c.does), dd];
    }));
  }
  about.hidden = false;
  if (move) about.querySelector('h2').focus();
}

function close() {
  if (!chosen) return;
  about.hidden = true;
  const e = elements.get(chosen);
  e?.setAttribute('aria-expanded', 'false');
  chosen = null;
  if (e) { reach(e); e.focus(); }
}

function show(message) {
  const start = performance.now();
  apply(message.scene);
  const n = (message.problems || []).length;
  const health = $('health');
  const text = message.healthy ? '✓ all healthy' : `✗ ${n} problem${n === 1 ? '' : 's'}`;
  if (health.textContent !== text) {
    health.textContent = text;
    health.className = message.healthy ? 'well' : 'bad';
  }
  const title = (message.healthy ? '✓ ' : '✗ ') + (message.stack || 'Hybrid cloud');
  if (document.title !== title) document.title = title;
  if ($('summary').textContent !== message.summary) $('summary').textContent = message.summary;
  $('time').textContent = new Date(message.time).toLocaleTimeString();
  const list = JSON.stringify(message.problems || []);
  if (list !== problems) {
    problems = list;
    $('problems').hidden = n === 0;
    $('problems').querySelector('ol').replaceChildren(...(message.problems || []).map((p) => {
      const li = element('li', p.text);
      if (p.command) li.append(command(p.command));
      return li;
    }));
  }
  const changed = message.changes || [], news = JSON.stringify(changed);
  if (news !== changes) {
    changes = news;
    $('changes').hidden = changed.length === 0;
    $('changes').querySelector('summary').textContent = `${changed.length} change${changed.length === 1 ? '' : 's'} in the last hour`;
    const clock = (t) => new Date(t).toLocaleTimeString();
    $('changes').querySelector('ol').replaceChildren(...changed.map((c) =>
      element('li', clock(c.time) + '  ' + c.text + (c.until ? ` (over at ${clock(c.until)})` : ''))));
  }
  if (message.services) {
    names = message.services;
    showServices();
  } else if (lit || $('namespace').value) light();
  latest = Date.now();
  // For the tests: how long this took, in milliseconds, and the how-manieth it was.
  const root = document.documentElement.dataset;
  root.took = (performance.now() - start).toFixed(1);
  root.updates = Number(root.updates || 0) + 1;
  if (chosen) tell(chosen, false);
}

picture.addEventListener('click', (event) => {
  const e = event.target.closest('.pick');
  if (e) { reach(e); tell(e.id, true); }
});
picture.addEventListener('keydown', (event) => {
  const e = event.target.closest('.pick');
  const arrow = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key];
  if (!e || event.altKey || event.ctrlKey || event.metaKey) return;
  if (arrow) {
    const next = beside(e, ...arrow);
    if (next) { reach(next); next.focus(); }
  } else if (event.key === 'Enter' || event.key === ' ') {
    tell(e.id, true);
  } else return;
  event.preventDefault();
});
document.addEventListener('keydown', (event) => { if (event.key === 'Escape') close(); });
$('close').addEventListener('click', close);

// What a name leads to is lit, in all clouds, and the rest is faint.
let names = [], lit = null;

function showServices() {
  const chosen = $('namespace').value;
  const spaces = [...new Set(names.map((s) => s.namespace))].sort();
  $('services').hidden = names.length === 0;
  $('namespace').replaceChildren(...['', ...spaces].map((n) => {
    const o = element('option', n || 'all');
    o.value = n;
    o.selected = n === chosen;
    return o;
  }));
  $('services').querySelector('.names').replaceChildren(...names.filter((s) => !chosen || s.namespace === chosen).map((s) => {
    const id = s.namespace + '/' + s.name, li = element('li', ''), b = element('button', s.name);
    b.type = 'button';
    b.title = id;
    b.setAttribute('aria-pressed', lit === id);
    b.addEventListener('click', () => {
      lit = lit === id ? null : id;
      showServices();
      $('services').querySelector(`button[title="${CSS.escape(id)}"]`)?.focus();
    });
    li.append(b);
    return li;
  }));
  light();
}

// light marks what a service leads to, and what isn't of the namespace. The server draws
// without that, so it is done after each update.
function light() {
  const service = names.find((s) => s.namespace + '/' + s.name === lit), space = $('namespace').value;
  for (const e of picture.querySelectorAll('.lit, .faint')) e.classList.remove('lit', 'faint');
  if (service) {
    const ends = new Set(service.endpoints.map((e) => (elements.has(e.pod) ? e.pod : e.node)));
    for (const e of picture.querySelectorAll('.pod')) e.classList.add(ends.has(e.id) ? 'lit' : 'faint');
    for (const id of ends) elements.get(id)?.classList.add('lit');
  }
  if (space) {
    for (const e of picture.querySelectorAll('.pod:not(.lit)')) {
      if (e.id.split('/')[1] !== space) e.classList.add('faint');
    }
  }
  const text = !service ? '' : `${lit}, known in ${service.clusters.join(', ')}, leads to ` +
    (service.endpoints.map((e) => e.text + (e.ready ? '' : ' (not ready)')).join(', ') || 'no pod');
  if ($('path').textContent !== text) $('path').textContent = text;
}

$('namespace').addEventListener('change', showServices);

// A phone gets a picture of its own.
const phone = matchMedia('(max-width: 700px)');
let events = null;

function connect() {
  events?.close();
  events = new EventSource(phone.matches ? 'events?narrow' : 'events');
  events.onopen = () => { // the server sends everything anew
    picture.replaceChildren();
    elements.clear();
    current = null;
  };
  events.onmessage = (event) => show(JSON.parse(event.data));
  events.onerror = () => {
    $('health').textContent = '✗ the command that shows this page does not answer';
    $('health').className = 'bad';
  };
}

phone.addEventListener('change', connect);
connect();
