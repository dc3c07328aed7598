'use strict';
// Terminals in panes. The server keeps each screen, and sends the lines that have
// changed; this shows them, says when it has, and sends what is typed.

const special = new Set(['Enter', 'Tab', 'Backspace', 'Escape', 'ArrowUp', 'ArrowDown', 'ArrowRight', 'ArrowLeft',
  'Insert', 'Delete', 'Home', 'End', 'PageUp', 'PageDown', 'F1', 'F2', 'F3', 'F4', 'F5', 'F6', 'F7', 'F8', 'F9', 'F10', 'F11', 'F12']);

// control is what a letter types with the Ctrl key: https://en.wikipedia.org/wiki/C0_and_C1_control_codes.
function control(key) {
  if (key === ' ') return '\0';
  const code = key.toUpperCase().charCodeAt(0);
  return key.length === 1 && code >= 64 && code < 96 ? String.fromCharCode(code - 64) : '';
}

function part(tag, name, text) {
  const e = document.createElement(tag);
  e.className = name;
  if (text) e.textContent = text;
  return e;
}

function button(name, does) {
  const b = part('button', '', name);
  b.type = 'button';
  b.addEventListener('click', does);
  return b;
}

// color sets one: a number is the theme's, by its class.
function color(e, what, value) {
  if (!value) return;
  if (value[0] === '#') e.style[what === 'front' ? 'color' : 'backgroundColor'] = value;
  else e.classList.add(what + value);
}

function span(s) {
  if (!s.front && !s.back && !s.style && !s.width) return document.createTextNode(s.text);
  const e = part('span', '', s.text);
  let front = s.front, back = s.back;
  if ((s.style || '').includes('r')) {
    [front, back] = [back, front];
    e.classList.add('reversed');
  }
  color(e, 'front', front);
  color(e, 'back', back);
  for (const letter of s.style || '') e.classList.add('is-' + letter);
  if (s.width) {
    e.classList.add('wide');
    e.style.width = s.width + 'ch';
  }
  return e;
}

class Pane {
  constructor(id, title, container, kind) {
    this.rows = [];
    this.root = part('article', 'pane');
    this.root.setAttribute('aria-label', title);
    const head = part('header', '');
    this.stop = button('End', () => this.close());
    head.append(part('strong', 'pane-title', title), part('span', 'pane-state', ''),
      button('Copy', () => this.copy()), button('Paste', () => this.clipboard()), this.stop);
    this.screen = part('div', 'screen');
    this.lines = part('div', 'lines');
    this.cursor = part('div', 'cursor');
    // What is typed goes here: browsers offer paste and input methods where there is a field.
    this.field = document.createElement('textarea');
    this.field.setAttribute('aria-label', 'Type into ' + title + '. Shift and Escape leave it.');
    for (const name of ['autocapitalize', 'autocomplete', 'autocorrect']) this.field.setAttribute(name, 'off');
    this.field.spellcheck = false;
    this.ruler = part('span', 'ruler', 'M'.repeat(10));
    this.screen.append(this.lines, this.cursor, this.field, this.ruler);
    this.root.append(head, this.screen);
    document.getElementById('panes').append(this.root);
    document.getElementById('panes').hidden = false;
    this.listen();
    const size = this.size();
    const query = new URLSearchParams({ id, container, kind, columns: size.columns, rows: size.rows });
    this.socket = new WebSocket(new URL('session?' + query, location.href.replace(/^http/, 'ws')));
    this.socket.onmessage = (event) => this.message(JSON.parse(event.data));
    this.socket.onclose = () => this.ended('the connection is lost: is hybrid view still running?');
    this.watch = new ResizeObserver(() => this.resize());
    this.watch.observe(this.screen);
    this.sent = JSON.stringify(size);
    this.field.focus();
  }

