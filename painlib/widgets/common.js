// What the widgets share: elements, keys, the link to Python, and an image that zooms and is moved.

const AHEAD = [0, 1, 2, -1, 3, 4, -2, 5, 6]; // which neighbours are fetched, in this order
const KEPT = 12; // places on either side whose images stay in memory
const PATIENCE_MS = 6000; // without an answer from Python for so long the page says so

function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && name !== "list") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

// The letter or digit of a key on any layout (and with an input method on): what it types, else where it is.
function nameKey(event) {
  if (/^[\x21-\x7e]$/.test(event.key)) return event.key.toLowerCase();
  const place = /^(?:Key|Digit|Numpad)([A-Z0-9])$/.exec(event.code || "");
  return place ? place[1].toLowerCase() : event.key;
}

// All keys pressed inside `root` end here. What all widgets do by a key is done here; `first` and `own` are asked
// before and after it (`own` not while a key is held down), and say whether they used one. Lab leaves alone what
// carries the attribute; stopping the event keeps it from any other listener.
function takeKeys(root, { go, undo, viewport, fit = "0", first = () => false, own }) {
  const handle = (key, event) => {
    if (first(key, event)) return true;
    if (["ArrowRight", " ", "Enter"].includes(key)) event.repeat || go("next", event);
    else if (key === "ArrowLeft") go("previous", event);
    else if (zoomKey(key, viewport, fit) || event.repeat || own(key, event)) return true;
    else if (key === "u" || key === "undo") undo();
    else if (key === "g") go("open", event);
    else return false;
    return true;
  };
  root.tabIndex = 0;
  root.setAttribute("data-lm-suppress-shortcuts", "true");
  const take = (event) => {
    event.stopPropagation();
    if (event.type !== "keydown" || event.key === "Tab") return;
    if (event.altKey) return;
    if (event.ctrlKey || event.metaKey) {
      if (nameKey(event) === "z" && handle("undo", event)) event.preventDefault();
      if (nameKey(event) === "s") event.preventDefault(); // every step is saved; not the browser's dialog
      return;
    }
    if (handle(nameKey(event), event) || event.key.length === 1 || event.key === "Backspace") {
      event.preventDefault(); // neither scrolling nor quick search
    }
  };
  for (const kind of ["keydown", "keypress", "keyup"]) root.addEventListener(kind, take, true);
  // Buttons and sliders never keep the focus: the keys stay those of the whole widget.
  root.addEventListener("pointerup", () => root.focus({ preventScroll: true }), true);
  root.addEventListener("pointerdown", (event) => {
    if (document.activeElement !== root) root.focus({ preventScroll: true });
    event.stopPropagation();
  });
}

function formatTime(seconds) {
  if (seconds === null || seconds === undefined) return "";
  const minutes = Math.round(seconds / 60);
  if (minutes < 1) return "less than a minute left";
  if (minutes < 60) return `about ${minutes} min left`;
  return `about ${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min left`;
}

// Steps go to Python one by one and are shown at once; what Python answers to the last of them counts.
class Link {
  constructor(model, hooks) {
    this.model = model;
    this.hooks = hooks;
    this.places = model.get("places");
    this.view = Math.random().toString(36).slice(2);
    this.position = 0;
    this.answers = [];
    this.done = 0;
    this.secondsLeft = null;
    this.fault = "";
    this.sent = 0;
    this.heard = 0;
    this.items = new Map();
    this.asked = new Set();
    this.listen = (message, buffers) => this.receive(message, buffers);
    model.on("msg:custom", this.listen);
    model.send({ kind: "hello", view: this.view, step: 0 });
    this.waitForAnswer();
  }

  get ready() {
    return this.answers.length > 0;
  }

  close() {
    clearTimeout(this.timer);
    this.model.off("msg:custom", this.listen);
    for (const item of this.items.values()) item.image?.close?.();
    this.items.clear();
  }

