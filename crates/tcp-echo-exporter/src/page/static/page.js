// Keeps the status page up to date. The page is whole without it.
'use strict';

const SVG = 'http://www.w3.org/2000/svg';
const table = document.getElementById('targets');
const live = document.getElementById('live');

/** Says how it stands with the updates. */
const say = (fresh, text) => {
  document.documentElement.dataset.live = fresh ? 'yes' : 'no';
  if (live.textContent !== text) live.textContent = text;
};

const link = (name) => '?target=' + encodeURIComponent(name);

function make(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

/** A row of the table and the parts of it that change. */
class Row {
  constructor(node) {
    this.node = node;
    this.cells = node.querySelectorAll('td.n');
    this.state = node.querySelector('td.state');
    this.paths = node.querySelectorAll('path');
  }

  static of(id, [name, address, labels]) {
    const node = make('tr');
    node.id = 't' + id;
    const head = make('th');
    head.scope = 'row';
    const anchor = make('a', '', name);
    anchor.href = link(name);
    head.append(anchor);
    if (address !== name) head.append(' ', make('small', '', address));
    for (const [key, value] of labels) head.append(' ', make('small', 'label', key + '=' + value));
    node.append(head, make('td', 'state'), make('td', 'n'), make('td', 'n'), make('td', 'n'),
      make('td', 'n loss'));
    const spark = make('td', 's');
    const svg = document.createElementNS(SVG, 'svg');
    for (const [key, value] of [['viewBox', '0 0 60 40'], ['preserveAspectRatio', 'none'],
      ['aria-hidden', 'true']]) svg.setAttribute(key, value);
    for (const kind of ['line', 'lost']) {
      const path = document.createElementNS(SVG, 'path');
      path.setAttribute('class', kind);
      svg.append(path);
    }
    spark.append(svg);
    node.append(spark);
    return new Row(node);
  }

  update(change) {
    if (this.node.className !== change.health) {
      this.node.className = change.health;
      this.state.textContent = change.health;
    }
    change.cells.forEach((text, index) => {
      const cell = this.cells[index];
      if (cell.textContent !== text) cell.textContent = text;
    });
    if (change.spark) change.spark.forEach((d, index) => this.paths[index].setAttribute('d', d));
  }
}

function overview() {
  const body = table.tBodies[0];
  const search = document.getElementById('search');
  const rows = new Map();
  for (const node of body.rows) rows.set(Number(node.id.slice(1)), new Row(node));
  let stream, heard, retry, order = [];

  /** Puts the rows in their order; only those that are out of place are moved. */
  function arrange() {
    const wanted = new Set(order);
    for (const [id, row] of rows) {
      if (!wanted.has(id)) { row.node.remove(); rows.delete(id); }
    }
    let place = body.firstElementChild;
    for (const id of order) {
      const node = rows.get(id)?.node;
      if (!node) continue;
      if (node === place) { place = place.nextElementSibling; continue; }
      const focused = node.contains(document.activeElement) && document.activeElement;
      body.insertBefore(node, place);
      if (focused) focused.focus({ preventScroll: true });
    }
  }

  function update({ tally, matched, order: sorted, rows: changes }) {
    for (const node of document.querySelectorAll('#tally [data-health]')) {
      const count = node.querySelector('b');
      const text = String(tally[node.dataset.health] ?? 0);
      if (count.textContent !== text) count.textContent = text;
    }
    for (const change of changes) {
      if (!rows.has(change.id) && change.head) rows.set(change.id, Row.of(change.id, change.head));
      rows.get(change.id)?.update(change);
    }
    if (sorted) { order = sorted; arrange(); }
    const text = order.length === matched ? `${matched}`
      : `${order.length} of ${matched}; search to see others`;
    const node = document.getElementById('matched');
    if (node.textContent !== text) node.textContent = text;
  }

  function open() {
    clearTimeout(retry);
    stream?.close();
    const query = new URLSearchParams({ search: search.value, limit: table.dataset.limit });
    stream = new EventSource('api/v1/events?' + query);
    stream.onmessage = (event) => {
      heard = Date.now();
      update(JSON.parse(event.data));
      say(true, 'Live');
    };
    // A stream that ended is opened again by the browser; one that was refused is not.
    stream.onerror = () => {
      if (stream.readyState === EventSource.CLOSED) retry = setTimeout(open, 10_000);
    };
  }

  let typed;
  search.addEventListener('input', () => {
    clearTimeout(typed);
    typed = setTimeout(() => {
      const url = new URL(location.href);
      if (search.value) url.searchParams.set('search', search.value);
      else url.searchParams.delete('search');
      history.replaceState(null, '', url);
      open();
    }, 200);
  });
  search.form.addEventListener('submit', (event) => { event.preventDefault(); open(); });
  // Nobody looks at a page in the background.
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) { clearTimeout(retry); stream?.close(); } else open();
  });
  setInterval(() => {
    if (!document.hidden && heard && Date.now() - heard > 8_000) {
      say(false, 'No updates since ' + new Date(heard).toLocaleTimeString());
    }
  }, 2_000);
  open();
}