  send(what) { if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(what)); }

  // size is how many letters there is room for.
  size() {
    const letter = this.ruler.getBoundingClientRect();
    return {
      columns: Math.max(2, Math.floor((this.screen.clientWidth - 12) / (letter.width / 10))),
      rows: Math.max(2, Math.floor((this.screen.clientHeight - 8) / letter.height)),
    };
  }

  resize() {
    const size = this.size(), text = JSON.stringify(size);
    if (text === this.sent) return;
    this.sent = text;
    this.send({ size });
  }

  message(m) {
    if (m.end !== undefined) { this.ended(m.end); return; }
    while (this.rows.length > m.rows) this.rows.pop().remove();
    while (this.rows.length < m.rows) {
      const row = part('div', 'row');
      this.rows.push(row);
      this.lines.append(row);
    }
    for (const y in m.lines) this.rows[y]?.replaceChildren(...m.lines[y].map(span));
    this.cursor.hidden = !m.cursor;
    if (m.cursor) {
      this.cursor.style.left = `calc(6px + ${m.cursor[0]}ch)`;
      this.cursor.style.top = `calc(4px + ${m.cursor[1]} * var(--row))`;
    }
    this.root.querySelector('.pane-state').textContent = m.back ? `${m.back} lines back` : '';
    this.root.dataset.frames = Number(this.root.dataset.frames || 0) + 1; // for the tests
    requestAnimationFrame(() => this.send({ drawn: true }));
  }

  ended(why) {
    if (this.over) return;
    this.over = true;
    this.root.classList.add('over');
    this.root.querySelector('.pane-state').textContent = '✕ ' + why;
    this.cursor.hidden = true;
    this.stop.textContent = 'Close';
  }

  close() {
    this.over = true;
    this.watch.disconnect();
    this.socket.close();
    this.root.remove();
    const panes = document.getElementById('panes');
    panes.hidden = !panes.firstElementChild;
  }

  selected() {
    const s = getSelection();
    return s.rangeCount && this.screen.contains(s.getRangeAt(0).commonAncestorContainer) ? s.toString() : '';
  }

  // copy copies what is selected, or the whole screen.
  copy() {
    const text = this.selected() || this.rows.map((r) => r.textContent).join('\n').trimEnd();
    navigator.clipboard.writeText(text).catch(() => getSelection().selectAllChildren(this.lines));
  }

  async clipboard() {
    try { this.paste(await navigator.clipboard.readText()); } catch { /* the browser has said so */ }
    this.field.focus();
  }

  paste(text) { if (text) this.send({ paste: text }); }

  listen() {
    const f = this.field;
    f.addEventListener('keydown', (event) => this.key(event));
    f.addEventListener('input', (event) => {
      if (event.isComposing) return;
      if (event.inputType === 'insertLineBreak') { // keyboards on glass have no Enter key
        if (!this.entered) this.send({ key: 'Enter' });
      } else if (f.value) this.send({ text: f.value });
      this.entered = false;
      f.value = '';
    });
    f.addEventListener('compositionend', () => {
      if (f.value) this.send({ text: f.value });
      f.value = '';
    });
    f.addEventListener('paste', (event) => {
      event.preventDefault();
      this.paste(event.clipboardData.getData('text'));
    });
    this.screen.addEventListener('mouseup', () => { if (!this.selected()) f.focus(); });
    this.screen.addEventListener('wheel', (event) => {
      event.preventDefault();
      this.send({ scroll: Math.sign(-event.deltaY) * 3 });
    }, { passive: false });
  }

  key(event) {
    event.stopPropagation();
    if (event.isComposing || event.metaKey) return;
    const key = event.key, combined = event.ctrlKey && !event.altKey;
    if (key === 'Escape' && event.shiftKey) { this.stop.focus(); event.preventDefault(); return; }
    if (combined && key.toLowerCase() === 'v') return; // the browser pastes
    if (combined && key.toLowerCase() === 'c' && (event.shiftKey || this.selected())) {
      this.copy();
      getSelection().removeAllRanges();
      this.field.focus();
    } else if (event.shiftKey && (key === 'PageUp' || key === 'PageDown')) {
      this.send({ scroll: (key === 'PageUp' ? 1 : -1) * Math.max(1, this.rows.length - 1) });
    } else if (special.has(key)) {
      this.entered = key === 'Enter';
      this.send({ key, shift: event.shiftKey });
    } else if (combined && control(key)) {
      this.send({ text: control(key) });
    } else if (event.altKey && !event.ctrlKey && key.length === 1) {
      this.send({ text: '\x1b' + key });
    } else return; // letters come as input
    event.preventDefault();
  }
}

// sessions shows what can be run in a pod's containers.
function sessions(id, title, all) {
  return all.map((s) => {
    const line = part('div', 'session');
    line.append(part('span', 'session-container', s.container), ...s.kinds.map((kind) => {
      const b = button({ shell: 'Shell', psql: 'psql', logs: 'Logs' }[kind], () => new Pane(id, `${title.replace(/^pod /, '')} · ${s.container} · ${kind}`, s.container, kind));
      b.dataset.kind = kind;
      b.setAttribute('aria-label', `${b.textContent} of container ${s.container}`);
      return b;
    }));
    return line;
  });
}