  step(does, more = {}) {
    this.sent += 1;
    this.model.send({ kind: "step", view: this.view, step: this.sent, do: does, place: this.position, ...more });
    this.waitForAnswer();
  }

  // To the next, the previous or an open place; which one is open only Python knows.
  move(does) {
    const place = this.position;
    this.step(does);
    if (does === "next") this.position = Math.min(place + 1, this.places - 1);
    if (does === "previous") this.position = Math.max(place - 1, 0);
    this.fetch();
  }

  waitForAnswer() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.fault = "No answer from Python: this step may not be saved. Is the kernel running? Run the cell again.";
      this.hooks.told();
    }, PATIENCE_MS);
  }

  receive(message, buffers) {
    if (message.kind === "item") this.receiveItem(message, buffers);
    if (message.kind !== "state") return;
    const mine = message.view === this.view;
    if (mine) this.heard = message.step;
    this.done = message.done;
    this.secondsLeft = message.seconds_left;
    this.fault = message.fault;
    if (this.heard >= this.sent) {
      clearTimeout(this.timer);
      if (mine || this.ready) {
        for (const [place, answer] of message.answers) this.answers[place] = answer;
        if (this.ready) this.position = message.position;
      }
      this.fetch();
    }
    this.hooks.told();
  }

  async receiveItem(message, buffers) {
    this.asked.delete(message.place);
    if (message.fault) {
      this.items.set(message.place, { fault: message.fault });
    } else {
      const image = await createImageBitmap(new Blob([buffers[0]], { type: "image/jpeg" })).catch(() => null);
      const item = image ? { image, ...this.hooks.unpack(message, buffers) } : { fault: "This image cannot be shown." };
      this.items.set(message.place, item);
    }
    if (message.place === this.position) this.hooks.shown();
  }

  // Ask for what is missing near the place shown, and forget what is far away.
  fetch() {
    for (const [place, item] of this.items) {
      if (Math.abs(place - this.position) > KEPT) {
        item.image?.close?.();
        this.items.delete(place);
      }
    }
    const wanted = AHEAD.map((by) => this.position + by).filter(
      (place) => place >= 0 && place < this.places && !this.items.has(place) && !this.asked.has(place),
    );
    if (!wanted.length) return;
    for (const place of wanted) this.asked.add(place);
    this.model.send({ kind: "items", places: wanted });
  }
}

// A canvas that shows an image at 1 to `most` times; wheel, drag and buttons zoom and move it.
class Viewport {
  constructor(canvas, { most, paint, click, grab }) {
    Object.assign(this, { canvas, most, paint, click, grab });
    this.size = [1, 1]; // of the image
    this.reset();
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    canvas.addEventListener("pointerdown", (event) => this.press(event));
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(canvas);
  }

  close() {
    this.observer.disconnect();
  }

  reset() {
    this.zoom = 1;
    this.centre = [0.5, 0.5];
  }