/** Shows the values of one step of the picture: under the pointer, or chosen by keys. */
class Steps {
  constructor(figure) {
    this.figure = figure;
    this.image = figure.querySelector('img');
    // Without a choice it is the latest complete step.
    this.chosen = null;
    this.values = make('dl', 'step');
    figure.querySelector('picture').before(this.values);
    this.cursor = make('div', 'cursor');
    this.mark = make('i');
    this.cursor.append(this.mark);
    for (const [key, value] of [['role', 'slider'], ['tabindex', '0'],
      ['aria-label', 'Step of the picture']]) this.cursor.setAttribute(key, value);
    figure.querySelector('picture').append(this.cursor);
    for (const kind of ['pointerdown', 'pointermove']) {
      this.cursor.addEventListener(kind, (event) => this.point(event));
    }
    this.cursor.addEventListener('pointerleave', (event) => {
      // A finger that is lifted leaves what it has chosen.
      if (event.pointerType === 'mouse' && document.activeElement !== this.cursor) this.choose(null);
    });
    this.cursor.addEventListener('blur', () => this.choose(null));
    this.cursor.addEventListener('keydown', (event) => this.press(event));
    this.image.addEventListener('load', () => this.show());
    new ResizeObserver(() => this.show()).observe(this.image);
    this.renew();
  }

  /** Reads the steps from the table, which has the latest first. */
  renew() {
    const { now, span } = this.figure.dataset;
    [this.now, this.span] = [Number(now), Number(span)];
    this.rows = [...document.querySelectorAll('#steps tbody tr')].reverse();
    this.heads = [...document.querySelectorAll('#steps thead th')].map((head) => head.textContent);
    this.show();
  }

  /** When a row's step begins and ends, in seconds after now. */
  static times({ dataset: { begin, end } }) { return [Number(begin), Number(end)]; }

  /** The chosen step stays the same as time passes. */
  get index() {
    const last = this.rows.length - 1;
    if (this.chosen === null) return Math.max(0, last - 1);
    const after = (this.chosen - this.now) / 1_000;
    const index = this.rows.findIndex((row) => Steps.times(row)[1] > after);
    return index < 0 ? last : index;
  }

  choose(index) {
    if (index === null) this.chosen = null;
    else {
      const row = this.rows[Math.max(0, Math.min(index, this.rows.length - 1))];
      const [begin, end] = Steps.times(row);
      this.chosen = this.now + (begin + end) * 500;
    }
    this.show();
  }

  point(event) {
    const { left, width } = this.cursor.getBoundingClientRect();
    const after = ((event.clientX - left) / width - 1) * this.span;
    const index = this.rows.findIndex((row) => Steps.times(row)[1] >= after);
    this.choose(index < 0 ? this.rows.length - 1 : index);
  }