  // Where the image lies on the canvas, CSS px.
  get rectangle() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const scale = Math.min(width / this.size[0], height / this.size[1]) * this.zoom;
    const [w, h] = [this.size[0] * scale, this.size[1] * scale];
    const within = (centre, side, whole) =>
      side <= whole ? (whole - side) / 2 : Math.min(0, Math.max(whole - side, whole / 2 - centre * side));
    return { x: within(this.centre[0], w, width), y: within(this.centre[1], h, height), w, h };
  }

  // Shares of the image's sides (0 to 1 inside it) under the pointer, and back.
  toImage(event) {
    const box = this.canvas.getBoundingClientRect();
    const { x, y, w, h } = this.rectangle;
    return [(event.clientX - box.left - x) / w, (event.clientY - box.top - y) / h];
  }

  toCanvas([shareX, shareY]) {
    const { x, y, w, h } = this.rectangle;
    return [x + shareX * w, y + shareY * h];
  }

  zoomBy(factor, at = null) {
    const before = at ? this.toImage(at) : this.centre;
    this.zoom = Math.min(this.most, Math.max(1, this.zoom * factor));
    if (this.zoom === 1) this.centre = [0.5, 0.5];
    else if (at) {
      const box = this.canvas.getBoundingClientRect();
      const { w, h } = this.rectangle;
      this.centre = [
        before[0] + (this.canvas.clientWidth / 2 - (at.clientX - box.left)) / w,
        before[1] + (this.canvas.clientHeight / 2 - (at.clientY - box.top)) / h,
      ];
    }
    this.settle();
  }

  // The centre that is really shown, so that moving back starts at once.
  settle() {
    const { x, y, w, h } = this.rectangle;
    this.centre = [(this.canvas.clientWidth / 2 - x) / w, (this.canvas.clientHeight / 2 - y) / h];
    this.draw();
  }

  wheel(event) {
    // Without the focus the wheel is the notebook's.
    if (document.activeElement !== this.canvas.closest(".plw")) return;
    event.preventDefault();
    event.stopPropagation();
    this.zoomBy(Math.exp(-Math.sign(event.deltaY) * Math.min(Math.abs(event.deltaY), 120) * 0.002), event);
  }

  press(event) {
    this.canvas.setPointerCapture(event.pointerId);
    // The click that gives the focus does nothing else.
    const cold = document.activeElement !== this.canvas.closest(".plw");
    const start = [event.clientX, event.clientY];
    const centre = this.centre;
    const held = event.button === 0 ? this.grab?.(event) : null;
    let moved = false;
    const follow = (now) => {
      const [dx, dy] = [now.clientX - start[0], now.clientY - start[1]];
      moved = moved || Math.hypot(dx, dy) > 4;
      if (!moved) return;
      if (held) held.move(now);
      else {
        const { w, h } = this.rectangle;
        this.centre = [centre[0] - dx / w, centre[1] - dy / h];
        this.draw();
      }
    };
    const release = (now) => {
      for (const kind of ["pointermove", "pointerup", "pointercancel"]) {
        this.canvas.removeEventListener(kind, kind === "pointermove" ? follow : release);
      }
      if (!moved) {
        if (now.type === "pointerup" && event.button === 0 && !cold) this.click?.(now);
      } else if (held) held.drop(now);
      else this.settle();
    };
    this.canvas.addEventListener("pointermove", follow);
    this.canvas.addEventListener("pointerup", release);
    this.canvas.addEventListener("pointercancel", release);
  }

  draw() {
    const { canvas } = this;
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(canvas.clientWidth * ratio), Math.round(canvas.clientHeight * ratio)];
    if (!width || !height) return;
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    context.imageSmoothingEnabled = true;
    context.imageSmoothingQuality = "high";
    this.paint(context, this.rectangle);
  }
}

// Milliseconds from `start` to the moment the browser has drawn the image of `place`, kept for whoever asks.
function measureSwitch(root, start, place) {
  requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => {
      if (start !== null) root.dataset.switchMs = String(performance.now() - start);
      root.dataset.shown = String(place);
    };
    channel.port2.postMessage(null);
  });
}

// Draw the image of the place shown, or say why there is none; whether it was drawn.
function showItem(parts, link, viewport, asked) {
  const item = link.items.get(link.position);
  parts.note.textContent = item?.fault ?? (item || !link.ready ? "" : "Loading …");
  if (item?.image) viewport.size = [item.image.width, item.image.height];
  viewport.draw();
  if (item?.image) measureSwitch(parts.root, asked, link.position);
  return Boolean(item?.image);
}

function keyCap(text) {
  return make("kbd", { textContent: text });
}

// Header, canvas and foot, the same in all widgets.
function makeFrame(el, what) {
  const root = make("div", { className: "plw" });
  const parts = {
    root,
    title: make("span", { className: "plw-title", textContent: what }),
    count: make("span", { className: "plw-count" }),
    bar: make("span", { className: "plw-bar" }, make("span")),
    left: make("span", { className: "plw-left" }),
    saved: make("span", { className: "plw-saved", role: "status" }),
    canvas: make("canvas", { className: "plw-canvas" }),
    badge: make("div", { className: "plw-badge", textContent: "Click here: then the keys work" }),
    note: make("div", { className: "plw-note" }),
    zoomed: make("output", { className: "plw-zoomed", textContent: "1.0×" }),
  };
  const full = make("button", {
    className: "plw-full",
    type: "button",
    tabIndex: -1,
    title: "Whole screen (Esc ends it)",
    "aria-label": "Whole screen",
    onclick: () => (document.fullscreenElement ? document.exitFullscreen() : root.requestFullscreen?.()),
  });
  full.innerHTML = '<svg viewBox="0 0 16 16" width="16" height="16"><path d="M2 6V2h4M10 2h4v4M14 10v4h-4M6 14H2v-4"/></svg>';
  parts.header = make("div", { className: "plw-header" }, parts.title, parts.count, parts.bar, parts.left, parts.saved, full);
  parts.stage = make("div", { className: "plw-stage" }, parts.canvas, parts.badge, parts.note);
  el.append(root);
  return parts;
}

function makeButton(key, text, press, more = {}) {
  const cap = key ? [keyCap(key)] : [];
  return make("button", { type: "button", tabIndex: -1, onclick: press, ...more }, ...cap, make("span", { textContent: text }));
}

function makeZoom(viewport, parts, fit = "0") {
  const by = (factor) => () => viewport().zoomBy(factor);
  return make(
    "span",
    { className: "plw-zoom" },
    makeButton("−", "", by(1 / 1.4), { title: "Smaller (-)", "aria-label": "Smaller" }),
    parts.zoomed,
    makeButton("+", "", by(1.4), { title: "Larger (+, or the wheel)", "aria-label": "Larger" }),
    makeButton(fit, "fit", () => { viewport().reset(); viewport().draw(); }, { title: `All of it (${fit.toUpperCase()})` }),
  );
}

// Foot of all widgets: what is theirs, zoom, back, undo, next; and the help below it.
function makeFoot(own, zoom, { go, undo, kind, help }) {
  const back = makeButton("←", "back", (event) => go("previous", event));
  const next = makeButton("→", "next", (event) => go("next", event), { className: `${kind}-next` });
  const steps = make("span", { className: "plw-push" }, back, makeButton("u", "undo", undo), next);
  const row = make("div", { className: "plw-row" }, ...own, zoom, steps);
  return { back, foot: [row, make("div", { className: "plw-help", textContent: help })] };
}

// What anywidget calls when the page is taken away.
function endBoth(link, viewport) {
  return () => {
    link.close();
    viewport.close();
  };
}

function zoomKey(key, viewport, fit = "0") {
  if (key === "+" || key === "=") viewport.zoomBy(1.4);
  else if (key === "-" || key === "_") viewport.zoomBy(1 / 1.4);
  else if (key === fit) { viewport.reset(); viewport.draw(); }
  else return false;
  return true;
}

function tellProgress(parts, link, thing, verb) {
  const { root, count, bar, left, saved } = parts;
  root.dataset.place = link.position;
  root.dataset.done = link.done;
  root.dataset.steps = `${link.heard}/${link.sent}`;
  count.textContent = link.ready ? `${link.done} of ${link.places} ${verb}` : "…";
  bar.firstChild.style.width = `${(100 * link.done) / link.places}%`;
  const ended = link.ready && link.done === link.places;
  left.textContent = ended ? `all ${verb}, thank you` : formatTime(link.secondsLeft);
  const waits = link.heard < link.sent;
  saved.textContent = link.fault ? `✗ ${link.fault}` : waits ? "saving…" : link.sent ? "✓ saved" : "";
  saved.title = link.fault;
  saved.classList.toggle("plw-fault", Boolean(link.fault));
  parts.title.textContent = link.ready ? `${thing} ${link.position + 1}` : thing;
}