  press(event) {
    const last = this.rows.length - 1;
    const to = {
      ArrowLeft: this.index - 1, ArrowDown: this.index - 1, ArrowRight: this.index + 1,
      ArrowUp: this.index + 1, PageDown: this.index - 6, PageUp: this.index + 6, Home: 0, End: last,
    }[event.key];
    if (event.key === 'Escape') this.choose(null);
    if (to === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    this.choose(to);
  }

  show() {
    const row = this.rows[this.index];
    if (!row) return;
    const [begin, end] = Steps.times(row);
    const texts = [...row.cells].map((cell) => cell.textContent);
    const clock = new Date(this.now + begin * 1_000).toLocaleTimeString();
    texts[0] = `${clock}, ${texts[0]}`;
    if (this.values.children.length !== texts.length) {
      this.values.replaceChildren(...this.heads.map((head) => {
        const pair = make('div');
        pair.append(make('dt', '', head), make('dd'));
        return pair;
      }));
    }
    texts.forEach((text, index) => {
      const value = this.values.children[index].lastChild;
      if (value.textContent !== text) value.textContent = text;
    });
    const spoken = texts.map((text, index) => index ? `${this.heads[index]} ${text}` : text);
    for (const [key, value] of [['valuemin', 0], ['valuemax', this.rows.length - 1],
      ['valuenow', this.index], ['valuetext', spoken.join(', ')]]) {
      this.cursor.setAttribute('aria-' + key, value);
    }
    // The axis in the picture, which may be enlarged.
    const { left, right } = this.figure.dataset;
    const scale = this.image.clientWidth / (this.image.naturalWidth || this.image.clientWidth);
    this.cursor.style.left = left * scale + 'px';
    this.cursor.style.right = right * scale + 'px';
    const from = Math.max(0, 1 + begin / this.span);
    this.mark.style.left = 100 * from + '%';
    this.mark.style.width = 100 * (1 + end / this.span - from) + '%';
    this.mark.hidden = this.chosen === null;
  }
}

/** Shows times by the browser's clock. */
function clocks(node) {
  for (const clock of node.querySelectorAll('[data-at]')) {
    const at = new Date(Number(clock.dataset.at));
    clock.textContent = at.toLocaleTimeString([], { timeStyle: 'short' });
  }
}

/** Renews the view of one target in place. */
function detail() {
  const figure = document.getElementById('plot');
  document.querySelector('.values').open = false;
  const steps = new Steps(figure);
  clocks(document);
  async function renew() {
    if (document.hidden) return;
    try {
      const answer = await fetch(location.href);
      if (!answer.ok) { say(false, 'The target is gone'); return; }
      const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
      clocks(page);
      for (const kind of ['.about', '.facts', '.verdict', '.flows', '.columns']) {
        const [now, next] = [document.querySelector(kind), page.querySelector(kind)];
        if (now && next) now.replaceWith(next);
      }
      const fresh = page.getElementById('plot');
      if (fresh) {
        document.getElementById('steps').replaceWith(page.getElementById('steps'));
        figure.querySelector('figcaption').replaceWith(fresh.querySelector('figcaption'));
        Object.assign(figure.dataset, fresh.dataset);
        steps.renew();
      }
      const image = figure.querySelector('img');
      image.alt = fresh?.querySelector('img').alt ?? image.alt;
      // The new picture takes the place of the old once it is there.
      const url = new URL(image.currentSrc);
      url.searchParams.set('at', Date.now());
      const next = new Image();
      next.src = url;
      await next.decode();
      for (const source of document.querySelectorAll('#plot source')) {
        const set = new URL(source.srcset, location.href);
        set.searchParams.set('at', url.searchParams.get('at'));
        source.srcset = set;
      }
      const own = new URL(image.src);
      own.searchParams.set('at', url.searchParams.get('at'));
      image.src = own;
      say(true, 'Live');
    } catch {
      say(false, 'No updates since ' + new Date().toLocaleTimeString());
    }
  }
  setInterval(renew, 5_000);
  document.addEventListener('visibilitychange', renew);
}

if (table) overview();
else if (document.getElementById('plot')) detail();
